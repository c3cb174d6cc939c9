"""The clock that counts sleep, and how waking is noticed: two clocks that the test moves apart."""

from __future__ import annotations

import sys
import time

import pytest

from softphone.engine import clock
from softphone.engine.clock import ASLEEP_S, Slumber


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Machine:
    """Two clocks: one goes on in sleep, one does not."""

    def __init__(self) -> None:
        self.counting, self.running = Hand(), Hand()
        self.slumber = Slumber(self.counting, self.running)

    def runs(self, seconds: float) -> None:
        self.counting.at += seconds
        self.running.at += seconds

    def sleeps(self, seconds: float) -> None:
        self.counting.at += seconds


def test_an_ordinary_second_is_no_sleep() -> None:
    machine = Machine()
    for _ in range(100):
        machine.runs(1.02)
        assert machine.slumber.look(1.0) == 0.0


@pytest.mark.parametrize("hours", [0.01, 1, 24 * 30])
def test_what_the_one_clock_counted_and_the_other_did_not_was_sleep(hours: float) -> None:
    machine = Machine()
    machine.runs(0.3)
    machine.sleeps(hours * 3600)
    machine.runs(0.7)
    assert machine.slumber.look(1.0) == pytest.approx(hours * 3600)
    machine.runs(1.0)
    assert machine.slumber.look(1.0) == 0.0, "it is told once"


def test_a_process_that_was_stopped_has_slept_too() -> None:
    """SIGSTOP, a debugger, a paused virtual machine: both clocks go on, and the look comes late."""
    machine = Machine()
    machine.runs(15.0)
    assert machine.slumber.look(1.0) == pytest.approx(14.0)


def test_where_both_clocks_count_sleep_the_late_look_shows_it() -> None:
    """Windows: `time.monotonic` goes on in sleep."""
    running = Hand()
    slumber = Slumber(running, running)
    running.at += 7200
    assert slumber.look(1.0) == pytest.approx(7199)


def test_a_busy_machine_and_a_small_correction_of_the_clock_are_no_sleep() -> None:
    machine = Machine()
    machine.runs(1 + ASLEEP_S - 0.1)
    assert machine.slumber.look(1.0) == 0.0
    machine.counting.at += ASLEEP_S - 0.1
    machine.runs(1.0)
    assert machine.slumber.look(1.0) == 0.0


def test_a_wall_clock_that_is_set_back_is_no_sleep() -> None:
    machine = Machine()
    machine.counting.at -= 86_400
    machine.runs(1.0)
    assert machine.slumber.look(1.0) == 0.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CLOCK_BOOTTIME is Linux's")
def test_on_linux_the_engines_clock_is_the_one_that_counts_sleep() -> None:
    assert clock.now() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=0.1)
