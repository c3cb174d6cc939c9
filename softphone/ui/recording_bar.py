"""That a call is recorded, in red on its card, for how long, and how to stop it. Hidden while it is not."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from softphone.state import CallView
from softphone.ui import words
from softphone.ui.symbols import SymbolLabel
from softphone.ui.texts import TextLabel, announce


class RecordingBar(QWidget):
    """Emits `stopped` when the person wants no more of it. A screen reader hears when it begins and when it ends."""

    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._since: float | None = None
        self.text = TextLabel(part="bad", bold=True)
        self.text.setWordWrap(False)
        self.stop = QPushButton(self.tr("Stop recording"))
        self.stop.setAutoDefault(False)
        self.stop.clicked.connect(self.stopped)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(SymbolLabel("record", "bad", 20))
        row.addWidget(self.text, 1)
        row.addWidget(self.stop)
        self.hide()

    def render_call(self, call: CallView, now: float) -> None:
        began = call.recording and self._since is None
        ended = not call.recording and self._since is not None
        self._since = call.recording_since
        self.tick(now)
        self.setVisible(call.recording)
        if began:
            announce(self, self.tr("This call is being recorded."), urgent=True)
        elif ended:
            announce(self, self.tr("The recording has ended."), urgent=True)

    def tick(self, now: float) -> None:
        """`now` is a reading of the engine's clock, in seconds."""
        if self._since is not None:
            self.text.setText(self.tr("Recording  %s") % words.duration(now - self._since))
