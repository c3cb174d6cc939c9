"""The RTCP side of one session: what we report, when, and what the peer reports of us (RFC 3550 §6.2, §6.3, §6.4).

Owns: the schedule and the contents of our compound packets, round-trip time, the peer's view of our stream. Must not
know: sockets, keys. Two clocks come as arguments: `now` (monotonic seconds) and `ntp` (64-bit NTP timestamp).
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.rtp.reception import ReceptionStatistics
from softphone.rtp.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    UnknownRtcp,
    build_compound,
    middle_bits,
    parse_compound,
)
from softphone.rtp.sender import RtpSender
from softphone.rtp.voip_metrics import EXTENDED_REPORT, VoipMetrics, build_voip_metrics, read_voip_metrics

MIN_INTERVAL = 5.0  # seconds (RFC 3550 §6.2)
COMPENSATION = 1.21828  # e - 3/2 (RFC 3550 §6.3.1)
RTCP_FRACTION = 0.05  # of the session bandwidth (RFC 3550 §6.2)
_UDP_IP_OCTETS = 28  # counted into the packet size (RFC 3550 §6.2)


def rtcp_interval(
    *,
    members: int,
    senders: int,
    rtcp_bandwidth: float,
    we_sent: bool,
    average_size: float,
    initial: bool,
    random: float,
) -> float:
    """Seconds until the next report (RFC 3550 §6.3.1, A.7).

    `rtcp_bandwidth` in octets a second, `average_size` in octets with UDP and IP, `random` uniform in [0, 1).
    """
    minimum = MIN_INTERVAL / 2 if initial else MIN_INTERVAL
    participants = members
    if senders <= members * 0.25:
        share = 0.25 if we_sent else 0.75
        rtcp_bandwidth *= share
        participants = senders if we_sent else members - senders
    interval = max(minimum, average_size * participants / rtcp_bandwidth)
    return interval * (random + 0.5) / COMPENSATION


def round_trip_ms(block: ReportBlock, arrival_ntp: int) -> float | None:
    """Round-trip time from a block about our stream: A - LSR - DLSR (RFC 3550 §6.4.1).

    None if the peer has no SR of ours yet, or if the figures contradict each other (a broken peer, a stepped clock).
    """
    if block.last_sr == 0:
        return None
    units = (middle_bits(arrival_ntp) - block.last_sr - block.delay_since_last_sr) & 0xFFFF_FFFF
    if units >= 0x8000_0000:
        return None
    return units * 1000 / 65536


class SessionReport:
    """Reports of one session with one peer. `next_report` says when `build` is due."""

    def __init__(
        self,
        sender: RtpSender,
        reception: ReceptionStatistics,
        cname: str,
        bandwidth: float,
        token_bytes: Callable[[int], bytes],
        now: float,
    ) -> None:
        """`bandwidth` of the session in octets a second; `cname` should be random for each call (RFC 7022 §4.2)."""
        self._sender = sender
        self._reception = reception
        self._description = SourceDescription.of_cname(sender.ssrc, cname)
        self._rtcp_bandwidth = bandwidth * RTCP_FRACTION
        self._token_bytes = token_bytes
        self._average_size = 128.0
        self._packets_at_last = 0
        self._bye_received = False
        self.rtt_ms: float | None = None
        self.remote_lost: int | None = None
        self.remote_jitter: int | None = None  # timestamp units of our stream
        self.remote_fraction_lost: float | None = None  # 0 … 1
        self.remote_reports = 0  # of our stream, so far
        self.remote_expected = 0  # packets that the peer knows of by its last report, came or not
        self.remote_metrics: VoipMetrics | None = None  # the last ones, if the peer sends any
        self.next_report = now + self._interval(initial=True)

    @property
    def bye_received(self) -> bool:
        """The peer ended its stream (RFC 3550 §6.6); the call itself ends by SIP."""
        return self._bye_received

    def build(self, now: float, ntp: int, metrics: VoipMetrics | None = None) -> bytes:
        """The compound packet that is due; sets `next_report`. SR if we sent since the last report, else RR.

        `metrics` of what we hear, for a peer that wants them (RFC 3611 §5.1).
        """
        packets: list[RtcpPacket] = [self._report(now, ntp), self._description]
        if metrics is not None:
            packets.append(UnknownRtcp(EXTENDED_REPORT, 0, build_voip_metrics(self._sender.ssrc, metrics)))
        data = build_compound(packets)
        self._account(len(data))
        self._packets_at_last = self._sender.packet_count
        self.next_report = now + self._interval(initial=False)
        return data

    def build_bye(self, now: float, ntp: int) -> bytes:
        """The last compound packet of the session (RFC 3550 §6.6)."""
        return build_compound([self._report(now, ntp), self._description, Bye((self._sender.ssrc,))])

    def receive(self, data: bytes, now: float, ntp: int) -> list[RtcpPacket]:
        """Takes in a compound packet of the peer and returns its parts. Raises RemoteProtocolError if it is none."""
        packets = parse_compound(data)
        self._account(len(data))
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._reception.sender_report(packet, now)
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.reports:
                    self._reported(block, ntp)
            elif isinstance(packet, UnknownRtcp) and packet.packet_type == EXTENDED_REPORT:
                self._measured(read_voip_metrics(packet.body))
            elif isinstance(packet, Bye) and self._reception.ssrc in packet.ssrcs:
                self._bye_received = True
        return packets

    def _reported(self, block: ReportBlock, ntp: int) -> None:
        if block.ssrc != self._sender.ssrc:
            return
        self.remote_lost = max(0, block.cumulative_lost)
        self.remote_jitter = block.jitter
        self.remote_fraction_lost = block.fraction_lost / 256
        self.remote_reports += 1
        expected = block.highest_sequence - self._sender.first_sequence_number + 1
        if 0 <= expected <= self._sender.packet_count:  # a peer that counts otherwise says nothing here
            self.remote_expected = max(self.remote_expected, expected)
        rtt = round_trip_ms(block, ntp)
        if rtt is not None:
            self.rtt_ms = rtt

    def _measured(self, metrics: VoipMetrics | None) -> None:
        if metrics is not None and metrics.ssrc == self._sender.ssrc:
            self.remote_metrics = metrics

    def _report(self, now: float, ntp: int) -> SenderReport | ReceiverReport:
        block = self._reception.report_block(now)
        blocks = () if block is None else (block,)
        sender = self._sender
        if sender.packet_count == self._packets_at_last:
            return ReceiverReport(sender.ssrc, blocks)
        return SenderReport(sender.ssrc, ntp, sender.timestamp, sender.packet_count, sender.octet_count, blocks)

    def _account(self, length: int) -> None:
        self._average_size += (length + _UDP_IP_OCTETS - self._average_size) / 16  # RFC 3550 §6.3.3

    def _interval(self, initial: bool) -> float:
        we_sent = self._sender.packet_count != self._packets_at_last
        peer_sends = self._reception.packets > 0
        return rtcp_interval(
            members=2,
            senders=int(we_sent) + int(peer_sends),
            rtcp_bandwidth=self._rtcp_bandwidth,
            we_sent=we_sent,
            average_size=self._average_size,
            initial=initial,
            random=int.from_bytes(self._token_bytes(4), "big") / (1 << 32),
        )
