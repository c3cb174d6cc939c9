"""The link for a program whose own loop must never wait: a reader thread and two queues. No Qt in here.

Owns: the thread, the queue of what the engine says, the queue of what the window asks, and what happens when the engine
is lost: the loss is told at once, then `connect` is tried (it starts another engine) until one answers.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softphone.engine.link.codec import Envelope
from softphone.engine.link.failures import AnotherWindow, LinkBroken, LinkRefused
from softphone.errors import Failure, OperationFailed
from softphone.messages import AnyCommand, AnyEvent, EngineEnding, Quit
from softphone.state import AppState, reduce

log = logging.getLogger(__name__)

MAX_WAITING_COMMANDS = 200
"""Commands kept for an engine that is not there yet; what a person can press meanwhile."""
_RETRY_S = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class StateReceived:
    """Everything as it is now: at the first attachment and after each return of an engine."""

    state: AppState


@dataclass(frozen=True, slots=True)
class EventReceived:
    """What happened, and the state after it."""

    event: AnyEvent
    state: AppState


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine went away without saying so. Another one is being started."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineBack:
    """An engine answers again; StateReceived comes next."""


@dataclass(frozen=True, slots=True)
class EngineUnavailable:
    """No engine could be started or reached; it is tried again until `close`."""

    failure: Failure


LinkItem = StateReceived | EventReceived | EngineLost | EngineBack | EngineUnavailable


class Connection(Protocol):
    """A connection that has been welcomed (`connection.LinkConnection`)."""

    state: AppState
    early: list[Envelope]
    """Events that came together with the welcome."""

    @property
    def socket(self) -> socket.socket: ...

    def read(self) -> list[Envelope]:
        """What has arrived; blocks only if nothing has. Raises LinkBroken when the connection is over."""
        ...

    def send(self, command: AnyCommand) -> None: ...

    def close(self) -> None: ...


class WindowLink:
    """`connect` may block (it starts engines) and raises OperationFailed, LinkRefused or LinkBroken.

    `wake()` is called from the reader thread, once whenever the queue was empty before. `another_window()` is called
    from it, and nothing after, when `connect` raises AnotherWindow: that window has come to the front, this one ends.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        wake: Callable[[], None],
        another_window: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._wake, self._another_window = connect, wake, another_window
        self._items: deque[LinkItem] = deque()
        self._idle = True
        self._guard = threading.Lock()  # of `_items` with `_idle`; held for a few instructions only
        self._commands: deque[AnyCommand] = deque(maxlen=MAX_WAITING_COMMANDS)
        self._bell_reader, self._bell = socket.socketpair()
        self._bell_reader.setblocking(False)
        self._bell.setblocking(False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, command: AnyCommand) -> None:
        """Never blocks. Commands given before an engine answers are sent to it then."""
        self._commands.append(command)
        self._ring()

    def take(self) -> list[LinkItem]:
        """Everything since the last call, in order; the next arrival calls `wake` again."""
        with self._guard:
            items = list(self._items)
            self._items.clear()
            self._idle = True
        return items

    def close(self, within: float = 2.0) -> None:
        """Ends the thread; the engine lives on unless it was told to Quit. Commands submitted before are sent."""
        self._closing.set()
        self._ring()
        if self._thread.is_alive():
            self._thread.join(within)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # full: it rings already; closed: nobody listens
            self._bell.send(b"\0")

    # The reader thread

    def _run(self) -> None:
        lost = False
        attempt = 0
        try:
            while not self._closing.is_set():
                connection = self._connected(attempt)
                if connection is None:
                    attempt += 1
                    continue
                attempt = 0
                if lost:
                    self._put(EngineBack())
                self._put(StateReceived(connection.state))
                reason = self._serve(connection)
                connection.close()
                if reason is None:
                    return
                lost = True
                self._put(EngineLost(reason))
        finally:
            self._bell_reader.close()
            self._bell.close()

    def _connected(self, attempt: int) -> Connection | None:
        try:
            return self._connect()
        except (OperationFailed, LinkRefused) as error:
            self._put(EngineUnavailable(error.failure))
        except AnotherWindow:
            self._closing.set()
            self._another_window()
        except LinkBroken as error:
            log.warning("an engine broke off while it was attached to: %s", error)
        self._closing.wait(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
        return None

    def _serve(self, connection: Connection) -> str | None:
        """Until the connection ends; None when it was meant to end."""
        state, ending = connection.state, False

        def happened(envelopes: list[Envelope]) -> None:
            nonlocal state, ending
            for envelope in envelopes:
                state = reduce(state, envelope.value, envelope.at or 0.0)
                ending = ending or isinstance(envelope.value, EngineEnding)
                self._put(EventReceived(envelope.value, state))

        try:
            happened(connection.early)
            with selectors.DefaultSelector() as selector:
                selector.register(connection.socket, selectors.EVENT_READ)
                selector.register(self._bell_reader, selectors.EVENT_READ)
                ending = self._send_waiting(connection) or ending
                while not self._closing.is_set():
                    for key, _ in selector.select():
                        if key.fileobj is self._bell_reader:
                            with contextlib.suppress(BlockingIOError):
                                self._bell_reader.recv(4096)
                            ending = self._send_waiting(connection) or ending
                            continue
                        happened(connection.read())
                self._send_waiting(connection)
        except LinkBroken as error:
            return None if ending else str(error)
        return None

    def _send_waiting(self, connection: Connection) -> bool:
        """Whether the engine was told to end."""
        quitting = False
        while self._commands:
            command = self._commands.popleft()
            connection.send(command)
            quitting = quitting or isinstance(command, Quit)
        return quitting

    def _put(self, item: LinkItem) -> None:
        with self._guard:
            self._items.append(item)
            was_idle, self._idle = self._idle, False
        if was_idle:
            self._wake()
