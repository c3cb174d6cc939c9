"""Evening out the network's delay: packets in as they arrive, one answer per frame out.

Owns: the `JitterBuffer` protocol and its simplest implementation, a buffer of fixed delay. Must not know: codecs
(what to do about a missing frame is the decoder's), sockets, clocks. RFC 3550 §5.1 gives sequence numbers and
timestamps their meaning; the playout rule is ours.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import Protocol

from softphone.rtp.packet import RtpPacket
from softphone.rtp.serial_numbers import sequence_difference, timestamp_difference


@dataclass(frozen=True, slots=True)
class Frame:
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
_MISSING = Missing()
_IDLE = Idle()


@dataclass(frozen=True, slots=True)
class JitterBufferState:
    """A jitter buffer at a moment, to be drawn."""

    target_ms: float  # above the fastest packets' delay
    delay_ms: float  # of the packet played last, likewise
    depth_ms: float  # sound held back
    late: int  # packets that came after their time
    duplicates: int
    dropped: int  # packets thrown away because too much was held back
    concealed: int  # frames


class JitterBuffer(Protocol):
    """`put` what arrives, `get` when the output needs the next frame. `now` is monotonic, in seconds."""

    @property
    def depth_ms(self) -> float:
        """Sound held back at present."""

    @property
    def late(self) -> int:
        """Packets that came after their time and were thrown away."""

    @property
    def duplicates(self) -> int: ...

    @property
    def dropped(self) -> int:
        """Packets thrown away because too much was held back."""

    @property
    def inserted(self) -> int:
        """Frames concealed because too little was held back."""

    @property
    def concealed(self) -> int:
        """Frames answered with Missing, the inserted ones included."""

    def put(self, packet: RtpPacket, now: float) -> None: ...

    def get(self, now: float) -> Playout: ...


# Same bounds as the reception statistics, which decide first (RFC 3550 A.1).
MAX_DROPOUT = 3000
MAX_MISORDER = 100
MAX_HELD_PACKETS = 128
MAX_HELD_MS = 500  # beyond this the oldest sound is thrown away down to the delay
MAX_TIMELINE_JUMP = 1.0  # seconds by which timestamps and arrivals may disagree before the timeline begins anew
MAX_CONCEALED_MS = 120  # after that nothing sensible is left to repeat
LATE_RUN = 5  # packets late in a row: the network's delay grew for good, begin anew
CENTRE_WINDOW = 50  # gets over which the depth is averaged before one frame is dropped or inserted
_SEEN = (1 << 128) - 1


@dataclass(slots=True)
class _Held:
    """A packet with its numbers unwrapped, so that they compare as integers."""

    sequence: int
    timestamp: int
    packet: RtpPacket

    def __lt__(self, other: _Held) -> bool:
        return self.sequence < other.sequence


class FixedJitterBuffer:
    """Holds the first packet of a stretch of speech for `delay_ms`, then plays one packet for each `get`.

    `_due` is the timestamp that plays next; None while a stretch has not begun. It moves by one packet for each get,
    whether the packet was there or not, so lost and late packets do not change the delay. The average depth is brought
    back to the delay by one frame at a time, which is how clock drift and an unlucky first packet are absorbed.
    Feed it with what `ReceptionStatistics.received` let through.
    """

    def __init__(self, clock_rate: int, frame_timestamp_units: int, delay_ms: int = 60) -> None:
        """`clock_rate` in Hz; `frame_timestamp_units` is the output's frame, and the packet's span until it is seen.

        A peer may send packets of another span than was agreed: then call `get` whenever the output has used up
        what the last answer gave.
        """
        self._clock_rate = clock_rate
        self._frame = frame_timestamp_units
        self._span = frame_timestamp_units  # of a packet
        self._delay = delay_ms * clock_rate // 1000
        self._delay_seconds = delay_ms / 1000
        self._max_held = max(MAX_HELD_MS * clock_rate // 1000, 2 * self._delay)
        self._max_concealed = MAX_CONCEALED_MS * clock_rate // 1000
        self.late = 0
        self.duplicates = 0
        self.dropped = 0
        self.inserted = 0
        self.concealed = 0
        self._ssrc: int | None = None
        self._restart()

    def _restart(self) -> None:
        """Forgets the timeline, not the counts."""
        self._held: list[_Held] = []
        self._due: int | None = None
        self._newest: _Held | None = None
        self._newest_arrival = 0.0
        self._begin_at = 0.0
        self._taken: int | None = None  # sequence of the last packet played or thrown away
        self._seen = 0  # bit n: the packet n before the newest was received
        self._missing_run = 0  # timestamp units answered with Missing since the last frame
        self._late_run = 0
        self._clear_depths()

    @property
    def depth_ms(self) -> float:
        """Sound held back at present."""
        if self._newest is None or not self._held:
            return 0.0
        start = self._held[0].timestamp if self._due is None else self._due
        return max(0, self._newest.timestamp + self._span - start) * 1000 / self._clock_rate

    def put(self, packet: RtpPacket, now: float) -> None:
        """Takes a packet that arrived at `now`. Never raises, never holds more than MAX_HELD_PACKETS."""
        if packet.ssrc != self._ssrc or self._jumped(packet, now):
            self.dropped += len(self._held)
            self._ssrc = packet.ssrc
            self._restart()
        held = self._unwrap(packet)
        if not self._is_new(held):
            self.duplicates += 1
            return
        if self._newest is None or held.sequence > self._newest.sequence:
            self._newest, self._newest_arrival = held, now
        if self._taken is not None and held.sequence <= self._taken:
            self.late += 1  # its successor has been played
            return
        # Half a packet of tolerance: some senders' timestamps are not exact.
        if self._due is not None and held.timestamp < self._due - self._span // 2:
            self.late += 1
            self._late_run += 1
            if self._late_run < LATE_RUN:
                return
            self._due = None  # a new, later timeline begins with this packet
        self._late_run = 0
        if self._due is None and not self._held:
            self._begin_at = now + self._delay_seconds
        insort(self._held, held)
        if len(self._held) > MAX_HELD_PACKETS or self._newest.timestamp - self._held[0].timestamp > self._max_held:
            self._trim()

    def _jumped(self, packet: RtpPacket, now: float) -> bool:
        """The sender began anew: sequence numbers far away, or timestamps that do not fit the time that passed."""
        if self._newest is None:
            return False
        newest = self._newest.packet
        step = sequence_difference(packet.sequence_number, newest.sequence_number)
        if step > MAX_DROPOUT or step < -MAX_MISORDER:
            return True
        elapsed = timestamp_difference(packet.timestamp, newest.timestamp) / self._clock_rate
        return step > 0 and abs(elapsed - (now - self._newest_arrival)) > MAX_TIMELINE_JUMP

    def _unwrap(self, packet: RtpPacket) -> _Held:
        if self._newest is None:
            return _Held(packet.sequence_number, packet.timestamp, packet)
        newest = self._newest
        return _Held(
            newest.sequence + sequence_difference(packet.sequence_number, newest.packet.sequence_number),
            newest.timestamp + timestamp_difference(packet.timestamp, newest.packet.timestamp),
            packet,
        )

    def _is_new(self, held: _Held) -> bool:
        ahead = 0 if self._newest is None else held.sequence - self._newest.sequence
        if ahead > 0:
            self._seen = (self._seen << ahead if ahead < 128 else 0) & _SEEN | 1
            return True
        bit = 1 << -ahead
        if self._seen & bit:
            return False
        self._seen |= bit
        return True

    def get(self, now: float) -> Playout:
        """What plays next."""
        if self._due is None and not self._begin(now):
            return _IDLE
        assert self._due is not None
        if self._missing_run == 0 and self._centre():
            self.inserted += 1
            return self._missing()
        while self._held and self._held[0].timestamp < self._due - self._span // 2:
            self._drop_oldest()
        if not self._held:
            return self._underrun()
        head = self._held[0]
        if head.timestamp <= self._due + self._span // 2:
            return self._play()
        self._due += self._span
        lost = 1 if self._taken is None else head.sequence - self._taken - 1
        if self._missing_run >= min(lost * self._span, self._max_concealed):
            return _IDLE  # no packet is missing here: the sender left a pause (RFC 3550 §5.1, timestamp)
        self._missing_run += self._span
        return self._missing()

    def _begin(self, now: float) -> bool:
        """Starts the timeline once the first packet of a stretch has waited long enough."""
        if not self._held or now < self._begin_at:
            return False
        assert self._newest is not None
        self._trim(self._span)  # packets that came in a burst are no reason for more delay
        self._due = self._held[0].timestamp
        self._missing_run = 0
        self._clear_depths()
        return True

    def _play(self) -> Frame:
        head = self._held.pop(0)
        if self._held and self._held[0].sequence == head.sequence + 1 and not self._held[0].packet.marker:
            span = self._held[0].timestamp - head.timestamp
            if 0 < span <= 6 * self._frame:
                self._span = span
        self._due = head.timestamp + self._span
        self._taken = head.sequence
        self._missing_run = 0
        return Frame(head.packet)

    def _underrun(self) -> Playout:
        """Nothing is held: the packet may be lost or late, or the sender silent. Conceal for a while, then wait."""
        assert self._due is not None
        if self._missing_run >= self._max_concealed:
            self._due = None
            return _IDLE
        self._due += self._span
        self._missing_run += self._span
        return self._missing()

    def _missing(self) -> Missing:
        count = max(1, round(self._span / self._frame))
        self.concealed += count
        return _MISSING if count == 1 else Missing(count)

    def _trim(self, slack: int = 0) -> None:
        """Throws the oldest away until no more than the delay is held."""
        assert self._newest is not None
        limit = self._newest.timestamp - self._delay - slack
        while len(self._held) > 1 and (self._held[0].timestamp < limit or len(self._held) > MAX_HELD_PACKETS):
            self._drop_oldest()
        if self._due is not None:
            self._due = max(self._due, self._held[0].timestamp)
            self._clear_depths()

    def _drop_oldest(self) -> None:
        self._taken = self._held.pop(0).sequence
        self.dropped += 1

    def _clear_depths(self) -> None:
        self._depth_sum = 0
        self._depth_count = 0

    def _centre(self) -> bool:
        """Averages the depth and moves it by one packet if it stays wrong; whether a frame is to be inserted now."""
        assert self._due is not None
        assert self._newest is not None
        self._depth_sum += self._newest.timestamp + self._span - self._due
        self._depth_count += 1
        if self._depth_count < CENTRE_WINDOW:
            return False
        # Between two packets the depth swings by one packet around the delay plus a half.
        excess = self._depth_sum / CENTRE_WINDOW - self._delay - self._span / 2
        self._clear_depths()
        if excess > 1.5 * self._span:
            self._due += self._span  # `get` throws away what lies before
        return excess < -1.5 * self._span
