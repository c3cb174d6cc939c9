"""The sending half of a media session: microphone samples in, protected packets out.

Owns: packetizing, mute, hold, digits, our SSRC and its context. Must not know: sockets, devices, clocks.
RFC 3550 §5.1, RFC 3551 §4.2, RFC 3264 §8.4 (hold), RFC 4733.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from softphone.codecs.comfort_noise import PAYLOAD_TYPE as COMFORT_NOISE
from softphone.codecs.registry import Codec
from softphone.dsp.level import LevelMeter
from softphone.dsp.microphone_watch import MutedVoice
from softphone.dsp.mix import Limiter
from softphone.dsp.resampler import Resampler
from softphone.dsp.tone import DTMF, ToneGenerator
from softphone.engine.audio.backend import Samples
from softphone.engine.media.contexts import same_sending_key, sending_context
from softphone.engine.media.silence_suppression import SilenceSuppression
from softphone.rtp.packet import RtpPacket
from softphone.rtp.sender import FIRST_SEQUENCE_NUMBER_LIMIT, RtpSender
from softphone.rtp.telephone_event import DEFAULT_PAUSE_MS, DEFAULT_TONE_MS, TelephoneEventSender
from softphone.sdp.negotiated import NegotiatedMedia

TokenBytes = Callable[[int], bytes]
Tamper = Callable[[bytes], bytes]
_MOST_IN_BAND = 64  # tones that wait where no telephone-event was negotiated


class Transmitter:
    """One direction of one session. `block` takes 10 ms of the microphone and gives the packets that are due."""

    def __init__(
        self,
        media: NegotiatedMedia,
        codec: Codec,
        endpoint_rate: int,
        token_bytes: TokenBytes,
        tamper: Tamper | None = None,
    ) -> None:
        self._token_bytes = token_bytes
        self._tamper = tamper
        self._endpoint_rate = endpoint_rate
        self.packets = 0
        self.level = LevelMeter(endpoint_rate)  # of the microphone, muted or not
        self.muted_voice = MutedVoice(endpoint_rate)
        self._muted = False
        self._marker = True
        self.sender = self._new_sender(self._token(4))
        self._context = sending_context(media.security)
        self._media = media
        self._events = self._new_events(media)
        self._limiter = Limiter(endpoint_rate)
        self._captured: list[Samples] = []  # at the endpoint's rate, less than a packet's worth
        self._others: list[NDArray[np.int32] | None] = []  # beside each of them: the rest of the conference
        self._conferring = False  # there is any
        self._captured_samples = 0
        self._pending: Samples = np.zeros(0, np.int16)  # at the codec's rate
        self._tones: deque[Samples] = deque()
        self._use(codec)

    def update(self, media: NegotiatedMedia, codec: Codec) -> bool:
        """A later offer/answer; an unchanged key goes on with its SSRC and roll-over counter, except to another fork.

        Whether the SSRC is new.
        """
        old = self._media
        renewed = media.stream != old.stream or not same_sending_key(old.security, media.security)
        if renewed:
            self.sender = self._new_sender(self.sender.timestamp)
            self._context = sending_context(media.security)
            self._marker = True
        self._media = media
        if (media.format, media.send_ptime, media.comfort_noise) != (old.format, old.send_ptime, old.comfort_noise):
            self._use(codec)
        if media.telephone_event != old.telephone_event:
            self._events = self._new_events(media)
        return renewed

    @property
    def muted(self) -> bool:
        return self._muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        self._muted = muted
        self.muted_voice.begin()

    def send_digits(self, digits: str) -> None:
        """As telephone-events, or in band where the peer takes none. Raises LocalProtocolError for what is no digit."""
        if self._events is not None:
            self._events.queue(digits)
        else:
            self.send_tones(digits)

    def send_tones(self, digits: str) -> None:
        """In band, whatever was negotiated; what is no digit is left out, what is too much is dropped."""
        pause = np.zeros(self._codec.sample_rate * DEFAULT_PAUSE_MS // 1000, np.int16)
        for digit in digits.upper():
            if digit in DTMF and len(self._tones) < _MOST_IN_BAND:
                tone = ToneGenerator(DTMF[digit], self._codec.sample_rate)
                self._tones.append(
                    np.concatenate((tone.generate(self._codec.sample_rate * DEFAULT_TONE_MS // 1000), pause))
                )

    def block(self, captured: Samples, others: NDArray[np.int32] | None = None) -> list[bytes]:
        """Samples at the endpoint's rate in, protected packets out (mostly none or one).

        `others` is what the rest of a conference says, added up: heard with the microphone, and without it if muted.
        """
        self._captured.append(captured)
        self._others.append(others)
        self._conferring = self._conferring or others is not None
        self._captured_samples += captured.size
        if self._captured_samples < self._endpoint_frame:  # one long block costs numpy less than several short ones
            return []
        pending = self._resampler.process(self._voice())
        if self._pending.size:
            pending = np.concatenate((self._pending, pending))
        packets: list[bytes] = []
        while pending.size >= self._frame:
            frame, pending = pending[: self._frame], pending[self._frame :]
            packets.extend(map(self._protect, self._interval(frame)))
        self._pending = pending
        return packets

    def skip(self, milliseconds: int) -> None:
        """Time that passed without packets, after the machine slept: the timestamp runs on (RFC 3550 §5.1)."""
        self.sender.advance(self._clock_rate * milliseconds // 1000)
        self._marker = True

    @property
    def aging(self) -> bool:
        """Our key has most of its life behind it."""
        return self._context.aging

    def protect_rtcp(self, packet: bytes) -> bytes:
        protected = self._context.protect_rtcp(packet)
        return protected if self._tamper is None else self._tamper(protected)

    def _use(self, codec: Codec) -> None:
        """Codec and packet length as negotiated; what was gathered for the ones before is dropped."""
        media = self._media
        self._codec = codec
        self._clock_rate = media.format.clock_rate
        self._step = self._clock_rate * media.send_ptime // 1000
        self._frame = codec.sample_rate * media.send_ptime // 1000
        self._resampler = Resampler(self._endpoint_rate, codec.sample_rate)
        self._endpoint_frame = self._endpoint_rate * media.send_ptime // 1000
        self._forget_captured()
        self._pending = np.zeros(0, np.int16)
        self._tones.clear()
        self._silence = SilenceSuppression() if media.comfort_noise else None

    def _voice(self) -> Samples:
        """What was captured for a packet, and what the conference says with it; the meter reads the microphone."""
        spoken = self._captured[0] if len(self._captured) == 1 else np.concatenate(self._captured)
        blocks, others, conferring = self._captured, self._others, self._conferring
        self._forget_captured()
        self.level.update(spoken)
        if self.muted:
            self.muted_voice.heard(spoken)
            spoken = np.zeros(spoken.size, np.int16)
        if not conferring:
            return spoken
        total = np.concatenate(
            [np.zeros(block.size, np.int32) if o is None else o for o, block in zip(others, blocks, strict=True)]
        )
        total += spoken
        return self._limiter.process(total)

    def _forget_captured(self) -> None:
        self._captured, self._others, self._captured_samples, self._conferring = [], [], 0, False

    def _interval(self, frame: Samples) -> tuple[RtpPacket, ...]:
        """What one packet interval sends: nothing in hold, a digit, or audio."""
        if not self._media.direction.sends:
            self.sender.advance(self._step)
            self._marker = True
            return ()
        if self._events is not None:
            events = self._events.tick(self.sender, self._step)
            if events:
                return events
        if self._tones:
            frame = self._in_band(frame.size)
        silence = None if self._silence is None or self._tones else self._silence.step(frame)
        payload = self._codec.encode(frame) if silence is None else silence
        if silence:
            self._marker = True  # on the first packet of speech (RFC 3551 §4.1)
            return (self.sender.packet(COMFORT_NOISE, silence, self._step),)
        if not payload:  # the peer wants no packets while nobody speaks
            self.sender.advance(self._step)
            self._marker = True
            return ()
        marker, self._marker = self._marker, False
        return (self.sender.packet(self._media.format.send_payload_type, payload, self._step, marker),)

    def _in_band(self, samples: int) -> Samples:
        tone = self._tones[0]
        frame, rest = tone[:samples], tone[samples:]
        if rest.size:
            self._tones[0] = rest
        else:
            self._tones.popleft()
        return frame if frame.size == samples else np.concatenate((frame, np.zeros(samples - frame.size, np.int16)))

    def _protect(self, packet: RtpPacket) -> bytes:
        self.packets += 1
        protected = self._context.protect_rtp(packet.to_bytes())
        return protected if self._tamper is None else self._tamper(protected)

    def _new_sender(self, first_timestamp: int) -> RtpSender:
        """A new random SSRC: no (key, SSRC) pair is ever used twice (RFC 3711 §9.1)."""
        return RtpSender(self._token(4), self._token(2) % FIRST_SEQUENCE_NUMBER_LIMIT, first_timestamp)

    def _new_events(self, media: NegotiatedMedia) -> TelephoneEventSender | None:
        event = media.telephone_event
        return None if event is None else TelephoneEventSender(event.send_payload_type, event.clock_rate)

    def _token(self, length: int) -> int:
        return int.from_bytes(self._token_bytes(length), "big")
