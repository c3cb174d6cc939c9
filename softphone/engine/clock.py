"""The engine's clock: monotonic, and counting the time that the machine sleeps where the system can (CLOCK_BOOTTIME).

Registrations, nonces and session timers are shared with a server that does not sleep when we do. The reading is the
same in every process of the machine, so a window can show how long a call has lasted.
"""

from __future__ import annotations

import time

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> float:
    """Seconds since some fixed moment of this machine's run."""
    return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()
