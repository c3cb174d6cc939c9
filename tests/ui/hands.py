"""What a person does: clicks, keys, typing."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def click(widget: QWidget) -> None:
    QApplication.processEvents()  # a person clicks what has been drawn
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def key(widget: QWidget, code: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(widget, code, modifiers)


def type_text(widget: QWidget, text: str) -> None:
    QTest.keyClicks(widget, text)


def focused(window: QWidget) -> QWidget:
    """The widget that the keyboard goes to."""
    widget = window.focusWidget()
    assert widget is not None
    return widget
