"""The window's end of the link: a real WindowLink with its thread, whose engine is written down in the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, QThread
from pytestqt.qtbot import QtBot

from softphone.engine.link.codec import Envelope
from softphone.engine.link.failures import LinkBroken, engine_unreachable
from softphone.engine.link.window_link import WindowLink
from softphone.errors import FailureKind, OperationFailed
from softphone.messages import AnyCommand, AnyEvent, EngineEnding, WindowRaised
from softphone.sdp.negotiated import Direction
from softphone.state import AppState, CallPhase
from softphone.ua import events as ua
from softphone.ua.commands import Answer, HangUp
from softphone.ui.ended_view import EndedView
from softphone.ui.main_window import MainWindow
from softphone.ui.phone_link import PhoneLink
from tests.ui.states import BOB, READY, active


class ScriptedEngine:
    """One connection to an engine: the test says what it says, and when it dies."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self.early: list[Envelope] = []
        self.heard: list[AnyCommand] = []
        self._says: list[AnyEvent] = []
        self.socket, self._other = socket.socketpair()

    def say(self, *events: AnyEvent) -> None:
        self._says.extend(events)
        self._other.send(b"." * len(events))

    def die(self) -> None:
        self._other.close()

    def read(self) -> list[Envelope]:
        count = len(self.socket.recv(1000))
        if not count:
            raise LinkBroken("the engine's process is gone")
        return [Envelope(self._says.pop(0), at=1.0) for _ in range(count)]

    def send(self, command: AnyCommand) -> None:
        self.heard.append(command)

    def close(self) -> None:
        self.socket.close()
        self._other.close()


class Engines:
    """`connect` of the link: takes the next engine, or waits for one."""

    def __init__(self) -> None:
        self.next: list[ScriptedEngine | OperationFailed] = []
        self.connected: list[ScriptedEngine] = []
        self.over = threading.Event()

    def __call__(self) -> ScriptedEngine:
        while not self.next:
            if self.over.wait(0.01):
                raise LinkBroken("the test is over")
        engine = self.next.pop(0)
        if isinstance(engine, OperationFailed):
            raise engine
        self.connected.append(engine)
        return engine


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
def link(engines: Engines, qtbot: QtBot) -> Iterator[PhoneLink]:
    made = PhoneLink(lambda wake: WindowLink(engines, wake), lambda: 60.0)
    yield made
    engines.over.set()
    made.close()


@pytest.fixture
def seen(link: PhoneLink, qtbot: QtBot, tmp_path: Path) -> MainWindow:
    """A window that the link draws."""
    settings = QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat)
    window = MainWindow(link.submit, lambda: 60.0, settings)
    qtbot.addWidget(window, before_close_func=lambda w: w.leave())
    link.changed.connect(lambda: window.render_state(link.state))
    link.attached.connect(window.engine_attached)
    link.lost.connect(window.engine_lost)
    link.unavailable.connect(window.engine_unavailable)
    window.show()
    return window


def test_the_state_comes_at_once_and_then_the_events(
    link: PhoneLink, seen: MainWindow, engines: Engines, qtbot: QtBot
) -> None:
    engine = ScriptedEngine(READY)
    engines.next.append(engine)
    link.start()
    qtbot.waitUntil(lambda: seen.pages.currentWidget() is seen.phone, timeout=3000)

    engine.say(ua.IncomingCall("c2", "alice@example.org", BOB, "sip:alice@example.org"))
    qtbot.waitUntil(lambda: "c2" in seen.calls.cards, timeout=3000)
    assert link.state.calls[0].phase is CallPhase.INCOMING


def test_commands_go_to_the_engine(link: PhoneLink, engines: Engines, qtbot: QtBot) -> None:
    link.submit(Answer("c2"))  # before there is one
    engines.next.append(ScriptedEngine(READY))
    link.start()
    qtbot.waitUntil(lambda: bool(engines.connected) and engines.connected[0].heard == [Answer("c2")], timeout=3000)
    link.submit(HangUp("c2"))
    qtbot.waitUntil(lambda: engines.connected[0].heard == [Answer("c2"), HangUp("c2")], timeout=3000)


def test_everything_reaches_the_window_in_its_own_thread(link: PhoneLink, engines: Engines, qtbot: QtBot) -> None:
    threads: list[QThread] = []
    link.changed.connect(lambda: threads.append(QThread.currentThread()))
    engines.next.append(ScriptedEngine(READY))
    with qtbot.waitSignal(link.attached, timeout=3000):
        link.start()

    assert set(threads) == {link.thread()}


def test_many_events_are_drawn_without_losing_one(link: PhoneLink, engines: Engines, qtbot: QtBot) -> None:
    engine = ScriptedEngine(READY)
    engines.next.append(engine)
    with qtbot.waitSignal(link.attached, timeout=3000):
        link.start()
    engine.say(*(ua.CallStarted(f"c{number}", "alice@example.org", BOB) for number in range(200)))

    qtbot.waitUntil(lambda: len(link.state.calls) == 200, timeout=5000)


def test_a_flood_of_events_is_drawn_a_few_times_only(
    link: PhoneLink, seen: MainWindow, engines: Engines, qtbot: QtBot
) -> None:
    """A peer that holds and resumes a thousand times a second must not keep the window from anything else."""
    engine = ScriptedEngine(active())
    engines.next.append(engine)
    with qtbot.waitSignal(link.attached, timeout=3000):
        link.start()
    drawn: list[bool] = []
    link.changed.connect(lambda: drawn.append(link.state.calls[0].held_by_peer))
    for number in range(2000):
        engine.say(ua.HoldChanged("c1", held_by_us=False, held_by_peer=number % 2 == 0, direction=Direction.SENDRECV))
    engine.say(ua.HoldChanged("c1", held_by_us=False, held_by_peer=True, direction=Direction.RECVONLY))
    time.sleep(0.5)  # the window is busy elsewhere; the link's own thread reads on
    qtbot.waitUntil(lambda: bool(drawn) and drawn[-1] and not link._link._items, timeout=5000)  # type: ignore[attr-defined]
    assert len(drawn) < 100


def test_a_lost_engine_is_on_the_screen_within_two_seconds_and_its_call_has_ended(
    link: PhoneLink, seen: MainWindow, engines: Engines, qtbot: QtBot
) -> None:
    engine = ScriptedEngine(active())
    engines.next.append(engine)
    link.start()
    qtbot.waitUntil(lambda: "c1" in seen.calls.cards, timeout=3000)
    engine.die()
    qtbot.waitUntil(seen.engine_trouble.isVisible, timeout=2000)
    assert seen.engine_trouble.reason.text() == "The call engine stopped and is being restarted."
    card = seen.calls.cards["c1"]
    assert isinstance(card, EndedView)
    assert card.failure.reason.text() == "The phone's engine stopped during this call."

    engines.next.append(ScriptedEngine(READY))
    qtbot.waitUntil(lambda: not seen.engine_trouble.isVisible(), timeout=5000)
    assert [call.ended.failure.kind for call in link.state.recent if call.ended and call.ended.failure] == [
        FailureKind.ENGINE_FAILED
    ]
    assert seen.calls.cards["c1"] is card


def test_a_call_that_the_engine_still_has_is_running_again(
    link: PhoneLink, seen: MainWindow, engines: Engines, qtbot: QtBot
) -> None:
    engine = ScriptedEngine(active())
    engines.next.append(engine)
    with qtbot.waitSignal(link.attached, timeout=3000):
        link.start()
    engine.die()
    qtbot.waitUntil(lambda: link.state.calls == (), timeout=2000)
    engines.next.append(ScriptedEngine(active()))
    qtbot.waitUntil(lambda: len(link.state.calls) == 1, timeout=5000)

    assert link.state.recent == ()
    assert not isinstance(seen.calls.cards["c1"], EndedView)


def test_an_engine_that_cannot_be_started_is_said_with_a_remedy(
    link: PhoneLink, seen: MainWindow, engines: Engines, qtbot: QtBot
) -> None:
    failure = engine_unreachable("it does not answer")
    engines.next.append(OperationFailed(failure))
    link.start()
    qtbot.waitUntil(seen.engine_trouble.isVisible, timeout=3000)

    assert seen.engine_trouble.reason.text() == failure.reason
    assert seen.engine_trouble.remedy.text() == failure.remedy


@pytest.mark.parametrize(
    ("event", "signal", "arguments"),
    [(WindowRaised("sip:echo@example.org"), "raised", ["sip:echo@example.org"]), (EngineEnding(), "ending", [])],
)
def test_what_concerns_the_window_itself_is_a_signal(
    link: PhoneLink,
    engines: Engines,
    qtbot: QtBot,
    event: AnyEvent,
    signal: str,
    arguments: list[str],
) -> None:
    engine = ScriptedEngine(READY)
    engines.next.append(engine)
    with qtbot.waitSignal(link.attached, timeout=3000):
        link.start()
    with qtbot.waitSignal(getattr(link, signal), timeout=3000) as caught:
        engine.say(event)

    assert caught.args == arguments
