"""One TLS flow over TCP: handshake, octets both ways, the end (security.md "Signalling: TLS only").

Owns: the TLS machine of one connection, an SSLObject between two memory BIOs driven by an asyncio protocol on the bare
TCP transport. Only so can the peer's chain be read after a failed handshake, and octets that are no TLS be recognised.
Must not know SIP, names or trust: its `TlsRole` decides what a finished handshake is worth and what a failed one
means. RFC 8446 §6.1 (close_notify), RFC 5626 (the flow).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from softphone.engine import failures
from softphone.engine.failures import Peer
from softphone.engine.handshake_watch import ClientHello, HandshakeWatch
from softphone.engine.traffic_class import TrafficClass, mark
from softphone.errors import Failure, LocalProtocolError, OperationFailed
from softphone.ua.inputs import FlowDescription

OnBytes = Callable[[bytes], None]
OnClosed = Callable[[Failure], None]

MAX_HANDSHAKE = 256 * 1024  # octets of the peer before the handshake is finished
MAX_UNSENT = 1024 * 1024  # octets waiting for a peer that does not read
WRITE_STALL_S = 15.0  # the write buffer may stay above its high water for this long
CLOSE_S = 3.0  # for the last octets, after which the connection is cut
_HIGH_WATER = 64 * 1024
_READ = 64 * 1024


class TlsRole(Protocol):
    """One side of the handshake: what to present, what to accept, how to explain."""

    peer: Peer
    watch: HandshakeWatch

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject: ...

    def accept(self, tls: ssl.SSLObject, transport: asyncio.Transport) -> FlowDescription:
        """Check a finished handshake before the first octet goes up. Raises OperationFailed."""

    def explain(self, tls: ssl.SSLObject, error: Exception | None) -> Failure:
        """Why the handshake failed; `error` None if the peer closed the connection."""


class _End(enum.Enum):
    CUT = "cut"  # nothing more can or need be sent
    FLUSH = "flush"  # send what is waiting (an alert), then close
    LINGER = "linger"  # and read on until the peer closes too: unread octets would make TCP reset our last ones


class FlowState(enum.Enum):
    CONNECTING = "connecting"  # no TCP connection yet
    HANDSHAKING = "handshaking"
    HELD = "held"  # verified; nobody takes the octets yet
    OPEN = "open"
    CLOSED = "closed"


class TlsFlow(asyncio.Protocol):
    """A flow. Callers use `description`, `client_hello`, `send` and `close`; the rest is asyncio's and the openers'."""

    def __init__(self, role: TlsRole, on_connection_lost: Callable[[TlsFlow], None] | None = None) -> None:
        self._role = role
        self._on_connection_lost = on_connection_lost  # for a listener's book-keeping
        self._loop = asyncio.get_running_loop()
        self._state = FlowState.CONNECTING
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._transport: asyncio.Transport | None = None
        self._description: FlowDescription | None = None
        self._on_bytes: OnBytes | None = None
        self._on_closed: OnClosed | None = None
        self._ended_while_held: Failure | None = None
        self._timer: asyncio.TimerHandle | None = None  # a stalled write, later the close
        self.established: asyncio.Future[None] = self._loop.create_future()  # OperationFailed if it never is
        self.established.add_done_callback(_retrieve)
        self._gone: asyncio.Future[None] = self._loop.create_future()

    # --- for callers ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> FlowState:
        return self._state

    @property
    def description(self) -> FlowDescription:
        """Raises LocalProtocolError before the handshake is finished."""
        if self._description is None:
            raise LocalProtocolError("the flow is not established")
        return self._description

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client offered; on the server's side of a flow only."""
        return self._role.watch.client_hello

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The certificates that the peer sent, leaf first, DER; also after a failed handshake."""
        return read_peer_chain(self._tls) if self._tls is not None else ()

    def start(self, on_bytes: OnBytes, on_closed: OnClosed) -> None:
        """Begin to deliver, not before the running callback returns. `on_closed` is called once at most."""
        if self._state is FlowState.HANDSHAKING or self._on_bytes is not None:
            raise LocalProtocolError("a flow is started once, after its handshake")
        self._on_bytes, self._on_closed = on_bytes, on_closed
        if self._ended_while_held is not None:
            self._loop.call_soon(on_closed, self._ended_while_held)
        elif self._state is FlowState.HELD:
            self._state = FlowState.OPEN
            self._loop.call_soon(self._begin)

    def send(self, data: bytes) -> None:
        """Send `data`; on a flow that has ended it is dropped, since the news may still be on its way to the caller."""
        if self._state not in (FlowState.HELD, FlowState.OPEN):
            if self._state is FlowState.CLOSED:
                return
            raise LocalProtocolError("octets for a flow that is not established")
        assert self._tls is not None
        assert self._transport is not None
        unsent = self._transport.get_write_buffer_size() + len(data)
        if unsent > MAX_UNSENT:
            self._fail(failures.slow_peer(self._role.peer, unsent), _End.CUT)
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            self._fail(self._role.explain(self._tls, error))
            return
        self._flush()

    def close(self) -> None:
        """Send what is waiting, then close_notify, and end; neither callback is called afterwards.

        Takes CLOSE_S at most; `wait_closed` waits for it.
        """
        if self._state is FlowState.CLOSED:
            self._on_closed = None
            return
        say_goodbye = self._state in (FlowState.HELD, FlowState.OPEN)
        self._on_closed = None
        if say_goodbye:
            assert self._tls is not None
            with contextlib.suppress(ssl.SSLError):  # it wants the peer's close_notify, which nobody waits for
                self._tls.unwrap()
        self._end(_End.LINGER if say_goodbye else _End.CUT)

    def abort(self) -> None:
        """End at once without goodbye; neither callback is called afterwards."""
        self._on_closed = None
        self._end(_End.CUT)

    async def wait_closed(self) -> None:
        """Until the connection is gone, however it ends. Returns at once if there never was one."""
        if self._transport is not None:
            await asyncio.shield(self._gone)

    # --- for asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        prepare_socket(self._transport)
        if self._state is FlowState.CLOSED:  # given up while the connection was being made
            self._transport.abort()
            return
        self._state = FlowState.HANDSHAKING
        self._tls = self._role.wrap(self._incoming, self._outgoing)
        self._continue_handshake()

    def data_received(self, data: bytes) -> None:
        if self._state is FlowState.CLOSED:
            return
        if self._state is FlowState.HANDSHAKING:
            self._role.watch.feed(data)
            if self._role.watch.not_tls is not None:
                self._fail(failures.not_tls(self._role.peer, self._role.watch.not_tls), _End.CUT)
                return
        self._incoming.write(data)
        if self._state is FlowState.HANDSHAKING:
            self._continue_handshake()
        elif self._state is FlowState.OPEN:
            self._read()

    def eof_received(self) -> bool:
        self._lost(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)
        if self._on_connection_lost is not None:
            self._on_connection_lost(self)

    def pause_writing(self) -> None:
        if self._state is not FlowState.CLOSED:
            self._timer = self._loop.call_later(WRITE_STALL_S, self._stalled)

    def resume_writing(self) -> None:
        if self._state is not FlowState.CLOSED and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- inside ---------------------------------------------------------------------------------------------------

    def _continue_handshake(self) -> None:
        assert self._tls is not None
        assert self._transport is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            if self._role.watch.received > MAX_HANDSHAKE:
                self._fail(self._role.explain(self._tls, HandshakeTooLong()))
            return
        except (ssl.SSLError, OSError, ValueError) as error:
            self._fail(self._role.explain(self._tls, error))
            return
        try:
            self._description = self._role.accept(self._tls, self._transport)
        except OperationFailed as refused:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._fail(refused.failure)
            return
        self._flush()
        self._transport.pause_reading()  # until somebody takes the octets
        self._state = FlowState.HELD
        if not self.established.done():
            self.established.set_result(None)

    def _begin(self) -> None:
        if self._state is not FlowState.OPEN:
            return
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._read()  # octets that came with the last flight of the handshake

    def _read(self) -> None:
        assert self._tls is not None
        assert self._on_bytes is not None
        while self._state is FlowState.OPEN:
            try:
                data = self._tls.read(_READ)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                self._fail(self._role.explain(self._tls, error))
                return
            if not data:  # close_notify
                self._fail(failures.flow_ended(self._role.peer, goodbye=True))
                return
            self._on_bytes(data)
        if self._state is FlowState.OPEN:
            self._flush()  # answers to key updates

    def _flush(self) -> None:
        assert self._transport is not None
        if self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def _stalled(self) -> None:
        assert self._transport is not None
        self._fail(failures.slow_peer(self._role.peer, self._transport.get_write_buffer_size()), _End.CUT)

    def _lost(self, error: Exception | None) -> None:
        if self._state is FlowState.HANDSHAKING:
            assert self._tls is not None
            self._fail(self._role.explain(self._tls, error), _End.CUT)
        elif self._state in (FlowState.HELD, FlowState.OPEN):
            self._fail(failures.flow_ended(self._role.peer, goodbye=False, error=error), _End.CUT)

    def _fail(self, failure: Failure, end: _End = _End.FLUSH) -> None:
        if self._state is FlowState.CLOSED:
            return
        if not self.established.done():
            self.established.set_exception(OperationFailed(failure))
        elif self._on_closed is not None:
            self._loop.call_soon(self._report_closed, failure)
        else:
            self._ended_while_held = failure
        self._end(end)

    def _report_closed(self, failure: Failure) -> None:
        on_closed, self._on_closed = self._on_closed, None
        if on_closed is not None:  # else the caller has closed the flow in the meantime
            on_closed(failure)

    def _end(self, end: _End) -> None:
        self._state = FlowState.CLOSED
        if not self.established.done():
            self.established.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is None:
            return
        if end is _End.CUT or self._transport.is_closing():
            self._transport.abort()
            return
        self._flush()
        if end is _End.LINGER:
            self._transport.resume_reading()
        else:
            self._transport.close()
        self._timer = self._loop.call_later(CLOSE_S, self._transport.abort)


class HandshakeTooLong(Exception):
    """More than MAX_HANDSHAKE octets without an end."""


def _retrieve(future: asyncio.Future[None]) -> None:
    """A handshake that nobody waits for any more may fail without a complaint of asyncio's."""
    if not future.cancelled():
        future.exception()


def read_peer_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The chain as the peer sent it, DER; empty if there is none. Public only since CPython 3.13."""
    public: Callable[[], Sequence[bytes]] | None = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public() or ())
    private: Callable[[], Sequence[Any]] | None = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    chain = private() if private is not None else None
    return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain or ())


def prepare_socket(transport: asyncio.Transport) -> None:
    """No Nagle delay, keep-alive, and the mark of signalling."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    mark(sock, TrafficClass.SIGNALLING)
    for option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)):
        with contextlib.suppress(OSError):  # without them it works as well
            sock.setsockopt(*option)


def socket_names(transport: asyncio.Transport) -> tuple[tuple[str, int], tuple[str, int]]:
    """Local and remote (address, port)."""
    local = transport.get_extra_info("sockname") or ("", 0)
    remote = transport.get_extra_info("peername") or ("", 0)
    return (str(local[0]), int(local[1])), (str(remote[0]), int(remote[1]))
