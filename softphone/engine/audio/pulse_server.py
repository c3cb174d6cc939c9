"""The connection to the sound server, PulseAudio or PipeWire: its devices, its streams, and word of every change.

Owns: `PulseServer`. Must not know: calls. All methods are of the device thread and wait for at most `PATIENCE`; the two
callbacks come from libpulse's own thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from softphone.engine.audio import pulse_library as pulse
from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind
from softphone.engine.audio.device_form import device_form
from softphone.engine.audio.device_thread import DeviceUnavailable
from softphone.engine.audio.pulse_streams import PulseCapture, PulseLock, PulsePlayback

_log = logging.getLogger(__name__)

PATIENCE = 1.5
"""Seconds. A server on this machine needs 5 ms; a hung one must not hold up what waits for the device thread."""
_POLL = 0.002
_PROPERTIES = {b"media.role": b"phone", b"application.name": b"Softphone", b"application.icon_name": b"softphone"}
"""Other sound may be lowered for a phone."""


class PulseServer:
    """Connects when it is first wanted, and again after the server has gone."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """`on_change` is called from libpulse's thread: devices or defaults may have changed, or the server went."""
        self._on_change = on_change
        self._lib: Any = pulse.library()
        self._ffi = pulse.declarations()
        self._lock: PulseLock | None = None
        self._context: Any = None
        self._seen = False  # there is a server on this machine, even if it has gone or hangs
        self._null = self._ffi.NULL
        self._kept: list[Any] = []  # callbacks that libpulse may call
        if self._lib is not None:
            self._on_state = self._ffi.callback("pa_notify", self._state_changed)
            self._on_event = self._ffi.callback("pa_subscribed", self._event)

    @property
    def connected(self) -> bool:
        return self._context is not None

    def connect(self) -> bool:
        """Whether a server is there. Raises DeviceUnavailable for one that was, and has gone or says nothing."""
        if self._lib is None:
            return False
        if self._context is not None:
            if self._state() == pulse.CONTEXT_READY:
                return True
            self.disconnect()
        if self._try_to_connect():
            self._seen = True
            return True
        if self._seen:  # another sound system would lead to the same server, and might wait for it for ever
            raise DeviceUnavailable("the sound server is gone")
        return False

    def devices(self) -> tuple[AudioDevice, ...]:
        """Monitors of speakers left out. Raises DeviceUnavailable."""
        sinks: list[Any] = []
        sources: list[Any] = []
        default: list[str] = []
        waiting = {"sinks", "sources", "server"}

        def gather(found: list[Any], name: str) -> Callable[..., None]:
            def one(_context: Any, info: Any, eol: int, _user: Any) -> None:
                if eol:
                    waiting.discard(name)
                else:
                    found.append(self._described(info))

            return one

        def server(_context: Any, info: Any, _user: Any) -> None:
            if info != self._null:
                default.extend(self._text(n) for n in (info.default_sink_name, info.default_source_name))
            waiting.discard("server")

        lib, lock = self._lib, self._held()
        self._kept = [
            self._ffi.callback("pa_devices", gather(sinks, "sinks")),
            self._ffi.callback("pa_devices", gather(sources, "sources")),
            self._ffi.callback("pa_server", server),
        ]
        with lock:
            operations = [
                lib.pa_context_get_sink_info_list(self._context, self._kept[0], self._null),
                lib.pa_context_get_source_info_list(self._context, self._kept[1], self._null),
                lib.pa_context_get_server_info(self._context, self._kept[2], self._null),
            ]
        came = _until(lambda: not waiting or self._state() != pulse.CONTEXT_READY, PATIENCE) and not waiting
        with lock:
            for operation in operations:
                if operation != self._null:
                    lib.pa_operation_cancel(operation)
                    lib.pa_operation_unref(operation)
        if not came:
            self.disconnect()
            raise DeviceUnavailable("the sound server does not answer")
        default_sink, default_source = default or ("", "")
        return (
            *(self._device(d, AudioDeviceKind.MICROPHONE, default_source) for d in sources if d["monitor_of"] is None),
            *(self._device(d, AudioDeviceKind.SPEAKER, default_sink) for d in sinks),
        )

    def open_capture(self, device_id: str) -> PulseCapture:
        """A stream of this source, ready. Raises DeviceUnavailable."""
        stream = PulseCapture(self._held(), self._context, device_id)
        self._wait_for(stream)
        return stream

    def open_playback(self, device_id: str) -> PulsePlayback:
        stream = PulsePlayback(self._held(), self._context, device_id)
        self._wait_for(stream)
        return stream

    def disconnect(self) -> None:
        """Streams of the connection end with it."""
        if self._context is None or self._lock is None:
            return
        with self._lock:
            self._lib.pa_context_set_state_callback(self._context, self._null, self._null)
            self._lib.pa_context_set_subscribe_callback(self._context, self._null, self._null)
            self._lib.pa_context_disconnect(self._context)
            self._lib.pa_context_unref(self._context)
        self._context = None

    def close(self) -> None:
        """The end of it; streams are closed before."""
        self.disconnect()
        if self._lock is not None:
            lock, self._lock = self._lock, None
            lock.end()

    # Within

    def _held(self) -> PulseLock:
        if self._context is None or self._lock is None:
            raise DeviceUnavailable("the sound server has gone")
        return self._lock

    def _state(self) -> int:
        assert self._lock is not None
        with self._lock:
            return int(self._lib.pa_context_get_state(self._context))

    def _try_to_connect(self) -> bool:
        """False where nobody is there. Raises DeviceUnavailable where somebody is who says nothing."""
        lib = self._lib
        if self._lock is None:
            self._lock = PulseLock(lib)
        with self._lock:
            properties = lib.pa_proplist_new()
            for key, value in _PROPERTIES.items():
                lib.pa_proplist_sets(properties, key, value)
            self._context = lib.pa_context_new_with_proplist(self._lock.api, b"Softphone", properties)
            lib.pa_proplist_free(properties)
            refused = lib.pa_context_connect(self._context, self._null, pulse.NO_AUTOSPAWN, self._null) < 0
        done = (pulse.CONTEXT_READY, pulse.CONTEXT_FAILED, pulse.CONTEXT_TERMINATED)
        answered = refused or _until(lambda: self._state() in done, PATIENCE)
        if self._state() != pulse.CONTEXT_READY:
            self.disconnect()
            if not answered:
                self._seen = True
                raise DeviceUnavailable("the sound server does not answer")
            return False
        with self._lock:
            lib.pa_context_set_state_callback(self._context, self._on_state, self._null)
            lib.pa_context_set_subscribe_callback(self._context, self._on_event, self._null)
            mask = pulse.WATCH_SINKS | pulse.WATCH_SOURCES | pulse.WATCH_SERVER
            operation = lib.pa_context_subscribe(self._context, mask, self._null, self._null)
            if operation != self._null:
                lib.pa_operation_unref(operation)
        return True

    def _wait_for(self, stream: PulseCapture | PulsePlayback) -> None:
        ended = (pulse.STREAM_READY, pulse.STREAM_FAILED, pulse.STREAM_TERMINATED)
        if _until(lambda: stream.state in ended, PATIENCE) and stream.alive:
            return
        with self._held():
            reason = self._text(self._lib.pa_strerror(self._lib.pa_context_errno(self._context)))
        answered = stream.state in ended
        stream.close()
        if not answered:
            self.disconnect()
        raise DeviceUnavailable(reason if answered else "the sound server does not answer")

    def _described(self, info: Any) -> dict[str, Any]:
        """On libpulse's thread: what is wanted of it, before it is gone."""
        return {
            "name": self._text(info.name),
            "index": int(info.index),
            "description": self._text(info.description),
            "channels": int(info.channel_map.channels),
            "muted": bool(info.mute),
            "monitor_of": None if info.monitor == pulse.NO_INDEX else int(info.monitor),
            "form_factor": self._text(self._lib.pa_proplist_gets(info.proplist, b"device.form_factor")),
            "port": self._text(info.active_port.name) if info.active_port != self._null else "",
        }

    def _device(self, described: dict[str, Any], kind: AudioDeviceKind, default: str) -> AudioDevice:
        name = described["name"]
        title, channels, serial = described["description"] or name, described["channels"], described["index"]
        form = device_form(title, described["form_factor"], described["port"])
        return AudioDevice(name, title, kind, name == default, channels, form, serial, described["muted"])

    def _text(self, octets: Any) -> str:
        return "" if octets == self._null else self._ffi.string(octets).decode("utf-8", "replace")

    # On libpulse's thread

    def _state_changed(self, context: Any, _user: Any) -> None:
        if self._lib.pa_context_get_state(context) in (pulse.CONTEXT_FAILED, pulse.CONTEXT_TERMINATED):
            self._on_change()

    def _event(self, _context: Any, _event: int, _index: int, _user: Any) -> None:
        self._on_change()


def _until(condition: Callable[[], bool], patience: float) -> bool:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL)
    return True
