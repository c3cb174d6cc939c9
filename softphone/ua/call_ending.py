"""What an ending call still waits for: the answer to its BYE, an ACK, its media's last report (RFC 3261 §15).

Owns: the loose ends and their time limits, and the BYE until it is answered: with credentials when challenged, once
more when its flow was lost. When the last end is tied up it tells the call, which is over then.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from softphone.sip.dialog import Dialog
from softphone.ua.account import Account
from softphone.ua.host import Host
from softphone.ua.requester import Outcome, Requester

REPORT_WITHIN = 2.0  # s to wait for the media's last report
BYE_WITHIN = 64 * 0.5  # s in which a BYE whose flow was lost may still go out over the next one (64·T1)


class LooseEnd(Enum):
    BYE = auto()
    ACK = auto()  # of our 2xx; without it no BYE may be sent. `InviteServer` limits its time
    MEDIA = auto()


class EndingOwner(Protocol):
    """The call, as its end sees it."""

    def media_ended(self, now: float) -> None: ...

    def all_ended(self, now: float) -> None: ...


class CallEnding:
    def __init__(self, host: Host, account: Account, owner: EndingOwner) -> None:
        self._host, self._account, self._owner = host, account, owner
        self._loose: set[LooseEnd] = set()
        self._report_until: float | None = None
        self._bye_until: float | None = None
        self._dialog: Dialog | None = None
        self._headers: tuple[tuple[str, str], ...] = ()
        self._bye: Requester | None = None  # None: not sent, or lost with its flow

    # What the call waits for

    def await_ack(self) -> None:
        self._loose.add(LooseEnd.ACK)

    def ack_settled(self, now: float) -> None:
        self._tie(LooseEnd.ACK, now)

    def await_report(self, now: float) -> None:
        self._loose.add(LooseEnd.MEDIA)
        self._report_until = now + REPORT_WITHIN

    @property
    def awaits_report(self) -> bool:
        return LooseEnd.MEDIA in self._loose

    def reported(self, now: float) -> None:
        if LooseEnd.MEDIA in self._loose:
            self._report_until = None
            self._owner.media_ended(now)
            self._tie(LooseEnd.MEDIA, now)

    def finish_if_tied(self, now: float) -> None:
        if not self._loose:
            self._owner.all_ended(now)

    def give_up_sending(self, now: float) -> None:
        """There will be no flow any more; the media's last report may still come."""
        self._loose -= {LooseEnd.BYE, LooseEnd.ACK}
        self._forget_bye()
        self.finish_if_tied(now)

    def abandon(self, now: float) -> None:
        """Nothing more can be sent or heard for this call."""
        self._loose.clear()
        self._report_until = None
        self._forget_bye()
        self.finish_if_tied(now)

    def next_timer(self) -> float | None:
        return min((t for t in (self._report_until, self._bye_until) if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._report_until is not None and now >= self._report_until:
            self.reported(now)
        if self._bye_until is not None and now >= self._bye_until:
            self._bye_until = None
            if self._bye is None:  # else the transaction has a time-out of its own
                self._tie(LooseEnd.BYE, now)

    def _tie(self, end: LooseEnd, now: float) -> None:
        if end in self._loose:
            self._loose.discard(end)
            self.finish_if_tied(now)

    # BYE

    def bye(self, dialog: Dialog, headers: tuple[tuple[str, str], ...], now: float) -> None:
        self._dialog, self._headers = dialog, headers
        self._loose.add(LooseEnd.BYE)
        self._bye_until = now + BYE_WITHIN
        self._send_bye(now)

    def flow_ready(self, now: float) -> None:
        """A call outlives its flow, and so does the duty to say that it is over."""
        if LooseEnd.BYE in self._loose and self._bye is None:
            self._send_bye(now)

    def _send_bye(self, now: float) -> None:
        assert self._dialog is not None
        dialog = self._dialog
        self._bye = Requester(self._host, self._account.id, "the call's end", dialog.next_cseq, self._bye_done)
        self._bye.send(dialog.request("BYE", headers=self._headers), now)

    def _bye_done(self, outcome: Outcome, now: float) -> None:
        """Any final response ends the dialog, as silence does (§15.1.1); without a flow it waits for the next one."""
        if outcome.response is None and outcome.status == 503 and self._bye_until is not None:
            self._bye = None  # `flow_ready` sends another
            return
        self._bye_until = None
        self._tie(LooseEnd.BYE, now)

    def _forget_bye(self) -> None:
        self._bye_until = None
        if self._bye is not None:
            self._bye.forget()
            self._bye = None
