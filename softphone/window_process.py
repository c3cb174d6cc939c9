"""The composition root of the window's process: its profile, its link to the engine, the lab of a demonstration.

Kept apart from `app.py` so that this process never imports asyncio, sound, keyring or SRTP: starting it is quick, and
nothing in it can touch a call (architecture.md "Processes and threads").
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from softphone.engine.process.lock import is_held
from softphone.engine.process.spawn import child_environment, engine_start, program
from softphone.engine.process.window_engine import window_link
from softphone.policy.secret import Secret
from softphone.storage.profile import user_profile
from softphone.ui.lab_account import LabAccount

_LINK = re.compile(r"(?i)^(sips?|tel|callto):")
_LAB_READY_WITHIN = 20.0  # s
_ENGINE_GONE_WITHIN = 5.0  # s, before the files of a demonstration are removed


@dataclass(frozen=True, slots=True)
class WindowStart:
    """The options of a start without a subcommand."""

    lab: bool = False
    dial: str = ""


def window_start(arguments: list[str]) -> WindowStart | None:
    """What these arguments ask of the window; None if they are the command line's, wrong ones included."""
    if len(arguments) == 1 and _LINK.match(arguments[0]):
        return WindowStart(dial=arguments[0])
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--lab", action="store_true")
    parser.add_argument("--dial", default="")
    try:
        given = parser.parse_args(arguments)
    except ValueError:
        return None
    return WindowStart(given.lab, given.dial)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def open_window(start: WindowStart) -> int:
    """Shows the window until it is closed; the exit code."""
    from softphone.ui.run import run_window  # Qt is loaded only where a window is wanted

    with _lab() if start.lab else contextlib.nullcontext() as lab:
        profile = user_profile()
        engine = engine_start(profile)
        return run_window(
            lambda wake, another_window: window_link(engine, wake, another_window, start.dial),
            lab=lab,
            dial=start.dial,
            places=profile.state / "window.ini",
        )


@contextlib.contextmanager
def _lab() -> Iterator[LabAccount | None]:
    """The built-in lab in a process of its own and a profile that is thrown away: nothing of the user's is touched."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="softphone-lab-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.environ["SOFTPHONE_PROFILE"] = str(folder)  # for this window, its engine and the window that it may start
        stack.callback(_await_engine_gone)
        yield stack.enter_context(_lab_process())


@contextlib.contextmanager
def _lab_process() -> Iterator[LabAccount]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*program(), "lab", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,  # Ctrl-C on the terminal ends the window first
    )
    try:
        yield _account(_ready(process))
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """The lab's first line; what it says after that is read and dropped, so that its pipe never fills."""
    lines: list[bytes] = []
    said = threading.Event()
    stream = process.stdout
    assert stream is not None

    def read() -> None:
        for line in stream:
            if not said.is_set():
                lines.append(line)
                said.set()
        said.set()

    threading.Thread(target=read, name="lab", daemon=True).start()
    said.wait(_LAB_READY_WITHIN)
    ready = json.loads(lines[0]) if lines else {}
    if ready.get("event") != "ready":
        sys.exit(f"The built-in lab could not be started. {ready.get('reason') or ''}".strip())
    return dict(ready)


def _account(ready: dict[str, object]) -> LabAccount:
    host, accounts = str(ready["host"]), ready["accounts"]
    assert isinstance(accounts, dict)
    user, password = next(iter(accounts.items()))
    return LabAccount(user, host, f"{host}:{ready['port']}", Secret(password), str(ready["ca"]))


def _await_engine_gone() -> None:
    """Its files are removed after it."""
    lock_file = user_profile().runtime / "engine.lock"
    deadline = time.monotonic() + _ENGINE_GONE_WITHIN
    while is_held(lock_file) and time.monotonic() < deadline:
        time.sleep(0.05)
