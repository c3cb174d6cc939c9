"""The one protocol behind which every sound device hides, and what a device looks like to people.

Owns: `AudioEndpoint`, `AudioDevice`. Must not know: RTP, calls, which library reaches the device.
Samples are int16, mono. A frame is any number of samples; the media session reads and writes 10 ms at a time.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from softphone.errors import Failure
from softphone.policy.audio import DeviceForm

DEVICE_RATE = 48_000
"""Hz at which devices are opened (media.md)."""
BLOCK_MS = 10

Samples = NDArray[np.int16]
NoticeSink = Callable[[Failure], None]
"""Told what happened to a device while a call goes on; called from any thread."""


class AudioEndpoint(Protocol):
    """The microphone and the speaker of the calls that share them. One thread calls all methods.

    May be started again after `stop`.
    """

    @property
    def sample_rate(self) -> int:
        """Hz of both directions, fixed for the endpoint's life."""
        ...

    def start(self) -> None:
        """Begin to sound. Does not wait for a device. Raises OperationFailed where it is known to be useless."""
        ...

    def listen(self, wanted: bool) -> None:
        """Whether anybody hears the microphone, from now or from `start` on; True if never said.

        A device that nobody listens to is closed. Nothing is read from it meanwhile. Never blocks.
        """
        ...

    def read(self, samples: int) -> Samples:
        """The next samples of the microphone: always that many, silence where the device is late. Never blocks."""
        ...

    def write(self, frame: Samples) -> None:
        """Hand samples to the speaker. Never blocks; what cannot be played in time is dropped."""
        ...

    def stop(self) -> None:
        """End; may be called again and before `start`."""
        ...


class DeviceEndpoint(AudioEndpoint, Protocol):
    """An endpoint on real devices: what a microphone hears of a speaker is known here alone."""

    @property
    def forms(self) -> tuple[DeviceForm, DeviceForm]:
        """Of the microphone and the speaker in use; OPEN while none is."""
        ...

    def played(self) -> Samples | None:
        """What the speaker played beside the 10 ms that `read` gave last. None: nothing is known, or nothing was heard.

        To be asked for after each `read` of one block.
        """
        ...


class AudioDeviceKind(enum.Enum):
    MICROPHONE = "microphone"
    SPEAKER = "speaker"


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """A device as people know it. `id` is what settings keep: it survives a restart, not always a replug."""

    id: str
    name: str
    kind: AudioDeviceKind
    is_default: bool
    channels: int
    form: DeviceForm = DeviceForm.OPEN
    serial: int = 0  # another one: it went and came back meanwhile
    muted: bool = False  # in the system's sound settings, as far as they tell


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Ids or names of the devices to use; None is the system's default."""

    microphone: str | None = None
    speaker: str | None = None


def find_device(devices: tuple[AudioDevice, ...], kind: AudioDeviceKind, wanted: str | None) -> AudioDevice | None:
    """The device of this kind whose id or else name is `wanted`; for None the default, else the first."""
    candidates = [device for device in devices if device.kind is kind]
    if wanted is None:
        return next((device for device in candidates if device.is_default), candidates[0] if candidates else None)
    by_id = (device for device in candidates if device.id == wanted)
    by_name = (device for device in candidates if device.name.casefold() == wanted.casefold())
    return next(by_id, None) or next(by_name, None)
