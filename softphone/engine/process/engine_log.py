"""The engine's log: a file with a bound, which takes what the process writes to stderr too.

Owns: its turning over. One older file is kept. What is written is redacted by the types that hold secrets.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from pathlib import Path

MAX_OCTETS = 1024 * 1024


def open_log(path: Path) -> int:
    """A descriptor that appends, mode 0600, turned over if the file has grown. For the stderr of a new process."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    turn_over(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)


def turn_over(path: Path) -> bool:
    try:
        if path.stat().st_size < MAX_OCTETS:
            return False
        path.replace(path.with_name(path.name + ".1"))
    except OSError:  # there is none, or (Windows) it is open elsewhere
        return False
    return True


class BoundedStderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Logs to stderr, which is the log file; when that has grown, another file takes its place."""

    def __init__(self, path: Path) -> None:
        super().__init__(sys.stderr)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        try:
            if os.fstat(sys.stderr.fileno()).st_size >= MAX_OCTETS:
                turn_over(self._path)
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.dup2(descriptor, sys.stderr.fileno())
                os.close(descriptor)
        except OSError:
            return


def log_to_stderr(path: Path, level: str) -> None:
    """`path` is the file that stderr is already open on."""
    handler = BoundedStderr(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    faulthandler.enable()  # there are no core dumps: where a crash happened is all that remains of it
