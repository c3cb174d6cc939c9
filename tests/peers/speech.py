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

PIECE_S = 0.2  # of speech that are sought as one, each begins in the middle of the one before
LEEWAY_S = 0.03  # around the place where a piece is expected
APART_S = 0.3  # of two places in one recording: what stalls may have shifted
SOUND = 0.01  # of the mean power: below it a piece is a pause (-20 dB)

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
    """How much of what was said is in what was heard: the median correlation of its fifths of a second, 0 ... 1.

    A jitter buffer, a sound card or a busy machine may slip, repeat or lose some samples in the middle of a sentence:
    that is hardly audible, and ruins the correlation of everything around it. So half seconds are sought in the whole,
    and then each piece with sound in it is sought near a place where one of them was found, places `APART_S` apart
    at most. What is damaged all along finds no piece whole. Two rates must be the same; 1 s is needed.
    """
    half = rate // 2
    halves = [said[start : start + half] for start in range(0, len(said) - half + 1, half)]
    places = [
        round(best_alignment(piece, heard, rate)[1] * rate / 1000) - number * half
        for number, piece in enumerate(halves)
    ]
    length = round(PIECE_S * rate)
    loud = said.astype(float) @ said.astype(float) / len(said) * length * SOUND
    starts = [start for start in range(0, len(said) - length + 1, length // 2) if _energy(said[start:][:length]) > loud]
    floor = _energy(heard) / max(1, len(heard)) * length * SOUND
    best = 0.0
    for centre in set(places):
        near = [place for place in set(places) if abs(place - centre) <= APART_S * rate]
        found = [max(_near(said[at : at + length], heard, at + place, rate, floor) for place in near) for at in starts]
        best = max(best, float(np.median(found)) if found else 0.0)
    return best


def _near(piece: Samples, heard: Samples, expected: int, rate: int, floor: float) -> float:
    """The best correlation of a whole piece within `LEEWAY_S` of its place; `floor` is too little energy to count."""
    leeway = round(LEEWAY_S * rate)
    window = heard[max(0, expected - leeway) : max(0, expected + len(piece) + leeway)].astype(float)
    if len(window) < len(piece):
        return 0.0
    lags = len(window) - len(piece) + 1
    size = 1 << (len(window) - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(piece.astype(float), size)) * np.fft.rfft(window, size), size)[:lags]
    power = np.concatenate(([0.0], np.cumsum(window * window)))
    energies = power[len(piece) :] - power[:lags]
    return float((products / np.sqrt(_energy(piece) * (energies + floor) + 1.0)).max())


def _energy(samples: Samples) -> float:
    floating = samples.astype(float)
    return float(floating @ floating)


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
