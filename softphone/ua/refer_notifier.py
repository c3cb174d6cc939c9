"""The subscription that a REFER makes, from the side that tells: NOTIFY with a sipfrag each (RFC 3515 §2.4.4-§2.4.7).

Owns: the NOTIFYs of one REFER until the last one is answered. One that finds no subscription any more (481) ends them.
"""

from __future__ import annotations

from softphone.sip.dialog import Dialog
from softphone.sip.refer import SIPFRAG, sipfrag
from softphone.ua.account import Account
from softphone.ua.host import Host, contact_value
from softphone.ua.requester import Outcome, Requester

MAX_NOTIFYS = 16  # of one REFER: 100, pending, some provisional ones and the last; more is never needed
TRIES_OF_THE_LAST = 2  # without it the transferor would wait until the subscription expires
_GONE = frozenset({405, 481, 489, 501})


class ReferNotifier:
    def __init__(self, host: Host, account: Account, dialog: Dialog, event_id: int | None) -> None:
        """`event_id`: the REFER's CSeq if it is not the dialog's first one (§2.4.6)."""
        self._host, self._account, self._dialog = host, account, dialog
        self._event = "refer" if event_id is None else f"refer;id={event_id}"
        self._sent = 0
        self._over = False  # the other side wants no more

    def pending(self, expires: int, now: float) -> None:
        """A person is still asked (RFC 6665 §4.1.3)."""
        self._notify(f"pending;expires={expires}", 100, "", now)

    def progress(self, status: int, expires: int, now: float) -> None:
        self._notify(f"active;expires={expires}", status, "", now)

    def last(self, status: int, now: float, tries: int = TRIES_OF_THE_LAST) -> None:
        """The final status, and the subscription's end."""
        self._notify("terminated;reason=noresource", status, "", now, tries)

    def _notify(self, state: str, status: int, reason: str, now: float, tries: int = 1) -> None:
        flow = self._host.flow(self._account.id)
        if self._over or flow is None or self._sent >= MAX_NOTIFYS:
            return
        self._sent += 1

        def answered(outcome: Outcome, later: float) -> None:
            if outcome.status in _GONE:
                self._over = True
            elif outcome.response is None and tries > 1:
                self._notify(state, status, reason, later, tries - 1)

        request = self._dialog.request(
            "NOTIFY",
            contact=contact_value(self._account, flow, secure=self._dialog.secure),
            headers=(("Event", self._event), ("Subscription-State", state), ("Content-Type", SIPFRAG)),
            body=sipfrag(status, reason),
        )
        what = "the report of the transfer"
        Requester(self._host, self._account.id, what, self._dialog.next_cseq, answered).send(request, now)
