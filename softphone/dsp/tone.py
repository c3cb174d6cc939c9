"""Tones made of sines: call progress (ITU-T E.182 and national values), DTMF (ITU-T Q.23), test tones.

Owns: the generator, whose only state is the count of samples made, and the named tones. Must not know: devices, calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RAMP_MS = 5  # up and down at each edge of a cadence, so that it does not click


@dataclass(frozen=True, slots=True)
class Tone:
    """Frequencies in Hz, level of each in dBFS, cadence as (on, off) pairs in ms repeated for ever; none: steady."""

    frequencies: tuple[float, ...]
    level_dbfs: float = -13.0
    cadence: tuple[tuple[int, int], ...] = ()


RINGBACK = Tone((425.0,), -15.0, ((1000, 4000),))
BUSY = Tone((425.0,), -15.0, ((480, 480),))
CONGESTION = Tone((425.0,), -15.0, ((240, 240),))
CALL_WAITING = Tone((425.0,), -26.0, ((200, 200), (200, 5000)))  # under a voice, which has about -20
AUTO_ANSWERED = Tone((880.0,), -18.0, ((150, 100),))

_DTMF_ROWS = (697.0, 770.0, 852.0, 941.0)
_DTMF_COLUMNS = (1209.0, 1336.0, 1477.0, 1633.0)
DTMF: dict[str, Tone] = {
    digit: Tone((low, high), -12.0)
    for low, digits in zip(_DTMF_ROWS, ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, digit in zip(_DTMF_COLUMNS, digits, strict=True)
}


@lru_cache(maxsize=16)
def _envelope(cadence: tuple[tuple[int, int], ...], rate: int) -> NDArray[np.float64]:
    """One period of the cadence as gains. Ringback has five seconds of it, and a call must not wait for that."""
    ramp = rate * RAMP_MS // 1000
    parts = []
    for on_ms, off_ms in cadence:
        on = np.ones(rate * on_ms // 1000)
        rise = np.linspace(0, 1, min(ramp, len(on) // 2), endpoint=False)
        on[: len(rise)] = rise
        on[len(on) - len(rise) :] = rise[::-1]
        parts += [on, np.zeros(rate * off_ms // 1000)]
    return np.concatenate(parts)


class ToneGenerator:
    """Makes one tone as a stream; blocks of any length join without a seam."""

    def __init__(self, tone: Tone, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._tone = tone
        self._rate = sample_rate
        self._position = 0
        self._amplitude = 32767 * 10 ** (tone.level_dbfs / 20)
        self._envelope = _envelope(tone.cadence, sample_rate) if tone.cadence else None

    def generate(self, samples: int) -> NDArray[np.int16]:
        """The next `samples` samples."""
        position = self._position + np.arange(samples)
        self._position += samples
        # Modulo one second keeps long tones exact; whole frequencies have a whole number of periods in it.
        whole = all(frequency == int(frequency) for frequency in self._tone.frequencies)
        time = (position % self._rate if whole else position) / self._rate
        wave = np.zeros(samples)
        for frequency in self._tone.frequencies:
            wave += np.sin(2 * np.pi * frequency * time)
        wave *= self._amplitude
        if self._envelope is not None:
            wave *= self._envelope[position % len(self._envelope)]
        return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)
