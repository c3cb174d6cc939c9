"""G.711: PCMU (µ-law) and PCMA (A-law), RFC 3551 §4.5.14, tables built from the rule of ITU-T G.191's reference.

Owns: the two look-up tables each way. Must not know: RTP, SDP, devices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softphone.codecs.comfort_noise import ComfortNoise
from softphone.codecs.concealment import PitchConcealment

SAMPLE_RATE = 8000


def _segment(magnitude: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the highest set bit, 0 for 0 and 1."""
    _, exponent = np.frexp(magnitude.astype(np.float64))  # magnitude = m * 2^exponent, 0.5 <= m < 1
    segment: NDArray[np.int64] = np.maximum(exponent, 1).astype(np.int64) - 1
    return segment


def _build_ulaw_encode() -> NDArray[np.uint8]:
    """µ-law of every 16-bit sample, indexed by its unsigned reading.

    Ones' complement of negative values, 14 bits, bias 33 (so that each segment starts at a power of two), clip.
    """
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    magnitude: NDArray[np.int64] = np.minimum((np.where(sample < 0, ~sample, sample) >> 2) + 33, 0x1FFF)
    segment = _segment(magnitude) - 5  # 0 … 7
    low = (magnitude >> (segment + 1)) & 0x0F
    code = (segment << 4 | low) ^ 0x7F
    return np.where(sample < 0, code, code | 0x80).astype(np.uint8)


def _build_ulaw_decode() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int64) & 0xFF
    segment = code >> 4 & 0x07
    magnitude = (((code & 0x0F) << 1) + 33 << segment) - 33
    return np.where(code & 0x80, -magnitude * 4, magnitude * 4).astype(np.int16)


def _build_alaw_encode() -> NDArray[np.uint8]:
    """A-law of every 16-bit sample: ones' complement of negative values, 12 bits, even bits inverted."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = np.maximum(_segment(magnitude) - 3, 0)  # 0 and 1 have the same step
    code = np.where(segment == 0, magnitude, segment << 4 | (magnitude >> np.maximum(segment - 1, 0)) & 0x0F)
    return (np.where(sample < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)


def _build_alaw_decode() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int64) ^ 0x55
    segment = code >> 4 & 0x07
    low = (code & 0x0F) << 4
    magnitude = np.where(segment == 0, low + 8, (low + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


class _G711:
    """A table each way and the concealment of this stream."""

    _encode: NDArray[np.uint8]
    _decode: NDArray[np.int16]
    sample_rate = SAMPLE_RATE
    most_bit_rate = 0

    def __init__(self) -> None:
        self._concealment = PitchConcealment(SAMPLE_RATE)
        self._noise: ComfortNoise | None = None  # made by the first pause of a talker who describes it
        self.in_pause = False

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """One octet per sample, at 8000 Hz."""
        return self._encode.take(np.ascontiguousarray(frame, dtype=np.int16).view(np.uint16)).tobytes()

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """One sample per octet; any payload is readable."""
        self.in_pause = False
        return self._concealment.received(self._decode.take(np.frombuffer(payload, dtype=np.uint8)))

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """What most likely was in the packets that did not come: the last pitch periods, fading; noise in a pause."""
        return self.pause(samples) if self.in_pause else self._concealment.conceal(samples)

    def recover(self, following: bytes | None, samples: int) -> NDArray[np.int16]:
        """Nothing of a packet is repeated in the next one, but where it is here the gap has two ends to go by."""
        if not following or self.in_pause:
            return self.conceal(samples)
        return self._concealment.bridge(samples, self._decode[np.frombuffer(following, dtype=np.uint8)])

    def expect_loss(self, fraction: float) -> None:
        """There is no redundancy to adapt."""

    def send_at(self, bit_rate: int) -> None:
        """It has one rate."""

    def comfort_noise(self, payload: bytes) -> None:
        """The noise that `pause` makes until something is decoded again."""
        if self._noise is None:
            self._noise = ComfortNoise()
        self._noise.describe(payload)
        self.in_pause = True

    def pause(self, samples: int) -> NDArray[np.int16]:
        """Comfort noise where the talker described it, else silence."""
        if self._noise is None or not self.in_pause:
            return np.zeros(samples, np.int16)
        return self._concealment.received(self._noise.generate(samples))


class Pcmu(_G711):
    """G.711 µ-law, static payload type 0."""

    _encode = _build_ulaw_encode()
    _decode = _build_ulaw_decode()


class Pcma(_G711):
    """G.711 A-law, static payload type 8."""

    _encode = _build_alaw_encode()
    _decode = _build_alaw_decode()
