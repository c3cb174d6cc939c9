"""Runs of lost packets, counted while packets come in any order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.loss_runs import MAX_OPEN, LossRuns
from softphone.rtp.packet import RtpPacket
from softphone.rtp.reception import ReceptionStatistics


def runs_of(came: list[int], first: int, last: int) -> int:
    missing = [number for number in range(first, last + 1) if number not in set(came)]
    return sum(number - 1 not in missing for number in missing)


def received(numbers: list[int]) -> ReceptionStatistics:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    for number in numbers:
        statistics.received(RtpPacket(0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, 1, b""), number * 0.02)
    return statistics


@given(st.lists(st.booleans(), min_size=2, max_size=200), st.integers(0, 2**16), st.integers(0, 99))
def test_runs_are_those_that_remain_when_all_packets_have_come(lost: list[bool], first: int, seed: int) -> None:
    """With packets that overtake each other by up to four places, over the wrap of the numbers too."""
    came = [first + place for place, gone in enumerate(lost) if not gone or place in (0, len(lost) - 1)]
    late = random.Random(seed)
    middle = sorted(came[1:-1], key=lambda number: number + 4 * late.random())
    statistics = received([first, *middle, came[-1]])
    assert statistics.loss_runs == runs_of(came, first, came[-1])


def test_a_packet_out_of_order_closes_shortens_or_splits_a_gap() -> None:
    losses = LossRuns()
    losses.gap(10, 5)
    losses.came(12)
    assert losses.runs == 2  # 10-11 and 13-14
    losses.came(13)
    assert losses.runs == 2
    losses.came(14)
    assert losses.runs == 1
    losses.came(14)  # once more
    losses.came(10)
    losses.came(11)
    assert losses.runs == 0


def test_what_is_kept_is_bounded_and_the_count_goes_on() -> None:
    losses = LossRuns()
    for number in range(0, 2000, 2):
        losses.gap(number, 1)
    assert losses.runs == 1000
    losses.came(0)  # too old to matter
    assert losses.runs == 1000
    losses.came(1998)
    assert losses.runs == 999
    assert MAX_OPEN < 100


def test_a_restart_leaves_the_count_and_takes_no_old_gap_for_a_new_one() -> None:
    statistics = received([100, 105, 106, 50_000, 50_001, 50_003])
    assert statistics.loss_runs == 2
