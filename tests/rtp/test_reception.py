"""softphone/rtp/reception.py against RFC 3550 §6.4.1, A.1, A.3 and A.8."""

from __future__ import annotations

import pytest

from softphone.rtp.packet import RtpPacket
from softphone.rtp.reception import ReceptionStatistics
from softphone.rtp.rtcp import SenderReport


def feed(
    statistics: ReceptionStatistics,
    numbers: list[int],
    ssrc: int = 1,
    start: float = 0.0,
    delays: dict[int, float] | None = None,
) -> list[bool]:
    """Packets of 20 ms at 8000 Hz that arrive when they were sent, but for `delays` by sequence number."""
    return [
        statistics.received(
            RtpPacket(0, number % 65536, number * 160 & 0xFFFF_FFFF, ssrc, b""),
            start + number * 0.02 + (delays or {}).get(number, 0.0),
        )
        for number in numbers
    ]


def test_a_source_is_valid_after_two_packets_in_sequence() -> None:
    statistics = ReceptionStatistics(8000)
    assert feed(statistics, [10, 12, 13, 14]) == [False, False, True, True]
    assert (statistics.packets, statistics.expected, statistics.lost) == (2, 2, 0)


def test_an_authenticated_source_is_valid_at_once() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    assert feed(statistics, [10, 11]) == [True, True]
    assert (statistics.packets, statistics.expected, statistics.lost) == (2, 2, 0)


def test_loss_is_what_the_numbers_promise_less_what_came() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    feed(statistics, [number for number in range(100) if number % 10 != 5])
    assert (statistics.expected, statistics.lost) == (100, 10)


def test_reordering_is_no_loss_and_no_restart() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    assert all(feed(statistics, [0, 1, 4, 2, 3, 5]))
    assert (statistics.expected, statistics.lost) == (6, 0)


def test_duplicates_never_make_the_loss_negative() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    feed(statistics, [0, 0, 0, 1])
    assert statistics.lost == 0
    block = statistics.report_block(1.0)
    assert block is not None
    assert block.cumulative_lost == -2  # RFC 3550 A.3: duplicates count
    assert block.fraction_lost == 0


def test_the_cycles_extend_the_sequence_number() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    feed(statistics, list(range(65530, 65550)))
    block = statistics.report_block(2000.0)
    assert block is not None
    assert block.highest_sequence == 65536 + 13
    assert (statistics.expected, statistics.lost) == (20, 0)


def test_a_stray_packet_is_not_played_and_counts_nothing() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    assert feed(statistics, [0, 1, 2, 30000, 3, 4]) == [True, True, True, False, True, True]
    assert (statistics.expected, statistics.lost) == (5, 0)


def test_two_packets_in_a_row_far_away_are_a_restart_and_the_totals_run_on() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    assert feed(statistics, [0, 1, 3, 30000, 30001, 30002]) == [True, True, True, False, True, True]
    assert (statistics.expected, statistics.lost) == (6, 1)
    block = statistics.report_block(1000.0)
    assert block is not None
    assert block.cumulative_lost == 0  # of the stream as it is now


def test_a_new_ssrc_begins_anew_and_the_totals_run_on() -> None:
    statistics = ReceptionStatistics(8000)
    feed(statistics, [0, 1, 2, 5])
    assert feed(statistics, [100, 101, 102], ssrc=2) == [False, True, True]
    assert (statistics.ssrc, statistics.packets, statistics.lost) == (2, 5, 2)


@pytest.mark.parametrize(("received", "fraction"), [(100, 0), (75, 64), (50, 128), (1, 253)])
def test_the_fraction_lost_is_of_the_interval_in_256ths(received: int, fraction: int) -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    feed(statistics, list(range(50)))
    statistics.report_block(0.0)
    feed(statistics, [*range(150 - received, 150)])
    block = statistics.report_block(0.0)
    assert block is not None
    assert block.fraction_lost == fraction
    again = statistics.report_block(0.0)
    assert again is not None
    assert again.fraction_lost == 0


def test_jitter_follows_the_formula_of_rfc_3550() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    delays = {number: 0.01 * (number % 2) for number in range(200)}
    feed(statistics, list(range(200)), delays=delays)
    expected = 0.0
    for _ in range(199):
        expected += (80 - expected) / 16  # |D| is always 10 ms = 80 units
    assert statistics.jitter_ms == pytest.approx(expected / 8)
    block = statistics.report_block(0.0)
    assert block is not None
    assert block.jitter == int(expected)


def test_a_timestamp_that_wraps_or_repeats_is_no_jitter() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    timestamp = 0xFFFF_FFFF - 400
    for number in range(10):
        statistics.received(RtpPacket(0, number, (timestamp + 160 * number) & 0xFFFF_FFFF, 1, b""), number * 0.02)
    event = (timestamp + 1600) & 0xFFFF_FFFF
    for number in range(10, 18):  # updates of one telephone-event
        statistics.received(RtpPacket(101, number, event, 1, b""), number * 0.02)
    assert statistics.jitter_ms == pytest.approx(0.0, abs=1e-6)


def test_the_block_says_how_long_ago_the_last_sender_report_came() -> None:
    statistics = ReceptionStatistics(8000, min_sequential=0)
    assert statistics.report_block(0.0) is None
    assert statistics.jitter_ms is None
    feed(statistics, [0, 1])
    statistics.sender_report(SenderReport(99, 1 << 40, 0, 0, 0), 0.5)  # of somebody else
    block = statistics.report_block(1.0)
    assert block is not None
    assert (block.last_sr, block.delay_since_last_sr) == (0, 0)
    statistics.sender_report(SenderReport(1, 0x0123456789ABCDEF, 0, 0, 0), 10.0)
    block = statistics.report_block(12.5)
    assert block is not None
    assert (block.ssrc, block.last_sr, block.delay_since_last_sr) == (1, 0x456789AB, 163840)
