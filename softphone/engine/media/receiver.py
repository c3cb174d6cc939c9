"""The receiving half of a media session: packets in, speaker samples out.

Owns: opening, counting, the jitter buffer, decoding, concealment, received digits. Must not know: sockets, devices,
clocks. Nothing that does not authenticate is ever played (security.md). RFC 3550 §6.4.1, RFC 3711 §3.3, RFC 4733.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import numpy as np

from softphone.codecs.comfort_noise import CLOCK_RATE
from softphone.codecs.comfort_noise import PAYLOAD_TYPE as COMFORT_NOISE
from softphone.codecs.registry import REDUNDANT, Codec
from softphone.dsp.level import LevelMeter
from softphone.dsp.resampler import Resampler
from softphone.dsp.time_scale import TimeScaler
from softphone.engine.audio.backend import BLOCK_MS, Samples
from softphone.engine.media.contexts import receiving_context, same_receiving_key
from softphone.errors import RemoteProtocolError
from softphone.rtp.adaptive_jitter_buffer import AdaptiveJitterBuffer
from softphone.rtp.jitter_buffer import Frame, Idle, Missing
from softphone.rtp.packet import RtpPacket, parse_rtp
from softphone.rtp.quality_meter import StreamCounts
from softphone.rtp.reception import MIN_SEQUENTIAL, ReceptionStatistics
from softphone.rtp.rtcp import parse_compound
from softphone.rtp.telephone_event import TelephoneEventReceiver
from softphone.sdp.negotiated import NegotiatedMedia, SrtpSecurity
from softphone.srtp.context import MediaReceiver
from softphone.srtp.key_lifetime import KeyLifetimeEnded
from softphone.srtp.replay import Replayed
from softphone.srtp.transforms import AuthenticationFailed
from softphone.ua.media_report import PlayoutReport

RETIRED_KEY_S = 2.0
"""Seconds for which packets under the key before are still taken: what was on its way when the key changed."""


class Receiver:
    """One direction of one session. `open_rtp` and `accept` take packets, `block` gives 10 ms for the speaker."""

    def __init__(self, media: NegotiatedMedia, codec: Codec, endpoint_rate: int) -> None:
        self._endpoint_rate = endpoint_rate
        self._silence: Samples = np.zeros(endpoint_rate * BLOCK_MS // 1000, np.int16)
        self.packets = 0
        self.auth_failures = 0
        self.replays = 0
        self.plain_rtp_seen = 0
        self.concealed_ms = 0.0
        self.level = LevelMeter(endpoint_rate)  # of the speaker
        self._before = StreamCounts()  # of statistics that another format or key ended
        self._retired: MediaReceiver | None = None
        self._retired_until = 0.0
        self.under_retired_key = False  # the packet opened last: it is played, and says nothing of where the peer is
        self._context = receiving_context(media.security)
        self._media = media
        self.statistics = self._new_statistics(media)
        self._ready: Samples = np.zeros(0, np.int16)  # at the endpoint's rate, decoded and not played yet
        self._playout_before = PlayoutReport()
        self._use(codec)

    @property
    def lost(self) -> int:
        return self._before.lost + self.statistics.lost

    @property
    def expected(self) -> int:
        """Packets that the sequence numbers promised."""
        return self._before.expected + self.statistics.expected

    @property
    def loss_runs(self) -> int:
        """Runs that the lost ones came in."""
        return self._before.runs + self.statistics.loss_runs

    @property
    def packet_ms(self) -> float:
        """Length of a packet as seen last."""
        return self._jitter_buffer.packet_ms

    @property
    def playout(self) -> PlayoutReport:
        before, state = self._playout_before, self._jitter_buffer.state
        return PlayoutReport(
            target_ms=state.target_ms,
            delay_ms=state.delay_ms,
            depth_ms=state.depth_ms,
            late=before.late + state.late,
            lengthened_ms=before.lengthened_ms + self._scaler.lengthened_ms,
            shortened_ms=before.shortened_ms + self._scaler.shortened_ms,
        )

    @property
    def aging(self) -> bool:
        """The peer's key has most of its life behind it."""
        return self._context.aging

    def update(self, media: NegotiatedMedia, codec: Codec, now: float) -> bool:
        """A later offer/answer; an unchanged key goes on with its roll-over counter. Whether the statistics are new."""
        old, self._media = self._media, media
        if not same_receiving_key(old.security, media.security):
            # Only an encrypted past is let run out; clear packets are never taken once SRTP is negotiated.
            self._retired = self._context if isinstance(old.security, SrtpSecurity) else None
            self._retired_until = now + RETIRED_KEY_S
            self._context = receiving_context(media.security)
        renewed = media.format.clock_rate != old.format.clock_rate or type(media.security) is not type(old.security)
        if renewed:
            self._before = StreamCounts(self.expected, self.lost, runs=self.loss_runs)
            self.statistics = self._new_statistics(media)
        changed = (
            media.format != old.format
            or media.direction.receives != old.direction.receives
            or media.telephone_event != old.telephone_event
        )
        if changed or renewed:
            self._playout_before = self.playout
            self._use(codec)
        return renewed

    def open_rtp(self, data: bytes, now: float) -> RtpPacket | None:
        """The authentic packet inside a datagram, or None: counted, never played."""
        try:
            packet = parse_rtp(self._unprotect_rtp(data, now))
        except Replayed:
            self.replays += 1
            return None
        except RemoteProtocolError:
            self._count_failure(data)
            return None
        self.packets += 1
        return packet

    def open_rtcp(self, data: bytes, now: float) -> bytes | None:
        """The authentic compound packet inside a datagram, or None: counted, never used."""
        try:
            return self._unprotect_rtcp(data, now)
        except Replayed:
            self.replays += 1
        except RemoteProtocolError:
            self._count_failure(data)
        return None

    def accept(self, packet: RtpPacket, now: float) -> tuple[bool, str]:
        """Take an authentic packet in: whether it belongs to a valid stream, and the digits that it ended."""
        if not self.statistics.received(packet, now):
            return False, ""
        event = self._media.telephone_event
        try:
            if event is not None and packet.payload_type == event.receive_payload_type:
                return True, self._events.receive(packet) or ""
        except RemoteProtocolError:
            return True, ""
        if packet.payload_type != self._media.format.receive_payload_type and not self._is_comfort_noise(packet):
            return True, ""
        if self._receives:
            self._jitter_buffer.put(packet, now)
        return True, self._events.audio(packet) or ""

    def block(self, now: float) -> Samples:
        """The next 10 ms for the speaker at the endpoint's rate; silence in hold."""
        if not self._receives:
            self.level.update(self._silence)
            return self._silence
        ready, wanted = self._ready, self._silence.size
        while ready.size < wanted:
            ahead = ready.size / self._endpoint_rate + self._scaler.pending / self._codec.sample_rate
            played = self._resampler.process(self._next(self._frame, now, ahead))
            self.level.update(played)
            ready = np.concatenate((ready, played)) if ready.size else played
        block, self._ready = ready[:wanted], ready[wanted:]
        return block

    def _next(self, frame: int, now: float, ahead: float) -> Samples:
        """What the jitter buffer has for `ahead` seconds from now, as samples at the codec's rate; `frame` are 10 ms.

        Nothing, where a period is to be left out and more sound is needed for that.
        """
        playout = self._jitter_buffer.get(now + ahead, ahead)
        match playout:
            case Frame():
                if self._is_comfort_noise(playout.packet):
                    self._codec.comfort_noise(playout.packet.payload)
                    return self._scaler.process(self._codec.pause(frame))
                try:
                    samples = self._codec.decode(playout.packet.payload)
                except RemoteProtocolError:
                    samples = np.zeros(0, np.int16)
                if samples.size == 0:
                    return self._scaler.process(self._codec.conceal(frame))
                return self._scaler.process(samples, playout.change_ms)
            case Missing():
                if not self._codec.in_pause:
                    self.concealed_ms += playout.count * BLOCK_MS
                following = None if playout.following is None else playout.following.payload
                return self._scaler.process(self._codec.recover(following, playout.count * frame))
            case Idle():
                return self._scaler.process(self._codec.pause(frame))
            case _:
                assert_never(playout)

    @property
    def in_pause(self) -> bool:
        """The peer said that it is silent: packets that do not come are no sign of trouble."""
        return self._codec.in_pause

    def _is_comfort_noise(self, packet: RtpPacket) -> bool:
        """With G.711, agreed on or not: a gateway's silence is better heard than concealed."""
        return packet.payload_type == COMFORT_NOISE and self._codec.sample_rate == CLOCK_RATE

    def _unprotect_rtp(self, data: bytes, now: float) -> bytes:
        self.under_retired_key = False
        try:
            return self._context.unprotect_rtp(data)
        except AuthenticationFailed:
            if self._retired is None or now > self._retired_until:
                raise
            self.under_retired_key = True
            return _opened(self._retired.unprotect_rtp, data)

    def _unprotect_rtcp(self, data: bytes, now: float) -> bytes:
        self.under_retired_key = False
        try:
            return self._context.unprotect_rtcp(data)
        except AuthenticationFailed:
            if self._retired is None or now > self._retired_until:
                raise
            self.under_retired_key = True
            return _opened(self._retired.unprotect_rtcp, data)

    def _count_failure(self, data: bytes) -> None:
        """Not SRTP under our key. What reads as RTP or RTCP besides is counted as seen in plain (cli.md)."""
        if not isinstance(self._media.security, SrtpSecurity):
            return
        self.auth_failures += 1
        for read in (parse_rtp, parse_compound):
            try:
                read(data)
            except RemoteProtocolError:
                continue
            self.plain_rtp_seen += 1
            return

    def _use(self, codec: Codec) -> None:
        """Codec and direction as negotiated: what is held from before is dropped."""
        media = self._media
        self._receives = media.direction.receives
        self._codec: Codec = codec
        self._frame = codec.sample_rate * BLOCK_MS // 1000
        clock_rate = media.format.clock_rate
        self._jitter_buffer = AdaptiveJitterBuffer(
            clock_rate, clock_rate * BLOCK_MS // 1000, redundant=media.format.name in REDUNDANT
        )
        self._scaler = TimeScaler(codec.sample_rate)
        self._resampler: Resampler = Resampler(codec.sample_rate, self._endpoint_rate)
        self._ready = np.zeros(0, np.int16)
        event = media.telephone_event
        self._events = TelephoneEventReceiver(clock_rate if event is None else event.clock_rate)

    def _new_statistics(self, media: NegotiatedMedia) -> ReceptionStatistics:
        """An authenticated packet is valid at once; in clear the probation of RFC 3550 A.1 guards against strays."""
        encrypted = isinstance(media.security, SrtpSecurity)
        return ReceptionStatistics(media.format.clock_rate, 0 if encrypted else MIN_SEQUENTIAL)


def _opened(unprotect: Callable[[bytes], bytes], data: bytes) -> bytes:
    """Under a retired key, whose end of life ends no call: another has taken its place."""
    try:
        return unprotect(data)
    except KeyLifetimeEnded as error:
        raise AuthenticationFailed(error.failure.reason) from None
