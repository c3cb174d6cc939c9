"""Spoken sentences as WAV files, made once for each test run by espeak-ng and sox.

Owns: the files in its directory. Must not know: who plays them.

Mono, 16 bits, normalised to -3 dB. The files end with `tail` seconds of silence, and start at once: alignment is found
by correlation, never by the clock.
"""

import struct
import subprocess
import wave
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.correlation import best_alignment
from tests.peers.process import require

SENTENCE = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
"""Harvard sentences, list 1: phonetically balanced speech."""
OTHER_SENTENCE = "Rice is often served in round bowls. The juice of lemons makes fine punch."
LONG = 120
"""Seconds that a repeated file lasts at least: longer than any call of the tests."""

Samples = NDArray[np.int16]


class Speech:
    """A cache of sentences in `directory`."""

    def __init__(self, directory: Path) -> None:
        require("espeak-ng", "sox")
        self._directory = directory

    def wav(self, rate: int = 8000, sentence: str = SENTENCE, *, channels: int = 1, tail: float = 0.5) -> Path:
        """The file with `sentence` at `rate` Hz, followed by `tail` seconds of silence."""
        name = f"{zlib.crc32(sentence.encode()):08x}-{tail:g}"
        spoken = self._directory / f"{name}.wav"
        if not spoken.exists():
            subprocess.run(["espeak-ng", "-v", "en", "-w", str(spoken), sentence], check=True, timeout=20)
        ready = self._directory / f"{name}-{rate}-{channels}.wav"
        if not ready.exists():
            command = ["sox", "-G", str(spoken), "-r", str(rate), "-c", str(channels), "-b", "16", str(ready)]
            subprocess.run([*command, "norm", "-3", "pad", "0", str(tail)], check=True, timeout=20)
        return ready


def read_wav(path: Path) -> tuple[Samples, int]:
    """16-bit samples of the first channel, and the rate in Hz.

    A WAV file that its writer has not closed names a length of 0 or of nonsense: then everything after the header
    counts, so that a recording can be heard while it still runs.
    """
    content = path.read_bytes()
    format_chunk, data_chunk = content.find(b"fmt "), content.find(b"data")
    if format_chunk < 0 or data_chunk < 0:
        raise ValueError(f"{path.name}: no sound yet")
    channels, rate = struct.unpack_from("<HI", content, format_chunk + 10)
    width = struct.unpack_from("<H", content, format_chunk + 22)[0]
    if width != 16:
        raise ValueError(f"{path.name}: {width} bits, not 16")
    start = data_chunk + 8
    frames = np.frombuffer(content[start : start + (len(content) - start) // (2 * channels) * 2 * channels], "<i2")
    return frames.reshape(-1, channels)[:, 0].astype(np.int16), rate


def likeness(said: Samples, heard: Samples, rate: int) -> float:
    """How much of what was said is in what was heard: the median correlation of half-second pieces, 0 ... 1.

    Piece by piece, because a jitter buffer or a sound card may slip some samples in the middle of a sentence: that is
    inaudible, and ruins the correlation of the whole. Two rates must be the same; 1 s is needed.
    """
    step = rate // 2
    pieces = [said[start : start + step] for start in range(0, len(said) - step + 1, step)]
    return float(np.median([best_alignment(piece, heard, rate)[0] for piece in pieces]))


def tone(path: Path, rate: int, frequency: int = 440) -> None:
    """Write one second of a tone at -12 dB, mono, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((8192 * np.sin(np.arange(rate) * (2 * np.pi * frequency / rate))).astype("<i2").tobytes())


def repeat(speech: Path, endless: Path, seconds: int = LONG) -> int:
    """Copy a WAV file as often as fills so many seconds; return its rate in Hz."""
    with wave.open(str(speech), "rb") as once, wave.open(str(endless), "wb") as again:
        again.setparams(once.getparams())
        samples = once.readframes(once.getnframes())
        for _ in range(seconds * once.getframerate() // once.getnframes() + 1):
            again.writeframesraw(samples)
        return once.getframerate()
