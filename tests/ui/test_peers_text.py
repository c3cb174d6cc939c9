"""Words of a server or a peer on the screen are text, wherever Qt would take them for markup."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from softphone.errors import Failure, FailureKind
from softphone.state import LineView
from softphone.ua.account import WatchedLine
from softphone.ua.events import LineState
from softphone.ui.lines_pane import LineButton


def test_why_a_line_is_not_watched_is_no_markup(qtbot: QtBot) -> None:
    """The reason phrase of an answer to SUBSCRIBE stands in it."""
    failure = Failure(FailureKind.REJECTED, "Not watched (403 <b>Call</b> <img src=file:///x>).", "Ask why.")
    button = LineButton("a", WatchedLine("bob"), LineView("bob", LineState.UNKNOWN, failure=failure))
    qtbot.addWidget(button)
    assert "Call" in button.toolTip()
    assert not set(button.toolTip()) & set("<>")
