"""One direction of an endpoint over its life: the wanted device found, opened, watched, changed, opened anew.

Owns: which device is in use, and what people are told about it; `MicrophoneDirection`, `SpeakerDirection`. Must not
know: calls, which library reaches the device. `read` and `write` are the media thread's; all else is the device
thread's. A change begins with the new stream while the old one still sounds, and ends with a short cross-fade in the
media thread; each thread writes one of `_target` and `_stream` and only reads the other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from softphone.dsp.microphone_watch import MicrophoneWatch
from softphone.engine.audio.backend import (
    BLOCK_MS,
    DEVICE_RATE,
    AudioDevice,
    AudioDeviceKind,
    NoticeSink,
    Samples,
    find_device,
)
from softphone.engine.audio.device_streams import CaptureStream, DeviceStream, PlaybackStream, SoundSystem
from softphone.engine.audio.device_thread import DeviceThread, DeviceUnavailable
from softphone.engine.audio.fade import crossed, faded_in, faded_out, tail
from softphone.engine.audio.played_reference import PlayedReference
from softphone.engine.audio.slack import stretched
from softphone.errors import Failure, FailureKind
from softphone.policy.audio import DeviceForm
from softphone.ua.media_report import MicrophoneState

_log = logging.getLogger(__name__)

WATCH_INTERVAL = 0.1  # seconds; what a sound server says of itself is acted on at once
GONE_AFTER = 0.2  # seconds without sound: the device is gone (media.md)
FIRST_SOUND_WITHIN = 3.0  # seconds; an idle PulseAudio sink may take 1.9
RETRY_INTERVAL = 1.0  # seconds between attempts to open
_LINGER = 0.2  # seconds that a stream which was left may play what it still holds
_BLOCK = DEVICE_RATE * BLOCK_MS // 1000


Stream = TypeVar("Stream", bound=DeviceStream)


@dataclass(frozen=True, slots=True)
class DirectionCounts:
    """Samples that the device delivered or played, samples dropped, and times that nothing was there."""

    passed: int = 0
    dropped: int = 0
    missing: int = 0

    def plus(self, stream: DeviceStream) -> DirectionCounts:
        return DirectionCounts(
            self.passed + stream.passed, self.dropped + stream.dropped, self.missing + stream.missing
        )


class _Direction(Generic[Stream]):
    kind: AudioDeviceKind

    def __init__(self, thread: DeviceThread, system: SoundSystem, wanted: str | None, on_notice: NoticeSink) -> None:
        self._thread, self._system, self._on_notice = thread, system, on_notice
        self._wanted = wanted
        self._running = False
        self._open: list[Stream] = []  # everything that is not closed yet
        self._target: Stream | None = None  # what is to be used; written by the device thread
        self._stream: Stream | None = None  # what is used; written by the media thread
        self._target_since = self._retry_at = 0.0
        self._used: AudioDevice | None = None
        self._missed = False  # that the wanted device is not there has been told
        self._told = False  # that there is no sound has been told
        self._suspected = False
        self._unreached = False  # another device was wanted than the one that sounds, and could not be opened
        self._past = DirectionCounts()
        self.reopened = 0

    @property
    def form(self) -> DeviceForm:
        used = self._used
        return used.form if used is not None else DeviceForm.OPEN

    @property
    def counts(self) -> DirectionCounts:
        """Since the endpoint was made; of all its streams."""
        counts = self._past
        for stream in tuple(self._open):
            counts = counts.plus(stream)
        return counts

    # On the device thread

    def start(self) -> None:
        self._running = True
        self._retry_at = 0.0
        self._thread.watch(self._watch)  # opens at once, and again whenever the device is lost

    def stop(self) -> None:
        self._running = False
        self._target = self._used = None
        self._close(self._open)

    def choose(self, wanted: str | None) -> None:
        """Another device from now on, in the middle of a call too."""
        if wanted != self._wanted:
            self._wanted, self._missed = wanted, False
            if self._running:
                self._reach(None)

    def devices_changed(self, devices: tuple[AudioDevice, ...]) -> None:
        """The list or a default has changed. Nothing listed: the server has gone, which the watch finds out."""
        if not self._running or not devices:
            return
        target, used = self._target, self._used
        if target is None or used is None or not target.alive:
            self._reach(devices)
            return
        best = self._best(devices)
        if best is not None and (best.id, best.serial) != (used.id, used.serial):
            self._reach(devices)
        elif best is not None:
            self._used = best  # muted in the system, or no longer

    def _watch(self, now: float) -> float | None:
        """Seconds until the next look; None ends the watch."""
        if not self._running:
            return None
        target = self._target
        if target is None:
            if now >= self._retry_at:
                self._reach(None)
            return WATCH_INTERVAL
        if not target.alive:
            _log.info("%s: the stream has ended", self.kind.value)
            self._lose(target)
            return WATCH_INTERVAL
        if target.flowing and self._told and not self._unreached:
            self._told = False
            _log.info("%s: sound is back", self.kind.value)
        still = target.still_for(now)
        if still <= (GONE_AFTER if target.flowing else FIRST_SOUND_WITHIN):
            self._suspected = False
        elif not self._suspected:
            self._suspected = True  # a busy machine stops this thread too: what it held up comes before the next look
        else:
            _log.info("%s: no sound for %.0f ms", self.kind.value, still * 1000)
            if not target.flowing:  # opened, and silent ever since; a stall that a new stream ends is nobody's business
                self._tell(_silent(self.kind))
            self._lose(target)
            return WATCH_INTERVAL
        if self._unreached and now >= self._retry_at:
            self._reach(None)
        elif len(self._open) > 1 and self._stream is target and now - self._target_since > _LINGER:
            self._close([stream for stream in self._open if stream is not target])
        return WATCH_INTERVAL

    def _lose(self, target: Stream) -> None:
        self._suspected = False
        self._target = None
        self._close([target])
        self._reach(None)

    def _reach(self, devices: tuple[AudioDevice, ...] | None) -> None:
        """The chosen device, else the system's default; on failure again after `RETRY_INTERVAL`."""
        now = time.monotonic()
        self._retry_at = now + RETRY_INTERVAL
        device: AudioDevice | None = None
        try:
            device = self._choose(self._system.devices() if devices is None else devices)
            if self._target is not None and self._target.alive and self._target.device == device.id:
                self._used, self._unreached = device, False  # a server has moved the stream there
                return
            stream = self._open_stream(device)
        except DeviceUnavailable as error:
            self._unreached = True
            self._tell(_unopened(self.kind, str(error), device, self._used if self._target is not None else None))
            return
        _log.info("%s: %s", self.kind.value, device.id)
        self.reopened += self._past.passed > 0 or any(stream.flowing for stream in self._open)
        self._open.append(stream)
        self._used, self._target, self._target_since = device, stream, now
        self._suspected = self._unreached = False

    def _best(self, devices: tuple[AudioDevice, ...]) -> AudioDevice | None:
        return find_device(devices, self.kind, self._wanted) or find_device(devices, self.kind, None)

    def _choose(self, devices: tuple[AudioDevice, ...]) -> AudioDevice:
        """Tells of what has gone or is missing. Raises DeviceUnavailable where there is none at all."""
        best, used = self._best(devices), self._used
        if best is None:
            raise DeviceUnavailable("the system has none")
        missing = find_device(devices, self.kind, self._wanted) is None
        if used is not None and all(device.id != used.id for device in devices if device.kind is self.kind):
            self._used = None
            self._missed = missing
            self._on_notice(_gone(self.kind, used.name, best.name))
        elif missing and not self._missed:
            self._missed = True
            names = tuple(device.name for device in devices if device.kind is self.kind)
            self._on_notice(missing_device(self.kind, self._wanted, names))
        elif not missing:
            self._missed = False
        return best

    def _tell(self, failure: Failure) -> None:
        """Once for each loss: a device that stays away is not announced every second."""
        _log.info("%s", failure.reason)
        if not self._told:
            self._told = True
            self._on_notice(failure)

    def _close(self, streams: list[Stream]) -> None:
        for stream in list(streams):
            stream.close()
            self._open.remove(stream)
            self._past = self._past.plus(stream)

    def _open_stream(self, device: AudioDevice) -> Stream:
        raise NotImplementedError


class MicrophoneDirection(_Direction[CaptureStream]):
    kind = AudioDeviceKind.MICROPHONE

    def __init__(
        self,
        thread: DeviceThread,
        system: SoundSystem,
        wanted: str | None,
        on_notice: NoticeSink,
        reference: PlayedReference,
    ) -> None:
        super().__init__(thread, system, wanted, on_notice)
        self._reference = reference
        self._last = 0  # sample
        self.heard = False  # in the last read
        self._watch_sound = MicrophoneWatch(DEVICE_RATE)

    @property
    def state(self) -> MicrophoneState:
        watch, used = self._watch_sound, self._used
        return MicrophoneState(watch.silent_s, watch.clipped, used is not None and used.muted)

    def read(self, samples: int) -> Samples:
        sound = self._next(samples)
        if sound is None:
            self._watch_sound.absent()
            block = tail(self._last, samples) if self._last else np.zeros(samples, np.int16)
            self.heard, self._last = False, 0
            return block
        self._watch_sound.heard(sound)
        if not self.heard:
            sound = faded_in(sound)
        self.heard, self._last = True, int(sound[-1])
        return sound

    def played(self) -> Samples | None:
        """What the speaker played beside the block that was read last."""
        stream = self._stream
        return self._reference.beside(stream.taken) if stream is not None and self.heard else None

    def _next(self, samples: int) -> Samples | None:
        target, stream = self._target, self._stream
        if target is not None and target is not stream:
            sound = target.read(samples)
            if sound is not None:
                before = stream.read(samples) if stream is not None else None
                self._stream = target
                self._reference.microphone_began()
                self._reference.captured(target.passed)
                return sound if before is None else crossed(before, sound)
        if stream is None:
            return None
        sound = stream.read(samples)
        self._reference.captured(stream.passed)
        return sound

    def _open_stream(self, device: AudioDevice) -> CaptureStream:
        return self._system.open_capture(device)


class SpeakerDirection(_Direction[PlaybackStream]):
    kind = AudioDeviceKind.SPEAKER

    def __init__(
        self,
        thread: DeviceThread,
        system: SoundSystem,
        wanted: str | None,
        on_notice: NoticeSink,
        reference: PlayedReference,
    ) -> None:
        super().__init__(thread, system, wanted, on_notice)
        self._reference = reference

    def write(self, frame: Samples) -> None:
        target, stream = self._target, self._stream
        if target is None:
            return
        if target is not stream:
            if stream is not None:
                stream.write(faded_out(frame))
            frame = faded_in(frame)
            self._stream = target
            self._reference.speaker_began()
        handed = target.write(frame)
        if handed:
            self._reference.played(stretched(frame, handed), target.taken)

    def _open_stream(self, device: AudioDevice) -> PlaybackStream:
        return self._system.open_playback(device)


def missing_device(kind: AudioDeviceKind, wanted: str | None, names: tuple[str, ...]) -> Failure:
    if wanted is None:
        reason = f"This system has no {kind.value}."
        remedy = "Connect one, or start the sound system (PulseAudio or PipeWire)."
    else:
        reason = f"There is no {kind.value} called “{wanted}”."
        remedy = f"Choose one of: {', '.join(names)}." if names else "Connect one; the system has none."
    return Failure(FailureKind.AUDIO_DEVICE, reason, remedy, names)


def _gone(kind: AudioDeviceKind, gone: str, used: str) -> Failure:
    reason = f"The {kind.value} “{gone}” has gone; the call goes on with “{used}”."
    return Failure(FailureKind.AUDIO_DEVICE, reason, "Connect it again, or choose another in the settings.")


def _silent(kind: AudioDeviceKind) -> Failure:
    return Failure(
        FailureKind.AUDIO_DEVICE,
        f"The {kind.value} delivers no sound.",
        "The call goes on and tries again. Check the device, or choose another.",
    )


def _unopened(kind: AudioDeviceKind, reason: str, wanted: AudioDevice | None, used: AudioDevice | None) -> Failure:
    if wanted is not None and used is not None:
        return Failure(
            FailureKind.AUDIO_DEVICE,
            f"The {kind.value} “{wanted.name}” cannot be opened: {reason}.",
            f"The call goes on with “{used.name}” and tries again. Close what else uses it, or choose another.",
        )
    return Failure(
        FailureKind.AUDIO_DEVICE,
        f"No {kind.value} can be opened: {reason}.",
        "Connect one or check the sound settings of the system; the call goes on and tries again.",
    )
