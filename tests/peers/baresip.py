"""baresip as a phone: SIP over TLS 1.3, SDES and DTLS-SRTP, PCMU, PCMA, G.722 and Opus.

Owns: its configuration directory, its process, its control connection (JSON in netstrings over TCP).
Must not know: the softphone.

Quirks of baresip 1.0.0 (Debian 12) met here:
- It does not verify the server's certificate, whatever `sip_cafile` says; it knows digest MD5 only, and of the SRTP
  suites AES_CM_128_HMAC_SHA1_80 only. A good adversary, never a witness for trust.
- `srtp-mand` offers RTP/SAVP, `srtp` RTP/AVP with a=crypto, `dtls_srtp` UDP/TLS/RTP/SAVPF.
- Codec names are given in full (`opus/48000/2`); a name that it does not know makes it offer every codec, silently.
- `net_interface lo` fails. Its SDP names the machine's address, and the traffic to it stays on the loopback device.
- `aufile` is a source only, wants 16-bit WAV and the very rate of `ausrc_srate`, and ends the call ("end of file")
  when the file ends: we give it a copy that repeats for two minutes.
- What it hears is written by the `sndfile` module as dump-TIME-dec.wav, what it says as dump-TIME-enc.wav; the
  headers are complete only after the call. After a re-INVITE that changes the direction (a hold) it never hears
  through that module again, though it plays: listen at a PulseAudio sink, or decrypt a capture, when a test holds.
- `aubridge` joins a player and a source of one name: that is the "echo" voice. It does not survive a hold either.
- Its BYE (and the 200 to a BYE) carries X-RTP-Stat, a witness of loss and jitter (`rtp_statistics`), but only after
  the first RTCP report, which needs a call of more than 5 s.
- The control connection answers commands with a message of their own (`response`), between the events. Events from
  before the connection are lost, REGISTER_OK often among them.
"""

import contextlib
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np

from tests.peers.ports import free_port, free_port_range
from tests.peers.process import PeerDiedError, PeerProcess, PeerTimeoutError, require, short_directory, until
from tests.peers.speech import Samples, read_wav, repeat, tone

MediaEncryption = Literal["srtp-mand", "srtp", "dtls_srtp"]
AnswerMode = Literal["auto", "manual", "early"]
Event = dict[str, Any]

FULL_CODEC_NAMES: Final[Mapping[str, str]] = {
    "PCMU": "PCMU/8000/1",
    "PCMA": "PCMA/8000/1",
    "G722": "G722/16000/1",
    "opus": "opus/48000/2",
}
CONTROL_TIMEOUT: Final = 5.0

CONFIGURATION: Final = """\
poll_method epoll
sip_listen {address}:0
sip_cafile {root}
sip_certificate {certificate}
call_local_timeout 120
call_max_calls 20
audio_source {source}
audio_player {player}
audio_alert aubridge,alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
audio_txmode thread
audio_level no
audio_buffer 20-160
rtp_ports {first_port}-{last_port}
rtcp_mux {rtcp_mux}
jitter_buffer_delay 2-10
rtp_stats yes
statmode_default off
snd_path {recordings}
ctrl_tcp_listen 127.0.0.1:{control_port}
opus_bitrate 28000
opus_inbandfec yes
opus_application voip
{further_lines}
module_path {modules}
{module_lines}
module_tmp account.so
module_app menu.so
{application_lines}
"""
MODULES: Final = (
    *("g711", "g722", "opus", "aufile", "aubridge", "alsa", "sndfile"),
    *("srtp", "dtls_srtp", "uuid", "ctrl_tcp", "debug_cmd"),
)
ALSA_CONFIGURATION: Final = """\
</usr/share/alsa/alsa.conf>
pcm.phone {{
    type asym
    capture.pcm {{ type pulse device {source} }}
    playback.pcm {{ type pulse device {sink} }}
}}
"""


class SipServer(Protocol):
    """What a phone needs to know of the server that it registers with."""

    domain: str
    host: str

    @property
    def tls_port(self) -> int: ...

    @property
    def root(self) -> Path: ...


class Baresip:
    """A running baresip with one account, registered when the constructor returns (unless `register=False`)."""

    def __init__(
        self,
        name: str,
        server: SipServer,
        user: str,
        password: str,
        *,
        mediaenc: MediaEncryption | None = "srtp-mand",
        codecs: Sequence[str] = ("PCMU",),
        audio: str = "null",
        answermode: AnswerMode = "auto",
        environment: Mapping[str, str] | None = None,
        certificate: Path | None = None,
        register: bool = True,
        rtcp_mux: bool = False,
        address: str = "127.0.0.1",
        correspondent: str = "",
        ptime: int = 20,
        device_rate: int = 48_000,
        modules: Sequence[str] = (),
        settings: Sequence[str] = (),
    ) -> None:
        """Start it.

        `audio`: "null" (a 440 Hz tone is said, what is heard is only recorded), "file:/path.wav" (16-bit mono WAV is
        said, again and again), "echo" (what is heard is said), or "pulse:SOURCE,SINK" (names in the PulseAudio that
        `environment` points to).
        `address`: where its signalling comes from.
        `certificate`: PEM with certificate and key for mutual TLS and for DTLS-SRTP.
        `ptime`: ms of a packet, as it asks for and sends.
        `correspondent`: the URI that `message` writes to.
        `device_rate`: Hz at which it opens the devices of "pulse:"; 0 is the codec's own, and PulseAudio resamples.
        `modules`: more of its modules ("plc"); `settings`: more lines of its configuration ("opus_packet_loss 10").
        """
        require("baresip")
        self.name = name
        self.uri = f"sip:{user}@{server.domain}"
        self.directory = short_directory(name)
        self.recordings = self.directory / "heard"
        self.recordings.mkdir()
        self.rtp_ports = free_port_range()
        control_port = free_port()
        source, player, rate = self._audio(audio, codecs, device_rate)
        (self.directory / "config").write_text(
            CONFIGURATION.format(
                address=address,
                root=server.root,
                certificate=certificate or "",
                source=source,
                player=player,
                rate=rate or "",
                first_port=self.rtp_ports[0],
                last_port=self.rtp_ports[1],
                recordings=self.recordings,
                control_port=control_port,
                rtcp_mux="yes" if rtcp_mux else "no",
                modules=_module_folder(),
                module_lines="\n".join(f"module {module}.so" for module in (*MODULES, *modules)),
                further_lines="\n".join(settings),
                application_lines="module_app contact.so" if correspondent else "",
            )
        )
        parameters = {
            "auth_user": user,
            "auth_pass": password,
            "outbound": f'"sip:{server.host}:{server.tls_port};transport=tls"',
            "regint": "600" if register else "0",
            "mediaenc": mediaenc,
            "answermode": answermode,
            "ptime": str(ptime),
            "audio_codecs": ",".join(FULL_CODEC_NAMES[codec] for codec in codecs),
        }
        settings = ";".join(f"{key}={value}" for key, value in parameters.items() if value is not None)
        (self.directory / "accounts").write_text(f"<{self.uri};transport=tls>;{settings}\n")
        (self.directory / "contacts").write_text(f'"Correspondent" <{correspondent}>\n' if correspondent else "")
        (self.directory / "current_contact").write_text(correspondent)
        self._process = PeerProcess(
            f"baresip {name}",
            ["baresip", "-4", "-s", "-f", str(self.directory)],
            log=self.directory / "log",
            environment={**(environment or {}), "ALSA_CONFIG_PATH": str(self.directory / "asound.conf")},
        )
        try:
            self._control = _Control(self._process, control_port)
            if register:
                # The event may come before the control connection does: its log is the witness.
                self._process.until(lambda: re.search(r" 200 OK .*\[\d+ binding", self.log_text()), "registered", 10)
        except BaseException:
            self._process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def dial(self, uri: str) -> None:
        """Call `uri`; the events tell how it goes."""
        self.command("dial", uri)

    def answer(self) -> None:
        self.command("accept")

    def hangup(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def dtmf(self, digits: str) -> None:
        """Send each digit as a telephone-event (RFC 4733)."""
        for digit in digits:
            self.command("sndcode", digit)

    def message(self, text: str) -> None:
        """Send a SIP MESSAGE (RFC 3428) to `correspondent`. What comes is in the log."""
        self.command("message", text)

    @property
    def stat(self) -> str:
        """What baresip prints of its current call: codec, encryption, packets, jitter, loss."""
        return str(self.command("audio_debug"))

    def events(self) -> list[Event]:
        """Every event so far, oldest first: dictionaries with `type`, and `peeruri`, `param`, ... where they apply."""
        return self._control.events()

    def wait_for(
        self, kind: str, *, timeout: float = 10.0, where: Callable[[Event], bool] = lambda _event: True
    ) -> Event:
        """The next event of type `kind` that no earlier `wait_for` has returned."""
        return self._control.wait_for(kind, timeout, where)

    def command(self, name: str, parameter: str | None = None) -> str:
        """One command of baresip's menu; raises when baresip refuses it."""
        return self._control.command(name, parameter)

    def heard(self) -> Samples:
        """All that baresip heard so far, its streams one after another; the rate is in `heard_rate`."""
        return self._recorded("dec")

    def said(self) -> Samples:
        """All that baresip's source gave so far."""
        return self._recorded("enc")

    def heard_rate(self) -> int:
        """The rate of `heard()` in Hz."""
        return read_wav(self._files("dec")[0])[1]

    def log_text(self) -> str:
        """Its output, with every SIP message that it sent and received."""
        return self._process.log_text()

    def stop(self) -> None:
        """End it (it hangs up and unregisters) and remove its directory. May be called again."""
        self._control.close()
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Crash: neither BYE nor unregistration."""
        self._control.close()
        self._process.kill()

    def _audio(self, audio: str, codecs: Sequence[str], device_rate: int) -> tuple[str, str, int]:
        kind, _, where = audio.partition(":")
        bridge = f"aubridge,{self.name}"
        match kind:
            case "file":
                said = self.directory / "said.wav"
                return f"aufile,{said}", bridge, repeat(Path(where), said)
            case "pulse":
                require("pulseaudio")
                source, _, sink = where.partition(",")
                (self.directory / "asound.conf").write_text(ALSA_CONFIGURATION.format(source=source, sink=sink))
                return "alsa,phone", "alsa,phone", device_rate
            case "echo":
                return bridge, bridge, 48000 if "opus" in codecs else 8000
            case "null":
                said, second = self.directory / "said.wav", self.directory / "tone.wav"
                tone(second, 48000 if "opus" in codecs else 16000 if "G722" in codecs else 8000)
                return f"aufile,{said}", bridge, repeat(second, said)
        raise ValueError(audio)

    def _files(self, direction: str) -> list[Path]:
        return until(lambda: sorted(self.recordings.glob(f"dump-*-{direction}.wav")), f"a recording of {self.name}")

    def _recorded(self, direction: str) -> Samples:
        return np.concatenate([read_wav(file)[0] for file in self._files(direction)])


def rtp_statistics(message: str) -> dict[str, str]:
    """The fields of X-RTP-Stat in a SIP message: CD, PS, PR, PL, JI, EN, DE, ...

    PS and PR count packets sent and received, PL names packets lost "received,sent", JI jitter "received,sent" in ms.
    """
    found = re.search(r"(?im)^X-RTP-Stat:[ \t]*(.*?)\r?$", message)
    if not found:
        return {}
    return dict(field.split("=", 1) for field in found[1].split(";") if "=" in field)


class _Control:
    """The control connection: a thread reads, events and answers are kept apart."""

    def __init__(self, process: PeerProcess, port: int) -> None:
        self._process = process
        self._socket = process.until(lambda: _connect(port), "its control port")
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._taken: set[int] = set()
        self._answers: dict[str, Event] = {}
        self._count = 0
        self._closed = False
        self._reader = threading.Thread(target=self._read, name=process.name, daemon=True)
        self._reader.start()

    def command(self, name: str, parameter: str | None) -> str:
        self._count += 1
        token = str(self._count)
        message = {"command": name, "token": token} | ({} if parameter is None else {"params": parameter})
        encoded = json.dumps(message).encode()
        self._socket.sendall(b"%d:%s," % (len(encoded), encoded))
        answer = self._wait(lambda: self._answers.pop(token, None), f"an answer to {name}", CONTROL_TIMEOUT)
        if not answer.get("ok"):
            raise RuntimeError(f"{self._process.name} refused {name} {parameter or ''}: {answer.get('data')}")
        return str(answer.get("data", ""))

    def events(self) -> list[Event]:
        with self._changed:
            return list(self._events)

    def wait_for(self, kind: str, timeout: float, where: Callable[[Event], bool]) -> Event:
        def look() -> Event | None:
            for number, event in enumerate(self._events):
                if number not in self._taken and event["type"] == kind and where(event):
                    self._taken.add(number)
                    return event
            return None

        return self._wait(look, kind, timeout)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(CONTROL_TIMEOUT)
        self._socket.close()

    def _wait(self, look: Callable[[], Event | None], what: str, timeout: float) -> Event:
        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None:
                if self._closed:
                    raise PeerDiedError(f"{self._process.name} ended:\n{self._process.log_text()[-2000:]}")
                left = deadline - time.monotonic()
                if left <= 0:
                    seen = [event["type"] for event in self._events]
                    log = self._process.log_text()[-3000:]
                    raise PeerTimeoutError(f"waited {timeout:g} s for {what}; seen: {seen}\n{log}")
                self._changed.wait(left)
            return found

    def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                buffer += data
                while (parts := buffer.partition(b":"))[1] and len(parts[2]) > int(parts[0]):
                    length = int(parts[0])
                    self._take(json.loads(parts[2][:length]))
                    buffer = parts[2][length + 1 :]
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, message: Event) -> None:
        with self._changed:
            if message.get("response"):
                self._answers[str(message.get("token"))] = message
            else:
                self._events.append({**message, "moment": time.monotonic()})
            self._changed.notify_all()


def _connect(port: int) -> socket.socket | None:
    try:
        connection = socket.create_connection(("127.0.0.1", port), CONTROL_TIMEOUT)
    except ConnectionRefusedError:
        return None
    connection.settimeout(None)
    return connection


def _module_folder() -> Path:
    for folder in ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"):
        if Path(folder).is_dir():
            return Path(folder)
    raise FileNotFoundError("baresip's modules")
