"""softphone/dsp/resampler.py: flat where it passes, deaf where it stops, the same in any pieces."""

from __future__ import annotations

import itertools
from math import ceil, gcd

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.resampler import PASS, STOP, Resampler

RATES = (8000, 16000, 44100, 48000)
PAIRS = list(itertools.permutations(RATES, 2))
every_pair = pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)


def sine(rate: int, frequency: float, seconds: float = 0.5, amplitude: float = 16000) -> NDArray[np.int16]:
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def gain_db(from_rate: int, to_rate: int, frequency: float, amplitude: float = 16000) -> float:
    """Power out over power in, the start and the end left out."""
    output = Resampler(from_rate, to_rate).process(sine(from_rate, frequency, amplitude=amplitude)).astype(float)
    edge = to_rate // 50
    return float(10 * np.log10(np.mean(output[edge:-edge] ** 2) / (amplitude**2 / 2) + 1e-12))


@every_pair
def test_the_pass_band_is_flat(from_rate: int, to_rate: int) -> None:
    top = PASS * min(from_rate, to_rate) / 2
    for part in (0.03, 0.1, 0.5, 0.8, 0.95, 1.0):
        assert gain_db(from_rate, to_rate, part * top) == pytest.approx(0.0, abs=0.1)


@every_pair
def test_what_would_fold_back_is_stopped_by_60_db(from_rate: int, to_rate: int) -> None:
    stop = STOP * min(from_rate, to_rate) / 2
    for frequency in (stop, stop * 1.1, stop * 1.5, stop * 2.1):
        if frequency < from_rate / 2:
            assert gain_db(from_rate, to_rate, frequency, 32000) < -60


@pytest.mark.parametrize(("from_rate", "to_rate"), [(first, second) for first, second in PAIRS if first < second])
def test_images_above_the_old_band_are_stopped_by_60_db(from_rate: int, to_rate: int) -> None:
    frequency = 0.4 * from_rate
    output = Resampler(from_rate, to_rate).process(sine(from_rate, frequency, 1.0, 32000)).astype(float)
    output = output[to_rate // 4 : to_rate // 4 * 3]
    spectrum = np.abs(np.fft.rfft(output * np.blackman(len(output))))
    frequencies = np.fft.rfftfreq(len(output), 1 / to_rate)
    tone = spectrum[np.abs(frequencies - frequency) < 50].max()
    rest = spectrum[frequencies > STOP * from_rate / 2]
    if len(rest):
        assert 20 * np.log10(rest.max() / tone) < -60


@every_pair
@pytest.mark.parametrize("seed", [1, 2])
def test_the_pieces_do_not_matter(from_rate: int, to_rate: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    sound = chance.integers(-20000, 20000, from_rate // 4).astype(np.int16)
    whole = Resampler(from_rate, to_rate).process(sound)
    resampler = Resampler(from_rate, to_rate)
    pieces = []
    position = 0
    while position < len(sound):
        length = int(chance.integers(0, 700))
        pieces.append(resampler.process(sound[position : position + length]))
        position += length
        # Nothing is held back: all that the input so far allows has come out.
        taken = min(position, len(sound))
        assert sum(map(len, pieces)) == ceil(taken * to_rate / from_rate)
    assert np.abs(np.concatenate(pieces).astype(int) - whole).max() <= 1  # sums in another order may round otherwise


@every_pair
def test_the_delay_is_the_one_that_is_told(from_rate: int, to_rate: int) -> None:
    resampler = Resampler(from_rate, to_rate)
    frequency = 0.1 * min(from_rate, to_rate)
    output = resampler.process(sine(from_rate, frequency)).astype(float)
    time = np.arange(len(output)) / to_rate - resampler.delay_ms / 1000
    expected = 16000 * np.sin(2 * np.pi * frequency * time)
    edge = to_rate // 50
    error = output[edge:-edge] - expected[edge:-edge]
    assert 10 * np.log10(np.mean(error**2) / (16000**2 / 2)) < -45
    assert resampler.delay_ms <= 1.7


def test_the_same_rate_changes_nothing() -> None:
    sound = sine(48000, 1000)
    resampler = Resampler(48000, 48000)
    assert (resampler.process(sound) == sound).all()
    assert resampler.delay_ms == 0.0


def test_the_loudest_sound_is_clipped_and_does_not_wrap_around() -> None:
    square = np.where(np.arange(1600) // 40 % 2, 32767, -32768).astype(np.int16)
    output = Resampler(8000, 48000).process(square)
    assert output.max() == 32767
    assert output.min() == -32768
    # Between two edges the sign never changes: an overshoot that wrapped around would.
    flank = output[12 * 240 + 100 : 12 * 240 + 200]
    assert len(set(np.sign(flank))) == 1


def test_nothing_in_gives_nothing_out_and_keeps_the_state() -> None:
    resampler = Resampler(44100, 48000)
    first = resampler.process(sine(44100, 1000, 0.01))
    assert len(resampler.process(np.zeros(0, dtype=np.int16))) == 0
    assert len(first) + len(resampler.process(sine(44100, 1000, 0.01))) == ceil(882 * 48000 / 44100)


def test_a_stream_of_hours_does_not_lose_its_phase() -> None:
    resampler = Resampler(44100, 48000)
    block = np.zeros(441, dtype=np.int16)
    assert sum(len(resampler.process(block)) for _ in range(1000)) == 480_000
    assert 0 <= resampler._phase < 160 * gcd(44100, 48000)
