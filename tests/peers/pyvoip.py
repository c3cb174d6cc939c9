"""pyVoIP in a process of its own, over UDP through Kamailio(udp=True): the downgrade adversary.

Owns: the process of programs/pyvoip_peer.py and its JSON lines. Must not know: the softphone.

Quirks of pyVoIP 1.6.8 met here:
- It answers whatever profile was offered, RTP/SAVP among them, with clear RTP/AVP, and offers RTP/AVP itself.
- UDP only; digest MD5; one second passes between INVITE and its ringing callback; it does not send 100.
- As a caller it cannot complete a call through a proxy: its ACK has a new To tag, no Route, and the request-URI of
  the INVITE. `dial` serves to see its clear offer refused.
- It copies no Record-Route into its answers: the caller's ACK and BYE come without Route, and Kamailio takes them so.
- It understands a challenge by 401 only, not by 407, and ignores 4xx answers to its INVITE.
- Audio is 8 bits, unsigned; the hearing side yields silence (0x80) when nothing came.
"""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from tests.peers.kamailio import Kamailio
from tests.peers.ports import free_port, free_port_range
from tests.peers.process import PeerProcess, short_directory

PROGRAM: Final = Path(__file__).parent / "programs" / "pyvoip_peer.py"
Event = dict[str, Any]


class PyVoip:
    """A running pyVoIP, registered when the constructor returns."""

    def __init__(
        self,
        server: Kamailio,
        user: str,
        password: str,
        *,
        speech: Path | None = None,
        answermode: Literal["auto", "manual"] = "auto",
    ) -> None:
        """Start it; `speech` is an 8000 Hz mono WAV file that it says again and again (none: silence)."""
        if server.udp_port is None:
            raise ValueError("pyVoIP needs Kamailio(udp=True)")
        self.uri = f"sip:{user}@{server.domain}"
        self.directory = short_directory("pyvoip")
        self.rtp_ports = free_port_range()
        self._events: list[Event] = []
        self._taken = 0
        self._process = PeerProcess(
            "pyVoIP",
            [
                *(sys.executable, str(PROGRAM), str(server.udp_port), user, password, str(free_port())),
                *map(str, self.rtp_ports),
                str(speech or "-"),
                answermode,
            ],
            log=self.directory / "log",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, name="pyVoIP", daemon=True)
        self._reader.start()
        try:
            self.wait_for("registered", timeout=15)
        except BaseException:
            self._process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def dial(self, user: str) -> None:
        """Call a user of the server."""
        self._send(f"dial {user}")

    def answer(self) -> None:
        self._send("answer")

    def deny(self) -> None:
        """Answer 486."""
        self._send("deny")

    def hangup(self) -> None:
        self._send("hangup")

    def events(self) -> list[Event]:
        """Every event so far: registered, incoming (with the offered `profile`), answered, ended (`heard` frames)."""
        return list(self._events)

    def wait_for(
        self, kind: str, *, timeout: float = 10.0, where: Callable[[Event], bool] = lambda _event: True
    ) -> Event:
        """The next event of that kind after the one that the last `wait_for` returned."""

        def look() -> Event | None:
            for number in range(self._taken, len(self._events)):
                if self._events[number]["event"] == kind and where(self._events[number]):
                    self._taken = number + 1
                    return self._events[number]
            return None

        return self._process.until(look, kind, timeout)

    def log_text(self) -> str:
        return self._process.log_text()

    def stop(self) -> None:
        """End it and remove its directory. May be called again."""
        self._process.stop()
        self._reader.join(5)
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Crash: it neither hangs up nor unregisters."""
        self._process.kill()

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):
                self._events.append(json.loads(line))
