"""The one window: dialling, the list of calls, pages, closing, its place, light and dark, notices, a lost engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from softphone.errors import Failure, FailureKind
from softphone.messages import Noticed
from softphone.state import AppState
from softphone.ua.commands import Dial
from softphone.ua.events import RegistrationState
from softphone.ui.main_window import MainWindow
from softphone.ui.theme import style_sheet, theme_of
from tests.ui.conftest import Engine
from tests.ui.hands import click, focused, key, type_text
from tests.ui.states import FLOW, READY, SELF_SIGNED, account, active, after, dialing, ended, incoming

CTRL = Qt.KeyboardModifier.ControlModifier


def dialled(engine: Engine) -> list[str]:
    return [command.target for command in engine.commands if isinstance(command, Dial)]


# Dialling


def test_an_address_is_typed_and_enter_dials_it(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    assert window.focusWidget() is window.dial_view.address
    type_text(focused(window), " echo ")
    key(focused(window), Qt.Key.Key_Return)

    assert dialled(engine) == ["echo"]
    assert window.dial_view.address.text() == ""


def test_enter_on_the_empty_field_brings_back_the_last_address_and_does_not_dial(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(READY)
    key(focused(window), Qt.Key.Key_Return)
    assert engine.commands == []
    type_text(focused(window), "echo")
    key(focused(window), Qt.Key.Key_Return)
    key(focused(window), Qt.Key.Key_Return)

    assert window.dial_view.address.text() == "echo"
    assert dialled(engine) == ["echo"]


def test_the_pad_dials_numbers(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    for digit in "*10#":
        click(window.dial_view.pad.keys[digit])
    click(window.dial_view.button)

    assert dialled(engine) == ["*10#"]


def test_each_call_has_an_id_of_its_own(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.dial("a")
    window.dial("b")

    assert len({command.call_id for command in engine.commands if isinstance(command, Dial)}) == 2


def test_the_pad_makes_room_for_a_running_call_and_comes_back(window: MainWindow) -> None:
    window.render_state(READY)
    assert window.dial_view.pad.isVisible()
    window.render_state(active())
    assert not window.dial_view.pad.isVisible()
    assert window.dial_view.address.isVisible()
    window.render_state(ended(active()))
    assert window.dial_view.pad.isVisible()


def test_a_key_of_the_pad_under_the_finger_is_no_button_of_the_call_that_begins(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(READY)
    window.dial_view.pad.keys["5"].setFocus()
    window.render_state(dialing())
    key(focused(window), Qt.Key.Key_Space)

    assert engine.commands == []
    assert window.focusWidget() is window.dial_view.address


def test_a_past_call_is_called_again_by_enter(window: MainWindow, engine: Engine) -> None:
    window.render_state(ended(active()))
    window.recent.list.setCurrentRow(0)
    key(window.recent.list, Qt.Key.Key_Return)

    assert dialled(engine) == ["sip:bob@example.org"]


def test_the_list_says_when_and_how_long(window: MainWindow) -> None:
    window.render_state(ended(active()))

    who, facts = window.recent.list.item(0).text().split("\n")
    assert who == "Bob Sanders"
    assert facts.startswith("Outgoing · ")
    assert facts.endswith(" · 01:02")


# Pages by keyboard


def test_settings_open_and_close_by_keyboard(window: MainWindow) -> None:
    window.render_state(READY)
    key(window, Qt.Key.Key_Comma, CTRL)
    assert window.pages.currentWidget() is window.settings
    key(focused(window), Qt.Key.Key_Space)
    assert window.pages.currentWidget() is window.phone
    assert window.focusWidget() is window.dial_view.address


def test_the_settings_lead_back_to_the_form_where_nobody_is_signed_in(window: MainWindow) -> None:
    window.render_state(AppState())
    window.show_settings()
    click(window.settings.back)

    assert window.pages.currentWidget() is window.sign_in


def test_the_address_field_is_reached_from_anywhere(window: MainWindow) -> None:
    window.render_state(active())
    window.menu_button.setFocus()
    key(window, Qt.Key.Key_L, CTRL)

    assert window.focusWidget() is window.dial_view.address


def test_an_account_that_comes_by_itself_shows_the_phone(window: MainWindow) -> None:
    window.render_state(AppState())
    window.render_state(READY)

    assert window.pages.currentWidget() is window.phone


# Attention


def test_an_incoming_call_asks_for_attention_and_raises_nothing(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(QApplication, "alert", lambda widget, *_: asked.append(widget))
    for name in ("raise_", "activateWindow", "showNormal"):
        monkeypatch.setattr(window, name, lambda name=name: pytest.fail(name))
    window.render_state(READY)
    window.showMinimized()
    window.render_state(incoming())

    assert asked == [window]
    assert window.isMinimized()


def test_a_second_start_brings_the_window_to_the_front_with_its_address(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.showMinimized()
    window.raise_with("sip:echo@example.org")

    assert not window.isMinimized()
    assert window.dial_view.address.text() == "sip:echo@example.org"
    assert engine.commands == []


# What belongs to no call


def test_a_notice_is_shown_until_it_is_closed(window: MainWindow) -> None:
    locked = Failure(FailureKind.STORAGE, "The keyring is locked.", "Unlock it, or type the password.")
    window.render_state(after(READY, Noticed(locked)))
    assert (window.notice.reason.text(), window.notice.remedy.text()) == (locked.reason, locked.remedy)
    assert window.notice.isVisible()

    click(window.notice.findChildren(QPushButton)[0])
    window.render_state(after(READY, Noticed(locked)))
    assert not window.notice.isVisible()


def test_a_lost_engine_is_said_and_unsaid(window: MainWindow) -> None:
    window.render_state(READY)
    window.engine_lost("the engine's process is gone")
    assert window.engine_trouble.reason.text() == "The call engine stopped and is being restarted."
    assert window.engine_trouble.isVisible()

    window.engine_attached()
    assert not window.engine_trouble.isVisible()


def test_a_certificate_that_expires_soon_is_said_while_everything_works(window: MainWindow) -> None:
    working = account()
    row_id = working.accounts[0].id
    flow = replace(FLOW, warnings=("The server's certificate expires on 2026-12-01, in 9 days.",))
    window.render_state(replace(working, accounts=(replace(working.accounts[0], flow=flow),)))
    row = window.accounts.rows[row_id]
    assert "2026-12-01" in row.trouble.remedy.text()
    assert row.again.isHidden()
    window.render_state(working)
    assert row.trouble.isHidden()


@pytest.mark.parametrize("failure", [SELF_SIGNED, Failure(FailureKind.NAME_NOT_RESOLVED, "x" * 500, "y/" * 200)])
def test_no_text_makes_the_window_wider_than_it_is(window: MainWindow, failure: Failure) -> None:
    width = window.width()
    window.render_state(account(RegistrationState.FAILED, failure))
    window.render_state(after(account(RegistrationState.FAILED, failure), Noticed(failure)))
    window.show_sign_in("alice@example.org")
    QApplication.processEvents()

    assert window.width() == width
    assert window.minimumSizeHint().width() <= width
    row = window.accounts.rows["alice@example.org"]
    assert row.trouble.reason.text().replace("\u200b", "") == failure.reason


# Closing


def test_closing_quits(window: MainWindow, qtbot: QtBot) -> None:
    window.render_state(READY)
    with qtbot.waitSignal(window.quit_requested, timeout=1000):
        key(window, Qt.Key.Key_Q, CTRL)

    assert not window.isVisible()


def test_closing_in_a_call_asks_first(window: MainWindow, qtbot: QtBot) -> None:
    window.render_state(active())
    quits: list[bool] = []
    window.quit_requested.connect(lambda: quits.append(True))
    window.close()

    box = window.findChild(QMessageBox)
    assert isinstance(box, QMessageBox)
    assert box.text() == "A call is running. Hang up and quit?"
    assert box.defaultButton().text() == "Stay in the call"
    click(box.defaultButton())
    assert window.isVisible()
    assert quits == []

    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is None, timeout=2000)
    window.close()
    second = window.findChild(QMessageBox)
    assert isinstance(second, QMessageBox)
    click(next(button for button in second.buttons() if button.text() == "Hang up and quit"))
    assert not window.isVisible()
    assert quits == [True]


# Place and looks


def test_the_window_remembers_its_size(window: MainWindow, engine: Engine, qtbot: QtBot, tmp_path: Path) -> None:
    window.resize(471, 702)
    window.leave()
    again = MainWindow(engine.submit, engine.clock, QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(again)

    assert (again.width(), again.height()) == (471, 702)


def test_the_first_size_follows_the_font_and_fits_the_screen(window: MainWindow) -> None:
    line = window.fontMetrics().height()
    screen = window.screen().availableGeometry()

    assert 20 * line < window.width() < 40 * line
    assert window.height() <= screen.height()


def _contrast(one: QColor, other: QColor) -> float:
    """WCAG 2.1 contrast ratio."""

    def luminance(colour: QColor) -> float:
        channels: tuple[float, ...] = (colour.redF(), colour.greenF(), colour.blueF())
        parts = [c / 12.92 if c <= 0.04045 else float(((c + 0.055) / 1.055) ** 2.4) for c in channels]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("ground", ["#efefef", "#ffffff", "#353535", "#1e1e1e", "#000000"])
def test_texts_keep_their_contrast_in_light_and_in_dark(qapp: QApplication, ground: str) -> None:
    dark = QColor(ground).lightness() < 128
    palette = QPalette(QColor(ground), QColor(ground))
    palette.setColor(QPalette.ColorRole.WindowText, QColor("white" if dark else "black"))
    palette.setColor(QPalette.ColorRole.Base, QColor("#2a2a2a" if dark else "white"))
    theme = theme_of(palette)

    assert theme.dark is dark
    for text in (theme.text, theme.muted, theme.good, theme.bad):
        for below in (theme.card, QColor(ground)):
            assert _contrast(text, below) >= 4.5, (text.name(), below.name())
    for below in (theme.call, theme.hang_up):
        assert _contrast(QColor("white"), below) >= 4.5
    assert _contrast(theme.warning_text, theme.warning_ground) >= 4.5


def test_the_window_changes_its_clothes_with_the_palette(window: MainWindow, qapp: QApplication) -> None:
    window.render_state(account())
    light = window.styleSheet()
    before = qapp.palette()
    try:
        qapp.setPalette(QPalette(QColor("#353535"), QColor("#2a2a2a")))
        qapp.processEvents()
        assert window.styleSheet() == style_sheet(theme_of(qapp.palette())) != light
    finally:
        qapp.setPalette(before)
        qapp.processEvents()
    assert window.styleSheet() == light
