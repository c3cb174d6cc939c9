"""One transfer that the other side asks for: our person decides, we call, and tell how it goes (RFC 3515, RFC 5589).

Owns: `TRANSFEREE_TABLE` put to work for one REFER.

When is it answered? Accepting or refusing answers the REFER itself: 202 or 603. A REFER is no INVITE, though: its
sender gives up after 32 s (RFC 3261 Timer F), and RFC 3515 §2.4.2 wants 202 before that if a person has to be asked.
So after `ANSWER_WITHIN` we send 202 with a NOTIFY "pending", and the decision goes into later NOTIFYs. Not at once:
a 603 is plainer than a 202 that is taken back, and there are phones that hang up at the 202, when nobody could decide
any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from softphone.errors import Failure
from softphone.sdp.negotiated import Direction
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua import transfer_words as words
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, TransferEnded, TransferProgressed, TransferRequested, TransferRole
from softphone.ua.host import Host, contact_field
from softphone.ua.refer_notifier import ReferNotifier
from softphone.ua.refer_target import ReferTarget
from softphone.ua.responses import response_to, warning_399
from softphone.ua.transfer_tables import TRANSFEREE_TABLE, TransfereeState, TransfereeStep, TransfereeTrigger

ANSWER_WITHIN = 8.0  # s; proxies wait 10 to 30 for a final response, the sender 32
DECIDE_WITHIN = 120.0  # s the person has in all
SUBSCRIBED_FOR = 300  # s, told with each NOTIFY: longer than any call rings
OLD_CALL_WITHIN = 10.0  # s after the new call was answered in which the transferor should have hung up

U = TransfereeTrigger


class Dialler(Protocol):
    """Makes the new call; what becomes of it comes back by its events."""

    def dial_for_transfer(self, call: Call, new_call_id: CallId, target: ReferTarget, now: float) -> None: ...


class Transferee:
    def __init__(
        self, host: Host, dialler: Dialler, call: Call, key: str, request: Request, target: ReferTarget, *, first: bool
    ) -> None:
        """`first`: no REFER came in this dialog before."""
        assert call.dialog is not None
        self._host, self._dialler, self.call, self._target = host, dialler, call, target
        self._key, self._request = key, request
        self.state = TransfereeState.ASKED
        self.new_call_id: CallId | None = None
        self._notifier = ReferNotifier(host, call.account, call.dialog, None if first else cseq(request).number)
        self._status = 100  # the new call's, as it will be told
        self._failure: Failure | None = None
        self._held = False  # by us, for this
        self._deadline: float | None = None
        self._decide_until = 0.0
        self._steps: dict[TransfereeStep, Callable[[float], None]] = {
            TransfereeStep.ACCEPT: self._accept,
            TransfereeStep.DECLINE: self._decline,
            TransfereeStep.NOTIFY_PENDING: self._notify_pending,
            TransfereeStep.NOTIFY_TRYING: self._notify_trying,
            TransfereeStep.NOTIFY_PROGRESS: self._notify_progress,
            TransfereeStep.NOTIFY_FINAL: lambda now: self._notifier.last(self._status, now),
            TransfereeStep.NOTIFY_DECLINED: lambda now: self._notifier.last(603, now),
            TransfereeStep.DIAL: self._dial,
            TransfereeStep.TELL_SUCCESS: self._tell_success,
            TransfereeStep.TELL_FAILURE: self._tell_failure,
            TransfereeStep.COME_BACK: self._come_back,
            TransfereeStep.HANG_UP: call.hang_up,
        }

    def begin(self, now: float) -> None:
        self._deadline, self._decide_until = now + ANSWER_WITHIN, now + DECIDE_WITHIN
        shown, attended = str(self._target.uri), self._target.replaces is not None
        self._host.emit(TransferRequested(self.call.id, shown, self._target.referrer, attended))

    @property
    def over(self) -> bool:
        return self.state is TransfereeState.ENDED

    # What the person decides

    def accept(self, new_call_id: CallId, now: float) -> None:
        if self.state in (TransfereeState.ASKED, TransfereeState.PENDING):
            self.new_call_id = new_call_id
            self._trigger(U.ACCEPT, now)

    def refuse(self, now: float) -> None:
        self._trigger(U.REFUSE, now, words.refused_by_us())

    # What the calls do

    def progress(self, status: int, now: float) -> None:
        """The new call got a provisional response; the same one again is no news."""
        if status > self._status:
            self._status = status
            self._trigger(U.PROGRESS, now)

    def answered(self, now: float) -> None:
        self._status = 200
        self._trigger(U.ANSWERED, now)

    def new_call_ended(self, event: CallEnded, now: float) -> None:
        if self.state is TransfereeState.CALLING:
            self._status = _final_status(event)
        self._trigger(U.FAILED, now, words.new_call_failed(event.failure))

    def old_over(self, now: float) -> None:
        self._trigger(U.OLD_OVER, now)

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._trigger(U.TIMER, now, words.undecided())

    # The machine

    def _trigger(self, trigger: TransfereeTrigger, now: float, failure: Failure | None = None) -> None:
        if failure is not None and (self.state, trigger) in TRANSFEREE_TABLE.rows:
            self._failure = failure
        if (self.state, trigger) in TRANSFEREE_TABLE.rows and trigger is not U.PROGRESS:
            self._deadline = None
        self.state, steps = TRANSFEREE_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    @property
    def _running(self) -> bool:
        """Whether the old call is still one of our person's."""
        return self.call.state is CallState.ESTABLISHED

    # Steps

    def _accept(self, now: float) -> None:
        dialog, account = self.call.dialog, self.call.account
        assert dialog is not None
        contact = contact_field(account, self._host.flow(account.id), secure=dialog.secure)
        self._host.respond(self._key, response_to(self._request, 202, headers=contact), now)

    def _decline(self, now: float) -> None:
        said = (warning_399(self._failure.reason),) if self._failure is not None else ()
        self._host.respond(self._key, response_to(self._request, 603, headers=said), now)

    def _notify_pending(self, now: float) -> None:
        self._deadline = self._decide_until
        self._notifier.pending(SUBSCRIBED_FOR, now)

    def _notify_trying(self, now: float) -> None:
        self._host.emit(TransferProgressed(self.call.id, TransferRole.TRANSFEREE, str(self._target.uri), 100, "Trying"))
        self._notifier.progress(100, SUBSCRIBED_FOR, now)

    def _notify_progress(self, now: float) -> None:
        if self._running:
            shown = str(self._target.uri)
            self._host.emit(TransferProgressed(self.call.id, TransferRole.TRANSFEREE, shown, self._status))
        self._notifier.progress(self._status, SUBSCRIBED_FOR, now)

    def _dial(self, now: float) -> None:
        """Nobody shall hear our microphone in both calls; a transferor has held the old one as a rule."""
        media = self.call.session.negotiated
        if media is not None and media.direction.sends and not self.call.held.by_us:
            self._held = True
            self.call.hold(Direction.SENDONLY, now)
        assert self.new_call_id is not None
        self._dialler.dial_for_transfer(self.call, self.new_call_id, self._target, now)

    def _tell_success(self, now: float) -> None:
        """The old call is silent from now on; to hold it by a re-INVITE would cross the transferor's BYE."""
        self._deadline = now + OLD_CALL_WITHIN
        if self._running:
            self.call.held.set_aside(True)
            self._host.emit(TransferEnded(self.call.id, TransferRole.TRANSFEREE))

    def _tell_failure(self, now: float) -> None:
        del now
        if self._running:
            self._host.emit(TransferEnded(self.call.id, TransferRole.TRANSFEREE, self._failure))

    def _come_back(self, now: float) -> None:
        if self._held and self._running:
            self.call.hold(Direction.SENDRECV, now)


def _final_status(event: CallEnded) -> int:
    """What a call that came to nothing is told as; one that was answered and refused for its media as 488."""
    if event.status is not None and event.status >= 300:
        return event.status
    if event.failure is None:
        return 487  # our person gave it up
    return 488 if event.status is not None else 603
