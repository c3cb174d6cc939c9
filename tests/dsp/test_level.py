"""softphone/dsp/level.py against AES17."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.level import FLOOR_DBFS, LevelMeter, level_dbfs


def sine(amplitude: float, samples: int = 8000) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.rint(amplitude * np.sin(2 * np.pi * 1000 * np.arange(samples) / 8000)).astype(np.int16)


def test_a_full_scale_sine_is_0_dbfs_and_a_tenth_of_it_20_db_less() -> None:
    assert level_dbfs(sine(32767)) == pytest.approx(0.0, abs=0.01)
    assert level_dbfs(sine(3276.7)) == pytest.approx(-20.0, abs=0.01)


def test_silence_and_nothing_read_the_floor() -> None:
    assert level_dbfs(np.zeros(160, dtype=np.int16)) == FLOOR_DBFS
    assert level_dbfs(np.zeros(0, dtype=np.int16)) == FLOOR_DBFS


def test_the_meter_knows_nothing_before_the_first_frame() -> None:
    meter = LevelMeter(8000)
    assert meter.dbfs is None
    meter.update(np.zeros(0, dtype=np.int16))
    assert meter.dbfs is None


def test_the_meter_reads_the_last_window_only() -> None:
    meter = LevelMeter(8000, window_ms=1000)
    loud, quiet = sine(32767, 160), sine(327.67, 160)
    for _ in range(100):
        meter.update(loud)
    assert meter.dbfs == pytest.approx(0.0, abs=0.01)
    for _ in range(25):
        meter.update(quiet)
    assert meter.dbfs == pytest.approx(-3.0, abs=0.05)  # half a second of each
    for _ in range(25):
        meter.update(quiet)
    assert meter.dbfs == pytest.approx(-40.0, abs=0.01)


def test_the_most_negative_sample_does_not_overflow() -> None:
    assert level_dbfs(np.full(160, -32768, dtype=np.int16)) == pytest.approx(3.01, abs=0.01)
