"""What is wrong in a running call: the most important of it with what can be done, the rest behind a button."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from softphone.ua.call_warnings import CallWarning, CallWarningKind
from softphone.ui.cards import WarningBox
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import announce

_IMPORTANCE = (  # what one press mends, then what stops the talk, then what spoils it
    CallWarningKind.SPEAKING_WHILE_MUTED,
    CallWarningKind.MICROPHONE_MUTED,
    CallWarningKind.MICROPHONE_SILENT,
    CallWarningKind.NOTHING_ARRIVES,
    CallWarningKind.COMPUTER_BUSY,
    CallWarningKind.LINE_LOSES,
    CallWarningKind.LINE_LOSES_OURS,
    CallWarningKind.MICROPHONE_CLIPPING,
    CallWarningKind.OTHER_SIDE_SILENT,
)


class WarningList(QWidget):
    """Hidden while all is well. A new warning is told to screen readers at once, one that is over is not."""

    def __init__(self, unmute: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unmute = unmute
        self._shown: tuple[CallWarning, ...] = ()
        self._unfolded = False
        self.boxes: dict[CallWarningKind, WarningBox] = {}
        self.others = SymbolButton("warning")
        self.others.clicked.connect(self._fold_or_unfold)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._column.addWidget(self.others, 0, Qt.AlignmentFlag.AlignLeft)
        self.hide()

    def render_warnings(self, warnings: tuple[CallWarning, ...]) -> None:
        if warnings == self._shown:
            return
        before, self._shown = self._shown, warnings
        if len(warnings) < 2:
            self._unfolded = False
        self._draw()
        self.setVisible(bool(warnings))
        new = [warning for warning in warnings if warning not in before]
        if new:
            announce(self, " ".join(f"{warning.reason} {warning.remedy}" for warning in new), urgent=True)

    def _draw(self) -> None:
        """The most important one, and all if the person wants to see them."""
        ranked = sorted(self._shown, key=lambda warning: _IMPORTANCE.index(warning.kind))
        drawn = ranked if self._unfolded else ranked[:1]
        hidden = ranked[len(drawn) :]
        for kind in set(self.boxes) - {warning.kind for warning in drawn}:
            self.boxes[kind].say("")
        for place, warning in enumerate(drawn):
            box = self._box(warning.kind)
            self._column.insertWidget(place, box)
            box.say(warning.reason, warning.remedy)
        self.others.setText(self._count(len(hidden)))
        self.others.setAccessibleDescription(" ".join(warning.reason for warning in hidden))
        self.others.setVisible(len(ranked) > 1)

    def _count(self, hidden: int) -> str:
        if not hidden:
            return self.tr("Show one warning only")
        return self.tr("1 more warning") if hidden == 1 else self.tr("%d more warnings") % hidden

    def _fold_or_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self._draw()

    def _box(self, kind: CallWarningKind) -> WarningBox:
        box = self.boxes.get(kind)
        if box is None:
            box = self.boxes[kind] = WarningBox()
            if kind is CallWarningKind.SPEAKING_WHILE_MUTED:
                unmute = box.add_button(self.tr("Unmute"))
                unmute.clicked.connect(self._unmute)
                self._column.insertWidget(0, box)
                QWidget.setTabOrder(unmute, self.others)  # as they stand
        return box
