"""A microphone's level, drawn: green as far as speech should reach, then yellow, red where it is cut off."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from softphone.ui.theme import current_theme

QUIETEST_DB = -60
WARM_DB, HOT_DB = -12, -3  # dBFS, from which on it is loud, and too loud
_LAMPS = 30
_GAP = 2.0


class LevelMeter(QProgressBar):
    """Screen readers read it as a value from -60 to 0; the drawing is a row of lamps, the peak a lamp of its own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._peak = float(QUIETEST_DB)
        self.setRange(QUIETEST_DB, 0)
        self.setValue(QUIETEST_DB)
        self.setTextVisible(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().height() * 14, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self.fontMetrics().height())

    def show_level(self, level_db: float | None, peak_db: float | None) -> None:
        """dBFS; None: nothing is measured."""
        level = QUIETEST_DB if level_db is None else max(QUIETEST_DB, min(0, round(level_db)))
        self._peak = QUIETEST_DB if peak_db is None else max(QUIETEST_DB, min(0.0, peak_db))
        self.setValue(level)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        theme = current_theme()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        width = (self.width() + _GAP) / _LAMPS
        for lamp in range(_LAMPS):
            at = self._db_of(lamp)
            lit = self.value() > QUIETEST_DB and self.value() >= at
            peak = self._peak > QUIETEST_DB and lamp == self._lamp_of(self._peak)
            colour = theme.bad if at >= HOT_DB else QColor("#c98a00") if at >= WARM_DB else theme.good
            painter.setBrush(colour if lit or peak else theme.border)
            x = lamp * width
            if self.layoutDirection() is Qt.LayoutDirection.RightToLeft:
                x = self.width() - x - (width - _GAP)
            painter.drawRoundedRect(QRectF(x, 0, width - _GAP, self.height()), 2, 2)
        painter.end()

    @staticmethod
    def _db_of(lamp: int) -> float:
        return QUIETEST_DB * (1 - lamp / _LAMPS)

    @staticmethod
    def _lamp_of(level_db: float) -> int:
        return min(_LAMPS - 1, int(_LAMPS * (1 - level_db / QUIETEST_DB)))
