"""Making sound a pitch period shorter or longer without changing its pitch (WSOLA: overlap where it is most alike).

Owns: the search for the period, the cross-fade, a little history of what was played. Must not know: packets, codecs,
why. Works at any multiple of 8 kHz and near it; the search is done at about 8 kHz and refined at the full rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

SEARCH_RATE = 8000
SHORTEST_MS, LONGEST_MS = 2.5, 15.0  # of a period: 400 … 66 Hz
OVERLAP_MS = 5.0  # of the cross-fade; as much again before it is compared
WORKABLE_MS = 20.0  # of sound are needed to leave out the longest period
PAUSE_MS = 60.0  # of unchanged sound between two changes
ALIKE = 0.85  # correlation from which a change is not heard
URGENT_MS = 40.0  # so far off the wanted delay, a change that may be heard is better than none
URGENT_ALIKE = 0.4
DESPERATE_MS = 100.0  # here any
QUIET = 60.0  # root mean square (-55 dBFS) below which it does not matter where the cut is
_LEEWAY_MS = 5.0  # by which a change may be greater than what is wanted


class TimeScaler:
    """Of one stream; everything that is played goes through `process`, in order."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._rate = sample_rate
        self._factor = max(1, sample_rate // SEARCH_RATE)
        self._overlap = self._samples(OVERLAP_MS)
        self._shortest, self._longest = self._samples(SHORTEST_MS), self._samples(LONGEST_MS)
        self._workable = self._samples(WORKABLE_MS)
        self._rise = ((np.arange(self._overlap) + 0.5) / self._overlap).astype(np.float32)
        self._history: Samples = np.zeros(self._longest + self._overlap, np.int16)
        self._pending: Samples = np.zeros(0, np.int16)
        self._since = 0  # samples since the last change
        self.shortened = 0  # samples left out
        self.lengthened = 0  # samples put in

    def _samples(self, milliseconds: float) -> int:
        return round(milliseconds * self._rate / 1000)

    @property
    def pending(self) -> int:
        """Samples kept back: the sound was too short to leave a period out."""
        return self._pending.size

    @property
    def shortened_ms(self) -> float:
        return self.shortened * 1000 / self._rate

    @property
    def lengthened_ms(self) -> float:
        return self.lengthened * 1000 / self._rate

    def process(self, samples: Samples, change_ms: float = 0.0) -> Samples:
        """`samples`, by one period longer (`change_ms` > 0) or shorter if that is wanted, possible and inaudible.

        Nothing comes back where more is needed to shorten; then it is in front of what the next call gives.
        """
        kept_back = self._pending.size
        if kept_back:
            samples = np.concatenate((self._pending, samples))
            self._pending = self._pending[:0]
        if change_ms and self._since >= self._samples(PAUSE_MS):
            if change_ms < 0 and samples.size < self._workable and not kept_back:
                self._pending = samples
                return samples[:0]
            samples = self._changed(samples, change_ms)
        self._since += samples.size
        size = self._history.size
        self._history = samples[-size:] if samples.size >= size else np.concatenate((self._history, samples))[-size:]
        return samples

    def _changed(self, samples: Samples, change_ms: float) -> Samples:
        sound = np.concatenate((self._history, samples)).astype(np.float32)
        begin = self._history.size  # of what is not played yet
        longest = min(self._longest, self._samples(abs(change_ms) + _LEEWAY_MS))
        if change_ms < 0:
            longest = min(longest, samples.size - self._overlap)
        if longest < self._shortest or samples.size < self._overlap:
            return samples
        shift, alike = self._best_shift(sound, begin, longest, -1 if change_ms > 0 else 1)
        if alike < _least(abs(change_ms)):
            return samples
        if shift > 0:
            self.shortened += shift
        else:
            self.lengthened -= shift
        self._since = 0
        return self._joined(sound, begin, shift)

    def _best_shift(self, sound: NDArray[np.float32], begin: int, longest: int, sign: int) -> tuple[int, float]:
        """(shift in samples, likeness): where the sound around `begin` is found again, earlier or later."""
        around = sound[begin - self._overlap : begin + self._overlap]
        if float(around @ around) < QUIET * QUIET * around.size:
            return sign * longest, 1.0
        factor = self._factor
        if factor == 1:
            shifts = np.arange(self._shortest, longest + 1)
            return _most_alike(sound, begin, self._overlap, sign * shifts)
        start = (begin - self._overlap) % factor
        slow = sound[start : start + (sound.size - start) // factor * factor].reshape(-1, factor).mean(axis=1)
        overlap = self._overlap // factor
        coarse = np.arange(-(-self._shortest // factor), longest // factor + 1)
        found, _ = _most_alike(slow, (begin - start) // factor, overlap, sign * coarse)
        near = abs(found) * factor + np.arange(1 - factor, factor)
        near = near[(near >= self._shortest) & (near <= longest)]
        return _most_alike(sound, begin, self._overlap, sign * near)

    def _joined(self, sound: NDArray[np.float32], begin: int, shift: int) -> Samples:
        """From `begin` on, fading over to what lies `shift` further."""
        overlap = self._overlap
        old, new = sound[begin : begin + overlap], sound[begin + shift : begin + shift + overlap]
        joined = old + (new - old) * self._rise[: new.size]
        return np.concatenate((np.rint(joined), sound[begin + shift + overlap :])).astype(np.int16)


def _least(wanted_ms: float) -> float:
    if wanted_ms >= DESPERATE_MS:
        return -1.0
    return URGENT_ALIKE if wanted_ms >= URGENT_MS else ALIKE


def _most_alike(sound: NDArray[np.float32], begin: int, overlap: int, shifts: NDArray[np.int_]) -> tuple[int, float]:
    """The shift (all of one sign, one apart) at which the sound around `begin` resembles itself best."""
    around = sound[begin - overlap : begin + overlap]
    lowest, highest = int(shifts.min()), int(shifts.max())
    searched = sound[begin - overlap + lowest : begin + overlap + highest]
    products = np.correlate(searched, around)
    power = np.concatenate((np.zeros(1), np.cumsum(searched * searched, dtype=np.float64)))
    energies = power[around.size :] - power[: -around.size]
    likeness = products / np.sqrt(energies * float(around @ around) + 1.0)
    best = int(np.argmax(likeness))
    return lowest + best, float(likeness[best])
