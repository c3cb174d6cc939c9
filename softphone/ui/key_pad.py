"""The twelve keys of a telephone, for dialling and for digits in a call; the keyboard's keys work on it too."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

_LETTERS = {"2": "ABC", "3": "DEF", "4": "GHI", "5": "JKL", "6": "MNO", "7": "PQRS", "8": "TUV", "9": "WXYZ", "0": "+"}
_KEYS = "123456789*0#"


class KeyPad(QWidget):
    """Emits `pressed("7")` for the key 7, pressed on the pad or, with the focus on the pad, on the keyboard."""

    pressed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.keys: dict[str, QPushButton] = {}
        spoken = {"*": self.tr("Star"), "#": self.tr("Hash")}
        for place, key in enumerate(_KEYS):
            letters = _LETTERS.get(key, "")
            button = QPushButton(f"{key}  {letters}" if letters else key)
            button.setProperty("part", "key")
            button.setAutoDefault(False)
            button.setAccessibleName(spoken.get(key, key))
            button.setMinimumHeight(round(button.fontMetrics().height() * 2.4))
            button.clicked.connect(lambda _checked=False, key=key: self.pressed.emit(key))
            layout.addWidget(button, place // 3, place % 3)
            self.keys[key] = button

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.text() in self.keys and event.text():
            self.pressed.emit(event.text())
        else:
            super().keyPressEvent(event)
