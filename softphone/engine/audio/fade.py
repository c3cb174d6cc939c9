"""Short fades: what begins, ends or changes in the middle of a sound without a click.

Owns: the ramps, 5 ms or the whole block where it is shorter. Pure samples.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from softphone.engine.audio.backend import DEVICE_RATE, Samples

_RAMP = DEVICE_RATE * 5 // 1000
"""Samples."""


@functools.cache
def _rising(samples: int) -> NDArray[np.float32]:
    """A block's weights: from 0 to 1, then 1."""
    weights = np.ones(samples, np.float32)
    ramp = min(samples, _RAMP)
    weights[:ramp] = np.arange(1, ramp + 1, dtype=np.float32) / (ramp + 1)
    return weights


def faded_in(block: Samples) -> Samples:
    return (block * _rising(block.size)).astype(np.int16)


def faded_out(block: Samples) -> Samples:
    """To silence within the ramp at its beginning."""
    return (block * (1 - _rising(block.size))).astype(np.int16)


def crossed(before: Samples, after: Samples) -> Samples:
    """From the one to the other; both of the same length."""
    weights = _rising(after.size)
    return (before * (1 - weights) + after * weights).astype(np.int16)


def tail(last: int, samples: int) -> Samples:
    """Silence that begins where a sound broke off at the value `last`."""
    return (last * (1 - _rising(samples))).astype(np.int16)
