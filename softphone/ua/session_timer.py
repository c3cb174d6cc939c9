"""The session timer of one dialog (RFC 4028): who refreshes, when, and when the other side has been silent too long.

Owns: the interval, the roles, 422 both ways. The requests that refresh are `session_change.py`'s: this adds their
headers and reads those that come. Times are on the clock given as `now`, which goes on while the machine sleeps.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.errors import RemoteProtocolError
from softphone.sip.extension_headers import (
    Refresher,
    SessionExpires,
    has_option,
    parse_min_se,
    parse_session_expires,
)
from softphone.sip.message import Request, Response
from softphone.sip.state_table import StateTable, every

MIN_SE = 90  # s, the smallest interval anybody may ask for (RFC 4028 §5)
LONGEST_MARGIN = 32.0  # s before the session's end at which it is given up; a third of short intervals (§10)
MAX_TOO_SMALL = 4  # 422 answers to one request that are followed: a proxy each, with an interval of its own
SHORTEST_RETRY = 2.0  # s between two tries of a refresh that failed

Lines = tuple[tuple[str, str], ...]


class TimerState(Enum):
    OFF = auto()
    REFRESHING = auto()  # we refresh, at half time
    WATCHING = auto()  # the other side refreshes
    EXPIRED = auto()


class TimerTrigger(Enum):
    OURS = auto()  # agreed: we refresh
    THEIRS = auto()
    NONE = auto()  # a 2xx without Session-Expires turns it off (RFC 4028 §7.2)
    HALF_TIME = auto()
    END = auto()


class TimerStep(Enum):
    SET = auto()
    CLEAR = auto()
    REFRESH = auto()
    GIVE_UP = auto()


S, T, A = TimerState, TimerTrigger, TimerStep
_LIVING = (S.OFF, S.REFRESHING, S.WATCHING)
SESSION_TIMER_TABLE: StateTable[TimerState, TimerTrigger, TimerStep] = StateTable(
    name="session timer",
    source="RFC 4028 §7, §9, §10",
    initial=S.OFF,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        **{(s, T.OURS): (S.REFRESHING, (A.SET,)) for s in _LIVING},
        **{(s, T.THEIRS): (S.WATCHING, (A.SET,)) for s in _LIVING},
        **{(s, T.NONE): (S.OFF, (A.CLEAR,)) for s in (S.REFRESHING, S.WATCHING)},
        (S.REFRESHING, T.HALF_TIME): (S.REFRESHING, (A.REFRESH,)),
        **{(s, T.END): (S.EXPIRED, (A.CLEAR, A.GIVE_UP)) for s in (S.REFRESHING, S.WATCHING)},
    },
    ignored=every((S.OFF,), T.NONE, T.HALF_TIME, T.END)
    | every((S.WATCHING,), T.HALF_TIME)
    | every((S.EXPIRED,), *TimerTrigger),
)


def interval_refusal(request: Request) -> Lines:
    """The headers of a 422 if the interval is too small for us (§9); () if it is not, or its sender knows no 422."""
    asked = parse_session_expires(request.headers)
    if asked is None or asked.interval >= MIN_SE or not has_option(request.headers, "Supported", "timer"):
        return ()
    return (("Min-SE", str(MIN_SE)),)


class SessionTimer:
    """`wanted` is the interval we ask for, in seconds; 0: none, and only what others ask for is done."""

    def __init__(self, wanted: int) -> None:
        self._wanted = max(wanted, MIN_SE) if wanted else 0
        self._least = MIN_SE  # what 422 responses, or Min-SE in requests, have raised it to
        self._too_small = 0
        self.state = TimerState.OFF
        self.interval = 0
        self._refresh_at: float | None = None
        self._end_at: float | None = None

    def of_another_dialog(self) -> SessionTimer:
        """For a dialog that the same INVITE makes: it has learnt what the INVITE's 422 responses said."""
        timer = SessionTimer(self._wanted)
        timer._least = self._least
        return timer

    @property
    def we_refresh(self) -> bool:
        return self.state is TimerState.REFRESHING

    # Requests of ours

    def request_headers(self) -> Lines:
        """For INVITE and UPDATE: what we ask for, or the session's own interval once there is one (§7.1, §7.4)."""
        least = (("Min-SE", str(self._least)),) if self._least > MIN_SE else ()
        if self.state in (TimerState.REFRESHING, TimerState.WATCHING):
            refresher = Refresher.UAC if self.we_refresh else Refresher.UAS
            asked = SessionExpires(max(self.interval, self._least), refresher)
        elif self._wanted:
            asked = SessionExpires(max(self._wanted, self._least))
        else:
            return least
        return (("Session-Expires", str(asked)), *least)

    def too_small(self, response: Response) -> bool:
        """A 422: whether the request shall be sent once more, with the larger interval that it names (§7.3)."""
        self._too_small += 1
        try:
            least = parse_min_se(response.headers)
        except RemoteProtocolError:
            return False
        if least is None or least <= self._least or self._too_small > MAX_TOO_SMALL:
            return False
        self._least = least
        return True

    def answered(self, response: Response, now: float) -> None:
        """The 2xx to an INVITE or UPDATE of ours (§7.2)."""
        self._too_small = 0
        try:
            agreed = parse_session_expires(response.headers)
        except RemoteProtocolError:
            agreed = None  # what cannot be read was not agreed
        if agreed is None or not agreed.interval:
            self._agree(TimerTrigger.NONE, 0, now)
        else:  # whoever says nothing of the refresher leaves it to who asked
            ours = agreed.refresher is not Refresher.UAS
            # Nobody may ask for less (§5): who does all the same cannot have us refresh all the time.
            interval = max(agreed.interval, MIN_SE)
            self._agree(TimerTrigger.OURS if ours else TimerTrigger.THEIRS, interval, now)

    # Requests of theirs

    def answer_headers(self, request: Request, now: float) -> Lines:
        """For our 2xx to their INVITE or UPDATE: what is agreed from now on (§9, table 2)."""
        asked, least = parse_session_expires(request.headers), parse_min_se(request.headers) or MIN_SE
        theirs_can = has_option(request.headers, "Supported", "timer")
        wanted = asked.interval if asked is not None else 0
        if self._wanted:
            wanted = min(wanted or self._wanted, self._wanted)
        if not wanted:
            self._agree(TimerTrigger.NONE, 0, now)
            return ()
        interval = max(wanted, least, MIN_SE)
        said = asked.refresher if asked is not None else None
        refresher = (said or Refresher.UAC) if theirs_can else Refresher.UAS
        self._agree(TimerTrigger.OURS if refresher is Refresher.UAS else TimerTrigger.THEIRS, interval, now)
        required = (("Require", "timer"),) if theirs_can else ()
        return (("Session-Expires", str(SessionExpires(interval, refresher))), *required)

    # Time

    def next_timer(self) -> float | None:
        return min((t for t in (self._refresh_at, self._end_at) if t is not None), default=None)

    def handle_timer(self, now: float) -> TimerStep | None:
        """REFRESH or GIVE_UP when it is time for it."""
        if self._end_at is not None and now >= self._end_at:
            self._step(TimerTrigger.END)
            return TimerStep.GIVE_UP
        if self._refresh_at is not None and now >= self._refresh_at:
            self._step(TimerTrigger.HALF_TIME)
            self._refresh_at = self._next_try(now)  # unless its 2xx sets all times anew
            return TimerStep.REFRESH
        return None

    def stop(self) -> None:
        self._step(TimerTrigger.NONE)

    def _next_try(self, now: float) -> float | None:
        assert self._end_at is not None
        again = now + max((self._end_at - now) / 2, SHORTEST_RETRY)
        return again if again < self._end_at else None

    def _agree(self, trigger: TimerTrigger, interval: int, now: float) -> None:
        self.interval = interval
        for step in self._step(trigger):
            if step is TimerStep.SET:
                self._refresh_at = now + interval / 2 if self.we_refresh else None
                self._end_at = now + interval - min(LONGEST_MARGIN, interval / 3)

    def _step(self, trigger: TimerTrigger) -> tuple[TimerStep, ...]:
        self.state, steps = SESSION_TIMER_TABLE.step(self.state, trigger)
        if TimerStep.CLEAR in steps:
            self._refresh_at = self._end_at = None
        return steps
