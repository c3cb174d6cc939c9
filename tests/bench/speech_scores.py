"""How good speech sounds: PESQ and STOI of what was heard against what was said, stretch by stretch.

Owns: what is said, where each stretch lies in a recording, the scores. Must not know: phones, lines.
PESQ is ITU-T P.862 (narrow band, G.711) and P.862.2 (wide band); STOI is that of Taal et al. (2011), here of sound
that is put right in time first: a delay that changes is no matter of intelligibility.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from pesq import pesq
from pystoi import stoi

from softphone.dsp.correlation import best_alignment
from tests.peers.pulse import RATE
from tests.peers.speech import Samples, Speech, read_wav

STRETCHES = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell the"
    " depth of a well.",
    "These days a chicken leg is a rare dish. Rice is often served in round bowls. The juice of lemons makes fine"
    " punch.",
    "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage. Four hours of steady work"
    " faced us.",
)
"""Harvard sentences, list 1: each stretch is scored by itself."""
LEAD_S, GAP_S = 1.0, 0.6  # silence before the first, and after each
_MARGIN_S = 0.2
_PIECE_S, _LEEWAY_S = 0.4, 0.08


@dataclass(frozen=True, slots=True)
class Score:
    pesq: float
    stoi: float


def said_file(speech: Speech, directory: Path, rate: int) -> Path:
    """All stretches with their silences, as a WAV file."""
    path = directory / f"said-{rate}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(LEAD_S * rate)))
        for stretch in STRETCHES:
            file.writeframes(read_wav(speech.wav(rate, stretch, tail=GAP_S))[0].tobytes())
    return path


def scores(speech: Speech, heard: Samples, wide: bool) -> list[Score]:
    """One for each stretch; `heard` is at 48 kHz."""
    rate = 16000 if wide else 8000
    sound = np.asarray(np.clip(soxr.resample(heard.astype(np.float32), RATE, rate), -32768, 32767), np.int16)
    return [_score(read_wav(speech.wav(rate, stretch, tail=0))[0], sound, rate) for stretch in STRETCHES]


def _score(said: Samples, heard: Samples, rate: int) -> Score:
    margin = int(_MARGIN_S * rate)
    start = round(best_alignment(said, heard, rate)[1] * rate / 1000)
    silence = np.zeros(margin, np.int16)
    padded = np.concatenate([silence, heard, silence])
    cut = padded[max(0, start) : max(0, start) + said.size + 2 * margin]
    reference = np.concatenate([silence, said, silence])
    return Score(
        float(pesq(rate, reference, cut, "wb" if rate == 16000 else "nb")),
        float(stoi(said, _aligned(said, cut, rate), rate)),
    )


def _aligned(said: Samples, heard: Samples, rate: int) -> Samples:
    """`heard` (which begins a margin early), each piece moved by so little that it fits what was said best."""
    piece, leeway, margin = (int(seconds * rate) for seconds in (_PIECE_S, _LEEWAY_S, _MARGIN_S))
    moved = np.zeros(said.size, np.int16)
    for at in range(0, said.size, piece):
        wanted = said[at : at + piece]
        begin = max(0, at + margin - leeway)
        window = heard[begin : at + margin + wanted.size + leeway]
        correlation, delay = best_alignment(wanted, window, rate)
        place = begin + round(delay * rate / 1000) if correlation > 0.3 else at + margin
        found = heard[max(0, place) : max(0, place) + wanted.size]
        moved[at : at + found.size] = found
    return moved
