"""The page that tests microphone and speaker, and what a running call warns of."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from softphone.messages import StartDeviceTest, StopDeviceTest
from softphone.state import AppState
from softphone.ua import events as ua
from softphone.ua.call_warnings import WARNINGS, CallWarningKind
from softphone.ua.commands import Unmute
from softphone.ua.device_report import DeviceTestResult, DeviceTestStep
from softphone.ui.call_view import RunningCallView
from softphone.ui.level_meter import QUIETEST_DB
from softphone.ui.main_window import MainWindow
from tests.ui.conftest import Engine
from tests.ui.hands import click, focused, key
from tests.ui.sound_tests import DEAD, ECHO, GOOD, PLAYED, QUIET, TESTED, ended, failed, progressed, warned
from tests.ui.states import READY, active, after


def test_keys_open_the_page_begin_a_test_and_escape_ends_both(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    key(window, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert window.pages.currentWidget() is window.device_test
    assert focused(window) is window.device_test.buttons[DeviceTestStep.MICROPHONE]
    QTest.keyClick(window.device_test.buttons[DeviceTestStep.MICROPHONE], Qt.Key.Key_Space)
    assert engine.last() == StartDeviceTest(DeviceTestStep.MICROPHONE)
    assert window.device_test.now.text() == "One moment …"
    window.render_state(progressed(DeviceTestStep.MICROPHONE))
    key(window, Qt.Key.Key_Escape)
    assert window.pages.currentWidget() is window.phone
    assert engine.last() == StopDeviceTest()


def test_the_settings_lead_to_it(window: MainWindow) -> None:
    window.render_state(READY)
    window.show_settings()
    click(window.settings.sound.test)
    assert window.pages.currentWidget() is window.device_test


@pytest.mark.parametrize("step", list(DeviceTestStep))
def test_each_step_has_a_button_that_begins_it_and_then_stops_it(
    window: MainWindow, engine: Engine, step: DeviceTestStep
) -> None:
    window.render_state(READY)
    window.show_device_test()
    button = window.device_test.buttons[step]
    button.click()
    assert engine.last() == StartDeviceTest(step)
    window.render_state(progressed(step))
    assert button.text() == "Stop"
    button.click()
    assert engine.last() == StopDeviceTest()
    window.render_state(ended(step))
    assert button.text() != "Stop"


def test_the_meter_moves_with_the_microphone_and_rests_while_the_speaker_sounds(window: MainWindow) -> None:
    pane = window.device_test
    window.render_state(progressed(DeviceTestStep.PLAYBACK, -22.0))
    window.show_device_test()
    assert pane.meter.value() == -22
    assert pane.now.text() == "Speak now, as in a call."
    window.render_state(progressed(DeviceTestStep.PLAYBACK, -22.0, playing=True))
    assert pane.meter.value() == QUIETEST_DB
    assert pane.now.text() == "This is how others hear you."


def test_verdicts_stay_beside_each_other_with_their_remedies(window: MainWindow) -> None:
    window.render_state(TESTED)
    window.show_device_test()
    pane = window.device_test
    assert pane.heard.text() == QUIET.sentence
    assert pane.heard_remedy.text() == QUIET.remedy
    assert "2 gaps" in pane.figures.text()
    assert PLAYED.sentence in pane.played.text()
    assert pane.echo.text() == ECHO.sentence
    assert pane.echo_figures.text() == "Through both devices 84 ms, echo return -23 dB"
    window.render_state(ended(DeviceTestStep.MICROPHONE, DeviceTestResult(microphone=GOOD), base=TESTED))
    assert pane.heard.text() == GOOD.sentence
    assert pane.heard_remedy.isHidden()
    assert pane.echo.text() == ECHO.sentence


def test_a_device_that_does_not_work_is_named_with_what_to_do(window: MainWindow) -> None:
    window.render_state(failed(DeviceTestStep.MICROPHONE))
    window.show_device_test()
    assert window.device_test.trouble.reason.text() == DEAD.reason
    assert window.device_test.trouble.remedy.text() == DEAD.remedy
    window.render_state(progressed(DeviceTestStep.MICROPHONE))
    assert window.device_test.trouble.isHidden()


def test_nothing_is_tested_during_a_call_and_the_page_says_why(window: MainWindow) -> None:
    window.render_state(active())
    window.show_device_test()
    assert window.device_test.trouble.reason.text() == "A call is running."
    assert not any(button.isEnabled() for button in window.device_test.buttons.values())


def test_verdicts_and_instructions_are_announced_and_the_meter_is_not(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("softphone.ui.device_test_pane.announce", lambda _widget, text, **_: said.append(text))
    window.render_state(READY)
    window.show_device_test()
    for level in (-30.0, -20.0, -25.0):
        window.render_state(progressed(DeviceTestStep.MICROPHONE, level))
    window.render_state(ended(DeviceTestStep.MICROPHONE, DeviceTestResult(microphone=QUIET)))
    assert said == ["Speak now, as in a call.", f"{QUIET.sentence} {QUIET.remedy}"]


def card(window: MainWindow) -> RunningCallView:
    found = window.calls.cards["c1"]
    assert isinstance(found, RunningCallView)
    return found


def shown(window: MainWindow) -> dict[CallWarningKind, tuple[str, str]]:
    boxes = card(window).warnings.boxes
    return {kind: (box.reason.text(), box.remedy.text()) for kind, box in boxes.items() if box.isVisible()}


def test_every_warning_of_a_call_is_shown_with_its_remedy_and_goes_when_it_is_over(window: MainWindow) -> None:
    for kind in CallWarningKind:
        window.render_state(warned(kind))
        assert shown(window) == {kind: (WARNINGS[kind].reason, WARNINGS[kind].remedy)}
    window.render_state(warned())
    assert shown(window) == {}
    assert card(window).warnings.isHidden()


def test_a_new_warning_is_announced_once_and_urgently(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, bool]] = []
    monkeypatch.setattr("softphone.ui.warning_list.announce", lambda _widget, text, urgent: said.append((text, urgent)))
    silent, loses = WARNINGS[CallWarningKind.MICROPHONE_SILENT], WARNINGS[CallWarningKind.LINE_LOSES]
    one = warned(silent.kind)
    for state in (one, one, warned(silent.kind, loses.kind, base=one)):
        window.render_state(state)
    assert said == [(f"{w.reason} {w.remedy}", True) for w in (silent, loses)]


def test_who_speaks_while_muted_is_heard_again_with_one_press(window: MainWindow, engine: Engine) -> None:
    muted: AppState = after(active(), ua.MuteChanged("c1", True))
    window.render_state(warned(CallWarningKind.SPEAKING_WHILE_MUTED, base=muted))
    box = card(window).warnings.boxes[CallWarningKind.SPEAKING_WHILE_MUTED]
    button = next(child for child in box.children() if getattr(child, "text", lambda: "")() == "Unmute")
    assert isinstance(button, QPushButton)
    click(button)
    assert engine.last() == Unmute("c1")
