"""Concealing lost frames by repeating the last pitch period (the idea of G.711 Appendix I, without its delay).

Owns: a little history of what was decoded, the repeated waveform, its fade, the cross-fade back, and the bridge to a
frame that is here already. Must not know: codecs, RTP. Works at any sample rate.
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
_FADE_MS = 120.0
_FLOOR = 10 ** (-30 / 20)
_JOIN_MS = 2.0  # over which the step between what was played and the repetition is smoothed
_MOST_FRAMES = 50  # kept one by one before they are put together
_OVERLAP_MS = 2.5  # over which the first good frame takes over


class PitchConcealment:
    """Of one stream: `received` for every decoded frame, `conceal` or `bridge` for every missing one."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._rate = sample_rate
        self._hold = _HOLD_MS * sample_rate / 1000
        self._fade = _FADE_MS * sample_rate / 1000
        self._overlap = round(_OVERLAP_MS * sample_rate / 1000)
        self._kept = round((_MAX_PERIOD_MS + _COMPARED_MS) * sample_rate / 1000)  # samples of history
        self._frames = [np.zeros(self._kept, dtype=np.int16)]  # received, as many as the history needs
        self._position = 0  # samples concealed in this gap; 0: no gap
        self._repetition: _Repetition | None = None
        self._bridged = False  # what was given last leads into the frame that comes next
        self._arrival = np.zeros(0)  # of a bridge: what the beginning of that frame is faded in from

    def received(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame to play: `frame` itself, or after a gap `frame` faded in from the concealment."""
        if self._bridged:
            frame = _joined(self._arrival[: len(frame)], frame)
        elif self._position:
            frame = _joined(self.continued(min(self._overlap, len(frame))), frame)
        self._position, self._bridged = 0, False
        self._frames.append(frame)
        if len(self._frames) > _MOST_FRAMES:  # a gap is rare, so the history is put together when one comes
            self._frames = [self._history()]
        return frame

    def _history(self) -> NDArray[np.int16]:
        return np.concatenate(self._frames)[-self._kept :]

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """`samples` samples that continue the sound, fading over 130 ms; silence only before any sound."""
        sound = np.rint(self.continued(samples)).astype(np.int16)
        self._position += samples
        self._bridged = False
        return sound

    def bridge(self, samples: int, following: NDArray[np.int16], *, sound_at_once: bool = True) -> NDArray[np.int16]:
        """`samples` samples between what was played and `following`, which is here already but not `received` yet.

        What came before is continued as by `conceal`, what comes after is continued backwards, and the one fades over
        to the other: the sound changes on its way, where a repetition alone would jump at its end.
        Without `sound_at_once` the beginning of `following` is not trusted: the bridge ends the overlap behind it.
        """
        untrusted = 0 if sound_at_once else self._overlap
        if len(following) < untrusted + _least_history(self._rate):
            return self.conceal(samples)
        length = samples + untrusted
        after = _Repetition(following[untrusted:][::-1].astype(np.float64), self._rate).sound(0, length)[::-1]
        rise = _rise(length)
        mixed = np.clip(self.continued(length) * (1 - rise) + after * rise, -32768, 32767)
        self._position += samples
        self._bridged, self._arrival = True, mixed[samples:]
        return np.rint(mixed[:samples]).astype(np.int16)

    def continued(self, samples: int) -> NDArray[np.float64]:
        """The next `samples` samples of `conceal`, not given out yet."""
        if self._position == 0 or self._repetition is None:
            self._repetition = _Repetition(self._history().astype(np.float64), self._rate)
        gain = np.clip(1 - (self._position + np.arange(samples) - self._hold) / self._fade, _FLOOR, 1.0)
        limited: NDArray[np.float64] = np.clip(self._repetition.sound(self._position, samples) * gain, -32768, 32767)
        return limited


class _Repetition:
    """How a stretch of sound would go on if it were periodic from its end on."""

    def __init__(self, history: NDArray[np.float64], sample_rate: int) -> None:
        """`history` has `_least_history` samples at least; longer periods are found in more of them."""
        self._min_period = round(_MIN_PERIOD_MS * sample_rate / 1000)
        compared = min(round(_COMPARED_MS * sample_rate / 1000), len(history) // 2)
        longest = min(round(_MAX_PERIOD_MS * sample_rate / 1000), len(history) - compared)
        period = self._pitch(history, compared, longest)
        self._loop = self._period(history, period)
        # What would have come had the signal been periodic differs from what came by this step; let it die away.
        join = round(_JOIN_MS * sample_rate / 1000)
        step = history[-1] - history[-1 - period]
        self._correction = step * (1 - (np.arange(join) + 1) / (join + 1))

    def sound(self, position: int, samples: int) -> NDArray[np.float64]:
        """`samples` samples from `position` on, which counts from the end of the history."""
        sound = self._loop[(position + np.arange(samples)) % len(self._loop)]
        correction = self._correction[position : position + samples]
        sound[: len(correction)] += correction
        return sound

    def _pitch(self, history: NDArray[np.float64], compared: int, longest: int) -> int:
        """The shift in samples by which the last stretch resembles best what lies before it."""
        recent = history[-compared:]
        earlier = history[len(history) - compared - longest : len(history) - self._min_period]
        products = np.correlate(earlier, recent)  # the first at the greatest shift, the last at the smallest
        power = np.cumsum(np.concatenate(([0.0], earlier * earlier)))
        energies = power[compared:] - power[:-compared]
        return longest - int(np.argmax(products / np.sqrt(energies + 1.0)))

    def _period(self, history: NDArray[np.float64], length: int) -> NDArray[np.float64]:
        """The last `length` samples, their end blended into what lies before their beginning, so that they repeat."""
        loop = history[-length:].copy()
        blend = min(self._min_period, length // 4, len(history) - length)
        if blend:
            rise = (np.arange(blend) + 1) / (blend + 1)
            loop[-blend:] = loop[-blend:] * (1 - rise) + history[-length - blend : -length] * rise
        return loop


def _joined(before: NDArray[np.float64], frame: NDArray[np.int16]) -> NDArray[np.int16]:
    """`frame`, its beginning faded in from `before`."""
    if not before.size:
        return frame
    rise = _rise(before.size)
    joined = frame.copy()
    joined[: before.size] = np.rint(before * (1 - rise) + frame[: before.size] * rise)
    return joined


def _rise(samples: int) -> NDArray[np.float64]:
    """From nearly 0 to nearly 1 in a straight line."""
    return (np.arange(samples) + 1) / (samples + 1)


def _least_history(sample_rate: int) -> int:
    """Samples in which a pitch can be sought: twice the shortest period."""
    return 2 * round(_MIN_PERIOD_MS * sample_rate / 1000) + 1
