"""One question to the sound server, by itself: which devices are there, and does it answer at all?

Owns: that question. Must not know: streams. A program that runs on keeps a connection instead (`sound_devices.py`).
"""

from __future__ import annotations

from softphone.engine.audio.backend import AudioDevice
from softphone.engine.audio.pulse_server import PulseServer


def pulse_devices() -> tuple[AudioDevice, ...] | None:
    """What the PulseAudio or PipeWire server has, monitors of speakers left out; None where there is no server.

    Raises DeviceUnavailable for a server that takes the connection and then says nothing.
    """
    server = PulseServer(_nobody_asks_again)
    try:
        return server.devices() if server.connect() else None
    finally:
        server.close()


def _nobody_asks_again() -> None:
    """Changes are of no interest here."""
