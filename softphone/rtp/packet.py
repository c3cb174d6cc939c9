"""RTP packets as values (RFC 3550 §5.1, §5.3.1) and telling them from RTCP on one port (RFC 5761 §4).

Owns: the header's layout. Must not know: what a payload means, sockets, keys.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from softphone.errors import LocalProtocolError, RemoteProtocolError

VERSION = 2
HEADER_LENGTH = 12
MAX_CSRCS = 15  # RFC 3550 §5.1: CC is four bits
_STUN_MAGIC_COOKIE = b"\x21\x12\xa4\x42"
_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """RFC 3550 §5.3.1: `data` is a whole number of 32-bit words; `profile` says how to read it."""

    profile: int
    data: bytes


class RtpPacket(NamedTuple):
    """One RTP packet without its padding. `timestamp` counts in the payload format's clock rate.

    A named tuple is made in a third of the time of a frozen dataclass, and hundreds are made each second of a call.
    """

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: HeaderExtension | None = None

    def to_bytes(self) -> bytes:
        """The packet as sent. Raises LocalProtocolError if a field does not fit its width (RFC 3550 §5.1)."""
        if not 0 <= self.payload_type <= 0x7F or len(self.csrcs) > MAX_CSRCS:
            raise LocalProtocolError("RTP payload type or CSRC count out of range")
        first = VERSION << 6 | len(self.csrcs) | (0x10 if self.extension is not None else 0)
        second = self.payload_type | (0x80 if self.marker else 0)
        try:
            header = _FIXED.pack(first, second, self.sequence_number, self.timestamp, self.ssrc)
            if self.csrcs:
                header += struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)
            if self.extension is not None:
                words, rest = divmod(len(self.extension.data), 4)
                if rest:
                    raise LocalProtocolError("RTP header extension is not a whole number of words")
                header += _EXTENSION.pack(self.extension.profile, words) + self.extension.data
        except struct.error as error:
            raise LocalProtocolError(f"RTP field out of range: {error}") from None
        return header + self.payload


def parse_rtp(data: bytes) -> RtpPacket:
    """The packet in `data`, its padding removed.

    Raises RemoteProtocolError for anything that is not one whole RTP packet of version 2 (RFC 3550 §5.1, A.1).
    """
    if len(data) < HEADER_LENGTH:
        raise RemoteProtocolError("RTP packet shorter than its header")
    first, second, sequence_number, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != VERSION:
        raise RemoteProtocolError("not RTP version 2")
    start = HEADER_LENGTH
    end = len(data)
    csrcs: tuple[int, ...] = ()
    extension = None
    if first & 0x3F:  # padding, extension or CSRCs: rare in telephony
        count = first & 0x0F
        if start + 4 * count > end:
            raise RemoteProtocolError("RTP CSRC list is cut off")
        csrcs = struct.unpack_from(f"!{count}I", data, start)
        start += 4 * count
        if first & 0x10:
            extension, start = _parse_extension(data, start)
        if first & 0x20:
            end -= _padding_length(data, start)
    return RtpPacket(
        second & 0x7F, sequence_number, timestamp, ssrc, bytes(data[start:end]), second >= 0x80, csrcs, extension
    )


def _parse_extension(data: bytes, start: int) -> tuple[HeaderExtension, int]:
    if start + _EXTENSION.size > len(data):
        raise RemoteProtocolError("RTP header extension is cut off")
    profile, words = _EXTENSION.unpack_from(data, start)
    start += _EXTENSION.size
    end = start + 4 * words
    if end > len(data):
        raise RemoteProtocolError("RTP header extension is cut off")
    return HeaderExtension(profile, bytes(data[start:end])), end


def _padding_length(data: bytes, start: int) -> int:
    """RFC 3550 §5.1: the last octet counts the padding, itself included."""
    if start >= len(data):
        raise RemoteProtocolError("RTP padding announced but absent")
    length = data[-1]
    if not 1 <= length <= len(data) - start:
        raise RemoteProtocolError("RTP padding longer than the packet")
    return length


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN (RFC 5389 §6, RFC 7983 §7): phones send it to keep a NAT open, and it is no media."""
    return len(data) >= 20 and data[0] <= 3 and data[4:8] == _STUN_MAGIC_COOKIE


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port shared by RTP and RTCP is RTCP: its packet type is 192 … 223 (RFC 5761 §4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223
