"""A sound file of the person's own as a ring tone: WAV, FLAC, Ogg, MP3, whatever libsndfile reads.

Owns: its limits, and how it is made fit to be repeated. Reads in pieces, so that what a header claims costs nothing.
`ring_octets` blocks on the disk, which may never answer; `ring_of` takes a part of a second. Neither is called on the
loop or on the media thread.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from softphone.engine.audio.backend import Samples
from softphone.errors import Failure, FailureKind, OperationFailed

LARGEST_FILE = 32 * 1024 * 1024
"""Octets."""
LONGEST_S = 30.0
"""What comes after it is not heard: the ring begins again."""
_SHORTEST_S = 0.05
_RATES = (4000, 192_000)  # Hz
_MOST_CHANNELS = 8
_PIECE_S = 1.0
_PAUSE_S, _SHORTEST_PERIOD_S = 1.0, 4.0  # a short chime is not repeated without rest
_FADE_S = 0.02
_FULL_SCALE = 32767.0
_QUIETEST_PEAK = 1e-3  # less is silence
_PEAK = 0.5  # of full scale: files come as loud as they like, and a phone should ring alike


def ring_octets(name: str) -> bytes:
    """What is in the file. Raises OperationFailed (SETTINGS)."""
    path = Path(name).expanduser()
    try:
        if not path.is_absolute():
            raise _unusable(path, "is named without its folder")
        if not path.is_file():  # nor a pipe or a device, which could hold us for ever
            raise _unusable(path, "is not there" if not path.exists() else "is not a file")
        if path.stat().st_size > LARGEST_FILE:
            raise _unusable(path, f"is larger than {LARGEST_FILE // 1024 // 1024} MB")
        with path.open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or error}") from error


def ring_of(name: str, octets: bytes, sample_rate: int) -> Samples:
    """One period at `sample_rate` Hz, mono: the sound and the pause after it. Raises OperationFailed (SETTINGS)."""
    path = Path(name)
    try:
        signal, rate = _decoded(path, octets)
    except soundfile.LibsndfileError as error:
        raise _unusable(path, f"cannot be played: {str(error).rpartition(': ')[2].rstrip('. ')}") from error
    if signal.size < rate * _SHORTEST_S:
        raise _unusable(path, "has no sound in it")
    peak = float(np.abs(signal).max())
    if peak < _QUIETEST_PEAK:
        raise _unusable(path, "is silent")
    signal *= _PEAK / peak
    fade = max(1, int(rate * _FADE_S))
    signal[-fade:] *= np.linspace(1, 0, min(fade, signal.size), dtype=np.float32)
    if rate != sample_rate:
        signal = soxr.resample(signal, rate, sample_rate, "HQ")
    pause = max(int(sample_rate * _PAUSE_S), int(sample_rate * _SHORTEST_PERIOD_S) - signal.size)
    whole = np.concatenate((signal, np.zeros(pause, np.float32)))
    samples: Samples = np.clip(np.rint(whole * _FULL_SCALE), -32768, 32767).astype(np.int16)
    return samples


def _decoded(path: Path, octets: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono samples of the file's beginning, and their rate in Hz."""
    with soundfile.SoundFile(io.BytesIO(octets)) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        if not _RATES[0] <= rate <= _RATES[1] or not 1 <= channels <= _MOST_CHANNELS:
            raise _unusable(path, f"has {channels} channels of {rate} Hz")
        pieces: list[NDArray[np.float32]] = []
        left = int(rate * LONGEST_S)
        while left > 0:
            piece = file.read(min(left, int(rate * _PIECE_S)), dtype="float32", always_2d=True)
            if not len(piece):
                break
            pieces.append(piece.mean(axis=1, dtype=np.float32))
            left -= len(piece)
    signal = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return np.nan_to_num(signal, posinf=1.0, neginf=-1.0), rate


def _unusable(path: Path, what: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.SETTINGS,
            f"The ring tone {path.name} {what}, so the built-in one is heard.",
            "Choose a WAV, FLAC, Ogg or MP3 file in the settings, or the built-in ring tone.",
            (str(path),),
        )
    )
