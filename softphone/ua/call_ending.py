"""What an ending call still waits for: the answer to its BYE, an ACK, its media's last report (RFC 3261 §15).

Owns: the loose ends and their time limits, and the BYE until it is answered: with credentials when challenged, once
more when its flow was lost. When the last end is tied up it tells the call, which is over then.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from softphone.errors import OperationFailed, SoftphoneError, TransportFailed
from softphone.sip.dialog import Dialog
from softphone.sip.message import Request, Response
from softphone.ua.account import Account
from softphone.ua.host import Host
from softphone.ua.responses import with_next_cseq

REPORT_WITHIN = 2.0  # s to wait for the media's last report
MAX_CHALLENGES = 6  # answers to challenges of one BYE: proxies, the other side, stale nonces
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
        self._sent: Request | None = None  # the BYE with credentials
        self._branch: str | None = None  # None: not sent, or lost with its flow
        self._challenges = 0

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
        self._bye_until = self._branch = None
        self.finish_if_tied(now)

    def abandon(self, now: float) -> None:
        """Nothing more can be sent or heard for this call."""
        self._loose.clear()
        self._report_until = self._bye_until = self._branch = None
        self.finish_if_tied(now)

    def next_timer(self) -> float | None:
        return min((t for t in (self._report_until, self._bye_until) if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._report_until is not None and now >= self._report_until:
            self.reported(now)
        if self._bye_until is not None and now >= self._bye_until:
            self._bye_until = None
            if self._branch is None:  # else the transaction has a time-out of its own
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
        if LooseEnd.BYE in self._loose and self._branch is None:
            self._send_bye(now)

    def _send_bye(self, now: float) -> None:
        assert self._dialog is not None
        bye = self._dialog.request("BYE", headers=self._headers)
        self._transmit(self._host.authorize(self._account.id, bye), now)

    def _transmit(self, bye: Request, now: float) -> None:
        self._sent = bye
        self._branch = self._host.send_request(self._account.id, bye, self, now)

    def response(self, branch: str, response: Response, now: float) -> None:
        """Any other final response ends the dialog as well (§15.1.1)."""
        if branch != self._branch or response.status < 200:
            return
        if response.status in (401, 407) and LooseEnd.BYE in self._loose and self._challenges < MAX_CHALLENGES:
            self._challenges += 1
            self._challenged(response, now)
        else:
            self._bye_settled(now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        if isinstance(error, TransportFailed) and self._bye_until is not None:
            self._branch = None  # `flow_ready` sends another
        else:
            self._bye_settled(now)

    def _challenged(self, response: Response, now: float) -> None:
        assert self._dialog is not None
        assert self._sent is not None
        bye = with_next_cseq(self._sent, self._dialog.next_cseq())
        try:
            answered = self._host.answer_challenge(self._account.id, bye, response)
        except OperationFailed:
            self._bye_settled(now)
            return
        self._transmit(answered, now)

    def _bye_settled(self, now: float) -> None:
        self._bye_until = None
        self._tie(LooseEnd.BYE, now)
