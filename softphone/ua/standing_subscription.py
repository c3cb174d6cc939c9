"""What the phone wants to go on knowing: one subscription after another, as long as the account is registered.

Owns: when to subscribe again (RFC 6665 §4.1.3), how long to wait, when to ask no more. One subscription's own life is
`subscription.py`'s, what the state says is the follower's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from softphone.errors import Failure
from softphone.sip.message import Request
from softphone.sip.state_table import StateTable, every
from softphone.sip.uri import SipUri
from softphone.ua.account import AccountId
from softphone.ua.backoff import BackOff
from softphone.ua.host import Host
from softphone.ua.subscription import Again, Package, Subscription, SubscriptionEnd

PROVED = 60.0  # s; a subscription that lived this long may be followed by the next one at once


class StandingState(Enum):
    IDLE = auto()  # the account is not registered
    SUBSCRIBED = auto()
    SUSPENDED = auto()  # the registration is gone, the dialog is kept: a later flow may carry it on
    WAITING = auto()  # for the time to try again
    SETTLED = auto()  # refused for good, or the last word was said


class StandingTrigger(Enum):
    REGISTERED = auto()
    UNREACHABLE = auto()  # no longer registered
    ENDED_AT_ONCE = auto()  # the subscription ended, and the next one may begin
    ENDED_LATER = auto()
    ENDED_FOR_GOOD = auto()
    TIMER = auto()
    LEAVE = auto()  # nobody wants to know any more


class StandingDo(Enum):
    SUBSCRIBE = auto()
    RENEW = auto()
    UNSUBSCRIBE = auto()
    TELL_UNKNOWN = auto()
    WAIT = auto()
    STOP_WAITING = auto()


S, T, D = StandingState, StandingTrigger, StandingDo
_ENDED = (T.ENDED_AT_ONCE, T.ENDED_LATER, T.ENDED_FOR_GOOD)
STANDING_TABLE: StateTable[StandingState, StandingTrigger, StandingDo] = StateTable(
    name="standing subscription",
    source="RFC 6665 §4.1.3",
    initial=S.IDLE,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.IDLE, T.REGISTERED): (S.SUBSCRIBED, (D.SUBSCRIBE,)),
        (S.SUBSCRIBED, T.ENDED_AT_ONCE): (S.SUBSCRIBED, (D.SUBSCRIBE,)),
        (S.SUBSCRIBED, T.ENDED_LATER): (S.WAITING, (D.TELL_UNKNOWN, D.WAIT)),
        (S.SUBSCRIBED, T.ENDED_FOR_GOOD): (S.SETTLED, (D.TELL_UNKNOWN,)),
        (S.SUBSCRIBED, T.UNREACHABLE): (S.SUSPENDED, (D.TELL_UNKNOWN,)),
        (S.SUBSCRIBED, T.LEAVE): (S.IDLE, (D.UNSUBSCRIBE,)),
        (S.SUSPENDED, T.REGISTERED): (S.SUBSCRIBED, (D.RENEW,)),
        (S.SUSPENDED, T.ENDED_AT_ONCE): (S.IDLE, ()),
        (S.SUSPENDED, T.ENDED_LATER): (S.IDLE, ()),
        (S.SUSPENDED, T.ENDED_FOR_GOOD): (S.IDLE, ()),
        (S.SUSPENDED, T.LEAVE): (S.IDLE, (D.UNSUBSCRIBE,)),
        (S.WAITING, T.TIMER): (S.SUBSCRIBED, (D.SUBSCRIBE,)),
        (S.WAITING, T.UNREACHABLE): (S.IDLE, (D.STOP_WAITING,)),
        (S.WAITING, T.LEAVE): (S.IDLE, (D.STOP_WAITING,)),
        (S.SETTLED, T.UNREACHABLE): (S.IDLE, ()),
        (S.SETTLED, T.LEAVE): (S.IDLE, ()),
    },
    ignored=every((S.IDLE, S.SETTLED), *_ENDED, T.TIMER)
    | every((S.IDLE,), T.UNREACHABLE, T.LEAVE)
    | every((S.SUBSCRIBED, S.WAITING, S.SETTLED), T.REGISTERED)
    | every((S.SUBSCRIBED, S.SUSPENDED), T.TIMER)
    | every((S.SUSPENDED,), T.UNREACHABLE)
    | every((S.WAITING,), *_ENDED),
)
_TRIGGERS = {
    Again.AT_ONCE: StandingTrigger.ENDED_AT_ONCE,
    Again.LATER: StandingTrigger.ENDED_LATER,
    Again.NEVER: StandingTrigger.ENDED_FOR_GOOD,
}


class Follower(Protocol):
    """Who reads the state of one package."""

    def began(self) -> None:
        """A new subscription: versions and tables of the one before mean nothing any more."""
        ...

    def notified(self, request: Request, now: float) -> bool:
        """As `SubscriptionListener.notified`."""
        ...

    def unknown(self, failure: Failure | None, now: float) -> None:
        """Nothing is known for now. `failure` says why; None: the account is not registered."""
        ...


class StandingSubscription:
    """Implements `SubscriptionListener`."""

    def __init__(
        self,
        host: Host,
        account_id: AccountId,
        package: Package,
        target: SipUri,
        what: str,
        follower: Follower,
        left: Callable[[Subscription], None],
    ) -> None:
        """`left` takes over a subscription that is being ended, until its end is known."""
        self._host, self._account_id, self._package = host, account_id, package
        self._target, self._what, self._follower, self._left = target, what, follower, left
        self.state = STANDING_TABLE.initial
        self.subscription: Subscription | None = None
        self._began_at = 0.0
        self._back_off = BackOff(host.token_bytes)
        self._end: SubscriptionEnd | None = None
        self._deadline: float | None = None
        self._doings: dict[StandingDo, Callable[[float], None]] = {
            StandingDo.SUBSCRIBE: self._subscribe,
            StandingDo.RENEW: self._renew,
            StandingDo.UNSUBSCRIBE: self._unsubscribe,
            StandingDo.TELL_UNKNOWN: self._tell_unknown,
            StandingDo.WAIT: self._wait,
            StandingDo.STOP_WAITING: lambda _now: self._stop_waiting(),
        }

    def registered(self, now: float) -> None:
        self._trigger(StandingTrigger.REGISTERED, now)

    def unreachable(self, now: float) -> None:
        self._end = None
        self._trigger(StandingTrigger.UNREACHABLE, now)

    def leave(self, now: float) -> None:
        self._trigger(StandingTrigger.LEAVE, now)

    def next_timer(self) -> float | None:
        times = (self._deadline, self.subscription.next_timer() if self.subscription is not None else None)
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self.subscription is not None:
            self.subscription.handle_timer(now)
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._trigger(StandingTrigger.TIMER, now)

    # SubscriptionListener

    def notified(self, request: Request, now: float) -> bool:
        return self._follower.notified(request, now)

    def ended(self, end: SubscriptionEnd, now: float) -> None:
        self.subscription = None
        self._end = end
        proved = now - self._began_at >= PROVED
        if proved:
            self._back_off.reset()
        again = Again.LATER if end.again is Again.AT_ONCE and not proved else end.again
        self._trigger(_TRIGGERS[again], now)

    # What is done

    def _subscribe(self, now: float) -> None:
        self._began_at = now
        self._follower.began()
        self.subscription = Subscription(self._host, self._account_id, self._package, self._target, self._what, self)
        self.subscription.subscribe(now)

    def _renew(self, now: float) -> None:
        """The dialog may still stand, and learns our new address; a server that forgot it says 481."""
        if self.subscription is not None and self.subscription.live:
            self.subscription.refresh(now)
            return
        if self.subscription is not None:
            self.subscription.unsubscribe(now)
        self._subscribe(now)

    def _unsubscribe(self, now: float) -> None:
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            subscription.unsubscribe(now)
            if not subscription.over:
                self._left(subscription)

    def _tell_unknown(self, now: float) -> None:
        if self._end is not None and self._end.failure is None:
            return  # "invariant": what was said last stays true
        self._follower.unknown(self._end.failure if self._end is not None else None, now)

    def _wait(self, now: float) -> None:
        assert self._end is not None
        self._deadline = now + max(self._back_off.failed(now), self._end.retry_after)

    def _stop_waiting(self) -> None:
        self._deadline = None

    def _trigger(self, trigger: StandingTrigger, now: float) -> None:
        self.state, doings = STANDING_TABLE.step(self.state, trigger)
        for doing in doings:
            self._doings[doing](now)
