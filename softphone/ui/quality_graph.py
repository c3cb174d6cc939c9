"""One graph of a call's line over time, drawn with the window's own painter.

Lines differ in colour and in dashes, so that they can be told apart without colour. With the keyboard's focus the
arrow keys move a marker along, and the figures at it are read out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from softphone.ua.line_history import LineHistory, Series
from softphone.ui.quality_words import number
from softphone.ui.texts import announce
from softphone.ui.theme import Theme, current_theme

# Okabe and Ito's blue, vermilion and green: told apart by nearly everybody, in light and in dark.
_COLOURS = {False: ("#0072b2", "#b34700", "#00664a"), True: ("#7cc4f5", "#f2a65e", "#5fd3a8")}
_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_MARGIN = 4.0
_GRID_LINES = 3
_PAGE = 10  # points that Page Up and Page Down move


@dataclass(frozen=True, slots=True)
class Line:
    """One series of the graph."""

    name: str
    row: str  # in a table, where the graph's title is not beside it
    of: Callable[[LineHistory], Series]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a line comes to; None without values."""

    last: float | None
    mean: float | None
    least: float | None
    most: float | None


def figures(series: Series) -> Figures:
    known = [value for value in series if value is not None]
    if not known:
        return Figures(None, None, None, None)
    return Figures(series[-1], sum(known) / len(known), min(known), max(known))


class QualityGraph(QWidget):
    """`low` and `high` are the least span of the scale; values beyond make it grow (not where it is `fixed`)."""

    def __init__(
        self,
        title: str,
        unit: str,
        lines: tuple[Line, ...],
        scale: tuple[float, float],
        *,
        fixed: bool = False,
        digits: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.title, self.unit, self.lines, self.digits = title, unit, lines, digits
        self._scale, self._fixed = scale, fixed
        self._history = LineHistory()
        self._series: tuple[Series, ...] = tuple(() for _ in lines)
        self._theme = current_theme()
        self.marker: int | None = None  # index of a point
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        line = self.fontMetrics().height()
        return QSize(line * 18, line * 7)

    def dress(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_history(self, history: LineHistory) -> None:
        self._history = history
        self._series = tuple(line.of(history) for line in self.lines)
        if self.marker is not None and self.marker >= len(history):
            self.marker = None
        self.setAccessibleDescription(self.description())
        self.update()

    def description(self) -> str:
        """The lines as a sentence each, for who does not see them."""
        parts = []
        for line, series in zip(self.lines, self._series, strict=True):
            drawn = figures(series)
            if drawn.mean is None:
                parts.append(self.tr("%s: nothing known yet.") % line.name)
                continue
            facts = (self.value(drawn.last), self.value(drawn.mean), self.value(drawn.least), self.value(drawn.most))
            parts.append(self.tr("%s: last %s, on average %s, from %s to %s.") % (line.name, *facts))
        return " ".join(parts)

    def value(self, value: float | None) -> str:
        if value is None:
            return "–"
        return f"{number(value, self.digits)} {self.unit}".strip()

    # The marker

    def at_marker(self) -> str:
        """The figures at the marker: “at 1:05: you hear 4.1 …”; "" without one."""
        if self.marker is None or not len(self._history):
            return ""
        seconds = self._history.at[self.marker] - self._history.at[0]
        when = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
        told = (f"{line.name} {self.value(s[self.marker])}" for line, s in zip(self.lines, self._series, strict=True))
        return f"{when}: {', '.join(told)}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        last = len(self._history) - 1
        here = last if self.marker is None else self.marker
        moves = {
            Qt.Key.Key_Left: here - 1,
            Qt.Key.Key_Right: here + 1,
            Qt.Key.Key_PageUp: here - _PAGE,
            Qt.Key.Key_PageDown: here + _PAGE,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        wanted = moves.get(Qt.Key(event.key()))
        if wanted is None or last < 0:
            super().keyPressEvent(event)
            return
        self._mark(min(max(wanted, 0), last))
        announce(self, self.at_marker())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        area = self._area()
        if len(self._history) and area.width() > 0:
            part = (event.position().x() - area.left()) / area.width()
            begin, end = self._history.at[0], self._history.at[-1]
            when = begin + min(max(part, 0.0), 1.0) * (end - begin)
            nearest = min(range(len(self._history)), key=lambda point: abs(self._history.at[point] - when))
            self._mark(nearest)

    def _mark(self, point: int) -> None:
        self.marker = point
        self.setToolTip(self.at_marker())
        self.update()

    # Drawing

    def _area(self) -> QRectF:
        """Where the lines are: below the legend, right of the scale's numbers."""
        metrics = self.fontMetrics()
        left = max(metrics.horizontalAdvance(self.value(bound)) for bound in self._bounds()) + 2 * _MARGIN
        top = metrics.height() * 1.6
        return QRectF(left, top, self.width() - left - _MARGIN, self.height() - top - 2 * _MARGIN)

    def _bounds(self) -> tuple[float, float]:
        low, high = self._scale
        if self._fixed:
            return low, high
        most = max((value for series in self._series for value in series if value is not None), default=high)
        return low, high if most <= high else _round_up(most)

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area, bounds = self._area(), self._bounds()
        self._paint_legend(painter)
        self._paint_grid(painter, area, bounds)
        painter.setClipRect(area.adjusted(-2, -2, 2, 2))
        for place, series in enumerate(self._series):
            painter.setPen(QPen(self._colour(place), 2, _DASHES[place]))
            for piece in self._pieces(series, area, bounds):
                painter.drawPolyline(QPolygonF(piece)) if len(piece) > 1 else painter.drawPoint(piece[0])
        self._paint_marker(painter, area)
        painter.setClipping(False)
        if self.hasFocus():
            painter.setPen(QPen(self._theme.accent, 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def _colour(self, place: int) -> QColor:
        return QColor(_COLOURS[self._theme.dark][place])

    def _paint_legend(self, painter: QPainter) -> None:
        metrics, x = self.fontMetrics(), _MARGIN
        base = metrics.ascent() + 1.0
        marked = self.at_marker()
        painter.setPen(self._theme.text)
        if marked:
            room = int(self.width() - 2 * _MARGIN)
            painter.drawText(QPointF(x, base), metrics.elidedText(marked, Qt.TextElideMode.ElideRight, room))
            return
        for place, line in enumerate(self.lines):
            middle = metrics.height() / 2
            painter.setPen(QPen(self._colour(place), 2, _DASHES[place]))
            painter.drawLine(QPointF(x, middle), QPointF(x + 20, middle))
            painter.setPen(self._theme.text)
            last = figures(self._series[place]).last
            text = f"{line.name} {self.value(last)}" if last is not None else line.name
            painter.drawText(QPointF(x + 24, base), text)
            x += 24 + metrics.horizontalAdvance(text) + 12

    def _paint_grid(self, painter: QPainter, area: QRectF, bounds: tuple[float, float]) -> None:
        metrics = self.fontMetrics()
        for step in range(_GRID_LINES):
            part = step / (_GRID_LINES - 1)
            y = area.bottom() - part * area.height()
            painter.setPen(QPen(self._theme.border, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(self._theme.muted)
            text = self.value(bounds[0] + part * (bounds[1] - bounds[0]))
            x = area.left() - _MARGIN - metrics.horizontalAdvance(text)
            painter.drawText(QPointF(x, min(y + metrics.ascent() / 2 - 1, self.height() - 2.0)), text)

    def _pieces(self, series: Series, area: QRectF, bounds: tuple[float, float]) -> list[list[QPointF]]:
        """The line without what is not known: a gap is a gap."""
        low, high = bounds
        pieces: list[list[QPointF]] = []
        piece: list[QPointF] = []
        for at, value in zip(self._history.at, series, strict=True):
            if value is None:
                if piece:
                    pieces.append(piece)
                piece = []
                continue
            height = (min(max(value, low), high) - low) / (high - low) * area.height()
            piece.append(QPointF(self._x(at, area), area.bottom() - height))
        return [*pieces, piece] if piece else pieces

    def _x(self, at: float, area: QRectF) -> float:
        begin, end = self._history.at[0], self._history.at[-1]
        return area.left() + (at - begin) / max(1.0, end - begin) * area.width()

    def _paint_marker(self, painter: QPainter, area: QRectF) -> None:
        if self.marker is not None and len(self._history):
            x = self._x(self._history.at[self.marker], area)
            painter.setPen(QPen(self._theme.text, 1))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))


def _round_up(value: float) -> float:
    """To 1, 2 or 5 and zeros."""
    size = 1.0
    while True:
        for step in (1.0, 2.0, 5.0):
            if value <= size * step:
                return size * step
        size *= 10.0
