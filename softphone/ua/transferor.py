"""One transfer that our person asked for: hold, REFER, its NOTIFYs, and what becomes of the call (RFC 3515, RFC 5589).

Owns: `TRANSFEROR_TABLE` put to work for one call of ours, blind or attended. The call is held first, so that nobody
talks into a call that goes away, and resumed if the transfer comes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from softphone.errors import Failure
from softphone.sdp.negotiated import Direction
from softphone.sip.event_headers import SubscriptionStateValue, Substate
from softphone.sip.header_values import cseq
from softphone.sip.refer import without_subscription
from softphone.sip.uri import SipUri
from softphone.ua import transfer_words as words
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.events import TransferEnded, TransferProgressed, TransferRole
from softphone.ua.host import Host, contact_value
from softphone.ua.outcomes import flow_lost
from softphone.ua.requester import Outcome, Requester
from softphone.ua.transfer_tables import TRANSFEROR_TABLE, TransferorState, TransferorStep, TransferorTrigger

HOLD_WITHIN = 4.0  # s to wait for the hold; then the REFER goes out beside it
FIRST_NOTIFY_WITHIN = 64 * 0.5  # s after the 202 (RFC 6665 §4.1.2.4, Timer N)
NOTIFY_WITHIN = 180.0  # s for the next NOTIFY if the last one did not say how long it subscribes: a call may ring long
RESUME_AGAIN_AFTER = 2.0  # s between looks for a flow to resume over, while the call lasts
SHORTEST_WAIT, LONGEST_WAIT = 32.0, 600.0  # s; bounds on what a NOTIFY says

T = TransferorTrigger


@dataclass(frozen=True, slots=True)
class Target:
    """`refer_to` is the header's URI, `shown` what the person is told of it."""

    refer_to: SipUri
    shown: str


class Transferor:
    def __init__(self, host: Host, call: Call, target: Target, other: Call | None, now: float) -> None:
        """`other`: the call whose other side is the target (attended)."""
        self._host, self.call, self.other, self._target = host, call, other, target
        self.state = TransferorState.HOLDING
        self._failure: Failure | None = None
        self._call_gone = False
        self._cseq = 0  # of the first REFER; an older `id` in a NOTIFY is of an older transfer
        self._deadline: float | None = now + HOLD_WITHIN
        self._requester = Requester(host, call.account.id, "the transfer", self._next_cseq, self._referred)
        self._steps: dict[TransferorStep, Callable[[float], None]] = {
            TransferorStep.REFER: self._refer,
            TransferorStep.FOLLOW: lambda now: self._wait(now + FIRST_NOTIFY_WITHIN),
            TransferorStep.TELL_SUCCESS: self._tell_success,
            TransferorStep.TELL_FAILURE: self._tell_failure,
            TransferorStep.HANG_UP: self._hang_up,
            TransferorStep.COME_BACK: self._come_back,
            TransferorStep.FORGET: self._forget,
        }
        self._unheld = {part.id for part in self._parts if not part.held.by_us}
        self._holding = set(self._unheld)

    def begin(self, now: float) -> None:
        self._progress(100, "Trying")
        if not self._holding:
            self._trigger(T.HELD, now)
        for part in self._parts:
            if part.id in self._unheld:
                part.hold(Direction.SENDONLY, now)

    @property
    def over(self) -> bool:
        return self.state is TransferorState.ENDED

    @property
    def has_referred(self) -> bool:
        return self._cseq > 0

    # What happens

    def hold_settled(self, call: Call, now: float) -> None:
        """The hold was agreed to or refused."""
        self._holding.discard(call.id)
        if not self._holding:
            self._trigger(T.HELD, now)

    def notified(self, status: tuple[int, str] | None, state: SubscriptionStateValue | None, now: float) -> None:
        """A NOTIFY of this transfer; one without Subscription-State counts as active, as older ones send it."""
        if status is not None and not self.over:
            self._progress(*status)
        if status is not None and status[0] >= 200:
            final = T.SUCCESS if status[0] < 300 else T.FAILURE
            self._trigger(final, now, words.not_reached(*status) if final is T.FAILURE else None)
        elif state is not None and state.substate is Substate.TERMINATED:
            self._trigger(T.FAILURE, now, words.ended_without_result())
        else:
            self._trigger(T.PROGRESS, now)
            expires = NOTIFY_WITHIN if state is None or state.expires is None else float(state.expires)
            if self.state is TransferorState.FOLLOWING:
                self._wait(now + min(max(expires, SHORTEST_WAIT), LONGEST_WAIT))

    def of_an_older_one(self, event_id: str) -> bool:
        """Whether a NOTIFY's `id` names an earlier REFER of the call (RFC 3515 §2.4.6)."""
        return event_id.isascii() and event_id.isdigit() and int(event_id[:10]) < self._cseq

    def peer_left(self, now: float) -> None:
        """BYE, before the call hears of it: once the transfer is accepted it may be the transferee's way to say so."""
        self._call_gone = True
        self._trigger(T.PEER_LEFT, now, words.left_before())

    def call_over(self, now: float) -> None:
        self._call_gone = True
        self._trigger(T.CALL_OVER, now)

    def other_over(self, now: float) -> None:
        self._trigger(T.OTHER_OVER, now, words.other_gone())

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._trigger(T.TIMER, now, words.no_word())

    # The machine

    def _trigger(self, trigger: TransferorTrigger, now: float, failure: Failure | None = None) -> None:
        if failure is not None and (self.state, trigger) in TRANSFEROR_TABLE.rows:
            self._failure = failure
        self.state, steps = TRANSFEROR_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    @property
    def _parts(self) -> Iterable[Call]:
        return (self.call,) if self.other is None else (self.call, self.other)

    def _wait(self, deadline: float) -> None:
        self._deadline = deadline

    def _next_cseq(self) -> int:
        assert self.call.dialog is not None
        return self.call.dialog.next_cseq()

    def _refer(self, now: float) -> None:
        self._deadline = None
        account, dialog = self.call.account, self.call.dialog
        flow = self._host.flow(account.id)
        if dialog is None or flow is None:
            self._referred(Outcome(None, flow_lost("before the transfer")), now)
            return
        referrer = () if account.hide_identity else (("Referred-By", f"<{account.address}>"),)
        request = dialog.request(
            "REFER",
            contact=contact_value(account, flow, secure=dialog.secure),
            headers=(("Refer-To", f"<{self._target.refer_to}>"), *referrer),
        )
        self._cseq = cseq(request).number
        self._requester.send(request, now)

    def _referred(self, outcome: Outcome, now: float) -> None:
        if not 200 <= outcome.status < 300:
            self._trigger(T.REFUSED, now, words.refused(outcome))
        elif outcome.response is not None and without_subscription(outcome.response):
            self._trigger(T.ACCEPTED_UNTOLD, now)
        else:
            self._trigger(T.ACCEPTED, now)

    # Steps

    def _progress(self, status: int, reason: str) -> None:
        shown = self._target.shown
        self._host.emit(TransferProgressed(self.call.id, TransferRole.TRANSFEROR, shown, status, reason[:100]))

    def _tell_success(self, now: float) -> None:
        del now
        self._host.emit(TransferEnded(self.call.id, TransferRole.TRANSFEROR))

    def _tell_failure(self, now: float) -> None:
        del now
        assert self._failure is not None
        self._host.emit(TransferEnded(self.call.id, TransferRole.TRANSFEROR, self._failure))

    def _hang_up(self, now: float) -> None:
        for part in self._parts:
            if not (part is self.call and self._call_gone):
                part.hang_up(now)

    def _come_back(self, now: float) -> None:
        """What we had held for the transfer is resumed; what the person had held stays on hold."""
        for part in self._parts:
            left = part is self.call and self._call_gone
            if part.id not in self._unheld or left or part.state is not CallState.ESTABLISHED:
                continue
            if self._host.flow(part.account.id) is None:
                self._deadline = now + RESUME_AGAIN_AFTER
            else:
                part.hold(Direction.SENDRECV, now)

    def _forget(self, now: float) -> None:
        """Before what follows, which may set a time of its own."""
        del now
        self._deadline = None
        self._requester.forget()
