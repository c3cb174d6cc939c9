"""Busy-lamp keys: what each watched line does, and how a call that rings there is taken (RFC 4235, RFC 3891).

Owns: one watched line's state as people know it. Reading and keeping its dialogs is `dialog_info.py`'s.
"""

from __future__ import annotations

from softphone.errors import Failure
from softphone.sip.message import Request
from softphone.sip.uri import SipUri
from softphone.ua.account import AccountId, WatchedLine
from softphone.ua.dialog_info import DialogTable, LineDialog, parse_dialog_info
from softphone.ua.events import LineState, LineStateChanged, Party
from softphone.ua.host import Host
from softphone.ua.standing_subscription import StandingSubscription
from softphone.ua.subscription import Package

DIALOG = Package("dialog", "application/dialog-info+xml", 3600)  # RFC 4235 §3.5, §3.4: an hour

MIN_REFRESH = 10.0  # s between two requests for the full state: a server cannot have us ask all the time


class BusyLamp:
    """One watched line. Implements `Follower`."""

    def __init__(self, host: Host, account_id: AccountId, line: WatchedLine, target: SipUri | None) -> None:
        """`target` is the line's address; None: it cannot be watched."""
        self._host, self._account_id = host, account_id
        self.line, self.target = line, target
        self.standing: StandingSubscription | None = None
        self._table = DialogTable()
        self._known = False
        self._refreshed_at: float | None = None
        self._told: LineStateChanged | None = None

    @property
    def ringing(self) -> LineDialog | None:
        """The call that could be picked up."""
        return self._table.ringing if self._known else None

    # Follower

    def began(self) -> None:
        self._table = DialogTable()

    def notified(self, request: Request, now: float) -> bool:
        # Servers that never saw a call of the line send no body: there is none (RFC 6665 §4.2.1, neutral state).
        lost = self._table.take(parse_dialog_info(request.body)) if request.body else False
        self._known = True
        self._tell_state()
        if not lost or (self._refreshed_at is not None and now - self._refreshed_at < MIN_REFRESH):
            return False
        self._refreshed_at = now
        return True

    def unknown(self, failure: Failure | None, now: float) -> None:
        del now
        self._known = False
        self._tell(LineState.UNKNOWN, None, failure)

    # Within

    def _tell_state(self) -> None:
        ringing, talking = self._table.ringing, self._table.talking
        if ringing is not None:
            self._tell(LineState.RINGING, ringing)
        elif talking is not None:
            self._tell(LineState.BUSY, talking)
        else:
            self._tell(LineState.IDLE, None)

    def _tell(self, state: LineState, dialog: LineDialog | None, failure: Failure | None = None) -> None:
        remote = None
        if dialog is not None and dialog.remote.uri:
            remote = Party(dialog.remote.uri, dialog.remote.display_name)
        changed = LineStateChanged(self._account_id, self.line.uri, state, remote, failure)
        if changed != self._told:
            self._told = changed
            self._host.emit(changed)
