"""What the media thread hands to a recording in each tick, and the beep that tells the other side of it.

Owns: the queue between the media thread and the recording's own, bounded in time and never locked; the announcement.
Must not know: files, encoders. The media thread only appends references: blocks are never changed once made.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.tone import Tone, ToneGenerator
from softphone.engine.audio.backend import BLOCK_MS, Samples

MOST_BLOCKS = 3_000
"""Ticks that wait for the disk: half a minute, at 48 kHz 6 MB."""
BEEP = Tone((1400.0,), -20.0, ((200, 0),))
BEEP_EVERY_MS = 15_000
"""The “recorder tone” of telephony: 1,400 Hz for 0.2 s, at once and then every 15 s (47 CFR 64.501)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """10 ms. `said` None: muted or on hold; `heard` None: nothing; `others` of a conference, added up."""

    said: Samples | None
    heard: Samples | None
    others: NDArray[np.int32] | None


class Tape:
    """`begin`, `hear` and `say` are the media thread's; `take` and `missed` the recording's."""

    def __init__(self) -> None:
        self._ticks: deque[Tick] = deque()
        self._heard: Samples | None = None
        self.missed = 0  # ticks that found the queue full; written as silence in their place
        self.sample_rate = 0  # Hz, from `begun` on
        self.begun = threading.Event()

    def begin(self, sample_rate: int) -> None:
        """The session runs at this rate."""
        self.sample_rate = sample_rate
        self.begun.set()

    def hear(self, block: Samples | None) -> None:
        """What the person hears of the other side in this tick; `say` follows."""
        self._heard = block

    def say(self, said: Samples | None, others: NDArray[np.int32] | None) -> None:
        """What is sent in this tick."""
        if len(self._ticks) < MOST_BLOCKS:
            self._ticks.append(Tick(said, self._heard, others))
        else:
            self.missed += 1
        self._heard = None

    def take(self) -> list[Tick]:
        """All that waits."""
        return [self._ticks.popleft() for _ in range(len(self._ticks))]


class Announcement:
    """Beeps for one session, whose other side hears them with the voice."""

    def __init__(self, sample_rate: int) -> None:
        size = sample_rate * BLOCK_MS // 1000
        beep = ToneGenerator(BEEP, sample_rate).generate(sample_rate * BEEP.cadence[0][0] // 1000).astype(np.int32)
        self._blocks = [beep[at : at + size] for at in range(0, beep.size - size + 1, size)]
        self._tick = 0

    def over(self, others: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
        """What goes out besides the microphone in this tick, with the beep when it is due."""
        tick, self._tick = self._tick, (self._tick + 1) % (BEEP_EVERY_MS // BLOCK_MS)
        if tick >= len(self._blocks):
            return others
        beep = self._blocks[tick]
        return beep if others is None or others.size != beep.size else others + beep


def both_sides(ticks: list[Tick], block: int) -> tuple[Samples, Samples]:
    """The person's voice, and what was heard: of the other side and, in a conference, of everybody else."""
    silence = np.zeros(block, np.int16)
    left = [silence if tick.said is None else tick.said for tick in ticks]
    right = [_heard(tick, silence) for tick in ticks]
    return np.concatenate(left), np.concatenate(right)


def _heard(tick: Tick, silence: Samples) -> Samples:
    if tick.others is None:
        return silence if tick.heard is None else tick.heard
    total = tick.others if tick.heard is None else tick.others + tick.heard
    return np.clip(total, -32768, 32767).astype(np.int16)
