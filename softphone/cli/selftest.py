"""`softphone selftest`: whether this installation is whole. For those who build packages; not in the help (cli.md).

Owns: the stages, their order and the verdict. Starts the program's own processes as a person's start would, in a
profile of their own, against the built-in lab: the sound library, an engine, a window without a screen, a call, what
the server saw of the TLS offer, an end in order. Nothing of the user's is touched; no screen and no sound card needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softphone.cli.calling import CallFollower
from softphone.cli.output import Output, QuietOutput, Result
from softphone.cli.phone_access import Composition, events_of
from softphone.cli.registering import await_registration
from softphone.codecs.registry import CODECS
from softphone.controller import Phone
from softphone.engine.handshake_watch import ClientHello
from softphone.engine.link.connection import attach
from softphone.engine.link.failures import AnotherWindow, LinkBroken, LinkRefused
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkPlace
from softphone.engine.link.remote_phone import attached
from softphone.engine.media.codec_libraries import missing_library
from softphone.engine.process.lock import is_held
from softphone.engine.process.spawn import EngineStart, child_environment, engine_start, ensure_engine, program
from softphone.engine.waiting import in_thread
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.lab import LOOPBACK, Lab
from softphone.messages import Quit, SignIn
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile
from softphone.storage.profile import Profile, user_profile
from softphone.ua.commands import Dial

ACCOUNT, USER, SERVICE = "selftest", "alice", "echo"
CALL_SECONDS = 3.0
PATIENCE = 20.0  # s for each step that is waited for; a machine under test may be slow
WINDOW_STAYS = 1.0  # s that the window is watched after it has attached
_LOOK_EVERY = 0.05
_TAIL = 2000  # characters of a process's last words
_VERSIONS = {TlsProfile.GATEWAY: ("TLSv1.3", "TLSv1.2")}


@dataclass(slots=True)
class Stage:
    """One stage that was begun; `facts` are what it found."""

    name: str
    ok: bool = False
    ms: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"stage": self.name, "ok": self.ok, "ms": self.ms, **self.facts}


@dataclass(slots=True)
class SelftestCommand:
    composition: Composition
    output: Output
    _stages: list[Stage] = field(default_factory=list)

    async def run(self) -> Result:
        failure = None
        with tempfile.TemporaryDirectory(prefix="softphone-selftest-") as name, _own_world(Path(name)) as profile:
            try:
                await self._run(profile)
            except OperationFailed as error:
                failure = error.failure
        result = Result({"frozen": _bundle() is not None}, failure)
        if self.output.json_lines:
            result.fields["stages"] = [stage.as_dict() for stage in self._stages]
        return result

    async def _run(self, profile: Profile) -> None:
        with self._stage("sound library") as facts:
            facts.update(await in_thread(_sound_library))
        with self._stage("codecs") as facts:
            facts.update(_codecs())
        start = engine_start(profile, "--audio", "null")
        try:
            with self._stage("engine"):
                await in_thread(_start_engine, start)
            async with self.composition.lab() as lab:
                with _window(profile) as window:
                    await self._with_phone(lab, start.place, window)
        finally:
            await in_thread(_make_sure_of_the_end, start.place)

    async def _with_phone(self, lab: Lab, place: LinkPlace, window: subprocess.Popen[bytes]) -> None:
        # The window comes first: a call that nobody can see makes the engine open one itself.
        with self._stage("window") as facts:
            facts.update(await in_thread(_watch_window, window, place))
        async with attached(place) as phone:
            with self._stage("registration") as facts:
                facts.update(await _register(phone, lab))
            with self._stage("call") as facts:
                facts.update(await _call(phone))
            with self._stage("offer") as facts:
                facts.update(exact_offer(lab.client_hellos))
            with self._stage("end") as facts:
                phone.submit(Quit())
                facts.update(await in_thread(_ended, window, place))

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[dict[str, Any]]:
        stage = Stage(name)
        self._stages.append(stage)
        began = time.monotonic()
        try:
            yield stage.facts
            stage.ok = True
        except OperationFailed as error:
            stage.facts["reason"] = error.failure.reason
            raise
        finally:
            stage.ms = round((time.monotonic() - began) * 1000, 1)
            self._tell(stage)

    def _tell(self, stage: Stage) -> None:
        if self.output.json_lines:
            self.output.event("stage", **stage.as_dict())
            return
        facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in stage.facts.items())
        self.output.say(f" {'✓' if stage.ok else '✗'}  {stage.name:<16}{stage.ms / 1000:5.1f} s   {facts}")


@contextlib.contextmanager
def _own_world(folder: Path) -> Iterator[Profile]:
    """Children find the profile in the environment, never the user's; and no screen unless one is named there."""
    before = dict(os.environ)
    os.environ["SOFTPHONE_PROFILE"] = str(folder)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        yield user_profile()
    finally:
        os.environ.clear()
        os.environ |= before


def _broken(reason: str, *evidence: str, kind: FailureKind = FailureKind.ENGINE_FAILED) -> OperationFailed:
    remedy = "This installation is not whole: install the program again, or mend the package."
    return OperationFailed(Failure(kind, reason, remedy, evidence))


def _bundle() -> Path | None:
    """The folder of the frozen program's files."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder).resolve() if folder is not None else None


# The stages. What they return are their facts; they raise OperationFailed. Those that block run beside the loop.


def _sound_library() -> dict[str, Any]:
    """Loaded by a process of its own (a broken sound system ends processes); a frozen program must use its own copy."""
    command = (*program(), "devices", "--json")
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, timeout=2 * PATIENCE, env=child_environment(), check=False
        )
        result = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise _broken("“softphone devices” has no result.", str(error), kind=FailureKind.AUDIO_DEVICE) from error
    if not result["ok"]:
        raise _broken(result["reason"], kind=FailureKind.AUDIO_DEVICE)
    library, bundle = result["sound_library"], _bundle()
    if bundle is not None and not Path(library["file"]).resolve().is_relative_to(bundle):
        reason = f"The sound library is not the program's own: {library['file']}."
        raise _broken(reason, kind=FailureKind.AUDIO_DEVICE)
    return {"version": library["version"], "file": library["file"], "devices": len(result["devices"])}


def _codecs() -> dict[str, Any]:
    """Which codecs can be used; a frozen program brings what they need and has all of them."""
    missing = {name: needed for name in CODECS if (needed := missing_library(name)) is not None}
    if missing and _bundle() is not None:
        name, needed = next(iter(missing.items()))
        reason = f"The codec {name} cannot be used: {needed.library} is not in the program's folder."
        raise _broken(reason, kind=FailureKind.AUDIO_DEVICE)
    return {"usable": [name for name in CODECS if name not in missing], "missing": list(missing)}


def _start_engine(start: EngineStart) -> None:
    try:
        ensure_engine(start, FrontEndKind.TOOL).close()
    except LinkRefused as error:
        raise OperationFailed(error.failure) from error


@contextlib.contextmanager
def _window(profile: Profile) -> Iterator[subprocess.Popen[bytes]]:
    """The program as a person starts it; what it says on stderr is kept for `_watch_window`."""
    with (
        _last_words(profile).open("wb") as words,
        subprocess.Popen(  # noqa: S603 - our own program
            program(), stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=child_environment()
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _last_words(profile: Profile) -> Path:
    return profile.state / "window.log"


def _watch_window(window: subprocess.Popen[bytes], place: LinkPlace) -> dict[str, Any]:
    """Alive and attached, and still so a second later."""

    def alive() -> None:
        if window.poll() is not None:
            words = _last_words(user_profile()).read_text(encoding="utf-8", errors="replace").strip()[-_TAIL:]
            raise _broken(f"The window ended with code {window.returncode}.", *words.splitlines())

    def attached_and_alive() -> bool:
        alive()
        return has_window(place)

    _until(attached_and_alive, "The window did not attach to the engine.")
    time.sleep(WINDOW_STAYS)
    if not attached_and_alive():
        raise _broken("The window has left the engine again.")
    return {"pid": window.pid, "platform": os.environ["QT_QPA_PLATFORM"]}


def has_window(place: LinkPlace) -> bool:
    """Asks for the only window's place, as a tool: the engine refuses while a window is there.

    Never as a window: the real one, if it came at that moment, would take us for it and leave.
    """
    try:
        connection = attach(place, FrontEndKind.TOOL, only_window=True)
    except AnotherWindow:
        return True
    except (LinkBroken, LinkRefused):
        return False
    if connection is not None:
        connection.close()
    return False


async def _register(phone: Phone, lab: Lab) -> dict[str, Any]:
    async with events_of(phone) as inbox:
        password = Secret(lab.accounts[USER])
        server, authority = f"{LOOPBACK}:{lab.port}", (str(lab.ca_file),)
        phone.submit(
            SignIn(ACCOUNT, USER, LOOPBACK, password, server=server, ca_files=authority, remember_password=False)
        )
        account = await await_registration(phone, inbox, ACCOUNT, PATIENCE)
    assert account.flow is not None, "registered over a flow"
    return {"tls_version": account.flow.tls_version, "tls_cipher": account.flow.tls_cipher}


async def _call(phone: Phone) -> dict[str, Any]:
    async with events_of(phone) as inbox:
        call_id = secrets.token_hex(8)
        phone.submit(Dial(call_id, SERVICE, ACCOUNT))
        result = await CallFollower(
            phone, inbox, QuietOutput(json_lines=False), call_id, CALL_SECONDS, PATIENCE
        ).follow()
    if result.failure is not None:
        raise OperationFailed(result.failure)
    wanted = ("media", "srtp_suite", "codec", "setup_ms", "rtp_sent", "rtp_received", "plain_rtp_seen")
    facts = {name: result.fields[name] for name in wanted}
    if facts["media"] != "srtp" or facts["plain_rtp_seen"] != 0:
        reason = f"The call was not encrypted ({facts['plain_rtp_seen']} packets in clear)."
        raise _broken(reason, kind=FailureKind.MEDIA_NOT_ENCRYPTED)
    if not facts["rtp_sent"] or not facts["rtp_received"]:
        raise _broken("No sound went to and fro in the call.", kind=FailureKind.MEDIA_LOST)
    return facts


def exact_offer(hellos: list[ClientHello]) -> dict[str, Any]:
    """The server's view: every ClientHello holds exactly the profile's versions and suites (security.md)."""
    profile = TlsProfile.GATEWAY
    if not hellos:
        raise _broken("The server saw no TLS offer.", kind=FailureKind.TLS_HANDSHAKE)
    for hello in hellos:
        tls13 = tuple(suite for suite in hello.suites if suite.startswith("TLS_"))
        tls12 = tuple(suite for suite in hello.suites if not suite.startswith("TLS_"))
        exact = sorted(tls13) == sorted(profile.tls13_suites) and tls12 == profile.tls12_suites
        if not exact or tuple(hello.versions) != _VERSIONS[profile]:
            evidence = (f"versions: {', '.join(hello.versions)}", f"suites: {', '.join(hello.suites)}")
            reason = "The TLS offer is not that of the profile."
            raise _broken(reason, *evidence, kind=FailureKind.TLS_CIPHER)
    return {"profile": profile.value, "versions": list(hellos[-1].versions), "suites": list(hellos[-1].suites)}


def _ended(window: subprocess.Popen[bytes], place: LinkPlace) -> dict[str, Any]:
    """Quit ends both processes, the window with code 0."""
    _until(lambda: not is_held(place.lock_file), "The engine did not end.")
    _until(lambda: window.poll() is not None, "The window did not end with the engine.")
    if window.returncode != 0:
        raise _broken(f"The window ended with code {window.returncode}.")
    return {"window_exit_code": window.returncode}


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise _broken(otherwise)
        time.sleep(_LOOK_EVERY)


def _make_sure_of_the_end(place: LinkPlace) -> None:
    """After a failure the engine may be there still. One that cannot be told ends by itself, a minute later."""
    if not is_held(place.lock_file):
        return
    with contextlib.suppress(OperationFailed, LinkBroken, LinkRefused):
        connection = attach(place, FrontEndKind.TOOL)
        if connection is not None:
            connection.send(Quit())
            _until(lambda: not is_held(place.lock_file), "The engine did not end.")
            connection.close()
