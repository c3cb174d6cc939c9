"""Our re-INVITE or UPDATE within a dialog until its final response (RFC 3261 §14.1, RFC 3311 §5.1).

Owns: the transaction's branch, credentials when challenged, the ACK of each 2xx to a re-INVITE, the remote target that
a 2xx moves. What a response means for the session is `session_change.py`'s.
"""

from __future__ import annotations

from typing import Protocol

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError, SoftphoneError, TransportFailed
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.ua.account import Account
from softphone.ua.host import Host, contact_value, credentials_of
from softphone.ua.outcomes import call_failure, flow_lost, no_answer
from softphone.ua.requester import MAX_CHALLENGES
from softphone.ua.responses import capabilities, with_next_cseq

WHAT = "the change of the call"


class ChangeRequester(Protocol):
    def change_accepted(self, response: Response, failure: Failure | None, now: float) -> None:
        """A 2xx; with a failure, its Contact cannot be read."""
        ...

    def change_rejected(self, response: Response, failure: Failure, now: float) -> None: ...

    def change_unsent(self, failure: Failure, now: float) -> None:
        """Not sent, or its flow was lost, or our credentials are refused: the session goes on as it was."""
        ...

    def change_unanswered(self, failure: Failure, now: float) -> None: ...


class ChangeClient:
    def __init__(self, host: Host, account: Account, dialog: Dialog, owner: ChangeRequester) -> None:
        self._host, self._account, self._dialog, self._owner = host, account, dialog, owner
        self._sent: Request | None = None  # with credentials
        self._branch: str | None = None
        self._challenges = 0
        self._acks: dict[int, Request] = {}  # by CSeq, for retransmitted 2xx

    def send(self, method: str, headers: tuple[tuple[str, str], ...], body: bytes, now: float) -> None:
        flow = self._host.flow(self._account.id)
        if flow is None:
            self._owner.change_unsent(flow_lost("so the call could not be changed"), now)
            return
        self._challenges = 0
        content = (("Content-Type", "application/sdp"),) if body else ()
        request = self._dialog.request(
            method,
            contact=contact_value(self._account, flow, secure=self._dialog.secure),
            headers=(*capabilities(self._account), *headers, *content),
            body=body,
        )
        self._transmit(self._host.authorize(self._account.id, request), now)

    def cancel(self, now: float) -> None:
        """Nobody answers; only a re-INVITE can be cancelled."""
        if self._branch is not None and self._sent is not None and self._sent.method == "INVITE":
            self._host.cancel(self._branch, now)

    def forget(self) -> None:
        """A late 2xx is still acknowledged, and that is all."""
        self._branch = None

    # ResponseHandler

    def response(self, branch: str, response: Response, now: float) -> None:
        if 200 <= response.status < 300:
            self._success(branch, response, now)
        elif branch == self._branch and response.status >= 300:
            if response.status in (401, 407):
                self._challenged(response, now)
            else:
                self._branch = None
                self._owner.change_rejected(response, call_failure(response), now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        self._branch = None
        if isinstance(error, TransportFailed):
            self._owner.change_unsent(flow_lost("so the call could not be changed"), now)
        else:
            self._owner.change_unanswered(no_answer(WHAT), now)

    # Within

    def _transmit(self, request: Request, now: float) -> None:
        self._sent = request
        self._branch = self._host.send_request(self._account.id, request, self, now)
        if self._branch is None:
            self._owner.change_unsent(flow_lost("so the call could not be changed"), now)

    def _success(self, branch: str, response: Response, now: float) -> None:
        number, method = cseq(response).number, cseq(response).method
        if number in self._acks:
            self._host.send_ack(self._account.id, self._acks[number])
            return
        failure = self._refresh_target(response)
        if method == "INVITE":
            ack = self._dialog.ack(number, headers=credentials_of(self._sent))
            self._acks = {number: ack}  # only the latest can be asked for again
            self._host.send_ack(self._account.id, ack)
        if branch == self._branch:
            self._branch = None
            self._owner.change_accepted(response, failure, now)

    def _refresh_target(self, response: Response) -> Failure | None:
        try:
            self._dialog.refresh_target(response)
        except RemoteProtocolError as error:
            return Failure(
                FailureKind.PROTOCOL,
                f"The other side's answer to a change of the call cannot be read: {error.reason}.",
                "Report it with a trace to whoever runs the server.",
            )
        return None

    def _challenged(self, response: Response, now: float) -> None:
        assert self._sent is not None
        self._challenges += 1
        try:
            if self._challenges > MAX_CHALLENGES:
                raise OperationFailed(call_failure(response))
            again = with_next_cseq(self._sent, self._dialog.next_cseq())
            answered = self._host.answer_challenge(self._account.id, again, response)
        except OperationFailed as error:
            self._branch = None
            self._owner.change_unsent(error.failure, now)
            return
        self._transmit(answered, now)
