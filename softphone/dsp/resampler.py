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


# One matrix product is quickest with rows that are neither short nor many, although most of the matrix is zeros then.
_OUTPUTS_OF_A_GROUP = 16  # where the rate falls by a whole number
_TURNS_OF_A_GROUP = 8  # through the phases, where it rises by so much or less


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


@lru_cache(maxsize=16)
def _group_matrix(up: int, down: int) -> NDArray[np.float32]:
    """(inputs, outputs): whole turns through the phases at once; a group begins at phase 0."""
    bank = _filter_bank(up, down)
    turns = _TURNS_OF_A_GROUP if up <= _TURNS_OF_A_GROUP else 1
    outputs = _OUTPUTS_OF_A_GROUP if up == 1 else up * turns
    position = np.arange(outputs) * down
    starts = position // up
    matrix = np.zeros((int(starts[-1]) + bank.shape[1], outputs), dtype=np.float32)
    for output, start in enumerate(starts):
        matrix[start : start + bank.shape[1], output] = bank[position[output] % up]
    return matrix


def _rows(signal: NDArray[np.float32], first: int, count: int, length: int, step: int) -> NDArray[np.float32]:
    """`count` windows of `length` samples, each `step` after the one before, without copying."""
    size = signal.itemsize  # the constructor checks the bounds; the helpers of numpy take longer than the product
    return np.ndarray((count, length), np.float32, signal, first * size, (step * size, size))


class Resampler:
    """Of one stream of mono 16-bit samples; not shared between streams."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Rates in Hz."""
        common = gcd(from_rate, to_rate)
        self._up = to_rate // common
        self._down = from_rate // common
        self._bank = _filter_bank(self._up, self._down)
        self._matrix = _group_matrix(self._up, self._down)
        self._turn = pow(self._down, -1, self._up) if self._up > 1 else 0
        self._taps = self._bank.shape[1]
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._silent = True  # nothing but silence is in the history: more of it costs nothing
        self._phase = 0  # position of the next output in steps of 1/up, from the first sample not yet taken in
        self.delay_ms = 0.0 if from_rate == to_rate else (self._bank.size - 1) / 2 / (self._up * from_rate) * 1000

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """The output that `samples` complete: over the stream, ceil(inputs * to / from) samples; `delay_ms` late."""
        if self._up == self._down or len(samples) == 0:
            return samples
        count = max(0, -((self._phase - len(samples) * self._up) // self._down))
        if self._silent and not samples.any():
            self._phase += count * self._down - len(samples) * self._up
            return np.zeros(count, np.int16)
        signal = np.concatenate((self._history, samples), dtype=np.float32)
        output = np.empty(count, dtype=np.float32)
        self._filter(signal, output)
        self._phase += count * self._down - len(samples) * self._up
        self._history = signal[len(signal) - (self._taps - 1) :]
        self._silent = not self._history[-1] and not self._history.any()
        np.rint(output, out=output)
        np.maximum(output, -32768, out=output)
        np.minimum(output, 32767, out=output)
        return output.astype(np.int16)

    def _filter(self, signal: NDArray[np.float32], output: NDArray[np.float32]) -> None:
        """Fills `output`: single outputs up to the next phase 0, then whole groups, then single ones again."""
        up, down = self._up, self._down
        span, group = self._matrix.shape
        head = min(len(output), -(self._phase % up) * self._turn % up)
        groups = (len(output) - head) // group
        self._filter_singly(signal, output, 0, head)
        if groups:
            first = (self._phase + head * down) // up
            windows = _rows(signal, first, groups, span, group * down // up)
            body = output[head : head + groups * group].reshape(groups, group)
            np.dot(windows, self._matrix, out=body)
        self._filter_singly(signal, output, head + groups * group, len(output))

    def _filter_singly(self, signal: NDArray[np.float32], output: NDArray[np.float32], begin: int, end: int) -> None:
        """Outputs `begin` to `end`: each a row of the bank times the window that ends at its input sample."""
        if begin >= end:
            return
        position = self._phase + np.arange(begin, end) * self._down
        windows = _rows(signal, 0, len(signal) - self._taps + 1, self._taps, 1)
        np.einsum("ij,ij->i", windows[position // self._up], self._bank[position % self._up], out=output[begin:end])
