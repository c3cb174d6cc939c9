"""A call whose microphone and speaker change under it: virtual devices come and go, defaults and choices change.

Owns: the call (two media engines over SRTP, one with the sound card), the devices of it, each kind of change with the
time until sound is back where it belongs. Each microphone hears a tone of its own, so that one knows which is in use.
Times begin when the server is told and end when the sound is seen, at the sink's monitor or where the card is read.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

from softphone.engine.audio.backend import DeviceChoice, Samples
from softphone.engine.audio.device_endpoint import SoundCardEndpoint
from softphone.engine.audio.sound_devices import SoundDevices
from softphone.errors import Failure
from tests.engine.media.test_media_engine import Engine, join
from tests.peers.process import until
from tests.peers.pulse import RATE, PulseRig, Recording

HELD = {"home_in": 500.0, "b_in": 900.0}  # Hz of the tone that each microphone hears
PLUGGED_TONE = 1300.0
OUR_TONE = 440.0  # what the other side says
SPECIFICATIONS = ((44100, 2), (48000, 1), (44100, 1), (48000, 2), (16000, 1))  # Hz and channels of what is plugged in
_MODULES = (  # of a class that makes the server prefer them when the default is pulled out, as it prefers real cards
    ("module-null-sink", "sink_name=plug_mic", f"rate={RATE}", "channels=1", "norewinds=1"),
    ("module-null-sink", "sink_name=home_spk", f"rate={RATE}", "norewinds=1", "sink_properties=device.class=sound"),
    ("module-remap-source", "source_name=home_in", "master=a_mic.monitor", "source_properties=device.class=sound"),
)
_LOUD = 500.0  # of int16, root mean square
_WINDOW = RATE // 20


def _tone_of(blocks: Iterable[Samples]) -> float | None:
    """Hz, of the last twentieth of a second; None in silence."""
    sound = np.concatenate([np.zeros(1, np.int16), *blocks])[-_WINDOW:].astype(np.float64)
    if np.sqrt(np.mean(sound**2)) < _LOUD:
        return None
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    return float(np.argmax(spectrum)) * RATE / sound.size


class TappedCard:
    """The sound card, with what its microphone gave last."""

    sample_rate = RATE

    def __init__(self, card: SoundCardEndpoint) -> None:
        self._card = card
        self._read: deque[Samples] = deque(maxlen=6)
        self.start, self.stop, self.listen, self.write = card.start, card.stop, card.listen, card.write

    def read(self, samples: int) -> Samples:
        block = self._card.read(samples)
        self._read.append(block)
        return block

    def tone(self) -> float | None:
        return _tone_of(tuple(self._read))


class ServerLine:
    """The server's own command line, kept open: a command takes effect without a program to start first."""

    def __init__(self, rig: PulseRig) -> None:
        place = rig.directory / "cli"
        rig.control("load-module", "module-cli-protocol-unix", f"socket={place}")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(place))

    def say(self, *words: str) -> None:
        self._socket.sendall((" ".join(words) + "\n").encode())

    def close(self) -> None:
        self._socket.close()


class FarEnd:
    """The other side of the call: says a tone, and knows which tone it hears."""

    sample_rate = RATE

    def __init__(self) -> None:
        self._phase = 0
        self._heard: deque[Samples] = deque(maxlen=6)

    def start(self) -> None:
        """No device is open."""

    def listen(self, wanted: bool) -> None:
        """No device is open."""

    def read(self, samples: int) -> Samples:
        at = np.arange(self._phase, self._phase + samples)
        self._phase += samples
        said: Samples = (8000 * np.sin(2 * np.pi * OUR_TONE / RATE * at)).astype(np.int16)
        return said

    def write(self, frame: Samples) -> None:
        self._heard.append(frame.copy())

    def stop(self) -> None:
        """No device is open."""

    def tone(self) -> float | None:
        return _tone_of(tuple(self._heard))


@dataclass
class Change:
    """`done` names the change; seconds until sound was back."""

    done: str
    seconds: float


@dataclass
class ChangingCall:
    """Made by `changing_call`."""

    rig: PulseRig
    line: ServerLine
    card: SoundCardEndpoint
    tap: TappedCard
    far: FarEnd
    notices: list[Failure]
    changes: list[Change] = field(default_factory=list)
    ears: dict[str, Recording] = field(default_factory=dict)
    plugged: int = 0

    # The kinds of change; each returns where the sound belongs afterwards.

    def another_default(self, speaker: str, microphone: str) -> None:
        self._measure(f"default speaker {speaker}", lambda: self._set_default("sink", speaker), speaker=speaker)
        self._measure(
            f"default microphone {microphone}", lambda: self._set_default("source", microphone), microphone=microphone
        )

    def speaker_comes_and_goes(self, rate: int, channels: int, back: str) -> None:
        """A headset that becomes the default when it is plugged in, and is pulled out again."""
        name, module = self._plug_speaker(rate, channels)
        self._measure(f"{name} becomes the default", lambda: self._set_default("sink", name), speaker=name)
        self.ears.pop(name).stop()
        self._measure(f"{name} is pulled out", lambda: self._unload(module), speaker=back)
        self._set_default("sink", back)

    def microphone_comes_and_goes(self, back: str) -> None:
        self.plugged += 1
        name = f"plug{self.plugged}_in"
        module = self._load("module-remap-source", f"source_name={name}", "master=plug_mic.monitor")
        self._measure(f"{name} becomes the default", lambda: self._set_default("source", name), microphone=name)
        self._measure(f"{name} is pulled out", lambda: self._unload(module), microphone=back)
        self._set_default("source", back)

    def chosen_speaker_goes_and_is_back(self, rate: int, channels: int, default: str) -> None:
        """Chosen in the settings in the middle of the call, pulled out, plugged in again."""
        name, module = self._plug_speaker(rate, channels)
        self._measure(f"{name} is chosen", lambda: self.card.choose(DeviceChoice(None, name)), speaker=name)
        self.ears.pop(name).stop()
        self._measure(f"the chosen {name} is pulled out", lambda: self._unload(module), speaker=default)
        module = self._load_speaker(name, rate, channels)
        began = time.monotonic()
        until(lambda: self._plays_on(name), f"{name} to be used again", timeout=20)
        self.changes.append(Change(f"the chosen {name} is back", time.monotonic() - began))
        self.ears[name] = self.rig.record(f"{name}.monitor")
        self._wait_for_sound(name)
        self._measure("the default is chosen", lambda: self.card.choose(DeviceChoice()), speaker=default)
        self.ears.pop(name).stop()
        self._unload(module)

    def rounds(self, number: int) -> Iterator[None]:
        """Each round is a dozen changes or so; ends once `number` changes are made."""
        specifications = cycle(SPECIFICATIONS)
        while True:
            for step in self._round(specifications):
                step()
                yield
                if len(self.changes) >= number:
                    return

    def _round(self, specifications: Iterator[tuple[int, int]]) -> tuple[Callable[[], None], ...]:
        return (
            lambda: self.speaker_comes_and_goes(*next(specifications), "home_spk"),
            lambda: self.microphone_comes_and_goes("home_in"),
            lambda: self.another_default("b_spk", "b_in"),
            lambda: self.chosen_speaker_goes_and_is_back(*next(specifications), "b_spk"),
            lambda: self.another_default("home_spk", "home_in"),
        )

    # Within

    def _measure(
        self, done: str, change: Callable[[], None], *, speaker: str | None = None, microphone: str | None = None
    ) -> None:
        began = time.monotonic()
        change()
        if speaker is not None:
            self._wait_for_sound(speaker)
        if microphone is not None:
            tone = HELD.get(microphone, PLUGGED_TONE)
            until(lambda: self._is(self.tap.tone(), tone), f"{microphone} to be heard after: {done}", timeout=20)
        self.changes.append(Change(done, time.monotonic() - began))
        if microphone is not None:  # after the delay of the call, which is not the device's
            until(lambda: self._is(self.far.tone(), tone), f"{microphone} at the far end after: {done}", timeout=20)
        if speaker is not None:
            others = [name for name in self.ears if name != speaker]
            until(lambda: not any(self._is_loud(name) for name in others), f"the others to be silent: {done}", 20)

    def _wait_for_sound(self, speaker: str) -> None:
        until(lambda: self._is_loud(speaker), f"sound from {speaker}", timeout=20)

    @staticmethod
    def _is(heard: float | None, tone: float) -> bool:
        return heard is not None and abs(heard - tone) < 50

    def _plays_on(self, speaker: str) -> bool:
        """Nobody can listen at a device that is not there yet: what the device has taken of our sound is asked for."""
        stream = self.card._speaker._stream
        return stream is not None and stream.device == speaker and stream.flowing

    def _is_loud(self, speaker: str) -> bool:
        latest = self.ears[speaker].latest(RATE // 50).astype(np.float64)
        return latest.size > 0 and float(np.sqrt(np.mean(latest**2))) > _LOUD

    def _plug_speaker(self, rate: int, channels: int) -> tuple[str, str]:
        self.plugged += 1
        name = f"plug{self.plugged}_spk"
        module = self._load_speaker(name, rate, channels)
        self.ears[name] = self.rig.record(f"{name}.monitor")
        return name, module

    def _load_speaker(self, name: str, rate: int, channels: int) -> str:
        return self._load(
            "module-null-sink", f"sink_name={name}", f"rate={rate}", f"channels={channels}", "norewinds=1"
        )

    def _load(self, *words: str) -> str:
        return self.rig.control("load-module", *words).strip()

    def _unload(self, module: str) -> None:
        self.line.say("unload-module", module)

    def _set_default(self, what: str, name: str) -> None:
        self.line.say(f"set-default-{what}", name)


@contextmanager
def changing_call() -> Iterator[ChangingCall]:
    """A call between a sound card and a `FarEnd`, with sound both ways when it is given."""
    notices: list[Failure] = []
    with ExitStack() as stack:
        rig = stack.enter_context(PulseRig())
        stack.enter_context(rig.in_this_process())
        for words in _MODULES:
            rig.control("load-module", *words)
        rig.control("set-default-sink", "home_spk")
        rig.control("set-default-source", "home_in")
        for sink, tone in (("a_mic", HELD["home_in"]), ("b_mic", HELD["b_in"]), ("plug_mic", PLUGGED_TONE)):
            stack.enter_context(_tone_into(rig, sink, tone))
        system = SoundDevices()
        stack.callback(system.close)
        ours, theirs = Engine(), Engine()
        stack.callback(theirs.engine.close)
        stack.callback(ours.engine.close)
        line = ServerLine(rig)
        stack.callback(line.close)
        card = system.endpoint(DeviceChoice(), notices.append)
        call = ChangingCall(rig, line, card, TappedCard(card), FarEnd(), notices)
        call.ears = {name: rig.record(f"{name}.monitor") for name in ("home_spk", "b_spk")}
        join(ours, theirs, call.tap, call.far)
        call._wait_for_sound("home_spk")
        until(lambda: call._is(call.far.tone(), HELD["home_in"]), "the microphone to be heard", timeout=20)
        yield call
        until(lambda: call._is_loud("home_spk") or call._is_loud("b_spk"), "sound at the end", timeout=10)
        for side in (ours, theirs):
            side.engine.stop("call")
        assert theirs.final().report.rtp_received > 0


@contextmanager
def _tone_into(rig: PulseRig, sink: str, tone: float) -> Iterator[None]:
    """For as long as it takes."""
    second = (8000 * np.sin(2 * np.pi * tone / RATE * np.arange(RATE))).astype(np.int16).tobytes()
    player = subprocess.Popen(
        ["pacat", "-d", sink, "--raw", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=20"],
        env={**os.environ, **rig.environment},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert player.stdin is not None
    pipe = player.stdin

    def feed() -> None:
        try:
            while True:
                pipe.write(second)
        except (BrokenPipeError, ValueError):
            return

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield
    finally:
        player.kill()
        player.wait()
        feeder.join(5)
        with suppress(BrokenPipeError):
            pipe.close()


def resident_kib() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
