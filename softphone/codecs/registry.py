"""The codecs this program has: one line each, by the encoding name of SDP (RFC 3551 §4.1).

Owns: the `Codec` protocol and the registry. Must not know: RTP, SDP, devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softphone.codecs.g711 import Pcma, Pcmu
from softphone.codecs.g722 import G722Codec
from softphone.codecs.opus import Opus


class Codec(Protocol):
    """One stream's encoder and decoder: one object per call and direction pair, used by one thread."""

    @property
    def sample_rate(self) -> int:
        """Of the samples in Hz; may differ from the RTP clock rate (G.722)."""

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """The payload of one frame of mono samples at `sample_rate`; empty where none is to be sent (DTX)."""

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The samples of one payload, joined to what was concealed before. Raises RemoteProtocolError if unreadable."""

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """`samples` samples in place of a payload that did not come, continuing what was decoded and fading."""

    def recover(self, following: bytes | None, samples: int) -> NDArray[np.int16]:
        """`samples` samples in place of the payload right before `following`, which is here but not decoded yet.

        From the redundancy in `following`, or leading to its sound; else as `conceal`. None: nothing is here yet.
        Never raises for what `following` holds.
        """

    def expect_loss(self, fraction: float) -> None:
        """The peer reports that so much of what we send is lost (0 … 1): a codec with redundancy minds it."""

    @property
    def most_bit_rate(self) -> int:
        """bit/s that the peer and we allow a codec whose rate can be set; 0 of one that has one rate only."""

    def send_at(self, bit_rate: int) -> None:
        """Encode with so many bits a second from now on, at most `most_bit_rate`."""

    def comfort_noise(self, payload: bytes) -> None:
        """The talker paused and describes the silence (RFC 3389), in place of a payload to decode. Never raises."""

    @property
    def in_pause(self) -> bool:
        """Nobody spoke in what came last: packets that do not come now are not lost, `conceal` gives the background."""

    def pause(self, samples: int) -> NDArray[np.int16]:
        """`samples` samples for a time in which nothing is expected: the background if it is known, else silence."""


@dataclass(frozen=True, slots=True)
class CodecSetting:
    """What one codec of one call is made with."""

    parameters: str = ""  # the peer's fmtp
    library: Any = None  # of the system, as engine/media/codec_libraries.py opened it
    bit_rate: int | None = None  # bit/s that the peer's b= allows


CODECS: dict[str, Callable[[CodecSetting], Codec]] = {
    "PCMU": lambda _: Pcmu(),
    "PCMA": lambda _: Pcma(),
    "G722": lambda _: G722Codec(),
    "OPUS": lambda setting: Opus(setting.library, setting.parameters, setting.bit_rate),
}

REDUNDANT = frozenset({"OPUS", "G722", "PCMU", "PCMA"})
"""A packet of these helps to recover the one before it (`recover`), so it is worth waiting for on a lossy line.

Opus repeats what was in it; for the others it is the other end of the gap.
"""
