"""Two voices as the octets of a sound file, as they come: FLAC, or Opus in Ogg.

Owns: the encoder and what it wants written where. Must not know: files, encryption, calls.

Both streams are readable up to any point where the encoder handed something over. What FLAC's encoder goes back for at
the end (length and checksum in STREAMINFO, RFC 9639 §8.2) is handed over as patches, to be applied when the sound is
exported: the sealed file is only ever appended to. Until then the length is 0, which is valid and means "not known".
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.resampler import Resampler
from softphone.engine.audio.backend import Samples
from softphone.policy.recording import RecordingFormat

OPUS_RATE = 48_000
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # Hz that it takes as they are
_OPUS_COMPRESSION = 0.85  # of libsndfile's scale from 0 to 1: about 90 kbit/s for both voices
_STREAMINFO_AT = 8  # "fLaC", the block's header
_TOTAL_AT = _STREAMINFO_AT + 13  # its low four bits and the next four octets


@dataclass(frozen=True, slots=True)
class Sound:
    """The next octets of the file; `samples` of each channel that the file holds with them."""

    octets: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Patch:
    """Octets that replace those at `position`."""

    position: int
    octets: bytes


class SoundStream:
    """`sample_rate` in Hz is that of the samples; `rate` that of the file."""

    def __init__(self, kind: RecordingFormat, sample_rate: int) -> None:
        import soundfile  # a tenth of a second, and only who records needs it

        opus = kind is RecordingFormat.OPUS
        self.rate = sample_rate if not opus or sample_rate in _OPUS_RATES else OPUS_RATE
        self._resamplers = (
            None if self.rate == sample_rate else tuple(Resampler(sample_rate, self.rate) for _ in range(2))
        )
        self._file = _OpusFile(self.rate) if opus else _FlacFile()
        self._encoder = soundfile.SoundFile(
            self._file,
            "w",
            self.rate,
            2,
            format="OGG" if opus else "FLAC",
            subtype="OPUS" if opus else "PCM_16",
            compression_level=_OPUS_COMPRESSION if opus else None,
        )
        self.samples = 0  # taken in, of each channel, at the file's rate

    def write(self, left: Samples, right: Samples) -> None:
        """Both channels for the same time."""
        if self._resamplers is not None:
            left, right = self._resamplers[0].process(left), self._resamplers[1].process(right)
        self.samples += left.size
        both: NDArray[np.int16] = np.stack((left, right), axis=1)
        self._encoder.write(both)

    def close(self) -> None:
        """What the encoder still holds comes out; `take` it."""
        self._encoder.close()

    def take(self) -> list[Sound | Patch]:
        """What the encoder has handed over since the last time."""
        taken, self._file.pieces = self._file.pieces, []
        return taken


class _SoundFile(io.RawIOBase):
    """What the encoder takes for a file. It holds nothing that was taken from it."""

    def __init__(self) -> None:
        self.pieces: list[Sound | Patch] = []
        self._at = 0
        self._size = 0
        self._samples = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> int:  # type: ignore[override]
        octets = bytes(data)
        if self._at < self._size:
            self.pieces.append(Patch(self._at, octets))
        else:
            self._count(octets)
            self.pieces.append(Sound(octets, self._samples))
        self._at += len(octets)
        self._size = max(self._size, self._at)
        return len(octets)

    def _count(self, octets: bytes) -> None:
        """How many samples the file holds with these octets at its end."""
        raise NotImplementedError


class _FlacFile(_SoundFile):
    """Each write after the headers is a frame of STREAMINFO's block size (RFC 9639 §9.1)."""

    _block = 0

    def _count(self, octets: bytes) -> None:
        if self._block and octets[:2] == b"\xff\xf8":
            self._samples += self._block
        elif len(octets) == 38:  # STREAMINFO with its header
            self._block = int.from_bytes(octets[4:6], "big")


class _OpusFile(_SoundFile):
    """Each page says at its beginning how far it goes, in samples of 48 kHz (RFC 7845 §4)."""

    _PRE_SKIP = 312

    def __init__(self, rate: int) -> None:
        super().__init__()
        self._rate = rate
        self._begun = 0  # how far it goes with the page of which only the beginning came

    def _count(self, octets: bytes) -> None:
        if octets[:4] == b"OggS" and len(octets) >= 14:
            (position,) = struct.unpack_from("<q", octets, 6)
            self._begun = (position - self._PRE_SKIP) * self._rate // OPUS_RATE
        else:
            self._samples = max(self._samples, self._begun)


def length_patch(octets: bytes, samples: int) -> Patch | None:
    """The length for a FLAC file that was cut off: a player shows how long it is. `octets` are its first 42 or more."""
    if octets[:4] != b"fLaC" or len(octets) < _STREAMINFO_AT + 34 or not 0 < samples < 2**36:
        return None
    high = octets[_TOTAL_AT] & 0xF0 | samples >> 32
    return Patch(_TOTAL_AT, bytes((high,)) + (samples & 0xFFFFFFFF).to_bytes(4, "big"))
