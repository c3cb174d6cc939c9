"""The life of one foreign program: started in a process group of its own, waited for with a time-out, ended exactly.

Owns: start, log file, stop, kill. Must not know: SIP, configuration of any peer.

Three nets under a program that would stay behind: `stop()` of the fixture, an `atexit` hook, and (where `setpriv`
exists) a parent-death signal for a test run that is itself killed with SIGKILL. That signal is bound to the *thread*
that started the program, so peers are started from the test's own thread, never from a short-lived worker.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")

POLL_INTERVAL = 0.01
STOP_TIMEOUT = 4.0
"""Seconds between SIGTERM and SIGKILL."""


class PeerTimeoutError(AssertionError):
    """A peer did not do, within its time, what the test waited for."""


class PeerDiedError(AssertionError):
    """A peer ended by itself."""


def require(*programs: str) -> None:
    """Skip the test when a program is missing; tests/skip_rule.py decides whether that may be."""
    missing = [program for program in programs if shutil.which(program, path=search_path()) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def search_path() -> str:
    """PATH with the folders of servers, which a person's own PATH often lacks."""
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def short_directory(name: str) -> Path:
    """A new private directory with a short path: the unix sockets of the peers must fit into 108 bytes."""
    return Path(tempfile.mkdtemp(prefix=f"sp-{name[:8]}-", dir="/tmp"))


def until(question: Callable[[], Answer | None], what: str, timeout: float = 5.0) -> Answer:
    """Ask until the answer is true and return it; raise PeerTimeoutError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise PeerTimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(POLL_INTERVAL)


class PeerProcess:
    """A program in its own session and process group, its output in `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        """Start `command`. `environment` is added to the test's own; `stdout` may be subprocess.PIPE."""
        self.name = name
        self.log = log
        path = search_path()
        program = shutil.which(command[0], path=path) or command[0]
        setpriv = shutil.which("setpriv", path=path)
        guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*guard, program, *command[1:]],
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=directory,
                env={**os.environ, "PATH": path, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        atexit.register(self.kill)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def until(self, question: Callable[[], Answer | None], what: str, timeout: float = 5.0) -> Answer:
        """Like `until`, and raise PeerDiedError with the end of the log as soon as the program has ended."""

        def ask() -> Answer | None:
            answer = question()
            if not answer and not self.running:
                raise PeerDiedError(f"{self.name} ended ({self._process.returncode}):\n{self.log_text()[-2000:]}")
            return answer

        try:
            return until(ask, f"{self.name}: {what}", timeout)
        except PeerTimeoutError as late:
            raise PeerTimeoutError(f"{late}\n{self.log_text()[-2000:]}") from None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, timeout: float) -> int | None:
        """The exit code once the program has ended by itself; None when it still runs after `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask the program to end; kill its whole group when it has not ended in time. May be called again."""
        if self.running:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, as a crash would: children that outlived their parent end too."""
        self._signal(signal.SIGKILL, group=True)
        self._process.wait(STOP_TIMEOUT)
        until(lambda: not self.group(), f"the processes of {self.name} to be gone")
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        atexit.unregister(self.kill)

    def pause(self) -> None:
        """Stop the whole group in its tracks: the kernel still takes connections for it."""
        self._signal(signal.SIGSTOP, group=True)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT, group=True)

    def group(self) -> list[int]:
        """Process ids that live in this program's group (its own and those of its children), zombies left out."""
        return [pid for pid, (group, state) in _process_table().items() if group == self.pid and state not in "ZX"]

    def _signal(self, number: signal.Signals, *, group: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                # The group's number is ours while the leader is not reaped or a member lives.
                if self.running or self.group():
                    os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def _process_table() -> dict[int, tuple[int, str]]:
    """Process id -> (process group, state letter), from /proc (proc_pid_stat(5))."""
    table: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                state, _parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                table[int(entry.name)] = (int(group), state)
    return table
