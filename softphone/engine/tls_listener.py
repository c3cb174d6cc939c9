"""A TLS server for the built-in lab and the doctor's own tests. The product itself listens on no SIP port.

Owns: accepting connections, the server's side of a handshake, and the record of what each client offered. Must not
know SIP. Its flows are the same `TlsFlow` as the client's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from softphone.engine import failures
from softphone.engine.failures import Attempt, Peer
from softphone.engine.handshake_watch import ClientHello, HandshakeWatch
from softphone.engine.tls_flow import MAX_HANDSHAKE, HandshakeTooLong, TlsFlow, socket_names
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.tls import TlsProfile
from softphone.ua.inputs import FlowDescription

HANDSHAKE_TIMEOUT_S = 10.0
CLOSE_S = 0.5  # for the clients to say goodbye too
MAX_CONNECTIONS = 256  # at once

OnConnection = Callable[[TlsFlow], None]
OnRefused = Callable[[Failure, ClientHello | None], None]


async def start_tls_listener(
    address: str,
    port: int,
    context: ssl.SSLContext,
    on_connection: OnConnection,
    on_refused: OnRefused | None = None,
) -> Listener:
    """Listen on `address` (a literal) and `port` (0: any free one).

    `on_connection` gets each flow after its handshake and calls `flow.start(on_bytes, on_closed)` at once or later;
    nothing is read before. `on_refused` learns of handshakes that failed. Raises OSError if the port is taken.
    """
    listener = Listener(context, on_connection, on_refused)
    await listener.listen(address, port)
    return listener


class Listener:
    """Made by `start_tls_listener`. `client_hellos` holds the offers of all connections, failed ones included."""

    def __init__(self, context: ssl.SSLContext, on_connection: OnConnection, on_refused: OnRefused | None) -> None:
        self._context = context
        self._on_connection = on_connection
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self._flows: dict[TlsFlow, asyncio.TimerHandle] = {}
        self.client_hellos: list[ClientHello] = []
        self.address = ""
        self.port = 0

    async def listen(self, address: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_flow, address, port)
        name = self._server.sockets[0].getsockname()
        self.address, self.port = str(name[0]), int(name[1])

    async def close(self) -> None:
        """Stop listening and end every flow that is still there; takes CLOSE_S at most."""
        if self._server is not None:
            self._server.close()
        flows = tuple(self._flows)
        for flow in flows:
            flow.close()
        _, lingering = (
            await asyncio.wait([asyncio.ensure_future(flow.wait_closed()) for flow in flows], timeout=CLOSE_S)
            if flows
            else (set(), set())
        )
        for flow in flows if lingering else ():
            flow.abort()
        if lingering:
            await asyncio.wait(lingering)

    def _new_flow(self) -> TlsFlow:
        loop = asyncio.get_running_loop()
        role = _ServerRole(self._context)
        flow = TlsFlow(role, on_connection_lost=self._forget)
        self._flows[flow] = loop.call_later(HANDSHAKE_TIMEOUT_S, flow.close)
        if len(self._flows) > MAX_CONNECTIONS:
            flow.close()
        flow.established.add_done_callback(lambda established: self._handshaken(flow, established))
        return flow

    def _handshaken(self, flow: TlsFlow, established: asyncio.Future[None]) -> None:
        if flow.client_hello is not None and len(self.client_hellos) < MAX_CONNECTIONS:
            self.client_hellos.append(flow.client_hello)
        if flow in self._flows:
            self._flows[flow].cancel()
        if established.cancelled():
            return
        error = established.exception()
        if error is None:
            self._on_connection(flow)
        elif self._on_refused is not None and isinstance(error, OperationFailed):
            self._on_refused(error.failure, flow.client_hello)

    def _forget(self, flow: TlsFlow) -> None:
        timer = self._flows.pop(flow, None)
        if timer is not None:
            timer.cancel()


@dataclass
class _ServerRole:
    """The server's side of one handshake (a `TlsRole`)."""

    context: ssl.SSLContext
    peer: Peer = field(default_factory=lambda: Peer("the client", 0))

    def __post_init__(self) -> None:
        self.watch = HandshakeWatch()

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return self.context.wrap_bio(incoming, outgoing, server_side=True)

    def accept(self, tls: ssl.SSLObject, transport: asyncio.Transport) -> FlowDescription:
        (local, local_port), (remote, remote_port) = socket_names(transport)
        self.peer = Peer(remote, remote_port)
        return FlowDescription(
            tls_version=tls.version() or "",
            tls_cipher=(tls.cipher() or ("",))[0],
            local_address=local,
            local_port=local_port,
            remote_address=remote,
            remote_port=remote_port,
            identity=_client_name(tls.getpeercert(binary_form=True)),
        )

    def explain(self, tls: ssl.SSLObject, error: Exception | None) -> Failure:  # noqa: ARG002  (the role's signature)
        attempt = Attempt(self.peer, TlsProfile.GATEWAY, self.watch)
        match error:
            case ssl.SSLCertVerificationError():
                reason = f"The client's certificate was refused: {failures.printable(error.verify_message)}."
                return Failure(FailureKind.CLIENT_CERTIFICATE_REFUSED, reason, "Check the client's certificate.")
            case ssl.SSLError():
                words = failures.printable((error.reason or str(error)).lower().replace("_", " "))
                reason = f"The TLS connection with {self.peer.host} failed: {words}."
                return Failure(FailureKind.TLS_HANDSHAKE, reason, "See what the client reports.")
            case HandshakeTooLong():
                return failures.too_much_handshake(attempt, MAX_HANDSHAKE)
        return failures.closed_in_handshake(attempt, error)


def _client_name(der: bytes | None) -> str:
    """The common name of a client certificate, verified by the context; empty without one."""
    if der is None:
        return ""
    try:
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return failures.printable(str(names[-1].value)) if names else ""
