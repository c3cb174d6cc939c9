"""The one thread that opens and closes sound devices, so that no other ever waits for one.

Owns: the thread, what is queued for it, its watches. Must not know: calls, which library reaches the device. PortAudio
is not thread-safe, and a sound server may be slow to answer: both want one thread that nobody waits for.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from softphone.errors import SoftphoneError

_log = logging.getLogger(__name__)
Watch = Callable[[float], float | None]
AFTER_AN_ERROR = 1.0
"""Seconds until a watch that failed looks again."""


class DeviceUnavailable(SoftphoneError):
    """A stream could not be opened; the text is the sound system's."""


class DeviceThread:
    """Runs queued work and watches in the order they came; ends with `close` or with the process."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._watches: dict[Watch, float] = {}  # with the moment of their next look
        self._thread = threading.Thread(target=self._run, name="audio-devices", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """From any thread; returns at once."""
        self._work.put(work)

    def watch(self, watch: Watch) -> None:
        """On this thread: call `watch(now)` at once, and again after as many seconds as it says, until it says None.

        Twice the same is once, and looks at once.
        """
        self._watches[watch] = 0.0

    def close(self, timeout: float = 2.0) -> None:
        """Finish what is queued, close what is open, end."""
        self._work.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=self._until_next_watch())
            except queue.Empty:
                work = _nothing
            if work is None:
                return
            try:
                work()
            except Exception:  # noqa: BLE001 - one bad device must not end the thread of all
                _log.exception("work on a sound device failed")
            self._call_watches()

    def _until_next_watch(self) -> float | None:
        if not self._watches:
            return None
        return max(0.0, min(self._watches.values()) - time.monotonic())

    def _call_watches(self) -> None:
        now = time.monotonic()
        for watch in [watch for watch, due in self._watches.items() if due <= now]:
            try:
                interval = watch(now)
            except Exception:  # noqa: BLE001 - one bad device must not end the thread of all
                _log.exception("the watch of a sound device failed")
                interval = AFTER_AN_ERROR  # without its watch a device that is lost would be so for ever
            if interval is None:
                del self._watches[watch]
            else:
                self._watches[watch] = now + interval


def _nothing() -> None:
    return
