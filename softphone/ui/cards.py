"""What things stand on: a card, a warning with a sentence and what can be done about it, a column that scrolls."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from softphone.errors import Failure
from softphone.ui.symbols import SymbolLabel
from softphone.ui.texts import TextLabel


class ScrolledColumn(QWidget):
    """As tall as what is in it at its width: Qt's own least height is that of texts wrapped at the least width."""

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), 0)


class Card(QFrame):
    """A frame with a column in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("part", "card")
        self.column = QVBoxLayout(self)
        self.set_dense(False)

    def set_dense(self, dense: bool) -> None:
        """With less room around and between things."""
        self.column.setContentsMargins(*((14, 7, 14, 9) if dense else (14, 12, 14, 14)))
        self.column.setSpacing(4 if dense else 8)


class WarningBox(QFrame):
    """A sentence, a remedy below it, and buttons. Hidden until there is something to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("part", "warning")
        self.reason = TextLabel(bold=True)
        self.remedy = TextLabel()
        self._buttons = QHBoxLayout()
        self._buttons.setContentsMargins(0, 2, 0, 0)
        self._buttons.addStretch(1)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self.reason)
        texts.addWidget(self.remedy)
        texts.addLayout(self._buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 8, 10, 8)
        row.setSpacing(8)
        row.addWidget(SymbolLabel("warning", "warning_text", 20), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        self.hide()

    def add_button(self, text: str) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        self._buttons.addWidget(button)
        return button

    def say(self, reason: str, remedy: str = "") -> None:
        """Shows the words; hides itself without any."""
        self.reason.setText(reason)
        self.remedy.show_text(remedy)
        self.setVisible(bool(reason))

    def say_failure(self, failure: Failure | None) -> None:
        self.say(failure.reason if failure else "", failure.remedy if failure else "")
