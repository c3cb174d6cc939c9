"""softphone/dsp/correlation.py: finds what was said in what was heard, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.correlation import best_alignment


def noise(samples: int, seed: int = 1, level: float = 3000) -> NDArray[np.int16]:
    return np.asarray(level * np.random.default_rng(seed).standard_normal(samples), dtype=np.int16)


@pytest.mark.parametrize("delay", [0, 1, 160, 4000, -160, -2000])
def test_a_shifted_and_quieter_copy_is_found_at_its_delay(delay: int) -> None:
    sound = noise(16000)
    moved = np.concatenate((np.zeros(delay, dtype=np.int16), sound)) if delay >= 0 else sound[-delay:]
    correlation, delay_ms = best_alignment(sound, (moved * 0.25).astype(np.int16), 8000)
    assert correlation > 0.999
    assert delay_ms == pytest.approx(delay / 8)


def test_a_copy_inside_a_longer_recording_with_noise_is_found() -> None:
    sound = noise(8000)
    recording = noise(40000, seed=2, level=300)
    recording[20000:28000] += sound
    correlation, delay_ms = best_alignment(sound, recording, 8000)
    assert correlation == pytest.approx(1 / np.sqrt(1 + 0.01), abs=0.01)
    assert delay_ms == 2500.0


def test_strangers_do_not_correlate() -> None:
    correlation, _ = best_alignment(noise(16000, seed=1), noise(16000, seed=2), 8000)
    assert abs(correlation) < 0.1


def test_an_inverted_copy_is_not_a_match() -> None:
    sound = noise(16000)
    correlation, _ = best_alignment(sound, -sound, 8000)
    assert correlation < 0.1


def test_silence_correlates_with_nothing() -> None:
    assert best_alignment(np.zeros(800, dtype=np.int16), noise(800), 8000) == (0.0, 0.0)
    assert best_alignment(np.zeros(0, dtype=np.int16), noise(800), 8000) == (0.0, 0.0)


def test_a_few_quiet_samples_do_not_match_by_chance() -> None:
    sound = noise(8000)
    recording = np.zeros(16000, dtype=np.int16)
    recording[-3] = 1
    correlation, _ = best_alignment(sound, recording, 8000)
    assert correlation < 0.1
