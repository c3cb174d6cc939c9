"""The bit rate that follows the line: narrow lines with and without a queue, radio, clean lines, alternating ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.send_rate import HEADERS, START, STEPS, SendRate

REPORT_S = 5.0
Line = Callable[[int, float], tuple[float, float | None]]
"""Loss and round trip (ms) at a rate and a time."""


def queueing(capacity: int) -> Line:
    """Holds back up to 300 ms of what is too much, and loses the rest."""
    held, loses = 0.0, policed(capacity)

    def line(rate: int, now: float) -> tuple[float, float]:
        nonlocal held
        held = min(300.0, max(0.0, held + (rate - capacity) / capacity * REPORT_S * 1000))
        return (loses(rate, now)[0] if held >= 300 else 0.0), 40.0 + held

    return line


def policed(capacity: int) -> Line:
    """Drops what is too much and holds nothing back."""
    return lambda rate, _now: (max(0.0, 1 - (capacity + HEADERS) / (rate + HEADERS)), 40.0)


def radio(part: float, seed: int = 1) -> Line:
    """Loses so much whatever is sent."""
    dice = random.Random(seed)
    return lambda _rate, _now: (part * dice.uniform(0.7, 1.3), 40.0 + dice.uniform(0, 15))


def over(line: Line, seconds: float, rate: SendRate | None = None, begin: float = 0.0) -> list[int]:
    """The rate after each report."""
    rate = rate or SendRate(STEPS[-1])
    rates = []
    now = begin
    while now < begin + seconds:
        now += REPORT_S
        rates.append(rate.reported(*line(rate.bit_rate, now), now))
    return rates


def mean(rates: Sequence[float]) -> float:
    return sum(rates) / len(rates)


def test_it_begins_in_the_middle_and_no_higher_than_the_peer_wants() -> None:
    assert SendRate(48_000).bit_rate == START
    assert SendRate(20_000).bit_rate == 20_000
    assert SendRate(9_000).bit_rate == 9_000
    assert SendRate(510_000).bit_rate == START
    assert max(over(radio(0.0), 300, SendRate(25_000))) == 25_000


def test_a_clean_line_is_given_more_slowly() -> None:
    rates = over(radio(0.0), 120)
    assert rates[0] == START  # one report proves nothing
    assert rates[-1] == STEPS[-1]
    assert all(abs(STEPS.index(a) - STEPS.index(b)) <= 1 for a, b in pairwise(rates))


@pytest.mark.parametrize("line", [queueing, policed])
@pytest.mark.parametrize("capacity", [14_000, 18_000, 26_000])
def test_a_narrow_line_is_given_less_within_four_reports_and_then_about_what_it_bears(
    line: Callable[[int], Line], capacity: int
) -> None:
    rates = over(line(capacity), 600)
    assert min(rates[:4]) < START
    settled = rates[len(rates) // 4 :]
    assert mean([policed(capacity)(rate, 0.0)[0] for rate in settled]) < 0.06  # from 0.12 to 0.35 at first
    assert mean(settled) > 0.55 * capacity


def test_loss_that_has_nothing_to_do_with_the_rate_costs_no_more_than_one_try() -> None:
    rates = over(radio(0.12), 120)
    assert sum(rate < START for rate in rates) <= 3
    assert rates[-1] >= START


def test_a_little_loss_costs_nothing() -> None:
    assert min(over(radio(0.03), 120)) == START


def test_a_line_that_becomes_narrow_and_wide_again_is_followed() -> None:
    rate = SendRate(STEPS[-1])
    over(radio(0.0), 120, rate)
    narrow = over(queueing(18_000), 60, rate, 120.0)
    wide = over(radio(0.0), 400, rate, 180.0)
    assert narrow[-1] <= 20_000
    assert wide[-1] == STEPS[-1]


def test_one_late_report_alone_changes_nothing() -> None:
    rate = SendRate(STEPS[-1])
    rate.reported(0.0, 40.0, 5.0)
    assert rate.reported(0.0, 130.0, 10.0) >= START


@given(
    st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 5000), st.floats(0, 20)), max_size=60),
    st.integers(6000, 600_000),
)
def test_whatever_is_reported_the_rate_stays_in_its_bounds(
    reports: list[tuple[float, float | None, float]], most: int
) -> None:
    rate, now = SendRate(most), 0.0
    for loss, way, pause in reports:
        now += pause
        assert min(STEPS[0], most) <= rate.reported(loss, way, now) <= min(STEPS[-1], most)


@pytest.mark.parametrize("part", [0.05, 0.1, 0.2, 0.3])
def test_chance_in_reports_of_a_lossy_line_and_a_busy_moment_now_and_then_cost_few_calls_bits(part: float) -> None:
    """Reports of 2.5 to 7.5 s count packets, so they scatter; each fiftieth came 80 ms late."""
    fewer = 0
    for seed in range(300):
        dice, rate, now, below = random.Random(seed), SendRate(STEPS[-1]), 0.0, [False]
        while now < 60:
            lasts = dice.uniform(2.5, 7.5)
            now += lasts
            packets = int(lasts * 50)
            loss = sum(dice.random() < part for _ in range(packets)) / packets
            late = 80 if dice.random() < 0.02 else 0
            below.append(rate.reported(loss, dice.uniform(1, 6) + late, now) < STEPS[-1])
        fewer += any(a and b for a, b in pairwise(below))  # for longer than one report, which is a try
    assert fewer <= 300 * 0.04
