"""The engine's clocks: one that counts the time the machine sleeps, and how waking is noticed by it.

Registrations, nonces and session timers are shared with a server that does not sleep when we do. The reading is the
same in every process of the machine, so a window can show how long a call has lasted.

Owns: which clock of which system that is. Linux: CLOCK_BOOTTIME. macOS: CLOCK_MONOTONIC goes on in sleep, while
Python's `time.monotonic` (mach_absolute_time) does not. Windows: `time.monotonic` goes on in sleep.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

Clock = Callable[[], float]

ASLEEP_S: Final = 4.0
"""So much lost at once was sleep, or this process was stopped; less may be a busy machine."""


def _counting_clock() -> Clock:
    number = getattr(time, "CLOCK_BOOTTIME", None)
    if number is None and sys.platform == "darwin":
        number = getattr(time, "CLOCK_MONOTONIC", None)
    return time.monotonic if number is None else partial(time.clock_gettime, number)


_counting: Final = _counting_clock()


def now() -> float:
    """Seconds since some fixed moment of this machine's run, sleep included."""
    return _counting()


class Slumber:
    """Notices sleep: looked at every few seconds, it says how much time was lost since the look before."""

    def __init__(self, counting: Clock | None = None, running: Clock = time.monotonic) -> None:
        """`counting` goes on in sleep, `running` is the clock that `look` is called by.

        Where no clock counts sleep by itself, the wall clock does: set forward by hand, it is taken for sleep, which
        costs one needless registration.
        """
        self._counting = counting or (time.time if _counting is time.monotonic else _counting)
        self._running = running
        self._counted, self._ran = self._counting(), running()

    def look(self, due_s: float) -> float:
        """Seconds slept, or 0.0; `due_s` is how long the caller had meant to wait until this look.

        Either the two clocks have moved apart, or the look comes late by both: the process was stopped, or the
        system's `running` clock counts sleep too.
        """
        counted, ran = self._counting(), self._running()
        passed, meant = counted - self._counted, max(due_s, 0.0)
        apart, late = passed - (ran - self._ran), ran - self._ran - meant
        self._counted, self._ran = counted, ran
        lost = max(apart, late)
        return lost if lost >= ASLEEP_S else 0.0
