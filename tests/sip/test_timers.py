"""RFC 3261 Table 4 and RFC 6026 §7."""

from __future__ import annotations

import pytest

from softphone.sip.timers import Deadlines, Timer, Timers


@pytest.mark.parametrize(
    ("timer", "unreliable", "reliable"),
    [
        (Timer.A, 0.5, None),
        (Timer.B, 32.0, 32.0),
        (Timer.D, 32.0, 0.0),
        (Timer.E, 0.5, None),
        (Timer.F, 32.0, 32.0),
        (Timer.G, 0.5, None),
        (Timer.H, 32.0, 32.0),
        (Timer.I, 5.0, 0.0),
        (Timer.J, 32.0, 0.0),
        (Timer.K, 5.0, 0.0),
        (Timer.L, 32.0, 32.0),
        (Timer.M, 32.0, 32.0),
        (Timer.TRYING, 0.2, 0.2),
        (Timer.CANCEL, 32.0, 32.0),
    ],
)
def test_first_durations_are_those_of_table_4(timer: Timer, unreliable: float, reliable: float | None) -> None:
    assert Timers(reliable=False).first(timer) == unreliable
    assert Timers().first(timer) == reliable


def test_every_duration_follows_t1() -> None:
    assert Timers(t1=1.0).first(Timer.B) == 64.0
    assert Timers(t1=1.0, reliable=False).first(Timer.D) == 64.0


def test_a_timer_that_the_transport_has_no_use_for_does_not_run() -> None:
    deadlines = Deadlines(Timers())
    deadlines.start(Timer.A, 0.0)
    assert deadlines.next() is None


def test_timers_fire_in_the_order_of_their_deadlines_and_once() -> None:
    deadlines = Deadlines(Timers(reliable=False))
    deadlines.start(Timer.B, 0.0)
    deadlines.start(Timer.A, 0.0)
    assert deadlines.take_due(0.4) is None
    assert deadlines.take_due(40.0) is Timer.A
    assert deadlines.take_due(40.0) is Timer.B
    assert deadlines.take_due(40.0) is None


def test_intervals_double_up_to_t2_except_that_of_timer_a() -> None:
    deadlines = Deadlines(Timers(reliable=False))
    intervals: dict[Timer, list[float]] = {Timer.A: [], Timer.E: []}
    for timer, seen in intervals.items():
        deadlines.start(timer, 0.0)
        for _ in range(6):
            deadline = deadlines.next()
            assert deadline is not None
            seen.append(deadline)
            assert deadlines.take_due(deadline) is timer
            deadlines.back_off(timer, 0.0)
        deadlines.stop(timer)
    assert intervals[Timer.A] == [0.5, 1, 2, 4, 8, 16]
    assert intervals[Timer.E] == [0.5, 1, 2, 4, 4, 4]
