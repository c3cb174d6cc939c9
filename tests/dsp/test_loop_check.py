"""Chirps through a made-up room: how late, how loud, or not heard at all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.loop_check import CHIRPS, loop_figures, loop_signal
from tests.engine.media.lockstep import voice

RATES = (48_000, 44_100, 16_000)


def room(
    rate: int, delay_ms: float, gain_db: float, noise_db: float = -100.0, *, echoes: bool = False
) -> NDArray[np.int16]:
    """What a microphone records while the signal is played."""
    chance = np.random.default_rng(3)
    signal = loop_signal(rate).astype(np.float64)
    late = np.concatenate((np.zeros(round(rate * delay_ms / 1000)), signal))[: signal.size]
    if echoes:
        time = np.arange(int(0.3 * rate)) / rate
        answer = chance.standard_normal(time.size) * np.exp(-time / 0.06)
        answer[0] = 0.5 * np.sqrt(np.sum(answer**2))  # what comes straight is 6 dB below the rest
        late = np.convolve(late, answer / np.sqrt(np.sum(answer**2)))[: signal.size]
    hiss = chance.standard_normal(signal.size) * 32768 / np.sqrt(2) * 10 ** (noise_db / 20)
    return np.asarray(np.clip(np.rint(late * 10 ** (gain_db / 20) + hiss), -32768, 32767), np.int16)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("delay_ms", "gain_db", "noise_db"),
    [(37, 0, -100), (20, -12, -60), (250, -30, -65), (80, -45, -60), (540, -10, -50)],
)
def test_latency_and_echo_return_are_measured(rate: int, delay_ms: float, gain_db: float, noise_db: float) -> None:
    figures = loop_figures(room(rate, delay_ms, gain_db, noise_db), rate)
    assert figures.latency_ms == pytest.approx(delay_ms, abs=0.1)
    assert figures.echo_return_db == pytest.approx(gain_db, abs=1.0)
    assert figures.found == CHIRPS


def test_a_room_that_echoes_smears_the_chirps_and_they_are_found() -> None:
    figures = loop_figures(room(48_000, 80, -20, -50, echoes=True), 48_000)
    assert figures.latency_ms == pytest.approx(80, abs=5)
    assert figures.echo_return_db == pytest.approx(-20, abs=4)


@pytest.mark.parametrize("rate", RATES)
def test_a_headset_is_not_heard_whatever_else_is(rate: int) -> None:
    length = loop_signal(rate).size
    hiss = room(rate, 0, -200, -40)
    for other in (hiss, np.zeros(length, np.int16), *(voice(4.3, rate, seed=seed) for seed in range(3))):
        figures = loop_figures(other, rate)
        assert (figures.latency_ms, figures.echo_return_db) == (None, None)


def test_chirps_at_random_places_are_no_loop() -> None:
    """A tape of another test running beside it."""
    recorded = np.zeros(loop_signal(48_000).size, np.int16)
    pieces = loop_signal(48_000)
    for number, shift in enumerate((10, 400, 90, 300, 200, 510)):
        begin = 48_000 * (400 + 650 * number) // 1000
        place = begin + 48 * shift
        one = pieces[begin : begin + 3840]
        room_left = recorded[place : place + one.size].size
        recorded[place : place + one.size] = one[:room_left]
    assert loop_figures(recorded, 48_000).latency_ms is None


def test_a_recording_that_ends_early_is_read_as_far_as_it_goes() -> None:
    recorded = room(48_000, 40, -10)
    assert loop_figures(recorded[: recorded.size // 4], 48_000).latency_ms is None
    assert loop_figures(recorded[: 3 * recorded.size // 4], 48_000).latency_ms == pytest.approx(40, abs=0.1)
    assert loop_figures(recorded[:0], 48_000).latency_ms is None
