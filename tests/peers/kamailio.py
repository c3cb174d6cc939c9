"""Kamailio as registrar and record-routing proxy over TLS for the domain sip.test (templates/kamailio.cfg).

Owns: its configuration, its processes, what it knows of registrations, and its record of SIP messages.
Must not know: the softphone.

Quirks of Kamailio 5.6 met here:
- An alias 127.0.0.1 without a port makes every phone on the loopback "myself": in-dialog requests loop.
- It dials a phone back at its Contact port unless the Contact carries the connection (`set_contact_alias`).
- Its own log says "TLS required"-like refusals only at debug level 3; the TLS version of each request is logged
  by our configuration at level 2 (`log_text()`).
- Registrations live in memory: `kill()` and `restart()` forget them, as a crashed server would.
- In-dialog requests that it forwards carry `;alias=` in Contact URIs: that is Kamailio's, not the phone's.
- SUBSCRIBE and PUBLISH end with 489 unless `presence` is asked for. Its presence modules publish to itself over TLS;
  NOTIFY passes its own routing, which knows the connection of a phone. After `restart()` it answers 481 to what was
  subscribed before.
- It promises GRUUs to every phone that names an instance (`gruu_enabled`), and finds the way to one in a dialog only if
  its script asks for it (`is_gruu()`, `lookup()`), or by `;alias=`, which it adds to GRUUs too.
- As an edge proxy (`edge_of`) it puts flow tokens into Record-Route for a Contact with `;ob`, not for a GRUU.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.certificates import Identity, PrivateCa
from tests.peers.ports import free_port
from tests.peers.process import PeerProcess, require, search_path, short_directory, until

DOMAIN: Final = "sip.test"
_USERS: Final = ("alice", "bob", "carol", "dave", *(f"member{number}" for number in range(1, 9)))
PASSWORDS: Final[Mapping[str, str]] = {user: f"{user}pw" for user in _USERS}
MESSAGE_SUMMARY: Final = "application/simple-message-summary"
EMPTY_TABLES: Final = Path("/usr/share/kamailio/dbtext/kamailio")
TEMPLATES: Final = Path(__file__).parent / "templates"
START_TIMEOUT: Final = 30.0  # s; a busy machine


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message as the proxy received or sent it, in clear text."""

    moment: float
    """Seconds since the epoch."""
    direction: str
    """"in" (received by the proxy) or "out"."""
    transport: str
    source: tuple[str, int]
    destination: tuple[str, int]
    text: str

    @property
    def start_line(self) -> str:
        return self.text.partition("\r\n")[0]

    @property
    def method(self) -> str:
        """The method of a request; of a response, that of its CSeq."""
        return self.header("CSeq").rpartition(" ")[2] if self.status else self.start_line.partition(" ")[0]

    @property
    def status(self) -> int | None:
        """The status of a response, None for a request."""
        return int(self.start_line.split(" ")[1]) if self.start_line.startswith("SIP/2.0 ") else None

    @property
    def body(self) -> str:
        return self.text.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """The first value of a header in its long form, or ""."""
        found = re.search(rf"(?im)^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r$", self.text.partition("\r\n\r\n")[0] + "\r")
        return found[1] if found else ""


class Kamailio:
    """A running Kamailio; TLS on `host`:`tls_port`, and UDP on `udp_port` when asked for."""

    domain = DOMAIN

    def __init__(
        self,
        ca: PrivateCa,
        *,
        sha256: bool = False,
        udp: bool = False,
        dump: bool = True,
        rtpengine: int | None = None,
        rtpengine_flags: str = "",
        mutual: bool = False,
        identity: Identity | None = None,
        nonce_seconds: int = 300,
        min_expires: int = 30,
        max_expires: int = 3600,
        host: str = "127.0.0.1",
        tls_port: int | None = None,
        outbound: bool = False,
        gruu: bool = True,
        edge_of: Kamailio | None = None,
        flow_timer: int = 20,
        presence: bool = False,
        min_subscription: int = 0,
        max_subscription: int = 3600,
        min_session: int = 0,
        asserts: bool = False,
        invite_header: str = "",
    ) -> None:
        """Start and wait until it answers.

        `rtpengine`: the control port of a running Rtpengine; `rtpengine_flags`: e.g. "RTP/SAVP" to make it speak
        SRTP to both sides. `identity`: another certificate than the good one. `nonce_seconds`: after that long a
        digest nonce is stale (RFC 7616 §3.3). `min_expires`: shorter registrations are made this long (RFC 3261 §10.3),
        longer ones than `max_expires` are cut.
        `host`: the address that it listens on; `tls_port`: a port that the caller knows to be free there.
        `outbound`: a registrar that knows flows and Path (RFC 5626 §6), and gives GRUUs if `gruu`; it wants `udp` for
        its edge proxy. `edge_of`: no registrar, but the edge proxy of that one; `flow_timer`: seconds within which it
        wants a keep-alive.
        `presence`: busy lamps (RFC 4235) and message waiting (`publish_mailbox`); shorter subscriptions than
        `min_subscription` seconds get 423, longer ones than `max_subscription` are cut.
        `min_session`: INVITEs with a shorter session interval get 422 (RFC 4028 §8.1).
        `asserts`: it vouches for caller and callee (RFC 3325) and serves callers who hide. `invite_header`: a line that
        it adds to each INVITE outside of a dialog.
        """
        require("kamailio", "kamcmd")
        self.ca = ca
        self.host = host
        self.tls_port = tls_port or free_port()
        self.udp_port = free_port() if udp or edge_of is not None else None
        self.directory = short_directory("kam")
        self._log = self.directory / "log"
        self._dump = self.directory / "dump"
        self._control = self.directory / "ctl.sock"
        self._dump.mkdir()
        switches = {
            "WITH_SHA256": sha256,
            "WITH_UDP": udp,
            "WITH_DUMP": dump,
            "WITH_RTPENGINE": rtpengine is not None,
            "WITH_OUTBOUND": outbound,
            "WITH_PRESENCE": presence,
            "WITH_ASSERTS": asserts,
            "WITH_INVITE_HEADER": bool(invite_header),
            "WITH_SESSION_MINIMUM": min_session > 0,
        }
        self._defines = [word for name, wanted in switches.items() if wanted for word in ("-A", name)]
        identity = identity or ca.server
        words = {
            "DIRECTORY": self.directory,
            "MODULES": f"{_module_folder()}/",
            "ADDRESS": host,
            "TLS_PORT": self.tls_port,
            "UDP_PORT": self.udp_port or 0,
            "RTPENGINE_PORT": rtpengine or 0,
            "RTPENGINE_FLAGS": rtpengine_flags,
            "NONCE_SECONDS": nonce_seconds,
            "MIN_EXPIRES": min_expires,
            "MAX_EXPIRES": max_expires,
            "MIN_SUBSCRIPTION": min_subscription,
            "MIN_SESSION": max(min_session, 90),
            "MAX_SUBSCRIPTION": max_subscription,
            "ACCOUNTS": "\n".join(f'    $sht(password=>{user}) = "{word}";' for user, word in PASSWORDS.items()),
            "CERTIFICATE": identity.certificate,
            "PRIVATE_KEY": identity.private_key,
            "ROOT": ca.root,
            "MUTUAL": "yes" if mutual else "no",
            "REGISTRAR": f"{edge_of.host}:{edge_of.udp_port}" if edge_of is not None else "",
            "FLOW_TIMER": flow_timer,
            "INVITE_HEADER": invite_header,
            "GRUU": int(gruu),
            "EDGE_LIFETIME": flow_timer + 10,
        }
        main = "edge.cfg" if edge_of else "kamailio.cfg"
        for name, template in (("kamailio.cfg", main), ("tls.cfg", "tls.cfg"), ("presence.cfg", "presence.cfg")):
            text = (TEMPLATES / template).read_text()
            for word, value in words.items():
                text = text.replace(f"@{word}@", str(value))
            (self.directory / name).write_text(text)
        if presence:
            shutil.copytree(EMPTY_TABLES, self.directory / "dbtext")
        self._process = self._start()

    @property
    def root(self) -> Path:
        """The certificate that a phone must trust."""
        return self.ca.root

    def registered(self, user: str) -> list[str]:
        """The Contact URIs that `user` has registered, newest first."""
        return re.findall(r"^\s*Address: (.*)$", self._ask("ul.lookup", "location", user), re.MULTILINE)

    def wait_registered(self, user: str, count: int = 1, timeout: float = 10.0) -> list[str]:
        """Wait until `user` has `count` contacts (0: until it has none) and return them."""
        if count == 0:
            self._process.until(lambda: not self.registered(user), f"{user} to be unregistered", timeout)
            return []
        return self._process.until(
            lambda: contacts if len(contacts := self.registered(user)) == count else None,
            f"{user} to have {count} contact(s)",
            timeout,
        )

    def answer(self, method: str, mood: str) -> None:
        """From now on, outside dialogs: "503 90" (and Retry-After), "302 sip:other", "silence"; "" as ever."""
        command = ("htable.sets", "mood", method, mood) if mood else ("htable.delete", "mood", method)
        self._ask(*command)

    def publish_mailbox(self, user: str, summary: str) -> None:
        """What a voice mail server would publish (RFC 3903): `summary` is a body of RFC 3842. Needs `presence`."""
        self._request("PUBLISH", f"sip:{user}@{DOMAIN}", user, summary, "Event: message-summary", "Expires: 3600")

    def notify_unasked(self, user: str, event: str, body: str, content_type: str = MESSAGE_SUMMARY) -> None:
        """NOTIFY to `user` outside of any subscription."""
        headers = (f"Event: {event}", "Subscription-State: active")
        self._request("NOTIFY", f"sip:{user}@{DOMAIN}", user, body, *headers, content_type=content_type)

    def _request(
        self, method: str, uri: str, user: str, body: str, *headers: str, content_type: str = MESSAGE_SUMMARY
    ) -> None:
        """Has Kamailio send a request of its own through its own routing."""
        lines = (
            f"From: <sip:voicemail@{DOMAIN}>",  # it adds the tag
            f"To: <sip:{user}@{DOMAIN}>",
            f"Contact: <sip:{self.host}:{self.tls_port};transport=tls>",
            *headers,
            f"Content-Type: {content_type}",
        )
        itself = f"sip:{self.host}:{self.tls_port};transport=tls"
        self._tell("tm.t_uac_start", method, uri, itself, ".", "".join(f"{line}\r\n" for line in lines), body)

    def messages(self) -> list[SipMessage]:
        """Every SIP message that passed, oldest first, in clear."""
        found: list[SipMessage] = []
        for file in self._dump.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                found += _parse_dump(file.read_bytes().decode(errors="replace"))
        return sorted(found, key=lambda message: message.moment)

    def wait_message(self, method: str, status: int | None = None, *, timeout: float = 5.0) -> SipMessage:
        """The newest request of `method` (or response to it with `status`) that the proxy received."""
        return until(
            lambda: next(
                (
                    message
                    for message in reversed(self.messages())
                    if message.direction == "in" and message.method == method and message.status == status
                ),
                None,
            ),
            f"kamailio to receive {method} {status or ''}",
            timeout,
        )

    def answers(self, method: str, event: str) -> list[str]:
        """The final statuses that requests of `method` for an event package got, challenges left out."""
        asked = {
            (m.header("Call-ID"), m.header("CSeq"))
            for m in self.messages()
            if m.direction == "in" and m.method == method and m.header("Event") == event
        }
        found = [
            m for m in self.messages() if m.direction == "out" and (m.header("Call-ID"), m.header("CSeq")) in asked
        ]
        return [str(m.status) for m in found if m.status not in (None, 100, 401, 407)]

    def until(self, check: Callable[[], object], what: str, timeout: float = 5.0) -> None:
        """Wait for something that its record of messages will show."""
        self._process.until(check, what, timeout)

    def log_text(self) -> str:
        return self._process.log_text()

    def stop(self) -> None:
        """End it and remove its directory. May be called again."""
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Crash: every process of it dies at once; connections are reset, registrations forgotten."""
        self._process.kill()

    def pause(self) -> None:
        """It hangs: the kernel still takes connections for it, and it answers nothing until `go_on()`."""
        self._process.pause()

    def go_on(self) -> None:
        self._process.go_on()

    def restart(self) -> None:
        """Start again on the same ports after `kill()`, or end and start."""
        self._process.stop()
        self._process = self._start()

    def _start(self) -> PeerProcess:
        self._control.unlink(missing_ok=True)
        process = PeerProcess(
            "kamailio",
            # -DD: stay in front; -E: log to stderr; 32 MiB shared and 8 MiB private memory are plenty and start faster.
            [
                *("kamailio", "-f", str(self.directory / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "8"),
                *("-Y", str(self.directory), *self._defines),
            ],
            log=self._log,
            directory=self.directory,
        )
        try:
            process.until(lambda: self._control.exists() and self._ask("core.uptime"), "to answer", START_TIMEOUT)
        except BaseException:
            process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        return process

    def _tell(self, *command: str) -> None:
        """A command that must work."""
        done = subprocess.run(
            ["kamcmd", "-s", f"unix:{self._control}", *command],
            capture_output=True,
            text=True,
            timeout=5,
            env={"PATH": search_path()},
            check=False,
        )
        if done.returncode != 0 or "error:" in done.stdout:
            raise RuntimeError(f"kamailio refused {command[0]}: {done.stdout}{done.stderr}")

    def _ask(self, *command: str) -> str:
        """Send a command to the control socket; the text of its answer, or "" for an error such as "not found"."""
        done = subprocess.run(
            ["kamcmd", "-s", f"unix:{self._control}", *command],
            capture_output=True,
            text=True,
            timeout=5,
            env={"PATH": search_path()},
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""


def _module_folder() -> Path:
    """Debian puts the modules below the machine's own library folder."""
    for pattern in ("/usr/lib/*/kamailio/modules", "/usr/lib*/kamailio/modules"):
        for folder in Path("/").glob(pattern.lstrip("/")):
            return folder
    raise FileNotFoundError("kamailio's modules")


def _parse_dump(text: str) -> list[SipMessage]:
    """The records of the sipdump module: `name: value` lines, a line of ~, the message, a line of |."""
    found = []
    for record in re.finditer(r"={20}\n(.*?)~{20}\n(.*?)\|{20}\n", text, re.DOTALL):
        facts = dict(line.split(": ", 1) for line in record[1].splitlines())
        found.append(
            SipMessage(
                moment=float(facts["time"]),
                direction={"rcv": "in", "snd": "out"}[facts["tag"]],
                transport=facts["proto"].split()[0],
                source=(facts["srcip"], int(facts["srcport"])),
                destination=(facts["dstip"], int(facts["dstport"])),
                text=record[2],
            )
        )
    return found
