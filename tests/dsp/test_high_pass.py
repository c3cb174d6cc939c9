"""The high-pass: what passes, what does not, and that blocks do not show."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.high_pass import CUT_OFF, HighPass

RATE = 48_000


def through(signal: np.ndarray, block: int = 480) -> np.ndarray:
    stage = HighPass(RATE)
    samples = signal.astype(np.int16)
    return np.concatenate([stage.process(samples[at : at + block]) for at in range(0, samples.size, block)])


@pytest.mark.parametrize(
    ("frequency", "least", "most"),
    [(25, -26, -22), (50, -14, -11), (CUT_OFF, -3.2, -2.8), (300, -0.2, 0.1), (8000, -0.1, 0.1)],
)
def test_the_gain_is_a_butterworth_filters(frequency: float, least: float, most: float) -> None:
    tone = 10_000 * np.sin(2 * np.pi * frequency / RATE * np.arange(2 * RATE))
    out = through(tone).astype(float)
    gain = 20 * np.log10(out[RATE:].std() / tone[RATE:].std())
    assert least < gain < most


def test_an_offset_is_gone_and_the_range_is_kept() -> None:
    assert abs(through(np.full(RATE, 20_000))[-480:]).max() <= 1
    square = np.where(np.arange(RATE) // 240 % 2, 32767, -32768)
    assert abs(through(square).astype(int)).max() <= 32768


def test_the_blocks_length_makes_no_difference() -> None:
    noise = np.random.default_rng(1).normal(0, 5000, RATE // 2).clip(-32768, 32767)
    assert np.array_equal(through(noise, 480), through(noise, 160))
    assert HighPass(RATE).process(np.zeros(0, np.int16)).size == 0
