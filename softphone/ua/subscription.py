"""One subscription: a dialog usage made by SUBSCRIBE and told by NOTIFY (RFC 6665 §4.1).

Owns: its timers, its dialog (made by the first NOTIFY, §4.4.1), the answers to NOTIFY. What the body says is
the listener's; whether to subscribe again after the end is `standing_subscription.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from softphone.errors import Failure, RemoteProtocolError
from softphone.sip.dialog import Dialog
from softphone.sip.event_headers import SubscriptionStateValue, Substate, event_of, subscription_state_of
from softphone.sip.header_values import (
    call_id,
    from_addr,
    to_addr,
)
from softphone.sip.message import Request, Response
from softphone.sip.timers import Timers
from softphone.sip.uri import SipUri, is_sips
from softphone.ua.account import AccountId
from softphone.ua.host import Host, contact_value, token
from softphone.ua.identity import own_address
from softphone.ua.outcomes import subscription_failure
from softphone.ua.requester import Outcome, Requester
from softphone.ua.responses import new_request, response_to, with_next_cseq
from softphone.ua.server_times import MAX_RETRY_AFTER, expiry, retry_after, seconds
from softphone.ua.subscription_table import (
    LIVE,
    SUBSCRIPTION_TABLE,
    SubscriptionDo,
    SubscriptionState,
    SubscriptionTrigger,
)

TIMER_N = 64 * Timers().t1  # s until the first NOTIFY must have come (§4.1.2.4)
MIN_LIFE = 10.0  # s; shorter grants count as this, so that a hostile server cannot make us spin
MAX_MIN_EXPIRES = 86400  # s; a server that wants longer subscriptions than a day gets none
MIN_RETRY = 5.0  # s between attempts to refresh
MAX_TOO_BRIEF = 3  # answers to 423 in one subscription

# What ends a subscription when it is the answer to a refresh (§4.1.2.2); anything else leaves it as it was.
GONE = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})
# Answers that will be the same next time: nothing is asked again until the account registers anew.
FINAL = GONE - {480, 481, 482, 483} | {400, 401, 403, 407, 415, 420, 421, 423, 494, 600, 603, 606}


@dataclass(frozen=True, slots=True)
class Package:
    """An event package as this phone subscribes to it."""

    event: str
    accept: str  # the content type of its state
    expires: int  # s, asked for


class Again(Enum):
    """Whether the end of a subscription is a reason to subscribe again."""

    AT_ONCE = auto()
    LATER = auto()
    NEVER = auto()  # not before the account registers anew


@dataclass(frozen=True, slots=True)
class SubscriptionEnd:
    again: Again
    retry_after: float = 0.0  # s, as the server asks
    failure: Failure | None = None  # None: the state that was told last stays true (reason "invariant")


# §4.1.3: what a notifier's reason for the end means. Without one, or with one not named, it may be tried later.
_REASONS = {
    "deactivated": Again.AT_ONCE,
    "timeout": Again.AT_ONCE,
    "probation": Again.LATER,
    "giveup": Again.LATER,
    "rejected": Again.NEVER,
    "noresource": Again.NEVER,
    "invariant": Again.NEVER,
}


class SubscriptionListener(Protocol):
    def notified(self, request: Request, now: float) -> bool:
        """A NOTIFY of the subscription; without a body the server has nothing to say. True asks for the full state.

        Raises RemoteProtocolError for one that cannot be read, which refuses it.
        """
        ...

    def ended(self, end: SubscriptionEnd, now: float) -> None:
        """Not called after `unsubscribe`."""
        ...


class Subscription:
    def __init__(
        self,
        host: Host,
        account_id: AccountId,
        package: Package,
        target: SipUri,
        what: str,
        listener: SubscriptionListener,
    ) -> None:
        """`what` names it in a sentence: "the line bob"."""
        self._host, self._account_id, self._package = host, account_id, package
        self._target, self._what, self._listener = target, what, listener
        self.state = SUBSCRIPTION_TABLE.initial
        self._call_id = token(host.token_bytes, 12)
        self._tag = token(host.token_bytes)
        self._cseq = 0
        self._dialog: Dialog | None = None
        self._asked_expires = package.expires
        self._too_brief = 0
        self._requester: Requester | None = None  # of the SUBSCRIBE under way
        self._end = SubscriptionEnd(Again.LATER)
        self._deadlines: dict[SubscriptionTrigger, float] = {}
        self._doings: dict[SubscriptionDo, Callable[[float], None]] = {
            SubscriptionDo.SEND_SUBSCRIBE: lambda now: self._send(self._asked_expires, now),
            SubscriptionDo.START_TIMER_N: self._start_timer_n,
            SubscriptionDo.STOP_TIMER_N: lambda _now: self._stop(SubscriptionTrigger.TIMER_N),
            SubscriptionDo.SEND_REMOVAL: self._send_removal,
            SubscriptionDo.TELL_END: lambda now: self._listener.ended(self._end, now),
            SubscriptionDo.FORGET: self._forget,
        }

    # What is asked

    def subscribe(self, now: float) -> None:
        self._trigger(SubscriptionTrigger.SUBSCRIBE, now)

    def refresh(self, now: float) -> None:
        """Now: its answer brings the full state, and carries our address of now."""
        self._trigger(SubscriptionTrigger.REFRESH, now)

    def unsubscribe(self, now: float) -> None:
        self._trigger(SubscriptionTrigger.UNSUBSCRIBE, now)

    @property
    def over(self) -> bool:
        return self.state is SubscriptionState.TERMINATED

    @property
    def live(self) -> bool:
        """The server holds it, as far as we know."""
        return self.state in LIVE

    @property
    def removal_unanswered(self) -> bool:
        return self.state is SubscriptionState.UNSUBSCRIBING and self._requester is not None

    def next_timer(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def handle_timer(self, now: float) -> None:
        for given in [given for given, moment in self._deadlines.items() if moment <= now]:
            if self._deadlines.pop(given, None) is not None:
                if given is SubscriptionTrigger.TIMER_N:
                    self._end = SubscriptionEnd(Again.LATER, failure=subscription_failure(None, self._what))
                elif given is SubscriptionTrigger.EXPIRED:
                    self._end = SubscriptionEnd(Again.AT_ONCE, failure=subscription_failure(None, self._what))
                self._trigger(given, now)

    # NOTIFY

    def owns(self, request: Request) -> bool:
        """By Call-ID and our tag (§4.4.1): also a NOTIFY of another fork of our SUBSCRIBE."""
        return call_id(request) == self._call_id and to_addr(request).tag == self._tag

    def notify(self, key: str, request: Request, now: float) -> None:
        """Answers it. Raises RemoteProtocolError for one that cannot be taken: the state stays what it was."""
        if self.over or not self._of_this_dialog(request):
            self._host.respond(key, response_to(request, 481), now)
            return
        state = subscription_state_of(request)
        if state is None:
            raise RemoteProtocolError("NOTIFY has no Subscription-State")
        self._into_dialog(request)
        says_something = bool(request.body) or state.substate is Substate.ACTIVE
        incomplete = False
        if says_something and self.state is not SubscriptionState.UNSUBSCRIBING:
            incomplete = self._listener.notified(request, now)
        self._host.respond(key, response_to(request, 200), now)
        self._take_state(state, now)
        if incomplete:
            self.refresh(now)

    def _of_this_dialog(self, request: Request) -> bool:
        """The first NOTIFY makes the dialog; other forks are turned away (§4.5.2: this phone wants one)."""
        event = event_of(request)
        if event is None:
            raise RemoteProtocolError("NOTIFY has no Event")
        if event.package != self._package.event or event.id:
            return False
        return self._dialog is None or self._dialog.id.remote_tag == (from_addr(request).tag or "")

    def _into_dialog(self, request: Request) -> None:
        if self._dialog is not None:
            self._dialog.receive(request)
            return
        if from_addr(request).tag is None:
            raise RemoteProtocolError("NOTIFY has no From tag")
        dialog = Dialog.from_request(request, self._tag)
        dialog.local_cseq = self._cseq
        self._dialog = dialog

    def _take_state(self, state: SubscriptionStateValue, now: float) -> None:
        if state.substate is Substate.TERMINATED:
            self._end = self._ended_by_notifier(state)
            self._trigger(SubscriptionTrigger.NOTIFY_TERMINATED, now)
            return
        pending = state.substate is Substate.PENDING
        self._trigger(SubscriptionTrigger.NOTIFY_PENDING if pending else SubscriptionTrigger.NOTIFY_ACTIVE, now)
        if self.live and state.expires is not None:
            self._granted(state.expires, now)
        elif self.live and SubscriptionTrigger.EXPIRED not in self._deadlines:
            self._granted(self._asked_expires, now)  # the 2xx is still to come, or was lost

    def _ended_by_notifier(self, state: SubscriptionStateValue) -> SubscriptionEnd:
        again = _REASONS.get(state.reason, Again.LATER)
        if state.retry_after is not None and again is Again.AT_ONCE:
            again = Again.LATER
        if state.reason == "invariant":
            return SubscriptionEnd(again)
        failure = subscription_failure(None, self._what, ended=state.reason or "terminated")
        return SubscriptionEnd(again, float(min(state.retry_after or 0, MAX_RETRY_AFTER)), failure)

    # SUBSCRIBE

    def _send(self, expires: int, now: float) -> None:
        self._forget_request()
        flow = self._host.flow(self._account_id)
        if flow is None:
            self._retry_refresh(now)
            return
        account = self._host.account(self._account_id)
        headers = (
            ("Event", self._package.event),
            ("Expires", str(expires)),
            ("Accept", self._package.accept),
        )
        contact = contact_value(account, flow, secure=is_sips(self._target))
        if self._dialog is not None:
            request = self._dialog.request("SUBSCRIBE", contact, headers)
        else:
            request = new_request(
                "SUBSCRIBE",
                self._target,
                from_=str(own_address(account).with_parameter("tag", self._tag)),
                to=f"<{self._target}>",
                call_id=self._call_id,
                cseq=self._next_cseq(),
                headers=(("Contact", contact), *headers),
            )
        self._transmit(request, now)

    def _transmit(self, request: Request, now: float) -> None:
        requester = Requester(
            self._host,
            self._account_id,
            f"the subscription to {self._what}",
            self._next_cseq,
            lambda outcome, then: self._answered(requester, request, outcome, then),
        )
        self._requester = requester
        requester.send(request, now)

    def _next_cseq(self) -> int:
        if self._dialog is not None:
            return self._dialog.next_cseq()
        self._cseq += 1
        return self._cseq

    def _send_removal(self, now: float) -> None:
        self._stop(SubscriptionTrigger.REFRESH)
        self._send(0, now)
        if self._requester is None:  # no flow to say it over
            self._trigger(SubscriptionTrigger.REFUSED, now)

    def _answered(self, requester: Requester, request: Request, outcome: Outcome, now: float) -> None:
        if requester is not self._requester:
            return
        self._requester = None
        response = outcome.response
        if response is not None and response.status < 300:
            self._accepted(response, now)
        elif response is not None and response.status == 423 and self._longer(request, response, now):
            return
        elif self.live and outcome.status not in GONE:
            self._retry_refresh(now)
        else:
            self._end = self._refused(outcome)
            self._trigger(SubscriptionTrigger.REFUSED, now)

    def _accepted(self, response: Response, now: float) -> None:
        if self._dialog is not None:
            self._dialog.refresh_target(response)
        if self.live:
            granted = expiry(response)
            self._granted(self._asked_expires if granted is None else granted, now)

    def _longer(self, request: Request, response: Response, now: float) -> bool:
        """423: asks again for at least Min-Expires (§4.1.2.1)."""
        minimum = seconds(response.headers.get("Min-Expires"))
        self._too_brief += 1
        if minimum is None or self._too_brief > MAX_TOO_BRIEF or self.state is SubscriptionState.UNSUBSCRIBING:
            return False
        if not self._asked_expires < minimum <= MAX_MIN_EXPIRES:
            return False
        self._asked_expires = minimum
        again = with_next_cseq(request, self._next_cseq())
        self._transmit(again.with_headers(again.headers.replaced("Expires", str(minimum))), now)
        return True

    def _refused(self, outcome: Outcome) -> SubscriptionEnd:
        failure = outcome.failure
        wait = 0
        if outcome.response is not None:
            failure = failure or subscription_failure(outcome.response, self._what)
            wait = min(retry_after(outcome.response) or 0, MAX_RETRY_AFTER)
        if outcome.status == 481:
            return SubscriptionEnd(Again.AT_ONCE, failure=failure)  # the server has forgotten it (§4.1.2.2)
        again = Again.NEVER if outcome.status in FINAL or 300 <= outcome.status < 400 else Again.LATER
        return SubscriptionEnd(again, float(wait), failure)

    # Timers

    def _granted(self, expires: int, now: float) -> None:
        life = max(MIN_LIFE, float(min(expires, self._asked_expires)))
        self._deadlines[SubscriptionTrigger.EXPIRED] = now + life
        # Early enough for more attempts, as a registration's.
        self._deadlines[SubscriptionTrigger.REFRESH] = now + (life - 600 if life > 1200 else life / 2)

    def _retry_refresh(self, now: float) -> None:
        """The server does not answer, or not now: again half-way to the end, if there is time."""
        end = self._deadlines.get(SubscriptionTrigger.EXPIRED)
        if end is not None and self.live and now + MIN_RETRY < end:
            self._deadlines[SubscriptionTrigger.REFRESH] = now + max(MIN_RETRY, (end - now) / 2)

    def _start_timer_n(self, now: float) -> None:
        self._deadlines[SubscriptionTrigger.TIMER_N] = now + TIMER_N

    def _stop(self, given: SubscriptionTrigger) -> None:
        self._deadlines.pop(given, None)

    def _forget(self, now: float) -> None:
        del now
        self._deadlines.clear()
        self._forget_request()

    def _forget_request(self) -> None:
        if self._requester is not None:
            self._requester.forget()
            self._requester = None

    def _trigger(self, given: SubscriptionTrigger, now: float) -> None:
        self.state, doings = SUBSCRIPTION_TABLE.step(self.state, given)
        for doing in doings:
            self._doings[doing](now)
