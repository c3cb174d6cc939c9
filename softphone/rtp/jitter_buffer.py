"""Evening out the network's delay: packets in as they arrive, one answer per frame out.

Owns: the `JitterBuffer` protocol and its words. `adaptive_jitter_buffer.py` has the implementation. Must not know:
codecs (what to do about a missing frame is the decoder's), sockets, clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from softphone.rtp.packet import RtpPacket


class Frame(NamedTuple):
    """Decode this packet and play it, longer by about `change_ms` (shorter: negative) if the sound lends itself."""

    packet: RtpPacket
    change_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A packet that should play now is not there: conceal `count` frames.

    `following` is the packet right after this gap, if it is held: it may carry what is missing (Opus, RFC 6716 §2.1.7).
    """

    count: int = 1
    following: RtpPacket | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is expected: before the start, in a pause of the talker, after the stream stopped. Play silence."""


Playout = Frame | Missing | Idle


@dataclass(frozen=True, slots=True)
class JitterBufferState:
    """A jitter buffer at a moment, to be drawn."""

    target_ms: float  # above the fastest packets' delay, when a packet is asked for
    delay_ms: float  # of the packet played last, when it sounds
    depth_ms: float  # sound held back
    late: int  # packets that came after their time
    duplicates: int
    dropped: int  # packets thrown away because too much was held back
    concealed: int  # frames


class JitterBuffer(Protocol):
    """`put` what arrives, `get` when the output has used up what the last answer gave. Times are monotonic seconds."""

    @property
    def state(self) -> JitterBufferState: ...

    def put(self, packet: RtpPacket, now: float) -> None:
        """Takes a packet that arrived at `now`. Never raises, holds no more than a bounded number."""

    def get(self, at: float, ahead: float = 0.0) -> Playout:
        """What plays next; `at` is the moment when it begins to sound, `ahead` seconds after it is asked for."""
