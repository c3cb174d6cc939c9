"""Labels for text: plain always (a caller's name is never taken for markup), muted, wrapped or cut short.

Also the one way in which a change is told to screen readers.
"""

from __future__ import annotations

import re
import unicodedata

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QFont,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_LONGEST_FOREIGN_TEXT = 200  # characters
_LONG_WORD = re.compile(r"\S{31,}")
_PIECE = re.compile(r"[^:./@-]{1,24}[:./@-]?")


class TextLabel(QLabel):
    """Plain text that wraps. `part` is the style: "", "muted", "good" or "bad"."""

    def __init__(self, text: str = "", *, part: str = "", scale: float = 1.0, bold: bool = False) -> None:
        super().__init__(breakable(text))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setProperty("part", part)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFont(_scaled(self.font(), scale, bold))

    def setText(self, text: str) -> None:
        super().setText(breakable(text))

    def set_part(self, part: str) -> None:
        if self.property("part") != part:
            self.setProperty("part", part)
            self.style().unpolish(self)
            self.style().polish(self)

    def show_text(self, text: str) -> None:
        """The text, or nothing at all: an empty label takes no room."""
        self.setText(text)
        self.setVisible(bool(text))


class LineLabel(QLabel):
    """One line of plain text, cut with “…” where the room ends; screen readers get all of it."""

    def __init__(self, text: str = "", *, part: str = "", scale: float = 1.0, bold: bool = False) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("part", part)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFont(_scaled(self.font(), scale, bold))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        cut = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), self.alignment() | Qt.TextFlag.TextSingleLine, cut)


def _scaled(font: QFont, scale: float, bold: bool) -> QFont:
    changed = QFont(font)
    changed.setPointSizeF(font.pointSizeF() * scale)
    changed.setBold(bold)
    return changed


def breakable(text: str) -> str:
    """The text with places to wrap within words too long for the window: fingerprints, host names."""
    return _LONG_WORD.sub(lambda word: _PIECE.sub("\\g<0>\u200b", word[0]), text)


def foreign(text: str, longest: int = _LONGEST_FOREIGN_TEXT) -> str:
    """Text of a peer for the screen: no control, format or direction characters, at most `longest` characters."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" else "·" for c in text[: longest + 1])
    return shown if len(shown) <= longest else shown[:longest] + "…"


def plain_tip(text: str) -> str:
    """For setToolTip, which takes what looks like markup for markup: a server's words are never that."""
    return text.replace("<", "‹").replace(">", "›")


def announce(widget: QWidget, text: str, *, urgent: bool = False) -> None:
    """Has a screen reader say the text; nothing happens without one."""
    event = QAccessibleAnnouncementEvent(widget, text)
    urgency = QAccessible.AnnouncementPoliteness
    event.setPoliteness(urgency.Assertive if urgent else urgency.Polite)
    QAccessible.updateAccessibility(event)
