"""rtpengine in user space: a media proxy that decrypts, records in clear and encrypts anew.

Owns: its process, its port range, its recordings. Must not know: who signals
(Kamailio does: `Kamailio(rtpengine=...)`).

Quirks of rtpengine 10.5: `--table=-1` is user space; the recording is written while the call runs below
`recordings/tmp` and appears as `recordings/pcaps/*.pcap` when the call ends, link type Ethernet with made-up
addresses; it offers a dozen suites when asked to bridge to RTP/SAVP, NULL ciphers among them; it leaves the padding
of its base64 keys out (which baresip reads wrongly) unless its flag SDES-pad is set.
"""

import shutil
import socket
import time
from pathlib import Path

from tests.peers.capture import Datagram, read_datagrams
from tests.peers.ports import free_port, free_port_range
from tests.peers.process import PeerProcess, require, short_directory


class Rtpengine:
    """A running rtpengine; `port` is its control port for Kamailio."""

    def __init__(self, *, recording: bool = True, address: str = "127.0.0.1") -> None:
        """`address`: where its media ports are."""
        require("rtpengine")
        self.directory = short_directory("rtpe")
        self.recordings = self.directory / "recordings"
        self.recordings.mkdir()
        self.port = free_port()
        self.media_ports = free_port_range()
        command = [
            *("rtpengine", "--table=-1", "--foreground", "--log-stderr", "--log-level=6", "--config-file=none"),
            *(f"--interface={address}", f"--listen-ng=127.0.0.1:{self.port}", "--num-threads=1"),
            *(f"--port-min={self.media_ports[0]}", f"--port-max={self.media_ports[1]}", "--timeout=60"),
            *("--delete-delay=0", f"--pidfile={self.directory / 'pid'}"),
        ]
        if recording:
            command += [f"--recording-dir={self.recordings}", "--recording-method=pcap", "--recording-format=eth"]
        self._process = PeerProcess("rtpengine", command, log=self.directory / "log")
        try:
            self._process.until(self._answers, "to answer", 10)
        except BaseException:
            self._process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def recorded(self, timeout: float = 5.0) -> list[Datagram]:
        """The decrypted RTP of the last finished call; waits for the recording."""

        def newest() -> Path | None:
            files = sorted(self.recordings.glob("pcaps/*.pcap"), key=lambda file: file.stat().st_mtime)
            return files[-1] if files else None

        return list(read_datagrams(self._process.until(newest, "a finished recording", timeout).read_bytes()))

    def log_text(self) -> str:
        return self._process.log_text()

    def stop(self) -> None:
        """End it and remove its directory. May be called again."""
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        """Ask with the ng protocol's ping: a cookie and a bencoded dictionary."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.settimeout(0.2)
            control.connect(("127.0.0.1", self.port))
            try:
                control.send(b"%x d7:command4:pinge" % time.monotonic_ns())
                return b"pong" in control.recv(1024)
            except (TimeoutError, ConnectionRefusedError):
                return False
