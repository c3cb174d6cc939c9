"""The phones that are measured side by side, behind one face: ours, baresip and linphone, on one server and one sound
system.

Owns: starting and driving each as a person's machine would run it (a process with a sound card). What is measured is
read from outside: the server's record of SIP messages, /proc, and the sound devices.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.peers.baresip import Baresip
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.linphone import Linphone
from tests.peers.process import PeerTimeoutError, short_directory, until
from tests.peers.pulse import PulseRig

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class BenchPhone(Protocol):
    """One phone of one user; `began` is when its process was started, in seconds since the epoch."""

    began: float

    @property
    def pid(self) -> int: ...

    def stop(self) -> None: ...


PLAIN = tuple(f'{key} = "off"' for key in ("echo_cancellation", "noise_suppression", "high_pass"))
"""Nothing done to the voice, as the peers are here: null sinks count as loudspeakers, and would have it done."""


class OurPhone:
    """`softphone answer`, or `softphone call` once `dial` is given, with the sound card."""

    def __init__(
        self,
        rig: PulseRig,
        kamailio: Kamailio,
        user: str,
        letter: str,
        dial: str | None = None,
        *,
        codec: str = "PCMU",
        devices: tuple[str, str] | None = None,
        play: Path | None = None,
        audio: Sequence[str] = PLAIN,
    ) -> None:
        """`devices`: others than the rig's pair of that letter; `play`: a file is said, and no device is opened.

        `audio`: more lines of the settings' section [audio]; without it nothing is done to the voice.
        """
        self.directory = short_directory(f"bench{letter}")
        microphone, speaker = devices or (rig.microphone(letter), rig.speaker(letter))
        config = self.directory / "settings.toml"
        config.write_text(
            f'[media]\ncodecs = ["{codec.upper()}"]\n[audio]\nmicrophone = "{microphone}"\nspeaker = "{speaker}"\n'
            + "".join(f"{line}\n" for line in audio)
        )
        command = ["call", dial] if dial else ["answer"]
        command += ["--audio", "file", "--play", str(play)] if play else []
        self._out = (self.directory / "out").open("w+b")
        self.began = time.time()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "softphone", *command, "--json", "--config", str(config)),
                *("--server", f"localhost:{kamailio.tls_port}", "--user", user, "--domain", kamailio.domain),
                *("--ca", str(kamailio.root)),
            ],
            env={**os.environ, **rig.environment, "SOFTPHONE_PASSWORD": PASSWORDS[user]},
            stdout=self._out,
            stderr=subprocess.DEVNULL,
            # As the peers have: Linux shares the processor among sessions, and the benchmark's own is a busy one.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> list[dict[str, object]]:
        lines = (self.directory / "out").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_event(self, name: str, timeout: float = 15.0) -> None:
        until(lambda: any(line["event"] == name for line in self.output()), f"our phone's {name}", timeout)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._out.close()


class BaresipPhone:
    def __init__(
        self,
        rig: PulseRig,
        kamailio: Kamailio,
        user: str,
        letter: str,
        *,
        codec: str = "PCMU",
        devices: tuple[str, str] | None = None,
        play: Path | None = None,
        device_rate: int = 48_000,
    ) -> None:
        """As OurPhone. It has all that makes it sound better: concealment, and Opus made ready for loss."""
        microphone, speaker = devices or (rig.microphone(letter), rig.speaker(letter))
        self.began = time.time()
        self.phone = Baresip(
            f"bench{letter}",
            kamailio,
            user,
            PASSWORDS[user],
            codecs=(codec,),
            audio=f"file:{play}" if play else f"pulse:{microphone},{speaker}",
            environment=rig.environment,
            device_rate=device_rate,
            modules=("plc",),
            settings=("opus_packet_loss 10",),
        )

    @property
    def pid(self) -> int:
        return self.phone.pid

    def stop(self) -> None:
        self.phone.stop()


class LinphonePhone:
    """It says a file only once a call runs: `phone.play`."""

    def __init__(
        self,
        rig: PulseRig,
        kamailio: Kamailio,
        user: str,
        letter: str,
        *,
        codec: str = "PCMU",
        devices: tuple[str, str] | None = None,
        answers: bool = False,
    ) -> None:
        microphone, speaker = devices or (rig.microphone(letter), rig.speaker(letter))
        self.began = time.time()
        self.phone = Linphone(
            f"bench{letter}",
            kamailio,
            user,
            PASSWORDS[user],
            codecs=(codec,),
            audio=f"pulse:{microphone},{speaker}",
            answermode="auto" if answers else "manual",
            environment=rig.environment,
        )

    @property
    def pid(self) -> int:
        return self.phone.pid

    def stop(self) -> None:
        """It leaves its registration behind when it is ended: the next call would reach nobody."""
        with contextlib.suppress(OSError, RuntimeError, PeerTimeoutError):
            self.phone.command("terminate", check=False)
            self.phone.command("unregister ALL", check=False)
            until(lambda: self.phone.registration() != "Ok", "linphone to unregister", 3)
        self.phone.stop()


def registered_after(kamailio: Kamailio, user: str, began: float) -> float:
    """Seconds from `began` to the 200 that the server gave to that user's REGISTER."""

    def moment() -> float | None:
        for message in kamailio.messages():
            ours = f"sip:{user}@" in message.header("To")
            granted = message.direction == "out" and message.status == 200 and message.method == "REGISTER"
            if granted and ours and message.moment >= began:
                return message.moment
        return None

    until(lambda: moment() is not None, f"{user} to be registered", 15)
    found = moment()
    assert found is not None
    return found - began


def dialled_to_established(kamailio: Kamailio, since: float) -> float:
    """Seconds from the first INVITE to the ACK of the 2xx, as the proxy saw them."""
    messages = [m for m in kamailio.messages() if m.moment >= since and m.direction == "in"]
    invite = next(m for m in messages if m.status is None and m.method == "INVITE")
    success = next(m for m in messages if m.status == 200 and m.method == "INVITE")
    ack = next(m for m in messages if m.status is None and m.method == "ACK" and m.moment >= success.moment)
    return ack.moment - invite.moment
