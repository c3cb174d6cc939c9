"""The built-in ring tone, made of struck notes, and how a ring grows louder.

Owns: the melody and its sound. It is made by this code: there is no recording of anybody's. Must not know: devices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PERIOD_MS = 4000
"""One ring: two phrases and a silence, so that a voice in the room is heard between two rings."""
_LEVEL = 0.32  # of full scale, the loudest note
# (ms from the beginning, Hz): a rising fifth and the octave, answered once.
_NOTES = ((0, 659.26), (170, 987.77), (340, 1318.51), (900, 587.33), (1070, 880.0), (1240, 1174.66))
_PARTIALS = ((1.0, 1.0, 0.30), (2.0, 0.28, 0.16), (3.93, 0.16, 0.07))  # of the note: ratio, loudness, decay in s
_ATTACK_S = 0.004
_HEARD_DECAYS = 5.5  # after them a partial is 48 dB below its beginning

RISE_S = 8.0
"""For so long a ring grows."""
QUIETEST_DB = -20.0


@lru_cache(maxsize=2)
def built_in(sample_rate: int) -> NDArray[np.int16]:
    """One period, to be repeated. `sample_rate` in Hz."""
    period = np.zeros(sample_rate * PERIOD_MS // 1000)
    for ratio, loudness, decay in _PARTIALS:
        time = np.arange(int(sample_rate * decay * _HEARD_DECAYS)) / sample_rate
        fall = loudness * np.exp(-time / decay) * np.minimum(time / _ATTACK_S, 1.0)
        for begin_ms, hertz in _NOTES:
            start = sample_rate * begin_ms // 1000
            period[start : start + time.size] += fall * np.sin(2 * np.pi * hertz * ratio * time)
    period *= _LEVEL / np.abs(period).max()
    samples: NDArray[np.int16] = np.rint(period * 32767).astype(np.int16)
    return samples


def gain_at(seconds: float) -> float:
    """How loud a ring is after that time: from QUIETEST_DB to its own loudness, evenly to the ear."""
    if seconds >= RISE_S:
        return 1.0
    return float(10 ** (QUIETEST_DB * (1 - max(0.0, seconds) / RISE_S) / 20))
