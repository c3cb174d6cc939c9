"""One direction's quality over a window and over the call, from counts that grow as a line makes them."""

from __future__ import annotations

import pytest

from softphone.rtp.quality import codec_impairment
from softphone.rtp.quality_meter import WINDOW_S, QualityMeter, StreamCounts

G711 = codec_impairment("PCMU")


def after(meter: QualityMeter, counts: StreamCounts, seconds: int, lost: int = 0, late: int = 0) -> StreamCounts:
    """Seconds of 50 packets, of which so many are lost, one by one, or late."""
    for _ in range(seconds):
        counts = counts.plus(StreamCounts(50, lost, late, lost))
        meter.read(counts, 120.0)
    return counts


def test_nothing_is_said_before_packets_came() -> None:
    meter = QualityMeter(G711)
    meter.read(StreamCounts(), 0.0)
    assert meter.now is meter.whole is None


def test_loss_shows_now_and_passes_while_the_call_remembers_it() -> None:
    meter = QualityMeter(G711)
    counts = after(meter, StreamCounts(), 20)
    assert meter.now is not None
    assert meter.now.mos > 4.3
    counts = after(meter, counts, 10, lost=5)
    assert meter.now.loss == pytest.approx(0.1)
    assert meter.now.mos < 3.6
    after(meter, counts, WINDOW_S + 1)
    assert meter.now.loss == 0
    assert meter.now.mos > 4.3
    assert meter.whole is not None
    assert meter.whole.loss == pytest.approx(50 / 1950)
    assert meter.whole.mos < 4.3


def test_what_came_too_late_counts_as_lost() -> None:
    meter = QualityMeter(G711)
    after(meter, StreamCounts(), 10, late=5)
    assert meter.now is not None
    assert meter.now.loss == pytest.approx(0.1)


def test_a_line_that_fell_silent_is_bad_before_a_later_packet_shows_the_loss() -> None:
    meter = QualityMeter(G711)
    counts = after(meter, StreamCounts(), 10)
    for second in range(1, 5):
        meter.read(counts, 120.0, missing=50 * second)
    assert meter.now is not None
    assert meter.now.mos < 2.5
    assert meter.whole is not None
    assert meter.whole.loss == 0  # it is not known yet whether they were sent


def test_a_talker_who_rests_leaves_the_estimate_and_one_on_hold_takes_it_away() -> None:
    meter = QualityMeter(G711)
    counts = after(meter, StreamCounts(), 10)
    for _ in range(2 * WINDOW_S):
        meter.read(counts, 120.0, resting=True)
    assert meter.now is not None
    meter.read(counts, 120.0)
    assert (meter.now is None, meter.whole is None) == (True, False)


def test_losses_that_later_packets_undo_never_count_below_zero() -> None:
    meter = QualityMeter(G711)
    for lost in (0, 5, 0, 5, 0, 0):
        meter.read(StreamCounts(600, lost, 0, lost), 100.0)
        assert meter.whole is not None
        assert 0 <= meter.whole.loss <= 1
