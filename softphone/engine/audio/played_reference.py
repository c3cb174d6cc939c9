"""What the speaker really played beside each block of the microphone: the echo canceller's reference.

Owns: `PlayedReference`. Must not know: devices, echo cancellation. The speaker's callback says each block that it gave
to the device, silence on an underrun included; the microphone's says when a block came. Both count blocks, so that a
block that a queue dropped or a stall held up is still paired with what sounded at its time. Three threads meet here
without a lock: each counter has one writer, and the blocks lie in a ring that is longer than anybody lags behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from softphone.engine.audio.backend import BLOCK_MS, DEVICE_RATE, Samples

_BLOCK = DEVICE_RATE * BLOCK_MS // 1000
_RING = 128
"""Blocks that are remembered: 1.28 s. The microphone's queue, the lag below and a stall of the media thread fit in."""
LAG_BLOCKS = 2
"""The reference is taken this much earlier than the newest that was handed over: callbacks come in bursts, and a sound
that is handed over now cannot be heard before the device has played it anyway."""
_SETTLE = 50
"""Microphone blocks after which the two counts are taken as paired; before, each is believed more than later ones."""
_SMOOTHING = 0.005
"""Weight of a new observation after that: 2 s of blocks."""
_DEAD_ZONE = _BLOCK // 2
"""Samples: less than this is jitter of the callbacks. Two clocks that drift by 100 ppm reach it after 50 s."""
_JUMP = 4 * _BLOCK
"""Samples: more than this is no drift. A stream stood still or was opened anew, and is paired anew."""


class PlayedReference:
    """`now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ring = np.zeros(_RING * _BLOCK, np.int16)
        self._handed = 0  # blocks, by the speaker's callback
        self._handed_at = 0.0
        self._mean = 0.0  # samples that the speaker's count is ahead of the microphone's
        self._observed = 0
        self._offset: int | None = None  # in force
        self._expected = 0  # count of the block after the last one
        self._doubtful = False  # the last count was not the expected one, and not believed

    def played(self, block: bytes) -> None:
        """The speaker's callback: this block went to the device."""
        start = self._handed % _RING * _BLOCK
        self._ring[start : start + _BLOCK] = np.frombuffer(block, np.int16, _BLOCK)
        self._handed += 1
        self._handed_at = self._now()

    def captured(self, count: int) -> None:
        """The microphone's callback: its block number `count` (the first is 1) has just come."""
        if self._handed == 0:
            return
        since = min(self._now() - self._handed_at, 2 * BLOCK_MS / 1000)
        ahead = (self._handed - count) * _BLOCK + since * DEVICE_RATE
        if abs(ahead - self._mean) > _JUMP:
            self._observed = max(0, self._observed // 2 - 1)  # not believed at once: a callback may be late
        self._observed += 1
        self._mean += (ahead - self._mean) * max(1 / self._observed, _SMOOTHING)

    def restart(self) -> None:
        """A stream was opened anew: the counts are paired from here on."""
        self._observed = 0
        self._offset = None

    def beside(self, count: int) -> Samples | None:
        """The media thread: what was played while the microphone's block number `count` was captured.

        None where the speaker has not played yet.
        """
        if self._observed < 1:
            return None
        if abs(count - self._expected) == 1 and self._offset is not None and not self._doubtful:
            count, self._doubtful = self._expected, True  # counted between two steps of the callback, most likely
        else:
            self._doubtful = False
        self._expected = count + 1
        self._follow()
        assert self._offset is not None
        end = count * _BLOCK + self._offset - LAG_BLOCKS * _BLOCK
        newest = self._handed * _BLOCK
        if not newest - (_RING - 1) * _BLOCK + _BLOCK < end <= newest:
            return np.zeros(_BLOCK, np.int16)
        place = np.arange(end - _BLOCK, end) % self._ring.size
        return self._ring[place]

    def _follow(self) -> None:
        """Towards the mean, a sample at a time: a canceller follows slow changes, and begins anew after quick ones."""
        mean = round(self._mean)
        if self._offset is None or abs(mean - self._offset) > _JUMP or self._observed < _SETTLE:
            self._offset = mean if self._offset is None or abs(mean - self._offset) > _DEAD_ZONE else self._offset
        elif abs(mean - self._offset) > _DEAD_ZONE:
            self._offset += 1 if mean > self._offset else -1
