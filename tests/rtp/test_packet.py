"""softphone/rtp/packet.py against RFC 3550 §5.1 and RFC 5761 §4."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.rtp.packet import HeaderExtension, RtpPacket, is_rtcp, parse_rtp

packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.binary(max_size=200),
    st.booleans(),
    st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15).map(tuple),
    st.none()
    | st.builds(
        HeaderExtension, st.integers(0, 0xFFFF), st.binary(max_size=40).map(lambda data: data + bytes(-len(data) % 4))
    ),
)


def test_the_header_has_the_layout_of_rfc_3550() -> None:
    packet = RtpPacket(8, 0x1234, 0x89ABCDEF, 0xDEADBEEF, b"\x55\xd5", marker=True)
    assert packet.to_bytes() == bytes.fromhex("80 88 1234 89abcdef deadbeef 55d5")


def test_the_sample_packet_of_rfc_7714_is_read() -> None:
    packet = parse_rtp(bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres")
    assert (packet.payload_type, packet.sequence_number, packet.timestamp, packet.ssrc, packet.marker) == (
        64,
        0xF17B,
        0x8041F8D3,
        0x5501A0B2,
        False,
    )
    assert packet.payload.startswith(b"Gallia")


@given(packets)
def test_every_packet_survives_writing_and_reading(packet: RtpPacket) -> None:
    assert parse_rtp(packet.to_bytes()) == packet


@given(packets, st.integers(1, 255))
def test_padding_is_taken_away(packet: RtpPacket, length: int) -> None:
    data = bytearray(packet.to_bytes() + bytes(length - 1) + bytes([length]))
    data[0] |= 0x20
    assert parse_rtp(bytes(data)) == packet


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "shorter"),
        ("80" + "00" * 10, "shorter"),
        ("40" + "00" * 11, "version"),
        ("c0" + "00" * 11, "version"),
        ("81" + "00" * 11, "CSRC"),
        ("8f" + "00" * 11 + "00" * 59, "CSRC"),
        ("90" + "00" * 11 + "000000", "extension"),
        ("90" + "00" * 11 + "beef0002" + "00" * 7, "extension"),
        ("a0" + "00" * 11, "padding"),
        ("a0" + "00" * 11 + "0000", "padding"),
        ("a0" + "00" * 11 + "0003", "padding"),
        ("b0" + "00" * 11 + "beef0001" + "00000005", "padding"),
    ],
)
def test_a_broken_packet_is_the_peers_fault(data: str, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        parse_rtp(bytes.fromhex(data))


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: b"\xb3" + tail))
def test_any_bytes_give_a_packet_or_a_remote_protocol_error(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        parse_rtp(data)


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(128, 0, 0, 0, b""),
        RtpPacket(0, 0x10000, 0, 0, b""),
        RtpPacket(0, 0, -1, 0, b""),
        RtpPacket(0, 0, 0, 0, b"", csrcs=(0,) * 16),
        RtpPacket(0, 0, 0, 0, b"", extension=HeaderExtension(0, b"abc")),
    ],
)
def test_a_field_that_does_not_fit_is_our_own_bug(packet: RtpPacket) -> None:
    with pytest.raises(LocalProtocolError):
        packet.to_bytes()


def test_rtcp_is_told_from_rtp_by_the_packet_type() -> None:
    # RFC 5761 §4: 192 … 223 in the second octet, that is payload types 64 … 95 with the marker.
    assert [value for value in range(256) if is_rtcp(bytes([0x80, value]))] == list(range(192, 224))
    assert not is_rtcp(b"")
    assert not is_rtcp(b"\x80")
