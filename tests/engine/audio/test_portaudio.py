"""PortAudio, which Windows and macOS use: here through ALSA's bridge to a PulseAudio of the tests' own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from softphone.engine.audio.backend import AudioDeviceKind, DeviceChoice, Samples
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.device_thread import DeviceThread
from softphone.engine.audio.portaudio import PortAudioSystem
from softphone.errors import Failure
from tests.engine.media.lockstep import alike_in_pieces, in_three_attempts, voice
from tests.peers.pulse import RATE, PulseRig

pytestmark = pytest.mark.peer
BLOCK = 480


@pytest.fixture
def rig() -> Iterator[PulseRig]:
    with PulseRig() as server, server.in_this_process():
        yield server


@pytest.fixture
def thread() -> Iterator[DeviceThread]:
    made = DeviceThread()
    yield made
    made.close()


def run(endpoint: SoundCardEndpoint, seconds: float, say: Samples | None = None) -> Samples:
    heard = []
    due = time.monotonic()
    for start in range(0, round(seconds * RATE), BLOCK):
        due += 0.01
        time.sleep(max(0.0, due - time.monotonic()))
        heard.append(endpoint.read(BLOCK))
        block = np.zeros(0, np.int16) if say is None else say[start : start + BLOCK]
        endpoint.write(block if block.size == BLOCK else np.zeros(BLOCK, np.int16))
    return np.concatenate(heard)


def test_sound_crosses_the_system_s_default_both_ways(rig: PulseRig, thread: DeviceThread) -> None:
    notices: list[Failure] = []
    system = PortAudioSystem()
    endpoint = SoundCardEndpoint(thread, system, DeviceChoice(), notices.append)
    endpoint.start()
    run(endpoint, 1.0)

    def crosses() -> bool:
        recording = rig.record("a_spk.monitor")
        rig.play_samples("a_mic", voice(1.5, RATE, seed=2))
        heard = run(endpoint, 2.5, voice(1.5, RATE, seed=1))
        played = alike_in_pieces(voice(1.5, RATE, seed=1), recording.stop(), RATE)
        captured = alike_in_pieces(voice(1.5, RATE, seed=2), heard, RATE)
        print(f"likeness played {played:.2f}, captured {captured:.2f}, {endpoint.statistics}")
        return min(played, captured) > 0.9

    assert in_three_attempts(crosses)
    endpoint.stop()
    thread.submit(system.close)
    assert notices == []


def test_its_list_has_both_kinds_and_one_default_of_each(rig: PulseRig, thread: DeviceThread) -> None:
    del rig, thread
    devices = PortAudioSystem().devices()
    for kind in AudioDeviceKind:
        assert [device.is_default for device in devices if device.kind is kind].count(True) == 1
