"""What a recording says of the microphone it came from: loud enough, clipping, dead, with holes.

Owns: the figures. Must not know: devices, words for people. Levels in dBFS (AES17: a full-scale sine reads 0 dBFS).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.level import FLOOR_DBFS, level_dbfs

CLIPPED_AT = 32_700  # of 32 767: converters seldom reach the last step
CLIPPED_IN_A_ROW = 3  # samples at the end of the scale: one alone is a loud sample, several are a cut-off wave
MOST_BLOCKS = 60_000  # ten minutes of 10 ms blocks are kept; of what comes after only the level is known
_LOUDEST, _QUIETEST = 0.8, 0.2  # quantiles of the blocks: speech is above the one, the room's noise below the other
_LONGEST_HOLE = 20  # blocks; what is silent for longer is a pause


@dataclass(frozen=True, slots=True)
class MicrophoneFigures:
    """Of everything that was heard."""

    level_db: float  # of the loudest fifth: what was spoken
    noise_db: float  # of the quietest fifth
    peak_db: float
    clipped: int  # blocks in which the wave was cut off
    dead: bool  # not one sample was other than zero
    holes: int  # pieces of digital silence within sound: blocks that were lost on the way


def clips(block: NDArray[np.int16]) -> bool:
    """Whether the wave is cut off at the end of the scale somewhere in these samples."""
    if not len(block) or (int(block.max()) < CLIPPED_AT and int(block.min()) > -CLIPPED_AT):
        return False
    at_the_end = np.abs(block.astype(np.int32)) >= CLIPPED_AT
    run = at_the_end.copy()
    for shift in range(1, CLIPPED_IN_A_ROW):
        run[shift:] &= at_the_end[:-shift]
        run[:shift] = False
    return bool(run.any())


def peak_dbfs(block: NDArray[np.int16]) -> float:
    """The largest sample; FLOOR_DBFS for silence or nothing."""
    peak = max(int(block.max()), -int(block.min())) if len(block) else 0
    return max(FLOOR_DBFS, 20 * float(np.log10(peak / 32768))) if peak else FLOOR_DBFS


class MicrophoneCheck:
    """Takes a recording block by block, 10 ms each."""

    def __init__(self) -> None:
        self._levels: list[float] = []
        self._peak = FLOOR_DBFS
        self._clipped = self._holes = 0
        self._silent: int | None = None  # blocks of digital silence since sound; None before the first sound
        self.level_db = self.peak_db = FLOOR_DBFS  # of the latest block

    def add(self, block: NDArray[np.int16]) -> None:
        self.level_db, self.peak_db = level_dbfs(block), peak_dbfs(block)
        self._peak = max(self._peak, self.peak_db)
        self._clipped += clips(block)
        if len(self._levels) < MOST_BLOCKS:
            self._levels.append(self.level_db)
        if self.peak_db > FLOOR_DBFS:
            self._holes += self._silent is not None and 0 < self._silent <= _LONGEST_HOLE
            self._silent = 0
        elif self._silent is not None:
            self._silent += 1

    def figures(self) -> MicrophoneFigures:
        levels = np.array(self._levels or [FLOOR_DBFS])
        powers = 10 ** (levels / 10)
        loud = powers[levels >= np.quantile(levels, _LOUDEST)]
        quiet = powers[levels <= np.quantile(levels, _QUIETEST)]
        return MicrophoneFigures(
            level_db=_mean_db(loud),
            noise_db=_mean_db(quiet),
            peak_db=self._peak,
            clipped=self._clipped,
            dead=self._peak <= FLOOR_DBFS,
            holes=self._holes,
        )


def _mean_db(powers: NDArray[np.float64]) -> float:
    return max(FLOOR_DBFS, 10 * float(np.log10(powers.mean())))
