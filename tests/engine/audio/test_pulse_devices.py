"""Asking the sound server for its devices: quick where it answers, bounded where it hangs."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from softphone.engine.audio.device_thread import DeviceUnavailable
from softphone.engine.audio.pulse_devices import pulse_devices
from softphone.engine.audio.pulse_server import PulseServer
from softphone.engine.audio.pulse_streams import PulseCapture, PulsePlayback
from tests.peers.pulse import PulseRig

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="PulseAudio and PipeWire are Linux's")


@pytest.mark.peer
def test_a_server_that_answers_is_not_waited_for() -> None:
    """A call's sound starts only after this, for each direction."""
    with PulseRig() as rig, rig.in_this_process():
        pulse_devices()
        began = time.monotonic()
        found = pulse_devices()
        took = time.monotonic() - began
    assert found is not None
    assert {device.name for device in found} >= {"A_in", "A_spk"}
    assert took < 0.2


@pytest.mark.peer
def test_a_speaker_that_stands_still_is_noticed_though_a_little_room_is_left() -> None:
    """Blocks are shortened for drift, so what fits is seldom a whole number of them."""
    with PulseRig() as rig, rig.in_this_process():
        server = PulseServer(lambda: None)
        assert server.connect()
        speaker = server.open_playback(rig.speaker("a"))
        try:
            with rig.server_stopped():
                assert speaker.write(np.zeros(400, np.int16)) == 400
                written = [speaker.write(np.zeros(480, np.int16)) for _ in range(100)]
                assert written[0] > 0
                assert written[-1] == 0
                assert speaker.still_for(time.monotonic() + 5) > 4
        finally:
            speaker.close()
            server.close()


@pytest.mark.peer
def test_streams_that_run_dry_again_and_again_are_moved_in_larger_pieces() -> None:
    """5 ms at once are a wish; where a device or this machine cannot keep up, 10 sound better."""
    with PulseRig() as rig, rig.in_this_process():
        server = PulseServer(lambda: None)
        assert server.connect()
        speaker, microphone = server.open_playback(rig.speaker("a")), server.open_capture(rig.microphone("a"))
        try:
            assert isinstance(speaker, PulsePlayback)
            assert isinstance(microphone, PulseCapture)
            for _ in range(12):  # a media thread that is held up for 150 ms, and then wants more than there is
                for _ in range(10):
                    speaker.write(np.zeros(480, np.int16))
                for _ in range(20):
                    microphone.read(480)
                time.sleep(0.15)
            assert (speaker.moves_ms, microphone.moves_ms) == (10, 10)
            assert speaker.missing >= 2
            assert microphone.missing >= 2
        finally:
            speaker.close()
            microphone.close()
            server.close()


def test_a_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute"))
        mute.listen(8)
        monkeypatch.setitem(os.environ, "PULSE_SERVER", f"unix:{tmp_path}/mute")
        began = time.monotonic()
        with pytest.raises(DeviceUnavailable, match="does not answer"):
            pulse_devices()
    assert time.monotonic() - began < 2.5


def test_no_server_at_all_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PULSE_SERVER", f"unix:{tmp_path}/none")
    began = time.monotonic()
    assert pulse_devices() is None
    assert time.monotonic() - began < 0.5
