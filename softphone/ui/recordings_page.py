"""The recorded calls: who, when, how long; taking one out of its encrypted file, deleting one; how calls are recorded.

The files are the engine's: this page asks for the list, and nothing of a recording ever comes into the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from softphone.messages import (
    AnyCommand,
    ChangeRecordingOptions,
    DeleteRecording,
    ExportRecording,
    ListRecordings,
    RecordingCondition,
    RecordingExported,
    RecordingView,
)
from softphone.policy.recording import RecordingFormat, recording_refused
from softphone.state import AppState
from softphone.ui import words
from softphone.ui.cards import WarningBox
from softphone.ui.choices import Choice
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel, announce, foreign

_ID = Qt.ItemDataRole.UserRole


class RecordingsPage(QWidget):
    """Emits `finished` when the person goes back to the phone."""

    finished = Signal()

    def __init__(self, submit: Callable[[AnyCommand], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._submit = submit
        self._shown: tuple[RecordingView, ...] | None = None
        self._exported: RecordingExported | None = None
        self._recorded: frozenset[str] = frozenset()
        self._act: Callable[[], None] = self._nothing
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        self.list = QListWidget()
        self.list.setProperty("part", "recent")
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setAccessibleName(self.tr("Recordings"))
        self.list.currentItemChanged.connect(lambda _now, _before: self._chosen())
        self.empty = TextLabel(self.tr("There are no recordings."), part="muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.question = WarningBox()
        self.yes = self.question.add_button("")
        self.yes.clicked.connect(lambda _checked=False: self._agreed())
        self.no = self.question.add_button(self.tr("Cancel"))
        self.no.clicked.connect(lambda _checked=False: self._ask_nothing())
        self.outcome = TextLabel(part="good", scale=0.92)
        self.export = self._button(self.tr("&Export…"), self.ask_to_export)
        self.delete = self._button(self.tr("&Delete…"), self.ask_to_delete)
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Recordings"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.export)
        buttons.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        kept = self.tr("Recordings are encrypted on this computer; the key is in your keyring.")
        layout.addWidget(TextLabel(kept, part="muted", scale=0.88))
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.question)
        layout.addWidget(self.outcome)
        layout.addLayout(buttons)
        layout.addLayout(self._options())
        self._fill(())

    def _button(self, text: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: act())
        return button

    def _options(self) -> QVBoxLayout:
        self.rule = TextLabel(part="bad", scale=0.92)
        self.announce = QCheckBox(self.tr("The other side hears a &beep every 15 seconds"))
        law = self.tr("In many countries everybody in a call must know, or agree, before it is recorded.")
        self.announce.setToolTip(law)
        self.announce.setAccessibleDescription(law)
        self.announce.clicked.connect(self._change)
        self.format = Choice()
        label = QLabel(self.tr("&Format of new recordings"))
        label.setBuddy(self.format)
        self.format.addItem(self.tr("FLAC: nothing is lost, 200 MB an hour"), RecordingFormat.FLAC)
        self.format.addItem(self.tr("Opus: 40 MB an hour"), RecordingFormat.OPUS)
        self.format.activated.connect(self._change)
        column = QVBoxLayout()
        column.addWidget(self.rule)
        column.addWidget(self.announce)
        column.addWidget(TextLabel(law, part="muted", scale=0.88))
        column.addWidget(label)
        column.addWidget(self.format)
        return column

    # From the state to the screen

    def render_state(self, state: AppState) -> None:
        refused = recording_refused(state.settings.recording)
        self.rule.show_text(words.sentence(refused) if refused is not None else "")
        self.announce.setChecked(state.settings.recording.announce)
        self.format.setCurrentIndex(self.format.findData(state.settings.recording.format))
        if state.recordings is not None and state.recordings != self._shown:
            self._fill(state.recordings)
        if state.exported is not None and state.exported is not self._exported:
            self._exported = state.exported
            self._say(self._told(state.exported))
        recorded = frozenset(call.id for call in state.calls if call.recording)
        if recorded != self._recorded and self.isVisible():
            self._submit(ListRecordings())
        self._recorded = recorded

    def begin(self) -> None:
        """The page is opened."""
        self.outcome.show_text("")
        self._ask_nothing()
        self._submit(ListRecordings())
        (self.list if self.list.count() else self.back).setFocus()

    def _fill(self, recordings: tuple[RecordingView, ...]) -> None:
        chosen = self._current()
        self._shown = recordings
        self.list.clear()
        for view in recordings:
            item = QListWidgetItem(recording_line(self, view))
            item.setData(_ID, view.id)
            self.list.addItem(item)
            if chosen is not None and view.id == chosen.id:
                self.list.setCurrentItem(item)
        if self.list.currentItem() is None:
            self.list.setCurrentRow(0)  # so that the buttons do something, and a screen reader names what is there
        self.empty.setVisible(not recordings)
        self.list.setVisible(bool(recordings))
        self._chosen()

    def _current(self) -> RecordingView | None:
        item = self.list.currentItem()
        chosen = item.data(_ID) if item is not None else None
        return next((view for view in self._shown or () if view.id == chosen), None)

    def _chosen(self) -> None:
        view = self._current()
        self.export.setEnabled(view is not None and view.failure is None)
        self.delete.setEnabled(view is not None and view.condition is not RecordingCondition.RUNNING)
        self._ask_nothing()

    def _say(self, text: str) -> None:
        self.outcome.show_text(text)
        announce(self, text)

    def _told(self, exported: RecordingExported) -> str:
        text = self.tr("Exported to %s (%s).") % (foreign(exported.path), words.duration(exported.seconds))
        if exported.condition is RecordingCondition.COMPLETE:
            return text
        return f"{text} {self.tr('It is not complete: %s.') % _condition(self, exported.condition)}"

    # From the person to the engine

    def ask_to_export(self) -> None:
        """Says first that the exported file is not encrypted."""
        view = self._current()
        if view is not None and view.failure is None:
            self._ask(
                self.tr("The exported file is not encrypted."),
                self.tr("Whoever gets it can listen to the call. Keep it where only you may read."),
                self.tr("Choose a place…"),
                lambda: self._choose_place(view),
            )

    def ask_to_delete(self) -> None:
        view = self._current()
        if view is not None:
            self._ask(
                self.tr("Delete this recording?"),
                f"{recording_line(self, view)}\n{self.tr('It cannot be brought back.')}",
                self.tr("Delete for good"),
                lambda: self._submit(DeleteRecording(view.id)),
            )

    def _choose_place(self, view: RecordingView) -> None:
        when = time.strftime("%Y-%m-%d %H.%M.%S", time.localtime(view.started_at))
        suffix = ".opus" if view.format is RecordingFormat.OPUS else ".flac"
        dialog = QFileDialog(self, self.tr("Export the recording"), str(Path.home()))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(self.tr("Call %s") % when + suffix)
        dialog.fileSelected.connect(lambda path: self._submit(ExportRecording(view.id, path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _ask(self, what: str, why: str, yes: str, act: Callable[[], None]) -> None:
        self._act = act
        self.outcome.show_text("")
        self.yes.setText(yes)
        self.question.say(what, why)
        announce(self, f"{what} {why}", urgent=True)
        self.no.setFocus()

    def _agreed(self) -> None:
        act = self._act
        self._ask_nothing()
        act()

    def _ask_nothing(self) -> None:
        self._act = self._nothing
        if not self.question.isHidden():
            self.list.setFocus()
        self.question.say("")

    @staticmethod
    def _nothing() -> None:
        """Nothing was asked."""

    def _change(self) -> None:
        self._submit(ChangeRecordingOptions(self.format.currentData(), self.announce.isChecked()))


def recording_line(page: QWidget, view: RecordingView) -> str:
    """Two lines: with whom; when, how long, how large, and what is wrong with it."""
    locale = QLocale()
    when = time.localtime(view.started_at)
    facts = [time.strftime("%Y-%m-%d %H:%M", when)]  # a day that no country reads as another
    if view.failure is None:
        facts.append(words.duration(view.seconds))
    facts.append(locale.formattedDataSize(view.size, 1, QLocale.DataSizeFormat.DataSizeSIFormat))
    if view.condition is not RecordingCondition.COMPLETE:
        facts.append(_condition(page, view.condition))
    if view.remote is None:
        reason = view.failure.reason if view.failure is not None else page.tr("A call that has just begun")
        return f"{foreign(reason)}\n{' · '.join(facts)}"
    who = page.tr("%s called") if view.incoming else page.tr("Call to %s")
    return f"{who % words.name(view.remote)}\n{' · '.join(facts)}"


def _condition(page: QWidget, condition: RecordingCondition) -> str:
    return {
        RecordingCondition.COMPLETE: page.tr("complete"),
        RecordingCondition.RUNNING: page.tr("being recorded now"),
        RecordingCondition.INCOMPLETE: page.tr("cut off: the phone or the computer stopped"),
        RecordingCondition.DAMAGED: page.tr("the rest of the file is damaged"),
        RecordingCondition.UNREADABLE: page.tr("cannot be read"),
    }[condition]
