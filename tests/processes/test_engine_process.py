"""The engine's process: one for each profile, ours alone, clean, and gone when nobody wants it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.failures import LinkBroken
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkForm
from softphone.engine.process.lock import is_held
from softphone.engine.process.spawn import ensure_engine
from softphone.errors import FailureKind, OperationFailed
from softphone.messages import EngineEnding, Quit
from tests.engine.link.linked import hello
from tests.peers.process import until
from tests.processes.running import ROOT, Running

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(params=list(LinkForm), ids=lambda form: form.value)
def both(request: pytest.FixtureRequest, start_running: Callable[[LinkForm], Running]) -> Running:
    return start_running(request.param)


def ensure(running: Running, *options: str, kind: FrontEndKind = FrontEndKind.TOOL) -> LinkConnection:
    return ensure_engine(running.start(*running.engine_options(*options)), kind)


def test_quit_ends_every_process_and_leaves_nothing_but_log_lock_and_the_phone_s_own_name(both: Running) -> None:
    window = both.window(*both.engine_options())
    window.wait_for("state")
    other = both.tool()
    window.submit(Quit())
    both.wait_ended()
    assert window.wait() == 0
    assert [type(envelope.value) for envelope in other.read()] == [EngineEnding]
    assert both.processes() == []
    left = sorted(str(path.relative_to(both.directory)) for path in both.directory.rglob("*") if path.is_file())
    assert left == ["engine.log", "instance-id", "run/engine.lock", "window.items"]


def test_of_many_starters_at_once_one_engine_serves_all(both: Running) -> None:
    attached: list[LinkConnection] = []
    errors: list[BaseException] = []

    def start() -> None:
        try:
            attached.append(ensure(both))
        except BaseException as error:
            errors.append(error)

    starters = [threading.Thread(target=start) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
    assert errors == []
    assert len(attached) == 4
    until(lambda: len(both.processes("softphone engine")) == 1, "the losers to end")
    for connection in attached:
        connection.close()


def test_a_killed_engines_lock_and_socket_are_known_to_be_stale(both: Running) -> None:
    first = ensure(both)
    os.kill(both.engine(), signal.SIGKILL)
    with pytest.raises(LinkBroken):
        first.read()
    first.close()
    assert both.place.lock_file.exists()
    ensure(both).close()
    assert len(both.processes("softphone engine")) == 1


def test_who_starts_while_one_ends_gets_another(running: Running) -> None:
    first = ensure(running)
    before = running.engine()
    first.send(Quit())
    again = ensure(running)
    assert running.engine() != before
    again.close()
    first.close()


def test_the_engine_outlives_who_started_it_and_ends_when_nobody_wants_it(running: Running) -> None:
    window = running.window(*running.engine_options("--idle", "1.5"))
    window.wait_for("state")
    engine = running.engine()
    assert os.getsid(engine) == engine, "a session of its own"
    window.signal(signal.SIGKILL)
    time.sleep(0.7)
    assert running.engine() == engine
    running.wait_ended(5)


def test_sigterm_ends_it_in_order(running: Running) -> None:
    connection = ensure(running)
    os.kill(running.engine(), signal.SIGTERM)
    assert [type(envelope.value) for envelope in connection.read()] == [EngineEnding]
    connection.close()
    running.wait_ended()


def test_a_second_window_raises_the_first_and_ends(running: Running) -> None:
    first = running.window(*running.engine_options())
    first.wait_for("state")
    second = running.window(*running.engine_options(), name="second")
    second.wait_for("another-window")
    assert second.wait() == 0
    first.wait_for("WindowRaised")


def test_the_engine_is_clean_of_qt_passwords_and_cores(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTPHONE_PASSWORD", "not-for-children")
    window = running.window(*running.engine_options())
    window.wait_for("state")
    engine = Path(f"/proc/{running.engine()}")
    assert b"SOFTPHONE_PASSWORD" not in (engine / "environ").read_bytes()
    assert b"SOFTPHONE_PASSWORD" in Path(f"/proc/{window.pid}/environ").read_bytes()
    assert "PySide6" not in (engine / "maps").read_text()
    assert "pylibsrtp" in (engine / "maps").read_text(), "the check can see a library"
    (core,) = [line for line in (engine / "limits").read_text().splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
    held = _open_files(engine)
    assert str(running.profile.engine_log) in held
    starters = {name for process in (Path("/proc/self"), Path(f"/proc/{window.pid}")) for name in _open_files(process)}
    assert any(name.startswith("pipe:") for name in starters), "the check can see a pipe"
    assert not [name for name in held if name.startswith("pipe:") and name in starters], "nothing of the starter's"


def _open_files(process: Path) -> list[str]:
    found = []
    for link in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(link))
    return found


def test_a_front_ends_process_holds_neither_sound_nor_keys_nor_keyring(running: Running) -> None:
    window = running.window(*running.engine_options())
    window.wait_for("state")
    maps = Path(f"/proc/{window.pid}/maps").read_text()
    assert "_ssl" in maps, "the check can see a library"
    for library in ("pylibsrtp", "portaudio", "_sounddevice", "libpulse"):
        assert library not in maps
    asked = "import sys, softphone.engine.process.window_engine; print([m for m in sys.argv[1:] if m in sys.modules])"
    names = ["sounddevice", "pylibsrtp", "keyring", "asyncio", "PySide6", "numpy", "msgspec"]
    said = subprocess.run(
        [sys.executable, "-c", asked, *names], capture_output=True, text=True, check=True, timeout=30, cwd=ROOT
    )
    assert said.stdout.strip() == "['msgspec']"


def test_an_engine_that_cannot_start_says_why(running: Running) -> None:
    running.profile.runtime.mkdir(parents=True)
    running.profile.runtime.chmod(0o777)
    with pytest.raises(OperationFailed) as refused:
        ensure(running)
    assert refused.value.failure.kind is FailureKind.STORAGE
    running.profile.runtime.chmod(0o700)
    running.place.socket_path.mkdir()  # where the socket belongs
    with pytest.raises(OperationFailed) as refused:
        ensure(running)
    assert "reached" in refused.value.failure.reason or "directory" in refused.value.failure.reason
    until(lambda: running.processes() == [], "both to have ended")


def test_a_program_that_is_no_engine_is_not_waited_for(running: Running) -> None:
    start = replace(running.start(), command=(sys.executable, "-c", "raise SystemExit(3)"))
    began = time.monotonic()
    with pytest.raises(OperationFailed, match="it ended while it was starting"):
        ensure_engine(start, FrontEndKind.TOOL)
    assert time.monotonic() - began < 5


def test_broken_settings_are_reported_and_kept(running: Running) -> None:
    running.profile.settings_file.write_text("this is = not toml [")
    connection = ensure(running)
    assert connection.state.settings.problem is not None
    assert connection.state.notices
    connection.close()
    assert running.profile.settings_file.read_text() == "this is = not toml ["


@pytest.mark.root
@pytest.mark.parametrize("open_to_all", [False, True])
def test_another_user_gets_nowhere(running: Running, open_to_all: bool) -> None:
    """Even where somebody has opened the directory: then the kernel says who is there, and nothing is said to them."""
    if shutil.which("setpriv") is None:
        pytest.skip("not installed: setpriv")
    ensure(running).close()
    if open_to_all:
        for path in (running.directory, running.profile.runtime):
            path.chmod(0o755)
        running.place.socket_path.chmod(0o777)
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
        "try:\n"
        "    s.connect(sys.argv[1]); s.sendall(bytes.fromhex(sys.argv[2]))\n"
        "    print('heard', s.recv(100))\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)\n"
    )
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script]
    said = subprocess.run(
        [*command, str(running.place.socket_path), hello().hex()],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        cwd="/",
    ).stdout.strip()
    if open_to_all:
        assert said in ("heard b''", "ConnectionResetError", "BrokenPipeError")
        assert "belongs to user 65534" in running.log()
    else:
        assert said == "PermissionError"
    assert running.log().count("has attached") == 1, "ours, before"


@pytest.mark.root
def test_another_user_cannot_read_the_token(start_running: Callable[[LinkForm], Running]) -> None:
    running = start_running(LinkForm.LOOPBACK)
    ensure(running).close()
    running.directory.chmod(0o755)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", str(running.place.address_file)]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False, cwd="/")
    assert done.returncode != 0
    assert done.stdout == b""


@pytest.mark.root
def test_an_engine_of_another_user_is_not_trusted(running: Running) -> None:
    """Somebody who could put a socket where ours belongs gets no greeting, and no password after it."""
    running.place.make()
    script = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)\n"
        "os.setgid(65534); os.setuid(65534); s.listen(); print('ready', flush=True)\n"
        "c, _ = s.accept(); c.settimeout(5); print('heard', len(c.recv(1000)), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(running.place.socket_path)], stdout=subprocess.PIPE, text=True
    ) as squatter:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == "ready\n"
        with pytest.raises(LinkBroken, match="belongs to user 65534"):
            attach(running.place, FrontEndKind.WINDOW)
        assert squatter.stdout.readline() == "heard 0\n"


def test_a_gigabyte_leaves_the_engine_as_it_was(both: Running) -> None:
    stays, bad = ensure(both), both.tool()
    statm = Path(f"/proc/{both.engine()}/statm")
    before = int(statm.read_text().split()[1])
    bad.socket.settimeout(5)
    with contextlib.suppress(OSError):
        bad.socket.sendall((1 << 30).to_bytes(4, "big") + bytes(64 * 1024 * 1024))
    pages = int(statm.read_text().split()[1]) - before
    assert pages * os.sysconf("SC_PAGE_SIZE") < 4 * 1024 * 1024
    with pytest.raises(LinkBroken):
        bad.read()
    stays.send(Quit())
    assert [type(envelope.value) for envelope in stays.read()] == [EngineEnding]
    stays.close()


def test_attached_commands_use_the_running_phone(running: Running) -> None:
    window = running.window(*running.engine_options())
    window.wait_for("state")
    environment = {**os.environ, "SOFTPHONE_PROFILE": str(running.directory)}

    def softphone(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "softphone", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
            env=environment,
        )
        result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return {**result, "code": done.returncode}

    implied = softphone("call", "sip:echo@lab.test")
    assert implied["reason"] == "The running phone has no account."
    assert implied["code"] == 2
    assert softphone("call", "x", "--attach", "--user", "u", "--server", "h")["code"] == 2
    assert softphone("call", "x", "--no-attach")["reason"] == "There is no account."
    window.submit(Quit())
    running.wait_ended()
    assert not is_held(running.place.lock_file)
    assert "not running" in str(softphone("register", "--attach")["reason"])
