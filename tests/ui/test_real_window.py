"""The program as a person starts it, on an X server, with a real engine that calls the built-in lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.process.spawn import ensure_engine
from softphone.messages import Quit, SignIn
from softphone.policy.secret import Secret
from softphone.state import AppState, CallPhase, Encryption
from softphone.ua.events import RegistrationState
from softphone.ua.media_report import MediaReport
from softphone.ui.theme import current_theme
from tests.peers.process import PeerProcess, until
from tests.peers.pulse import settle
from tests.processes.conftest import running, start_running
from tests.processes.running import ROOT, Running
from tests.ui.xvfb import XServer, colours

__all__ = ["running", "start_running"]

pytestmark = [pytest.mark.window, pytest.mark.usefixtures("qapp")]

# The program, which writes down at its end what it has imported.
PROGRAM = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path(MODULES).write_text(json.dumps(sorted(sys.modules))))
sys.argv = ["softphone", *ARGUMENTS]
from softphone.__main__ import main
main()
"""
NEVER = ("asyncio", "sounddevice", "_sounddevice", "pylibsrtp", "keyring", "numpy", "softphone.engine.media")


@pytest.fixture
def x_server(running: Running) -> Iterator[XServer]:
    server = XServer(running.directory)
    yield server
    server.stop()


@pytest.fixture
def lab(running: Running) -> Iterator[dict[str, Any]]:
    """The lab's first line."""
    process = PeerProcess(
        "lab",
        [sys.executable, "-m", "softphone", "lab", "--json"],
        log=running.directory / "lab.log",
        directory=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.stop()


class Window:
    """The window's process."""

    def __init__(self, running: Running, x_server: XServer, *arguments: str, scale: str = "1") -> None:
        self.modules = running.directory / f"modules-{len(list(running.directory.glob('modules-*')))}"
        self.modules.touch()
        program = PROGRAM.replace("MODULES", repr(str(self.modules))).replace("ARGUMENTS", repr(list(arguments)))
        environment = {**x_server.environment, "SOFTPHONE_PROFILE": str(running.directory), "QT_SCALE_FACTOR": scale}
        self.process = PeerProcess(
            "window",
            [sys.executable, "-c", program],
            log=running.directory / "window.log",
            directory=ROOT,
            environment=environment,
        )

    def imported(self) -> list[str]:
        names: list[str] = json.loads(self.modules.read_text())
        return names


def state_of(running: Running) -> AppState:
    """What the engine says is so."""
    connection = running.tool()
    connection.close()
    return connection.state


def start_engine(running: Running) -> None:
    """With no sound: neither a window nor a test machine needs any."""
    ensure_engine(running.start(*running.engine_options()), FrontEndKind.TOOL).close()


def sign_in(running: Running, lab: dict[str, Any]) -> None:
    user, password = next(iter(lab["accounts"].items()))
    server = f"{lab['host']}:{lab['port']}"
    ca = (lab["ca"],)
    running.tell(
        SignIn("lab", user, lab["host"], Secret(password), server=server, ca_files=ca, remember_password=False)
    )
    until(lambda: state_of(running).accounts[:1], "an account")
    until(
        lambda: state_of(running).accounts[0].state is RegistrationState.REGISTERED,
        "the registration",
        15.0,
    )


@pytest.mark.parametrize("scale", ["1", "2"])
def test_a_call_by_keyboard_in_the_real_window_is_encrypted_and_shown_as_such(
    running: Running, x_server: XServer, lab: dict[str, Any], scale: str
) -> None:
    start_engine(running)
    sign_in(running, lab)
    window = Window(running, x_server, scale=scale)
    x_server.focus(window.process)
    window.process.until(
        lambda: colours(x_server.picture())[current_theme().call.name()] > 200, "the call button", 15.0
    )
    x_server.type("echo")
    x_server.key("Return")
    until(
        lambda: any(
            call.phase is CallPhase.ACTIVE and call.security.encryption is Encryption.SRTP
            for call in state_of(running).calls
        ),
        "an encrypted call",
        15.0,
    )
    window.process.until(
        lambda: colours(x_server.picture())[current_theme().hang_up.name()] > 500, "the red button", 15.0
    )
    shown = colours(x_server.picture())
    assert shown[current_theme().good.name()] > 20, "the lock and its headline are green"

    x_server.key("ctrl+shift+h")
    until(lambda: not state_of(running).calls, "the end of the call", 10.0)
    x_server.key("ctrl+q")
    assert window.process.wait(10.0) == 0
    running.wait_ended()
    assert [name for name in window.imported() if name in NEVER or name.startswith(tuple(f"{n}." for n in NEVER))] == []
    assert "softphone.ui.main_window" in window.imported()
    assert window.process.log_text() == ""


def test_a_window_that_froze_and_was_killed_lost_nothing_and_another_shows_the_call(
    running: Running, x_server: XServer, lab: dict[str, Any]
) -> None:
    names = ("DISPLAY", "XAUTHORITY", "QT_QPA_PLATFORM")
    environment = {name: x_server.environment[name] for name in names if name in x_server.environment}
    words = [f"{name}={value}" for name, value in {**environment, "SOFTPHONE_PROFILE": running.directory}.items()]
    another = ["env", *words, sys.executable, "-m", "softphone"]
    ensure_engine(running.start(*running.engine_options(window=another)), FrontEndKind.TOOL).close()
    sign_in(running, lab)
    window = Window(running, x_server)
    x_server.focus(window.process)
    window.process.until(
        lambda: colours(x_server.picture())[current_theme().call.name()] > 200, "the call button", 15.0
    )
    x_server.type("echo")
    x_server.key("Return")
    red = current_theme().hang_up.name()
    window.process.until(lambda: colours(x_server.picture())[red] > 500, "the red button", 15.0)

    os.kill(window.process.pid, signal.SIGSTOP)
    before, began = packets(running), time.monotonic()  # the first report comes after a second
    settle(3.0)
    os.kill(window.process.pid, signal.SIGKILL)
    until(lambda: colours(x_server.picture())[red] == 0, "the window to go", 10.0)
    until(lambda: colours(x_server.picture())[red] > 500, "another window with the call", 20.0)
    seconds, after = time.monotonic() - began, packets(running)
    assert after.lost == 0
    expected = 50 * seconds
    for made in (after.rtp_sent - before.rtp_sent, after.rtp_received - before.rtp_received):
        assert abs(made - expected) < 75, f"{made} packets in {seconds:.1f} s"  # reports come once a second

    running.tell(Quit())
    running.wait_ended()


def packets(running: Running) -> MediaReport:
    return until(lambda: state_of(running).calls[0].report, "a report", 5.0)


def test_a_second_start_gives_its_address_to_the_first_window_and_ends(
    running: Running, x_server: XServer, lab: dict[str, Any]
) -> None:
    start_engine(running)
    sign_in(running, lab)
    first = Window(running, x_server)
    x_server.focus(first.process)
    first.process.until(lambda: colours(x_server.picture())[current_theme().call.name()] > 200, "the call button", 15.0)
    second = Window(running, x_server, f"sip:busy@{lab['host']}")
    assert second.process.wait(15.0) == 0
    assert first.process.running

    x_server.focus(first.process)
    x_server.key("Return")
    recent = until(lambda: state_of(running).recent, "the call to busy", 15.0)
    assert recent[0].remote.uri == f"sip:busy@{lab['host']}"
    assert recent[0].ended is not None
    assert recent[0].ended.status == 486

    first.process.stop()
    running.wait_ended()


def test_the_window_starts_an_engine_and_another_when_that_is_lost(running: Running, x_server: XServer) -> None:
    window = Window(running, x_server)
    x_server.focus(window.process)
    engine = until(lambda: running.processes("softphone engine"), "an engine", 20.0)[0]
    window.process.until(
        lambda: colours(x_server.picture())[current_theme().call.name()] > 200, "the sign-in button", 15.0
    )
    os.kill(engine, 9)
    warning = current_theme().warning_ground.name()
    until(
        lambda: any(pid != engine for pid in running.processes("softphone engine")),
        "another engine",
        20.0,
    )
    window.process.until(lambda: colours(x_server.picture())[warning] == 0, "the warning to go", 15.0)
    assert window.process.running
    x_server.focus(window.process)
    x_server.key("ctrl+q")
    assert window.process.wait(10.0) == 0


def test_the_demonstration_touches_nothing_of_the_user_s_and_leaves_nothing(
    x_server: XServer, running: Running, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in x_server.environment.items() if k != "SOFTPHONE_PROFILE"}
    environment |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(running.directory)}
    log = running.directory / "demonstration.log"
    window = PeerProcess(
        "demonstration", [sys.executable, "-m", "softphone", "--lab"], log=log, directory=ROOT, environment=environment
    )
    x_server.focus(window)
    good = current_theme().good.name()
    window.until(lambda: colours(x_server.picture())[good] > 20, "the green sign of being registered", 20.0)
    window.stop()

    assert window.wait(0) == 0
    assert [path for path in home.rglob("*") if "softphone" in path.name.lower()] == []
    assert list(running.directory.glob("softphone-lab*")) == []
    assert running.processes() == []
