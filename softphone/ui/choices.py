"""Fields that the mouse wheel scrolls past: Qt's own take the wheel for a choice, and nobody notices.

A page of settings is scrolled with the pointer over them, and what they hold is in force at once.
"""

from __future__ import annotations

from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QSpinBox


class Choice(QComboBox):
    """One of several, by click or by key."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the page behind it scrolls


class Number(QSpinBox):
    """A whole number, by click or by key."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()
