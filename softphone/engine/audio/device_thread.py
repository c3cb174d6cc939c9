"""The one thread that opens and closes sound devices, so that no other ever waits for one.

Owns: the thread, PortAudio's life in this process, the environment a device is chosen by while it is opened. Must not
know: calls. PortAudio is not thread-safe, and `PULSE_SINK`/`PULSE_SOURCE` belong to the whole process: both want one
thread. Work is queued; a watch is called every 50 ms until it says that it is done.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from softphone.engine.audio.backend import DEVICE_RATE, AudioDevice, AudioDeviceKind
from softphone.errors import SoftphoneError

if TYPE_CHECKING:
    import sounddevice

_log = logging.getLogger(__name__)
_WATCH_INTERVAL = 0.05
BLOCK_SAMPLES = DEVICE_RATE // 100
Callback = Callable[[Any, int, Any, Any], None]


class DeviceUnavailable(SoftphoneError):
    """A stream could not be opened; the text is the sound system's."""


class Stream:
    """One open direction of a device."""

    def __init__(self, thread: DeviceThread, stream: sounddevice.RawInputStream | sounddevice.RawOutputStream) -> None:
        self._thread = thread
        self._stream = stream

    @property
    def active(self) -> bool:
        return self._stream.active

    def close(self) -> None:
        """On the device thread only; drops what is not played yet."""
        with contextlib.suppress(Exception):
            self._stream.abort(ignore_errors=True)
        with contextlib.suppress(Exception):
            self._stream.close(ignore_errors=True)
        self._thread.stream_closed(self)


class DeviceThread:
    """Runs queued work and watches in the order they came; ends with `close` or with the process."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._watches: list[Callable[[float], bool]] = []
        self._streams: list[Stream] = []
        self._thread = threading.Thread(target=self._run, name="audio-devices", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """From any thread; returns at once."""
        self._work.put(work)

    def watch(self, watch: Callable[[float], bool]) -> None:
        """On this thread: call `watch(now)` every 50 ms as long as it returns True. Twice the same is once."""
        if watch not in self._watches:
            self._watches.append(watch)

    def ask(self, question: Callable[[], tuple[AudioDevice, ...]], timeout: float = 5.0) -> tuple[AudioDevice, ...]:
        """The answer from this thread, waited for at most `timeout` seconds; empty where it did not come."""
        answers: queue.SimpleQueue[tuple[AudioDevice, ...]] = queue.SimpleQueue()

        def answer() -> None:
            try:
                answers.put(question())
            except Exception:
                answers.put(())
                raise

        self.submit(answer)
        try:
            return answers.get(timeout=timeout)
        except queue.Empty:
            return ()

    def close(self, timeout: float = 2.0) -> None:
        """Finish what is queued, close what is open, end."""
        self._work.put(None)
        self._thread.join(timeout)

    # On the device thread.

    def prepare(self) -> None:
        """Load PortAudio ahead of the first call: it takes a third of a second."""
        with contextlib.suppress(DeviceUnavailable):  # said when a device is asked for
            self._portaudio()

    def open_input(self, environment: Mapping[str, str], device: int | str | None, callback: Callback) -> Stream:
        """Start a stream of 10 ms int16 mono blocks at 48 kHz. Raises DeviceUnavailable."""
        return self._open("RawInputStream", environment, device, callback)

    def open_output(self, environment: Mapping[str, str], device: int | str | None, callback: Callback) -> Stream:
        return self._open("RawOutputStream", environment, device, callback)

    def portaudio_devices(self) -> tuple[AudioDevice, ...]:
        """PortAudio's own list, read anew where no stream is open; `id` is name and host API.

        Raises DeviceUnavailable.
        """
        sound = self._portaudio()
        if not self._streams:
            self._begin_anew(sound)
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
                    found.append(AudioDevice(f"{entry['name']}, {api['name']}", entry["name"], kind, is_default, count))
        return tuple(found)

    def stream_closed(self, stream: Stream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def _open(self, which: str, environment: Mapping[str, str], device: int | str | None, callback: Callback) -> Stream:
        sound = self._portaudio()
        try:
            return self._open_once(sound, which, environment, device, callback)
        except sound.PortAudioError as error:
            if self._streams:
                raise DeviceUnavailable(str(error)) from error
        # PortAudio's list of devices is as old as its start: begin anew, which is possible while nothing is open.
        self._begin_anew(sound)
        try:
            return self._open_once(sound, which, environment, device, callback)
        except sound.PortAudioError as error:
            raise DeviceUnavailable(str(error)) from error

    def _open_once(
        self, sound: Any, which: str, environment: Mapping[str, str], device: int | str | None, callback: Callback
    ) -> Stream:
        extra = sound.WasapiSettings(auto_convert=True) if sys.platform == "win32" else None
        with _environment(environment):
            try:
                opened = getattr(sound, which)(
                    samplerate=DEVICE_RATE,
                    blocksize=BLOCK_SAMPLES,
                    device=device,
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
        stream = Stream(self, opened)
        self._streams.append(stream)
        return stream

    def _portaudio(self) -> Any:
        try:
            import sounddevice
        except OSError as error:  # libportaudio2 is not installed
            raise DeviceUnavailable("the PortAudio library is not installed (libportaudio2)") from error
        return sounddevice

    def _begin_anew(self, sound: Any) -> None:
        with contextlib.suppress(sound.PortAudioError):
            sound._terminate()
        try:
            sound._initialize()
        except sound.PortAudioError as error:
            raise DeviceUnavailable(str(error)) from error

    def _run(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=_WATCH_INTERVAL if self._watches else None)
            except queue.Empty:
                work = _nothing
            if work is None:
                break
            try:
                work()
            except Exception:  # noqa: BLE001 - one bad device must not end the thread of all
                _log.exception("work on a sound device failed")
            self._call_watches()
        for stream in list(self._streams):
            stream.close()

    def _call_watches(self) -> None:
        now = time.monotonic()
        for watch in list(self._watches):
            try:
                goes_on = watch(now)
            except Exception:  # noqa: BLE001 - one bad device must not end the thread of all
                _log.exception("the watch of a sound device failed")
                goes_on = False
            if not goes_on:
                self._watches.remove(watch)


def _nothing() -> None:
    return


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the time of one opening: libpulse reads them when a stream's connection is made."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
