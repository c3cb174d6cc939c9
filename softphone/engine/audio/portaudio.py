"""Real devices through PortAudio: two raw streams of 10 ms blocks. Windows, macOS, and Linux without a sound server.

Owns: `PortAudioSystem`, PortAudio's life in this process. Must not know: which device is wanted. The callbacks run on
PortAudio's threads and do no more than move one block. PortAudio's list of devices is as old as its start; it begins
anew where that is possible: while nothing is open.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from softphone.engine.audio.backend import BLOCK_MS, DEVICE_RATE, AudioDevice, AudioDeviceKind, Samples
from softphone.engine.audio.block_queue import BlockQueue
from softphone.engine.audio.device_form import device_form
from softphone.engine.audio.device_thread import DeviceUnavailable

if TYPE_CHECKING:
    import sounddevice

# Blocks of 10 ms.
CAPTURE_LIMIT, CAPTURE_SURPLUS = 4, 2
PLAYBACK_LIMIT, PLAYBACK_SURPLUS = 6, 2
PLAYBACK_TARGET = 2  # held back before the first block plays, and again after a gap
_BLOCK = DEVICE_RATE * BLOCK_MS // 1000
_SILENCE = bytes(2 * _BLOCK)
Callback = Callable[[Any, int, Any, Any], None]


class PortAudioSystem:
    """Implements `SoundSystem`; on the device thread alone."""

    def __init__(self) -> None:
        self._streams: list[_PortAudioStream] = []

    def devices(self) -> tuple[AudioDevice, ...]:
        """PortAudio's own list, read anew where no stream is open; `id` is name and host API.

        Raises DeviceUnavailable.
        """
        sound = _portaudio()
        if not self._in_use():
            _begin_anew(sound)
        apis = sound.query_hostapis()
        found = []
        for index, entry in enumerate(sound.query_devices()):
            api = apis[entry["hostapi"]]
            for kind, count, key in (
                (AudioDeviceKind.MICROPHONE, entry["max_input_channels"], "default_input_device"),
                (AudioDeviceKind.SPEAKER, entry["max_output_channels"], "default_output_device"),
            ):
                if count > 0:
                    is_default = api is apis[0] and api[key] == index
                    name = entry["name"]
                    device_id, form = f"{name}, {api['name']}", device_form(name)
                    found.append(AudioDevice(device_id, name, kind, is_default, count, form))
        return tuple(found)

    def open_capture(self, device: AudioDevice) -> PortAudioCapture:
        capture = PortAudioCapture(device.id)
        self._open(capture, "RawInputStream", device, capture.captured)
        return capture

    def open_playback(self, device: AudioDevice) -> PortAudioPlayback:
        playback = PortAudioPlayback(device.id)
        self._open(playback, "RawOutputStream", device, playback.wanted)
        return playback

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _in_use(self) -> bool:
        self._streams = [stream for stream in self._streams if not stream.closed]
        return bool(self._streams)

    def _open(self, stream: _PortAudioStream, which: str, device: AudioDevice, callback: Callback) -> None:
        sound = _portaudio()
        try:
            opened = _opened(sound, which, device, callback)
        except sound.PortAudioError as error:
            if self._in_use():
                raise DeviceUnavailable(str(error)) from error
            _begin_anew(sound)
            try:
                opened = _opened(sound, which, device, callback)
            except sound.PortAudioError as again:
                raise DeviceUnavailable(str(again)) from again
        stream.begin(opened)
        self._streams.append(stream)


def _opened(
    sound: Any, which: str, device: AudioDevice, callback: Callback
) -> sounddevice.RawInputStream | sounddevice.RawOutputStream:
    """A running stream of 10 ms int16 mono blocks at 48 kHz. Raises PortAudioError."""
    extra = sound.WasapiSettings(auto_convert=True) if sys.platform == "win32" else None
    try:
        opened = getattr(sound, which)(
            samplerate=DEVICE_RATE,
            blocksize=_BLOCK,
            device=None if device.is_default else device.id,
            channels=1,
            dtype="int16",
            latency="low",  # of a duplex stream it would spin a whole core (media.md): always two streams
            extra_settings=extra,
            callback=callback,
        )
    except ValueError as error:  # sounddevice's own refusal: no device of that name
        raise sound.PortAudioError(str(error)) from error
    try:
        opened.start()
    except sound.PortAudioError:
        opened.close()
        raise
    return opened  # type: ignore[no-any-return]


def _portaudio() -> Any:
    try:
        import sounddevice
    except OSError as error:  # libportaudio2 is not installed
        raise DeviceUnavailable("the PortAudio library is not installed (libportaudio2)") from error
    return sounddevice


def _begin_anew(sound: Any) -> None:
    with contextlib.suppress(sound.PortAudioError):
        sound._terminate()
    try:
        sound._initialize()
    except sound.PortAudioError as error:
        raise DeviceUnavailable(str(error)) from error


class _PortAudioStream:
    """One open direction of a device; a queue between its callback and the media thread."""

    def __init__(self, device: str, queue: BlockQueue) -> None:
        self.device = device
        self.queue = queue
        self.closed = False
        self._stream: sounddevice.RawInputStream | sounddevice.RawOutputStream | None = None
        self._began = time.monotonic()
        self._blocks = 0
        self._last_block = 0.0

    def begin(self, stream: sounddevice.RawInputStream | sounddevice.RawOutputStream) -> None:
        self._stream = stream

    @property
    def alive(self) -> bool:
        try:
            return self._stream is not None and self._stream.active
        except _portaudio().PortAudioError:  # of a device that was pulled out
            return False

    @property
    def flowing(self) -> bool:
        return self._blocks > 0

    @property
    def passed(self) -> int:
        return self._blocks * _BLOCK

    @property
    def dropped(self) -> int:
        return self.queue.dropped * _BLOCK

    @property
    def missing(self) -> int:
        return self.queue.missing

    def still_for(self, now: float) -> float:
        return 0.0 if self.closed else now - max(self._last_block, self._began)

    def close(self) -> None:
        """Drops what is not played yet."""
        self.closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(Exception):
                stream.abort(ignore_errors=True)
            with contextlib.suppress(Exception):
                stream.close(ignore_errors=True)

    def _called_back(self) -> None:
        self._blocks += 1
        self._last_block = time.monotonic()


class PortAudioCapture(_PortAudioStream):
    """A microphone."""

    def __init__(self, device: str) -> None:
        super().__init__(device, BlockQueue(CAPTURE_LIMIT, CAPTURE_SURPLUS))

    @property
    def taken(self) -> int:
        return self.queue.passed * _BLOCK

    def read(self, samples: int) -> Samples | None:
        """Whole blocks; None unless all of them are there."""
        wanted = -(-samples // _BLOCK)
        blocks = [self.queue.take() for _ in range(wanted)]
        if None in blocks:
            return None
        return np.frombuffer(b"".join(block for block in blocks if block is not None), np.int16)[:samples]

    def captured(self, indata: Any, _frames: int, _times: Any, _flags: Any) -> None:
        """PortAudio's thread: keep one block, no more."""
        self.queue.put(bytes(indata))
        self._called_back()


class PortAudioPlayback(_PortAudioStream):
    """A speaker."""

    def __init__(self, device: str) -> None:
        super().__init__(device, BlockQueue(PLAYBACK_LIMIT, PLAYBACK_SURPLUS))
        self._filling = True

    @property
    def taken(self) -> int:
        """What a full queue dropped counts as taken: it is gone, and what comes after it plays as much earlier."""
        return self.queue.passed * _BLOCK

    def write(self, frame: Samples) -> int:
        octets = frame.tobytes()
        for start in range(0, len(octets), len(_SILENCE)):
            self.queue.put(octets[start : start + len(_SILENCE)].ljust(len(_SILENCE), b"\0"))
        return 0 if self.closed else frame.size

    def wanted(self, outdata: Any, _frames: int, _times: Any, _flags: Any) -> None:
        """PortAudio's thread: hand out one block, silence until `PLAYBACK_TARGET` are there."""
        if self._filling and len(self.queue) < PLAYBACK_TARGET:
            outdata[:] = _SILENCE
        else:
            block = self.queue.take()
            self._filling = block is None
            outdata[:] = _SILENCE if block is None else block
        self._called_back()
