"""Finding one recording inside another: whether what was heard is what was said.

Owns: the normalised cross-correlation. Must not know: files, calls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_alignment(reference: NDArray[np.int16], recorded: NDArray[np.int16], sample_rate: int) -> tuple[float, float]:
    """(correlation, delay_ms): how alike the two are where they fit best, and how much later `recorded` is.

    The correlation is normalised over the part where both overlap (-1 … 1; 1: equal but for a gain); half
    of the shorter one overlaps at least. The delay is negative if `recorded` is earlier. Two silences give (0, 0).
    """
    first = reference.astype(np.float64)
    second = recorded.astype(np.float64)
    if len(first) == 0 or len(second) == 0:
        return 0.0, 0.0
    size = 1 << (len(first) + len(second) - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size), size)
    overlap = (min(len(first), len(second)) + 1) // 2
    lags = np.arange(overlap - len(first), len(second) - overlap + 1)
    # reference[i] meets recorded[i + lag]
    start = np.maximum(0, -lags)
    end = np.minimum(len(first), len(second) - lags)
    energy_first = np.concatenate(([0.0], np.cumsum(first * first)))
    energy_second = np.concatenate(([0.0], np.cumsum(second * second)))
    energies = (energy_first[end] - energy_first[start]) * (energy_second[end + lags] - energy_second[start + lags])
    # A window with almost nothing in it correlates by chance: it must hold a part of the loudest window's energy.
    loud = energies > max(1.0, energies.max() * 1e-4)
    if not loud.any():
        return 0.0, 0.0
    correlations = np.where(loud, products[lags % size] / np.sqrt(np.where(loud, energies, 1.0)), -1.0)
    best = int(np.argmax(correlations))
    return float(correlations[best]), float(lags[best]) * 1000 / sample_rate
