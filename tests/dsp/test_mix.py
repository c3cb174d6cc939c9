"""softphone/dsp/mix.py: sums that fit are untouched, sums that do not are turned down without distortion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.mix import CEILING, Limiter


def sine(frequency: float, amplitude: float, seconds: float, rate: int) -> NDArray[np.int32]:
    samples = amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    return np.rint(samples).astype(np.int32)


def limited(total: NDArray[np.int32], rate: int, block: int) -> NDArray[np.int16]:
    limiter = Limiter(rate)
    return np.concatenate([limiter.process(total[start : start + block]) for start in range(0, total.size, block)])


def distortion_db(samples: NDArray[np.int16], frequencies: tuple[float, ...], rate: int) -> float:
    """Power of everything but these whole frequencies, over one second, against them."""
    spectrum = np.abs(np.fft.rfft(samples[-rate:].astype(float))) ** 2
    wanted = sum(spectrum[int(frequency)] for frequency in frequencies)
    return float(10 * np.log10((spectrum.sum() - wanted) / wanted))


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_what_fits_is_the_plain_sum(rate: int) -> None:
    total = sine(300, 14_000, 1, rate) + sine(500, 14_000, 1, rate)
    assert (limited(total, rate, rate // 50) == total).all()


@pytest.mark.parametrize(("rate", "block"), [(8000, 160), (16_000, 160), (48_000, 960)])
def test_eight_loud_voices_come_out_whole_and_without_new_frequencies(rate: int, block: int) -> None:
    frequencies = (200.0, 310.0, 450.0, 620.0, 810.0, 1030.0, 1290.0, 1570.0)
    total = sum((sine(f, 20_000, 3, rate) for f in frequencies), np.zeros(3 * rate, np.int32))
    assert np.abs(total).max() > 3 * 32767
    out = limited(total, rate, block)
    assert np.abs(out[rate // 500 :].astype(int)).max() <= CEILING + 1
    assert distortion_db(out, frequencies, rate) < -30
    clipped = np.clip(total, -32768, 32767).astype(np.int16)
    assert distortion_db(clipped, frequencies, rate) > -15  # what the limiter is for


def test_after_the_loud_moment_the_gain_comes_back() -> None:
    rate = 8000
    quiet = sine(400, 5000, 3, rate)
    total = quiet.copy()
    total[rate : rate + rate // 5] *= 10
    out = limited(total, rate, 160)
    assert (out[: rate - 160] == quiet[: rate - 160]).all()
    assert (out[-rate // 2 :] == quiet[-rate // 2 :]).all()
    assert np.abs(np.diff(out[rate + rate // 5 :].astype(int))).max() < 3000  # no step on the way back


def test_silence_and_nothing_at_all() -> None:
    limiter = Limiter(8000)
    assert limiter.process(np.zeros(0, np.int32)).size == 0
    assert not limiter.process(np.zeros(80, np.int32)).any()
    assert limiter.process(np.full(80, -(2**20), np.int32)).min() >= -32768
