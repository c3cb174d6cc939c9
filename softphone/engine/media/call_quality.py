"""Both directions' quality of one media session, read once a second from its two halves (rtp/quality.py).

Owns: which counts and which delays make up each direction. Must not know: sockets, packets, the screen.

Mouth to ear is reckoned as packet length + codec + half of the round trip + jitter buffer + devices. What nobody
tells is assumed: 37 ms for the devices of both ends (docs/media.md), no way at all before RTCP measured one, and
at the other end a jitter buffer of twice the jitter that it reports, at least a packet.
"""

from __future__ import annotations

from softphone.engine.media.receiver import Receiver
from softphone.rtp.quality import codec_impairment
from softphone.rtp.quality_meter import QualityMeter, StreamCounts
from softphone.rtp.session_report import SessionReport
from softphone.rtp.voip_metrics import VoipMetrics
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.media_report import CallQuality, PlayoutReport

DEVICES_MS = 37.0
STALE_S = 20
"""So long after the peer's last report nothing is known of what it hears now."""


class CallQualityMeters:
    def __init__(self, media: NegotiatedMedia) -> None:
        self._media = media
        codec = codec_impairment(media.format.name)
        self._heard = QualityMeter(codec)
        self._said = QualityMeter(codec, window=1)  # between two reports, some five seconds
        self._silent_s = 0
        self._received = 0
        self._reports = 0
        self._since_report = 0
        self._said_before = StreamCounts()  # under other keys

    def update(self, media: NegotiatedMedia) -> None:
        """A later offer/answer: perhaps another codec."""
        self._media = media
        self._heard.codec = self._said.codec = codec_impairment(media.format.name)

    def keep(self, exchange: SessionReport) -> None:
        """This exchange of reports ends, and another one counts from 0."""
        self._said_before = self._said_before.plus(_said_counts(exchange))
        self._reports = 0

    def read(self, receiver: Receiver, exchange: SessionReport, rtt_ms: float | None, bit_rate: int | None) -> None:
        """`bit_rate` is what our codec is set to, if it can be set."""
        way_ms = (rtt_ms or 0.0) / 2 + DEVICES_MS
        self._read_heard(receiver, way_ms)
        self._read_said(exchange, way_ms, bit_rate)

    @property
    def quality(self) -> CallQuality:
        return CallQuality(self._heard.now, self._heard.whole, self._said.now, self._said.whole)

    def metrics(self, receiver: Receiver, rtt_ms: float | None) -> VoipMetrics | None:
        """What we hear, as the peer may be told of it; None before there is anything."""
        heard, ssrc, expected = self._heard.whole, receiver.statistics.ssrc, receiver.expected
        if heard is None or ssrc is None or not expected or not self._media.voip_metrics:
            return None
        playout = receiver.playout
        return VoipMetrics(
            ssrc=ssrc,
            loss=receiver.lost / expected,
            discarded=playout.late / expected,
            round_trip_ms=round(rtt_ms or 0),
            end_system_ms=round(receiver.packet_ms + playout.delay_ms + DEVICES_MS),
            jitter_buffer_ms=round(playout.delay_ms),
            r=None if self._heard.codec.wideband else round(heard.r),
            mos_lq=None,
            mos_cq=heard.mos,
        )

    def _read_heard(self, receiver: Receiver, way_ms: float) -> None:
        playout: PlayoutReport = receiver.playout
        receives = self._media.direction.receives
        silent = receives and receiver.packets == self._received > 0 and not receiver.in_pause
        self._silent_s = self._silent_s + 1 if silent else 0
        self._received = receiver.packets
        self._heard.read(
            StreamCounts(receiver.expected, receiver.lost, playout.late, receiver.loss_runs),
            receiver.packet_ms + self._heard.codec.delay_ms + way_ms + playout.delay_ms,
            missing=round(self._silent_s * 1000 / receiver.packet_ms),
            resting=receives and receiver.in_pause,
        )

    def _read_said(self, exchange: SessionReport, way_ms: float, bit_rate: int | None) -> None:
        self._since_report += 1
        if self._since_report == STALE_S:
            self._said.now = None
        if exchange.remote_reports == self._reports:
            return
        self._reports, self._since_report = exchange.remote_reports, 0
        self._said.codec = codec = codec_impairment(self._media.format.name, bit_rate)
        self._said.read(
            self._said_before.plus(_said_counts(exchange)),
            self._media.send_ptime + codec.delay_ms + way_ms + self._their_buffer_ms(exchange),
        )

    def _their_buffer_ms(self, exchange: SessionReport) -> float:
        if exchange.remote_metrics is not None and exchange.remote_metrics.jitter_buffer_ms:
            return float(exchange.remote_metrics.jitter_buffer_ms)
        jitter_ms = (exchange.remote_jitter or 0) * 1000 / self._media.format.clock_rate
        return max(float(self._media.send_ptime), 2 * jitter_ms)


def _said_counts(exchange: SessionReport) -> StreamCounts:
    expected, metrics = exchange.remote_expected, exchange.remote_metrics
    late = 0 if metrics is None else round(metrics.discarded * expected)
    return StreamCounts(expected, min(exchange.remote_lost or 0, expected), late)
