"""Echo cancellation and what else is done to the voice, in synthetic rooms: how much echo goes, how much voice stays.

    make bench TESTS=tests/bench/test_echo.py

Two espeak-ng voices, five rooms (seeds), medians. The echo is 6 dB below what is played and 34 ms late; the microphone
hisses 49 dB below it. Scenes are `tests/dsp/rooms.py`; what runs is what a call runs, block by block. "Canceller" is
AEC3 alone, "both voices" is what is in force unless somebody switches it off.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
import soxr
from pystoi import stoi

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.voice_stages import make_stages
from softphone.policy.audio import Treatment
from tests.dsp.rooms import (
    RATE,
    Signal,
    drifting,
    echo_of,
    erle_db,
    hiss,
    impulse_response,
    later,
    level_db,
    through,
    whole,
)
from tests.peers.speech import OTHER_SENTENCE, SENTENCE, Speech, read_wav

SEEDS = range(1, 6)
SECONDS = 20.0
LEARNT = 8.0  # seconds after which a canceller counts as converged
ROOMS = {"a desk (0.25 s, direct sound 3 dB over the rest)": (0.25, 3.0), "a bare room (0.4 s, 0 dB)": (0.4, 0.0)}
CANCELLER = Treatment(echo_cancellation=True)
BOTH_VOICES = Treatment(echo_cancellation=True, double_talk=True)
AS_IT_IS = Treatment()
MODES = {"off": AS_IT_IS, "canceller": CANCELLER, "both voices": BOTH_VOICES}
NEAR_SILENT = int(LEARNT * RATE)


def spoken(speech: Speech, sentence: str, seconds: float = SECONDS) -> Signal:
    """As often as fills the time, its loudest sample at a third of full scale."""
    samples, rate = read_wav(speech.wav(22_050, sentence, tail=0.3))
    voice = soxr.resample(samples.astype(float), rate, RATE, "HQ")
    return np.resize(voice / np.abs(voice).max() * 11_000, int(seconds * RATE))


@pytest.fixture
def far(speech: Speech) -> Signal:
    return spoken(speech, SENTENCE)


@pytest.fixture
def near(speech: Speech) -> Signal:
    """Of the person, who begins once the canceller has learnt the room; as loud as the echo."""
    voice = np.roll(spoken(speech, OTHER_SENTENCE), RATE) * 10 ** (-6 / 20)
    voice[:NEAR_SILENT] = 0
    return voice


def out_of(treatment: Treatment, microphone: Signal, far: Signal) -> Signal:
    stages = make_stages(treatment)

    def treat(block: np.ndarray, played: np.ndarray) -> np.ndarray:
        for stage in stages:
            block = stage.process(block, played)
        return block

    return through(treat, microphone, far)


def lateness(said: Signal, heard: Signal) -> float:
    """Milliseconds by which a voice that says the same again and again is late, up to 100."""
    part = slice(NEAR_SILENT + 2 * RATE, NEAR_SILENT + 5 * RATE)
    return best_alignment(whole(said)[part], whole(heard)[part.start : part.stop + RATE // 10], RATE)[1]


def intelligibility(said: Signal, heard: Signal) -> float:
    """STOI of what was said from two seconds after its beginning, the delay taken out."""
    part = slice(NEAR_SILENT + 2 * RATE, said.size - RATE)
    late = round(lateness(said, heard) * RATE / 1000)
    return float(stoi(whole(said)[part], whole(heard)[part.start + late : part.stop + late], RATE))


def after(microphone: Signal, out: Signal, wanted_db: float, since_s: float = 0.0) -> float:
    """Seconds until half a second of sound has that much of its echo taken away, and the next one too."""
    moments = np.arange(since_s, SECONDS - 1.0, 0.1)
    reached = [erle_db(microphone, out, at, at + 0.5) >= wanted_db for at in moments]
    first = next((k for k in range(len(reached) - 5) if reached[k] and reached[k + 5]), None)
    return float("inf") if first is None else float(moments[first] + 0.5 - since_s)


def median(measure: Callable[[int], float]) -> float:
    return statistics.median(measure(seed) for seed in SEEDS)


def room(name: str, far: Signal, seed: int) -> Signal:
    reverberation, direct = ROOMS[name]
    return echo_of(far, impulse_response(reverberation, direct, seed))


@pytest.mark.parametrize("name", ROOMS)
def test_echo_in_a_room(name: str, far: Signal, near: Signal) -> None:
    print(f"\n{name}")
    print("| mode | echo less by, converged | 20 dB after | 40 dB after | voice alone, STOI | both talk, STOI |")
    figures = {}
    for mode, treatment in MODES.items():
        rows = []
        for seed in SEEDS:
            echo, noise = room(name, far, seed), hiss(SECONDS, seed=seed)
            out = out_of(treatment, echo + noise, far)
            until = np.where(np.arange(far.size) < NEAR_SILENT, 1.0, 0.0)
            alone = out_of(treatment, echo * until + noise + near, far * until)
            both = out_of(treatment, echo + noise + near, far)
            rows.append(
                (
                    erle_db(echo + noise, out, LEARNT, SECONDS),
                    after(echo + noise, out, 20),
                    after(echo + noise, out, 40),
                    intelligibility(near, alone),
                    intelligibility(near, both),
                )
            )
        erle, at_20, at_40, alone_stoi, both_stoi = figures[mode] = [
            statistics.median(c) for c in zip(*rows, strict=True)
        ]
        print(
            f"| {mode} | {erle:.1f} dB | {at_20:.1f} s | {at_40:.1f} s | {alone_stoi:.3f} | {both_stoi:.3f} |",
            flush=True,
        )
    for mode in ("canceller", "both voices"):
        assert figures[mode][0] >= 40
        assert figures[mode][3] >= 0.9
    assert figures["both voices"][4] >= max(0.85, figures["canceller"][4] + 0.15)


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_two_clocks_that_drift(ppm: float, far: Signal, near: Signal) -> None:
    for mode in ("canceller", "both voices"):
        rows = []
        for seed in SEEDS:
            echo, noise = drifting(room(next(iter(ROOMS)), far, seed), ppm), hiss(SECONDS, seed=seed)
            out = out_of(MODES[mode], echo + noise, far)
            both = out_of(MODES[mode], echo + noise + near, far)
            rows.append((erle_db(echo + noise, out, LEARNT, SECONDS), intelligibility(near, both)))
        erle, both_stoi = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"\n| {ppm:+.0f} ppm, {mode} | {erle:.1f} dB | both talk {both_stoi:.3f} |", end="", flush=True)
        assert erle >= 40
    assert both_stoi >= 0.85


def test_the_devices_delay_jumps_by_60_ms(far: Signal) -> None:
    for mode in ("canceller", "both voices"):

        def recovered(seed: int, mode: str = mode) -> tuple[float, float, float]:
            microphone = later(room(next(iter(ROOMS)), far, seed), LEARNT, 0.06) + hiss(SECONDS, seed=seed)
            out = out_of(MODES[mode], microphone, far)
            return (
                after(microphone, out, 20, LEARNT),
                after(microphone, out, 40, LEARNT),
                erle_db(microphone, out, LEARNT + 7, SECONDS),
            )

        rows = [recovered(seed) for seed in SEEDS]
        at_20, at_40, erle = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"\n| 60 ms more, {mode} | 20 dB after {at_20:.1f} s | 40 dB after {at_40:.1f} s | then {erle:.1f} dB |",
            end="",
        )
        assert at_20 < 5
        assert erle >= 40


STAGES = {
    "nothing": AS_IT_IS,
    "rumble filter": Treatment(high_pass=True),
    "echo cancellation, canceller alone": CANCELLER,
    "echo cancellation, both voices": BOTH_VOICES,
    "noise suppression": Treatment(noise_suppression=True),
    "level control": Treatment(gain_control=True),
    "automatic with loudspeakers": Treatment(True, True, True, True),
    "automatic with a headset": Treatment(high_pass=True),
}


def test_what_each_treatment_costs(far: Signal, near: Signal) -> None:
    print("\n| treatment | delay | processor, of a second's sound | voice alone, STOI |")
    echo = room(next(iter(ROOMS)), far, 1)
    for name, treatment in STAGES.items():
        voice = near + hiss(SECONDS)
        out = out_of(treatment, voice, np.zeros_like(far))
        late = lateness(near, out)
        used = []
        for _ in range(5):
            began = time.thread_time()
            out_of(treatment, (echo + near)[: 10 * RATE], far[: 10 * RATE])
            used.append((time.thread_time() - began) / 10 * 1000)
        kept = intelligibility(near, out)
        print(f"| {name} | {late:.1f} ms | {statistics.median(used):.1f} ms | {kept:.3f} |", flush=True)
        assert late < 20
        assert kept >= 0.9


def test_noise_is_lowered(near: Signal) -> None:
    noise = hiss(SECONDS, 100.0)
    part = slice(int(5 * RATE), NEAR_SILENT)
    out = out_of(Treatment(noise_suppression=True), near + noise, np.zeros_like(near))
    lowered = level_db(noise[part]) - level_db(out[part])
    print(f"\n| noise suppression | steady noise lower by {lowered:.1f} dB |", end="")
    assert lowered > 8
