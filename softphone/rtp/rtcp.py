"""RTCP packets as values: SR, RR, SDES, BYE, and what is not known (RFC 3550 §6).

Owns: their layout and that of compound packets. Must not know: when reports are due, clocks, keys. NTP timestamps are
64-bit integers handed in: seconds since 1900 in the upper half, fractions in the lower (RFC 3550 §4).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from softphone.errors import LocalProtocolError, RemoteProtocolError

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
BYE = 203
CNAME = 1  # RFC 3550 §6.5.1
MAX_PACKETS = 32  # in one compound packet; real ones hold two to four
MAX_COUNT = 31  # RFC 3550 §6.4.1: the count has five bits
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970

_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_WORD = struct.Struct("!I")


def ntp_timestamp(unix_seconds: float) -> int:
    """The 64-bit NTP timestamp of a wall-clock reading in seconds since 1970 (RFC 3550 §4)."""
    return int((unix_seconds + _NTP_EPOCH) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


def middle_bits(ntp: int) -> int:
    """The middle 32 of an NTP timestamp's 64 bits: units of 1/65536 s (RFC 3550 §4)."""
    return (ntp >> 16) & 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one source (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int  # of 256, since the report before
    cumulative_lost: int  # signed, 24 bits
    highest_sequence: int  # extended by the cycles
    jitter: int  # timestamp units
    last_sr: int  # middle bits of the last SR's NTP timestamp, 0 if none
    delay_since_last_sr: int  # 1/65536 s

    def to_bytes(self) -> bytes:
        lost = max(-0x80_0000, min(0x7F_FFFF, self.cumulative_lost)) & 0xFF_FFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_sequence & 0xFFFF_FFFF,
            min(self.jitter, 0xFFFF_FFFF),
            self.last_sr,
            self.delay_since_last_sr & 0xFFFF_FFFF,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RFC 3550 §6.4.1."""

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        info = _SENDER_INFO.pack(self.ssrc, self.ntp_timestamp, self.rtp_timestamp, self.packet_count, self.octet_count)
        return _packet(SENDER_REPORT, len(self.reports), info + b"".join(block.to_bytes() for block in self.reports))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RFC 3550 §6.4.2; `ssrc` is the reporter's."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        blocks = b"".join(block.to_bytes() for block in self.reports)
        return _packet(RECEIVER_REPORT, len(self.reports), _WORD.pack(self.ssrc) + blocks)


@dataclass(frozen=True, slots=True)
class SourceChunk:
    """One source's items as (type, value) (RFC 3550 §6.5)."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """RFC 3550 §6.5."""

    chunks: tuple[SourceChunk, ...]

    @classmethod
    def of_cname(cls, ssrc: int, cname: str) -> SourceDescription:
        """The description that every compound packet carries (RFC 3550 §6.1)."""
        return cls((SourceChunk(ssrc, ((CNAME, cname.encode()),)),))

    def to_bytes(self) -> bytes:
        body = b""
        for chunk in self.chunks:
            body += _WORD.pack(chunk.ssrc)
            for kind, value in chunk.items:
                body += bytes((kind, _length_octet(value))) + value
            body += bytes(4 - len(body) % 4)  # one zero at least ends the list, more fill the word
        return _packet(SOURCE_DESCRIPTION, len(self.chunks), body)


@dataclass(frozen=True, slots=True)
class Bye:
    """RFC 3550 §6.6."""

    ssrcs: tuple[int, ...]
    reason: str = ""

    def to_bytes(self) -> bytes:
        body = b"".join(_WORD.pack(ssrc) for ssrc in self.ssrcs)
        if self.reason:
            reason = self.reason.encode()
            body += bytes((_length_octet(reason),)) + reason
            body += bytes(-len(body) % 4)
        return _packet(BYE, len(self.ssrcs), body)


@dataclass(frozen=True, slots=True)
class UnknownRtcp:
    """A packet of a type that is not read here (APP, feedback, XR), kept whole."""

    packet_type: int
    count: int
    body: bytes

    def to_bytes(self) -> bytes:
        return _packet(self.packet_type, self.count, self.body)


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye | UnknownRtcp


def _length_octet(value: bytes) -> int:
    if len(value) > 255:
        raise LocalProtocolError("RTCP text longer than 255 octets")
    return len(value)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    if count > MAX_COUNT:
        raise LocalProtocolError("more than 31 entries in an RTCP packet")
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def build_compound(packets: Sequence[RtcpPacket]) -> bytes:
    """One compound packet. Raises LocalProtocolError unless it begins with a report (RFC 3550 §6.1)."""
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise LocalProtocolError("a compound RTCP packet begins with a report")
    return b"".join(packet.to_bytes() for packet in packets)


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """The packets of a compound packet; a reduced one, without a report in front, is taken too (RFC 5506 §3.1).

    Raises RemoteProtocolError for anything that is not a whole chain of RTCP packets (RFC 3550 A.2).
    """
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(data):
        if len(packets) >= MAX_PACKETS:
            raise RemoteProtocolError("too many RTCP packets in one")
        if position + _HEADER.size > len(data):
            raise RemoteProtocolError("RTCP packet is cut off")
        first, packet_type, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or not 192 <= packet_type <= 223 or end > len(data):
            raise RemoteProtocolError("not an RTCP packet")
        body = bytes(data[position + 4 : end])
        if first & 0x20:
            body = _without_padding(body, last=end == len(data))
        packets.append(_parse_body(packet_type, first & 0x1F, body))
        position = end
    if not packets:
        raise RemoteProtocolError("empty RTCP packet")
    return packets


def _without_padding(body: bytes, last: bool) -> bytes:
    """RFC 3550 §6.4.1: only the last packet of a compound may be padded, by whole words."""
    if not last or not body or not 4 <= body[-1] <= len(body) or body[-1] % 4:
        raise RemoteProtocolError("wrong RTCP padding")
    return body[: -body[-1]]


def _parse_body(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    try:
        match packet_type:
            case 200:  # SR
                ssrc, ntp, rtp, packets, octets = _SENDER_INFO.unpack_from(body)
                blocks = _parse_blocks(body, _SENDER_INFO.size, count)
                return SenderReport(ssrc, ntp, rtp, packets, octets, blocks)
            case 201:  # RR
                (ssrc,) = _WORD.unpack_from(body)
                return ReceiverReport(ssrc, _parse_blocks(body, _WORD.size, count))
            case 202:  # SDES
                return _parse_description(count, body)
            case 203:  # BYE
                return _parse_bye(count, body)
            case _:
                return UnknownRtcp(packet_type, count, body)
    except (struct.error, IndexError):
        raise RemoteProtocolError("RTCP packet shorter than its count says") from None


def _parse_blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):  # what follows the blocks is a profile's extension and is left aside
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, start + index * _BLOCK.size)
        lost = ((loss & 0xFF_FFFF) ^ 0x80_0000) - 0x80_0000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _parse_description(count: int, body: bytes) -> SourceDescription:
    chunks = []
    position = 0
    for _ in range(count):
        (ssrc,) = _WORD.unpack_from(body, position)
        position += 4
        items = []
        while (kind := body[position]) != 0:
            length = body[position + 1]
            value = body[position + 2 : position + 2 + length]
            if len(value) != length:
                raise RemoteProtocolError("RTCP source description is cut off")
            items.append((kind, value))
            position += 2 + length
        position += 4 - position % 4
        chunks.append(SourceChunk(ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))


def _parse_bye(count: int, body: bytes) -> Bye:
    ssrcs = struct.unpack_from(f"!{count}I", body)
    reason = ""
    if len(body) > 4 * count:
        length = body[4 * count]
        text = body[4 * count + 1 : 4 * count + 1 + length]
        if len(text) != length:
            raise RemoteProtocolError("RTCP BYE reason is cut off")
        reason = text.decode("utf-8", "replace")
    return Bye(ssrcs, reason)
