"""Reliable provisional responses received (RFC 3262 §4): which of them count, and the PRACK of each.

Owns: the RSeq order of one early dialog, and its PRACKs with credentials when challenged. What a response means is
`invite_client.py`'s. Our INVITE always carries the offer, so what a reliable response brings is its answer, and a PRACK
of ours has no body.
"""

from __future__ import annotations

from softphone.sip.dialog import Dialog
from softphone.sip.extension_headers import RAck, has_option, parse_rseq
from softphone.sip.header_values import cseq
from softphone.sip.message import Response
from softphone.ua.account import Account
from softphone.ua.host import Host
from softphone.ua.requester import Outcome, Requester

MAX_UNANSWERED = 8  # PRACKs of one dialog; a response that would need one more is as if it had not come


def is_reliable(response: Response) -> bool:
    """Raises RemoteProtocolError if its Require or RSeq cannot be read."""
    return has_option(response.headers, "Require", "100rel") and parse_rseq(response.headers) is not None


class ReliableReceipt:
    def __init__(self, host: Host, account: Account, dialog: Dialog) -> None:
        self._host, self._account, self._dialog = host, account, dialog
        self._last: int | None = None  # the RSeq of the last one that counted
        self._unanswered = 0  # PRACKs

    def takes(self, response: Response) -> bool:
        """False for one seen before, or ahead of one that is missing: it is as if it had not come (§4)."""
        number = parse_rseq(response.headers)
        if (
            number is None
            or self._unanswered >= MAX_UNANSWERED
            or (self._last is not None and number != self._last + 1)
        ):
            return False
        self._last = number
        return True

    def acknowledge(self, response: Response, now: float) -> None:
        number = parse_rseq(response.headers)
        assert number is not None
        rack = RAck(number, cseq(response))
        self._unanswered += 1
        prack = self._dialog.request("PRACK", headers=(("RAck", str(rack)),))
        Requester(self._host, self._account.id, "the acknowledgement", self._dialog.next_cseq, self._done).send(
            prack, now
        )

    def _done(self, outcome: Outcome, now: float) -> None:
        """Nothing else follows: without it the other side gives the call up by itself (§3)."""
        del outcome, now
        self._unanswered -= 1
