"""A jitter buffer whose delay follows the line: packets in as they arrive, one answer per `get` out.

Owns: what is held, the playout timeline, when to ask for shorter or longer sound. Must not know: codecs, samples,
sockets, clocks. How late packets come is `relative_delay.py`'s. RFC 3550 §5.1 gives sequence numbers and timestamps
their meaning; the playout rule is ours:

- The delay is measured at each packet played (when it is asked for minus its timestamp), never reckoned, so that an
  output whose clock drifts or that stood still corrects itself. Out of a band around the target, `Frame.change_ms` asks
  for a pitch period less or more.
- Nothing held: conceal, and let the next packet play whenever it comes, so a route that grew longer costs its
  difference once. A later packet held: the missing one is lost, the timeline goes on.
- A stretch of speech after a pause begins at the target, which costs nothing.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from math import inf

from softphone.rtp.jitter_buffer import Frame, Idle, JitterBufferState, Missing, Playout
from softphone.rtp.packet import RtpPacket
from softphone.rtp.relative_delay import ASKING_S, RelativeDelay
from softphone.rtp.serial_numbers import sequence_difference, timestamp_difference

# Same bounds as the reception statistics, which decide first (RFC 3550 A.1).
MAX_DROPOUT = 3000
MAX_MISORDER = 100
MAX_HELD_PACKETS = 128
MAX_HELD_MS = 500  # beyond this the oldest sound is thrown away
MAX_TIMELINE_JUMP = 1.0  # seconds by which timestamps and arrivals may disagree before the timeline begins anew
MAX_CONCEALED_MS = 120  # after that nothing sensible is left to repeat
LATE_RUN = 5  # packets late in a row: what was played last did not belong here, begin anew
MAX_SPAN_MS = 120  # of a packet
TOLERANCE_S = 0.003  # less than half a frame: so much before its time a stretch of speech may begin
TOO_LONG_S = 0.015  # so far above the target sound is shortened: a first packet that came late is no reason
TOO_SHORT_S = 0.005  # so far below it is lengthened: not at once after a beginning. The band is wider than any period
SPARE_S = 0.005  # shortening leaves the latest recent packet so long before it is asked for
SLACK_WINDOW_S = 0.5  # "recent" is one to two such windows
MOST_AT_BEGIN_S = 0.200  # above the target: older sound is thrown away after a stall
LOSS_WEIGHT = 0.02
LOSSY, NOT_LOSSY = 0.01, 0.002  # from the one until the other a packet is held for the next, if that has redundancy
_SEEN = (1 << 128) - 1
_IDLE = Idle()


@dataclass(slots=True)
class _Held:
    """A packet with its numbers unwrapped, so that they compare as integers."""

    sequence: int
    timestamp: int
    arrival: float
    packet: RtpPacket

    def __lt__(self, other: _Held) -> bool:
        return self.sequence < other.sequence


class AdaptiveJitterBuffer:
    """Feed it with what `ReceptionStatistics.received` let through; call `get` when the output has used up all."""

    def __init__(self, clock_rate: int, frame_timestamp_units: int, redundant: bool = False) -> None:
        """`clock_rate` in Hz; `frame_timestamp_units` is the output's frame, of which `Missing` counts.

        `redundant`: a packet helps to recover the one before it, so that on a lossy line it is worth waiting for.
        """
        self._clock_rate = clock_rate
        self._frame = frame_timestamp_units
        self._span = frame_timestamp_units  # of a packet, as seen last
        self._redundant = redundant
        self._max_span = MAX_SPAN_MS * clock_rate // 1000
        self._max_held = MAX_HELD_MS * clock_rate // 1000
        self._max_concealed = MAX_CONCEALED_MS * clock_rate // 1000
        self._delay = RelativeDelay()
        self._loss = 0.0  # part of the packets, over some fifty
        self._lossy = False
        self.late = 0
        self.duplicates = 0
        self.dropped = 0
        self.concealed = 0
        self._ssrc: int | None = None
        self._restart()

    def _restart(self) -> None:
        """Forgets the timeline; the counts and how the line behaves stay."""
        self._delay.begin()
        self._held: list[_Held] = []
        self._newest: _Held | None = None
        self._seen = 0  # bit n: the packet n before the newest was received
        self._late_run = 0
        self._taken: int | None = None  # sequence number of what was given last, played or concealed
        self._position: int | None = None  # its timestamp; None: nothing is due (before the start, in a pause)
        self._step = self._span  # how long it is
        self._starved = 0  # units concealed since, while nothing was held
        self._missing_run = 0  # units concealed since the last frame
        self._playing_delay = 0.0
        self._ahead = 0.0  # what is asked for now sounds so much later
        self._slack = self._slack_before = inf  # the shortest time that a packet waited here
        self._slack_began = -inf

    @property
    def target(self) -> float:
        """Seconds between the arrival of the fastest packet and the moment at which it is asked for."""
        if self._redundant and self._lossy:
            return max(self._delay.target, self._span / self._clock_rate + ASKING_S)
        return self._delay.target

    @property
    def packet_ms(self) -> float:
        """Length of a packet as seen last."""
        return self._span * 1000 / self._clock_rate

    @property
    def depth_ms(self) -> float:
        """Sound held back at present."""
        if self._newest is None or not self._held:
            return 0.0
        held = self._newest.timestamp + self._span - self._held[0].timestamp
        return max(0, held) * 1000 / self._clock_rate

    @property
    def state(self) -> JitterBufferState:
        return JitterBufferState(
            target_ms=self.target * 1000,
            delay_ms=self._playing_delay * 1000,
            depth_ms=self.depth_ms,
            late=self.late,
            duplicates=self.duplicates,
            dropped=self.dropped,
            concealed=self.concealed,
        )

    # Packets in

    def put(self, packet: RtpPacket, now: float) -> None:
        """Takes a packet that arrived at `now`. Never raises, never holds more than MAX_HELD_PACKETS."""
        if packet.ssrc != self._ssrc or self._late_run >= LATE_RUN or self._jumped(packet, now):
            self.dropped += len(self._held)
            self._ssrc = packet.ssrc
            self._restart()
        held = self._unwrap(packet, now)
        if not self._is_new(held):
            self.duplicates += 1
            return
        self._delay.arrived(now - held.timestamp / self._clock_rate, now, self._span / self._clock_rate)
        self._mind_newest(held)
        if self._taken is not None and held.sequence <= self._taken:
            self.late += 1  # its place has been played or concealed
            self._late_run += 1
            return
        self._late_run = 0
        insort(self._held, held)
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
        return step > 0 and abs(elapsed - (now - self._newest.arrival)) > MAX_TIMELINE_JUMP

    def _unwrap(self, packet: RtpPacket, now: float) -> _Held:
        if self._newest is None:
            return _Held(packet.sequence_number, packet.timestamp, now, packet)
        newest = self._newest
        return _Held(
            newest.sequence + sequence_difference(packet.sequence_number, newest.packet.sequence_number),
            newest.timestamp + timestamp_difference(packet.timestamp, newest.packet.timestamp),
            now,
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

    def _mind_newest(self, held: _Held) -> None:
        newest = self._newest
        if newest is None:
            self._newest = held
        elif held.sequence > newest.sequence:
            span = held.timestamp - newest.timestamp
            if held.sequence == newest.sequence + 1 and not held.packet.marker and 0 < span <= self._max_span:
                if self._taken == newest.sequence:
                    self._step = span  # it was played before its length was known
                self._span = span
            self._newest = held

    def _trim(self) -> None:
        assert self._newest is not None
        oldest_kept = self._newest.timestamp - self._max_held
        while len(self._held) > MAX_HELD_PACKETS or (len(self._held) > 1 and self._held[0].timestamp < oldest_kept):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._held.pop(0)
        self.dropped += 1
        self._taken = oldest.sequence
        if self._position is not None:
            self._position = oldest.timestamp

    # Answers out

    def get(self, at: float, ahead: float = 0.0) -> Playout:
        """What plays next; `at` is the moment when it begins to sound, `ahead` seconds after it is asked for."""
        self._ahead = ahead
        if not self._held:
            return self._starve()
        head = self._held[0]
        if self._position is None or self._taken is None:
            return self._begin(at)
        if head.sequence > self._taken + 1:
            return self._bridge(head, self._position, self._taken, at)
        ahead = head.timestamp - self._position
        if 2 * ahead <= 3 * max(self._step, self._frame) or self._is_due(head, at):
            return self._play(at)
        return _IDLE  # no packet is missing here: the sender left a pause (RFC 3550 §5.1, timestamp)

    def _is_due(self, head: _Held, at: float) -> bool:
        return self._due_in(head, at) <= TOLERANCE_S

    def _due_in(self, head: _Held, at: float) -> float:
        """Seconds."""
        return head.timestamp / self._clock_rate + self._delay.base + self.target - (at - self._ahead)

    def _begin(self, at: float) -> Playout:
        """A stretch of speech begins when its first packet has waited long enough."""
        head = self._held[0]
        after_a_loss = self._taken is not None and head.sequence > self._taken + 1
        if after_a_loss and self._redundant and not head.packet.marker:
            early = self._due_in(head, at) - self._span / self._clock_rate
            if -TOO_LONG_S < early <= TOLERANCE_S:  # sound after a gap in which concealment had nothing left to say
                self._position, self._taken, self._step = head.timestamp - self._span, head.sequence - 1, self._span
                self._count(lost=True)
                return self._missing(self._span, head.packet)
        if not self._is_due(head, at):
            return _IDLE
        if after_a_loss:
            self._count(lost=True)
        longest = self.target + MOST_AT_BEGIN_S + self._delay.base
        while len(self._held) > 1 and at - self._held[0].timestamp / self._clock_rate > longest:
            self._drop_oldest()
        return self._play(at)

    def _starve(self) -> Playout:
        """Nothing is held: the packet may be lost or late, or the sender silent. Conceal for a while, then wait."""
        if self._position is None:
            return _IDLE
        if self._missing_run >= self._max_concealed:
            self._position = None
            return _IDLE
        self._starved += self._frame
        return self._missing(self._frame, None)

    def _bridge(self, head: _Held, position: int, taken: int, at: float) -> Playout:
        """Packets before `head` are lost: conceal their time, then `head` follows."""
        left = head.timestamp - position - self._step - self._starved
        self._starved = 0
        if 2 * left < self._frame:
            self._count(lost=True)
            return self._play(at)
        units = min(left, self._step)
        after = left - units
        self._position = head.timestamp - self._step - after
        self._taken = head.sequence - 1 if after == 0 else min(taken + 1, head.sequence - 2)
        self._count(lost=True)
        if self._missing_run < self._max_concealed or (after == 0 and self._redundant):
            return self._missing(units, head.packet if after == 0 else None)
        if self._is_due(head, at):
            return self._play(at)
        return _IDLE

    def _missing(self, units: int, following: RtpPacket | None) -> Missing:
        count = max(1, round(units / self._frame))
        self._missing_run += units
        self.concealed += count
        return Missing(count, following)

    def _play(self, at: float) -> Frame:
        head = self._held.pop(0)
        self._step = self._span
        if self._held and self._held[0].sequence == head.sequence + 1 and not self._held[0].packet.marker:
            span = self._held[0].timestamp - head.timestamp
            if 0 < span <= self._max_span:
                self._step = span
        self._position, self._taken = head.timestamp, head.sequence
        self._starved = self._missing_run = 0
        self._count(lost=False)
        self._playing_delay = at - head.timestamp / self._clock_rate - self._delay.base
        return Frame(head.packet, self._change_ms(at, at - self._ahead - head.arrival))

    def _count(self, *, lost: bool) -> None:
        self._loss += LOSS_WEIGHT * (lost - self._loss)
        self._lossy = self._loss > (NOT_LOSSY if self._lossy else LOSSY)  # to and fro would cost periods each time

    def _change_ms(self, at: float, slack: float) -> float:
        """How much longer (or, negative, shorter) the sound ought to be."""
        if at - self._slack_began >= SLACK_WINDOW_S:
            self._slack_before, self._slack, self._slack_began = self._slack, inf, at
        self._slack = min(self._slack, slack)
        excess = self._playing_delay - self._ahead - self.target
        if excess < -TOO_SHORT_S:
            return -excess * 1000
        spare = min(self._slack, self._slack_before) - SPARE_S
        if excess > TOO_LONG_S and spare > TOLERANCE_S:
            return -min(excess, spare) * 1000
        return 0.0
