"""The window's end of the link: never blocks, wakes once, tells of a lost engine at once and comes back."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.failures import AnotherWindow, LinkBroken
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.engine.link.window_link import (
    EngineBack,
    EngineLost,
    EngineUnavailable,
    EventReceived,
    LinkItem,
    StateReceived,
    WindowLink,
)
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import EngineEnding, Noticed, Quit
from softphone.state import AppState
from softphone.ua.commands import Dial, HangUp
from tests.engine.link.linked import linked
from tests.peers.process import until

NOTICE = Noticed(Failure(FailureKind.POLICY, "No.", "Do."))


class Window:
    """What a window does with its link, without a window."""

    def __init__(self, connect: Callable[[], LinkConnection]) -> None:
        self.wakes = 0
        self.others = 0
        self.items: list[LinkItem] = []
        self.link = WindowLink(connect, self._wake, self._another)
        self.link.start()

    def _wake(self) -> None:
        self.wakes += 1

    def _another(self) -> None:
        self.others += 1

    def wait(self, count: int) -> list[LinkItem]:
        def look() -> bool:
            self.items += self.link.take()
            return len(self.items) >= count

        until(look, f"{count} items; there are {self.items}")
        return self.items


def connector(directory: Path) -> Callable[[], LinkConnection]:
    place = LinkPlace(directory / "run", LinkForm.UNIX)

    def connect() -> LinkConnection:
        connection = attach(place, FrontEndKind.WINDOW)
        if connection is None:
            raise LinkBroken("nobody is there")
        return connection

    return connect


def test_state_events_and_commands_pass(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.UNIX) as engine:
        window = Window(connector(tmp_path))
        assert window.wait(1) == [StateReceived(AppState())]
        engine.publish(NOTICE)
        assert window.wait(2)[1] == EventReceived(NOTICE, AppState(notices=(NOTICE.failure,)))
        window.link.submit(Dial("1", "bob"))
        window.link.submit(HangUp("1"))
        assert engine.until_said(2) == [Dial("1", "bob"), HangUp("1")]
        window.link.close()
        until(lambda: "-window" in engine.life, "the window to leave")


def test_it_wakes_once_for_all_that_comes_until_it_is_taken(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.UNIX) as engine:
        window = Window(connector(tmp_path))
        window.wait(1)
        woken = window.wakes
        engine.publish(*[NOTICE] * 200)
        other = engine.attach()  # when it has its state, everything before has been written
        time.sleep(0.3)
        assert window.wakes == woken + 1
        assert len(window.link.take()) == 200
        engine.publish(NOTICE)
        window.wait(2)
        assert window.wakes == woken + 2
        other.close()
        window.link.close()


def test_a_lost_engine_is_told_at_once_and_another_one_found(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.UNIX) as first:
        window = Window(connector(tmp_path))
        window.wait(1)
        began = time.monotonic()
        first.drop()
        until(lambda: any(isinstance(item, EngineLost) for item in window.wait(2)), "the loss")
        assert time.monotonic() - began < 2.0
        window.wait(4)
    kinds = [type(item) for item in window.items[:4]]
    assert kinds == [StateReceived, EngineLost, EngineBack, StateReceived]
    with linked(tmp_path, LinkForm.UNIX) as second:
        until(lambda: second.life == ["+window"], "the window to come back")
        window.link.close()


def test_an_engine_that_says_it_ends_is_not_lost(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.UNIX) as engine:
        window = Window(connector(tmp_path))
        window.wait(1)
        engine.publish(EngineEnding())
    until(lambda: not window.link._thread.is_alive(), "the link to end")
    assert [type(item) for item in window.wait(2)] == [StateReceived, EventReceived]


def test_who_quits_does_not_start_another_engine(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.UNIX) as engine:
        window = Window(connector(tmp_path))
        window.wait(1)
        window.link.submit(Quit())
        engine.until_said(1)
    until(lambda: not window.link._thread.is_alive(), "the link to end")
    assert [type(item) for item in window.wait(1)] == [StateReceived]


def test_commands_given_before_an_engine_answers_reach_it(tmp_path: Path) -> None:
    window = Window(connector(tmp_path))
    window.link.submit(Dial("1", "bob"))
    with linked(tmp_path, LinkForm.UNIX) as engine:
        assert engine.until_said(1) == [Dial("1", "bob")]
        window.link.close()


def test_submit_never_waits_whatever_the_engine_does() -> None:
    release = threading.Event()

    def connect() -> LinkConnection:
        release.wait(10)
        raise LinkBroken("nobody is there")

    window = Window(connect)
    began = time.monotonic()
    for _ in range(100_000):
        window.link.submit(HangUp("1"))
    assert time.monotonic() - began < 3.0
    assert len(window.link._commands) <= 200
    release.set()
    window.link.close()


def test_an_engine_that_cannot_be_had_is_told_with_its_reason() -> None:
    failure = Failure(FailureKind.STORAGE, "The folder is somebody else's.", "Correct it.")

    def connect() -> LinkConnection:
        raise OperationFailed(failure)

    window = Window(connect)
    assert window.wait(2)[:2] == [EngineUnavailable(failure)] * 2
    window.link.close()
    assert not window.link._thread.is_alive()


def test_another_window_ends_this_ones_link() -> None:
    def connect() -> LinkConnection:
        raise AnotherWindow

    window = Window(connect)
    until(lambda: window.others == 1, "the word of another window")
    until(lambda: not window.link._thread.is_alive(), "the link to end")
    assert window.link.take() == []
