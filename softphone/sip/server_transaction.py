"""Server transactions: a request of the peer until our final response has arrived (RFC 3261 §17.2, RFC 6026 §7.1).

Owns: the last response, 100 Trying (§8.2.6.1, §17.2.1), the values by which later messages are matched (§17.2.3) and
merged requests are known (§8.2.2.2).
"""

from __future__ import annotations

from typing import NamedTuple

from softphone.errors import LocalProtocolError
from softphone.sip.header_values import call_id, cseq, from_addr, to_addr, top_via
from softphone.sip.message import Request, Response
from softphone.sip.responses import response_to
from softphone.sip.timers import Timers
from softphone.sip.transaction import Emit, Transaction
from softphone.sip.transaction_outputs import AckArrived, CancelArrived, RequestArrived, SendMessage
from softphone.sip.transaction_tables import SERVER_INVITE, SERVER_NON_INVITE, Do, Input

MAGIC_COOKIE = "z9hG4bK"


class ServerMatch(NamedTuple):
    """What makes two requests the same transaction (RFC 3261 §17.2.3), within one flow.

    A branch without the magic cookie comes from an RFC 2543 element and need not be unique: Call-ID, From tag and
    CSeq number stand beside it in `branch`. Request-URI and To tag, which §17.2.3 also names, are left out, so that one
    value fits the INVITE, its ACK and its CANCEL; a softphone behind one TLS server loses nothing by it.
    """

    flow_id: str
    branch: str
    sent_by: str
    method: str

    @classmethod
    def of(cls, request: Request, flow_id: str) -> ServerMatch:
        """Raises RemoteProtocolError if the fields that identify a request cannot be read."""
        via = top_via(request)
        branch = via.branch or ""
        if not branch.startswith(MAGIC_COOKIE):
            branch = f"{branch}\n{call_id(request)}\n{from_addr(request).tag}\n{cseq(request).number}"
        method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
        return cls(flow_id, branch, f"{via.host}:{via.port}".lower(), method)


class MergeKey(NamedTuple):
    """Equal for two copies of one request that came by different ways (RFC 3261 §8.2.2.2)."""

    flow_id: str
    call_id: str
    from_tag: str | None
    cseq: int
    method: str

    @classmethod
    def of(cls, request: Request, flow_id: str) -> MergeKey:
        number = cseq(request).number
        return cls(flow_id, call_id(request), from_addr(request).tag, number, request.method)


class ServerTransaction(Transaction):
    """`request` is as passed to the TU: with `received` and `rport` in its top Via."""

    def __init__(self, key: str, request: Request, flow_id: str, timers: Timers, emit: Emit) -> None:
        table = SERVER_INVITE if request.method == "INVITE" else SERVER_NON_INVITE
        super().__init__(key, flow_id, table, timers, emit)
        self.request = request
        self.match = ServerMatch.of(request, flow_id)
        self.merge_key = MergeKey.of(request, flow_id)
        self._last_response: Response | None = None
        self._ack: Request | None = None

    @property
    def local_tag(self) -> str | None:
        """The To tag of the last response, if it had one: a CANCEL's response shows the same (RFC 3261 §9.2)."""
        return None if self._last_response is None else to_addr(self._last_response).tag

    def respond(self, response: Response, now: float) -> None:
        """A response of the TU. Raises LocalProtocolError after a final one (a 2xx to INVITE may be repeated)."""
        given = _input_of(response)
        self._table.step(self.state, given)  # raises before anything changes
        self._last_response = response
        self._step(given, now)

    def receive_again(self, now: float) -> None:
        """A retransmission of the request."""
        self._step(Input.REQUEST, now)

    def receive_ack(self, ack: Request, now: float) -> None:
        self._ack = ack
        self._step(Input.ACK, now)

    def receive_cancel(self, now: float) -> None:
        self._step(Input.CANCEL, now)

    def _do(self, action: Do) -> None:
        match action:
            case Do.PASS_REQUEST:
                self._emit(RequestArrived(self.name, self.request, self.flow_id))
            case Do.PASS_ACK:
                assert self._ack is not None
                self._emit(AckArrived(self._ack, self.flow_id))
            case Do.PASS_CANCEL:
                self._emit(CancelArrived(self.name))
            case Do.SEND_TRYING:
                self._last_response = response_to(self.request, 100)
                self._send_last_response()
            case Do.SEND_RESPONSE:
                self._send_last_response()
            case _:
                raise LocalProtocolError(f"{action.name} in a server transaction")

    def _send_last_response(self) -> None:
        if self._last_response is not None:
            self._emit(SendMessage(self.flow_id, self._last_response.to_bytes()))


def _input_of(response: Response) -> Input:
    if response.status < 200:
        return Input.TU_1XX
    return Input.TU_2XX if response.status < 300 else Input.TU_300_699
