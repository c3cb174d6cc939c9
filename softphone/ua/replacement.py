"""An INVITE with Replaces: it takes the place of a call that runs, without ringing (RFC 3891 §3).

Owns: which call is meant, whether it may be replaced, and that the old one ends when the new one is answered. The new
call is judged by the account's media policy like any other, and where the old one is encrypted the new one must be.

Who may do it: whoever knows Call-ID and both tags of the dialog, which only its ends and their server have seen, over
the account's own verified flow; the server has authenticated him as it does every caller (§8). Nobody whom the
account's rules deny.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind
from softphone.policy.media import MediaEncryption, MediaPolicy
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, Rejection
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import from_addr
from softphone.sip.message import Request
from softphone.sip.replaces import Replaces, replaces_of
from softphone.ua.account import Account
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, CallEstablished, CallRefused, Event, IncomingCall
from softphone.ua.host import token
from softphone.ua.identity import caller_identity, party_of
from softphone.ua.invite_server import InviteServer
from softphone.ua.outcomes import unencrypted_reason
from softphone.ua.responses import response_to, warning_399

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

_S = CallState
NOT_FOUND, EARLY_ONLY, OVER = 481, 486, 603
_REFUSED_IN: dict[CallState, int] = {
    # An early dialog that we did not begin (§3)
    **dict.fromkeys((_S.RINGING, _S.EARLY, _S.ANSWERING), NOT_FOUND),
    **dict.fromkeys((_S.WAITING_FLOW, _S.OPENING_MEDIA, _S.REDIRECTED), NOT_FOUND),
    # It has ended, or ends; or our person has not agreed to it yet
    **dict.fromkeys((_S.ENDING, _S.TERMINATED, _S.HANGING_UP, _S.CANCELLING, _S.AWAITING_CONSENT), OVER),
}
_CONFIRMED = frozenset({_S.ACCEPTED, _S.ESTABLISHED})


@dataclass(frozen=True, slots=True)
class Replaced:
    call_id: CallId
    held: bool  # the person had it on hold, so the new one is, too


class Replacements:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._under_way: dict[CallId, Replaced] = {}  # by the new call's id, until it is answered

    def invite(self, account: Account, key: str, request: Request, now: float) -> None:
        """Raises RemoteProtocolError for what cannot be read."""
        named = replaces_of(request)
        assert named is not None
        old = self._named(account, named)
        if old is None:
            self._refuse(key, request, NOT_FOUND, now)
            return
        if self._agent.screening.denies(account, request):
            self._refuse(key, request, OVER, now)
            return
        status = EARLY_ONLY if named.early_only and old.state in _CONFIRMED else _REFUSED_IN.get(old.state)
        if status is None and any(replaced.call_id == old.id for replaced in self._under_way.values()):
            status = OVER
        if status is None:
            self._take(account, key, request, old, now)
        else:
            self._refuse(key, request, status, now)

    def saw(self, event: Event, now: float) -> None:
        match event:
            case CallEstablished(call_id=call_id) if call_id in self._under_way:
                replaced = self._under_way.pop(call_id)
                new, old = self._agent.calls.get(call_id), self._agent.calls.get(replaced.call_id)
                if new is not None and replaced.held:
                    new.hold(Direction.SENDONLY, now)
                if old is not None:
                    old.hang_up(now)
            case CallEnded(call_id=call_id):
                self._under_way.pop(call_id, None)
            case _:
                pass

    def _named(self, account: Account, named: Replaces) -> Call | None:
        """Among the account's own: its server has no say in the calls of another one."""
        for call in self._agent.calls.values():
            if call.account.id != account.id:
                continue
            dialogs: tuple[Dialog, ...] = call.client.dialogs if call.client is not None else ()
            if call.dialog is not None:
                dialogs = (call.dialog,)
            if any(named.names(dialog.id) for dialog in dialogs):
                return call
        return None

    def _refuse(self, key: str, request: Request, status: int, now: float) -> None:
        self._agent.respond(key, response_to(request, status), now)

    def _take(self, account: Account, key: str, request: Request, old: Call, now: float) -> None:
        agent = self._agent
        remote, new_id = party_of(from_addr(request)), token(agent.token_bytes)
        policy = _policy(agent.rules.media_policy(account, request.uri), old)
        session = account.offer_answer(policy, agent.token_bytes)
        server = InviteServer(agent, account, key, request, token(agent.token_bytes))
        verdict = session.receive_offer(server.offer) if server.offer else None
        if isinstance(verdict, ConsentNeeded):  # nobody is asked: nobody's phone rings
            verdict = _clear(verdict.reason)
        if isinstance(verdict, Rejection):
            server.respond(verdict.status, now, headers=(warning_399(verdict.warning),))
            agent.emit(CallRefused(new_id, account.id, remote, verdict.failure))
            return
        call = Call.incoming(agent, account, new_id, remote, session, server, now)
        agent.calls[new_id] = call
        self._under_way[new_id] = Replaced(old.id, old.held.by_us)
        agent.emit(
            IncomingCall(
                new_id,
                account.id,
                remote,
                called=str(request.uri),
                unencrypted=unencrypted_reason(verdict),
                identity=caller_identity(request),
                replaces=old.id,
            )
        )
        call.set_muted(old.muted)
        call.answer(now)


def _policy(policy: MediaPolicy, old: Call) -> MediaPolicy:
    """No clear call takes the place of an encrypted one, nor becomes one later."""
    running = old.media.running
    if running is None or isinstance(running.security, ClearMedia):
        return policy
    return replace(policy, encryption=MediaEncryption.MANDATORY)


def _clear(reason: str) -> Rejection:
    failure = Failure(
        FailureKind.MEDIA_NOT_ENCRYPTED,
        f"A call wanted to take the place of a running one without encryption: {reason}",
        "The running call goes on; have the other side call by itself.",
        status=488,
    )
    return Rejection(488, failure, reason)
