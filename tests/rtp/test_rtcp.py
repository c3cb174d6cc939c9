"""softphone/rtp/rtcp.py against RFC 3550 §6."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.rtp.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceChunk,
    SourceDescription,
    UnknownRtcp,
    build_compound,
    middle_bits,
    ntp_timestamp,
    parse_compound,
)

word = st.integers(0, 0xFFFF_FFFF)
blocks = st.builds(ReportBlock, word, st.integers(0, 255), st.integers(-0x80_0000, 0x7F_FFFF), word, word, word, word)
reports = st.lists(blocks, max_size=31).map(tuple)
text = st.text(max_size=60)
descriptions = st.lists(
    st.builds(
        SourceChunk, word, st.lists(st.tuples(st.integers(1, 8), st.binary(max_size=255)), max_size=4).map(tuple)
    ),
    max_size=5,
).map(tuple)
packets = st.one_of(
    st.builds(SenderReport, word, st.integers(0, 2**64 - 1), word, word, word, reports),
    st.builds(ReceiverReport, word, reports),
    st.builds(SourceDescription, descriptions),
    st.builds(Bye, st.lists(word, max_size=31).map(tuple), text),
    st.builds(
        UnknownRtcp,
        st.sampled_from([204, 205, 206, 207]),
        st.integers(0, 31),
        st.binary(max_size=40).map(lambda data: data + bytes(-len(data) % 4)),
    ),
)


@given(st.builds(ReceiverReport, word, reports), st.lists(packets, max_size=6))
def test_every_compound_packet_survives_writing_and_reading(first: ReceiverReport, rest: list[RtcpPacket]) -> None:
    data = build_compound([first, *rest])
    assert len(data) % 4 == 0
    assert parse_compound(data) == [first, *rest]


def test_a_sender_report_has_the_layout_of_rfc_3550() -> None:
    block = ReportBlock(0x11111111, 0x40, -2, 0x00010002, 7, 0xAABBCCDD, 65536)
    report = SenderReport(0xDEADBEEF, 0x0123456789ABCDEF, 160, 2, 320, (block,))
    assert report.to_bytes() == bytes.fromhex(
        "81c8000c deadbeef 01234567 89abcdef 000000a0 00000002 00000140"
        "11111111 40fffffe 00010002 00000007 aabbccdd 00010000"
    )


@pytest.mark.parametrize(
    ("cname", "length"), [("", 12), ("a", 12), ("ab", 16), ("abc", 16), ("abcd", 16), ("abcde", 16), ("abcdef", 20)]
)
def test_a_source_description_ends_with_one_to_four_zeros(cname: str, length: int) -> None:
    data = SourceDescription.of_cname(1, cname).to_bytes()
    assert len(data) == length
    assert data[8:10] == bytes((1, len(cname)))
    assert data.endswith(b"\0")


def test_the_ntp_timestamp_counts_from_1900() -> None:
    assert ntp_timestamp(0.0) == 2_208_988_800 << 32
    assert ntp_timestamp(0.5) & 0xFFFF_FFFF == 0x8000_0000
    assert middle_bits(0x0123456789ABCDEF) == 0x456789AB


def test_cumulative_loss_beyond_24_bits_is_clamped() -> None:
    blocks = [ReportBlock(1, 0, lost, 0, 0, 0, 0) for lost in (0x900000, -0x900000)]
    (report,) = parse_compound(ReceiverReport(1, tuple(blocks)).to_bytes())
    assert isinstance(report, ReceiverReport)
    assert [block.cumulative_lost for block in report.reports] == [0x7FFFFF, -0x800000]


def test_padding_of_the_last_packet_is_taken_away() -> None:
    data = bytearray(build_compound([ReceiverReport(1)]) + bytes.fromhex("a1cb0002 00000001 00000004"))
    assert parse_compound(bytes(data)) == [ReceiverReport(1), Bye((1,))]
    data[0] |= 0x20
    with pytest.raises(RemoteProtocolError, match="padding"):
        parse_compound(bytes(data))


def test_a_reduced_size_packet_is_taken_but_not_sent() -> None:
    assert parse_compound(Bye((1,), "bye").to_bytes()) == [Bye((1,), "bye")]
    with pytest.raises(LocalProtocolError):
        build_compound([Bye((1,))])
    with pytest.raises(LocalProtocolError):
        build_compound([])


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80",
        "80c90001",  # shorter than its length
        "40c9000100000001",  # version 1
        "8000000100000001",  # not a type of RTCP
        "81c9000100000001",  # one block announced
        "80c8000100000001",  # sender info cut off
        "81ca000100000001",  # chunk without an end
        "81ca00020000000101ff6161",  # item longer than the packet
        "82cb000100000001",  # two sources announced
        "81cb000200000001ff616263",  # reason longer than the packet
        "a0c9000100000000",  # padding of nothing
        "80c9000100000001" * 33,
    ],
)
def test_a_broken_packet_is_the_peers_fault(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_compound(bytes.fromhex(data))


@given(st.binary(max_size=80), st.sampled_from([200, 201, 202, 203, 204]), st.integers(0, 255))
def test_any_bytes_give_packets_or_a_remote_protocol_error(body: bytes, packet_type: int, first: int) -> None:
    body += bytes(-len(body) % 4)
    for data in (body, bytes((first, packet_type)) + (len(body) // 4).to_bytes(2, "big") + body):
        with contextlib.suppress(RemoteProtocolError):
            parse_compound(data)


def test_more_than_31_blocks_or_255_octets_of_text_are_our_own_bug() -> None:
    with pytest.raises(LocalProtocolError):
        ReceiverReport(1, (ReportBlock(0, 0, 0, 0, 0, 0, 0),) * 32).to_bytes()
    with pytest.raises(LocalProtocolError):
        Bye((1,), "x" * 256).to_bytes()
