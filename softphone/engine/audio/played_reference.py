"""What the speaker really played beside what the microphone heard: the echo canceller's reference.

Owns: `PlayedReference`. Must not know: devices, echo cancellation. Samples are counted on both sides, those that a
queue drops too, so that a block is paired with what sounded at its time whatever happened in between. How far one count
is ahead of the other is observed with every block; what is in force follows slowly, for two clocks that drift, and at
once where a stream stood still. Writer and reader may be two threads: no value has two writers, and the ring is longer
than anybody lags behind.
"""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import BLOCK_MS, DEVICE_RATE, Samples
from softphone.engine.audio.slack import stretched

_BLOCK = DEVICE_RATE * BLOCK_MS // 1000
_RING = 2 * DEVICE_RATE
"""Samples that are remembered; the microphone's queue and a stall of the media thread are shorter."""
_ODD = _BLOCK // 8
"""A block that used up so many samples more or fewer than it has was stretched; beyond that, some were dropped."""
_QUICK, _SLOW = 0.05, 0.003
"""Weights of a new observation: 0.2 s and 3 s of blocks."""
_DEAD_ZONE = _BLOCK // 2
"""Samples: less is a jitter of the counts. Two clocks that drift by 100 ppm reach it after 50 s."""
_JUMP = 3 * _BLOCK // 4
"""Samples: more is no drift. A stream stood still, or lost something."""


class PlayedReference:
    """All counts are samples at 48 kHz since the stream in question began."""

    def __init__(self) -> None:
        self._ring = np.zeros(_RING, np.int16)
        self._handed = self._device_took = 0
        self._observed = 0
        self._quick = self._slow = 0.0  # how far the speaker's count is ahead
        self._offset: int | None = None  # in force
        self._end = 0  # of the microphone's samples that were asked for last

    def speaker_began(self) -> None:
        """Another stream, or the first."""
        self._handed = self._device_took = 0
        self._ring[:] = 0
        self._offset, self._observed = None, 0

    def microphone_began(self) -> None:
        self._end = 0
        self._offset, self._observed = None, 0

    def played(self, sound: Samples, device_took: int) -> None:
        """Handed to the device, as long as it became for that; of all so far the device has taken so many to play."""
        start = self._handed % _RING
        first = min(sound.size, _RING - start)
        self._ring[start : start + first] = sound[:first]
        self._ring[: sound.size - first] = sound[first:]
        self._handed += sound.size
        self._device_took = device_took

    def captured(self, count: int) -> None:
        """So many samples have come from the microphone up to now."""
        if self._handed == 0:
            return
        ahead = self._device_took - count
        self._observed += 1
        self._quick += (ahead - self._quick) * max(1 / self._observed, _QUICK)
        self._slow += (ahead - self._slow) * max(1 / self._observed, _SLOW)

    def beside(self, taken: int) -> Samples | None:
        """What was played beside the block of 10 ms that ends with the microphone's sample number `taken`.

        None where the speaker has not played since it began.
        """
        if self._observed == 0 or self._handed == 0:
            return None
        used = taken - self._end
        self._end = taken
        if abs(used - _BLOCK) > _ODD:
            used = _BLOCK
        end = taken + self._ahead()
        start = end - used
        if not self._handed - _RING + _BLOCK < start < end <= self._handed:
            return np.zeros(_BLOCK, np.int16)
        return stretched(self._ring[np.arange(start, end) % _RING], _BLOCK)

    def _ahead(self) -> int:
        """Towards what is observed, a sample at a time: a canceller follows it. Quick changes it has to learn."""
        if self._offset is None or abs(self._quick - self._offset) > _JUMP:
            self._slow = self._quick
            self._offset = round(self._quick)
        elif abs(self._slow - self._offset) > _DEAD_ZONE:
            self._offset += 1 if self._slow > self._offset else -1
        return self._offset
