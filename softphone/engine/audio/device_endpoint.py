"""Microphone and speaker of the calls on real devices, which may change while they are used.

Owns: `SoundCardEndpoint`. Must not know: calls, RTP, which library reaches the device. A device that is missing or lost
never stops a call: the microphone is silence, a notice says so, and the system's default takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from softphone.engine.audio.backend import BLOCK_MS, DEVICE_RATE, AudioDevice, DeviceChoice, NoticeSink, Samples
from softphone.engine.audio.device_direction import MicrophoneDirection, SpeakerDirection
from softphone.engine.audio.device_streams import SoundSystem
from softphone.engine.audio.device_thread import DeviceThread
from softphone.engine.audio.played_reference import PlayedReference
from softphone.policy.audio import DeviceForm
from softphone.ua.media_report import MicrophoneState

_BLOCK = DEVICE_RATE * BLOCK_MS // 1000


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """Since the endpoint was made, both directions: counts of 10 ms blocks, of gaps, and of streams opened again."""

    captured: int
    played: int
    dropped: int
    missing: int
    reopened: int


class SoundCardEndpoint:
    """`read` and `write` are of the media thread and move whole 10 ms blocks (480 samples, or multiples)."""

    sample_rate = DEVICE_RATE

    def __init__(self, thread: DeviceThread, system: SoundSystem, choice: DeviceChoice, on_notice: NoticeSink) -> None:
        self._thread = thread
        reference = PlayedReference()
        self._microphone = MicrophoneDirection(thread, system, choice.microphone, on_notice, reference)
        self._speaker = SpeakerDirection(thread, system, choice.speaker, on_notice, reference)
        self._started, self._listening = False, True

    def start(self) -> None:
        """Returns at once; the devices are opened on the device thread. What goes wrong comes as a notice."""
        self._started = True
        if self._listening:
            self._thread.submit(self._microphone.start)
        self._thread.submit(self._speaker.start)

    def listen(self, wanted: bool) -> None:
        """A microphone that nobody hears is closed: the system shows people which program has it open."""
        if wanted is not self._listening:
            self._listening = wanted
            if self._started:
                self._thread.submit(self._microphone.start if wanted else self._microphone.stop)

    def read(self, samples: int) -> Samples:
        return self._microphone.read(samples)

    def played(self) -> Samples | None:
        return self._microphone.played()

    @property
    def forms(self) -> tuple[DeviceForm, DeviceForm]:
        return self._microphone.form, self._speaker.form

    @property
    def microphone(self) -> MicrophoneState:
        """What it delivers, before anything is done to it."""
        return self._microphone.state

    def write(self, frame: Samples) -> None:
        self._speaker.write(frame)

    def stop(self) -> None:
        self._started = False
        for direction in (self._microphone, self._speaker):
            self._thread.submit(direction.stop)

    def choose(self, choice: DeviceChoice) -> None:
        """Other devices from now on, in the middle of a call too. From any thread."""
        self._submit_choice(self._microphone.choose, choice.microphone)
        self._submit_choice(self._speaker.choose, choice.speaker)

    def devices_changed(self, devices: tuple[AudioDevice, ...]) -> None:
        """On the device thread."""
        self._microphone.devices_changed(devices)
        self._speaker.devices_changed(devices)

    def devices_gone(self) -> None:
        """On the device thread, at its end."""
        self._microphone.stop()
        self._speaker.stop()

    def _submit_choice(self, choose: Callable[[str | None], None], wanted: str | None) -> None:
        self._thread.submit(lambda: choose(wanted))

    @property
    def statistics(self) -> DeviceStatistics:
        microphone, speaker = self._microphone.counts, self._speaker.counts
        return DeviceStatistics(
            captured=microphone.passed // _BLOCK,
            played=speaker.passed // _BLOCK,
            dropped=(microphone.dropped + speaker.dropped) // _BLOCK,
            missing=microphone.missing + speaker.missing,
            reopened=self._microphone.reopened + self._speaker.reopened,
        )
