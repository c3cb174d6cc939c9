"""How a running or an ended call's line was over time: graphs, the same as a table, and a summary in words."""

from __future__ import annotations

from operator import attrgetter

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from softphone.state import AppState, CallView
from softphone.ua.commands import CallId
from softphone.ui import quality_words, words
from softphone.ui.quality_graph import Line, QualityGraph, figures
from softphone.ui.symbols import SymbolButton
from softphone.ui.texts import TextLabel


class QualityPage(QWidget):
    """`show_call` chooses the call; the state draws it. Emits `finished` when the person goes back."""

    finished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._call_id: CallId = ""
        self._call: CallView | None = None
        self.back = SymbolButton("back", self.tr("Back"))
        self.back.clicked.connect(self.finished)
        self.party = TextLabel(part="muted")
        self.summary = TextLabel()
        self.nothing = TextLabel(self.tr("There are no figures of this call."), part="muted")
        self.graphs = self._graphs()
        self.table = QTableWidget()
        self._set_up_table()
        top = QHBoxLayout()
        top.addWidget(TextLabel(self.tr("Call quality"), scale=1.45, bold=True), 1)
        top.addWidget(self.back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addLayout(top)
        layout.addWidget(self._scrolled(), 1)

    def _graphs(self) -> tuple[QualityGraph, ...]:
        hear, hears = self.tr("you hear"), self.tr("the other side hears")
        get = attrgetter
        return (
            QualityGraph(
                self.tr("Quality (MOS)"),
                "",
                (
                    Line(hear, self.tr("MOS, you"), get("mos")),
                    Line(hears, self.tr("MOS, other side"), get("mos_remote")),
                ),
                (1.0, 4.5),
                fixed=True,
                digits=1,
            ),
            QualityGraph(
                self.tr("Lost or too late"),
                "%",
                (
                    Line(hear, self.tr("Lost, you"), get("loss")),
                    Line(hears, self.tr("Lost, other side"), get("loss_remote")),
                ),
                (0.0, 5.0),
                digits=1,
            ),
            QualityGraph(
                self.tr("Jitter buffer"),
                "ms",
                (
                    Line(self.tr("delay"), self.tr("Buffer, delay"), get("delay_ms")),
                    Line(self.tr("wanted"), self.tr("Buffer, wanted"), get("target_ms")),
                    Line(self.tr("jitter"), self.tr("Jitter"), get("jitter_ms")),
                ),
                (0.0, 50.0),
            ),
            QualityGraph(
                self.tr("There and back"),
                "ms",
                (Line(self.tr("round trip"), self.tr("Round trip"), get("rtt_ms")),),
                (0.0, 50.0),
            ),
            QualityGraph(
                self.tr("Loudness"),
                "dB",
                (
                    Line(self.tr("microphone"), self.tr("Microphone"), get("microphone_db")),
                    Line(self.tr("loudspeaker"), self.tr("Loudspeaker"), get("speaker_db")),
                ),
                (-80.0, 0.0),
                fixed=True,
            ),
        )

    def _set_up_table(self) -> None:
        columns = (self.tr("last"), self.tr("mean"), self.tr("least"), self.tr("most"))
        units = {graph: f" ({graph.unit})" if graph.unit else "" for graph in self.graphs}
        rows = [f"{line.row}{units[graph]}" for graph in self.graphs for line in graph.lines]
        table = self.table
        table.setRowCount(len(rows))
        table.setColumnCount(len(columns))
        table.setHorizontalHeaderLabels(columns)
        table.setVerticalHeaderLabels(rows)
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)  # Tab leaves the table, arrows move in it
        table.setAccessibleName(self.tr("The figures of the graphs"))
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for row in range(len(rows)):
            for column in range(len(columns)):
                item = QTableWidgetItem("–")
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                table.setItem(row, column, item)
        table.setFixedHeight(table.horizontalHeader().sizeHint().height() + table.verticalHeader().length() + 6)

    def _scrolled(self) -> QScrollArea:
        inside, area = QWidget(), QScrollArea()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(6)
        for widget in (self.party, self.summary, self.nothing):
            column.addWidget(widget)
        for graph in self.graphs:
            column.addWidget(TextLabel(graph.title, bold=True))
            column.addWidget(graph)
        column.addWidget(self.table)
        column.addStretch(1)
        for part in (inside, area):
            part.setProperty("part", "plain")
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    def show_call(self, call_id: CallId, state: AppState) -> None:
        self._call_id, self._call = call_id, None
        for graph in self.graphs:
            graph.marker = None
        self._draw(state)

    def render_state(self, state: AppState) -> None:
        """Nothing is drawn while the page is hidden."""
        if self.isVisible():
            self._draw(state)

    def _draw(self, state: AppState) -> None:
        call = state.call(self._call_id)
        if call is None or call is self._call:
            return
        self._call = call
        history = call.history
        self.party.setText(words.name(call.remote))
        self.summary.show_text(quality_words.summary(call) if call.report is not None else "")
        self.nothing.setVisible(not len(history))
        for graph in self.graphs:
            graph.show_history(history)
        self._fill_table()

    def _fill_table(self) -> None:
        assert self._call is not None
        rows = [(graph, line) for graph in self.graphs for line in graph.lines]
        for row, (graph, line) in enumerate(rows):
            drawn = figures(line.of(self._call.history))
            for column, value in enumerate((drawn.last, drawn.mean, drawn.least, drawn.most)):
                item = self.table.item(row, column)
                assert item is not None
                item.setText("–" if value is None else quality_words.number(value, graph.digits))
