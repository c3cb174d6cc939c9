"""A voice for codecs that are made for voices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def vowels(seconds: float = 2.0, sample_rate: int = 48_000) -> NDArray[np.int16]:
    """Vowel-like: a gliding pitch with harmonics to 3 kHz, in syllables of a quarter of a second."""
    at = np.arange(int(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.9 * at)) / sample_rate
    formants = [
        1 / (1 + ((140 * n - 600) / 300) ** 2) + 0.3 / (1 + ((140 * n - 2300) / 400) ** 2) for n in range(1, 22)
    ]
    sound = sum(weight * np.sin(n * phase) for n, weight in enumerate(formants, start=1))
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * at)
    voiced: NDArray[np.int16] = np.rint(9000 * sound * loudness / np.abs(sound).max()).astype(np.int16)
    return voiced
