"""From a command to dial to a call on its way, or the reason why there is none.

Owns: what is checked before a call is made, and what of the account goes into it. The call itself is `call.py`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.media import MediaPolicy, asking_before_clear
from softphone.sdp.negotiated import ClearMedia
from softphone.ua.account import Account, AccountId
from softphone.ua.call import Call
from softphone.ua.commands import Dial
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.events import CallEnded, CallStarted, EndedBy, Party
from softphone.ua.host import Host

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


def outgoing_call(
    agent: UserAgent,
    account: Account | None,
    command: Dial,
    headers: tuple[tuple[str, str], ...],
    sent_on_by: Call | None,
    now: float,
) -> Call:
    """Raises OperationFailed with words for the person. `account` is None where there is none to call with.

    `sent_on_by`: the running call whose other side asks for this one.
    """
    if account is None:
        raise _refused("There is no account to call with.", "Sign in first.")
    if agent.shutting_down:
        raise _refused("The phone is shutting down.", "Start it again.")
    target = parse_dial_target(command.target, account.domain)
    policy = _policy(agent.rules.media_policy(account, target), sent_on_by)
    if command.hide_identity is not None:
        account = replace(account, hide_identity=command.hide_identity)
    session = account.offer_answer(policy, agent.token_bytes)
    return Call.outgoing(agent, account, command.call_id, target, session, policy, now, headers)


def refuse_dial(host: Host, command: Dial, failure: Failure, account_id: AccountId = "") -> None:
    """A call that ended before it began."""
    host.emit(CallStarted(command.call_id, account_id, Party(command.target)))
    by = EndedBy.POLICY if failure.kind is FailureKind.TRANSPORT_NOT_SECURE else EndedBy.LOCAL
    host.emit(CallEnded(command.call_id, by, failure=failure))


def _policy(policy: MediaPolicy, sent_on_by: Call | None) -> MediaPolicy:
    """Who talks encrypted is asked before a transfer has him talk in clear."""
    running = sent_on_by.media.running if sent_on_by is not None else None
    encrypted = running is not None and not isinstance(running.security, ClearMedia)
    return asking_before_clear(policy) if encrypted else policy


def _refused(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.USAGE, reason, remedy))
