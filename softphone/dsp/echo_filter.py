"""The linear part of echo cancellation: learns how the loudspeaker sounds in the microphone, and takes that away.

Owns: the adaptive filter and the loop that follows the drift of two clocks. Must not know: devices, who talks.
Nothing but the estimated echo is taken away, so a person who talks meanwhile is kept whole; what the estimate misses
stays in. Mono, 16 kHz, blocks of 10 ms, samples as float32 in the range of int16.

A partitioned frequency-domain Kalman filter: Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic
echo control in hands-free telephones" (2006); Kuech, Mabande and Enzner, "State-space architecture of the
partitioned-block-based acoustic echo controller" (2014). Its step follows from how much of the error is the talker's,
which is why it goes on learning while both talk.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]
Spectrum = NDArray[np.complexfloating[Any, Any]]
Power = NDArray[np.floating[Any]]

RATE = 16_000
BLOCK = 160
PARTITIONS = 20
"""Blocks that an echo lasts, 200 ms, the way through the devices included."""
HEADROOM = 117
"""Samples that the microphone must come late by: so far a drift may pull the reference ahead."""

_KEEPS = 0.9995**2
"""Of the path's power, from block to block: a room changes within seconds."""
_DECAY = 0.15  # of the first guess of a path, per partition
_SMOOTHING = 0.7  # of the error's power, per block
_LEAST = 160.0  # power of a bin, below what 16 bits resolve
_CONSTRAINED = 4  # partitions per block whose circular part is cut off, in turn

_LOOP_EVERY = 25  # blocks
_LOOP_GAIN = 0.4
_LOOP_BINS = slice(4, 120)  # 0.2 to 6 kHz
_LOOP_WAITS = 4  # turns of the loop after a beginning
_LOOP_STEP = 150.0  # ppm at most at a time
_DRIFT_LIMIT = 500.0  # ppm; sound cards keep 100

_WRONG = 1.5  # the error's power over the microphone's: the path is another one now
_WRONG_SMOOTHING = 0.9
_TAPS = 16
_PHASES = 256


@lru_cache(maxsize=1)
def _interpolation() -> NDArray[np.float32]:
    """(phases, taps): row f delays by f / 256 of a sample less than 8."""
    fraction = np.arange(_PHASES)[:, None] / _PHASES
    position = np.arange(_TAPS)[None, :] - (_TAPS // 2 - 1) - fraction
    taps = np.sinc(position) * np.kaiser(_TAPS, 6.0)
    return np.ascontiguousarray((taps / taps.sum(axis=1, keepdims=True))[:, ::-1], dtype=np.float32)


class EchoFilter:
    """One path from one speaker to one microphone.

    After each block `error_spectrum` and `echo_spectrum` are those of what is left and of what was taken away: 161
    bins, of 320 samples of which the first half is zero.
    """

    def __init__(self) -> None:
        bins = BLOCK + 1
        self._played = np.zeros(12 * BLOCK, np.float32)  # the reference, newest last
        self._before = np.zeros(BLOCK, np.float32)
        self._spectra = np.zeros((PARTITIONS, bins), np.complex64)
        self._power = np.zeros((PARTITIONS, bins), np.float32)
        self._path = np.zeros((PARTITIONS, bins), np.complex64)
        self._earlier_path = self._path
        first = np.exp(-_DECAY * np.arange(PARTITIONS, dtype=np.float32))[:, None]
        self._first_uncertainty: Block = np.broadcast_to(first, (PARTITIONS, bins)).copy()
        self._uncertainty = self._first_uncertainty.copy()
        self._error_smoothed = np.full(bins, 1e4, np.float32)
        self._padded: Block = np.zeros((2, 2 * BLOCK), np.float32)
        self._turn = 0
        self._shift = 0.0  # samples that the reference is ahead
        self._powers = np.zeros(2)  # of error and microphone, smoothed
        self._silent_for = PARTITIONS + 12  # blocks: as long as anything of the reference may still sound
        self._blocks = 0  # that were learnt from, since the beginning or the last one
        self.beginnings = 0  # how often it began again
        self.drift_ppm = 0.0
        self.error_spectrum: Spectrum = np.zeros(bins, np.complex64)
        self.echo_spectrum: Spectrum = np.zeros(bins, np.complex64)

    def process(self, captured: Block, played: Block) -> Block:
        """What is left of the microphone's block: `captured` comes `HEADROOM` samples late, `played` is beside it."""
        self._silent_for = 0 if played.any() else self._silent_for + 1
        if self._silent_for > PARTITIONS + 12:
            self.echo_spectrum = np.zeros_like(self.echo_spectrum)
            self.error_spectrum = np.fft.rfft(captured, 2 * BLOCK)
            return captured
        self._take_in(self._aligned(played))
        echo = np.fft.irfft(np.einsum("pf,pf->f", self._path, self._spectra))[BLOCK:].astype(np.float32)
        error: Block = captured - echo
        self._padded[0, BLOCK:], self._padded[1, BLOCK:] = error, echo
        self.error_spectrum, self.echo_spectrum = np.fft.rfft(self._padded)
        self._learn(self.error_spectrum)
        self._judge(error, captured)
        self._blocks += 1
        if self._blocks % _LOOP_EVERY == 0:
            self._follow_drift()
        return error

    def begin_again(self) -> None:
        """The path is another one: what was learnt of it is worth nothing. The clocks are the same."""
        self._path[:] = 0
        self._earlier_path = self._path.copy()
        self._uncertainty[:] = self._first_uncertainty
        self._powers[:] = 0
        self._blocks = 0
        self.beginnings += 1

    def _aligned(self, played: Block) -> Block:
        """The reference as the microphone's clock would have sampled it."""
        self._played[:-BLOCK] = self._played[BLOCK:]
        self._played[-BLOCK:] = played
        self._shift += self.drift_ppm * 1e-6 * BLOCK
        if not -8 * BLOCK < self._shift < HEADROOM - _TAPS:
            self._shift = 0.0
            self.begin_again()
        position = self._played.size - BLOCK - HEADROOM + self._shift
        whole = int(position)
        taps = _interpolation()[int((position - whole) * _PHASES)]
        first = whole - (_TAPS // 2 - 1)
        return np.convolve(self._played[first : first + BLOCK + _TAPS - 1], taps, "valid")

    def _take_in(self, played: Block) -> None:
        self._spectra[1:] = self._spectra[:-1].copy()
        newest = np.fft.rfft(np.concatenate((self._before, played)))
        self._spectra[0] = newest
        self._power[1:] = self._power[:-1].copy()
        self._power[0] = newest.real**2 + newest.imag**2
        self._before = played

    def _learn(self, error: Spectrum) -> None:
        """Kuech et al., the diagonalised update: gain, path, and what is still uncertain of the path."""
        self._error_smoothed *= _SMOOTHING
        self._error_smoothed += (1 - _SMOOTHING) * (error.real**2 + error.imag**2)
        uncertain = np.einsum("pf,pf->f", self._uncertainty, self._power)
        gain = self._uncertainty / (0.5 * uncertain + self._error_smoothed + _LEAST)
        self._path += gain * (np.conj(self._spectra) * error)
        turn = slice(self._turn, self._turn + _CONSTRAINED)
        self._turn = (self._turn + _CONSTRAINED) % PARTITIONS
        response = np.fft.irfft(self._path[turn], axis=1)
        response[:, BLOCK:] = 0
        self._path[turn] = np.fft.rfft(response, axis=1)
        gain *= self._power
        gain *= -0.5 * _KEEPS
        gain += _KEEPS
        self._uncertainty *= gain
        self._uncertainty += (1 - _KEEPS) * (self._path.real**2 + self._path.imag**2)

    def _judge(self, error: Block, captured: Block) -> None:
        """A path that adds more than it takes away is wrong, which a talker alone never makes it."""
        self._powers *= _WRONG_SMOOTHING
        self._powers += (float(error @ error), float(captured @ captured))
        if self._powers[0] > _WRONG * self._powers[1] + _LEAST * BLOCK:
            self.begin_again()

    def _follow_drift(self) -> None:
        """A path whose delay grows steadily shows two clocks: turn the reference's speed until it stands still."""
        path, earlier = self._path[:, _LOOP_BINS], self._earlier_path[:, _LOOP_BINS]
        self._earlier_path = self._path.copy()
        if self._blocks < _LOOP_WAITS * _LOOP_EVERY:
            return
        turned = np.einsum("pf,pf->f", path, np.conj(earlier))
        bins = np.arange(_LOOP_BINS.start, _LOOP_BINS.stop)
        weight = np.abs(turned)
        total = float((weight * bins * bins).sum())
        if total <= 0.0:
            return
        slope = float((weight * bins * np.angle(turned)).sum()) / total
        later = -slope * 2 * BLOCK / (2 * np.pi)  # samples since the last turn
        drift = later / (_LOOP_EVERY * BLOCK) * 1e6
        self.drift_ppm -= _LOOP_GAIN * min(max(drift, -_LOOP_STEP), _LOOP_STEP)
        self.drift_ppm = min(max(self.drift_ppm, -_DRIFT_LIMIT), _DRIFT_LIMIT)
