"""The fields of one account's options, as widgets and as values. Lists have commas, watched lines a line each."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TypeVar

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from softphone.messages import AccountOptions, MediaSettings
from softphone.policy import media as policy
from softphone.policy.media import MediaEncryption
from softphone.ua.account import CallRules, DigitsMode, DoNotDisturb, Forwarding, WatchedLine
from softphone.ui.choices import Choice, Number
from softphone.ui.ringtone_choice import RingtoneChoice

E = TypeVar("E", bound=Enum)
MAX_RINGING_S = 600


def _tr(text: str) -> str:
    return QCoreApplication.translate("OptionsForm", text)


def _quiet_words() -> dict[DoNotDisturb, str]:
    return {
        DoNotDisturb.OFF: _tr("Off: calls ring"),
        DoNotDisturb.BUSY: _tr("Callers hear that I am busy"),
        DoNotDisturb.UNAVAILABLE: _tr("Callers hear that I cannot be reached"),
    }


def _digit_words() -> dict[DigitsMode, str]:
    return {
        DigitsMode.AUTO: _tr("As the other side can"),
        DigitsMode.TELEPHONE_EVENT: _tr("Events in the voice stream (RFC 4733)"),
        DigitsMode.INFO: _tr("SIP INFO"),
        DigitsMode.IN_BAND: _tr("Tones"),
    }


def split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def watched_lines(text: str) -> tuple[WatchedLine, ...]:
    """One a line: address, label, pickup code, separated by commas; the last two may be left out."""
    lines = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",", 2)]
        if parts[0]:
            lines.append(WatchedLine(*parts))
    return tuple(lines)


def watched_text(watched: tuple[WatchedLine, ...]) -> str:
    return "\n".join(", ".join((line.uri, line.label, line.pickup_code)).rstrip(", ") for line in watched)


class OptionsForm(QWidget):
    """Shows options with `show_options`, gives them back with `options`. Emits `edited` at every change by a person."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._media: MediaSettings | None = None
        self._general = MediaSettings()
        self._max_calls = CallRules().max_calls
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        self.quiet = self._choice(self.tr("&Do not disturb"), _quiet_words())
        self.call_waiting = self._check(self.tr("Let further calls ring while I talk (call &waiting)"))
        self.always = self._line(self.tr("Send all calls &to"))
        self.busy = self._line(self.tr("Send calls to, while I am &busy"))
        self.no_answer = self._line(self.tr("Send calls to, if I do not &answer"))
        self.no_answer_s = Number()
        self.no_answer_s.setRange(1, MAX_RINGING_S)
        self.no_answer_s.setSuffix(self.tr(" s"))
        self.no_answer_s.valueChanged.connect(self.edited)
        self._row(self.tr("… a&fter"), self.no_answer_s)
        self.ringtone = RingtoneChoice(self.tr("as for all accounts"))
        self.ringtone.edited.connect(self.edited)
        self._row(self.tr("Ring tone of thi&s account"), self.ringtone)
        self.deny = self._line(self.tr("&Refuse calls from"), self.tr("+49900*, mallory@example.org, @example.net"))
        self.deny_anonymous = self._check(self.tr("Refuse callers who do not want to be &named"))
        self.auto_answer = self._line(
            self.tr("Let these callers be answered b&y themselves, if their call asks for it"),
            "reception, @example.org",
        )
        self.hide_identity = self._check(self.tr("W&ithhold my number in all calls"))
        self.digits = self._choice(self.tr("&Keys in a call are sent as"), _digit_words())
        self.message_waiting = self._check(self.tr("Ask the server about &voice messages"))
        self.voicemail = self._line(self.tr("Voice &mailbox"), self.tr("what the server says"))
        self.watched = QPlainTextEdit()
        self.watched.setTabChangesFocus(True)
        self.watched.setPlaceholderText(self.tr("bob@example.org, Bob, **"))
        self.watched.setFixedHeight(self.watched.fontMetrics().height() * 5)
        self.watched.textChanged.connect(self.edited)
        self._row(self.tr("Watched &lines (one each: address, label, pickup code)"), self.watched)
        encryption: dict[MediaEncryption | None, str] = {None: self.tr("As for all accounts")}
        for value, text in policy.ENCRYPTION_LABELS.items():
            encryption[value] = QCoreApplication.translate("policy", text)
        self.encryption = self._choice(self.tr("Media &encryption of this account"), encryption)
        self.codecs = self._line(self.tr("&Codecs of this account, best first"), self.tr("as for all accounts"))

    def _choice(self, text: str, values: dict[E, str] | dict[E | None, str]) -> Choice:
        box = Choice()
        for value, words in values.items():
            box.addItem(words, value)
        box.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(12)
        box.currentIndexChanged.connect(self.edited)
        self._row(text, box)
        return box

    def _check(self, text: str) -> QCheckBox:
        box = QCheckBox(text)
        box.toggled.connect(self.edited)
        self._form.addRow(box)
        return box

    def _line(self, text: str, placeholder: str = "") -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText(placeholder)
        line.textChanged.connect(self.edited)
        self._row(text, line)
        return line

    def _row(self, text: str, field: QWidget) -> None:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setBuddy(field)
        self._form.addRow(label)
        self._form.addRow(field)

    def show_options(self, options: AccountOptions, general: MediaSettings) -> None:
        rules, forwarding = options.rules, options.rules.forwarding
        self._media, self._general, self._max_calls = options.media, general, rules.max_calls
        self.blockSignals(True)
        self.quiet.setCurrentIndex(self.quiet.findData(rules.do_not_disturb))
        self.digits.setCurrentIndex(self.digits.findData(options.digits))
        chosen = options.media.encryption if options.media is not None else None
        self.encryption.setCurrentIndex(max(0, self.encryption.findData(chosen)))
        for box, on in (
            (self.call_waiting, rules.call_waiting),
            (self.deny_anonymous, rules.deny_anonymous),
            (self.hide_identity, options.hide_identity),
            (self.message_waiting, options.message_waiting),
        ):
            box.setChecked(on)
        for line, text in (
            (self.always, forwarding.always),
            (self.busy, forwarding.busy),
            (self.no_answer, forwarding.no_answer),
            (self.deny, ", ".join(rules.deny)),
            (self.auto_answer, ", ".join(rules.auto_answer_from)),
            (self.voicemail, options.voicemail),
            (self.codecs, ", ".join(options.codecs)),
        ):
            line.setText(text)
        self.no_answer_s.setValue(forwarding.no_answer_s)
        self.ringtone.take_back(options.ringtone)
        self.watched.setPlainText(watched_text(options.watched))
        self.blockSignals(False)

    def options(self) -> AccountOptions:
        forwarding = Forwarding(
            self.always.text().strip(),
            self.busy.text().strip(),
            self.no_answer.text().strip(),
            self.no_answer_s.value(),
        )
        rules = CallRules(
            call_waiting=self.call_waiting.isChecked(),
            max_calls=self._max_calls,
            do_not_disturb=self.quiet.currentData(),
            forwarding=forwarding,
            deny=split_list(self.deny.text()),
            deny_anonymous=self.deny_anonymous.isChecked(),
            auto_answer_from=split_list(self.auto_answer.text()),
        )
        return AccountOptions(
            rules=rules,
            digits=self.digits.currentData(),
            hide_identity=self.hide_identity.isChecked(),
            message_waiting=self.message_waiting.isChecked(),
            voicemail=self.voicemail.text().strip(),
            watched=watched_lines(self.watched.toPlainText()),
            codecs=tuple(name.upper() for name in split_list(self.codecs.text())),
            media=self._own_media(),
            ringtone=self.ringtone.chosen,
        )

    def _own_media(self) -> MediaSettings | None:
        """The connection profile and the rest stay this account's own, or the general ones."""
        chosen: MediaEncryption | None = self.encryption.currentData()
        return None if chosen is None else replace(self._media or self._general, encryption=chosen)
