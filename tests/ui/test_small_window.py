"""A window as narrow as a telephone: it keeps its size, its buttons stay in sight, the wheel only scrolls."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from softphone.ua import events as ua
from softphone.ua.call_warnings import WARNINGS, CallWarningKind
from softphone.ui.call_view import RunningCallView
from softphone.ui.main_window import MainWindow
from tests.ui.conftest import Engine
from tests.ui.hands import click
from tests.ui.sound_tests import warned
from tests.ui.states import READY, active, after, incoming

SILENT, MUTED, LOSES = (
    CallWarningKind.OTHER_SIDE_SILENT,
    CallWarningKind.MICROPHONE_MUTED,
    CallWarningKind.LINE_LOSES,
)


def settle() -> None:
    for _ in range(8):  # layouts settle in several rounds
        QApplication.processEvents()


def card(window: MainWindow) -> RunningCallView:
    found = window.calls.cards["c1"]
    assert isinstance(found, RunningCallView)
    return found


def in_sight(window: MainWindow, widget: QWidget) -> bool:
    """All of it, without scrolling."""
    place = widget.mapTo(window.calls.viewport(), QPoint(0, 0))
    return widget.isVisible() and window.calls.viewport().rect().contains(widget.rect().translated(place))


def boxes(window: MainWindow) -> list[str]:
    shown = (box for box in card(window).warnings.boxes.values() if box.isVisible())
    return [box.reason.text() for box in sorted(shown, key=lambda box: box.y())]


def test_the_window_keeps_its_size_when_a_call_runs(qtbot: QtBot, engine: Engine, tmp_path: Path) -> None:
    places = QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat)
    hint = "The built-in lab on this computer. Call “echo” to hear yourself, “hold”, “busy” or “clear”."
    window = MainWindow(engine.submit, engine.clock, places, hint=hint)
    qtbot.addWidget(window, before_close_func=lambda w: w.leave())
    window.show()
    window.render_state(READY)
    settle()
    size = window.size()
    ringing = (incoming(), incoming(unencrypted="The caller offers no encryption."))
    for state in (*ringing, READY):
        window.render_state(state)
        settle()
        assert window.size() == size
    for state in (active(), after(active(), ua.MuteChanged("c1", True)), warned(SILENT, MUTED, LOSES)):
        window.render_state(state)
        settle()
        assert window.size() == size
        assert all(in_sight(window, button) for button in (card(window).mute, card(window).record))
        assert in_sight(window, card(window).hang_up)


def test_of_several_warnings_the_most_important_is_shown_and_a_button_shows_the_rest(window: MainWindow) -> None:
    window.render_state(warned(SILENT, MUTED, LOSES))
    settle()
    others = card(window).warnings.others
    assert boxes(window) == [WARNINGS[MUTED].reason]
    assert others.text() == "2 more warnings"
    assert WARNINGS[SILENT].reason in others.accessibleDescription()
    click(others)
    settle()
    assert boxes(window) == [WARNINGS[MUTED].reason, WARNINGS[LOSES].reason, WARNINGS[SILENT].reason]
    click(others)
    settle()
    assert boxes(window) == [WARNINGS[MUTED].reason]
    window.render_state(warned(SILENT))
    settle()
    assert boxes(window) == [WARNINGS[SILENT].reason]
    assert not others.isVisible()


def test_tab_goes_through_the_warnings_as_they_stand(window: MainWindow) -> None:
    window.render_state(warned(CallWarningKind.SPEAKING_WHILE_MUTED, LOSES))
    settle()
    box = card(window).warnings.boxes[CallWarningKind.SPEAKING_WHILE_MUTED]
    unmute = next(button for button in box.findChildren(QPushButton) if button.isVisible())
    unmute.setFocus()
    window.focusNextChild()
    assert window.focusWidget() is card(window).warnings.others


def test_a_warning_moves_no_button(window: MainWindow) -> None:
    window.render_state(active())
    settle()
    before = card(window).hang_up.pos()
    window.render_state(warned(MUTED))
    settle()
    assert card(window).hang_up.pos() == before


def test_beside_a_page_a_call_is_small_and_can_be_muted_and_ended(window: MainWindow) -> None:
    window.render_state(active())
    card(window).toggle_keypad()
    settle()
    tall = card(window).height()
    window.show_settings()
    settle()
    assert window.calls.height() < tall / 2
    assert all(in_sight(window, button) for button in (card(window).mute, card(window).hang_up))
    assert card(window).pad.isHidden()
    window.show_phone()
    settle()
    assert card(window).record.isVisible()


@pytest.mark.parametrize("page", ["settings", "options", "recordings"])
def test_the_wheel_scrolls_past_every_choice(window: MainWindow, engine: Engine, page: str) -> None:
    window.render_state(READY)
    getattr(window, f"show_{page}")()
    settle()
    asked = list(engine.commands)
    shown = getattr(window, page)
    fields = [*shown.findChildren(QComboBox), *shown.findChildren(QAbstractSpinBox)]
    assert fields
    for field in fields:
        middle = QPointF(field.rect().center())
        wheel = QWheelEvent(
            middle,
            field.mapToGlobal(middle),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        before = field.currentText() if isinstance(field, QComboBox) else field.text()
        QApplication.sendEvent(field, wheel)
        assert before == (field.currentText() if isinstance(field, QComboBox) else field.text())
    assert engine.commands == asked
