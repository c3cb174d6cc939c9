"""What cannot be provoked on a real server: a device that is there and cannot be opened at first."""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind, DeviceChoice, Samples
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.device_streams import CaptureStream
from softphone.engine.audio.device_thread import DeviceThread, DeviceUnavailable
from softphone.errors import Failure
from tests.peers.process import until


class Played:
    """A speaker that takes everything."""

    def __init__(self, device: str) -> None:
        self.device, self.alive = device, True
        self.passed = self.taken = self.dropped = self.missing = 0

    @property
    def flowing(self) -> bool:
        return self.passed > 0

    def still_for(self, now: float) -> float:
        del now
        return 0.0

    def write(self, frame: Samples) -> int:
        self.passed += frame.size
        self.taken = self.passed
        return int(frame.size)

    def close(self) -> None:
        self.alive = False


class System:
    """Two speakers, of which one refuses as often as `refusals` says."""

    def __init__(self) -> None:
        self.refusals = 2
        self.opened: list[Played] = []

    def devices(self) -> tuple[AudioDevice, ...]:
        return (
            AudioDevice("built-in", "Built-in", AudioDeviceKind.SPEAKER, True, 2),
            AudioDevice("headset", "Headset", AudioDeviceKind.SPEAKER, False, 1),
        )

    def open_capture(self, device: AudioDevice) -> CaptureStream:
        raise DeviceUnavailable(f"{device.name} is no microphone")

    def open_playback(self, device: AudioDevice) -> Played:
        if device.id == "headset" and self.refusals:
            self.refusals -= 1
            raise DeviceUnavailable("it is busy")
        self.opened.append(Played(device.id))
        return self.opened[-1]


def test_a_watch_that_fails_looks_again() -> None:
    thread, looks = DeviceThread(), list[float]()

    def watch(now: float) -> float | None:
        looks.append(now)
        if len(looks) == 1:
            raise OSError("the library says something new")
        return None

    thread.submit(lambda: thread.watch(watch))
    until(lambda: len(looks) == 2, "the second look", 20)
    thread.close()


def test_a_chosen_device_that_is_busy_is_tried_again_while_the_other_one_sounds_on() -> None:
    system, thread, notices = System(), DeviceThread(), list[Failure]()
    endpoint = SoundCardEndpoint(thread, system, DeviceChoice(), notices.append)
    endpoint.listen(False)
    endpoint.start()
    block = np.full(480, 1000, np.int16)

    def sounds_on(device: str) -> bool:
        endpoint.write(block)
        return bool(system.opened) and system.opened[-1].device == device and system.opened[-1].flowing

    until(lambda: sounds_on("built-in"), "sound", 20)
    endpoint.choose(DeviceChoice(speaker="headset"))
    until(lambda: notices, "word of it", 20)
    assert notices[0].reason == "The speaker “Headset” cannot be opened: it is busy."
    assert "goes on with “Built-in”" in notices[0].remedy
    assert sounds_on("built-in")
    until(lambda: sounds_on("headset"), "the headset's sound", 20)
    until(lambda: not system.opened[0].alive, "the other one to be closed", 20)
    assert len(notices) == 1
    endpoint.stop()
    thread.close()
