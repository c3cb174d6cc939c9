"""What a sound system offers to an endpoint: its devices, and one open direction of one of them.

Owns: the protocols `SoundSystem`, `CaptureStream`, `PlaybackStream`. `read` and `write` are the media thread's and
never wait; all else is the device thread's. A closed or dead stream reads None and takes nothing.
"""

from __future__ import annotations

from typing import Protocol

from softphone.engine.audio.backend import AudioDevice, Samples


class DeviceStream(Protocol):
    @property
    def alive(self) -> bool:
        """False once it has to be opened anew."""
        ...

    @property
    def device(self) -> str:
        """The id of the device that it is on: a server may have moved it."""
        ...

    @property
    def flowing(self) -> bool:
        """Sound has come through since it was opened."""
        ...

    @property
    def passed(self) -> int:
        """Samples that the device has delivered or played."""
        ...

    @property
    def dropped(self) -> int:
        """Samples."""
        ...

    @property
    def missing(self) -> int:
        """How often there was nothing when it was wanted."""
        ...

    def still_for(self, now: float) -> float:
        """Seconds (monotonic) that the device should have delivered or played, and has not; 0 where that is unknown."""
        ...

    def close(self) -> None: ...


class CaptureStream(DeviceStream, Protocol):
    @property
    def taken(self) -> int:
        """Of the samples that passed, those that `read` has used up."""
        ...

    def read(self, samples: int) -> Samples | None:
        """The next samples; None where they are not there yet."""
        ...


class PlaybackStream(DeviceStream, Protocol):
    @property
    def taken(self) -> int:
        """Of the samples handed over, those that the device has taken to play; silence for want of them not counted."""
        ...

    def write(self, frame: Samples) -> int:
        """How many samples it was handed over as, a few more or fewer than it has (`slack.stretched`).

        0 where it was dropped: a device that stands still must not pile up sound.
        """
        ...


class SoundSystem(Protocol):
    """On the device thread; waits are bounded."""

    def devices(self) -> tuple[AudioDevice, ...]:
        """Raises DeviceUnavailable."""
        ...

    def open_capture(self, device: AudioDevice) -> CaptureStream:
        """Raises DeviceUnavailable."""
        ...

    def open_playback(self, device: AudioDevice) -> PlaybackStream:
        """Raises DeviceUnavailable."""
        ...
