"""VoIP metrics of extended reports (RFC 3611 §4.7): the layout by hand, round trips, any octets."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.rtcp import ReceiverReport, UnknownRtcp, build_compound, parse_compound
from softphone.rtp.voip_metrics import EXTENDED_REPORT, VoipMetrics, build_voip_metrics, read_voip_metrics

BY_HAND = bytes.fromhex(
    "11111111"  # reporter
    "07000008"  # VoIP metrics, 8 words
    "22222222"  # source
    "20104008"  # 32/256 lost, 16/256 discarded, burst and gap density
    "00c80fa0"  # burst and gap duration
    "00640078"  # round trip 100 ms, end system 120 ms
    "f1b5377f"  # levels, echo return loss, Gmin
    "4d7f282a"  # R 77, no external R, MOS-LQ 4.0, MOS-CQ 4.2
    "e000003c"  # configuration, reserved, jitter buffer nominal 60 ms
    "005000c8"
)


def test_a_block_laid_out_by_hand_is_read() -> None:
    assert read_voip_metrics(BY_HAND) == VoipMetrics(0x22222222, 0.125, 0.0625, 100, 120, 60, 77, 4.0, 4.2)


def test_other_blocks_before_it_are_passed_over() -> None:
    receiver_time = struct.pack("!BBHQ", 4, 0, 2, 1)
    assert read_voip_metrics(BY_HAND[:4] + receiver_time + BY_HAND[4:]) == read_voip_metrics(BY_HAND)
    assert read_voip_metrics(BY_HAND[:4] + receiver_time) is None


def test_what_the_reporter_does_not_know_is_none() -> None:
    unknown = VoipMetrics(7, 0.0, 0.0, 0, 0, 0, None, None, None)
    assert read_voip_metrics(build_voip_metrics(1, unknown)) == unknown


def test_it_goes_through_a_compound_packet() -> None:
    said = VoipMetrics(9, 0.25, 0.5, 30, 100, 40, 80, 4.1, 3.9)
    compound = build_compound([ReceiverReport(1), UnknownRtcp(EXTENDED_REPORT, 0, build_voip_metrics(1, said))])
    packet = parse_compound(compound)[1]
    assert isinstance(packet, UnknownRtcp)
    assert packet.packet_type == EXTENDED_REPORT
    assert read_voip_metrics(packet.body) == said


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda end: BY_HAND[:20] + end))
def test_any_octets_give_metrics_or_none(body: bytes) -> None:
    metrics = read_voip_metrics(body)
    assert metrics is None or (0 <= metrics.loss < 1 and 0 <= metrics.discarded < 1)


@given(st.floats(-1, 2), st.integers(-5, 10**9), st.floats(0, 9))
def test_any_figures_fit_into_their_fields(part: float, milliseconds: int, mos: float) -> None:
    written = VoipMetrics(1, part, part, milliseconds, milliseconds, milliseconds, 100, mos, mos)
    assert read_voip_metrics(build_voip_metrics(1, written)) is not None
