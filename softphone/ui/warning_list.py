"""What is wrong in a running call, one box each: a sentence, what can be done, a button where one press does it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QVBoxLayout, QWidget

from softphone.ua.call_warnings import CallWarning, CallWarningKind
from softphone.ui.cards import WarningBox
from softphone.ui.texts import announce


class WarningList(QWidget):
    """Hidden while all is well. A new warning is told to screen readers at once, one that is over is not."""

    def __init__(self, unmute: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unmute = unmute
        self._shown: tuple[CallWarning, ...] = ()
        self.boxes: dict[CallWarningKind, WarningBox] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.hide()

    def render_warnings(self, warnings: tuple[CallWarning, ...]) -> None:
        if warnings == self._shown:
            return
        before, self._shown = self._shown, warnings
        wanted = {warning.kind for warning in warnings}
        for kind, box in self.boxes.items():
            if kind not in wanted:
                box.say("")
        for warning in warnings:
            self._box(warning.kind).say(warning.reason, warning.remedy)
        self.setVisible(bool(warnings))
        new = [warning for warning in warnings if warning not in before]
        if new:
            announce(self, " ".join(f"{warning.reason} {warning.remedy}" for warning in new), urgent=True)

    def _box(self, kind: CallWarningKind) -> WarningBox:
        box = self.boxes.get(kind)
        if box is None:
            box = self.boxes[kind] = WarningBox()
            if kind is CallWarningKind.SPEAKING_WHILE_MUTED:
                box.add_button(self.tr("Unmute")).clicked.connect(self._unmute)
            self._column.addWidget(box)
        return box
