"""Starting programs of our own: an engine for whoever needs one, a window for a call that has none.

Owns: `ensure_engine`, the environment that children get, and how a started engine says that it is ready.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.failures import LinkBroken, LinkEnding, engine_unreachable
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkPlace, system_form
from softphone.engine.process.engine_log import open_log
from softphone.engine.process.lock import is_held
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.storage.profile import Profile

START_WITHIN = 20.0
"""Seconds for an engine to be ready, or for one that is ending to be gone."""
_LOOK_EVERY = 0.05
_LONGEST_LINE = 8192
SECRET_VARIABLES = ("SOFTPHONE_PASSWORD",)

READY = "ready"
HELD = "held"  # another engine has the lock
FAILED = "failed"  # followed by the reason and the remedy as JSON


@dataclass(frozen=True, slots=True)
class EngineStart:
    """How an engine of this profile is started and found. `command` is the whole command line."""

    command: tuple[str, ...]
    place: LinkPlace
    log: Path


def program() -> tuple[str, ...]:
    """The command line of this program: frozen, the executable itself; else the module in this interpreter."""
    if getattr(sys, "frozen", False):
        return (sys.executable,)
    return (sys.executable, "-m", "softphone")


def engine_start(profile: Profile, *options: str, place: LinkPlace | None = None) -> EngineStart:
    """`options` go to `softphone engine` besides the profile's folders."""
    place = place or LinkPlace(profile.runtime, system_form())
    folders = (
        *("--config-dir", profile.config, "--state-dir", profile.state),
        *("--runtime-dir", profile.runtime, "--data-dir", profile.data or profile.state),
    )
    command = (*program(), "engine", *(str(word) for word in folders), "--link", place.form.value, *options)
    return EngineStart(command, place, profile.engine_log)


def child_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}


def ensure_engine(
    start: EngineStart,
    kind: FrontEndKind,
    *,
    only_window: bool = False,
    dial: str = "",
    within: float = START_WITHIN,
    started: Callable[[int], None] | None = None,
) -> LinkConnection:
    """Attached to the profile's engine, which is started if there is none. Blocks for up to `within` seconds.

    Several may ask at once: the engine that gets the lock serves all. `started` hears the process id of an engine that
    we started. Raises OperationFailed, LinkRefused (another version) and AnotherWindow.
    """
    start.place.make()
    deadline = time.monotonic() + within
    detail = "it does not answer"
    while time.monotonic() < deadline:
        try:
            connection = attach(start.place, kind, only_window=only_window, dial=dial)
            if connection is not None:
                return connection
        except LinkBroken as error:  # it died or ended meanwhile, or somebody else sits there: look again
            detail = str(error)
        except LinkEnding as error:
            detail = error.failure.reason
        if is_held(start.place.lock_file):
            time.sleep(_LOOK_EVERY)
            continue
        pid = _start(start, deadline)
        if started is not None and pid is not None:
            started(pid)
    raise OperationFailed(engine_unreachable(detail))


def start_window(command: Sequence[str]) -> int:
    """A window in a session of its own; its process id. Raises OSError."""
    return _spawn(command, subprocess.DEVNULL, subprocess.DEVNULL).pid


def _start(start: EngineStart, deadline: float) -> int | None:
    """Its process id when it has said that it is ready; None if another engine was quicker.

    Raises OperationFailed if it ends instead.
    """
    log = open_log(start.log)
    try:
        process = _spawn(start.command, subprocess.PIPE, log)
    except OSError as error:
        raise OperationFailed(engine_unreachable(f"it could not be started ({error.strerror})")) from error
    finally:
        os.close(log)
    assert process.stdout is not None
    with process.stdout as said:
        line = _line(said, deadline)
    word, _, rest = line.partition(" ")
    match word:
        case "ready":
            return process.pid
        case "held":
            return None
        case "failed":
            raise OperationFailed(_reported(rest))
        case _:
            raise OperationFailed(engine_unreachable("it ended while it was starting" if not line else "it is mute"))


def _spawn(command: Sequence[str], stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    process = subprocess.Popen(  # noqa: S603 - our own program
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=child_environment(),
        start_new_session=True,
        creationflags=flags,
    )
    # Waits so that no zombie stays while we live; it dies with us, the child does not.
    threading.Thread(target=process.wait, name="child", daemon=True).start()
    return process


def _line(said: IO[bytes], deadline: float) -> str:
    """The first line; "" if the program ends without one. A line that does not come in time is not waited for."""
    if sys.platform == "win32":  # pipes cannot be selected there
        return said.readline(_LONGEST_LINE).decode(errors="replace").strip()
    data = b""
    while b"\n" not in data and len(data) < _LONGEST_LINE:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([said], [], [], left)[0]:
            return "?"
        part = os.read(said.fileno(), _LONGEST_LINE)
        if not part:
            break
        data += part
    return data.decode(errors="replace").partition("\n")[0].strip()


def _reported(rest: str) -> Failure:
    try:
        words = json.loads(rest)
        return Failure(FailureKind(words["kind"]), str(words["reason"]), str(words["remedy"]))
    except (ValueError, KeyError, TypeError):
        return engine_unreachable("it could not start")


def say_to_starter(word: str, failure: Failure | None = None) -> None:
    """By the engine: its one line on stdout, which then leads nowhere, so that the starter may end."""
    words = {"kind": failure.kind.value, "reason": failure.reason, "remedy": failure.remedy} if failure else None
    try:
        sys.stdout.write(f"{word} {json.dumps(words)}\n" if words else f"{word}\n")
        sys.stdout.flush()
    except OSError:  # the starter is gone already
        pass
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
