"""Dialogs of an engine that died: each gets its BYE as soon as its account has a flow (RFC 3261 §15.1.1).

Owns: those BYEs until there is a flow for them. Whether the peer knows the dialog any more does not matter: any final
response ends the matter, and so does a flow that is lost then.
"""

from __future__ import annotations

from softphone.errors import Failure, FailureKind, RemoteProtocolError
from softphone.sip.dialog import Dialog, DialogId, Role
from softphone.sip.header_values import parse_name_addr
from softphone.sip.uri import parse_uri
from softphone.ua.account import AccountId
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.events import CallLost, Party
from softphone.ua.host import Host
from softphone.ua.open_dialog import CSEQ_ROOM, OpenDialog
from softphone.ua.requester import Outcome, Requester
from softphone.ua.responses import reason_value

_OPEN = frozenset({CallState.AWAITING_CONSENT, CallState.ACCEPTED, CallState.HANGING_UP, CallState.ESTABLISHED})
MAX_ORPHANS = 100  # more than a phone can have had
ENGINE_FAILED = Failure(
    FailureKind.ENGINE_FAILED,
    "The call ended because the phone's engine failed.",
    "Call again; if it happens again, report it with the engine's log.",
)


def open_dialog(call: Call) -> OpenDialog | None:
    """What to write down of a call; None while nobody would wait for a BYE."""
    dialog = call.dialog
    if dialog is None or call.state not in _OPEN:
        return None
    return OpenDialog(
        call.id,
        call.account.id,
        call.remote.uri,
        call.remote.display_name,
        call.server is not None,
        dialog.id.call_id,
        str(dialog.local_uri),
        str(dialog.remote_uri),
        str(dialog.remote_target),
        tuple(str(route) for route in dialog.route_set),
        dialog.local_cseq or 0,
        dialog.secure,
    )


def restored(record: OpenDialog) -> Dialog:
    """The dialog, good for a BYE. Raises RemoteProtocolError for a record that is not one."""
    local, remote = parse_name_addr(record.local), parse_name_addr(record.remote)
    return Dialog(
        Role.UAC,
        DialogId(record.sip_call_id, local.tag or "", remote.tag or ""),
        local=local,
        remote=remote,
        remote_target=parse_uri(record.remote_target),
        routes=tuple(parse_name_addr(route) for route in record.routes),
        local_cseq=record.cseq + CSEQ_ROOM,
        remote_cseq=None,
        secure=record.secure,
    )


class Orphans:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: list[tuple[AccountId, Dialog]] = []  # for their account's flow

    def add(self, record: OpenDialog, now: float) -> None:
        """Says that the call is lost; sends its BYE now or when the account's flow is there."""
        try:
            dialog = restored(record)
        except RemoteProtocolError:
            return  # a damaged journal: there is nothing to end
        remote = Party(record.remote_uri, record.remote_display_name)
        self._host.emit(CallLost(record.call_id, record.account_id, remote, record.incoming, ENGINE_FAILED))
        if self._host.flow(record.account_id) is not None:
            self._send(record.account_id, dialog, now)
        elif len(self._waiting) < MAX_ORPHANS:
            self._waiting.append((record.account_id, dialog))

    def flow_ready(self, account_id: AccountId, now: float) -> None:
        waiting, self._waiting = self._waiting, []
        for wanted, dialog in waiting:
            if wanted == account_id:
                self._send(wanted, dialog, now)
            else:
                self._waiting.append((wanted, dialog))

    def _send(self, account_id: AccountId, dialog: Dialog, now: float) -> None:
        bye = dialog.request("BYE", headers=(("Reason", reason_value(500, ENGINE_FAILED.reason)),))
        Requester(self._host, account_id, "the end of a lost call", dialog.next_cseq, _settled).send(bye, now)


def _settled(outcome: Outcome, now: float) -> None:
    """Whatever the answer: the peer knows the dialog no more, or never did."""
