"""softphone/dsp/ring_tone.py: the built-in ring can be repeated, begins softly, and leaves room for a voice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from softphone.dsp.ring_tone import PERIOD_MS, QUIETEST_DB, RISE_S, built_in, gain_at


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_one_period_is_a_melody_and_a_silence(rate: int) -> None:
    ring = built_in(rate).astype(int)
    assert ring.size == rate * PERIOD_MS // 1000
    assert np.abs(ring).max() == pytest.approx(0.32 * 32767, rel=0.01)
    tenths = np.abs(ring).reshape(40, -1).max(axis=1)
    assert (tenths[:22] > 300).all()
    assert (tenths[30:] == 0).all()


def test_it_repeats_without_a_click() -> None:
    twice = np.tile(built_in(48_000), 2).astype(int)
    assert np.abs(np.diff(twice)).max() == np.abs(np.diff(twice[:192_000])).max()
    assert np.abs(np.diff(twice[191_990:192_010])).max() < 50


def test_a_ring_grows_to_its_loudness_and_not_beyond() -> None:
    gains = [gain_at(tenth / 10) for tenth in range(200)]
    assert gains[0] == pytest.approx(10 ** (QUIETEST_DB / 20))
    assert all(later >= earlier for earlier, later in pairwise(gains))
    assert gains[int(RISE_S * 10) :] == [1.0] * (200 - int(RISE_S * 10))
