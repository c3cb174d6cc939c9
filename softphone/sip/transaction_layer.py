"""The transaction layer of RFC 3261 §17 over flows: which message belongs to which transaction.

Owns: all transactions, their keys and timers; Via (branch, sent-by, received, rport: §18.1.1, §18.2.1, RFC 3581);
the answers that need no user: 100, 200 and 481 to CANCEL, 482 to merged requests, 400 and 503. Knows neither dialogs
nor sockets. Time is an argument, randomness injected.

A transaction belongs to its flow: a message that comes over another flow matches nothing, so that one server can
neither answer nor cancel what another was asked. Responses that match nothing are dropped (RFC 6026 §7.2).
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.sip.client_transaction import ClientTransaction
from softphone.sip.header_values import (
    Via,
    call_id,
    cseq,
    from_addr,
    split_values,
    to_addr,
    top_via,
)
from softphone.sip.message import Message, Request, Response
from softphone.sip.responses import response_to
from softphone.sip.server_transaction import MAGIC_COOKIE, MergeKey, ServerMatch, ServerTransaction
from softphone.sip.timers import Timers
from softphone.sip.transaction import Transaction
from softphone.sip.transaction_outputs import (
    AckArrived,
    CancelArrived,
    LayerOutput,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseFailed,
    SendMessage,
    TransactionEnded,
)

__all__ = [
    "MAX_SERVER_INVITES_PER_FLOW",
    "MAX_SERVER_TRANSACTIONS_PER_FLOW",
    "AckArrived",
    "CancelArrived",
    "LayerOutput",
    "RequestArrived",
    "RequestFailed",
    "ResponseArrived",
    "ResponseFailed",
    "SendMessage",
    "TransactionEnded",
    "TransactionLayer",
]

# An INVITE's transaction lives up to 32 s after its answer (Timers H and L), any other ends with its answer. The
# difference is kept free, so that a flood of INVITEs never keeps a BYE from being heard.
MAX_SERVER_INVITES_PER_FLOW = 32
MAX_SERVER_TRANSACTIONS_PER_FLOW = 64
RETRY_AFTER = 5  # s, in the 503 beyond these limits

_BRANCH_OCTETS = 16
_TAG_OCTETS = 8


class TransactionLayer:
    def __init__(self, token_bytes: Callable[[int], bytes], timers: Timers | None = None) -> None:
        self._token_bytes = token_bytes
        self._timers = Timers() if timers is None else timers
        self._clients: dict[str, ClientTransaction] = {}
        self._servers: dict[str, ServerTransaction] = {}
        self._keys: dict[ServerMatch, str] = {}
        self._last_key = 0
        self._outputs: list[LayerOutput] = []

    # The user's side

    def send_request(self, request: Request, flow_id: str, sent_by: str, now: float) -> str:
        """Puts our Via on top, sends, and returns the branch by which the request's end will be told.

        `sent_by` is host or host:port, IPv6 in brackets. Raises LocalProtocolError for ACK and CANCEL.
        """
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} starts no transaction by itself")
        branch = self._new_branch()
        sent = _with_via(request, sent_by, branch)
        transaction = ClientTransaction(sent, branch, flow_id, self._timers, self._emit)
        self._clients[branch] = transaction
        transaction.start(now)
        return branch

    def send_ack(self, ack: Request, flow_id: str, sent_by: str) -> None:
        """Sends the ACK for a 2xx: a branch of its own, no transaction (RFC 3261 §13.2.2.4)."""
        if ack.method != "ACK":
            raise LocalProtocolError(f"{ack.method} sent as an ACK")
        self._emit(SendMessage(flow_id, _with_via(ack, sent_by, self._new_branch()).to_bytes()))

    def cancel(self, branch: str, now: float, reason: str | None = None) -> None:
        """Cancels an INVITE of ours: after its first provisional response, and not after its final one (RFC 3261 §9.1).

        `reason` is the value of a Reason header (RFC 3326). Nothing happens if the transaction has ended. The INVITE's
        own final response, usually 487, tells the end; without one, RequestFailed comes 64*T1 after the CANCEL.
        """
        transaction = self._clients.get(branch)
        if transaction is not None:
            transaction.cancel(now, reason)

    def respond(self, key: str, response: Response, now: float) -> None:
        """Answers a request; a 2xx to INVITE may be given again to be retransmitted.

        A final response is never lost in silence: ResponseFailed says that the transaction had ended before. Raises
        LocalProtocolError for any other response after a final one.
        """
        transaction = self._servers.get(key)
        if transaction is None:
            self._emit(ResponseFailed(key, response))
        else:
            transaction.respond(response, now)

    def drain(self) -> list[LayerOutput]:
        """What has happened since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # The world's side

    def receive(self, message: Message, flow_id: str, source_address: str, source_port: int, now: float) -> None:
        """A message of the peer, well-formed or not: what cannot be read is answered 400 or dropped, never raised."""
        if isinstance(message, Response):
            self._receive_response(message, flow_id, now)
            return
        try:
            via = top_via(message)
        except RemoteProtocolError:
            return  # there is no way to answer it
        request = _with_source(message, via, source_address, source_port)
        try:
            _check_identity(request)
            match = ServerMatch.of(request, flow_id)
        except RemoteProtocolError as error:
            if message.method != "ACK":
                self._answer(request, flow_id, error.status_hint)
            return
        self._receive_request(request, match, flow_id, now)

    def flow_closed(self, flow_id: str, now: float) -> None:
        """Every transaction of the flow ends: requests of ours without final response fail."""
        for transaction in self._all():
            if transaction.flow_id == flow_id:
                transaction.flow_closed(now)

    def next_timer(self) -> float | None:
        deadlines = (transaction.next_timer() for transaction in self._all())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timer(self, now: float) -> None:
        due = [
            (deadline, transaction)
            for transaction in self._all()
            if (deadline := transaction.next_timer()) is not None and deadline <= now
        ]
        for _, transaction in sorted(due, key=lambda entry: entry[0]):
            transaction.handle_timer(now)

    # Responses

    def _receive_response(self, response: Response, flow_id: str, now: float) -> None:
        try:
            via = top_via(response)
            method = cseq(response).method
            via_count = sum(len(split_values(line)) for line in response.headers.get_all("Via"))
        except RemoteProtocolError:
            return
        transaction = self._clients.get(via.branch or "")
        if transaction is None or transaction.flow_id != flow_id:
            return
        # RFC 3261 §18.1.2: the sent-by must be ours; §8.1.3.3: more than one Via is a response gone astray.
        if via_count != 1 or _sent_by(via) != _sent_by(transaction.via):
            return
        if method == transaction.request.method:
            transaction.receive(response, now)
        elif method == "CANCEL":
            transaction.receive_for_cancel(response, now)

    # Requests

    def _receive_request(self, request: Request, match: ServerMatch, flow_id: str, now: float) -> None:
        transaction = self._servers.get(self._keys.get(match, ""))
        match request.method, transaction:
            case "ACK", None:
                self._emit(AckArrived(request, flow_id))
            case "ACK", ServerTransaction() as invite:
                invite.receive_ack(request, now)
            case "CANCEL", invite:
                self._receive_cancel(request, invite, flow_id, now)
            case _, ServerTransaction() as known:
                known.receive_again(now)
            case _ if self._is_merged(request, flow_id):
                self._answer(request, flow_id, 482)
            case _ if self._is_full(request, flow_id):
                self._answer(request, flow_id, 503, ("Retry-After", str(RETRY_AFTER)))
            case _:
                self._start_server_transaction(request, match, flow_id, now)

    def _start_server_transaction(self, request: Request, match: ServerMatch, flow_id: str, now: float) -> None:
        self._last_key += 1
        key = f"server-{self._last_key}"
        transaction = ServerTransaction(key, request, flow_id, self._timers, self._emit)
        self._servers[key] = transaction
        self._keys[match] = key
        transaction.start(now)

    def _receive_cancel(self, cancel: Request, invite: ServerTransaction | None, flow_id: str, now: float) -> None:
        """RFC 3261 §9.2. The CANCEL keeps no transaction of its own: Timer J is zero on a reliable transport."""
        if invite is None:
            self._answer(cancel, flow_id, 481)
            return
        self._answer(cancel, flow_id, 200, tag=invite.local_tag)
        invite.receive_cancel(now)

    def _is_merged(self, request: Request, flow_id: str) -> bool:
        """RFC 3261 §8.2.2.2: the same request came by another way, and is served there."""
        if to_addr(request).tag is not None:
            return False
        merge_key = MergeKey.of(request, flow_id)
        return any(transaction.merge_key == merge_key for transaction in self._servers.values())

    def _is_full(self, request: Request, flow_id: str) -> bool:
        methods = [server.request.method for server in self._servers.values() if server.flow_id == flow_id]
        if len(methods) >= MAX_SERVER_TRANSACTIONS_PER_FLOW:
            return True
        return request.method == "INVITE" and methods.count("INVITE") >= MAX_SERVER_INVITES_PER_FLOW

    def _answer(
        self, request: Request, flow_id: str, status: int, *extra: tuple[str, str], tag: str | None = None
    ) -> None:
        """A final response without a transaction."""
        to_tag = tag or self._token_bytes(_TAG_OCTETS).hex()
        self._emit(SendMessage(flow_id, response_to(request, status, to_tag=to_tag, headers=extra).to_bytes()))

    # All of them

    def _all(self) -> list[Transaction]:
        return [*self._clients.values(), *self._servers.values()]

    def _emit(self, output: LayerOutput) -> None:
        if isinstance(output, TransactionEnded):
            self._clients.pop(output.key_or_branch, None)
            server = self._servers.pop(output.key_or_branch, None)
            if server is not None:
                del self._keys[server.match]
        self._outputs.append(output)

    def _new_branch(self) -> str:
        return MAGIC_COOKIE + self._token_bytes(_BRANCH_OCTETS).hex()


def _with_via(request: Request, sent_by: str, branch: str) -> Request:
    return request.with_headers(request.headers.prepended("Via", f"SIP/2.0/TLS {sent_by};branch={branch};rport"))


def _sent_by(via: Via) -> tuple[str, int | None]:
    return via.host.lower(), via.port


def _with_source(request: Request, via: Via, address: str, port: int) -> Request:
    """The top Via says where the request came from (RFC 3261 §18.2.1, RFC 3581 §4)."""
    asked = any(name.lower() == "rport" for name, _ in via.parameters)
    if asked:
        via = via.with_parameter("rport", str(port))
    if asked or via.host.strip("[]").lower() != address.lower():
        via = via.with_parameter("received", address)
    first, *others = request.headers.get_all("Via")
    line = ", ".join([str(via), *split_values(first)[1:]])
    return request.with_headers(request.headers.replaced("Via", line, *others))


def _check_identity(request: Request) -> None:
    """The fields that every response copies and every user reads. Raises RemoteProtocolError."""
    from_addr(request)
    to_addr(request)
    call_id(request)
    if cseq(request).method != request.method:
        raise RemoteProtocolError("the method of CSeq is not that of the request")
