"""What Opus' redundancy is worth: PESQ-WB of speech that loses packets, with it and with the library's PLC alone.

Run by `make bench`; no network, no clock: the same speech, the same losses, the same bit rate. The encoder with
redundancy has been told of 10 % of loss, as the peer's reports would; the one without spends all bits on speech.
"""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from pesq import pesq

from softphone.codecs.opus import SAMPLE_RATE, Opus
from softphone.engine.media.codec_libraries import opus_library
from tests.bench.speech_scores import STRETCHES
from tests.peers.speech import Samples, Speech, read_wav

FRAME = SAMPLE_RATE // 50
SEEDS = range(3)
LEAST_GAIN = 1.0
"""PESQ-WB above plain PLC at 10 % of loss."""


def heard(said: Samples, loss: float, seed: int, redundancy: bool) -> NDArray[np.int16]:
    """Each lost frame is recovered from the packet after it, as the receiver does it, where that is not lost too."""
    sender = Opus(opus_library(), f"useinbandfec={int(redundancy)}")
    receiver = Opus(opus_library())
    sender.expect_loss(loss if redundancy else 0.0)
    frames = said[: said.size // FRAME * FRAME].reshape(-1, FRAME)
    packets = [sender.encode(frame) for frame in frames]
    chance = random.Random(seed)
    arrived = [packet if chance.random() >= loss else None for packet in packets]
    played = []
    for number, packet in enumerate(arrived):
        if packet is not None:
            played.append(receiver.decode(packet))
        else:
            following = arrived[number + 1] if redundancy and number + 1 < len(arrived) else None
            played.append(receiver.recover(following, FRAME))
    return np.concatenate(played)


def score(speech: Speech, loss: float, redundancy: bool) -> list[float]:
    scores = []
    for stretch in STRETCHES:
        said = read_wav(speech.wav(SAMPLE_RATE, stretch))[0]
        reference = read_wav(speech.wav(16_000, stretch))[0]
        for seed in SEEDS:
            sound = heard(said, loss, seed, redundancy).astype(np.float32)
            degraded = np.clip(soxr.resample(sound, SAMPLE_RATE, 16_000), -32768, 32767).astype(np.int16)
            scores.append(float(pesq(16_000, reference, degraded, "wb")))
    return scores


def test_redundancy_is_worth_a_point_of_pesq_at_ten_per_cent_of_loss(speech: Speech) -> None:
    print("\n| loss | with redundancy | PLC alone | difference |\n|---|---|---|---|")
    gain = {}
    for loss in (0.0, 0.03, 0.10, 0.20):
        with_it, without = (statistics.median(score(speech, loss, redundancy)) for redundancy in (True, False))
        gain[loss] = with_it - without
        print(f"| {loss:.0%} | {with_it:.2f} | {without:.2f} | {gain[loss]:+.2f} |", flush=True)
    assert gain[0.10] >= LEAST_GAIN


pytestmark = pytest.mark.peer
