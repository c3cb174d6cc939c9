"""What a call keeps of its line: everything for five minutes, averages before, never more than 600 points."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from softphone.engine.link.codec import EVENTS
from softphone.engine.link.frames import MAX_OUTWARD
from softphone.engine.link.greeting import Welcome
from softphone.rtp.quality import Quality
from softphone.state import MAX_HISTORIES, AppState, reduce
from softphone.ua import events as ua
from softphone.ua.line_history import AT_ONCE, COARSE, KEPT, RECENT, SERIES, LineHistory
from softphone.ua.media_report import CallQuality, MediaReport, PlayoutReport

QUALITY = Quality(4.123456, 90.123456, 0.0123456, 1.23456, 123.456)
REPORT = MediaReport(
    rtp_received=10,
    jitter_ms=12.3456,
    rtt_ms=123.456,
    microphone_level_db=-23.456,
    speaker_level_db=-123.456,
    playout=PlayoutReport(123.456, 123.456, 123.456),
    quality=CallQuality(QUALITY, QUALITY, QUALITY, QUALITY),
)


def after(seconds: int, begin: LineHistory | None = None, first: int = 0) -> LineHistory:
    """A call whose round trip is as long as it lasts."""
    history = begin or LineHistory()
    for second in range(first, first + seconds):
        history = history.with_report(replace(REPORT, rtt_ms=float(second)), float(second))
    return history


def test_five_minutes_are_kept_as_they_were_reported() -> None:
    history = after(RECENT)
    assert history.rtt_ms == tuple(map(float, range(RECENT)))
    assert (history.mos[0], history.loss[0], history.jitter_ms[0]) == (4.12, 1.2, 12.3)
    assert (history.delay_ms[0], history.microphone_db[0]) == (123.5, -23)


@pytest.mark.parametrize("seconds", [1, RECENT + 1, RECENT + COARSE + 1, 3600, 5 * 3600 + 7])
def test_a_call_of_any_length_has_few_points_that_stand_for_all_of_it(seconds: int) -> None:
    history = after(seconds)
    assert len(history) <= RECENT + COARSE
    assert {len(getattr(history, name)) for name in SERIES} == {len(history)}
    exact = RECENT - AT_ONCE  # five minutes
    assert history.at[-exact:] == tuple(map(float, range(max(0, seconds - exact), seconds)))
    assert all(a < b for a, b in itertools.pairwise(history.at))
    assert history.at[0] <= seconds / 150
    for at, way in zip(history.at, history.rtt_ms, strict=True):
        assert way == pytest.approx(at, abs=0.2 + seconds / 1000)


def test_spans_before_five_minutes_are_alike() -> None:
    """Not ever coarser towards the beginning, where nothing could be seen any more."""
    at = after(7200).at
    steps = [b - a for a, b in itertools.pairwise(at[: -RECENT - AT_ONCE])]
    assert max(steps) <= 1.1 * min(steps)


def test_what_is_not_known_leaves_a_gap_and_spoils_no_average() -> None:
    history = LineHistory()
    for second in range(4 * RECENT):
        history = history.with_report(replace(REPORT, rtt_ms=100.0 if second % 2 else None), float(second))
    assert set(history.rtt_ms) <= {100.0, None}
    assert history.with_report(MediaReport(), 9999.0).mos[-1] is None


def test_an_ended_call_keeps_a_small_picture_and_only_the_last_ones_do() -> None:
    state = AppState()
    for number in range(MAX_HISTORIES + 3):
        call_id = f"c{number}"
        state = reduce(state, ua.CallStarted(call_id, "a", ua.Party("sip:b@example.org")), 0.0)
        for second in range(400):
            state = reduce(state, ua.CallReported(call_id, REPORT), float(second))
        state = reduce(state, ua.CallEnded(call_id, ua.EndedBy.LOCAL), 400.0)
    lengths = [len(call.history) for call in state.recent]
    assert all(KEPT // 2 <= length <= KEPT for length in lengths[:MAX_HISTORIES])
    assert set(lengths[MAX_HISTORIES:]) == {0}
    assert state.recent[0].history.at[0] < 10
    assert state.recent[0].history.at[-1] > 390


def test_thirty_long_calls_still_fit_into_one_message_of_the_link() -> None:
    """A window that opens late gets the whole state at once."""
    state = reduce(AppState(), ua.CallStarted("c", "a", ua.Party("sip:b@example.org")), 0.0)
    call = replace(state.calls[0], history=after(3600))
    octets = len(EVENTS.encode(Welcome(state=replace(state, calls=(call,)))))
    print(octets, "octets for one call")
    assert 30 * octets < MAX_OUTWARD
