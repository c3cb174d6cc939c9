"""The way from the speaker to the microphone of one device: how long it takes, and how loud the speaker comes back.

Owns: the test signal (chirps: sweeps that are found again below the noise, by a matched filter) and what a recording of
it says. Must not know: devices, clocks. Position 0 is where playing and recording began together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHIRPS = 6
CHIRP_MS = 80
EVERY_MS = 650
LONGEST_MS = 560  # latency that is looked for: Bluetooth needs 200 to 400
LEAD_MS = 400  # of silence first: what the room's noise is
CHIRP_DBFS = -15.0
_LOW, _HIGH = 500.0, 3500.0  # Hz: what every telephone's parts can do
ALIKE = 0.22
"""Normalised correlation from which on a chirp counts as found; noise and voices stay below 0.2 (measured)."""
_SAME_MS = 5.0  # by which the chirps that were found may differ from their median
_NEEDED = CHIRPS // 2


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """`latency_ms` and `echo_return_db` are None where the microphone does not hear the speaker.

    The echo return is the level of the speaker's sound in the microphone less the level that was played.
    """

    latency_ms: float | None
    echo_return_db: float | None
    found: int  # chirps of CHIRPS


def chirp(sample_rate: int) -> NDArray[np.int16]:
    """One sweep with soft edges; `sample_rate` in Hz."""
    samples = sample_rate * CHIRP_MS // 1000
    time = np.arange(samples) / sample_rate
    length = CHIRP_MS / 1000
    phase = 2 * np.pi * (_LOW * time + (_HIGH - _LOW) / (2 * length) * time**2)
    wave = np.sin(phase) * np.hanning(samples) ** 0.5
    return np.asarray(np.rint(wave * 32767 * 10 ** (CHIRP_DBFS / 20)), np.int16)


def loop_signal(sample_rate: int) -> NDArray[np.int16]:
    """What is played: silence, the chirps, and silence in which the last of them can come back."""
    step = sample_rate * EVERY_MS // 1000
    lead = sample_rate * LEAD_MS // 1000
    signal = np.zeros(lead + CHIRPS * step, np.int16)
    one = chirp(sample_rate)
    for number in range(CHIRPS):
        begin = lead + number * step
        signal[begin : begin + one.size] = one
    return signal


def loop_figures(recorded: NDArray[np.int16], sample_rate: int) -> LoopFigures:
    """What the microphone heard while `loop_signal` was played, from the same moment on."""
    one = chirp(sample_rate).astype(np.float64)
    step, lead = sample_rate * EVERY_MS // 1000, sample_rate * LEAD_MS // 1000
    window = sample_rate * LONGEST_MS // 1000
    found: list[tuple[int, int]] = []  # where it is, and how much later than played
    for number in range(CHIRPS):
        begin = lead + number * step
        piece = recorded[begin : begin + window + one.size].astype(np.float64)
        alike, late = _find(one, piece)
        if alike >= ALIKE:
            found.append((begin + late, late))
    if len(found) >= _NEEDED:
        middle = float(np.median([late for _, late in found]))
        found = [(at, late) for at, late in found if abs(late - middle) <= sample_rate * _SAME_MS / 1000]
    if len(found) < _NEEDED:
        return LoopFigures(None, None, len(found))
    noise = _power(recorded[: lead // 2])
    heard = float(np.mean([_power(recorded[at : at + one.size]) for at, _ in found]))
    played = float(np.mean(one * one))
    latency = float(np.median([late for _, late in found])) * 1000 / sample_rate
    return LoopFigures(latency, 10 * float(np.log10(max(heard - noise, 1e-3) / played)), len(found))


def _find(one: NDArray[np.float64], piece: NDArray[np.float64]) -> tuple[float, int]:
    """(likeness 0 … 1, place) of the best fit of `one` within `piece`."""
    places = piece.size - one.size + 1
    if places < 1:
        return 0.0, 0
    size = 1 << (piece.size + one.size - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(piece, size) * np.conj(np.fft.rfft(one, size)), size)[:places]
    energies = np.concatenate(([0.0], np.cumsum(piece * piece)))
    energies = energies[one.size :][:places] - energies[:places]
    loud = energies > one.size * 0.25  # below half a step of the converter there is nothing to find
    if not loud.any():
        return 0.0, 0
    likeness = np.where(loud, np.abs(products) / np.sqrt(np.where(loud, energies, 1.0) * float(one @ one)), 0.0)
    best = int(np.argmax(likeness))
    return float(likeness[best]), best


def _power(samples: NDArray[np.int16]) -> float:
    wide = samples.astype(np.float64)
    return float(np.mean(wide * wide)) if wide.size else 0.0
