"""Colours and styles of the window, in light and in dark, from the platform's palette.

Owns: the few colours that a palette does not have (call, hang up, encrypted, not encrypted) and the style sheet.
Texts on coloured grounds keep a contrast of 4.5 : 1 in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from PySide6.QtGui import QColor, QGuiApplication, QPalette


@dataclass(frozen=True, slots=True)
class Theme:
    """`good` and `bad` are for texts and symbols on `card`; `call` and `hang_up` are grounds under white text."""

    dark: bool
    text: QColor
    muted: QColor
    card: QColor
    border: QColor
    hover: QColor
    accent: QColor
    good: QColor
    bad: QColor
    call: QColor
    hang_up: QColor
    warning_ground: QColor
    warning_text: QColor


def current_theme() -> Theme:
    """The theme for the application's palette of this moment."""
    return theme_of(QGuiApplication.palette())


def theme_of(palette: QPalette) -> Theme:
    window, text = palette.color(QPalette.ColorRole.Window), palette.color(QPalette.ColorRole.WindowText)
    dark = window.lightness() < 128
    return Theme(
        dark=dark,
        text=text,
        muted=_mixed(text, window, 0.72),
        card=_mixed(text, window, 0.06) if dark else palette.color(QPalette.ColorRole.Base),
        border=_mixed(text, window, 0.2),
        hover=_mixed(text, window, 0.14 if dark else 0.08),
        accent=palette.color(QPalette.ColorRole.Highlight),
        good=QColor("#5fd38d" if dark else "#17693f"),
        bad=QColor("#ff9a92" if dark else "#b3261e"),
        call=QColor("#1a6b45" if not dark else "#1f7a50"),
        hang_up=QColor("#c62828"),
        warning_ground=QColor("#423708" if dark else "#fdf3d0"),
        warning_text=QColor("#f5e3a3" if dark else "#4f3d00"),
    )


def _mixed(one: QColor, other: QColor, part: float) -> QColor:
    """`part` of the one, the rest of the other."""
    pairs = ((one.redF(), other.redF()), (one.greenF(), other.greenF()), (one.blueF(), other.blueF()))
    return QColor.fromRgbF(*(a * part + b * (1 - part) for a, b in pairs))


# Widgets name their part with the property `part`; nothing else is styled, so that the platform's look stays.
_STYLE = Template("""
QFrame[part="card"] { background: $card; border: 1px solid $border; border-radius: 10px; }
QFrame[part="card"] QLabel { background: transparent; border: none; }
QFrame[part="warning"] { background: $warning_ground; border: none; border-radius: 8px; }
QFrame[part="warning"] QLabel { color: $warning_text; background: transparent; }
QLabel[part="muted"] { color: $muted; }
QLabel[part="good"] { color: $good; }
QLabel[part="bad"] { color: $bad; }
QPushButton[part="call"], QPushButton[part="hang-up"] {
  color: white; border: 2px solid transparent; border-radius: 8px; padding: 7px 8px; font-weight: 600;
}
QPushButton[part="hang-up"][dense="true"] { padding: 5px 4px; }
QPushButton[part="call"] { background: $call; }
QPushButton[part="hang-up"] { background: $hang_up; }
QPushButton[part="call"]:hover, QPushButton[part="hang-up"]:hover { border-color: $hover_edge; }
QPushButton[part="call"]:pressed, QPushButton[part="hang-up"]:pressed { border-color: $text; }
QPushButton[part="call"]:disabled, QPushButton[part="hang-up"]:disabled { background: $border; color: $muted; }
QPushButton[part="key"], QPushButton[part="switch"], QToolButton[part="switch"] {
  color: $text; background: $card; border: 1px solid $border; border-radius: 8px; padding: 6px 4px;
}
QPushButton[part="key"]:hover, QPushButton[part="switch"]:hover, QToolButton[part="switch"]:hover {
  background: $hover;
}
QPushButton[part="key"]:pressed, QPushButton[part="switch"]:pressed, QToolButton[part="switch"]:pressed {
  background: $border;
}
QToolButton[part="switch"]:checked { color: $accent_text; background: $accent; border-color: $accent; }
QPushButton[part="switch"]:disabled, QToolButton[part="switch"]:disabled { color: $muted; }
QPushButton[part="flat"], QToolButton[part="flat"] {
  color: $text; background: transparent; border: 2px solid transparent; border-radius: 6px; padding: 3px;
}
QPushButton[part="flat"]:hover, QToolButton[part="flat"]:hover { background: $hover; }
QPushButton[part="flat"] { padding: 3px 6px; text-align: left; }
QToolButton[part="flat"]::menu-indicator { image: none; }
QPushButton[part]:focus, QToolButton[part]:focus { border: 2px solid $focus; }
QListWidget[part="recent"], QScrollArea[part="plain"] { background: transparent; border: none; }
QListWidget[part="recent"]:focus { border: 1px solid $focus; border-radius: 6px; }
QListWidget[part="recent"]::item { padding: 4px 2px; }
QWidget[part="plain"] { background: transparent; }
""")


def style_sheet(theme: Theme) -> str:
    palette = QGuiApplication.palette()
    colours = {name: value.name() for name in Theme.__slots__ if isinstance(value := getattr(theme, name), QColor)}
    return _STYLE.substitute(
        colours,
        accent_text=palette.color(QPalette.ColorRole.HighlightedText).name(),
        hover_edge=_mixed(theme.text, theme.card, 0.5).name(),
        focus=theme.accent.name(),
    )
