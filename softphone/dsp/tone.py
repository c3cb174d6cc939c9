"""Tones made of sines: call progress (ITU-T E.180, E.182), DTMF (ITU-T Q.23), test tones.

Owns: the generator, whose only state is the count of samples made. Which country has which tones is `tone_plan.py`'s.
Must not know: devices, calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RAMP_MS = 5  # up and down at each edge of a cadence, so that it does not click


@dataclass(frozen=True, slots=True)
class Tone:
    """Frequencies in Hz, level of each in dBFS, cadence as (on, off) pairs in ms repeated for ever; none: steady.

    `modulation` in Hz swells the tone that often a second, as a bell does (“400 × 25” in E.180's notation).
    `successive`: the frequencies do not sound together but one after the other, one in each pair of the cadence.
    """

    frequencies: tuple[float, ...]
    level_dbfs: float = -13.0
    cadence: tuple[tuple[int, int], ...] = ()
    modulation: float = 0.0
    successive: bool = False


MODULATION_DEPTH = 0.9

_DTMF_ROWS = (697.0, 770.0, 852.0, 941.0)
_DTMF_COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)
DTMF: dict[str, Tone] = {
    digit: Tone((low, high), -12.0)
    for low, digits in zip(_DTMF_ROWS, ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, digit in zip(_DTMF_COLUMNS, digits, strict=True)
}


@lru_cache(maxsize=32)
def _envelope(cadence: tuple[tuple[int, int], ...], rate: int, only: int | None = None) -> NDArray[np.float32]:
    """One period of the cadence as gains. Ringback has five seconds of it, and a call must not wait for that.

    `only`: the pair that sounds, where each frequency has one of its own.
    """
    ramp = rate * RAMP_MS // 1000
    parts = []
    for pair, (on_ms, off_ms) in enumerate(cadence):
        on = np.ones(rate * on_ms // 1000, np.float32)
        rise = np.linspace(0, 1, min(ramp, len(on) // 2), endpoint=False, dtype=np.float32)
        on[: len(rise)] = rise
        on[len(on) - len(rise) :] = rise[::-1]
        if only not in (None, pair):
            on[:] = 0
        parts += [on, np.zeros(rate * off_ms // 1000, np.float32)]
    return np.concatenate(parts)


class ToneGenerator:
    """Makes one tone as a stream; blocks of any length join without a seam."""

    def __init__(self, tone: Tone, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._tone = tone
        self._rate = sample_rate
        self._position = 0
        self._amplitude = 32767 * 10 ** (tone.level_dbfs / 20)
        # Modulo one second keeps long tones exact; whole frequencies have a whole number of periods in it.
        self._whole = all(frequency == int(frequency) for frequency in (*tone.frequencies, tone.modulation))
        self._envelope = _envelope(tone.cadence, sample_rate) if tone.cadence and not tone.successive else None
        self._own_envelopes = [
            _envelope(tone.cadence, sample_rate, pair) for pair in range(len(tone.frequencies)) if tone.successive
        ]

    def generate(self, samples: int) -> NDArray[np.int16]:
        """The next `samples` samples."""
        position = self._position + np.arange(samples)
        self._position += samples
        gain = None if self._envelope is None else self._envelope[position % len(self._envelope)]
        if gain is not None and not gain.any():
            return np.zeros(samples, np.int16)
        time = (position % self._rate if self._whole else position) / self._rate
        wave = np.zeros(samples)
        for number, frequency in enumerate(self._tone.frequencies):
            sine = np.sin(2 * np.pi * frequency * time)
            if self._own_envelopes:
                own = self._own_envelopes[number]
                sine *= own[position % len(own)]
            wave += sine
        if self._tone.modulation:
            swell = 1 - MODULATION_DEPTH * np.cos(2 * np.pi * self._tone.modulation * time)
            wave *= swell / (1 + MODULATION_DEPTH)
        wave *= self._amplitude
        if gain is not None:
            wave *= gain
        return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
