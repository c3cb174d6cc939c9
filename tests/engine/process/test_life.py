"""When the engine starts a window, ends calls and ends itself: time is an argument."""

from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.process.life import EngineLife, LifeAct, LifeTimes

WINDOW, TOOL = FrontEndKind.WINDOW, FrontEndKind.TOOL
START, END_CALLS, END = LifeAct.START_WINDOW, LifeAct.END_CALLS, LifeAct.END_ENGINE


def run_until(life: EngineLife, end: float) -> list[tuple[float, LifeAct]]:
    """Every timer up to that moment, and what came of it."""
    acts = []
    while (due := life.next_timer()) is not None and due <= end:
        acts += [(due, act) for act in life.handle_timer(due)]
    return acts


def test_an_engine_that_nobody_wants_ends_after_a_minute() -> None:
    assert run_until(EngineLife(LifeTimes(), 100.0), 200) == [(160.0, END)]


def test_an_attached_tool_keeps_the_engine_and_its_leaving_starts_the_minute() -> None:
    life = EngineLife(LifeTimes(), 0.0)
    assert life.attached(TOOL, 10) == []
    assert run_until(life, 500) == []
    assert life.left(TOOL, 500) == []
    assert run_until(life, 600) == [(560.0, END)]


def test_a_call_keeps_the_engine_but_not_unseen() -> None:
    life = EngineLife(LifeTimes(), 0.0)
    life.attached(WINDOW, 1)
    assert life.calls(1, 2) == []
    assert run_until(life, 5000) == []
    assert life.left(WINDOW, 5000) == [START]
    assert run_until(life, 5030) == [(5010.0, START), (5020.0, START), (5030.0, END_CALLS)]
    assert life.calls(0, 5031) == []
    assert run_until(life, 5100) == [(5091.0, END)]


def test_a_window_that_comes_back_in_time_saves_the_call() -> None:
    life = EngineLife(LifeTimes(), 0.0)
    life.attached(WINDOW, 0)
    life.calls(1, 0)
    assert life.left(WINDOW, 10) == [START]
    assert life.attached(WINDOW, 12) == []
    assert run_until(life, 5000) == []


def test_windows_that_crash_are_started_three_times_a_minute_at_most() -> None:
    life = EngineLife(LifeTimes(call_alone=1e9), 0.0)
    life.attached(WINDOW, 0)
    life.calls(1, 0)
    starts = [0.0] * life.left(WINDOW, 0).count(START)
    now = 0.0
    while now < 599:
        life.attached(WINDOW, now + 0.25)
        now += 0.5  # each crashes half a second after it came
        starts += [now] * life.left(WINDOW, now).count(START)
    for moment in starts:
        assert sum(moment <= other < moment + 60 for other in starts) <= 3
    assert len(starts) == 30


def test_a_window_that_is_still_there_is_enough() -> None:
    life = EngineLife(LifeTimes(), 0.0)
    life.attached(WINDOW, 0)
    life.attached(WINDOW, 0)
    life.calls(1, 0)
    assert life.left(WINDOW, 1) == []
    assert run_until(life, 1000) == []


def test_a_tool_makes_no_call_visible() -> None:
    life = EngineLife(LifeTimes(), 0.0)
    life.attached(TOOL, 0)
    assert life.calls(1, 5) == [START]
    assert (35.0, END_CALLS) in run_until(life, 36)


def test_calls_that_do_not_end_are_ended_again() -> None:
    life = EngineLife(LifeTimes(windows_per_minute=0), 0.0)
    life.calls(1, 0)
    assert [act for act in run_until(life, 95) if act[1] is END_CALLS] == [
        (30.0, END_CALLS),
        (60.0, END_CALLS),
        (90.0, END_CALLS),
    ]
