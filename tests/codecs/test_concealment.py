"""softphone/codecs/concealment.py: what is heard in place of lost frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.codecs.concealment import PitchConcealment

Samples = NDArray[np.int16]


def voice(rate: int, seconds: float, seed: int = 1) -> Samples:
    """Something like a vowel: harmonics of a pitch that glides from 110 to 130 Hz, formants, a little noise."""
    time = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(110 + 20 * time / seconds) / rate
    sound = np.zeros(len(time))
    for harmonic in range(1, 20):
        frequency = harmonic * 140
        gain = sum(np.exp(-(((frequency - formant) / 250) ** 2)) for formant in (500, 1500, 2500)) + 0.02
        sound += gain * np.sin(harmonic * phase + harmonic**2)
    sound += 0.05 * np.random.default_rng(seed).standard_normal(len(time))
    return np.asarray(9000 * sound / np.abs(sound).max(), dtype=np.int16)


def with_losses(sound: Samples, rate: int, lost: set[int]) -> Samples:
    """The sound in 20 ms frames, some of them concealed."""
    samples = rate // 50
    concealment = PitchConcealment(rate)
    frames = sound[: len(sound) // samples * samples].reshape(-1, samples)
    return np.concatenate(
        [
            concealment.conceal(samples) if number in lost else concealment.received(frame)
            for number, frame in enumerate(frames)
        ]
    )


def with_bridges(sound: Samples, rate: int, lost: set[int]) -> Samples:
    """As `with_losses`, where the frame after a gap is here before the gap's last one is played."""
    samples = rate // 50
    concealment = PitchConcealment(rate)
    frames = sound[: len(sound) // samples * samples].reshape(-1, samples)
    played = []
    for number, frame in enumerate(frames):
        if number not in lost:
            played.append(concealment.received(frame))
        elif number + 1 in lost:
            played.append(concealment.conceal(samples))
        else:
            played.append(concealment.bridge(samples, frames[number + 1]))
    return np.concatenate(played)


def error(sound: Samples, heard: Samples) -> float:
    return float(np.mean((sound[: len(heard)].astype(float) - heard) ** 2))


def loudness(frame: Samples) -> float:
    return float(np.sqrt(np.mean(frame.astype(np.float64) ** 2)))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_lost_frame_of_voice_is_nearer_to_the_original_than_silence(rate: int) -> None:
    sound = voice(rate, 2.0)
    samples = rate // 50
    lost = set(range(10, 100, 10))
    heard = with_losses(sound, rate, lost)
    correlations = []
    power = error = 0.0
    for number in lost:
        place = slice(number * samples, (number + 1) * samples)
        original, concealed = sound[place].astype(float), heard[place].astype(float)
        correlations.append(float(np.corrcoef(original, concealed)[0, 1]))
        power += float(np.sum(original**2))
        error += float(np.sum((concealed - original) ** 2))
        assert 0.5 < loudness(heard[place]) / loudness(sound[place]) < 1.2
    assert min(correlations) > 0.3
    assert np.mean(correlations) > 0.6
    assert 10 * np.log10(power / error) > 1  # silence in place of the frames: 0 dB


def test_what_was_received_is_not_changed_but_for_the_first_moment_after_a_gap() -> None:
    sound = voice(8000, 1.0)
    heard = with_losses(sound, 8000, {10, 11})
    assert (heard[: 10 * 160] == sound[: 10 * 160]).all()
    assert (heard[12 * 160 : 12 * 160 + 10] != sound[12 * 160 : 12 * 160 + 10]).any()
    assert (heard[12 * 160 + 40 :] == sound[12 * 160 + 40 : len(heard)]).all()


def test_neither_the_beginning_nor_the_end_of_a_gap_clicks() -> None:
    sound = voice(8000, 2.0)
    natural = np.abs(np.diff(sound.astype(int))).max()
    for lost in ({number} for number in range(5, 95)):
        heard = with_losses(sound, 8000, lost)
        assert np.abs(np.diff(heard.astype(int))).max() <= 1.3 * natural


def test_a_long_gap_fades_and_is_almost_silent_after_140_ms() -> None:
    sound = voice(8000, 1.0)
    heard = with_losses(sound, 8000, set(range(20, 40)))
    frames = heard.reshape(-1, 160)
    levels = [loudness(frame) for frame in frames[19:40]]
    assert levels[1] > 0.7 * levels[0]
    assert all(later < earlier for earlier, later in itertools.pairwise(levels[1:8]))
    assert 20 * np.log10(levels[8] / levels[0]) < -25
    assert all(level > 0 for level in levels)  # never dead silence where there was speech
    assert levels[20] == pytest.approx(levels[12], rel=0.3)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("run", [1, 2, 3])
def test_a_bridge_to_the_next_frame_is_nearer_to_the_original_than_a_repetition(rate: int, run: int) -> None:
    sound = voice(rate, 2.0)
    lost = {number + further for number in range(10, 90, 7) for further in range(run)}
    assert error(sound, with_bridges(sound, rate, lost)) < 0.8 * error(sound, with_losses(sound, rate, lost))


def test_neither_end_of_a_bridge_clicks_and_what_was_received_is_not_changed() -> None:
    sound = voice(8000, 2.0)
    natural = np.abs(np.diff(sound.astype(int))).max()
    for number in range(5, 95):
        heard = with_bridges(sound, 8000, {number, number + 1})
        assert np.abs(np.diff(heard.astype(int))).max() <= 1.3 * natural
        assert (heard[(number + 2) * 160 :] == sound[(number + 2) * 160 : len(heard)]).all()


def test_a_word_that_begins_in_a_gap_is_heard_to_begin() -> None:
    sound = voice(8000, 1.0)
    sound[: 20 * 160] = 0
    assert loudness(with_bridges(sound, 8000, {19})[19 * 160 + 80 : 20 * 160]) > 0.3 * loudness(sound[20 * 160 :])


@pytest.mark.parametrize("length", [0, 1, 39, 41, 80, 161, 500])
def test_a_bridge_can_lead_to_a_frame_of_any_length(length: int) -> None:
    sound = voice(8000, 0.5)
    concealment = PitchConcealment(8000)
    concealment.received(sound[:800])
    following = sound[960 : 960 + length]
    assert len(concealment.bridge(160, following)) == 160
    assert len(concealment.received(following)) == length
    assert len(concealment.conceal(80)) == 80


def test_before_any_sound_there_is_silence() -> None:
    concealment = PitchConcealment(8000)
    assert not concealment.conceal(160).any()
    concealment.received(np.zeros(160, dtype=np.int16))
    assert not concealment.conceal(160).any()


@pytest.mark.parametrize("samples", [1, 7, 80, 160, 240, 1000])
def test_the_length_of_the_pieces_does_not_matter(samples: int) -> None:
    sound = voice(8000, 0.5)
    whole, pieces = PitchConcealment(8000), PitchConcealment(8000)
    whole.received(sound)
    for start in range(0, len(sound), samples):
        pieces.received(sound[start : start + samples])
    expected = whole.conceal(1000)
    heard = np.concatenate([pieces.conceal(min(samples, 1000 - start)) for start in range(0, 1000, samples)])
    assert (heard == expected).all()


def test_the_loudest_sound_does_not_wrap_around() -> None:
    concealment = PitchConcealment(8000)
    square = np.where(np.arange(800) // 20 % 2, 32767, -32768).astype(np.int16)
    concealment.received(square)
    concealed = concealment.conceal(160)
    assert set(np.sign(concealed[5:15])) == {np.sign(concealed[10])}
    assert np.abs(concealed.astype(int)).max() <= 32768


def test_the_callers_frame_is_left_alone() -> None:
    concealment = PitchConcealment(8000)
    sound = voice(8000, 0.1)
    concealment.received(sound)
    concealment.conceal(160)
    frame = sound.copy()
    frame.flags.writeable = False
    concealment.received(frame)
