"""What is known about one received stream: validity, loss, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8).

Owns: the peer's sequence numbers and the figures of our report blocks. Must not know: payloads, sockets, keys.
"""

from __future__ import annotations

from softphone.rtp.loss_runs import LossRuns
from softphone.rtp.packet import RtpPacket
from softphone.rtp.rtcp import ReportBlock, SenderReport, middle_bits
from softphone.rtp.serial_numbers import timestamp_difference

# RFC 3550 A.1
MAX_DROPOUT = 3000  # packets: a greater step forward is a restart, not loss
MAX_MISORDER = 100  # packets: a greater step back is a restart, not reordering
MIN_SEQUENTIAL = 2  # packets in order before a source counts as valid
_SEQ_MOD = 1 << 16


class ReceptionStatistics:
    """Of one stream at a time; a new SSRC or a restart begins anew, the totals for people run on."""

    def __init__(self, clock_rate: int, min_sequential: int = MIN_SEQUENTIAL) -> None:
        """`clock_rate` of the payload format in Hz.

        `min_sequential` 0 takes the first packet at once: right where every packet is authenticated (SRTP).
        """
        self._clock_rate = clock_rate
        self._min_sequential = min_sequential
        self.ssrc: int | None = None
        self.packets = 0  # valid packets, duplicates included, over all restarts
        self._earlier_lost = 0  # of streams that ended in a restart
        self._earlier_expected = 0
        self._losses = LossRuns()
        self._last_sr = 0
        self._last_sr_arrival = 0.0
        self._probation = 0
        self._begin(0)

    def _begin(self, sequence_number: int) -> None:
        """RFC 3550 A.1 init_seq."""
        self._losses.settle()
        self._base = sequence_number
        self._max = sequence_number
        self._bad = _SEQ_MOD + 1  # no sequence number equals it
        self._cycles = 0
        self._received = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._arrival = 0.0
        self._timestamp: int | None = None
        self._jitter = 0.0  # timestamp units

    def received(self, packet: RtpPacket, arrival: float) -> bool:
        """Counts a packet that arrived at `arrival` (seconds, monotonic); whether it may be played (RFC 3550 A.1).

        False during probation and for a lone packet far out of sequence, which may be a stray; the second one in a
        row shows that the sender restarted.
        """
        if packet.ssrc != self.ssrc:
            self._start_source(packet)
        if not self._update_sequence(packet.sequence_number):
            return False
        self.packets += 1
        self._update_jitter(packet.timestamp, arrival)
        return True

    def _start_source(self, packet: RtpPacket) -> None:
        self._keep_totals()
        self.ssrc = packet.ssrc
        self._begin(packet.sequence_number)
        self._probation = self._min_sequential
        if self._probation:
            self._max = (packet.sequence_number - 1) % _SEQ_MOD  # so that this packet is the first in sequence
        self._last_sr = 0

    def _keep_totals(self) -> None:
        if self._received:
            self._earlier_lost += self._source_lost
            self._earlier_expected += self._source_expected

    def _update_sequence(self, sequence_number: int) -> bool:
        """RFC 3550 A.1 update_seq."""
        ahead = (sequence_number - self._max) % _SEQ_MOD
        if self._probation:
            if ahead == 1:
                self._probation -= 1
                self._max = sequence_number
                if self._probation == 0:
                    self._begin(sequence_number)
                    self._received = 1
                    return True
            else:
                self._probation = self._min_sequential - 1
                self._max = sequence_number
            return False
        if ahead < MAX_DROPOUT:
            if ahead > 1:
                self._losses.gap(self._cycles + self._max + 1, ahead - 1)
            if sequence_number < self._max:
                self._cycles += _SEQ_MOD
            self._max = sequence_number
        elif ahead <= _SEQ_MOD - MAX_MISORDER:
            if sequence_number != self._bad:
                self._bad = (sequence_number + 1) % _SEQ_MOD
                return False
            # Two in a row: the other side restarted without telling.
            self._keep_totals()
            self._begin(sequence_number)
        else:
            self._losses.came(self._cycles + self._max - (_SEQ_MOD - ahead))
        self._received += 1
        return True

    def _update_jitter(self, timestamp: int, arrival: float) -> None:
        """RFC 3550 A.8. Packets that repeat a timestamp (telephone-event updates) say nothing about the network."""
        if timestamp == self._timestamp:
            return
        if self._timestamp is not None:
            # The difference is taken modulo 2^32, so that a wrap is no jitter.
            sent = timestamp_difference(timestamp, self._timestamp)
            arrived = (arrival - self._arrival) * self._clock_rate
            self._jitter += (abs(arrived - sent) - self._jitter) / 16
        self._timestamp = timestamp
        self._arrival = arrival

    def sender_report(self, report: SenderReport, arrival: float) -> None:
        """Remembers the peer's SR for LSR and DLSR, if it is about the stream we receive (RFC 3550 §6.4.1)."""
        if report.ssrc == self.ssrc:
            self._last_sr = middle_bits(report.ntp_timestamp)
            self._last_sr_arrival = arrival

    @property
    def _source_expected(self) -> int:
        return self._cycles + self._max - self._base + 1 if self._received else 0

    @property
    def _source_lost(self) -> int:
        return self._source_expected - self._received

    @property
    def expected(self) -> int:
        """Packets that the sequence numbers promise, over all restarts."""
        return self._earlier_expected + self._source_expected

    @property
    def lost(self) -> int:
        """Packets that did not come, over all restarts; never negative although duplicates count as received."""
        return max(0, self._earlier_lost + self._source_lost)

    @property
    def loss_runs(self) -> int:
        """Runs that the lost packets came in, over all restarts."""
        return self._losses.runs

    @property
    def jitter_ms(self) -> float | None:
        """Interarrival jitter (RFC 3550 §6.4.1); None before the first valid packet."""
        return None if self._timestamp is None else self._jitter * 1000 / self._clock_rate

    def report_block(self, now: float) -> ReportBlock | None:
        """Our block about this source; begins the next interval (RFC 3550 A.3). None before valid packets."""
        if self.ssrc is None or not self._received:
            return None
        expected = self._source_expected
        expected_interval = expected - self._expected_prior
        received_interval = self._received - self._received_prior
        self._expected_prior, self._received_prior = expected, self._received
        lost_interval = expected_interval - received_interval
        fraction = (lost_interval << 8) // expected_interval if expected_interval > 0 and lost_interval > 0 else 0
        delay = int((now - self._last_sr_arrival) * 65536) if self._last_sr else 0
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(fraction, 255),
            cumulative_lost=self._source_lost,
            highest_sequence=self._cycles + self._max,
            jitter=int(self._jitter),
            last_sr=self._last_sr,
            delay_since_last_sr=delay,
        )
