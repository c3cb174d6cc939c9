"""Call transfer, both roles (RFC 3515, RFC 3891, RFC 3892, RFC 5589): which transfer each command and message is of.

Owns: the transfers under way, at most one for each call, and what is refused before one begins. One that we asked for
is a `Transferor`, one that we are asked for a `Transferee`; calls that take the place of others are `Replacements`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softphone.errors import Failure, OperationFailed
from softphone.sip.event_headers import event_of, subscription_state_of
from softphone.sip.message import Request
from softphone.sip.refer import status_line
from softphone.sip.replaces import Replaces
from softphone.sip.uri import SipUri
from softphone.ua import transfer_words as words
from softphone.ua.account import Account
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import AcceptTransfer, CallId, Dial, RefuseTransfer, Transfer, TransferTo
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotice,
    CallRinging,
    EarlyMediaStarted,
    Event,
    HoldChanged,
    TransferEnded,
    TransferRole,
)
from softphone.ua.refer_target import ReferTarget, refer_target
from softphone.ua.replacement import Replacements
from softphone.ua.responses import ALLOW_EVENTS, response_to, warning_399
from softphone.ua.transferee import Transferee
from softphone.ua.transferor import Target, Transferor

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

MAX_REFERS = 10  # of one call that our person is asked about; who asks more often gets 603
_REFER_REFUSED_IN: dict[CallState, int] = {
    CallState.ACCEPTED: 491,  # our 2xx has no ACK yet: in a moment it may be asked again
    CallState.HANGING_UP: 481,
    CallState.ENDING: 481,
    CallState.TERMINATED: 481,
}


class Transfers:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self.replacements = Replacements(agent)
        self._asked_by_us: dict[CallId, Transferor] = {}  # also ended ones, while their call lasts: NOTIFYs still come
        self._asked_of_us: dict[CallId, Transferee] = {}
        self._refers: dict[CallId, int] = {}  # how many a call has brought

    # What the person asks

    def command(self, command: Transfer | TransferTo | AcceptTransfer | RefuseTransfer, now: float) -> None:
        match command:
            case Transfer():
                self._begin(command, now)
            case TransferTo():
                self._begin(command, now)
            case AcceptTransfer(call_id=call_id, new_call_id=new_call_id):
                asked = self._asked_of_us.get(call_id)
                if asked is not None and new_call_id not in self._agent.calls:
                    asked.accept(new_call_id, now)
            case RefuseTransfer(call_id=call_id):
                asked = self._asked_of_us.get(call_id)
                if asked is not None:
                    asked.refuse(now)

    def _begin(self, command: Transfer | TransferTo, now: float) -> None:
        call = self._agent.calls.get(command.call_id)
        if call is None or call.state is not CallState.ESTABLISHED:
            self._refuse_command(command.call_id, words.not_running())
            return
        if self._under_way(call):
            self._agent.emit(CallNotice(call.id, words.under_way()))
            return
        other: Call | None = None
        try:
            if isinstance(command, TransferTo):
                other = self._other(call, command.other_call_id)
                target = _attended(other)
            else:
                uri = parse_dial_target(command.target, call.account.domain)
                target = Target(uri, str(uri))
        except OperationFailed as error:
            self._refuse_command(call.id, error.failure)
            return
        transferor = Transferor(self._agent, call, target, other, now)
        self._asked_by_us[call.id] = transferor
        transferor.begin(now)

    def _other(self, call: Call, other_id: CallId) -> Call:
        """The call to connect `call` with. Raises OperationFailed with the reason why it cannot be."""
        other = self._agent.calls.get(other_id)
        if other is call:
            raise OperationFailed(words.with_itself())
        if other is None or other.state is not CallState.ESTABLISHED:
            raise OperationFailed(words.no_such_other())
        if self._under_way(other):
            raise OperationFailed(words.under_way())
        one, two = call.account, other.account
        if one.id != two.id and one.server != two.server and one.domain.lower() != two.domain.lower():
            raise OperationFailed(words.strangers(str(one.server), str(two.server)))
        return other

    def _refuse_command(self, call_id: CallId, failure: Failure) -> None:
        self._agent.emit(TransferEnded(call_id, TransferRole.TRANSFEROR, failure))

    def _under_way(self, call: Call) -> bool:
        """By either side, or as the call that another one is to be connected with."""
        if any(not asked.over and call in (asked.call, asked.other) for asked in self._asked_by_us.values()):
            return True
        asked_of_us = self._asked_of_us.get(call.id)
        return asked_of_us is not None and not asked_of_us.over

    # What the other side asks

    def refer(self, call: Call, key: str, request: Request, now: float) -> None:
        """REFER within a call. Raises RemoteProtocolError for a target that is not called, with status and reason."""
        status = self._refused(call)
        if status is not None:
            self._agent.respond(key, response_to(request, status), now)
            return
        target = refer_target(request, call.account.domain)
        count = self._refers[call.id] = self._refers.get(call.id, 0) + 1
        asked = Transferee(self._agent, self, call, key, request, target, first=count == 1)
        self._asked_of_us[call.id] = asked
        asked.begin(now)

    def _refused(self, call: Call) -> int | None:
        if call.state is not CallState.ESTABLISHED:
            return _REFER_REFUSED_IN.get(call.state, 603)
        if self._under_way(call):
            return 491
        return 603 if self._agent.shutting_down or self._refers.get(call.id, 0) >= MAX_REFERS else None

    def refer_outside(self, account: Account, key: str, request: Request, now: float) -> None:
        """REFER outside any dialog: nobody we talk to asks for that."""
        del account
        said = warning_399("Calls are transferred within a call only")
        self._agent.respond(key, response_to(request, 603, headers=(said,)), now)

    def notify(self, call: Call, key: str, request: Request, now: float) -> None:
        """NOTIFY within a call: how far a transfer is."""
        event = event_of(request)
        if event is None or event.package.lower() != "refer":
            self._agent.respond(key, response_to(request, 489, headers=(("Allow-Events", ALLOW_EVENTS),)), now)
            return
        transferor = self._asked_by_us.get(call.id)
        if transferor is None or not transferor.has_referred or transferor.of_an_older_one(event.id):
            self._agent.respond(key, response_to(request, 481), now)
            return
        status, state = status_line(request.body), subscription_state_of(request)
        self._agent.respond(key, response_to(request, 200), now)
        transferor.notified(status, state, now)

    def peer_hangs_up(self, call: Call, now: float) -> None:
        """BYE, before the call hears of it."""
        transferor = self._asked_by_us.get(call.id)
        if transferor is not None:
            transferor.peer_left(now)

    def dial_for_transfer(self, call: Call, new_call_id: CallId, target: ReferTarget, now: float) -> None:
        """The transferee's new call: by the same account; from a call to `sips:` never to less (RFC 3261 §26.2.2)."""
        secure = call.dialog is not None and call.dialog.secure
        uri = replace(target.uri, scheme="sips") if secure else target.uri
        dial = Dial(new_call_id, str(uri), call.account.id)
        self._agent.dial(dial, now, target.headers, replaces=call.id)

    # Usage

    def saw(self, event: Event, now: float) -> None:
        self.replacements.saw(event, now)
        match event:
            case HoldChanged(call_id=call_id, held_by_us=True) | CallNotice(call_id=call_id):
                self._hold_settled(call_id, now)
            case CallRinging(call_id=call_id):
                self._new_call_progressed(call_id, 180, now)
            case EarlyMediaStarted(call_id=call_id):
                self._new_call_progressed(call_id, 183, now)
            case CallEstablished(call_id=call_id):
                for asked in self._with_new_call(call_id):
                    asked.answered(now)
            case CallEnded():
                self._call_ended(event, now)
            case _:
                pass

    def _hold_settled(self, call_id: CallId, now: float) -> None:
        for transferor in list(self._asked_by_us.values()):
            if transferor.other is not None and transferor.other.id == call_id:
                transferor.hold_settled(transferor.other, now)
            if transferor.call.id == call_id:
                transferor.hold_settled(transferor.call, now)

    def _with_new_call(self, call_id: CallId) -> list[Transferee]:
        return [asked for asked in self._asked_of_us.values() if asked.new_call_id == call_id]

    def _new_call_progressed(self, call_id: CallId, status: int, now: float) -> None:
        for asked in self._with_new_call(call_id):
            asked.progress(status, now)

    def _call_ended(self, event: CallEnded, now: float) -> None:
        for asked in self._with_new_call(event.call_id):
            asked.new_call_ended(event, now)
        for transferor in list(self._asked_by_us.values()):
            if transferor.call.id == event.call_id:
                transferor.call_over(now)
            elif transferor.other is not None and transferor.other.id == event.call_id:
                transferor.other_over(now)
        asked_of_us = self._asked_of_us.get(event.call_id)
        if asked_of_us is not None:
            asked_of_us.old_over(now)
        self._forget_ended()

    def _forget_ended(self) -> None:
        calls = self._agent.calls
        over = {call_id for call_id, call in calls.items() if call.over}
        gone = {*self._asked_by_us, *self._asked_of_us, *self._refers} - (calls.keys() - over)
        for call_id in gone:
            if call_id in self._asked_by_us and self._asked_by_us[call_id].over:
                del self._asked_by_us[call_id]
            if call_id in self._asked_of_us and self._asked_of_us[call_id].over:
                del self._asked_of_us[call_id]
            self._refers.pop(call_id, None)

    def next_timer(self) -> float | None:
        times = [asked.next_timer() for asked in self._asked]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for asked in self._asked:
            asked.handle_timer(now)
        self._forget_ended()

    @property
    def _asked(self) -> list[Transferor | Transferee]:
        return [*self._asked_by_us.values(), *self._asked_of_us.values()]


def _attended(other: Call) -> Target:
    """Refer-To names the other side's own address and the dialog that the new call replaces (RFC 5589 §7.1)."""
    dialog = other.dialog
    if dialog is None or not isinstance(dialog.remote_target, SipUri):
        raise OperationFailed(words.no_address())
    kept = tuple(entry for entry in dialog.remote_target.parameters if entry[0].lower() != "method")
    headers = (("Replaces", str(Replaces.of_peer(dialog.id))),)
    return Target(replace(dialog.remote_target, parameters=kept, headers=headers), other.remote.uri)
