"""The sending side of one RTP stream: sequence numbers, timestamps, counts for sender reports (RFC 3550 §5.1, §6.4.1).

Owns: the stream's numbering. Must not know: codecs, keys, when a packet is due.
"""

from __future__ import annotations

from softphone.errors import LocalProtocolError
from softphone.rtp.packet import RtpPacket

# RFC 3711 §3.3.1: below 2^15, so that losing the first packets cannot make the receiver guess a wrong roll-over count.
FIRST_SEQUENCE_NUMBER_LIMIT = 1 << 15


class RtpSender:
    """One SSRC's stream. Start values are random and injected; the same SSRC and key never start twice."""

    __slots__ = ("_sequence_number", "first_sequence_number", "octet_count", "packet_count", "ssrc", "timestamp")

    def __init__(self, ssrc: int, first_sequence_number: int, first_timestamp: int) -> None:
        """Raises LocalProtocolError if the first sequence number is not below 2^15 (RFC 3711 §3.3.1)."""
        if not 0 <= first_sequence_number < FIRST_SEQUENCE_NUMBER_LIMIT:
            raise LocalProtocolError("the first RTP sequence number must be below 2^15")
        self.ssrc = ssrc & 0xFFFF_FFFF
        self.timestamp = first_timestamp & 0xFFFF_FFFF  # of the next packet
        self.packet_count = 0
        self.octet_count = 0  # payload octets only (RFC 3550 §6.4.1)
        self.first_sequence_number = first_sequence_number
        self._sequence_number = first_sequence_number

    def packet(
        self,
        payload_type: int,
        payload: bytes,
        timestamp_step: int,
        marker: bool = False,
        *,
        timestamp: int | None = None,
    ) -> RtpPacket:
        """The next packet. It carries the stream's present timestamp, which then moves on by `timestamp_step`.

        `timestamp` overrides what the packet carries (RFC 4733 §2.2.1: an event keeps the timestamp of its start)
        while the stream's clock still moves on.
        """
        packet = RtpPacket(
            payload_type,
            self._sequence_number,
            self.timestamp if timestamp is None else timestamp & 0xFFFF_FFFF,
            self.ssrc,
            payload,
            marker,
        )
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self.advance(timestamp_step)
        self.packet_count = (self.packet_count + 1) & 0xFFFF_FFFF
        self.octet_count = (self.octet_count + len(payload)) & 0xFFFF_FFFF
        return packet

    def advance(self, timestamp_units: int) -> None:
        """Time in which nothing is sent: the timestamp runs on, the sequence number does not (RFC 3550 §5.1)."""
        self.timestamp = (self.timestamp + timestamp_units) & 0xFFFF_FFFF
