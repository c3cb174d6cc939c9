"""The quality of a call on the screen: a word and bars, the graphs, the same as text, what an ended call leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from softphone.rtp.quality import Quality
from softphone.state import AppState
from softphone.ua import events as ua
from softphone.ua.media_report import CallQuality, MediaReport, PlayoutReport
from softphone.ui import quality_words
from softphone.ui.call_view import RunningCallView
from softphone.ui.ended_view import EndedView
from softphone.ui.main_window import MainWindow
from softphone.ui.quality_graph import QualityGraph, figures
from tests.ui.hands import CTRL_SHIFT, click, focused, key
from tests.ui.states import READY, active, after, ended


def opinion(mos: float, loss: float = 0.0) -> Quality:
    return Quality(mos, mos * 20, loss, 1.0, 120.0)


def report(heard: float | None = 4.4, said: float | None = 4.4, loss: float = 0.0, way: float = 40.0) -> MediaReport:
    hear = None if heard is None else opinion(heard, loss)
    speak = None if said is None else opinion(said)
    return MediaReport(
        500,
        480,
        lost=20,
        jitter_ms=5.0,
        rtt_ms=way,
        playout=PlayoutReport(50.0, 48.0, 30.0),
        quality=CallQuality(hear, hear, speak, speak),
        microphone_level_db=-20.0,
        speaker_level_db=-30.0,
    )


def talking(*reports: MediaReport) -> AppState:
    state = active()
    for second, told in enumerate(reports):
        state = after(state, ua.CallReported("c1", told), begin=10.0 + second)
    return state


def card(window: MainWindow) -> RunningCallView:
    view = window.calls.cards["c1"]
    assert isinstance(view, RunningCallView)
    return view


@pytest.mark.parametrize(
    ("mos", "level", "word"),
    [
        (4.41, 4, "excellent"),
        (4.26, 4, "excellent"),
        (4.1, 3, "good"),
        (3.7, 2, "fair"),
        (3.2, 1, "poor"),
        (1.0, 0, "bad"),
    ],
)
def test_an_opinion_score_has_a_word_and_as_many_bars(window: MainWindow, mos: float, level: int, word: str) -> None:
    window.render_state(talking(report(mos, None)))
    mark = card(window).mark
    assert mark.isVisible()
    assert (mark.level, mark.text()) == (level, f"Quality: {word}")
    assert word in mark.toolTip()
    assert "The other side hears: not known" in mark.accessibleDescription()


def test_who_suffers_is_said_where_it_is_one_side_only(window: MainWindow) -> None:
    window.render_state(talking(report(4.4, 3.2)))
    assert card(window).mark.text() == "Quality: poor for the other side"
    window.render_state(talking(report(2.0, 4.4)))
    assert card(window).mark.text() == "Quality: bad for you"
    window.render_state(talking(report(4.4, 4.1)))
    assert card(window).mark.text() == "Quality: good"


def test_nothing_is_said_before_anything_is_known(window: MainWindow) -> None:
    window.render_state(active())
    assert not card(window).mark.isVisible()
    window.render_state(talking(report(None, None)))
    assert not card(window).mark.isVisible()


def test_the_bars_differ_in_shape_and_not_only_in_colour(window: MainWindow) -> None:
    def drawn(mos: float) -> QImage:
        window.render_state(talking(report(mos)))
        return card(window).mark.icon().pixmap(26, 18).toImage().convertToFormat(QImage.Format.Format_Alpha8)

    pictures = [drawn(mos) for mos in (4.4, 4.1, 3.7, 3.2, 1.0)]
    assert all(one != other for place, one in enumerate(pictures) for other in pictures[:place])


def test_the_mark_and_its_keys_open_the_graphs_and_escape_closes_them(window: MainWindow) -> None:
    window.render_state(talking(report(), report()))
    click(card(window).mark)
    assert window.pages.currentWidget() is window.quality
    assert focused(window) is window.quality.back
    key(window.quality, Qt.Key.Key_Escape)
    assert window.pages.currentWidget() is window.phone
    key(window, Qt.Key.Key_I, CTRL_SHIFT)
    assert window.pages.currentWidget() is window.quality
    click(window.quality.back)
    assert window.pages.currentWidget() is window.phone


def test_the_page_follows_the_call_and_tells_everything_in_text(window: MainWindow) -> None:
    reports = [report(4.4, 4.0, way=40.0), report(3.0, 4.0, loss=0.1, way=60.0)]
    window.render_state(talking(*reports))
    window.show_quality("c1")
    page = window.quality
    assert "The other side heard: 4.0, good" in page.summary.text()
    assert "10.0 % lost" in page.summary.text()
    mos, _, _, way, loudness = page.graphs
    assert mos.accessibleDescription().startswith("you hear: last 3.0, on average 3.7, from 3.0 to 4.4.")
    assert way.accessibleDescription() == "round trip: last 60 ms, on average 44 ms, from 31 ms to 60 ms."
    assert "microphone: last -20 dB" in loudness.accessibleDescription()
    model = page.table.model()
    cells = [[model.index(row, column).data() for column in range(4)] for row in range(model.rowCount())]
    assert cells[0] == ["3.0", "3.7", "3.0", "4.4"]
    assert len(cells) == sum(len(graph.lines) for graph in page.graphs)
    window.render_state(talking(*reports, report(4.4, 4.0, way=80.0)))
    assert way.accessibleDescription().startswith("round trip: last 80 ms")


def test_arrow_keys_move_a_marker_that_tells_the_figures(window: MainWindow) -> None:
    window.render_state(talking(*(report(way=float(way)) for way in range(100, 200))))
    window.show_quality("c1")
    graph = window.quality.graphs[3]
    graph.setFocus()
    key(graph, Qt.Key.Key_Left)
    assert graph.at_marker().endswith("round trip 198 ms")
    key(graph, Qt.Key.Key_PageUp)
    assert graph.at_marker().endswith("round trip 188 ms")
    key(graph, Qt.Key.Key_Home)
    assert graph.at_marker() == "0:00: round trip 31 ms"
    key(graph, Qt.Key.Key_Left)
    assert graph.at_marker() == "0:00: round trip 31 ms"
    key(graph, Qt.Key.Key_End)
    assert graph.at_marker().endswith("round trip 199 ms")


def drawn(graph: QualityGraph) -> QImage:
    return graph.grab().toImage()


def test_what_is_not_known_is_a_gap_and_no_line_to_zero(window: MainWindow) -> None:
    known = [report() for _ in range(40)]
    hold = [replace(report(None, None), rtt_ms=None) for _ in range(20)]
    window.render_state(talking(*known, *hold, *known))
    window.show_quality("c1")
    graph = window.quality.graphs[3]
    assert figures(graph.lines[0].of(window.quality._call.history)).least == 31.0  # type: ignore[union-attr]
    area = graph._area()
    pieces = graph._pieces(graph._series[0], area, graph._bounds())
    assert len(pieces) == 2
    assert pieces[0][-1].x() < pieces[1][0].x() - area.width() / 10


def test_graphs_are_drawn_of_one_point_of_none_and_of_values_beyond_the_scale(window: MainWindow) -> None:
    window.render_state(READY)
    empty = [drawn(graph) for graph in window.quality.graphs]
    window.render_state(talking())
    window.show_quality("c1")
    assert all(drawn(graph).width() > 0 for graph in window.quality.graphs)
    window.render_state(talking(report(way=123_456.0), report(1.0, 1.0, loss=1.0)))
    assert window.quality.graphs[3]._bounds() == (0.0, 200_000.0)
    assert all(drawn(graph) != before for graph, before in zip(window.quality.graphs, empty, strict=True))


def test_an_ended_call_says_how_it_was_and_shows_its_graphs(window: MainWindow) -> None:
    state = talking(*(report(4.1, 4.0, loss=0.012) for _ in range(30)))
    window.render_state(state)
    window.render_state(ended(state))
    over = window.calls.cards["c1"]
    assert isinstance(over, EndedView)
    assert "Quality: good, 4.1; 1.2 % lost" in over.quality.text()
    key(window, Qt.Key.Key_I, CTRL_SHIFT)
    assert window.pages.currentWidget() is window.quality
    assert not window.quality.nothing.isVisible()
    assert "You heard: 4.1, good; 1.2 % lost; 120 ms from mouth to ear." in window.quality.summary.text()


def test_the_other_side_is_named_after_the_call_where_it_heard_less(window: MainWindow) -> None:
    state = talking(report(4.4, 3.2))
    assert quality_words.over_all(state.calls[0]).endswith("for the other side 3.2, poor")
    assert quality_words.over_all(active().calls[0]) == ""


def test_without_any_call_the_keys_do_nothing(window: MainWindow) -> None:
    window.render_state(READY)
    key(window, Qt.Key.Key_I, CTRL_SHIFT)
    assert window.pages.currentWidget() is window.phone
