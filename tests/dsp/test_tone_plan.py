"""softphone/dsp/tone_plan.py: what is heard is what the lists of the ITU and the national papers say.

Written here once more, in those papers' own form: frequencies in Hz, and seconds on and off in turn.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softphone.dsp.tone import Tone, ToneGenerator
from softphone.dsp.tone_plan import EUROPE, PLANS, SPECIAL_INFORMATION, TonePlan, knows_country, plan_of

RATE = 8000
KINDS = ("ringback", "busy", "congestion", "call_waiting")
# country: ringing tone, busy tone, congestion tone, call waiting tone
BY_THE_LIST = {
    "AT": ("420 1/5", "420 .4/.4", "420 .2/.2", "420 .04/1.96"),
    "AU": ("413+438 .4/.2/.4/2", "425 .375/.375", "425 .375/.375", "425 .2/.2/.2/4.4"),
    "BR": ("425 1/4", "425 .25/.25", "425 .25/.25/.75/.25", "425 .05/1"),
    "CA": ("440+480 2/4", "480+620 .5/.5", "480+620 .25/.25", "440 .3/10"),
    "CH": ("425 1/4", "425 .5/.5", "425 .2/.2", "425 .2/.2/.2/4"),
    "CN": ("450 1/4", "450 .35/.35", "450 .7/.7", "450 .4/4"),
    "DE": ("425 1/4", "425 .48/.48", "425 .24/.24", "425 .2/.2/.2/5"),
    "ES": ("425 1.5/3", "425 .2/.2", "425 .2/.2/.2/.2/.2/.6", "425 .175/.175/.175/3.5"),
    "FR": ("440 1.5/3.5", "440 .5/.5", "440 .25/.25", "440 .3/10"),
    "GB": ("400+450 .4/.2/.4/2", "400 .375/.375", "400 .4/.35/.225/.525", "400 .1/4"),
    "IN": ("375+400+425 .4/.2/.4/2", "400 .75/.75", "400 .25/.25", "400 .2/.1/.2/7.5"),
    "IT": ("425 1/4", "425 .5/.5", "425 .2/.2", "425 .4/.1/.25/.1/.15/14"),
    "JP": ("384+400+416 1/2", "400 .5/.5", "400 .5/.5", "384+400+416 .5/8"),
    "KR": ("440+480 1/2", "480+620 .5/.5", "480+620 .3/.2", "350+440 .25/.25/.25/3.25"),
    "NL": ("425 1/4", "425 .5/.5", "425 .25/.25", "425 .5/9.5"),
    "NZ": ("400+450 .4/.2/.4/2", "400 .5/.5", "400 .25/.25", "400 .2/3"),
    "PL": ("425 1/4", "425 .5/.5", "425 .5/.5", "425 .15/.15/.15/4"),
    "RU": ("425 1/4", "425 .35/.35", "425 .175/.175", "425 .2/5"),
    "SE": ("425 1/5", "425 .25/.25", "425 .25/.75", "425 .2/.5/.2/9.1"),
    "US": ("440+480 2/4", "480+620 .5/.5", "480+620 .25/.25", "440 .3/10"),
    "ZA": ("367+400+433 .4/.2/.4/2", "400 .5/.5", "400 .25/.25", "367+400+433 .25/.25/.25/.25/.25/.25/.25/.25"),
}


def periods_of(sound: NDArray[np.int16]) -> list[float]:
    """Seconds of sound and of silence in turn, from the beginning."""
    loud = np.abs(sound.astype(float))
    heard = np.array([loud[at : at + RATE // 100].max() > 20 for at in range(0, sound.size, RATE // 200)])
    edges = np.flatnonzero(np.diff(heard)) + 1
    return [float(length) / 200 for length in np.diff([0, *edges, heard.size])]


def frequencies_in(sound: NDArray[np.int16]) -> set[int]:
    """Whole Hz in one second of a tone that is on all the time."""
    spectrum = np.abs(np.fft.rfft(sound.astype(float)))
    return {int(at) for at in np.flatnonzero(spectrum > spectrum.max() * 0.3)}


@pytest.mark.parametrize("country", BY_THE_LIST)
@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_a_tone_has_its_frequencies_and_its_cadence(country: str, number: int) -> None:
    hertz, _, cadence = BY_THE_LIST[country][number].partition(" ")
    tone: Tone = getattr(PLANS[country], KINDS[number])
    steady = Tone(tone.frequencies, tone.level_dbfs, (), tone.modulation)
    assert frequencies_in(ToneGenerator(steady, RATE).generate(RATE)) == {int(each) for each in hertz.split("+")}
    wanted = [float(each) for each in cadence.split("/")]
    # A repetition more than one, so that the last pause has an end.
    heard = periods_of(ToneGenerator(tone, RATE).generate(int(RATE * (sum(wanted) + 0.03))))
    assert heard[: len(wanted)] == pytest.approx(wanted, abs=0.021)


def test_the_list_here_leaves_out_no_country_that_was_asked_for() -> None:
    asked = {"DE", "FR", "GB", "IT", "ES", "NL", "AT", "CH", "PL", "SE"}
    asked |= {"US", "CA", "JP", "AU", "NZ", "CN", "IN", "BR", "RU", "ZA", "KR"}
    assert asked <= BY_THE_LIST.keys() <= PLANS.keys()


@pytest.mark.parametrize("plan", [*PLANS.values(), EUROPE], ids=[*PLANS, "Europe"])
def test_every_tone_is_as_loud_as_the_others_and_call_waiting_below_a_voice(plan: TonePlan) -> None:
    for kind in KINDS:
        tone: Tone = getattr(plan, kind)
        sound = ToneGenerator(tone, RATE).generate(RATE).astype(float)
        peak = 20 * np.log10(np.abs(sound).max() / 32767)
        assert peak == pytest.approx(-25 if kind == "call_waiting" else -14, abs=2.5)


def test_the_special_information_tone_rises_in_three_steps() -> None:
    sound = ToneGenerator(SPECIAL_INFORMATION, RATE).generate(2 * RATE)
    for step, hertz in enumerate((950, 1400, 1800)):
        begin = int(RATE * (0.33 * step + 0.05))
        piece = sound[begin : begin + RATE // 5].astype(float)
        assert 5 * int(np.argmax(np.abs(np.fft.rfft(piece)))) == hertz
    assert not sound[RATE : int(RATE * 1.98)].any()
    assert sound[int(RATE * 1.995) :].any()


def test_a_territory_without_a_row_has_the_european_tones() -> None:
    assert plan_of("LU") is plan_of("") is EUROPE
    assert plan_of("gb") is PLANS["GB"]
    assert knows_country("de")
    assert not knows_country("LU")
