"""What a process does for itself: no core dumps, since it holds passwords and keys; short turns for its threads."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h
SWITCH_INTERVAL_S = 0.0005
"""How long a Python thread may keep another waiting: the media thread ticks every 10 ms."""


def forbid_core_dumps() -> None:
    """No core file, and on Linux none by a pipe either (those do not ask the limit), nor another process's tracing."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def favour_the_media_thread() -> None:
    """After everything is loaded: short turns, and a garbage collector that does not look at what stays anyway."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
