"""Concealing lost frames by repeating the last pitch period (the idea of G.711 Appendix I, without its delay).

Owns: a little history of what was decoded, the repeated waveform, its fade and the cross-fade back. Must not know:
codecs, RTP. Works at any sample rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Pitch is sought between 66 and 400 Hz, by comparing the last 10 ms with what came before.
_MIN_PERIOD_MS = 2.5
_MAX_PERIOD_MS = 15.0
_COMPARED_MS = 10.0
# The fade: unchanged at first, then in a straight line down to the floor, which stays as long as the gap lasts.
_HOLD_MS = 10.0
_FADE_MS = 60.0
_FLOOR = 10 ** (-30 / 20)
_JOIN_MS = 2.0  # over which the step between what was played and the repetition is smoothed
_OVERLAP_MS = 2.5  # over which the first good frame takes over


class PitchConcealment:
    """Of one stream: `received` for every decoded frame, `conceal` for every missing one."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._min_period = round(_MIN_PERIOD_MS * sample_rate / 1000)
        self._max_period = round(_MAX_PERIOD_MS * sample_rate / 1000)
        self._compared = round(_COMPARED_MS * sample_rate / 1000)
        self._hold = _HOLD_MS * sample_rate / 1000
        self._fade = _FADE_MS * sample_rate / 1000
        self._join = round(_JOIN_MS * sample_rate / 1000)
        self._overlap = round(_OVERLAP_MS * sample_rate / 1000)
        self._history = np.zeros(self._max_period + max(self._compared, self._max_period), dtype=np.int16)
        self._position = 0  # samples concealed in this gap; 0: no gap
        self._loop = np.zeros(1)  # one period, repeated
        self._correction = np.zeros(0)

    def received(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame to play: `frame` itself, or after a gap `frame` faded in from the concealment."""
        if self._position:
            overlap = min(self._overlap, len(frame))
            rise = (np.arange(overlap) + 1) / (overlap + 1)
            joined = frame.copy()
            joined[:overlap] = np.rint(self._continued(overlap) * (1 - rise) + frame[:overlap] * rise)
            frame = joined
            self._position = 0
        length = len(frame)
        if length < len(self._history):
            self._history[: -length or None] = self._history[length:]
            self._history[len(self._history) - length :] = frame
        else:
            self._history[:] = frame[length - len(self._history) :]
        return frame

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """`samples` samples that continue the sound, fading over 70 ms; silence only before any sound."""
        if self._position == 0:
            self._begin()
        sound = np.rint(self._continued(samples)).astype(np.int16)
        self._position += samples
        return sound

    def _begin(self) -> None:
        history = self._history.astype(np.float64)
        period = self._pitch(history)
        self._loop = self._period(history, period)
        # What would have come had the signal been periodic differs from what came by this step; let it die away.
        step = history[-1] - history[-1 - period]
        self._correction = step * (1 - (np.arange(self._join) + 1) / (self._join + 1))

    def _pitch(self, history: NDArray[np.float64]) -> int:
        """The shift in samples by which the last stretch resembles best what lies before it."""
        recent = history[-self._compared :]
        earlier = history[len(history) - self._compared - self._max_period : len(history) - self._min_period]
        products = np.correlate(earlier, recent)  # the first at the greatest shift, the last at the smallest
        power = np.cumsum(np.concatenate(([0.0], earlier * earlier)))
        energies = power[self._compared :] - power[: -self._compared]
        return self._max_period - int(np.argmax(products / np.sqrt(energies + 1.0)))

    def _period(self, history: NDArray[np.float64], length: int) -> NDArray[np.float64]:
        """The last `length` samples, their end blended into what lies before their beginning, so that they repeat."""
        loop = history[-length:].copy()
        blend = min(self._min_period, length // 4)
        rise = (np.arange(blend) + 1) / (blend + 1)
        loop[-blend:] = loop[-blend:] * (1 - rise) + history[-length - blend : -length] * rise
        return loop

    def _continued(self, samples: int) -> NDArray[np.float64]:
        """The concealment from the present position on."""
        position = self._position + np.arange(samples)
        sound = self._loop[position % len(self._loop)]
        if self._position < self._join:
            correction = self._correction[self._position : self._position + samples]
            sound[: len(correction)] += correction
        gain = np.clip(1 - (position - self._hold) / self._fade, _FLOOR, 1.0)
        limited: NDArray[np.float64] = np.clip(sound * gain, -32768, 32767)
        return limited
