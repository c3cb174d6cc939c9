"""What an account's rules do with an incoming call: deny, do not disturb, forward, busy, answer by itself.

Owns: the order of the rules, and what happens to a ringing call by time: sent on when nobody answers, answered by
itself with a beep. Asked by `incoming.py` before a call is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from softphone.errors import Failure, OperationFailed
from softphone.policy.media import MediaEncryption
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, NegotiatedMedia
from softphone.sip.header_values import from_addr
from softphone.sip.message import Request
from softphone.ua.account import Account, DoNotDisturb
from softphone.ua.actions import PlayTone, Tone
from softphone.ua.auto_answer import asked_delay, may_ask
from softphone.ua.call import Call
from softphone.ua.caller_patterns import caller_patterns
from softphone.ua.commands import CallId
from softphone.ua.events import CallDeflected, CallEnded, CallerIdentity, CallEstablished, CallRefused, Event, Party
from softphone.ua.forwarding import redirection
from softphone.ua.identity import asserted_address, caller_identity

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


@dataclass(frozen=True, slots=True)
class Turned:
    """A call that never rings: what its caller gets, and which rule did it. `failure`: why a rule could not be kept."""

    status: int
    why: str  # CallDeflected's words
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    failure: Failure | None = None

    def event(self, call_id: CallId, account: Account, remote: Party) -> CallDeflected | CallRefused:
        if self.failure is not None:
            return CallRefused(call_id, account.id, remote, replace(self.failure, status=self.status))
        return CallDeflected(call_id, account.id, remote, self.why, self.target, self.status)


_DO_NOT_DISTURB = {DoNotDisturb.BUSY: 486, DoNotDisturb.UNAVAILABLE: 480}


class Screening:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._answer_at: dict[CallId, float] = {}  # by itself
        self._send_on_at: dict[CallId, float] = {}  # nobody answers

    # Before it rings

    def turned(self, account: Account, invite: Request, identity: CallerIdentity) -> Turned | None:
        """None: it may ring. The first rule that fits decides."""
        rules = account.rules
        if self._denied(account, invite, identity):
            return Turned(603, "denied")
        if rules.forwarding.always:
            return _sent_on(account, invite, rules.forwarding.always, "always", 480)
        if rules.do_not_disturb is not DoNotDisturb.OFF:
            return Turned(_DO_NOT_DISTURB[rules.do_not_disturb], "do-not-disturb")
        if not self._agent.rules.busy(account, self._agent.running_calls):
            return None
        if rules.forwarding.busy:
            return _sent_on(account, invite, rules.forwarding.busy, "busy", 486)
        return Turned(486, "busy-here")

    def denies(self, account: Account, request: Request) -> bool:
        """Whether the account's rules turn this sender away; for requests that are no calls."""
        return self._denied(account, request, caller_identity(request))

    def _denied(self, account: Account, invite: Request, identity: CallerIdentity) -> bool:
        if account.rules.deny_anonymous and identity.anonymous:
            return True
        asserted = asserted_address(invite, "calling")
        names = [from_addr(invite).uri, *((asserted.uri,) if asserted is not None else ())]
        return any(pattern.fits(name) for pattern in caller_patterns(account.rules.deny) for name in names)

    def waits(self, account: Account) -> bool:
        """Whether a call that comes now is a second one."""
        return account.rules.call_waiting and self._agent.running_calls > 0

    def answers_itself_after(
        self, account: Account, invite: Request, verdict: NegotiatedMedia | ConsentNeeded | None
    ) -> int | None:
        """Seconds; None: it rings. Never a call without encryption, never over another call."""
        match verdict:
            case NegotiatedMedia(security=security):
                secure = not isinstance(security, ClearMedia)
            case None:  # we shall offer
                secure = account.media_policy.encryption is MediaEncryption.MANDATORY
            case _:
                secure = False
        if not secure or self._agent.running_calls or not may_ask(account, invite):
            return None
        return asked_delay(invite)

    # While it rings

    def rings(self, call: Call, answer_after: int | None, now: float) -> None:
        """After IncomingCall."""
        forwarding = call.account.rules.forwarding
        if forwarding.no_answer and answer_after is None:
            self._send_on_at[call.id] = now + forwarding.no_answer_s
        if answer_after == 0:
            self._answer(call, now)
        elif answer_after is not None:
            self._answer_at[call.id] = now + answer_after

    def _answer(self, call: Call, now: float) -> None:
        if self._agent.running_calls > 1:
            self._agent.call_tones.rings_after_all(call)  # the person has begun another one meanwhile
            return
        self._agent.emit(PlayTone(call.id, Tone.AUTO_ANSWERED))
        call.answer(now)

    def _send_on(self, call: Call, now: float) -> None:
        call.deflect(call.account.rules.forwarding.no_answer, now, why="no-answer")

    # Usage

    def saw(self, event: Event, now: float) -> None:
        del now
        if not isinstance(event, CallEstablished | CallEnded):
            return
        self._answer_at.pop(event.call_id, None)
        self._send_on_at.pop(event.call_id, None)

    def next_timer(self) -> float | None:
        return min((*self._answer_at.values(), *self._send_on_at.values()), default=None)

    def handle_timer(self, now: float) -> None:
        for due, act in ((self._answer_at, self._answer), (self._send_on_at, self._send_on)):
            for call_id in [call_id for call_id, at in due.items() if at <= now]:
                del due[call_id]
                if (call := self._agent.calls.get(call_id)) is not None:
                    act(call, now)


def _sent_on(account: Account, invite: Request, target: str, why: str, otherwise: int) -> Turned:
    try:
        return Turned(302, why, target, redirection(account, invite, target, why))
    except OperationFailed as error:
        return Turned(otherwise, why, failure=error.failure)
