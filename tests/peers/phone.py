"""The phone under test, twice: an engine of its own inside the test process, and the command line as a process.

Owns: `PhoneUnderTest` (commands in mid-call: hold, digits, hang up) and `CommandLine` (JSON lines and exit code).
Must not know: the peers. Both sign in to a `SipServer` and take sound from a WAV file and into a WAV file.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from softphone.app import Application
from softphone.cli.phone_access import PhoneRequest
from softphone.controller import Phone
from softphone.engine.audio.wav import read_wav
from softphone.messages import AnyCommand, AnyEvent
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.secret import Secret
from softphone.sound import AudioChoice, AudioKind
from softphone.state import AppState, CallView
from softphone.storage.settings import AccountSettings, AudioSection, MediaSection, Settings, TlsSection
from softphone.ua import events as ua
from softphone.ua.commands import (
    AgreeToUnencrypted,
    Answer,
    AnswerUnencrypted,
    Decline,
    Dial,
    HangUp,
    Hold,
    Register,
    Resume,
    SendDigits,
)
from tests.peers.baresip import SipServer
from tests.peers.process import PeerDiedError, PeerProcess, PeerTimeoutError, short_directory
from tests.peers.speech import Samples

RATE: Final = 8000
"""Hz of what `heard` returns: the band of G.711."""
REPOSITORY: Final = Path(__file__).parents[2]
OPTIONAL_PRIVATE: Final = MediaSection(
    encryption=MediaEncryption.OPTIONAL, connection_profile=ConnectionProfile.PRIVATE
)
OPTIONAL_ALLOWED: Final = MediaSection(
    encryption=MediaEncryption.OPTIONAL,
    connection_profile=ConnectionProfile.PRIVATE,
    unencrypted_peer=UnencryptedPeer.ALLOW,
)
DISABLED_PRIVATE: Final = MediaSection(
    encryption=MediaEncryption.DISABLED, connection_profile=ConnectionProfile.PRIVATE
)

Kind = TypeVar("Kind", bound=AnyEvent)


def only_suites(*suites: str) -> MediaSection:
    """Mandatory SRTP with these suites and no others, offered and accepted."""
    return MediaSection(srtp_suites=suites, accepted_suites=suites)


class PhoneUnderTest:
    """A running phone with one account. It is not registered yet when the constructor returns: `wait_registered`."""

    def __init__(
        self,
        server: SipServer,
        user: str,
        password: str,
        *,
        media: MediaSection | None = None,
        play: Path | None = None,
        expires: int = 3600,
        options: Mapping[str, Any] | None = None,
        also: Sequence[tuple[AccountSettings, str]] = (),
        devices: tuple[str, str] | None = None,
        audio: Mapping[str, Any] | None = None,
    ) -> None:
        """`play` is said once in each call; what is heard in the last call is what `heard` gives.

        `options` are other fields of AccountSettings. `also`: further accounts with their passwords; nothing is heard
        then. `devices`: microphone and speaker of the sound system in place of files; `audio`: other fields of its
        AudioSection.
        """
        self.name = user
        self.uri = f"sip:{user}@{server.domain}"
        self.directory = short_directory(f"phone-{user}")
        self._recording = self.directory / "heard.wav"
        self._account = AccountSettings(
            name=user,
            user=user,
            domain=server.domain,
            server=f"localhost:{server.tls_port}",
            expires=expires,
            **(options or {}),
        )
        microphone, speaker = devices or ("", "")
        kind = AudioKind.DEVICE if devices else AudioKind.NULL if also else AudioKind.FILE
        self._request = PhoneRequest(
            settings=Settings(
                media=media or MediaSection(),
                tls=TlsSection(ca_files=(str(server.root),)),
                audio=AudioSection(microphone=microphone, speaker=speaker, **(audio or {})),
                accounts=(self._account, *(account for account, _ in also)),
            ),
            passwords={user: Secret(password), **{account.name: Secret(word) for account, word in also}},
            client_key_password=None,
            audio=AudioChoice(kind, play, self._recording) if kind is AudioKind.FILE else AudioChoice(kind),
            trace=self.directory / "trace",
        )
        self._changed = threading.Condition()
        self._events: list[tuple[float, AnyEvent]] = []
        self._taken: set[int] = set()
        self._state = AppState()
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._phone: Phone
        self._leave: asyncio.Event
        self._thread = threading.Thread(target=self._run, name=f"phone {user}")
        self._thread.start()
        self._ready.wait(10)
        if self._error is not None:
            raise self._error

    # Commands

    def dial(self, target: str) -> str:
        """Call; returns our name of the call."""
        call_id = secrets.token_hex(8)
        self._submit(Dial(call_id, target, self._account.name))
        return call_id

    def answer(self, call_id: str) -> None:
        self._submit(Answer(call_id))

    def answer_unencrypted(self, call_id: str) -> None:
        self._submit(AnswerUnencrypted(call_id))

    def agree(self, call_id: str) -> None:
        """Go on without encryption."""
        self._submit(AgreeToUnencrypted(call_id))

    def decline(self, call_id: str, status: int = 603) -> None:
        self._submit(Decline(call_id, status))

    def hold(self, call_id: str) -> None:
        self._submit(Hold(call_id))

    def resume(self, call_id: str) -> None:
        self._submit(Resume(call_id))

    def digits(self, call_id: str, digits: str) -> None:
        self._submit(SendDigits(call_id, digits))

    def hang_up(self, call_id: str) -> ua.CallEnded:
        """Hang up and wait for the end."""
        self._submit(HangUp(call_id))
        return self.wait_ended(call_id)

    def register(self) -> None:
        self._submit(Register(self._account.name))

    def do(self, command: AnyCommand) -> None:
        """Any other command; its account's name is the user."""
        self._submit(command)

    # What happened

    def wait_for(
        self, kind: type[Kind], *, timeout: float = 10.0, where: Callable[[Kind], bool] = lambda _event: True
    ) -> Kind:
        """The next event of that kind that no earlier `wait_for` has returned."""

        def look() -> Kind | None:
            for number, (_moment, event) in enumerate(self._events):
                if number not in self._taken and isinstance(event, kind) and where(event):
                    self._taken.add(number)
                    return event
            return None

        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    raise PeerTimeoutError(f"waited {timeout:g} s for {kind.__name__}; {self.log_text()[-3000:]}")
                self._changed.wait(left)
            return found

    def wait_registered(self, timeout: float = 10.0) -> ua.RegistrationChanged:
        return self.wait_for(
            ua.RegistrationChanged,
            timeout=timeout,
            where=lambda event: event.state is ua.RegistrationState.REGISTERED,
        )

    def wait_ended(self, call_id: str, timeout: float = 10.0) -> ua.CallEnded:
        return self.wait_for(ua.CallEnded, timeout=timeout, where=lambda event: event.call_id == call_id)

    def events(self) -> list[AnyEvent]:
        """Every event so far, oldest first."""
        with self._changed:
            return [event for _moment, event in self._events]

    def moment(self, wanted: AnyEvent) -> float:
        """When that event came, in seconds of time.monotonic()."""
        with self._changed:
            return next(moment for moment, event in self._events if event is wanted)

    def call(self, call_id: str) -> CallView:
        """What a front end shows of the call now."""
        view = self._state.call(call_id)
        assert view is not None
        return view

    def heard(self) -> Samples:
        """What the last call gave to the speaker, at RATE; complete when the call has ended."""
        return read_wav(self._recording, RATE)

    def log_text(self) -> str:
        """Its events, and its SIP trace."""
        trace = self.directory / "trace"
        text = trace.read_text(errors="replace") if trace.exists() else ""
        return text + "".join(f"{moment:.3f} {event}\n" for moment, event in self._events)

    def stop(self) -> None:
        """Hang up, unregister and end; remove its directory. May be called again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(10)
            assert not self._thread.is_alive(), "the phone did not end"
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._error is not None:
            raise self._error

    # Within

    def _submit(self, command: AnyCommand) -> None:
        self._loop.call_soon_threadsafe(self._phone.submit, command)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._live())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()
            with self._changed:
                self._changed.notify_all()

    async def _live(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        async with Application().own_phone(self._request) as phone:
            self._phone = phone
            phone.subscribe(self._listen)
            self._ready.set()
            await self._leave.wait()

    def _listen(self, event: AnyEvent, state: AppState) -> None:
        with self._changed:
            self._events.append((time.monotonic(), event))
            self._state = state
            self._changed.notify_all()


class CommandLine:
    """`softphone COMMAND ... --json` as a process, signed in to `server`."""

    def __init__(
        self,
        server: SipServer,
        command: str,
        *words: str,
        user: str = "alice",
        password: str = "alicepw",
        play: Path | None = None,
        at: str = "",
        within: Sequence[str] = (),
    ) -> None:
        """`command` is register, call or answer; `words` follow it (the URI to call, options).

        `at`: what is said for --server, else localhost and the server's port. `within`: what comes before the command
        line: "ip netns exec NAME".
        """
        self.name = f"softphone {command}"
        self.directory = short_directory(f"cli-{command}")
        self._recording = self.directory / "heard.wav"
        sound: Sequence[str] = ()
        if command != "register":
            sound = ("--audio", "file", "--record", str(self._recording))
            sound = (*sound, "--play", str(play)) if play is not None else sound
        self._process = PeerProcess(
            self.name,
            [
                *(*within, sys.executable, "-m", "softphone", command, *words, "--json", "--log-level", "info"),
                *("--server", at or f"localhost:{server.tls_port}", "--user", user, "--domain", server.domain),
                *("--ca", str(server.root), "--trace", str(self.directory / "trace"), *sound),
            ],
            log=self.directory / "log",
            environment={"SOFTPHONE_PASSWORD": password},
            directory=REPOSITORY,
            stdout=subprocess.PIPE,
        )
        self._lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, name=self.name, daemon=True)
        self._reader.start()

    def wait_for(self, event: str, timeout: float = 15.0) -> dict[str, Any]:
        """The first line with that event."""
        return self._process.until(
            lambda: next((line for line in list(self._lines) if line["event"] == event), None), event, timeout
        )

    def result(self, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until it has ended; its last line, which is the result."""
        if self._process.wait(timeout) is None:
            raise PeerTimeoutError(f"{self.name} did not end in {timeout:g} s; {self.log_text()[-3000:]}")
        self._reader.join(5)
        if not self._lines or self._lines[-1]["event"] != "result":
            raise PeerDiedError(f"{self.name} ended without a result:\n{self.log_text()[-3000:]}")
        assert "Traceback" not in self._process.log_text(), self._process.log_text()
        return self._lines[-1]

    @property
    def exit_code(self) -> int | None:
        return self._process.wait(0)

    def events(self) -> list[dict[str, Any]]:
        return list(self._lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self._process.pid, signal.SIGINT)

    def heard(self) -> Samples:
        """What the last call gave to the speaker, at RATE."""
        return read_wav(self._recording, RATE)

    def log_text(self) -> str:
        trace = self.directory / "trace"
        text = trace.read_text(errors="replace") if trace.exists() else ""
        return f"{text}{self._process.log_text()}{json.dumps(self._lines, indent=1)}"

    def stop(self) -> None:
        """End it and remove its directory. May be called again."""
        self._process.stop()
        self._reader.join(5)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(json.loads(line))


def silent(samples: Samples) -> bool:
    """Whether nothing at all is in it (concealment and comfort noise would be something)."""
    return samples.size > 0 and int(np.abs(samples.astype(np.int32)).max()) <= 8
