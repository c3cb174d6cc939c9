"""The quality of a call at a glance: four bars and a word, on a button that opens the graphs.

The bars say it by their number and the word by itself; no colour is needed to read either.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QPushButton, QWidget

from softphone.ua.media_report import CallQuality
from softphone.ui import quality_words
from softphone.ui.theme import Theme, current_theme

BARS = quality_words.LEVELS - 1
_SIZE = QSize(26, 18)
_SCALINGS = (1, 2, 3)


class QualityMark(QPushButton):
    """Hidden while nothing is known. Clicking it is for the card that it stands on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.level: int | None = None
        self.setProperty("part", "flat")
        self.setAutoDefault(False)
        self.setIconSize(_SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.hide()

    def show_quality(self, quality: CallQuality | None) -> None:
        level = quality_words.worst_now(quality) if quality is not None else None
        self.setVisible(level is not None)
        if quality is None or level is None:
            self.level = None
            return
        self.setText(quality_words.now(quality))
        tip = quality_words.now_tip(quality)
        self.setToolTip(tip)
        self.setAccessibleDescription(f"{tip}\n{self.tr('Shows how it was over the call')}")
        if level != self.level:
            self.level = level
            self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        if self.level is not None:
            self.setIcon(_bars(self.level, theme.bad if self.level <= 1 else theme.text, theme.muted))


def _bars(full: int, colour: QColor, empty: QColor) -> QIcon:
    """Ever taller bars, the first `full` of them filled."""
    icon = QIcon()
    for scaling in _SCALINGS:
        pixmap = QPixmap(_SIZE * scaling)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.scale(scaling, scaling)
        for bar in range(BARS):
            height = _SIZE.height() * (bar + 1) / BARS - 2
            box = QRectF(1.5 + bar * 6, _SIZE.height() - height - 1.5, 3, height)
            painter.setPen(QPen(colour if bar < full else empty, 1))
            painter.setBrush(colour if bar < full else Qt.BrushStyle.NoBrush)
            painter.drawRect(box)
        painter.end()
        pixmap.setDevicePixelRatio(scaling)
        icon.addPixmap(pixmap)
    return icon
