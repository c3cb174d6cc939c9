"""Whether the person talks, seen in what a linear echo filter leaves: more than it ever leaves of an echo.

Owns: `NearTalk`. Must not know: which filter, devices.
"""

from __future__ import annotations

import numpy as np

from softphone.dsp.echo_filter import Power, Spectrum

_EDGES = np.array([2, 5, 8, 11, 14, 18, 22, 27, 33, 40, 48, 58, 70, 84, 100, 124])
"""First bins (of 50 Hz) of the bands, up to 8 kHz."""
_END = 160
_FLOOR = 48_000.0
"""Power of a band that counts as silence."""
_RISE = 10 ** (0.02 / 10)
_FALL = 10 ** (0.18 / 10)
"""Per block: together they follow what is left of an echo in its best tenth of the time, which no talker raises."""
_MARGIN = 10**1.8
"""What is left in its worst tenth, over the best."""
_LEFT = (10**-2.8, 4.0)
"""Bounds of what is learnt: even the best filter leaves more for a moment, when a device stumbles."""
_TRUSTED = 10**-1.5
"""More than this part of an echo left in most bands' best time: the filter has not learnt it, and is not heard."""
_WORSE = 1.05
"""More left than the microphone heard: the path is another one now."""
_REVERBERATES = 0.8  # per block: what an echo is judged by goes on sounding
_COHERENCE = 0.85  # kept per block
_CHANCE = 0.1  # of coherence between sounds that have nothing to do with each other, at that smoothing
_TALKS = 0.7  # of the power is no echo
_HOLD = 10  # blocks
_FADES, _ENDS = 0.9, 0.3  # the weight, per block


class NearTalk:
    """`weight` is how much of the linear filter's output is to be heard: 1 while the person talks, falling to 0."""

    def __init__(self) -> None:
        self._left = np.full(_EDGES.size, 1.0)
        self._echo = np.zeros(_EDGES.size)
        self._error = np.zeros(_EDGES.size)
        self._cross: Spectrum = np.zeros(_END, np.complex64)
        self._error_bins: Power = np.zeros(_END, np.float32)
        self._echo_bins: Power = np.zeros(_END, np.float32)
        self._captured = 0.0
        self._hold = 0
        self.weight = 0.0

    def forget(self) -> None:
        """The filter has begun again: until it has learnt anew, its output is not to be heard."""
        self._left[:] = 1.0

    def observe(self, error: Spectrum, echo: Spectrum) -> float:
        """The weight after a block with these spectra (`EchoFilter`)."""
        error, echo = error[:_END], echo[:_END]
        error_power, echo_power = error.real**2 + error.imag**2, echo.real**2 + echo.imag**2
        strange = self._unlike_echo(error * np.conj(echo), error_power, echo_power)
        self._error += np.add.reduceat(error_power, _EDGES)
        self._error *= 0.5
        self._echo = np.maximum(np.add.reduceat(echo_power, _EDGES), self._echo * _REVERBERATES)
        self._learn()
        explained = _MARGIN * self._left * self._echo + _FLOOR
        talk = float((np.maximum(0.0, self._error - explained) * strange).sum())
        both = error + echo
        self._captured = 0.5 * (self._captured + float((both.real**2 + both.imag**2).sum()))
        trusted = float(np.sort(self._left)[_EDGES.size // 2]) < _TRUSTED or float(self._echo.sum()) < _FLOOR
        trusted = trusted and float(self._error.sum()) < _WORSE * self._captured + _FLOOR
        if trusted and talk > _TALKS * (float(self._error.sum()) + _FLOOR * _EDGES.size):
            self._hold, self.weight = _HOLD, 1.0
        elif self._hold and trusted:
            self._hold -= 1
        else:
            self._hold = 0
            self.weight = self.weight * (_FADES if trusted else _ENDS) if self.weight > 0.01 else 0.0
        return self.weight

    def _unlike_echo(self, cross: Spectrum, error: Power, echo: Power) -> Power:
        """Per band, how much of what is left is unlike the echo: what resembles it comes of a path that moved."""
        self._cross = _COHERENCE * self._cross + cross
        self._error_bins = _COHERENCE * self._error_bins + error
        self._echo_bins = _COHERENCE * self._echo_bins + echo
        shared = (self._cross.real**2 + self._cross.imag**2) / (self._echo_bins + _FLOOR)
        alike = np.add.reduceat(shared, _EDGES) / (np.add.reduceat(self._error_bins, _EDGES) + _FLOOR)
        return np.maximum(0.0, 1.0 - np.maximum(0.0, alike - _CHANCE) / (1 - _CHANCE))

    def _learn(self) -> None:
        sounds = self._echo > _FLOOR
        ratio = self._error / (self._echo + 1.0)
        learnt = self._left * np.where(ratio > self._left, _RISE, 1 / _FALL)
        self._left = np.where(sounds, np.minimum(np.maximum(learnt, _LEFT[0]), _LEFT[1]), self._left)
