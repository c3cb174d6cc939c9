"""A loudspeaker heard by a microphone in a room: scenes for echo cancellation, made of nothing but numbers.

Owns: the room's impulse response, what clocks and devices do to an echo, and the measures. Everything at 48 kHz,
floating point in the range of int16; blocks of 10 ms. The same seed gives the same room.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from softphone.engine.audio.backend import Samples

RATE = 48_000
BLOCK = RATE // 100
Signal = NDArray[np.float64]
Treat = Callable[[Samples, Samples], Samples]
"""(microphone, what the speaker played) of one block to what goes out."""


def impulse_response(reverberation_s: float = 0.25, direct_to_reverberant_db: float = 3.0, seed: int = 1) -> Signal:
    """The direct sound after 4 ms, then noise that falls by 60 dB in `reverberation_s`; power 1 in all."""
    count = int(1.2 * reverberation_s * RATE)
    tail = np.random.default_rng(seed).standard_normal(count) * np.exp(-6.9 * np.arange(count) / reverberation_s / RATE)
    tail *= 10 ** (-direct_to_reverberant_db / 20) / np.sqrt((tail**2).sum())
    response = np.concatenate((np.zeros(RATE * 4 // 1000), [1.0], tail))
    return np.asarray(response / np.sqrt((response**2).sum()))


def echo_of(far: Signal, response: Signal, loss_db: float = 6.0, delay_s: float = 0.03) -> Signal:
    """What the microphone hears of it, `delay_s` for the devices included; as long as `far`."""
    size = 1 << (far.size + response.size).bit_length()
    heard = np.fft.irfft(np.fft.rfft(far, size) * np.fft.rfft(response, size), size)[: far.size]
    late = np.concatenate((np.zeros(int(delay_s * RATE)), heard))[: far.size]
    return np.asarray(late * 10 ** (-loss_db / 20))


def drifting(signal: Signal, ppm: float) -> Signal:
    """As a clock that is so much faster samples it."""
    return np.asarray(np.interp(np.arange(signal.size) * (1 + ppm * 1e-6), np.arange(signal.size), signal))


def later(signal: Signal, at_s: float, by_s: float) -> Signal:
    """From `at_s` on everything comes `by_s` later, as a device does that stood still."""
    at, by = int(at_s * RATE), int(by_s * RATE)
    return np.concatenate((signal[:at], signal[at - by : signal.size - by]))


def hiss(seconds: float, level: float = 3.0, seed: int = 3) -> Signal:
    return np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * level


def babble(seconds: float, seed: int) -> Signal:
    """Noise with the spectrum, the syllables and the pauses of speech."""
    count = int(seconds * RATE)
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= (frequencies > 120) / (1 + (frequencies / 700) ** 2)
    syllables = np.repeat(random.uniform(0, 1, count // (RATE // 6) + 1) ** 2, RATE // 6)[:count]
    pauses = np.repeat(random.uniform(0, 1, count // (RATE // 2) + 1) > 0.25, RATE // 2)[:count]
    envelope = np.convolve(syllables * pauses, np.hanning(RATE // 20) / (RATE / 40), "same")
    voice = np.fft.irfft(spectrum, count) * envelope
    return np.asarray(voice / np.abs(voice).max() * 12_000)


def through(treat: Treat, microphone: Signal, far: Signal) -> Signal:
    """Block by block, as a call does it."""
    near, played = whole(microphone), whole(far)
    starts = range(0, near.size - BLOCK + 1, BLOCK)
    return np.concatenate([treat(near[at : at + BLOCK], played[at : at + BLOCK]) for at in starts]).astype(np.float64)


def whole(signal: Signal) -> Samples:
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def level_db(signal: Signal) -> float:
    """Over one unit of int16."""
    return float(10 * np.log10(np.mean(signal**2) + 1e-9))


def erle_db(microphone: Signal, out: Signal, begin_s: float, end_s: float) -> float:
    """Echo return loss enhancement between two moments."""
    part = slice(int(begin_s * RATE), int(end_s * RATE))
    return level_db(microphone[part]) - level_db(out[part])
