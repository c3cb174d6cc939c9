"""Real devices through PortAudio: two raw streams of 10 ms blocks, watched, reopened when they die.

Owns: `SoundDevices` (what exists, and endpoints on it), `PortAudioEndpoint`. Must not know: calls, RTP. The callbacks
run on PortAudio's threads and do no more than move one block; opening happens on the device thread. A device that is
missing or lost never stops a call: the microphone is silence, a notice says so, and the system's default is tried.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from softphone.engine.audio.backend import (
    DEVICE_RATE,
    AudioDevice,
    AudioDeviceKind,
    DeviceChoice,
    NoticeSink,
    Samples,
    find_device,
)
from softphone.engine.audio.block_queue import BlockQueue
from softphone.engine.audio.device_thread import BLOCK_SAMPLES, DeviceThread, DeviceUnavailable, Stream
from softphone.engine.audio.played_reference import PlayedReference
from softphone.engine.audio.pulse_devices import list_devices, pulse_devices
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.audio import DeviceForm

_log = logging.getLogger(__name__)

# Blocks of 10 ms.
CAPTURE_LIMIT, CAPTURE_SURPLUS = 4, 2
PLAYBACK_LIMIT, PLAYBACK_SURPLUS = 6, 2
PLAYBACK_TARGET = 2  # held back before the first block plays, and again after a gap
GONE_AFTER = 0.2  # seconds without a callback: the device is gone (media.md)
FIRST_BLOCK_WITHIN = 3.0  # seconds; an idle PulseAudio sink may take 1.9
RETRY_INTERVAL = 1.0  # seconds between attempts to open
PULSE_LATENCY_MS = 20
PULSE_PROPERTIES = "media.role=phone application.name=Softphone"  # other sound may be lowered for a call
_SILENCE = bytes(2 * BLOCK_SAMPLES)


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """Counts of 10 ms blocks since the start, of both directions, and of reopened streams."""

    captured: int
    played: int
    dropped: int
    missing: int
    reopened: int


class SoundDevices:
    """The sound system of this machine: lists devices and makes endpoints. One per process."""

    def __init__(self) -> None:
        self._thread = DeviceThread()
        self._thread.submit(self._prepare)

    def list(self) -> tuple[AudioDevice, ...]:
        """All microphones and speakers; empty where there are none. May take 100 ms, 1.5 s with a hung server."""
        with contextlib.suppress(DeviceUnavailable):
            return self._list()
        return ()

    def require(self, choice: DeviceChoice) -> None:
        """Raises OperationFailed (kind AUDIO_DEVICE) where a chosen device, or any device at all, is missing."""
        try:
            devices = self._list()
        except DeviceUnavailable as error:
            reason = f"Microphone and speaker cannot be used: {error}."
            remedy = "Start the sound system (PulseAudio or PipeWire) again, then try once more."
            raise OperationFailed(Failure(FailureKind.AUDIO_DEVICE, reason, remedy)) from error
        for kind, wanted in (
            (AudioDeviceKind.MICROPHONE, choice.microphone),
            (AudioDeviceKind.SPEAKER, choice.speaker),
        ):
            if find_device(devices, kind, wanted) is None:
                names = tuple(device.name for device in devices if device.kind is kind)
                raise OperationFailed(_missing(kind, wanted, names))

    def endpoint(self, choice: DeviceChoice, on_notice: NoticeSink) -> PortAudioEndpoint:
        """Microphone and speaker of one call; nothing is opened before its `start`."""
        return PortAudioEndpoint(self._thread, choice, on_notice)

    def close(self) -> None:
        self._thread.close()

    def _list(self) -> tuple[AudioDevice, ...]:
        return list_devices(lambda: self._thread.ask(self._thread.portaudio_devices))

    def _prepare(self) -> None:
        """On the device thread. PortAudio asks the sound server too, and would wait for a hung one for ever."""
        with contextlib.suppress(DeviceUnavailable):
            pulse_devices()
            self._thread.prepare()


class PortAudioEndpoint:
    """`read` and `write` are of the media thread and move whole 10 ms blocks (480 samples, or multiples)."""

    sample_rate = DEVICE_RATE

    def __init__(self, thread: DeviceThread, choice: DeviceChoice, on_notice: NoticeSink) -> None:
        self._thread = thread
        self._reference = PlayedReference()
        self._microphone = _Microphone(thread, choice.microphone, on_notice, self._reference)
        self._speaker = _Speaker(thread, choice.speaker, on_notice, self._reference)
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
        return self._reference.beside(self._microphone.queue.passed) if self._microphone.heard else None

    @property
    def forms(self) -> tuple[DeviceForm, DeviceForm]:
        return self._microphone.form, self._speaker.form

    def write(self, frame: Samples) -> None:
        self._speaker.write(frame)

    def stop(self) -> None:
        self._started = False
        for direction in (self._microphone, self._speaker):
            self._thread.submit(direction.stop)

    @property
    def statistics(self) -> DeviceStatistics:
        queues = (self._microphone.queue, self._speaker.queue)
        return DeviceStatistics(
            captured=self._microphone.blocks,
            played=self._speaker.blocks,
            dropped=sum(queue.dropped for queue in queues),
            missing=sum(queue.missing for queue in queues),
            reopened=self._microphone.reopened + self._speaker.reopened,
        )


class _Direction:
    """One stream over its life: opened, watched, reopened. Everything but the callback runs on the device thread."""

    kind: AudioDeviceKind

    def __init__(self, thread: DeviceThread, wanted: str | None, on_notice: NoticeSink, queue: BlockQueue) -> None:
        self._thread = thread
        self._wanted = wanted
        self._on_notice = on_notice
        self.queue = queue
        self._stream: Stream | None = None
        self._running = False
        self._opened_at = 0.0
        self._retry_at = 0.0
        self._told = False
        self._suspected = False
        self.blocks = 0
        self.last_block = 0.0
        self.reopened = 0
        self.form = DeviceForm.OPEN

    def start(self) -> None:
        self._running = True
        self._retry_at = 0.0
        self._thread.watch(self._watch)  # opens at once, and again whenever the device is lost

    def stop(self) -> None:
        self._running = False
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _watch(self, now: float) -> bool:
        """False ends the watch."""
        if not self._running:
            return False
        stream = self._stream
        if stream is None:
            if now >= self._retry_at:
                self._open(now)
            return self._running
        heard = self.last_block > self._opened_at
        if heard and self._told:
            self._told = False
            _log.info("%s: sound is back", self.kind.value)
        since = now - (self.last_block if heard else self._opened_at)
        if stream.active and since <= (GONE_AFTER if heard else FIRST_BLOCK_WITHIN):
            self._suspected = False
            return True
        if stream.active and not self._suspected:
            self._suspected = True  # a busy machine stops this thread too: what it held up comes before the next look
            return True
        self._suspected = False
        _log.info("%s: no sound for %.0f ms", self.kind.value, since * 1000)
        stream.close()
        self._stream = None
        if not heard:  # opened, and silent ever since; a stall that a new stream ends is nobody's business
            self._tell(
                Failure(
                    FailureKind.AUDIO_DEVICE,
                    f"The {self.kind.value} delivers no sound.",
                    "The call goes on and tries again. Check the device, or choose another.",
                )
            )
        self._open(now)
        return True

    def _open(self, now: float) -> None:
        """The chosen device, else the system's default; on failure again after `RETRY_INTERVAL`."""
        self._retry_at = now + RETRY_INTERVAL
        again = self.blocks > 0
        try:
            environment, device = self._locate()
            self.queue.clear()
            self._opened_at = time.monotonic()
            self._stream = self._open_stream(environment, device)
        except DeviceUnavailable as error:
            self._tell(
                Failure(
                    FailureKind.AUDIO_DEVICE,
                    f"No {self.kind.value} can be opened: {error}.",
                    "Connect one or check the sound settings of the system; the call goes on and tries again.",
                )
            )
            return
        self.reopened += again

    def _locate(self) -> tuple[Mapping[str, str], int | str | None]:
        """The environment and PortAudio's device that lead to the chosen device. Raises DeviceUnavailable."""
        devices = pulse_devices()
        if devices is not None:
            found = self._choose(devices)
            self.form = found.form
            variable = "PULSE_SOURCE" if self.kind is AudioDeviceKind.MICROPHONE else "PULSE_SINK"
            chosen = {variable: found.id, "PULSE_LATENCY_MSEC": str(PULSE_LATENCY_MS), "PULSE_PROP": PULSE_PROPERTIES}
            return chosen, "pulse"
        found = self._choose(self._thread.portaudio_devices())  # says in words that there is none at all
        self.form = found.form
        return {}, None if self._wanted is None else found.id

    def _choose(self, devices: tuple[AudioDevice, ...]) -> AudioDevice:
        found = find_device(devices, self.kind, self._wanted)
        if found is not None:
            return found
        default = find_device(devices, self.kind, None)
        if default is None:
            raise DeviceUnavailable("the system has none")
        names = tuple(device.name for device in devices if device.kind is self.kind)
        self._tell(_missing(self.kind, self._wanted, names))
        return default

    def _tell(self, failure: Failure) -> None:
        """Once for each loss: a device that stays away is not announced every second."""
        _log.info("%s", failure.reason)
        if not self._told:
            self._told = True
            self._on_notice(failure)

    def _open_stream(self, environment: Mapping[str, str], device: int | str | None) -> Stream:
        raise NotImplementedError


class _Microphone(_Direction):
    kind = AudioDeviceKind.MICROPHONE

    def __init__(
        self, thread: DeviceThread, wanted: str | None, on_notice: NoticeSink, reference: PlayedReference
    ) -> None:
        super().__init__(thread, wanted, on_notice, BlockQueue(CAPTURE_LIMIT, CAPTURE_SURPLUS))
        self._reference = reference
        self.heard = False  # in the last read

    def read(self, samples: int) -> Samples:
        taken = [self.queue.take() for _ in range(-(-samples // BLOCK_SAMPLES))]
        self.heard = None not in taken
        blocks = [_SILENCE if block is None else block for block in taken]
        return np.frombuffer(b"".join(blocks), np.int16)[:samples]

    def _open_stream(self, environment: Mapping[str, str], device: int | str | None) -> Stream:
        self._reference.restart()
        return self._thread.open_input(environment, device, self._captured)

    def _captured(self, indata: Any, _frames: int, _times: Any, _flags: Any) -> None:
        """PortAudio's thread: keep one block, no more."""
        self.queue.put(bytes(indata))
        self._reference.captured(self.queue.arrived)
        self.blocks += 1
        self.last_block = time.monotonic()


class _Speaker(_Direction):
    kind = AudioDeviceKind.SPEAKER

    def __init__(
        self, thread: DeviceThread, wanted: str | None, on_notice: NoticeSink, reference: PlayedReference
    ) -> None:
        super().__init__(thread, wanted, on_notice, BlockQueue(PLAYBACK_LIMIT, PLAYBACK_SURPLUS))
        self._reference = reference
        self._filling = True

    def write(self, frame: Samples) -> None:
        octets = frame.tobytes()
        for start in range(0, len(octets), len(_SILENCE)):
            block = octets[start : start + len(_SILENCE)]
            self.queue.put(block if len(block) == len(_SILENCE) else block.ljust(len(_SILENCE), b"\0"))

    def _open_stream(self, environment: Mapping[str, str], device: int | str | None) -> Stream:
        self._filling = True
        self._reference.restart()
        return self._thread.open_output(environment, device, self._wanted_block)

    def _wanted_block(self, outdata: Any, _frames: int, _times: Any, _flags: Any) -> None:
        """PortAudio's thread: hand out one block, silence until `PLAYBACK_TARGET` are there."""
        if self._filling and len(self.queue) < PLAYBACK_TARGET:
            played = _SILENCE
        else:
            block = self.queue.take()
            self._filling = block is None
            played = _SILENCE if block is None else block
        outdata[:] = played
        self._reference.played(played)
        self.blocks += 1
        self.last_block = time.monotonic()


def _missing(kind: AudioDeviceKind, wanted: str | None, names: tuple[str, ...]) -> Failure:
    if wanted is None:
        reason = f"This system has no {kind.value}."
        remedy = "Connect one, or start the sound system (PulseAudio or PipeWire)."
    else:
        reason = f"There is no {kind.value} called “{wanted}”."
        remedy = f"Choose one of: {', '.join(names)}." if names else "Connect one; the system has none."
    return Failure(FailureKind.AUDIO_DEVICE, reason, remedy, names)
