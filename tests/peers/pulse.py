"""A PulseAudio of the tests' own: two pairs of virtual devices, no sound card needed.

Owns: the server, its null sinks and the 10 ms readers that keep them running. Must not know: the phone.
What is played into `a_mic` is what phone A hears as its microphone `a_in`; what phone A plays arrives at `a_spk` and
is recorded from its monitor. `norewinds=1` because without it a null sink runs slower than real time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from tests.peers.process import PeerProcess, require, short_directory, until

RATE = 48_000
SINKS = ("a_mic", "a_spk", "b_mic", "b_spk")
SOURCES = ("a_in", "b_in")

_CONFIGURATION = "\n".join(
    [
        "load-module module-native-protocol-unix auth-anonymous=1 socket={socket}",
        *(
            f"load-module module-null-sink sink_name={name} rate={RATE} channels=1 norewinds=1"
            f" sink_properties=device.description={name.capitalize()}"
            for name in SINKS
        ),
        *(
            f"load-module module-remap-source source_name={name}_in master={name}_mic.monitor"
            f" source_properties=device.description={name.capitalize()}_in"
            for name in ("a", "b")
        ),
        "set-default-sink a_spk",
        "set-default-source a_in",
        "",
    ]
)

# ALSA's default device is the server, which is how PortAudio reaches it.
_ALSA = "</usr/share/alsa/alsa.conf>\npcm.!default {\n type pulse\n}\nctl.!default {\n type pulse\n}\n"


class Recording:
    """A running `parec` on one source; `stop()` gives what it heard as int16 mono at 48 kHz."""

    def __init__(self, process: PeerProcess, raw: Path) -> None:
        self._process = process
        self._raw = raw

    def delivered(self) -> int:
        """Samples so far: of two recordings at one moment, the difference is that of their beginnings."""
        return self._raw.stat().st_size // 2

    def latest(self, samples: int) -> NDArray[np.int16]:
        """The last of them; fewer where there are not so many yet."""
        with self._raw.open("rb") as raw:
            raw.seek(max(0, self.delivered() - samples) * 2)
            octets = raw.read()
        return np.frombuffer(octets[: len(octets) // 2 * 2], np.int16)

    def stop(self) -> NDArray[np.int16]:
        self._process.stop()
        octets = self._raw.read_bytes()
        return np.frombuffer(octets[: len(octets) // 2 * 2], np.int16)


class PulseRig:
    """Starts on entry, ends on exit with everything that runs against it.

    `environment` is what a client needs to find this server and no other; `microphone(phone)`, `speaker(phone)` give
    the device names of phone "a" or "b".
    """

    def __init__(self) -> None:
        require("pulseaudio", "pactl", "parec", "paplay")
        self.directory = short_directory("pulse")
        self.socket = self.directory / "native"
        alsa = self.directory / "asound.conf"
        alsa.write_text(_ALSA)
        self.environment: Mapping[str, str] = {
            "XDG_RUNTIME_DIR": str(self.directory),
            "PULSE_RUNTIME_PATH": str(self.directory),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_COOKIE": str(self.directory / "cookie"),
            "ALSA_CONFIG_PATH": str(alsa),
        }
        self._processes: list[PeerProcess] = []
        self._server: PeerProcess | None = None
        self._count = 0

    def __enter__(self) -> PulseRig:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def microphone(phone: str) -> str:
        return f"{phone}_in"

    @staticmethod
    def speaker(phone: str) -> str:
        return f"{phone}_spk"

    def start(self) -> None:
        """Start the server (again, after `kill_server`) and the readers that keep its sinks at 10 ms."""
        configuration = self.directory / "pulse.pa"
        configuration.write_text(_CONFIGURATION.format(socket=self.socket))
        self.socket.unlink(missing_ok=True)
        self._server = self._run(
            "pulseaudio",
            [
                *("pulseaudio", "-n", "-F", str(configuration), "--daemonize=no", "--exit-idle-time=-1"),
                *("--use-pid-file=no", "--disallow-exit", "--log-target=stderr", "--realtime=no", "--high-priority=no"),
            ],
        )
        self._server.until(self._answers, "to answer", timeout=10)
        # PulseAudio gives up a priority that it was started with, and with it its sinks would lose theirs.
        for task in Path(f"/proc/{self._server.pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), os.getpriority(os.PRIO_PROCESS, 0))
        for sink in SINKS:
            self._run("parec", ["parec", "-d", f"{sink}.monitor", "--latency-msec=10", "--raw"], stdout=os.devnull)

    def kill_server(self) -> None:
        """As a crash: every stream of every client ends."""
        assert self._server is not None
        self._server.kill()
        self._processes.remove(self._server)
        for process in self._processes:
            process.kill()
        self._processes.clear()

    @contextmanager
    def server_stopped(self) -> Iterator[None]:
        """The server takes connections and says nothing, as one that hangs."""
        assert self._server is not None
        self._server.pause()
        try:
            yield
        finally:
            self._server.go_on()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
        self._processes.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Point libpulse and ALSA of the running process at this server; undone at the end."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def control(self, *words: str) -> str:
        """Run `pactl` and return what it says."""
        done = subprocess.run(
            ["pactl", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
        return done.stdout

    def play(self, sink: str, wav: Path) -> PeerProcess:
        """Start to play a WAV file into a sink; the process ends with the file."""
        return self._run("paplay", ["paplay", "-d", sink, "--latency-msec=20", str(wav)])

    def play_samples(self, sink: str, samples: NDArray[np.int16], rate: int = RATE) -> PeerProcess:
        self._count += 1
        wav = self.directory / f"play{self._count}.wav"
        with wave.open(str(wav), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        return self.play(sink, wav)

    def record(self, source: str) -> Recording:
        """Start to record a source or `SINK.monitor`; it has delivered its first samples when this returns."""
        self._count += 1
        raw = self.directory / f"record{self._count}.raw"
        process = self._run(
            "parec",
            ["parec", "-d", source, "--latency-msec=10", "--raw", f"--rate={RATE}", "--channels=1", "--format=s16le"],
            stdout=str(raw),
        )
        process.until(lambda: raw.exists() and raw.stat().st_size > 0, f"sound from {source}")
        return Recording(process, raw)

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            return "a_spk" in self.control("list", "short", "sinks")
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False

    def _run(self, name: str, command: list[str], stdout: str | None = None) -> PeerProcess:
        log = self.directory / f"{name}.log"
        if stdout is None:
            process = PeerProcess(name, command, log=log, environment=self.environment)
        else:
            with Path(stdout).open("wb") as output:
                process = PeerProcess(name, command, log=log, environment=self.environment, stdout=output.fileno())
        self._processes.append(process)
        return process


def settle(seconds: float) -> None:
    """Let sound flow for a while: the one thing in these tests that takes real time."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, "time to pass", timeout=seconds + 5)
