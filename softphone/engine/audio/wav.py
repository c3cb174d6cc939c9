"""WAV files: read any that carries PCM or float samples, write one that is valid at every moment.

Owns: the RIFF chunks (Microsoft "Multimedia Programming Interface and Data Specifications 1.0", WAVEFORMATEXTENSIBLE).
Must not know: calls, devices. A file that cannot be used raises OperationFailed with a reason for people.
"""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
from numpy.typing import NDArray

from softphone.engine.audio.backend import Samples
from softphone.errors import Failure, FailureKind, OperationFailed

_LARGEST = 512 * 1024 * 1024
"""Octets of a file that is read whole into memory: 90 minutes at 48 kHz stereo."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FULL_SCALE = 32768.0


def read_wav(path: Path, sample_rate: int) -> Samples:
    """The file as int16 mono at `sample_rate` Hz: channels averaged, resampled. Raises OperationFailed."""
    try:
        if path.stat().st_size > _LARGEST:
            raise _unusable(path, "is larger than 512 MiB")
        octets = path.read_bytes()
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    signal, rate = _decode(path, octets)
    if rate != sample_rate:
        signal = soxr.resample(signal, rate, sample_rate, "HQ").astype(np.float32)
    samples: Samples = np.clip(np.rint(signal * _FULL_SCALE), -32768, 32767).astype(np.int16)
    return samples


def _decode(path: Path, octets: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono samples from -1 to 1, and their rate in Hz."""
    chunks = _chunks(octets)
    header, data = chunks.get(b"fmt "), chunks.get(b"data")
    if header is None or len(header) < 16 or data is None:
        raise _unusable(path, "is not a WAV file")
    encoding, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", header)
    if encoding == _EXTENSIBLE and len(header) >= 26:
        encoding = struct.unpack_from("<H", header, 24)[0]
    if not 1 <= channels <= 64 or not 1000 <= rate <= 768_000 or block != channels * bits // 8:
        raise _unusable(path, "has a damaged header")
    usable = data[: len(data) // block * block]
    match encoding, bits:
        case (1, 8):
            flat = (np.frombuffer(usable, np.uint8).astype(np.float32) - 128.0) / 128.0
        case (1, 16):
            flat = np.frombuffer(usable, "<i2").astype(np.float32) / _FULL_SCALE
        case (1, 24):
            wide = np.zeros((len(usable) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(usable, np.uint8).reshape(-1, 3)
            flat = wide.view("<i4")[:, 0].astype(np.float32) / 2.0**31
        case (1, 32):
            flat = np.frombuffer(usable, "<i4").astype(np.float32) / np.float32(2.0**31)
        case (3, 32 | 64):
            flat = np.frombuffer(usable, f"<f{bits // 8}").astype(np.float32)
            flat = np.nan_to_num(flat, posinf=1.0, neginf=-1.0)
        case _:
            raise _unusable(path, f"has an encoding that is not supported (format {encoding}, {bits} bits)")
    return flat.reshape(-1, channels).mean(axis=1, dtype=np.float32), rate


def _chunks(octets: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name; a length beyond the end (a recording cut short) is cut to what is there."""
    if len(octets) < 12 or octets[:4] != b"RIFF" or octets[8:12] != b"WAVE":
        return {}
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(octets):
        name, length = octets[at : at + 4], int.from_bytes(octets[at + 4 : at + 8], "little")
        found.setdefault(name, octets[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def _unusable(path: Path, what: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.USAGE,
            f"The sound file {path.name} {what}.",
            "Name a WAV file with PCM or float samples; any sample rate and number of channels will do.",
            (str(path),),
        )
    )


class WavWriter:
    """A mono 16-bit WAV file whose header tells the truth again after every second of sound: a crash leaves it valid.

    A file holds 4 GiB at most; what comes beyond is not written.
    """

    _HEADER = 44
    _LIMIT = 2**32 - 1 - _HEADER

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Raises OperationFailed where the file cannot be made."""
        self._sample_rate = sample_rate
        self._written = 0
        self._stated = 0
        self._file: BinaryIO | None = None
        try:
            self._file = path.open("wb")
            self._file.write(self._header())
            self._file.flush()
        except OSError as error:
            self._abandon()
            raise OperationFailed(
                Failure(
                    FailureKind.STORAGE,
                    f"The recording {path.name} cannot be written: {error.strerror}.",
                    "Choose a folder that you may write to and that has room.",
                    (str(path),),
                )
            ) from error

    def write(self, frame: Samples) -> None:
        """Append int16 samples. Raises OSError where the disk is full."""
        if self._file is None or self._written + 2 * frame.size > self._LIMIT:
            return
        self._file.write(frame.astype("<i2", copy=False).tobytes())
        self._written += 2 * frame.size
        if self._written - self._stated >= 2 * self._sample_rate:
            self._state()

    def close(self) -> None:
        """State the final length. Raises OSError where the disk is full; the file is closed all the same."""
        if self._file is None:
            return
        try:
            self._state()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def _state(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)
        self._file.flush()
        self._stated = self._written

    def _header(self) -> bytes:
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 36 + self._written, b"WAVE", b"fmt ", 16, _PCM, 1, self._sample_rate),
            *(self._sample_rate * 2, 2, 16, b"data", self._written),
        )
