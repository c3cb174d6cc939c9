"""The running phone for a front end on asyncio: the controller's three methods at the other end of the link.

Owns: one attachment, as a context. What happens is reduced to the same AppState as in the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from softphone.engine import clock
from softphone.engine.link.codec import COMMANDS, EVENTS
from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.failures import LinkBroken, LinkRefused, engine_unreachable
from softphone.engine.link.frames import MAX_INWARD, frame
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkPlace
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AnyCommand, AnyEvent, Noticed
from softphone.state import AppState, reduce
from softphone.ua.events import CallEnded, EndedBy

log = logging.getLogger(__name__)

Listener = Callable[[AnyEvent, AppState], None]
NOT_RUNNING = Failure(
    FailureKind.USAGE, "The phone is not running, so there is nothing to attach to.", "Start it (softphone)."
)

ENGINE_LOST = Failure(
    FailureKind.ENGINE_FAILED, "The running phone's engine ended meanwhile.", "Start the phone, then try again."
)


class RemotePhone(asyncio.Protocol):
    """Implements the controller's `Phone`.

    When the engine is gone, `lost` is set, and its calls are said to have ended; a Noticed (ENGINE_FAILED) comes last.
    """

    def __init__(self, connection: LinkConnection) -> None:
        self._framer = connection.framer
        self._state = connection.state
        self._early = connection.early
        self._listeners: list[Listener] = []
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    @property
    def state(self) -> AppState:
        return self._state

    def submit(self, command: AnyCommand) -> None:
        if self._transport is not None and not self.lost.is_set():
            self._transport.write(frame(COMMANDS.encode(command), MAX_INWARD))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """`listener(event, state after it)`; returns the call that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        for envelope in self._early:
            self._happened(envelope.value, envelope.at)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._framer.feed(data):
                envelope = EVENTS.decode(body)
                self._happened(envelope.value, envelope.at)
        except LinkBroken as error:
            log.warning("the link to the engine broke: %s", error)
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.lost.is_set():
            return
        self.lost.set()
        for call in self._state.calls:
            self._happened(CallEnded(call.id, EndedBy.LOCAL, failure=ENGINE_LOST, report=call.report), clock.now())
        self._happened(Noticed(ENGINE_LOST), clock.now())

    def close(self) -> None:
        self.lost.set()
        if self._transport is not None:
            self._transport.close()

    def _happened(self, event: Any, at: float | None) -> None:
        self._state = reduce(self._state, event, at or 0.0)
        for listener in list(self._listeners):
            listener(event, self._state)


@contextlib.asynccontextmanager
async def attached(place: LinkPlace, kind: FrontEndKind = FrontEndKind.TOOL) -> AsyncIterator[RemotePhone]:
    """The running phone. Raises OperationFailed if there is none, or it does not take us."""
    loop = asyncio.get_running_loop()
    try:
        connection = await loop.run_in_executor(None, lambda: attach(place, kind))
    except LinkRefused as error:
        raise OperationFailed(error.failure) from error
    except LinkBroken as error:
        raise OperationFailed(engine_unreachable(str(error))) from error
    if connection is None:
        raise OperationFailed(NOT_RUNNING)
    connection.socket.setblocking(False)
    _, phone = await loop.create_connection(lambda: RemotePhone(connection), sock=connection.socket)
    try:
        yield phone
    finally:
        phone.close()
        await asyncio.sleep(0)
