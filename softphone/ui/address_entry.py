"""An address asked for in the middle of something: where to transfer a call, where to send a ringing one."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from softphone.ui.dial_view import MAX_ADDRESS_LENGTH
from softphone.ui.texts import TextLabel


class AddressEntry(QWidget):
    """Hidden until `ask`. Emits `given(address)`; Escape or Cancel hides it again and nothing happens.

    The focus goes back to `opener`: left alone, it would fall on the next button, which may be the one that hangs up.
    """

    given = Signal(str)

    def __init__(self, opener: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._opener = opener
        self.question = TextLabel(scale=0.92)
        self.address = QLineEdit()
        self.address.setMaxLength(MAX_ADDRESS_LENGTH)
        self.address.setPlaceholderText(self.tr("Name, number or SIP address"))
        self.address.returnPressed.connect(self._give)
        self.go = QPushButton()
        self.go.setAutoDefault(False)
        self.go.clicked.connect(self._give)
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(self.close_question)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.address, 1)
        row.addWidget(self.go)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.question)
        layout.addLayout(row)
        self.hide()

    def ask(self, question: str, go: str) -> None:
        self.question.setText(question)
        self.address.setAccessibleName(question)
        self.go.setText(go)
        self.address.clear()
        self.show()
        self.address.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_question()
        else:
            super().keyPressEvent(event)

    def close_question(self) -> None:
        focus = self.window().focusWidget()
        if focus is not None and self.isAncestorOf(focus):
            self._opener.setFocus(Qt.FocusReason.OtherFocusReason)
        self.hide()

    def _give(self) -> None:
        address = self.address.text().strip()
        if address:
            self.close_question()
            self.given.emit(address)
