"""Dialogs of an engine that died: each gets its BYE as soon as its account has a flow (RFC 3261 §15.1.1).

Owns: those BYEs, with one answer to a challenge. Whether the peer knows the dialog any more does not matter: any final
response ends the matter, and so does a lost flow.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.errors import Failure, FailureKind, RemoteProtocolError, SoftphoneError
from softphone.sip.dialog import Dialog, DialogId, Role
from softphone.sip.header_values import parse_name_addr
from softphone.sip.message import Request, Response
from softphone.sip.uri import parse_uri
from softphone.ua.account import AccountId
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.events import CallLost, Party
from softphone.ua.host import Host
from softphone.ua.open_dialog import CSEQ_ROOM, OpenDialog
from softphone.ua.responses import reason_value, with_next_cseq

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


@dataclass(slots=True)
class Orphan:
    account_id: AccountId
    dialog: Dialog
    sent: Request | None = None
    branch: str | None = None
    challenged: bool = False


class Orphans:
    """Implements ResponseHandler for their BYEs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._orphans: list[Orphan] = []

    def add(self, record: OpenDialog, now: float) -> None:
        """Says that the call is lost; sends its BYE now or when the account's flow is there."""
        try:
            dialog = restored(record)
        except RemoteProtocolError:
            return  # a damaged journal: there is nothing to end
        remote = Party(record.remote_uri, record.remote_display_name)
        self._host.emit(CallLost(record.call_id, record.account_id, remote, record.incoming, ENGINE_FAILED))
        orphan = Orphan(record.account_id, dialog)
        if len(self._orphans) < MAX_ORPHANS:
            self._orphans.append(orphan)
            self._send(orphan, now)

    def flow_ready(self, account_id: AccountId, now: float) -> None:
        for orphan in list(self._orphans):
            if orphan.account_id == account_id and orphan.branch is None:
                self._send(orphan, now)

    def _send(self, orphan: Orphan, now: float) -> None:
        if self._host.flow(orphan.account_id) is None:
            return
        reason = reason_value(500, ENGINE_FAILED.reason)
        bye = orphan.dialog.request("BYE", headers=(("Reason", reason),))
        self._transmit(orphan, self._host.authorize(orphan.account_id, bye), now)

    def _transmit(self, orphan: Orphan, bye: Request, now: float) -> None:
        orphan.sent = bye
        orphan.branch = self._host.send_request(orphan.account_id, bye, self, now)

    def response(self, branch: str, response: Response, now: float) -> None:
        orphan = self._of(branch)
        if orphan is None or response.status < 200:
            return
        if response.status in (401, 407) and not orphan.challenged and orphan.sent is not None:
            orphan.challenged = True
            bye = with_next_cseq(orphan.sent, orphan.dialog.next_cseq())
            try:
                self._transmit(orphan, self._host.answer_challenge(orphan.account_id, bye, response), now)
            except SoftphoneError:
                self._orphans.remove(orphan)
            return
        self._orphans.remove(orphan)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        del error, now
        orphan = self._of(branch)
        if orphan is not None:
            self._orphans.remove(orphan)

    def _of(self, branch: str) -> Orphan | None:
        return next((orphan for orphan in self._orphans if orphan.branch == branch), None)
