"""A high-pass filter that takes rumble, hum and offset out of a voice.

Owns: `HighPass`. A Butterworth filter of second order, exact, block by block: its two poles are a conjugate pair, so
what one pole adds up is a cumulative sum of samples weighted by the pole's powers. No loop over samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CUT_OFF = 100.0
"""Hz, 3 dB down; the telephone's band begins at 300 Hz, and deep voices at 80."""


class HighPass:
    """Of one stream of mono 16-bit samples; adds no delay."""

    def __init__(self, sample_rate: int, longest: int = 480) -> None:
        """`longest` samples are taken at a time: more would lose the pole's powers in rounding."""
        warped = np.tan(np.pi * CUT_OFF / sample_rate)  # bilinear transform
        norm = 1 + np.sqrt(2) * warped + warped**2
        self._pole = complex(np.roots([1, 2 * (warped**2 - 1) / norm, (1 - np.sqrt(2) * warped + warped**2) / norm])[0])
        gain = 1 / norm
        # H(z) = gain (1 - 1/z)^2 / ((1 - p/z)(1 - p'/z)) = direct + 2 Re(residue / (1 - p/z))
        self._direct = gain / abs(self._pole) ** 2
        self._residue = gain * (1 - 1 / self._pole) ** 2 / (1 - self._pole.conjugate() / self._pole)
        steps = np.arange(longest)
        self._powers = self._pole**steps
        self._inverse = self._pole ** (-steps.astype(np.float64))
        self._sum = 0j  # what the pole has added up so far

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        size = samples.size
        if size == 0:
            return samples
        sums = np.cumsum(samples * self._inverse[:size])
        sums += self._sum * self._pole
        sums *= self._powers[:size]
        self._sum = complex(sums[-1])
        output = self._direct * samples + 2 * (self._residue * sums).real
        rounded: NDArray[np.int16] = np.clip(np.rint(output), -32768, 32767).astype(np.int16)
        return rounded
