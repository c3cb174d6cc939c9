"""Changing the sample rate of a stream with a polyphase FIR filter.

Owns: the filter's design and the stream's state. Must not know: devices, codecs. Any block length goes in; every
output sample comes out as soon as the input that it needs is there.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

# The filter passes up to PASS and stops from STOP on, as parts of half the lower rate (8 kHz: 3.4 and 4.6 kHz).
# What lies between folds back between the two, above the telephone band; a steeper filter would delay more.
PASS = 0.85
STOP = 2.0 - PASS
ATTENUATION_DB = 64.0


@lru_cache(maxsize=16)
def _filter_bank(up: int, down: int) -> NDArray[np.float32]:
    """One row of coefficients per phase, reversed so that a row multiplies a window of the input (Kaiser's design)."""
    slower = max(up, down)  # at the rate `up` times the input's, half the lower rate lies at 0.5 / slower
    width = 2 * np.pi * (STOP - PASS) * 0.5 / slower
    length = int(np.ceil((ATTENUATION_DB - 7.95) / (2.285 * width))) + 1
    length += -length % up  # whole rows
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    position = np.arange(length) - (length - 1) / 2
    taps = np.sinc(position / slower) * np.kaiser(length, beta)
    bank = taps.reshape(-1, up).T[:, ::-1]
    return np.ascontiguousarray(bank / bank.sum(axis=1, keepdims=True), dtype=np.float32)


class Resampler:
    """Of one stream of mono 16-bit samples; not shared between streams."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Rates in Hz."""
        common = gcd(from_rate, to_rate)
        self._up = to_rate // common
        self._down = from_rate // common
        self._bank = _filter_bank(self._up, self._down)
        self._taps = self._bank.shape[1]
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._phase = 0  # position of the next output in steps of 1/up, from the first sample not yet taken in
        self._selected: tuple[int, int] | None = None
        self.delay_ms = 0.0 if from_rate == to_rate else (self._bank.size - 1) / 2 / (self._up * from_rate) * 1000

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """The output that `samples` complete: over the stream, ceil(inputs * to / from) samples; `delay_ms` late."""
        if self._up == self._down or len(samples) == 0:
            return samples
        signal = np.concatenate((self._history, samples.astype(np.float32)))
        count = max(0, -((self._phase - len(samples) * self._up) // self._down))
        output = self._filter(signal, count)
        self._phase += count * self._down - len(samples) * self._up
        self._history = signal[len(signal) - (self._taps - 1) :]
        np.rint(output, out=output)
        np.clip(output, -32768, 32767, out=output)
        return output.astype(np.int16)

    def _filter(self, signal: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """The next `count` outputs: each a row of the bank times the window that ends at its input sample."""
        if self._selected != (self._phase, count):  # the same again for blocks of one length
            position = self._phase + np.arange(count) * self._down
            self._starts = position // self._up
            self._rows = self._bank[position % self._up]
            self._selected = (self._phase, count)
        windows = np.lib.stride_tricks.sliding_window_view(signal, self._taps)
        output: NDArray[np.float32] = np.einsum("ij,ij->i", windows[self._starts], self._rows)
        return output
