"""The timers of RFC 3261 §17 and Table 4, RFC 6026 §7: their first durations and their deadlines.

Owns: `Timer` (names as in the RFCs), `Timers` (durations in seconds) and `Deadlines` (which of them run and until
when). Knows no state machine and reads no clock: `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Timer(Enum):
    A = "A"  # INVITE request retransmit interval
    B = "B"  # INVITE transaction timeout
    D = "D"  # wait for response retransmits (client, INVITE)
    E = "E"  # non-INVITE request retransmit interval
    F = "F"  # non-INVITE transaction timeout
    G = "G"  # INVITE response retransmit interval
    H = "H"  # wait for ACK
    I = "I"  # wait for ACK retransmits  # noqa: E741
    J = "J"  # wait for non-INVITE request retransmits
    K = "K"  # wait for response retransmits (client, non-INVITE)
    L = "L"  # wait for accepted INVITE retransmits (RFC 6026)
    M = "M"  # wait for retransmits and forks of a 2xx (RFC 6026)
    TRYING = "Trying"  # 100 Trying unless the TU answers first (RFC 3261 §17.2.1)
    CANCEL = "Cancel"  # a cancelled INVITE without final response is given up (RFC 3261 §9.1)


@dataclass(frozen=True, slots=True)
class Timers:
    """Base values in seconds (RFC 3261 Table 4).

    This phone speaks TLS only, so `reliable` stays True outside tests: A, E and G do not run and D, I, J and K are
    zero. The unreliable values are kept because the RFC's figures are only whole with them, and tests walk them so.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying: float = 0.2
    reliable: bool = True

    def first(self, timer: Timer) -> float | None:
        """The duration with which a timer starts; None: it does not run on this transport."""
        match timer:
            case Timer.A | Timer.E | Timer.G:
                return None if self.reliable else self.t1
            case Timer.D:
                return 0.0 if self.reliable else max(32.0, 64 * self.t1)
            case Timer.I | Timer.K:
                return 0.0 if self.reliable else self.t4
            case Timer.J:
                return 0.0 if self.reliable else 64 * self.t1
            case Timer.TRYING:
                return self.trying
            case Timer.B | Timer.F | Timer.H | Timer.L | Timer.M | Timer.CANCEL:
                return 64 * self.t1

    def longest(self, timer: Timer) -> float:
        """The cap of a retransmission interval; Timer A has none (RFC 3261 §17.1.1.2)."""
        return float("inf") if timer is Timer.A else self.t2


class Deadlines:
    """The running timers of one machine."""

    __slots__ = ("_deadlines", "_intervals", "_timers")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._deadlines: dict[Timer, float] = {}
        self._intervals: dict[Timer, float] = {}

    def start(self, timer: Timer, now: float) -> None:
        """Starts it with its first duration, unless the transport has no use for it."""
        interval = self._timers.first(timer)
        if interval is not None:
            self._set(timer, interval, now)

    def back_off(self, timer: Timer, now: float) -> None:
        """Starts it again with twice the interval, at most T2 (E and G)."""
        self._set(timer, min(2 * self._intervals[timer], self._timers.longest(timer)), now)

    def start_at_longest(self, timer: Timer, now: float) -> None:
        """Starts it again with T2: Timer E once a provisional response has come (RFC 3261 §17.1.2.2)."""
        self._set(timer, self._timers.longest(timer), now)

    def stop(self, timer: Timer) -> None:
        self._deadlines.pop(timer, None)

    def keep_only(self, timers: Collection[Timer]) -> None:
        for timer in [running for running in self._deadlines if running not in timers]:
            del self._deadlines[timer]

    def next(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def take_due(self, now: float) -> Timer | None:
        """The earliest timer that is due, no longer running; None if none is."""
        timer = min(self._deadlines, key=self._deadlines.__getitem__, default=None)
        if timer is None or self._deadlines[timer] > now:
            return None
        del self._deadlines[timer]
        return timer

    def _set(self, timer: Timer, interval: float, now: float) -> None:
        self._intervals[timer] = interval
        self._deadlines[timer] = now + interval
