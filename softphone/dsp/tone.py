"""Tones made of sines: call progress (ITU-T E.180, E.182), DTMF (ITU-T Q.23), test tones.

Owns: the generator, whose only state is the count of samples made. Which country has which tones is `tone_plan.py`'s.
Must not know: devices, calls.
"""

from __future__ import annotations

from dataclasses import dataclass

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


class _Burst:
    """One “on” of a cadence: where it begins and ends in the period, in samples, with its ramps."""

    def __init__(self, begin: int, length: int, rate: int) -> None:
        self._begin, self._length = begin, length
        self._ramp = max(1, min(rate * RAMP_MS // 1000, length // 2))

    def gains(self, place: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of samples at these places in the period, from 0 to 1."""
        after = place - self._begin
        gains: NDArray[np.float64] = np.minimum(after, self._length - 1 - after) / self._ramp
        return np.clip(gains, 0, 1, out=gains)


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
        self._bursts: list[_Burst] = []
        self._period = 0  # samples; 0: steady
        for on_ms, off_ms in tone.cadence:
            on = sample_rate * on_ms // 1000
            self._bursts.append(_Burst(self._period, on, sample_rate))
            self._period += on + sample_rate * off_ms // 1000

    def generate(self, samples: int) -> NDArray[np.int16]:
        """The next `samples` samples."""
        position = self._position + np.arange(samples)
        self._position += samples
        gains = [burst.gains(position % self._period) for burst in self._bursts]
        if gains and not any(gain.any() for gain in gains):
            return np.zeros(samples, np.int16)
        time = (position % self._rate if self._whole else position) / self._rate
        wave = np.zeros(samples)
        for number, frequency in enumerate(self._tone.frequencies):
            if not self._tone.successive:
                wave += np.sin(2 * np.pi * frequency * time)
            elif gains[number].any():
                wave += np.sin(2 * np.pi * frequency * time) * gains[number]
        if gains and not self._tone.successive:
            wave *= np.maximum.reduce(gains)
        if self._tone.modulation:
            swell = 1 - MODULATION_DEPTH * np.cos(2 * np.pi * self._tone.modulation * time)
            wave *= swell / (1 + MODULATION_DEPTH)
        wave *= self._amplitude
        return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
