"""Requests that arrive within a call's dialogs: which dialog they mean, and who answers them (RFC 3261 §12.2.2).

Owns: that choice for ACK, INVITE, PRACK and UPDATE. Early dialogs of a forked INVITE are known here too, for UPDATE.
"""

from __future__ import annotations

from softphone.sip.dialog import Dialog
from softphone.sip.header_values import call_id, from_addr, to_addr
from softphone.sip.message import Request
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.offer_within import later
from softphone.ua.responses import response_to
from softphone.ua.session_change import SessionChange

_BEFORE_THE_ACK = frozenset({CallState.ACCEPTED, CallState.HANGING_UP})
_ENDED = frozenset({CallState.ENDING, CallState.TERMINATED})


def dialog_of(call: Call, request: Request) -> Dialog | None:
    """The call's own dialog, or for UPDATE an early one of a fork (RFC 3311); None if the request means neither."""
    local_tag, remote_tag = to_addr(request).tag or "", from_addr(request).tag or ""
    dialog = call.dialog
    if dialog is not None:
        known = dialog.id
        if (known.call_id, known.local_tag, known.remote_tag) == (call_id(request), local_tag, remote_tag):
            return dialog
    if request.method != "UPDATE" or call.client is None or call.client.call_id != call_id(request):
        return None
    change = call.client.early_dialog(local_tag, remote_tag)
    return change.dialog if change is not None else None


def receive_ack(call: Call, request: Request, now: float) -> None:
    if call.callee is not None and call.state in _BEFORE_THE_ACK:
        call.callee.receive_ack(request, now)
    elif call.change is not None:
        call.change.receive_ack(request, now)


def receive_invite(call: Call, key: str, request: Request, now: float) -> None:
    if call.state is CallState.ESTABLISHED and call.change is not None:
        call.change.receive_invite(key, request, now)
    elif call.state in _ENDED:
        call.host.respond(key, response_to(request, 481), now)
    else:  # the first one is not settled yet (RFC 3261 §14.2)
        refused = later(call.host.token_bytes)
        call.host.respond(key, response_to(request, refused.status, headers=refused.headers), now)


def receive_prack(call: Call, key: str, request: Request, now: float) -> None:
    if call.callee is not None:
        call.callee.receive_prack(key, request, now)
    else:
        call.host.respond(key, response_to(request, 481), now)


def receive_update(call: Call, key: str, request: Request, now: float) -> None:
    change = _change_of(call, request)
    if change is None or call.state in _ENDED:
        call.host.respond(key, response_to(request, 481), now)
    else:
        change.receive_update(key, request, now)


def _change_of(call: Call, request: Request) -> SessionChange | None:
    if call.change is not None or call.client is None:
        return call.present
    return call.client.early_dialog(to_addr(request).tag or "", from_addr(request).tag or "")
