"""The sound devices of this machine, by the names people know.

Owns: `list_devices`. Must not know: streams, calls. On Linux PortAudio lists only `pulse` and `default`, so names come
from the PulseAudio or PipeWire server where one answers; else, and on other systems, from PortAudio.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind
from softphone.engine.audio.device_thread import DeviceUnavailable

_log = logging.getLogger(__name__)
_CLIENT = "softphone"
# Seconds. A server on this machine needs 5 ms, and without a limit a hung one hangs us. pulsectl waits for the whole
# limit even where the connection is there at once, so the first one is short.
_CONNECT_WITHIN = (0.03, 0.12, 0.4, 1.0)


def list_devices(portaudio_devices: Callable[[], tuple[AudioDevice, ...]]) -> tuple[AudioDevice, ...]:
    """All devices of both kinds. May take 50 ms: not for the media thread. Raises DeviceUnavailable."""
    listed = pulse_devices()
    return portaudio_devices() if listed is None else listed


def pulse_devices() -> tuple[AudioDevice, ...] | None:
    """What the PulseAudio or PipeWire server has, monitors of speakers left out; None where there is no server.

    Raises DeviceUnavailable for a server that takes the connection and then says nothing.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        import pulsectl
    except (ImportError, OSError):  # libpulse.so.0 is not installed
        return None
    for patience in _CONNECT_WITHIN:
        began = time.monotonic()
        try:
            return _ask(pulsectl, patience)
        except pulsectl.PulseError as error:
            _log.debug("no sound server: %s", error)
            # Refused at once: nobody is there. After a silence it means that the silent one's queue is full.
            if time.monotonic() - began < patience and patience == _CONNECT_WITHIN[0]:
                return None
    raise DeviceUnavailable("the sound server does not answer")


def _ask(pulsectl: Any, patience: float) -> tuple[AudioDevice, ...]:
    """Raises PulseError."""
    with pulsectl.Pulse(_CLIENT, connect=False) as server:
        server.connect(autospawn=False, timeout=patience)
        defaults = server.server_info()
        sources = [
            AudioDevice(
                source.name,
                source.description,
                AudioDeviceKind.MICROPHONE,
                source.name == defaults.default_source_name,
                source.channel_count,
            )
            for source in server.source_list()
            if source.monitor_of_sink_name is None
        ]
        sinks = [
            AudioDevice(
                sink.name,
                sink.description,
                AudioDeviceKind.SPEAKER,
                sink.name == defaults.default_sink_name,
                sink.channel_count,
            )
            for sink in server.sink_list()
        ]
    return (*sources, *sinks)
