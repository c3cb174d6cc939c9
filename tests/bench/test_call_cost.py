"""Processor time and memory of a call with a sound card, PCMU and Opus: ours beside baresip, and linphone's memory.

Run by `make bench`; prints medians and ratios, writes `build/call-cost.json`. Both phones of a kind are on this machine
with speech in the caller's microphone, so each call counts twice. Beside them a pair of streams of ours that carries
nothing: what is above it is ours, what is below the sound system's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bench.phones import PLAIN, BaresipPhone, BenchPhone, OurPhone, cpu_seconds, resident_mib
from tests.peers.certificates import PrivateCa
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import REPOSITORY
from tests.peers.pulse import RATE, PulseRig, settle

ROUNDS = 5
SECONDS = 10.0
Figures = dict[str, list[float]]


def test_cost_of_a_call(ca: PrivateCa) -> None:
    figures: Figures = {}
    with PulseRig() as rig:
        kamailio = Kamailio(ca)
        try:
            for _ in range(ROUNDS):
                for codec in ("PCMU", "opus"):
                    _measure(figures, f"ours {codec}", rig, kamailio, _our_pair(rig, kamailio, codec))
                    _measure(figures, f"baresip {codec}", rig, kamailio, _baresip_pair(rig, kamailio, codec))
                _measure(figures, "ours processed", rig, kamailio, _our_pair(rig, kamailio, "PCMU", ()))
                _note(figures, "empty streams, CPU", _empty_streams(rig))
            with _linphone_pair(rig, kamailio) as phones:
                settle(3)
                for phone in phones:
                    _note(figures, "linphone PCMU, MiB", resident_mib(phone.pid))
        finally:
            kamailio.stop()
    _report(figures)


def _note(figures: Figures, name: str, value: float) -> None:
    figures.setdefault(name, []).append(value)


Pair = tuple[BenchPhone, BenchPhone, Callable[[], object]]


def _our_pair(rig: PulseRig, kamailio: Kamailio, codec: str, audio: tuple[str, ...] = PLAIN) -> Pair:
    callee = OurPhone(rig, kamailio, "bob", "b", codec=codec, audio=audio)
    kamailio.wait_registered("bob", timeout=60)
    caller = OurPhone(rig, kamailio, "alice", "a", dial="bob", codec=codec, audio=audio)
    return caller, callee, lambda: caller.wait_event("secured", 30)


def _baresip_pair(rig: PulseRig, kamailio: Kamailio, codec: str) -> Pair:
    callee = BaresipPhone(rig, kamailio, "bob", "b", codec=codec)
    caller = BaresipPhone(rig, kamailio, "alice", "a", codec=codec)
    caller.phone.dial("sip:bob@sip.test")
    return caller, callee, lambda: caller.phone.wait_for("CALL_ESTABLISHED", timeout=20)


@contextmanager
def _linphone_pair(rig: PulseRig, kamailio: Kamailio) -> Iterator[tuple[Linphone, Linphone]]:
    def made(user: str, letter: str, answermode: str) -> Linphone:
        audio = f"pulse:{rig.microphone(letter)},{rig.speaker(letter)}"
        return Linphone(
            f"cost{letter}",
            kamailio,
            user,
            PASSWORDS[user],
            audio=audio,
            answermode=answermode,  # type: ignore[arg-type]
            environment=rig.environment,
        )

    callee = made("bob", "b", "auto")
    try:
        caller = made("alice", "a", "manual")
        try:
            caller.dial("sip:bob@sip.test")
            caller.wait_for_state("StreamsRunning", timeout=20)
            yield caller, callee
        finally:
            caller.stop()
    finally:
        callee.stop()


def _measure(figures: Figures, name: str, rig: PulseRig, kamailio: Kamailio, pair: Pair) -> None:
    caller, callee, established = pair
    try:
        established()
        rig.play_samples("a_mic", _speech(SECONDS + 4))
        settle(2)
        before = [cpu_seconds(phone.pid) for phone in (caller, callee)]
        began = time.monotonic()
        settle(SECONDS)
        minutes = (time.monotonic() - began) / 60
        for phone, start in zip((caller, callee), before, strict=True):
            _note(figures, f"{name}, CPU", (cpu_seconds(phone.pid) - start) / minutes)
            _note(figures, f"{name}, MiB", resident_mib(phone.pid))
    finally:
        caller.stop()
        callee.stop()
    kamailio.wait_registered("alice", 0, timeout=60)
    kamailio.wait_registered("bob", 0, timeout=60)


def _empty_streams(rig: PulseRig) -> float:
    """Seconds of processor time a minute."""
    command = [sys.executable, "-m", "tests.bench.empty_streams", rig.microphone("a"), rig.speaker("a")]
    streams = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, env={**os.environ, **rig.environment})
    try:
        settle(4)
        before, began = cpu_seconds(streams.pid), time.monotonic()
        settle(SECONDS)
        assert streams.poll() is None
        return (cpu_seconds(streams.pid) - before) / (time.monotonic() - began) * 60
    finally:
        streams.communicate(timeout=20)


def _speech(seconds: float) -> NDArray[np.int16]:
    """Noise in the telephone band that rises and falls as speech does."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequencies < 300) | (frequencies > 3000)] = 0
    signal = np.fft.irfft(spectrum, count) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE))
    return np.asarray(signal / np.abs(signal).max() * 16000, np.int16)


def _report(figures: Figures) -> None:
    of = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\n{'median':32}{'ours':>8}{'baresip':>9}{'ratio':>7}")
    streams = of["empty streams, CPU"]
    for codec in ("PCMU", "opus"):
        ours, theirs = of[f"ours {codec}, CPU"], of[f"baresip {codec}, CPU"]
        print(f"{codec + ', CPU s a minute':32}{ours:8.2f}{theirs:9.2f}{ours / theirs:7.2f}")
        above = ours - streams
        print(f"{'  above an empty pair of streams':32}{above:8.2f}{theirs:9.2f}{above / theirs:7.2f}")
        print(f"{'  resident, MiB':32}{of[f'ours {codec}, MiB']:8.1f}{of[f'baresip {codec}, MiB']:9.1f}")
    print(f"{'an empty pair of streams':32}{streams:8.2f}")
    print(f"{'PCMU, echo and noise taken out':32}{of['ours processed, CPU']:8.2f}")
    print(f"{'  resident, MiB':32}{of['ours processed, MiB']:8.1f}")
    print(f"{'linphone, resident, MiB':32}{of['linphone PCMU, MiB']:8.1f}")
    out = Path("build/call-cost.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures, indent=1))


pytestmark = pytest.mark.peer
