"""The lock file of a profile: one engine per user and profile, known to be alive by the lock being held.

Owns: the lock. Its file stays when the engine ends, however it ends: what counts is the operating system's lock on it,
which dies with its holder, never the file's age or content.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

_PATIENCE_S = 0.5
_STEP_S = 0.02
_LOCKED_AT = 1 << 30  # Windows locks octets: one far behind anything that is written


class EngineLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, patience: float = _PATIENCE_S) -> bool:
        """Take it; False if an engine holds it.

        Patience is for those who only look whether it is free: they hold it for a moment.
        """
        deadline = time.monotonic() + patience
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        while not _lock(descriptor):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return False
            time.sleep(_STEP_S)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                _unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


def is_held(path: Path) -> bool:
    """Whether an engine is alive."""
    if not path.exists():
        return False
    lock = EngineLock(path)
    if not lock.acquire(patience=0):
        return True
    lock.release()
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_AT, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_AT, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """flock, not a POSIX record lock: that one would go when any other descriptor of the file is closed."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
