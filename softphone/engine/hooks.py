"""User hooks: programs of the person's own that hear of events. Off unless the settings name them.

Owns: starting them as an argument list without a shell, beside everything else, with a time limit, in bounded number.
A hook gets the event as one JSON object on stdin and its name in SOFTPHONE_EVENT; nothing that a peer said is ever part
of its command line, where it could be read as an option. Its environment holds no secret of ours. What it prints is
dropped; what goes wrong is said once per hook and kind of fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from softphone.engine.event_lines import event_object
from softphone.errors import Failure, FailureKind
from softphone.messages import AnyEvent, Noticed

log = logging.getLogger(__name__)

MOST_RUNNING = 8
"""Programs at once; further events wait."""
MOST_DUE = 64
"""Events that run or wait for a program; what comes beyond is dropped, and said."""
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "DISPLAY", "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hook:
    """`events` are names as `softphone events` prints them; `command` is the program and its arguments."""

    events: frozenset[str]
    command: tuple[str, ...]
    timeout: float  # s; then it is killed with everything that it started


class Hooks:
    """Made inside a running loop, called on it. `hooks` are asked for at each event: settings may change."""

    def __init__(self, hooks: Callable[[], Iterable[Hook]], notice: Callable[[Failure], None]) -> None:
        self._hooks, self._notice = hooks, notice
        self._loop = asyncio.get_running_loop()
        # Threads and not the loop's own children: the selector loop has none on Windows.
        self._threads = ThreadPoolExecutor(MOST_RUNNING, thread_name_prefix="hook")
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._due = 0
        self._closed = False
        self._said: set[tuple[Hook, str]] = set()

    def happened(self, event: AnyEvent, at: float) -> None:
        """`at` is a reading of the engine's clock. Returns at once."""
        words: dict[str, object] | None = None
        for hook in self._hooks():
            words = words or event_object(event, at)
            if words["event"] not in hook.events or self._closed:
                continue
            if isinstance(event, Noticed) and event.failure.kind is FailureKind.HOOK:
                continue  # a hook that fails must not be called for having failed
            if self._due >= MOST_DUE:
                self._say(hook, "events come faster than it ends, so some were dropped")
                continue
            self._due += 1
            self._threads.submit(self._run, hook, words)

    def close(self) -> None:
        """What waits is dropped, what runs is killed; waits for that."""
        self._closed = True
        for process in tuple(self._processes):
            _kill(process)
        self._threads.shutdown(cancel_futures=True)

    # In the threads

    def _run(self, hook: Hook, event: dict[str, object]) -> None:
        try:
            fault = self._call(hook, event)
        finally:
            self._loop.call_soon_threadsafe(self._ended, hook, fault if not self._closed else None)

    def _call(self, hook: Hook, event: dict[str, object]) -> str | None:
        """What went wrong, in words."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the person's own program, without a shell
                hook.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(str(event["event"])),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"it could not be started ({getattr(error, 'strerror', None) or error})"
        self._processes.add(process)
        try:
            process.communicate(json.dumps(event).encode() + b"\n", hook.timeout)
        except subprocess.TimeoutExpired:
            return f"it was ended because it took longer than {hook.timeout:g} s"
        finally:
            _kill(process)
            self._processes.discard(process)
        return f"it ended with status {process.returncode}" if process.returncode else None

    # On the loop

    def _ended(self, hook: Hook, fault: str | None) -> None:
        self._due -= 1
        if fault is not None:
            self._say(hook, fault)

    def _say(self, hook: Hook, fault: str) -> None:
        log.warning("hook %s: %s", hook.command[0], fault)
        if (hook, fault) in self._said:
            return
        self._said.add((hook, fault))
        self._notice(
            Failure(
                FailureKind.HOOK,
                f"The hook “{hook.command[0]}” did not work: {fault}.",
                "Check its command in the settings file; the phone goes on without it.",
            )
        )


def _environment(name: str) -> dict[str, str]:
    return {**{key: os.environ[key] for key in _KEPT if key in os.environ}, "SOFTPHONE_EVENT": name}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """A program that still runs, and all that it started in its session, are gone afterwards."""
    if process.poll() is not None:
        return  # its number may be another's by now
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
