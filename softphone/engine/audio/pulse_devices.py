"""The sound devices of this machine, by the names people know.

Owns: `list_devices`. Must not know: streams, calls. On Linux PortAudio lists only `pulse` and `default`, so names come
from the PulseAudio or PipeWire server where one answers; else, and on other systems, from PortAudio.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from softphone.engine.audio.backend import AudioDevice, AudioDeviceKind
from softphone.engine.audio.device_thread import DeviceUnavailable

_log = logging.getLogger(__name__)
_CLIENT = "softphone"
_CONNECT_WITHIN = 1.5  # seconds; a server on this machine needs milliseconds, without a limit a hung one hangs us


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
    began = time.monotonic()
    try:
        with pulsectl.Pulse(_CLIENT, connect=False) as server:
            server.connect(autospawn=False, timeout=_CONNECT_WITHIN)
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
    except pulsectl.PulseError as error:
        _log.debug("no sound server: %s", error)
        if time.monotonic() - began >= _CONNECT_WITHIN:
            raise DeviceUnavailable("the sound server does not answer") from error
        return None
    return (*sources, *sinks)
