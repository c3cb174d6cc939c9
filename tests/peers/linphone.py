"""linphone-daemon: a second, independent stack. SIP over TLS 1.2, SDES with four suites, ZRTP, DTLS-SRTP.

Owns: its configuration, its home directory, its process, the connection to its control socket.
Must not know: the softphone.

Quirks of linphone-daemon 5.1.65 (Debian 12) met here:
- It speaks TLS 1.2 only, and verifies chain and name: the server is `localhost` to it, never an address.
- It wants a fixed `sip_tls_port` and a writable HOME (its database), and puts its control socket at /tmp/NAME.
- One connection to the control socket is held for its life. Answers have no end mark: one write, `Status: ...` first.
- Without a sound card a call is established, but no RTP flows. It names the devices of PulseAudio by their
  descriptions: "PulseAudio Unknown: DESCRIPTION".
- `call-stats` ends it with a segmentation fault (so it is not offered here), and so does the end of a file that
  `incall-player-start` plays: `play` gives it a copy that repeats for two minutes.
- When a call is resumed it goes on with key, SSRC and RTP sequence but starts its SRTCP index again: those reports are
  replays to the other side (RFC 3711 §3.4).
- `call-status` without an id knows no paused call; ids count from 1 for calls both ways.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from tests.peers.baresip import SipServer
from tests.peers.ports import free_port, free_port_range
from tests.peers.process import PeerProcess, require, short_directory
from tests.peers.speech import repeat

MediaEncryption = Literal["srtp", "zrtp", "dtls", "none"]
TEMPLATE: Final = Path(__file__).parent / "templates" / "linphonerc"
ANSWER_TIMEOUT: Final = 3.0
MOST_CALLS: Final = 20
"""Ids that are looked at: more calls than any test makes with one daemon."""


class Linphone:
    """A running linphone-daemon with one account, registered when the constructor returns (unless `register=False`)."""

    def __init__(
        self,
        name: str,
        server: SipServer,
        user: str,
        password: str,
        *,
        mediaenc: MediaEncryption = "srtp",
        mandatory: bool = True,
        suites: Sequence[str] = (),
        codecs: Sequence[str] = ("PCMU",),
        audio: str = "none",
        answermode: Literal["auto", "manual"] = "manual",
        environment: Mapping[str, str] | None = None,
        root: Path | None = None,
        register: bool = True,
        most_calls: int = MOST_CALLS,
        rtcp_mux: bool = False,
        sip: Sequence[str] = (),
    ) -> None:
        """Start it.

        `suites`: SDES suites in order of preference (RFC 4568 names; empty: linphone's own four).
        `audio`: "none" (no sound card) or "pulse:SOURCE,SINK" (names in the PulseAudio that `environment` points to).
        `sip`: further lines of its section [sip]: "session_expires_enabled=1".
        `root`: another trusted authority than the server's. `most_calls`: one more is answered 486.
        """
        require("linphone-daemon")
        self.name = name
        self.uri = f"sip:{user}@{server.domain}"
        self.directory = short_directory(name)
        self.rtp_ports = free_port_range()
        # Without this folder its database fails, and with it, silently, the opening of its transports.
        (self.directory / ".local" / "share" / "linphone").mkdir(parents=True)
        self._pipe = Path("/tmp") / f"{self.directory.name}.ctl"
        capture, playback = _cards(audio, environment or {})
        words = {
            "LISTEN_PORT": free_port(),
            "ROOT": root or server.root,
            "MEDIA_ENCRYPTION": mediaenc,
            "MANDATORY": int(mandatory),
            "RTP_PORT": self.rtp_ports[0],
            "CAPTURE": capture,
            "PLAYBACK": playback,
            "TLS_PORT": server.tls_port,
            "DOMAIN": server.domain,
            "USER": user,
            "PASSWORD": password,
            "MOST_CALLS": most_calls,
            "RTCP_MUX": int(rtcp_mux),
        }
        text = TEMPLATE.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        if suites:
            text = text.replace("[sip]\n", f"[sip]\nsrtp_crypto_suites={','.join(suites)}\n")
        text = text.replace("[sip]\n", "".join(["[sip]\n", *(f"{line}\n" for line in sip)]))
        (self.directory / "linphonerc").write_text(text)
        self._process = PeerProcess(
            f"linphone {name}",
            [
                *("linphone-daemon", "--pipe", self._pipe.name, "--config", str(self.directory / "linphonerc")),
                *("--log", str(self.directory / "trace"), "--disable-stats-events"),
                *(["--auto-answer"] if answermode == "auto" else []),
            ],
            log=self.directory / "log",
            environment={**(environment or {}), "HOME": str(self.directory)},
        )
        try:
            self._socket = self._process.until(lambda: _connect(self._pipe), "its control socket", 15)
            self.command("audio-codec-disable ALL")
            for codec in codecs:
                self.command(f"audio-codec-enable {CODEC_NAMES[codec]}")
            if register:
                self._process.until(lambda: self.registration() == "Ok", "registered", 15)
        except BaseException:
            self._process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def registration(self) -> str:
        """linphone's word for the state of its account: Ok, Progress, Failed, None, Cleared."""
        return _state(self.command("register-status ALL"))

    def dial(self, uri: str) -> None:
        self.command(f"call {uri}")

    def answer(self) -> None:
        self.command("answer")

    def hangup(self) -> None:
        self.command("terminate")

    def hold(self) -> None:
        self.command("call-pause")

    def resume(self) -> None:
        paused = next((call for call, state in self._calls() if state == "Paused"), "")
        self.command(f"call-resume {paused}")

    def dtmf(self, digits: str) -> None:
        """Send each digit as a telephone-event (RFC 4733)."""
        for digit in digits:
            self.command(f"dtmf {digit}")

    def message(self, uri: str, text: str) -> None:
        """Send a SIP MESSAGE (RFC 3428)."""
        self.command(f"message {uri} {text}")

    def play(self, wav: Path) -> None:
        """Send a WAV file into the running call, again and again, in place of the microphone."""
        endless = self.directory / f"said-{wav.name}"
        repeat(wav, endless)
        self.command(f"incall-player-start {endless}")

    @property
    def state(self) -> str:
        """The state of the current call without its prefix: OutgoingRinging, StreamsRunning, Paused, ... or ""."""
        current = _state(self.command("call-status", check=False))
        return current or next((state for _call, state in self._calls()), "")

    def wait_for_state(self, *states: str, timeout: float = 10.0) -> str:
        """Wait until the call is in one of `states` ("" is: no call) and return that state."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [self.state]
            return found[0] in states

        self._process.until(look, f"the call to be {' or '.join(states) or 'over'}", timeout)
        return found[0]

    def command(self, line: str, *, check: bool = True) -> str:
        """One command of the daemon; raises when it answers "Status: Error", unless `check` is off."""
        self._drain()
        self._socket.sendall(line.encode() + b"\n")
        self._socket.settimeout(ANSWER_TIMEOUT)
        answer = self._socket.recv(65536).decode(errors="replace")
        if check and not answer.startswith("Status: Ok"):
            raise RuntimeError(f"linphone {self.name} refused {line}: {answer}")
        return answer

    def log_text(self) -> str:
        """Its trace, with every SIP message that it sent and received."""
        trace = self.directory / "trace"
        return trace.read_text(errors="replace") if trace.exists() else self._process.log_text()

    def stop(self) -> None:
        """End it and remove its directory. May be called again."""
        with contextlib.suppress(OSError):
            self._socket.close()
        self._process.stop()
        self._pipe.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Crash: neither BYE nor unregistration."""
        self._process.kill()

    def _calls(self) -> list[tuple[int, str]]:
        """Id and state of every call that it still knows, newest first."""
        answers = ((call, self.command(f"call-status {call}", check=False)) for call in range(MOST_CALLS, 0, -1))
        return [(call, _state(answer)) for call, answer in answers if answer.startswith("Status: Ok")]

    def _drain(self) -> None:
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(65536):
                pass


CODEC_NAMES: Final[Mapping[str, str]] = {
    "PCMU": "PCMU/8000/1",
    "PCMA": "PCMA/8000/1",
    "G722": "G722/8000/1",
    "opus": "opus/48000/2",
}


def _cards(audio: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """linphone's names of the capture and playback device."""
    if audio == "none":
        return "", ""
    source, _, sink = audio.removeprefix("pulse:").partition(",")
    return _card("sources", source, environment), _card("sinks", sink, environment)


def _card(kind: str, name: str, environment: Mapping[str, str]) -> str:
    listing = subprocess.run(
        ["pactl", "--format=json", "list", kind],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        timeout=5,
    )
    return "PulseAudio Unknown: " + next(
        str(device["description"]) for device in json.loads(listing.stdout) if device["name"] == name
    )


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _state(answer: str) -> str:
    """The state in an answer of `call-status`, `register-status`, without its prefix."""
    found = re.search(r"^State: Linphone(?:Call|Registration)(.*)$", answer, re.MULTILINE)
    return found[1] if found else ""
