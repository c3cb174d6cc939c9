"""What is played to the person beside the voices: a tone by its score, a ring by its samples. Block by block.

Owns: how long a tone lasts and how a ring begins again and grows louder. Reads no file: what is played is in memory
before it comes here. Used by the media thread alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from softphone.dsp.ring_tone import built_in, gain_at
from softphone.dsp.tone import Tone, ToneGenerator
from softphone.engine.audio.backend import Samples


@dataclass(frozen=True, slots=True)
class Score:
    """A tone; `length_ms` None: until it is stopped."""

    tone: Tone
    length_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """One period of a ring tone at `rate` Hz, repeated until it is stopped; without samples the built-in one.

    `rising`: it begins softly.
    """

    samples: Samples | None = field(default=None, repr=False, compare=False)
    rate: int = 0
    rising: bool = True


Sound = Score | Ring


class Player:
    """One sound as a stream of blocks."""

    def __init__(self, sound: Sound, sample_rate: int) -> None:
        """`sample_rate` in Hz is that of whoever listens."""
        self._rate = sample_rate
        self._played = 0  # samples
        self._length: int | None = None
        self._generator: ToneGenerator | None = None
        self._period: Samples | None = None
        self._rising = False
        match sound:
            case Score(tone=tone, length_ms=length_ms):
                self._generator = ToneGenerator(tone, sample_rate)
                self._length = None if length_ms is None else sample_rate * length_ms // 1000
            case Ring(samples=samples, rate=rate, rising=rising):
                # Prepared for another rate than this device has: the built-in one, which is there for every rate.
                fits = samples is not None and samples.size > 0 and rate == sample_rate
                self._period = samples if fits else built_in(sample_rate)
                self._rising = rising

    @property
    def over(self) -> bool:
        return self._length is not None and self._played >= self._length

    def block(self, samples: int) -> Samples:
        """The next ones."""
        begin, self._played = self._played, self._played + samples
        if self._generator is not None:
            return self._generator.generate(samples)
        assert self._period is not None
        block: Samples = self._period[np.arange(begin, begin + samples) % self._period.size]
        gains = (gain_at(begin / self._rate), gain_at(self._played / self._rate)) if self._rising else (1.0, 1.0)
        if gains != (1.0, 1.0):
            block = np.rint(block * np.linspace(*gains, samples, endpoint=False)).astype(np.int16)
        return block
