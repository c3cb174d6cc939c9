"""The engine's end of the link: accepts front ends, tells them everything, takes their commands.

Owns: the listening socket and every front end's connection, with its limits. A front end that breaks a rule, is slow to
greet or does not read is dropped; the engine and the other front ends go on. Knows commands and events as values only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from softphone import __version__
from softphone.engine.link.challenge import NONCE_OCTETS, PROOF_OCTETS, TOKEN_OCTETS, EngineChallenge
from softphone.engine.link.codec import COMMANDS, EVENTS, VERSION
from softphone.engine.link.failures import LinkBroken
from softphone.engine.link.frames import MAX_INWARD, MAX_OUTWARD, Framer, frame
from softphone.engine.link.greeting import FrontEndKind, Hello, RefusalKind, Refused, Welcome
from softphone.engine.link.peer import require_same_user
from softphone.engine.link.place import LinkForm, LinkPlace, LoopbackAddress
from softphone.errors import Failure, FailureKind
from softphone.messages import AnyCommand, AnyEvent, RaiseWindow
from softphone.state import AppState

log = logging.getLogger(__name__)

GREETING_WITHIN = 5.0
"""Seconds from the connection to the greeting; a program that only holds a connection open is let go."""
MAX_FRONT_ENDS = 16
MAX_BACKLOG = 2 * MAX_OUTWARD
"""Octets that may wait for one front end; one that reads so little is stopped or broken, and attaches anew."""
CLOSE_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class LinkHooks:
    """What the link tells the engine's process. `command` may raise: it is logged, and nothing else happens."""

    state: Callable[[], AppState]
    command: Callable[[AnyCommand], None]
    attached: Callable[[FrontEndKind], None]
    left: Callable[[FrontEndKind], None]


class LinkServer:
    def __init__(self, place: LinkPlace, hooks: LinkHooks, greeting_within: float = GREETING_WITHIN) -> None:
        self.place, self.hooks, self.greeting_within = place, hooks, greeting_within
        self.address: LoopbackAddress | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[FrontEnd] = set()
        self._ending = False
        self._alone = asyncio.Event()  # set when a connection ends and no other is left

    async def start(self) -> None:
        """The caller holds the lock: whatever lies at the place is of a dead engine. Raises OSError."""
        loop = asyncio.get_running_loop()
        self.place.clear()
        listener = self._unix_socket() if self.place.form is LinkForm.UNIX else self._loopback_socket()
        create = loop.create_unix_server if self.place.form is LinkForm.UNIX else loop.create_server
        self._server = await create(lambda: FrontEnd(self), sock=listener)
        if self.address is not None:
            self.place.write_address(self.address)

    def _unix_socket(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)  # besides the directory's 0700
        try:
            listener.bind(str(self.place.socket_path))
        finally:
            os.umask(old)
        return listener

    def _loopback_socket(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        listener.bind(("127.0.0.1", 0))
        self.address = LoopbackAddress(listener.getsockname()[1], secrets.token_bytes(TOKEN_OCTETS))
        return listener

    def publish(self, event: AnyEvent, at: float) -> None:
        """To every front end that is attached; never waits for one. `at`: seconds of the engine's clock."""
        attached = [connection for connection in self._connections if connection.attached]
        if not attached:
            return
        data = frame(EVENTS.encode(event, at), MAX_OUTWARD)
        for connection in attached:
            connection.write(data)

    def windows(self) -> int:
        return sum(connection.kind is FrontEndKind.WINDOW for connection in self._connections if connection.attached)

    def refuse_newcomers(self) -> None:
        """The engine is ending."""
        self._ending = True

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):  # until what was said last has been written
                await asyncio.wait_for(self._alone.wait(), CLOSE_WITHIN)
        for connection in list(self._connections):
            connection.abort()
        self.place.clear()

    # For the connections

    def opened(self, connection: FrontEnd) -> bool:
        if len(self._connections) >= MAX_FRONT_ENDS:
            return False
        self._connections.add(connection)
        self._alone.clear()
        return True

    def closed(self, connection: FrontEnd) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._alone.set()
        if connection.attached and connection.kind is not None:
            self.hooks.left(connection.kind)

    def refusal(self, hello: Hello) -> Refused | None:
        if hello.version != VERSION:
            return Refused(
                RefusalKind.OTHER_VERSION,
                Failure(
                    FailureKind.ENGINE_FAILED,
                    f"Another version of the phone is running ({__version__}).",
                    "Quit the running phone, then start this one again.",
                    (f"link {VERSION} here, {hello.version[:40]} asked for",),
                ),
            )
        if self._ending:
            words = ("The phone is just ending.", "Start it again in a moment.")
            return Refused(RefusalKind.ENDING, Failure(FailureKind.ENGINE_FAILED, *words))
        if hello.only_window and self.windows():
            self.command(RaiseWindow(hello.dial))
            words = ("The phone's window is open already.", "It has been brought to the front.")
            return Refused(RefusalKind.ANOTHER_WINDOW, Failure(FailureKind.USAGE, *words))
        return None

    def command(self, command: AnyCommand) -> None:
        try:
            self.hooks.command(command)
        except Exception:  # one front end's command must not end everybody's calls
            log.exception("a %s failed", type(command).__name__)


class _Step(Enum):
    OPENING = auto()  # loopback form: the front end's nonce is awaited
    PROOF = auto()  # loopback form: its proof
    HELLO = auto()
    ATTACHED = auto()
    OVER = auto()


class FrontEnd(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: LinkServer) -> None:
        self._server = server
        self._framer = Framer(MAX_INWARD)
        self._step = _Step.HELLO
        self._proving = b""
        self._challenge: EngineChallenge | None = None
        if server.address is not None:
            self._step = _Step.OPENING
            self._challenge = EngineChallenge(server.address.token, server.address.port, secrets.token_bytes)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.kind: FrontEndKind | None = None

    @property
    def attached(self) -> bool:
        """Welcomed, and not left: also while the connection is being closed."""
        return self.kind is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.opened(self):
            log.warning("more than %d front ends: a connection was closed", MAX_FRONT_ENDS)
            self._drop()
            return
        connection = transport.get_extra_info("socket")
        if self._challenge is None:
            try:
                require_same_user(connection)
            except LinkBroken as error:
                log.warning("a connection was refused: %s", error)
                self._drop()
                return
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._server.greeting_within, self._too_slow)

    def data_received(self, data: bytes) -> None:
        try:
            self._received(data)
        except LinkBroken as error:
            log.warning("a front end was dropped: %s", error)
            self._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._step = _Step.OVER
        self._stop_waiting()
        self._server.closed(self)

    def write(self, data: bytes) -> None:
        if self._transport is None or self._step is _Step.OVER:
            return
        if self._transport.get_write_buffer_size() + len(data) > MAX_BACKLOG:
            log.warning("a front end does not read; it was dropped")
            self._drop()
            return
        self._transport.write(data)

    def close(self) -> None:
        """After what was written has left."""
        self._step = _Step.OVER
        self._stop_waiting()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._drop()

    def _received(self, data: bytes) -> None:
        if self._step in (_Step.OPENING, _Step.PROOF):
            data = self._prove(data)
        if not data:
            return
        for body in self._framer.feed(data):
            if self._step is _Step.OVER:
                return
            self._message(COMMANDS.decode(body).value)

    def _prove(self, data: bytes) -> bytes:
        """What comes after the proof, if that is complete. Raises LinkBroken for a wrong one."""
        assert self._challenge is not None
        self._proving += data[: NONCE_OCTETS + PROOF_OCTETS]
        rest = data[NONCE_OCTETS + PROOF_OCTETS :]
        if self._step is _Step.OPENING and len(self._proving) >= NONCE_OCTETS:
            opening, self._proving = self._proving[:NONCE_OCTETS], self._proving[NONCE_OCTETS:]
            self._step = _Step.PROOF
            self.write(self._challenge.answer(opening))
        if self._step is _Step.PROOF and len(self._proving) >= PROOF_OCTETS:
            proof, rest = self._proving[:PROOF_OCTETS], self._proving[PROOF_OCTETS:] + rest
            self._proving = b""
            self._challenge.check(proof)
            self._step = _Step.HELLO
            return rest
        if rest:
            raise LinkBroken("a front end spoke before it proved itself")
        return b""

    def _message(self, message: Any) -> None:
        if self._step is _Step.HELLO:
            if not isinstance(message, Hello):
                raise LinkBroken("a front end did not greet")
            self._greet(message)
        elif isinstance(message, Hello):
            raise LinkBroken("a front end greeted twice")
        else:
            self._server.command(message)

    def _greet(self, hello: Hello) -> None:
        self._stop_waiting()
        refused = self._server.refusal(hello)
        if refused is not None:
            self.write(frame(EVENTS.encode(refused), MAX_OUTWARD))
            self.close()
            return
        self.write(frame(EVENTS.encode(Welcome(self._server.hooks.state())), MAX_OUTWARD))
        self._step = _Step.ATTACHED
        self.kind = hello.kind
        self._server.hooks.attached(hello.kind)

    def _too_slow(self) -> None:
        log.warning("a connection was closed: no greeting within %g s", self._server.greeting_within)
        self._drop()

    def _drop(self) -> None:
        self._step = _Step.OVER
        self._stop_waiting()
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
