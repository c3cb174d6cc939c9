"""Asking the sound server for its devices: quick where it answers, bounded where it hangs."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from softphone.engine.audio.device_thread import DeviceUnavailable
from softphone.engine.audio.pulse_devices import pulse_devices
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
