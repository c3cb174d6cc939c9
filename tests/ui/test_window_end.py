"""The end of the window with its engine: nobody is asked about a call that is only still shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from softphone.engine.link.window_link import EventReceived, LinkItem, StateReceived
from softphone.messages import AnyCommand, EngineEnding
from softphone.state import AppState
from softphone.ui.run import WindowProcess
from tests.ui.states import active


class ScriptedLink:
    def __init__(self, wake: Callable[[], None], another_window: Callable[[], None]) -> None:
        self.wake, self.another_window = wake, another_window
        self.items: list[LinkItem] = []

    def start(self) -> None:
        self.say(StateReceived(active()))

    def say(self, *items: LinkItem) -> None:
        self.items += items
        self.wake()

    def submit(self, command: AnyCommand) -> None: ...

    def take(self) -> list[LinkItem]:
        taken, self.items = self.items, []
        return taken

    def close(self) -> None: ...


@pytest.fixture
def link(qapp: QApplication, tmp_path: Path) -> ScriptedLink:
    made: list[ScriptedLink] = []

    def make(wake: Callable[[], None], another_window: Callable[[], None]) -> ScriptedLink:
        made.append(ScriptedLink(wake, another_window))
        return made[0]

    process = WindowProcess(qapp, make, None, tmp_path / "places.ini")
    made[0].process = process  # type: ignore[attr-defined]
    process.start("")
    return made[0]


@pytest.mark.parametrize("how", ["the engine ends", "another window is in front"])
def test_the_window_closes_unasked_though_it_still_shows_a_call(link: ScriptedLink, qtbot: QtBot, how: str) -> None:
    window = link.process.window  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: bool(window.calls.isVisible()), timeout=3000)
    if how == "the engine ends":
        # The call's end and the engine's come at once: nothing is drawn in between.
        link.say(EventReceived(EngineEnding(), AppState()))
    else:
        link.another_window()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=3000)
    assert window.findChildren(QMessageBox) == []
