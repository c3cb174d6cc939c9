"""softphone/dsp/time_scale.py: longer and shorter without a click, a changed pitch or a lost sample."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softphone.dsp.time_scale import LONGEST_MS, SHORTEST_MS, Samples, TimeScaler
from tests.peers.speech import Speech, read_wav

RATES = [8000, 16_000, 48_000]


def voiced(rate: int, seconds: float, pitch: float = 110.0) -> Samples:
    """A steady vowel: harmonics of `pitch`, ever weaker."""
    t = np.arange(int(rate * seconds)) / rate
    sound = sum(np.sin(2 * np.pi * pitch * n * t + n * n) / n for n in range(1, 20))
    samples: Samples = (sound / np.abs(sound).max() * 12_000).astype(np.int16)
    return samples


def scaled(scaler: TimeScaler, sound: Samples, rate: int, change_ms: float, span_ms: int = 20) -> Samples:
    size = rate * span_ms // 1000
    frames = [scaler.process(sound[at : at + size], change_ms) for at in range(0, sound.size - size + 1, size)]
    return np.concatenate(frames)


def steepest(sound: Samples) -> int:
    return int(np.abs(np.diff(sound.astype(np.int32))).max())


def pitch_of(sound: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    low = int(60 * sound.size / rate)
    high = int(260 * sound.size / rate)
    return (low + int(np.argmax(spectrum[low:high]))) * rate / sound.size


def spectral_distance_db(one: Samples, other: Samples, rate: int) -> float:
    """Between the long-term spectra, in thirds of an octave from 200 to 3400 Hz, root mean square."""
    edges = 200 * 2 ** (np.arange(13) / 3)

    def bands(sound: Samples) -> NDArray[np.float64]:
        power = np.abs(np.fft.rfft(sound.astype(float))) ** 2 / sound.size
        frequency = np.fft.rfftfreq(sound.size, 1 / rate)
        pairs = itertools.pairwise(edges)
        return np.array([power[(frequency >= low) & (frequency < high)].sum() for low, high in pairs])

    return float(np.sqrt(np.mean((10 * np.log10(bands(one) / bands(other))) ** 2)))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("span_ms", [10, 20, 60])
def test_nothing_is_touched_where_nothing_is_wanted(rate: int, span_ms: int) -> None:
    sound = voiced(rate, 0.6)
    scaler = TimeScaler(rate)
    assert np.array_equal(scaled(scaler, sound, rate, 0.0, span_ms), sound)
    assert (scaler.shortened, scaler.lengthened, scaler.pending) == (0, 0, 0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("span_ms", [10, 20, 30, 60])
@pytest.mark.parametrize("wanted", [15.0, -15.0])
@pytest.mark.parametrize("pitch", [75.0, 110.0, 230.0])
def test_a_vowel_changes_its_length_by_whole_periods_and_keeps_its_pitch(
    rate: int, span_ms: int, wanted: float, pitch: float
) -> None:
    sound = voiced(rate, 2.4, pitch)
    scaler = TimeScaler(rate)
    heard = scaled(scaler, sound, rate, wanted, span_ms)
    changed = heard.size + scaler.pending - sound.size
    assert changed == scaler.lengthened - scaler.shortened
    assert 0.03 < abs(changed) / sound.size < 0.3
    assert (changed > 0) == (wanted > 0)
    assert steepest(heard) <= 1.1 * steepest(sound)
    assert pitch_of(heard, rate) == pytest.approx(pitch_of(sound, rate), abs=1.0)


@pytest.mark.parametrize("wanted", [15.0, -15.0])
def test_speech_is_recognisably_the_same(wanted: float, tmp_path: Path) -> None:
    said, rate = read_wav(Speech(tmp_path).wav(8000))
    scaler = TimeScaler(rate)
    heard = scaled(scaler, said, rate, wanted)
    assert (scaler.lengthened_ms if wanted > 0 else scaler.shortened_ms) > 150
    assert steepest(heard) <= 1.05 * steepest(said)
    assert spectral_distance_db(said, heard, rate) < 1.5


def test_at_most_one_period_changes_at_once_and_seldom() -> None:
    rate = 8000
    scaler = TimeScaler(rate)
    sound = voiced(rate, 2.0)
    changes, before = [], 0
    for at in range(0, sound.size, 160):
        scaler.process(sound[at : at + 160], 30.0)
        if scaler.lengthened != before:
            changes.append((at, scaler.lengthened - before))
            before = scaler.lengthened
    assert all(SHORTEST_MS * 8 <= size <= LONGEST_MS * 8 for _, size in changes)
    assert min(np.diff([at for at, _ in changes])) >= 60 * 8 - 160


def test_noise_is_left_alone_until_it_is_urgent() -> None:
    noise = (np.random.default_rng(1).normal(size=16_000) * 3000).astype(np.int16)
    calm, urgent = TimeScaler(8000), TimeScaler(8000)
    assert np.array_equal(scaled(calm, noise, 8000, 20.0), noise)
    scaled(urgent, noise, 8000, 150.0)
    assert urgent.lengthened_ms > 100


def test_silence_is_changed_freely() -> None:
    scaler = TimeScaler(8000)
    heard = scaled(scaler, np.zeros(8000, np.int16), 8000, -30.0)
    assert heard.size + scaler.pending < 7000
    assert not heard.any()


def test_short_packets_are_gathered_until_a_period_fits() -> None:
    scaler = TimeScaler(8000)
    sound = voiced(8000, 1.0)
    scaler.process(sound[:800])
    assert scaler.process(sound[800:880], -15.0).size == 0
    assert scaler.pending == 80
    joined = scaler.process(sound[880:960], -15.0)
    assert scaler.pending == 0
    assert 160 - 120 <= joined.size < 160


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from(RATES), st.lists(st.sampled_from([0.0, 8.0, -8.0, 60.0, -200.0])))
def test_whatever_is_wanted_every_sample_is_accounted_for(seed: int, rate: int, wanted: list[float]) -> None:
    chance = np.random.default_rng(seed)
    scaler = TimeScaler(rate)
    given_, got = 0, 0
    for change in wanted:
        frame = chance.integers(-32768, 32768, int(chance.integers(0, rate // 15)), np.int16)
        given_ += frame.size
        got += scaler.process(frame, change).size
    assert got + scaler.pending == given_ + scaler.lengthened - scaler.shortened
    assert scaler.pending < rate // 50
