"""Which PortAudio this process uses: its version and its file.

Owns: that question. A packaged program must use the copy that it brings along; this is how it is told apart from the
system's.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.engine.audio.device_thread import DeviceUnavailable


@dataclass(frozen=True, slots=True)
class SoundLibrary:
    version: str
    file: str  # as it was asked for: a path, or a name that the dynamic loader looks up


def sound_library() -> SoundLibrary:
    """Loads it, which takes a third of a second. Raises DeviceUnavailable where that does not work."""
    try:
        import sounddevice
    except OSError as error:
        msg = f"the PortAudio library cannot be loaded ({error})"
        raise DeviceUnavailable(msg) from error
    return SoundLibrary(sounddevice.get_portaudio_version()[1], str(sounddevice._libname))
