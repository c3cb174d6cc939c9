"""Telling speech from the room's own noise by loudness.

Owns: the estimate of the noise and the decision. Must not know: codecs, packets, devices. Wary: rather a second of
noise too much than the end of a word too little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ABOVE_NOISE_DB = 8.0  # so far above the noise it is speech
QUIETEST_SPEECH = -60.0  # dBov: below this nobody is understood
LOUDEST_NOISE = -40.0  # dBov: louder is sent as it is, whatever it may be
RISE_DB_A_SECOND = 3.0  # by which the estimate of the noise grows while it is louder; it falls at once
HANGOVER_S = 0.3  # after the last speech: ends of words, and breath
_SILENCE = -127.0


class VoiceActivity:
    """Of one stream: `speaks` for every frame."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._sample_rate = sample_rate
        self._noise = LOUDEST_NOISE
        self._hangover = 0.0

    def speaks(self, frame: NDArray[np.int16]) -> bool:
        """Whether somebody speaks in it, or did less than HANGOVER_S before it."""
        seconds = len(frame) / self._sample_rate
        level = _level(frame)
        self._noise = min(level, self._noise + RISE_DB_A_SECOND * seconds)
        threshold = min(max(self._noise + ABOVE_NOISE_DB, QUIETEST_SPEECH), LOUDEST_NOISE)
        self._hangover = HANGOVER_S if level > threshold else self._hangover - seconds
        return self._hangover > 0


def _level(frame: NDArray[np.int16]) -> float:
    """Mean power in dBov."""
    if not len(frame):
        return _SILENCE
    power = float(np.dot(frame.astype(np.float64), frame)) / len(frame) / 32768**2
    return max(_SILENCE, 10 * float(np.log10(power))) if power > 0 else _SILENCE
