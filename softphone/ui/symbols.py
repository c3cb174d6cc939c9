"""Symbols in the colour of the theme: SVG files of `resources/icons`, drawn sharp at every scaling.

Widgets with a symbol are `Dressed`: the window calls `dress(theme)` on each when the palette changes.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol, runtime_checkable

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from softphone.storage.resource import resource_path
from softphone.ui.theme import Theme, current_theme

_GAP = 6  # between the symbol of a button and its text
_SCALINGS = (1, 2, 3)  # enough for screens up to 300 %; Qt scales the nearest one in between


@runtime_checkable
class Dressed(Protocol):
    def dress(self, theme: Theme) -> None: ...


def dress_all(root: QWidget, theme: Theme) -> None:
    for widget in root.findChildren(QWidget):
        if isinstance(widget, Dressed):
            widget.dress(theme)


@cache
def _drawing(name: str) -> bytes:
    return resource_path(f"icons/{name}.svg").read_bytes()


def symbol(name: str, colour: QColor, size: int = 20, gap: int = 0) -> QIcon:
    """The icon `name` in one colour; `size` and the `gap` after it in device-independent pixels.

    FileNotFoundError if there is none.
    """
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace(b"currentColor", colour.name().encode())))
    icon = QIcon()
    for scaling in _SCALINGS:
        pixmap = QPixmap((size + gap) * scaling, size * scaling)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, size * scaling, size * scaling))
        painter.end()
        pixmap.setDevicePixelRatio(scaling)
        icon.addPixmap(pixmap)
    return icon


class SymbolButton(QPushButton):
    """A push button with a symbol; `part` is its style, `colour` the theme's colour of the symbol ("" for white)."""

    def __init__(
        self, name: str, text: str = "", *, part: str = "flat", colour: str = "text", parent: QWidget | None = None
    ) -> None:
        super().__init__(text, parent)
        self._name, self._colour = name, colour
        self.setProperty("part", part)
        self.setAutoDefault(False)
        self._gap = _GAP if text or part != "flat" else 0
        self.setIconSize(QSize(20 + self._gap, 20))
        self.dress(current_theme())

    def set_symbol(self, name: str) -> None:
        self.set_look(name, self._colour)

    def set_look(self, name: str, colour: str) -> None:
        if (name, colour) != (self._name, self._colour):
            self._name, self._colour = name, colour
            self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        colour = getattr(theme, self._colour) if self._colour else QColor("white")
        self.setIcon(symbol(self._name, colour, 20, self._gap))


class SwitchButton(QToolButton):
    """Something of a call that is on or off, its word below its symbol: four of them fit a narrow window."""

    def __init__(self, name: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setText(text)
        self.setProperty("part", "switch")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setIconSize(QSize(20, 20))
        self.set_flat(False)
        self.dress(current_theme())

    def set_flat(self, flat: bool) -> None:
        """With the word beside the symbol."""
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonTextBesideIcon if flat else style.ToolButtonTextUnderIcon)

    def set_symbol(self, name: str) -> None:
        if name != self._name:
            self._name = name
            self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        self.setIcon(symbol(self._name, theme.text))


class SymbolMenuButton(QToolButton):
    """A flat button with a symbol that opens its menu."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.setProperty("part", "flat")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setIconSize(QSize(20, 20))
        self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        self.setIcon(symbol(self._name, theme.text))


class SymbolLabel(QLabel):
    """A symbol beside a text that says the same: it is skipped by screen readers and holds no text itself."""

    def __init__(self, name: str, colour: str, size: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._colour, self._size = name, colour, size
        self.setFixedSize(size, size)
        self.dress(current_theme())

    @property
    def symbol_name(self) -> str:
        return self._name

    def set_symbol(self, name: str, colour: str) -> None:
        if (name, colour) != (self._name, self._colour):
            self._name, self._colour = name, colour
            self.dress(current_theme())

    def dress(self, theme: Theme) -> None:
        icon = symbol(self._name, getattr(theme, self._colour), self._size)
        self.setPixmap(icon.pixmap(QSize(self._size, self._size), self.devicePixelRatioF()))
