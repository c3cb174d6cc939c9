"""Work that an owner without a coroutine of its own starts on the event loop: delays and tasks, held until they end.

Owns: keeping them alive, logging what goes wrong in them, ending them with their owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)


class Background:
    """Made inside a running loop. All methods are called on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Call `work` after that time, unless `close` comes first."""

        def fire() -> None:
            self._timers.discard(handle)
            work()

        handle = self._loop.call_later(seconds, fire)
        self._timers.add(handle)

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine; an error in it is logged."""
        task = self._loop.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drop what has not begun, wait for what has."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))


async def _logged(work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except Exception:  # there is nobody to raise it to
        log.exception("work in the background failed")
