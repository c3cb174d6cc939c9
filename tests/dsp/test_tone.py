"""softphone/dsp/tone.py: frequencies, levels, cadences, seams."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.level import level_dbfs
from softphone.dsp.tone import DTMF, Tone, ToneGenerator
from softphone.dsp.tone_plan import PLANS, SPECIAL_INFORMATION

RINGBACK, BUSY = PLANS["DE"].ringback, PLANS["DE"].busy


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize(
    "tone", [Tone((1000.0,)), Tone((440.5,), -6.0), RINGBACK, DTMF["5"], SPECIAL_INFORMATION, PLANS["IN"].ringback]
)
def test_blocks_of_any_length_join_without_a_seam(tone: Tone, rate: int) -> None:
    whole = ToneGenerator(tone, rate).generate(3 * rate)
    generator = ToneGenerator(tone, rate)
    lengths = [1, 7, 160, 0, 441, 960, 5000, rate]
    pieces = [generator.generate(length) for length in lengths]
    joined = np.concatenate(pieces)
    assert (joined == whole[: len(joined)]).all()


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_a_dtmf_digit_has_its_two_frequencies_and_no_others(digit: str) -> None:
    # ITU-T Q.23
    low = (697, 770, 852, 941)[
        next(row for row, digits in enumerate(("123A", "456B", "789C", "*0#D")) if digit in digits)
    ]
    high = (1209, 1336, 1477, 1633)[
        next(column for column, digits in enumerate(("147*", "2580", "369#", "ABCD")) if digit in digits)
    ]
    spectrum = np.abs(np.fft.rfft(ToneGenerator(DTMF[digit], 8000).generate(8000).astype(float)))
    strongest = sorted(np.argsort(spectrum)[-2:].tolist())
    assert strongest == [low, high]
    level = spectrum[strongest].min()
    spectrum[strongest] = 0
    assert spectrum.max() < level * 1e-4  # the rounding to 16 bits


def test_a_tone_has_its_level() -> None:
    assert level_dbfs(ToneGenerator(Tone((1000.0,), -20.0), 8000).generate(8000)) == pytest.approx(-20.0, abs=0.02)


def test_ringback_sounds_for_one_second_in_five() -> None:
    sound = ToneGenerator(RINGBACK, 8000).generate(10 * 8000).reshape(10, 8000)
    assert [bool(second.any()) for second in sound] == [True, False, False, False, False] * 2


def test_busy_is_480_ms_on_and_480_off() -> None:
    sound = ToneGenerator(BUSY, 8000).generate(8000)
    assert sound[100:3740].any()
    assert not sound[3840:7680].any()
    assert sound[7700:].any()


def test_the_edges_of_a_cadence_do_not_click() -> None:
    sound = ToneGenerator(Tone((1000.0,), -6.0, ((100, 100),)), 8000).generate(8000).astype(int)
    steady = ToneGenerator(Tone((1000.0,), -6.0), 8000).generate(8000).astype(int)
    assert np.abs(np.diff(sound)).max() <= np.abs(np.diff(steady)).max()
    assert abs(sound[799]) < 500


def test_too_loud_a_tone_is_clipped_and_does_not_wrap_around() -> None:
    sound = ToneGenerator(Tone((100.0,), 6.0), 8000).generate(80)
    assert sound.max() == 32767
    assert (sound[2:38] > 0).all()
