"""softphone/rtp/session_report.py against RFC 3550 §6.2 … §6.4."""

from __future__ import annotations

import pytest

from softphone.rtp.packet import RtpPacket
from softphone.rtp.reception import ReceptionStatistics
from softphone.rtp.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
    ntp_timestamp,
    parse_compound,
)
from softphone.rtp.sender import RtpSender
from softphone.rtp.session_report import COMPENSATION, SessionReport, round_trip_ms, rtcp_interval


def test_the_round_trip_of_the_example_in_rfc_3550_is_found() -> None:
    # Figure 2: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000; the delay is 6.125 s.
    block = ReportBlock(1, 0, 0, 0, 0, 0xB705_2000, 0x0005_4000)
    assert round_trip_ms(block, 0x0000_B710_8000_0000) == 6125.0


def test_there_is_no_round_trip_without_a_sender_report_or_with_impossible_figures() -> None:
    assert round_trip_ms(ReportBlock(1, 0, 0, 0, 0, 0, 0), 1 << 48) is None
    assert round_trip_ms(ReportBlock(1, 0, 0, 0, 0, 0xB705_2000, 0x0020_0000), 0x0000_B710_8000_0000) is None


def interval(random: float, initial: bool = False, members: int = 2, senders: int = 2, we_sent: bool = True) -> float:
    return rtcp_interval(
        members=members,
        senders=senders,
        rtcp_bandwidth=500.0,
        we_sent=we_sent,
        average_size=120.0,
        initial=initial,
        random=random,
    )


def test_the_interval_lies_between_half_and_one_and_a_half_of_five_seconds() -> None:
    assert interval(0.0) == pytest.approx(2.5 / COMPENSATION)
    assert interval(1.0) == pytest.approx(7.5 / COMPENSATION)
    assert interval(0.5, initial=True) == pytest.approx(2.5 / COMPENSATION)


def test_many_members_share_the_bandwidth() -> None:
    # RFC 3550 §6.3.1: few senders share a quarter of it, receivers the rest.
    assert interval(0.5, members=1000, senders=1) == pytest.approx(5 / COMPENSATION)
    assert interval(0.5, members=1001, senders=1, we_sent=False) == pytest.approx(1000 * 120 / 375 / COMPENSATION)
    assert interval(0.5, members=1000, senders=500) == pytest.approx(1000 * 120 / 500 / COMPENSATION)


class Side:
    """One end of a session with its own clock of wall time."""

    def __init__(self, ssrc: int, wall: float) -> None:
        self.wall = wall
        self.sender = RtpSender(ssrc, 1, 0)
        self.reception = ReceptionStatistics(8000, min_sequential=0)
        self.report = SessionReport(
            self.sender, self.reception, f"name-{ssrc}", 8000.0, lambda count: b"\x80" + bytes(count - 1), 0.0
        )

    def ntp(self, now: float) -> int:
        return ntp_timestamp(self.wall + now)

    def build(self, now: float) -> bytes:
        return self.report.build(now, self.ntp(now))

    def receive(self, data: bytes, now: float) -> None:
        self.report.receive(data, now, self.ntp(now))


def test_two_sides_measure_their_round_trip_loss_and_jitter() -> None:
    alice, bob = Side(1, 1_700_000_000.0), Side(2, 1_600_000_000.0)  # clocks far apart
    for number in range(100):
        packet = alice.sender.packet(0, b"x" * 160, 160)
        if number % 4 != 3:
            bob.reception.received(packet, number * 0.02 + 0.03)
    bob.receive(alice.build(2.0), 2.030)
    alice.receive(bob.build(4.0), 4.045)
    assert alice.report.rtt_ms == pytest.approx(75.0, abs=0.1)
    assert alice.report.remote_lost == 24
    assert alice.report.remote_fraction_lost == pytest.approx(24 / 99, abs=1 / 256)
    assert alice.report.remote_jitter == 0
    assert bob.report.rtt_ms is None


def test_who_sent_reports_as_a_sender_and_who_did_not_as_a_receiver() -> None:
    side = Side(1, 0.0)
    assert isinstance(parse_compound(side.build(0.0))[0], ReceiverReport)
    side.sender.packet(0, b"x" * 160, 160)
    report, description = parse_compound(side.build(5.0))
    assert report == SenderReport(1, side.ntp(5.0), 160, 1, 160)
    assert description == SourceDescription.of_cname(1, "name-1")
    assert isinstance(parse_compound(side.build(10.0))[0], ReceiverReport)


def test_the_next_report_is_due_within_the_interval() -> None:
    side = Side(1, 0.0)
    assert side.report.next_report == pytest.approx(2.5 / COMPENSATION)
    side.build(3.0)
    assert side.report.next_report == pytest.approx(3.0 + 5 / COMPENSATION)


def test_the_session_ends_with_a_bye_that_the_peer_notices() -> None:
    alice, bob = Side(1, 0.0), Side(2, 0.0)
    bob.reception.received(alice.sender.packet(0, b"", 160), 0.0)
    bob.receive(build_compound([ReceiverReport(77), Bye((77,))]), 0.5)
    assert not bob.report.bye_received
    bob.receive(alice.report.build_bye(1.0, 0), 1.0)
    assert bob.report.bye_received


def test_blocks_about_others_are_left_aside() -> None:
    side = Side(1, 0.0)
    side.receive(build_compound([ReceiverReport(2, (ReportBlock(99, 9, 9, 9, 9, 9, 9),))]), 0.0)
    assert side.report.remote_lost is None
    assert side.reception.received(RtpPacket(0, 1, 1, 5, b""), 0.0)
