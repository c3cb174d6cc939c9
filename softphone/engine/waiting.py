"""How a headless front end waits: one loop, one queue of what happened, interrupts included.

Owns: running a command's coroutine, `Inbox`, and turning SIGINT and SIGTERM into an item of the inbox, so that a
command can hang up and unregister before it ends.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Interrupted:
    """The person pressed Ctrl-C, or the system asked the program to end."""


def run(command: Coroutine[Any, Any, T]) -> T:
    """Runs a command to its end on the selector loop, on every system (python/cpython#91227)."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(command)


class Inbox(Generic[T]):
    """What happened, in order, awaited one at a time. Made inside a running loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | Interrupted] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def put(self, item: T) -> None:
        self._queue.put_nowait(item)

    def put_from_thread(self, item: T) -> None:
        self._loop.call_soon_threadsafe(self.put, item)

    def begin(self, work: Callable[[], R], over: T) -> Awaitable[R]:
        """Blocking work beside the loop; `over` comes once it has ended; to be awaited then."""
        running = self._loop.run_in_executor(None, work)
        running.add_done_callback(lambda _: self.put(over))
        return running

    async def next(self, within: float | None = None) -> T | Interrupted | None:
        """The next item; None if there is none within that many seconds."""
        try:
            return await asyncio.wait_for(self._queue.get(), within)
        except TimeoutError:
            return None

    def catch_interrupts(self) -> None:
        """SIGINT and SIGTERM arrive as `Interrupted`; a second one ends the program as usual."""

        def caught(number: int) -> None:
            self._loop.remove_signal_handler(number)
            self._queue.put_nowait(Interrupted())

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._loop.add_signal_handler(number, caught, number)
            except (NotImplementedError, RuntimeError):  # Windows, or not the main thread
                return


async def in_thread(work: Any, *arguments: Any) -> Any:
    """Blocking work (a prompt on the terminal) beside the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)
