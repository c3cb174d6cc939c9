"""Recording on the screen: begun by button, key and menu, seen and heard while it runs, refused with the reason."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog

from softphone.errors import Failure, FailureKind
from softphone.messages import (
    ChangeRecordingOptions,
    DeleteRecording,
    ExportRecording,
    ListRecordings,
    RecordingCondition,
    RecordingExported,
    RecordingsListed,
)
from softphone.policy.recording import RecordingFormat
from softphone.ua import events as ua
from softphone.ua.commands import Record
from softphone.ui.call_view import RunningCallView
from softphone.ui.main_window import MainWindow
from tests.ui.conftest import Engine
from tests.ui.hands import CTRL_SHIFT, click, key
from tests.ui.recorded_calls import CUT, FORBIDDEN, LISTED, RECORDED, RUNNING, WHOLE
from tests.ui.states import READY, active, after
from tests.ui.test_accessible import announced  # noqa: F401 - a fixture


def card_of(window: MainWindow) -> RunningCallView:
    card = window.calls.cards["c1"]
    assert isinstance(card, RunningCallView)
    return card


def entry(card: RunningCallView, text: str) -> QAction:
    card.more.fill()
    return next(a for a in card.more.menu().actions() if a.text().replace("&", "") == text)


def test_the_button_the_key_and_the_menu_begin_a_recording(window: MainWindow, engine: Engine) -> None:
    window.render_state(active())
    card = card_of(window)
    assert card.recording.isHidden()

    click(card.record)
    key(window, Qt.Key.Key_R, CTRL_SHIFT)
    entry(card, "Record this call").trigger()

    assert engine.commands == [Record("c1", True)] * 3
    assert not card.record.isChecked(), "shown as running before it runs"


def test_while_it_runs_the_card_says_so_in_red_with_the_time(window: MainWindow, engine: Engine) -> None:
    window.render_state(RECORDED)
    card = card_of(window)

    assert card.recording.isVisible()
    assert card.record.isChecked()
    assert card.recording.text.text() == "Recording  00:10"
    assert card.recording.text.property("part") == "bad"
    engine.now += 65
    card.tick(engine.now)
    assert card.recording.text.text() == "Recording  01:15"

    click(card.recording.stop)
    key(window, Qt.Key.Key_R, CTRL_SHIFT)
    entry(card, "Stop recording").trigger()
    assert engine.commands == [Record("c1", False)] * 3
    window.render_state(after(RECORDED, ua.RecordingChanged("c1", False)))
    assert card.recording.isHidden()
    assert not card.record.isChecked()


def test_a_screen_reader_hears_when_it_begins_and_when_it_ends(window: MainWindow, announced: list[str]) -> None:  # noqa: F811
    window.render_state(active())
    window.render_state(RECORDED)
    assert "This call is being recorded." in announced
    window.render_state(after(RECORDED, ua.RecordingChanged("c1", False)))
    assert announced[-1] == "The recording has ended."


def test_where_a_policy_forbids_it_the_button_says_why_and_does_nothing(window: MainWindow, engine: Engine) -> None:
    window.render_state(FORBIDDEN)
    card = card_of(window)

    assert not card.record.isEnabled()
    assert "Your organisation does not allow" in card.record.toolTip()
    assert "Your organisation does not allow" in card.record.accessibleDescription()
    assert not entry(card, "Record this call").isEnabled()
    key(window, Qt.Key.Key_R, CTRL_SHIFT)
    assert engine.commands == []
    window.show_recordings()
    assert "Your organisation does not allow" in window.recordings.rule.text()


def test_why_it_does_not_run_is_said_on_the_card(window: MainWindow) -> None:
    failure = Failure(FailureKind.STORAGE, "The recording ended: the disk is full.", "Make room.")
    window.render_state(after(RECORDED, ua.RecordingChanged("c1", False, failure)))

    assert card_of(window).notice.reason.text() == failure.reason


def test_the_list_says_with_whom_when_how_long_and_what_is_wrong(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.show_recordings()
    assert engine.commands == [ListRecordings()]
    assert window.recordings.empty.isVisible()
    window.render_state(LISTED)

    lines = [window.recordings.list.item(row).text() for row in range(3)]
    assert lines[0].startswith("Bob Sanders called\n")
    assert "03:13" in lines[0]
    assert lines[1].startswith("Call to Carol Jones\n")
    assert "cut off" in lines[1]
    assert lines[2].startswith("It was encrypted with another key")
    assert not window.recordings.empty.isVisible()


def test_an_export_warns_first_and_goes_where_the_person_says(
    window: MainWindow, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[QFileDialog] = []

    def shown(dialog: QFileDialog) -> None:
        asked.append(dialog)

    monkeypatch.setattr(QFileDialog, "open", shown)
    window.render_state(LISTED)
    window.show_recordings()
    page = window.recordings
    page.list.setCurrentRow(1)
    engine.commands.clear()

    click(page.export)
    assert page.question.reason.text() == "The exported file is not encrypted."
    assert asked == []
    click(page.yes)
    (dialog,) = asked
    assert dialog.selectedFiles()[0].endswith(".opus")
    dialog.fileSelected.emit("/exports/carol.opus")
    dialog.reject()

    assert engine.commands == [ExportRecording(CUT.id, "/exports/carol.opus")]
    told = RecordingExported(CUT.id, "/exports/carol.opus", 42.0, RecordingCondition.INCOMPLETE)
    window.render_state(after(LISTED, told))
    assert "carol.opus (00:42)" in page.outcome.text()
    assert "not complete" in page.outcome.text()


def test_a_recording_is_deleted_only_after_a_question(window: MainWindow, engine: Engine) -> None:
    window.render_state(LISTED)
    window.show_recordings()
    page = window.recordings
    page.list.setCurrentRow(0)
    engine.commands.clear()

    click(page.delete)
    assert page.no.hasFocus(), "a second press of the same key would delete"
    click(page.no)
    assert engine.commands == []
    click(page.delete)
    click(page.yes)
    assert engine.commands == [DeleteRecording(WHOLE.id)]


def test_what_is_being_recorded_cannot_be_deleted_and_what_cannot_be_read_not_exported(window: MainWindow) -> None:
    window.render_state(after(LISTED, RecordingsListed((RUNNING, *(LISTED.recordings or ())))))
    window.show_recordings()
    page = window.recordings
    page.list.setCurrentRow(0)
    assert not page.delete.isEnabled()
    page.list.setCurrentRow(3)
    assert not page.export.isEnabled()
    assert page.delete.isEnabled()


def test_the_list_is_asked_for_again_when_a_recording_ends(window: MainWindow, engine: Engine) -> None:
    window.render_state(RECORDED)
    window.show_recordings()
    engine.commands.clear()
    window.render_state(after(RECORDED, ua.RecordingChanged("c1", False)))

    assert engine.commands == [ListRecordings()]


def test_beep_and_format_are_chosen_on_the_page(window: MainWindow, engine: Engine) -> None:
    window.render_state(LISTED)
    window.show_recordings()
    assert window.recordings.announce.isChecked()
    window.recordings.announce.click()
    window.recordings.format.setCurrentIndex(1)
    window.recordings.format.activated.emit(1)

    assert engine.commands[-2:] == [
        ChangeRecordingOptions(RecordingFormat.FLAC, announce=False),
        ChangeRecordingOptions(RecordingFormat.OPUS, announce=False),
    ]
