"""Engines and front ends as processes of one profile, all ended with their test.

Owns: finding the processes (by the profile's path on their command lines), speaking to the scripted front end.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from softphone.engine.link.codec import COMMANDS
from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.engine.process.lock import is_held
from softphone.engine.process.spawn import EngineStart, engine_start
from softphone.messages import AnyCommand
from softphone.storage.profile import Profile
from tests.peers.process import short_directory, until

Item = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]


class FrontEndProcess:
    """A scripted window; `items` is the file that it writes, which need not be there yet."""

    def __init__(self, items: Path) -> None:
        self.items_file = items
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, cwd=ROOT, env={**os.environ, "SOFTPHONE_PASSWORD": "not-for-children"}
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def submit(self, command: AnyCommand) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(COMMANDS.encode(command) + b"\n")
        self._process.stdin.flush()

    def items(self) -> list[Item]:
        if not self.items_file.exists():
            return []
        return [json.loads(line) for line in self.items_file.read_text().rpartition("\n")[0].splitlines()]

    def wait_for(self, what: str, where: Callable[[Item], bool] = lambda _: True, timeout: float = 15.0) -> Item:
        def look() -> Item | None:
            return next((item for item in self.items() if item["item"] == what and where(item)), None)

        return until(look, f"{what} at the front end; seen: {self.items()[-6:]}", timeout)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, within: float = 10.0) -> int:
        assert self._process is not None
        return self._process.wait(within)

    def end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(5)
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()


class Running:
    """One profile: its engine, its front ends."""

    def __init__(self, form: LinkForm = LinkForm.UNIX) -> None:
        self.directory = short_directory("engine")
        self.profile = Profile(self.directory, self.directory, self.directory / "run")
        self.place = LinkPlace(self.profile.runtime, form)
        self._front_ends: list[FrontEndProcess] = []
        self._connections: list[LinkConnection] = []

    def window_command(self, *options: str, name: str = "window") -> list[str]:
        items = str(self.directory / f"{name}.items")
        words = ("-m", "tests.processes.front_end", str(self.directory), items, self.place.form.value, "--", *options)
        return [sys.executable, *words]

    def engine_options(self, *options: str, window: Sequence[str] = (), audio: str = "null") -> tuple[str, ...]:
        return ("--audio", audio, "--window-command", json.dumps(list(window)), *options)

    def start(self, *options: str) -> EngineStart:
        return engine_start(self.profile, *options, place=self.place)

    def window(self, *options: str, name: str = "window") -> FrontEndProcess:
        """A scripted window that starts an engine with these options if there is none."""
        front_end = FrontEndProcess(self.directory / f"{name}.items")
        self._front_ends.append(front_end)
        front_end.start(self.window_command(*options, name=name))
        return front_end

    def tool(self) -> LinkConnection:
        """Attached from within the test."""
        connection = attach(self.place, FrontEndKind.TOOL)
        assert connection is not None
        self._connections.append(connection)
        return connection

    def tell(self, command: AnyCommand) -> None:
        connection = self.tool()
        connection.send(command)
        self._connections.remove(connection)
        connection.close()

    def processes(self, words: str = "") -> list[int]:
        """The living processes of this profile; `words` must be on their command line."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if str(self.directory) in line and words in line:  # a zombie has no command line
                        found.append(int(entry.name))
        return sorted(found)

    def engine(self) -> int:
        (pid,) = self.processes("softphone engine")
        return pid

    def wait_ended(self, timeout: float = 10.0) -> None:
        until(lambda: not self.processes("softphone engine"), "the engine to end", timeout)
        assert not is_held(self.place.lock_file)

    def log(self) -> str:
        return self.profile.engine_log.read_text(errors="replace") if self.profile.engine_log.exists() else ""

    def end(self) -> None:
        """Whatever still runs is killed."""
        for connection in self._connections:
            connection.close()
        for front_end in self._front_ends:
            front_end.end()
        deadline = time.monotonic() + 5
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        print(f"----- engine log\n{self.log()[-6000:]}")
