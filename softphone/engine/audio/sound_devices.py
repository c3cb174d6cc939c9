"""The sound devices of this machine: what there is, word of every change, and endpoints on them.

Owns: `SoundDevices`, and which sound system is used: on Linux the sound server (PulseAudio, PipeWire) by libpulse,
elsewhere, and where no server has ever answered, PortAudio. Must not know: calls.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import weakref
from collections.abc import Callable

from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind, DeviceChoice, NoticeSink, find_device
from softphone.engine.audio.device_direction import missing_device
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.device_streams import CaptureStream, PlaybackStream
from softphone.engine.audio.device_thread import DeviceThread, DeviceUnavailable
from softphone.engine.audio.portaudio import PortAudioSystem
from softphone.engine.audio.pulse_server import PulseServer
from softphone.errors import Failure, FailureKind, OperationFailed

_log = logging.getLogger(__name__)

Devices = tuple[AudioDevice, ...]
LOOK_AGAIN = 10.0
"""Seconds. PortAudio says nothing of changes, and a server that has gone does not say that it is back."""
_ANSWER_WITHIN = 5.0


class SoundDevices:
    """One per process. All methods may be called from any thread."""

    def __init__(self, on_devices: Callable[[Devices], None] | None = None) -> None:
        """`on_devices` is told of every change of the list or of a default, on the device thread."""
        self._on_devices = on_devices
        self._thread = DeviceThread()
        self._system = _System(self._something_changed)
        self._endpoints: weakref.WeakSet[SoundCardEndpoint] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._refresh_due = False
        self._known: Devices | None = None
        self._thread.submit(lambda: self._thread.watch(self._look_again))

    def list(self) -> Devices:
        """All microphones and speakers; empty where there are none. May take 100 ms, 1.5 s with a hung server."""
        with contextlib.suppress(DeviceUnavailable):
            return self._ask()
        return ()

    def require(self, choice: DeviceChoice) -> None:
        """Raises OperationFailed (kind AUDIO_DEVICE) where a chosen device, or any device at all, is missing."""
        try:
            devices = self._ask()
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
                raise OperationFailed(missing_device(kind, wanted, names))

    def endpoint(self, choice: DeviceChoice, on_notice: NoticeSink) -> SoundCardEndpoint:
        """A microphone and a speaker; nothing is opened before its `start`. No call is needed for it."""
        endpoint = SoundCardEndpoint(self._thread, self._system, choice, on_notice)
        with self._guard:
            self._endpoints.add(endpoint)
        return endpoint

    def close(self) -> None:
        """Whatever is open is closed."""
        self._thread.submit(self._end)
        self._thread.close()

    def _ask(self) -> Devices:
        """Raises DeviceUnavailable."""
        answers: queue.SimpleQueue[Devices | DeviceUnavailable] = queue.SimpleQueue()

        def answer() -> None:
            try:
                answers.put(self._system.devices())
            except DeviceUnavailable as error:
                answers.put(error)

        self._thread.submit(answer)
        try:
            answered = answers.get(timeout=_ANSWER_WITHIN)
        except queue.Empty:
            raise DeviceUnavailable("the sound system does not answer") from None
        if isinstance(answered, DeviceUnavailable):
            raise answered
        return answered

    def _something_changed(self) -> None:
        """From libpulse's thread; a burst of changes is looked at once."""
        if not self._refresh_due:
            self._refresh_due = True
            self._thread.submit(self._refresh)

    # On the device thread

    def _end(self) -> None:
        with self._guard:
            endpoints = tuple(self._endpoints)
        for endpoint in endpoints:
            endpoint.devices_gone()
        self._system.close()

    def _look_again(self, now: float) -> float:
        del now
        if not self._system.tells_of_changes:
            self._refresh()
        return LOOK_AGAIN

    def _refresh(self) -> None:
        self._refresh_due = False
        try:
            devices = self._system.devices()
        except DeviceUnavailable as error:
            _log.info("no sound devices: %s", error)
            devices = ()
        if devices == self._known:
            return
        if self._known is not None and self._on_devices is not None:
            self._on_devices(devices)
        self._known = devices
        with self._guard:
            endpoints = tuple(self._endpoints)
        for endpoint in endpoints:
            endpoint.devices_changed(devices)


class _System:
    """Implements `SoundSystem`: the server's where one is, else PortAudio's."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._server = PulseServer(on_change)
        self._portaudio = PortAudioSystem()

    @property
    def tells_of_changes(self) -> bool:
        return self._server.connected

    def devices(self) -> Devices:
        return self._server.devices() if self._server.connect() else self._portaudio.devices()

    def open_capture(self, device: AudioDevice) -> CaptureStream:
        if self._server.connect():
            return self._server.open_capture(device.id)
        return self._portaudio.open_capture(device)

    def open_playback(self, device: AudioDevice) -> PlaybackStream:
        if self._server.connect():
            return self._server.open_playback(device.id)
        return self._portaudio.open_playback(device)

    def close(self) -> None:
        self._server.close()
        self._portaudio.close()
