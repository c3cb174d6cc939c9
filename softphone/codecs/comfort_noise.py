"""Comfort noise (RFC 3389): how loud silence is and how it sounds, in an octet of level and a few of spectrum.

Owns: the payload both ways, the noise made from it. Must not know: RTP, SDP, devices, when silence begins.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CLOCK_RATE = SAMPLE_RATE = 8000
PAYLOAD_TYPE = 13  # static for that clock (RFC 3551 table 4)
MAX_ORDER = 12  # reflection coefficients that are used: the first ones alone are a coarser spectrum (RFC 3389 §3.2)
QUIETEST = 127  # -dBov (RFC 3389 §3.1)
_OVERLOAD = 32768.0  # root mean square of the loudest signal there is: 0 dBov
_RESPONSE = 64  # samples of the noise filter's impulse response
_FADE_DB = 0.5  # by which the level moves towards a new one in 10 ms, so that a new description is not heard as a step
_SEED = 3389  # whose noise it is does not matter, only that it does not repeat


class ComfortNoise:
    """Of one stream: `describe` for every payload, `generate` while nothing comes."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(_SEED)
        self._payload = b""
        self._response = np.ones(1)
        self._history = np.zeros(_RESPONSE - 1)
        self._wanted: float | None = None  # dBov
        self._level = -float(QUIETEST)

    def describe(self, payload: bytes) -> None:
        """Take in a payload; an empty one says nothing (RFC 3389 §3: at least the level is there)."""
        if not payload or payload == self._payload:
            return
        if self._wanted is None:
            self._level = -float(payload[0] & 0x7F)
        self._wanted = -float(payload[0] & 0x7F)
        self._payload = payload
        self._response = _impulse_response(_reflections(payload[1 : 1 + MAX_ORDER]))

    def generate(self, samples: int) -> NDArray[np.int16]:
        """So many samples of noise at 8000 Hz as described."""
        self._approach(samples)
        white = np.concatenate((self._history, self._random.standard_normal(samples)))
        self._history = white[len(white) - (_RESPONSE - 1) :]
        shaped = np.convolve(white, self._response)[_RESPONSE - 1 : _RESPONSE - 1 + samples]
        root_mean_square = _OVERLOAD * 10 ** (self._level / 20)
        return np.clip(np.rint(shaped * root_mean_square), -32768, 32767).astype(np.int16)

    def _approach(self, samples: int) -> None:
        wanted = -float(QUIETEST) if self._wanted is None else self._wanted
        step = _FADE_DB * samples * 100 / SAMPLE_RATE
        self._level += max(-step, min(step, wanted - self._level))


def payload_of(noise: NDArray[np.int16], order: int = 8) -> bytes:
    """Describe some silence of 20 ms or more: its level, and its spectrum by linear prediction."""
    signal = noise.astype(np.float64)
    power = float(np.mean(signal * signal))
    level = QUIETEST if power <= 0 else round(-10 * math.log10(power / _OVERLOAD**2))
    windowed = signal * np.hanning(len(signal))
    correlation = [float(np.dot(windowed[lag:], windowed[: len(windowed) - lag])) for lag in range(order + 1)]
    octets = [round(k * 32768 / 258) + 127 for k in _levinson(correlation)]
    return bytes((max(0, min(QUIETEST, level)), *(max(0, min(254, octet)) for octet in octets)))


def _reflections(octets: bytes) -> list[float]:
    """RFC 3389 §3.2; 255 is reserved and ends the list."""
    found: list[float] = []
    for octet in octets:
        if octet == 255:
            break
        found.append(258 * (octet - 127) / 32768)
    return found


def _impulse_response(reflections: list[float]) -> NDArray[np.float64]:
    """Of the all-pole filter with these reflection coefficients, of unit power; stable, for each of them is below 1."""
    prediction = np.zeros(0)
    for k in reflections:
        prediction = np.concatenate((prediction + k * prediction[::-1], (k,)))
    response = np.zeros(_RESPONSE)
    response[0] = 1.0
    order = len(prediction)
    if order:
        for at in range(1, _RESPONSE):
            past = response[max(0, at - order) : at][::-1]
            response[at] = -float(np.dot(prediction[: len(past)], past))
    unit: NDArray[np.float64] = response / math.sqrt(float(np.dot(response, response)))
    return unit


def _levinson(correlation: list[float]) -> list[float]:
    """Reflection coefficients from the autocorrelation (Levinson and Durbin)."""
    error = correlation[0]
    prediction = np.zeros(0)
    found: list[float] = []
    for order in range(1, len(correlation)):
        if error <= 0:
            break
        past = np.array(correlation[1:order][::-1])
        k = -(correlation[order] + float(np.dot(prediction, past))) / error
        prediction = np.concatenate((prediction + k * prediction[::-1], (k,)))
        error *= 1 - k * k
        found.append(k)
    return found
