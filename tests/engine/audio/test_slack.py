"""What waits between two clocks: drift is evened out by a few samples, backlogs go at once, gaps are learnt from."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from softphone.engine.audio.fade import crossed, faded_in, faded_out, tail
from softphone.engine.audio.slack import STEP, Slack, stretched

BLOCK = 480
HOUR = 360_000  # blocks of 10 ms


class Line:
    """A device that delivers in fragments by a clock of its own, and somebody who takes 10 ms each tick."""

    def __init__(self, ppm: float, waiting: int, fragment: int = BLOCK // 2) -> None:
        self.slack = Slack()
        self.slack.moves(fragment)
        self.fragment = fragment
        self.per_tick = BLOCK * (1 + ppm / 1e6)
        self.delivered = float(waiting)
        self.taken = 0
        self.steps: list[int] = []
        self.gaps = 0
        self.filling = False

    def run(self, ticks: int, late: Callable[[], float] = lambda: 0.0) -> list[int]:
        """What waited after each tick; `late()` samples of it come with the next one only."""
        waited = []
        for _ in range(ticks):
            self.delivered += self.per_tick
            there = int((self.delivered - late()) / self.fragment) * self.fragment - self.taken
            if there < BLOCK + (self.slack.start if self.filling else 0):
                if not self.filling:
                    self.gaps += 1
                    self.slack.ran_dry()
                self.filling = True
            else:
                self.filling = False
                excess = self.slack.excess(there - BLOCK)
                self.steps.append(excess)
                self.taken += BLOCK + excess
            waited.append(int(self.delivered / self.fragment) * self.fragment - self.taken)
        return waited


@pytest.mark.parametrize("fragment", [BLOCK // 2, BLOCK, 1024])
@pytest.mark.parametrize("ppm", [0, 100, 200, -100, -200])
def test_an_hour_of_drift_has_no_gap_and_piles_nothing_up(ppm: float, fragment: int) -> None:
    line = Line(ppm, 4 * BLOCK, fragment)
    waited = line.run(HOUR if fragment < BLOCK else HOUR // 6)
    assert line.gaps == 0
    assert not line.slack.strained
    assert max(abs(step) for step in line.steps) <= STEP
    assert max(waited[2000:]) <= line.slack.spare + BLOCK + fragment


@pytest.mark.parametrize("fragment", [BLOCK // 2, BLOCK])
@pytest.mark.parametrize("ppm", [-30, -100, 30, 100])
def test_a_device_has_no_gap_wherever_its_pieces_fall_at_first(ppm: float, fragment: int) -> None:
    for offset in range(0, BLOCK, 60):
        line = Line(ppm, 2 * BLOCK + fragment, fragment)
        line.taken = offset
        line.run(20_000)
        assert line.gaps == 0, offset


@pytest.mark.parametrize("fragment", [240, 480, 720, 960, 1024, 2048, 2400])
def test_a_beginning_is_no_gap_however_much_comes_at_once(fragment: int) -> None:
    for delivered in range(0, fragment, 50):
        line = Line(0, delivered, fragment)
        line.filling = True
        line.run(1000)
        assert line.gaps == 0, delivered


@pytest.mark.parametrize("gaps", [0, 1, 2])
def test_what_is_lacking_is_filled_up_once_and_soon(gaps: int) -> None:
    line = Line(0, BLOCK)
    for _ in range(gaps):
        line.slack.ran_dry()
    spare = line.slack.spare
    waited = line.run(1000)
    assert waited[400] >= min(spare, BLOCK) - 50, "two seconds to see it, some tenths to fill it"
    assert max(waited) <= spare + BLOCK // 2


@pytest.mark.parametrize("offset", range(0, BLOCK // 2, 30))
def test_a_tick_that_is_late_now_and_then_does_not_move_the_sound_to_and_fro(offset: int) -> None:
    chance = random.Random(offset)
    line = Line(0, 3 * BLOCK)
    line.taken = offset
    line.run(6000, late=lambda: chance.random() * BLOCK / 2 if chance.random() < 0.002 else 0.0)
    moved = [step for step in line.steps[400:] if step]
    assert sum(map(abs, moved)) <= BLOCK // 2 + STEP, "the piece that was missed once, in a minute"
    assert line.gaps == 0


def test_a_gap_is_a_strain_where_the_one_before_is_not_forgotten() -> None:
    slack = Slack()
    slack.ran_dry()
    assert not slack.strained
    for _ in range(30 * 200):
        slack.excess(2 * BLOCK)
    slack.ran_dry()
    assert not slack.strained
    slack.ran_dry()
    assert slack.strained


def test_what_waits_is_brought_to_half_a_block() -> None:
    line = Line(0, 3 * BLOCK)
    assert line.run(2000)[-1] <= BLOCK // 2 + 120


def test_a_backlog_is_dropped_within_a_fifth_of_a_second() -> None:
    line = Line(0, 20 * BLOCK)
    waited = line.run(25)
    assert max(line.steps) > STEP
    assert waited[-1] <= 2 * BLOCK


def test_after_it_ran_dry_what_waits_is_left_alone_for_longer() -> None:
    calm, burnt = Slack(), Slack()
    burnt.ran_dry()
    burnt.ran_dry()
    first = [next(n for n in range(2000) if slack.excess(3 * BLOCK)) for slack in (calm, burnt)]
    assert first[0] < 250
    assert first[1] > 3 * first[0]


def test_a_gap_doubles_what_is_kept_until_it_has_been_calm() -> None:
    line = Line(0, 3 * BLOCK)
    line.slack.ran_dry()
    assert line.slack.spare == BLOCK
    assert min(line.run(1000)[500:]) >= BLOCK - 120
    assert line.run(8000)[-1] <= BLOCK // 2 + 300
    assert line.slack.spare == BLOCK // 2


def test_gaps_that_come_again_are_remembered_for_longer_and_not_for_ever() -> None:
    line = Line(0, 3 * BLOCK)
    kept = []
    for _ in range(3):
        line.slack.ran_dry()
        line.run(6000)
        kept.append(line.slack.spare)
    assert kept[0] == BLOCK // 2 < kept[1] < kept[2]
    line.run(120_000)
    line.slack.ran_dry()
    line.run(6000)
    assert line.slack.spare == BLOCK // 2


def test_what_is_kept_after_many_gaps_is_bounded() -> None:
    slack = Slack()
    for _ in range(50):
        slack.ran_dry()
    assert slack.spare == 2 * BLOCK


def test_a_server_that_stops_time_and_again_costs_its_first_stops_and_no_more() -> None:
    """100 ms every 0.45 s, as a busy machine has it: what comes late is not dropped before the next stop."""
    slack, delivered, taken, gaps, dropped, filling = Slack(), 2 * BLOCK, 0, [], [], False
    for tick in range(6000):
        if tick % 45 >= 10:
            delivered = (tick + 3) * BLOCK
        waiting = delivered - taken - BLOCK
        if waiting < (slack.spare if filling else 0):
            if not filling:
                gaps.append(tick)
                slack.ran_dry()
            filling = True
            continue
        filling = False
        excess = slack.excess(waiting)
        if excess > STEP:
            dropped.append(tick)
        taken += BLOCK + excess
    assert len(gaps) <= 10, gaps  # of 133 stops
    assert len(dropped) <= 10, dropped


def test_a_device_that_moves_half_a_second_at_once_has_no_backlog_for_it() -> None:
    slack, excess = Slack(), []
    slack.moves(50 * BLOCK)
    for tick in range(6000):
        excess.append(slack.excess((1 + tick % 50) * BLOCK))
    assert max(excess) == 0


def test_a_stretched_block_keeps_its_ends_and_its_shape() -> None:
    sound = (10_000 * np.sin(np.arange(488) / 20)).astype(np.int16)
    shorter = stretched(sound, 480)
    assert shorter.size == 480
    assert (shorter[0], shorter[-1]) == (sound[0], sound[-1])
    assert np.abs(shorter - np.interp(np.linspace(0, 487, 480), np.arange(488), sound)).max() <= 1
    assert stretched(sound, 488) is sound


def test_fades_leave_no_step_larger_than_the_sound_s_own() -> None:
    tone = (10_000 * np.sin(np.arange(3 * BLOCK) / 10)).astype(np.int16)
    a, b, c = np.split(tone, 3)
    silence = np.zeros(BLOCK, np.int16)
    own = np.abs(np.diff(tone.astype(int))).max()
    for joined in (
        np.concatenate((silence, faded_in(b), c)),
        np.concatenate((a, faded_out(b), silence)),
        np.concatenate((a, tail(int(a[-1]), BLOCK), silence)),
        np.concatenate((a, crossed(b, np.flip(b)))),
    ):
        assert np.abs(np.diff(joined.astype(int))).max() <= 2 * own
