"""`softphone COMMAND … --json` as a process: its events while it runs, its result and exit code at the end.

Owns: the process, its two output files. What every run must keep, whatever happened, is asserted in `finish`: each line
of stdout is a JSON object, the result is the last one and the only one, nothing on stderr looks like a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.process import short_directory, until

Event = dict[str, Any]
START_TIMEOUT = 20.0
ENDS_WITHIN = 45.0
CRASH_WORDS = ("Traceback", "Exception ignored", "Task exception", "was never awaited", "ResourceWarning", "Fatal")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    code: int
    seconds: float
    events: list[Event]
    stderr: str

    @property
    def result(self) -> Event:
        return self.events[-1]

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event["event"] == name]


class PhoneProcess:
    """A running command. `password=None` leaves the account without one."""

    def __init__(
        self,
        *arguments: object,
        password: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = " ".join(map(str, ("softphone", *arguments)))
        self.directory = short_directory("phone")
        self._out, self._err = self.directory / "out", self.directory / "err"
        variables = {
            **os.environ,
            "SOFTPHONE_PROFILE": str(self.directory),  # neither settings nor state of whoever runs the tests
            "PYTHONWARNINGS": "default",
            **(environment or {}),
        }
        variables.pop("SOFTPHONE_PASSWORD", None)
        if password is not None:
            variables["SOFTPHONE_PASSWORD"] = password
        self._began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "softphone", *map(str, arguments), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=variables,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    def errors(self) -> str:
        return self._err.read_text(errors="replace") if self._err.exists() else ""

    def events(self) -> list[Event]:
        """The complete lines so far."""
        complete = self.output().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def wait_for(
        self, name: str, where: Callable[[Event], bool] = lambda _event: True, timeout: float = START_TIMEOUT
    ) -> Event:
        """The first event of that name that satisfies `where`."""

        def look() -> Event | None:
            found = next((event for event in self.events() if event["event"] == name and where(event)), None)
            if found is None and not self.running:
                raise AssertionError(f"{self.command} ended:\n{self.output()}\n{self.errors()}")
            return found

        return until(look, f"the event {name} of {self.command}\n{self.output()}\n{self.errors()[-1500:]}", timeout)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def processor_seconds(self) -> float:
        """User and system time so far, of all threads (proc_pid_stat(5))."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_octets(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def finish(self, within: float = ENDS_WITHIN) -> Finished:
        """Wait for the end; a hang, a crash, or stdout that a script cannot read fails the test."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.command} did not end within {within:g} s\n{self.output()}\n{self.errors()}"
            ) from None
        seconds = time.monotonic() - self._began
        errors, lines = self.errors(), self.output().splitlines()
        assert not any(word in errors for word in CRASH_WORDS), errors
        events = [json.loads(line) for line in lines]
        assert events, f"no output, exit code {code}: {errors}"
        assert all(isinstance(event, dict) for event in events)
        assert [event["event"] == "result" for event in events] == [False] * (len(events) - 1) + [True], lines
        return Finished(code, seconds, events, errors)

    def kill(self) -> None:
        """End it however it is, and remove its directory. May be called again."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(5)
        shutil.rmtree(self.directory, ignore_errors=True)
