"""Mouth-to-ear delay: band-limited chirps into the caller's microphone sink, found again at the callee's speaker sink.

Both ends are recorded from PulseAudio monitors; how far apart the two recordings began is read while they run.
"""

from __future__ import annotations

import statistics

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.correlation import best_alignment
from tests.peers.pulse import RATE, PulseRig, settle

CHIRP_MS = 200
FOUND = 0.4  # correlation from which a chirp counts as found


def chirp() -> NDArray[np.int16]:
    count = RATE * CHIRP_MS // 1000
    t = np.arange(count) / RATE
    sweep = np.sin(2 * np.pi * (500 * t + 2500 * t * t / 2 / (CHIRP_MS / 1000)))
    return np.asarray(16000 * sweep * np.hanning(count), np.int16)


def mouth_to_ear_ms(rig: PulseRig, chirps: int = 8) -> list[float]:
    """The delay of each chirp that was found at both ends, from phone a's microphone to phone b's speaker."""
    rng = np.random.default_rng(7)
    pieces: list[NDArray[np.int16]] = [np.zeros(RATE // 2, np.int16)]
    for _ in range(chirps):
        pieces += [chirp(), np.zeros(int(RATE * (0.8 + 0.3 * rng.random())), np.int16)]
    signal = np.concatenate(pieces)
    mouth, ear = rig.record("a_mic.monitor"), rig.record("b_spk.monitor")
    rig.play_samples("a_mic", signal)
    ahead: list[int] = []  # samples by which one recording is longer than the other at the same moment
    for _ in range(int(signal.size / RATE / 0.1) + 15):
        settle(0.1)
        ahead.append(mouth.delivered() - ear.delivered())
    said, heard = mouth.stop(), ear.stop()
    offset = statistics.median(ahead)
    delays = []
    for start in _chirps_in(said):
        lowest = max(0, int(start - offset))
        window = heard[lowest : lowest + int(RATE * 0.7)]
        correlation, at_ms = best_alignment(chirp(), window, RATE)
        if correlation > FOUND:
            delays.append(at_ms + (lowest - (start - offset)) * 1000 / RATE)
    return delays


def _chirps_in(recording: NDArray[np.int16]) -> list[int]:
    """Where chirps begin: the loudest match of each stretch that holds one."""
    found, at = [], 0
    while at + RATE < recording.size:
        correlation, delay_ms = best_alignment(chirp(), recording[at : at + RATE], RATE)
        start = at + int(delay_ms * RATE / 1000)
        if correlation > FOUND:
            found.append(start)
            at = start + RATE * (CHIRP_MS + 300) // 1000
        else:
            at += RATE // 2
    return found
