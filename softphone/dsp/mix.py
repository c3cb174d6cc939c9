"""Adding voices up without clipping: a limiter that turns the sum down while it is too loud.

Owns: the limiter, whose only state is its gain. Must not know: calls, devices. Clipping a sum makes harmonics that a
telephone codec turns into noise; a gain that moves slowly makes none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CEILING = 30_000.0
"""The loudest sample that comes out (0.8 dB below full scale), but for the first millisecond of a sudden loud sound."""
ATTACK_MS = 1
HOLD_MS = 200  # the gain stays for so long after the last loud sample, so that low tones do not pump
RELEASE_DB_PER_S = 20.0


class Limiter:
    """Of one stream of sums; blocks of any length."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._rate = sample_rate
        self._attack = max(1, sample_rate * ATTACK_MS // 1000)
        self._gain = 1.0
        self._hold = 0  # samples left

    def process(self, total: NDArray[np.int32]) -> NDArray[np.int16]:
        """`total` as 16-bit samples: unchanged while the sum fits, else turned down."""
        if total.size == 0:
            return total.astype(np.int16)
        peak = max(int(total.max()), -int(total.min()))
        wanted = min(1.0, CEILING / peak) if peak else 1.0
        if wanted >= 1.0 and self._gain >= 1.0:
            return total.astype(np.int16)
        before, length = self._gain, total.size
        if wanted < before:
            self._gain, self._hold = wanted, self._rate * HOLD_MS // 1000
            gains = np.full(length, wanted, np.float32)
            head = min(self._attack, length)
            gains[:head] = np.linspace(before, wanted, head, dtype=np.float32)
        elif self._hold > 0:
            self._hold -= length
            gains = np.full(length, before, np.float32)
        else:
            rise = 10 ** (RELEASE_DB_PER_S * length / self._rate / 20)
            self._gain = min(wanted, before * rise)
            gains = np.linspace(before, self._gain, length, dtype=np.float32)
        limited: NDArray[np.int16] = np.clip(np.rint(total * gains), -32768, 32767).astype(np.int16)
        return limited
