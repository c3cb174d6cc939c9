"""Levels in dBFS (AES17: a full-scale sine reads 0 dBFS).

Owns: the meter. Must not know: devices, the screen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FLOOR_DBFS = -100.0
_TOGETHER_MS = 100  # frames of so much sound are added up at once: one long one costs numpy less than many short ones
_FULL_SCALE_POWER = 32768.0**2 / 2


def _dbfs(power: float) -> float:
    return max(FLOOR_DBFS, 10 * math.log10(power / _FULL_SCALE_POWER)) if power > 0 else FLOOR_DBFS


def _energy(frame: NDArray[np.int16]) -> float:
    samples = frame.astype(np.float32)
    return float(np.dot(samples, samples))


def level_dbfs(frame: NDArray[np.int16]) -> float:
    """RMS level of a frame of samples; FLOOR_DBFS for silence or nothing."""
    return _dbfs(_energy(frame) / len(frame)) if len(frame) else FLOOR_DBFS


class LevelMeter:
    """The level over the last window of a stream."""

    def __init__(self, sample_rate: int, window_ms: int = 1000) -> None:
        """`sample_rate` in Hz."""
        self._limit = max(1, sample_rate * window_ms // 1000)
        self._energies: list[tuple[int, float]] = []  # samples and energy of each piece of the window
        self._samples = 0  # in them
        self._together = sample_rate * _TOGETHER_MS // 1000
        self._frames: list[NDArray[np.int16]] = []  # not added up yet
        self._gathered = 0  # samples in them

    def update(self, frame: NDArray[np.int16]) -> None:
        """Takes in the next frame, which nobody may change afterwards."""
        self._frames.append(frame)
        self._gathered += len(frame)
        if self._gathered >= self._together:
            self._add_up()

    def _add_up(self) -> None:
        if self._gathered:
            self._energies.append((self._gathered, _energy(np.concatenate(self._frames))))
            self._samples += self._gathered
        self._frames, self._gathered = [], 0
        while self._energies and self._samples - self._energies[0][0] >= self._limit:
            self._samples -= self._energies.pop(0)[0]

    @property
    def dbfs(self) -> float | None:
        """RMS level of the window; None before the first frame."""
        self._add_up()
        if not self._samples:
            return None
        return _dbfs(sum(energy for _, energy in self._energies) / self._samples)
