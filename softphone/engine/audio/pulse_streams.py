"""One direction of sound to the sound server: blocks are fetched and handed over by the media thread itself.

Owns: `PulseCapture`, `PulsePlayback`, `PulseLock`. Must not know: which device is wanted, connections. No Python runs
for a block but what the media thread calls: libpulse's own thread moves the octets. `read` and `write` are the media
thread's and never wait for the server; everything else is the device thread's. Streams are int16 mono at 48 kHz; the
server resamples and mixes for devices of another kind.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import numpy as np

from softphone.engine.audio import pulse_library as pulse
from softphone.engine.audio.backend import DEVICE_RATE, Samples
from softphone.engine.audio.slack import STEP, Slack, stretched

_MS = DEVICE_RATE // 1000 * 2  # octets
_FRAGMENT_MS = 5  # half a block: what waits is seen to run out before it has
_STRAINED_MS = 10  # where a device or a machine does not keep up with that
_CAPTURE_ROOM_MS = 500  # at the server, while nobody fetches
_CAPTURE_LONGEST_MS = 500  # a media thread that was held up fetches what it missed; more than that is dropped
_PLAYBACK_START_MS = 10  # beside two pieces: before the first sound, and again after a gap
_BLOCK = 10 * _MS
_LOOK_EVERY = 10  # blocks
_MOST = 1 << 30  # octets; libpulse says (size_t) -1 for a stream that has none
_PLAYBACK_LONGEST_MS = 200  # a server that was held up fetches what it missed; what is beyond is dropped


class PulseLock:
    """libpulse's thread, and its lock, without which none of its objects may be touched."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.mainloop = library.pa_threaded_mainloop_new()
        self.api = library.pa_threaded_mainloop_get_api(self.mainloop)
        library.pa_threaded_mainloop_start(self.mainloop)

    def __enter__(self) -> None:
        self.library.pa_threaded_mainloop_lock(self.mainloop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.library.pa_threaded_mainloop_unlock(self.mainloop)

    def end(self) -> None:
        """The thread ends. The lock stays for whoever may still ask a stream: it is not freed, once in a process."""
        self.library.pa_threaded_mainloop_stop(self.mainloop)


class _PulseStream:
    """What both directions have in common."""

    def __init__(self, lock: PulseLock, context: Any, name: bytes) -> None:
        self._lock, self._lib, self._ffi = lock, lock.library, pulse.declarations()
        self._mainloop = lock.mainloop
        self._null = self._ffi.NULL
        self._closed = False
        self.opened_at = time.monotonic()
        self.passed = 0  # samples that the device has delivered or played
        self._passed_at = 0.0
        self.dropped = 0  # samples
        self.missing = 0  # times that there was nothing when it was wanted
        spec = {"format": pulse.SAMPLE_S16NE, "rate": DEVICE_RATE, "channels": 1}
        self._slack = Slack()
        self._at_once_ms = _FRAGMENT_MS
        self.moves_ms = 0.0  # sound that the server moves at once, as it agreed; 0: not known yet
        with lock:
            self._stream = self._lib.pa_stream_new(context, name, self._ffi.new("pa_sample_spec *", spec), self._null)

    def _attributes(self) -> Any:
        every = dict.fromkeys(("maxlength", "tlength", "prebuf", "minreq", "fragsize"), pulse.AS_THE_SERVER_LIKES)
        return self._ffi.new("pa_buffer_attr *", every | self._buffers(self._at_once_ms * _MS))

    def _buffers(self, at_once: int) -> dict[str, int]:
        """What is asked for; all in octets."""
        raise NotImplementedError

    def _mind(self, moved: int) -> None:
        """Under the lock, now and then: the server moves so many octets at once. Another device may move others."""
        self.moves_ms = moved / _MS
        self._slack.moves(moved // 2)
        if self._slack.strained and self.moves_ms < _STRAINED_MS > self._at_once_ms:
            self._at_once_ms = _STRAINED_MS
            asked = self._lib.pa_stream_set_buffer_attr(self._stream, self._attributes(), self._null, self._null)
            if asked != self._null:
                self._lib.pa_operation_unref(asked)

    @property
    def state(self) -> int:
        """One of `STREAM_…`."""
        if self._closed or self._stream == self._null:
            return pulse.STREAM_TERMINATED
        with self._lock:
            return int(self._lib.pa_stream_get_state(self._stream))

    @property
    def alive(self) -> bool:
        return self.state == pulse.STREAM_READY

    @property
    def device(self) -> str:
        """The id of the device that it is on now: the server moves streams when a device goes."""
        if self._closed:
            return ""
        with self._lock:
            name = self._lib.pa_stream_get_device_name(self._stream)
            return "" if name == self._null else self._ffi.string(name).decode("utf-8", "replace")

    @property
    def flowing(self) -> bool:
        """Sound has come through since it was opened."""
        return self.passed > 0

    def still_for(self, now: float) -> float:
        """Seconds that the device has neither delivered nor played anything, though it should have.

        One that the server has suspended should have, too: it wakes up for a stream, unless something keeps it asleep.
        """
        if self._closed:
            return 0.0
        with self._lock:
            if self._in_motion():
                return 0.0
        return now - max(self._passed_at, self.opened_at)

    def close(self) -> None:
        if self._closed:
            return
        with self._lock:
            self._closed = True
            if self._stream != self._null:
                self._lib.pa_stream_disconnect(self._stream)
                self._lib.pa_stream_unref(self._stream)

    def _in_motion(self) -> bool:
        """Under the lock."""
        raise NotImplementedError


class PulseCapture(_PulseStream):
    """A microphone."""

    def __init__(self, lock: PulseLock, context: Any, device_id: str) -> None:
        super().__init__(lock, context, b"Microphone")
        self._held = bytearray()
        self._filling = True
        self._reads = 0
        self._data, self._octets = self._ffi.new("const void **"), self._ffi.new("size_t *")
        attributes = self._attributes()
        with lock:
            self._lib.pa_stream_connect_record(self._stream, device_id.encode(), attributes, pulse.ADJUST_LATENCY)

    def _buffers(self, at_once: int) -> dict[str, int]:
        return {"maxlength": _CAPTURE_ROOM_MS * _MS, "fragsize": at_once}

    @property
    def taken(self) -> int:
        """Samples that `read` has used up, dropped ones included."""
        return self.passed - len(self._held) // 2

    def read(self, samples: int) -> Samples | None:
        """The next samples; None where they are not there yet."""
        self._fetch()
        if self._closed:  # what was left of it is of the past
            return None
        waiting = len(self._held) // 2 - samples
        if waiting < (self._slack.start if self._filling else 0):
            if not self._filling and self.flowing:
                self.missing += 1
                self._slack.ran_dry()
            self._filling = True
            return None
        self._filling = False
        excess = self._slack.excess(waiting)
        if excess > STEP:
            self.dropped += excess
            del self._held[: 2 * excess]
            excess = 0
        used = samples + excess
        sound = np.frombuffer(bytes(self._held[: 2 * used]), np.int16)
        del self._held[: 2 * used]
        return stretched(sound, samples)

    def _fetch(self) -> None:
        lib, stream, octets = self._lib, self._stream, self._octets
        lib.pa_threaded_mainloop_lock(self._mainloop)
        try:
            if self._closed:
                return
            before = len(self._held)
            if self._reads % _LOOK_EVERY == 0 or not self.moves_ms:
                attributes = lib.pa_stream_get_buffer_attr(stream)
                if attributes != self._null:  # else it is not ready
                    self._mind(attributes.fragsize)
            self._reads += 1
            while lib.pa_stream_peek(stream, self._data, octets) == 0 and (count := octets[0]) > 0:
                data = self._data[0]
                self._held += bytes(count) if data == self._null else self._ffi.buffer(data, count)  # a hole is silence
                lib.pa_stream_drop(stream)
        finally:
            lib.pa_threaded_mainloop_unlock(self._mainloop)
        if len(self._held) > before:
            self.passed += (len(self._held) - before) // 2
            self._passed_at = time.monotonic()
        if len(self._held) > _CAPTURE_LONGEST_MS * _MS:  # nobody has read for long: the machine slept
            too_much = len(self._held) - _BLOCK - 2 * self._slack.spare
            self.dropped += too_much // 2
            del self._held[:too_much]

    def _in_motion(self) -> bool:
        return bool(self._lib.pa_stream_readable_size(self._stream) > 0)


class PulsePlayback(_PulseStream):
    """A speaker."""

    def __init__(self, lock: PulseLock, context: Any, device_id: str) -> None:
        super().__init__(lock, context, b"Voice")
        self._surplus = 0  # samples that are to be dropped
        self._room = 0  # octets that the server wants to have waiting
        self._written = self._done = 0  # octets: handed over, played
        self._writes = 0
        self._underflow = -1
        self._playing = False  # else it waits until there is enough for a beginning
        attributes = self._attributes()
        with lock:  # early requests: the device's own latency is `minreq`, and `tlength` only bounds what may wait
            self._lib.pa_stream_connect_playback(
                self._stream, device_id.encode(), attributes, pulse.EARLY_REQUESTS, self._null, self._null
            )

    def _buffers(self, at_once: int) -> dict[str, int]:
        longest = _PLAYBACK_LONGEST_MS * _MS
        start = _PLAYBACK_START_MS * _MS + 2 * at_once
        return {"maxlength": 2 * longest, "tlength": longest, "prebuf": start, "minreq": at_once}

    @property
    def taken(self) -> int:
        """Of the samples handed over, those that the server has taken, as of the last `write`."""
        return self._done // 2

    def write(self, frame: Samples) -> int:
        """How many samples it was handed over as. 0: no room, a device that stands still must not pile up sound."""
        lib, stream = self._lib, self._stream
        lib.pa_threaded_mainloop_lock(self._mainloop)
        try:
            if self._closed:
                return 0
            wanted = lib.pa_stream_writable_size(stream)
            if wanted > _MOST:  # not ready, or ended
                return 0
            if self._writes % _LOOK_EVERY == 0:
                self._look()
            self._writes += 1
            self._note(wanted)
            excess = self._slack.excess(max(0, self._room - wanted) // 2) if self._playing else 0
            if excess > STEP:
                self._surplus = excess
            if wanted < 2 * frame.size or self._surplus >= frame.size:
                self._surplus = max(0, self._surplus - frame.size)
                self.dropped += frame.size
                return 0
            self._surplus = 0  # less than a frame
            excess = min(excess, STEP)
            block = stretched(frame, frame.size - excess).tobytes()
            lib.pa_stream_write(stream, block, len(block), self._null, 0, 0)
            self._written += len(block)
            return len(block) // 2
        finally:
            lib.pa_threaded_mainloop_unlock(self._mainloop)

    def _look(self) -> None:
        """Under the lock: what changes seldom."""
        attributes = self._lib.pa_stream_get_buffer_attr(self._stream)
        self._room = attributes.tlength
        self._mind(attributes.minreq)

    def _note(self, wanted: int) -> None:
        """Under the lock: how far the device has come, and whether there was nothing for it meanwhile."""
        underflow = self._lib.pa_stream_get_underflow_index(self._stream)
        if underflow != self._underflow:
            self._underflow = underflow
            self._surplus, self._playing = 0, False
            if self.flowing:
                self.missing += 1
                self._slack.ran_dry()
        done = self._written - (self._room - wanted)
        if done > self._done:
            self.passed += (done - self._done) // 2
            self._passed_at = time.monotonic()
            self._playing = True
        self._done = done

    def _in_motion(self) -> bool:
        return bool(self._lib.pa_stream_writable_size(self._stream) >= _BLOCK)  # less is of no use to `write`
