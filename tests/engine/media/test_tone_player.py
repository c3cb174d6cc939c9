"""softphone/engine/media/tone_player.py: tones end by themselves, rings repeat and grow, blocks join."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.ring_tone import RISE_S, built_in
from softphone.dsp.tone import Tone
from softphone.engine.media.tone_player import Player, Ring, Score, Sound

RATE = 48_000
BLOCK = RATE // 100


def played(sound: Sound, seconds: float, rate: int = RATE) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    player = Player(sound, rate)
    return np.concatenate([player.block(rate // 100) for _ in range(round(seconds * 100))])


def test_a_tone_with_a_length_ends() -> None:
    player = Player(Score(Tone((440.0,)), 30), RATE)
    over = []
    for _ in range(4):
        player.block(BLOCK)
        over.append(player.over)
    assert over == [False, False, True, True]


def test_a_ring_goes_on_and_begins_again() -> None:
    period = np.arange(1, 1001, dtype=np.int16)
    heard = played(Ring(period, RATE, rising=False), 0.1)
    assert (heard == np.tile(period, 5)[: heard.size]).all()
    assert not Player(Ring(period, RATE), RATE).over


def test_a_ring_begins_softly_and_ends_up_at_its_own_loudness() -> None:
    heard = played(Ring(built_in(RATE), RATE), RISE_S + 8).astype(int)
    rings = [int(np.abs(heard[second * RATE : (second + 1) * RATE]).max()) for second in (0, 4, 8, 12)]
    assert rings[0] < rings[1] < rings[2] == rings[3] == np.abs(built_in(RATE).astype(int)).max()
    assert rings[0] < 0.2 * rings[3]
    steps = np.abs(np.diff(heard[: 3 * RATE]))
    assert steps.max() < 3000  # the gain changes without a click


@pytest.mark.parametrize("ring", [Ring(), Ring(np.zeros(0, np.int16), 16_000), Ring(np.ones(5, np.int16), RATE)])
def test_what_is_not_made_for_this_device_is_the_built_in_ring(ring: Ring) -> None:
    heard = played(ring, 14, rate=16_000)
    assert np.abs(heard.astype(int)).max() == np.abs(built_in(16_000).astype(int)).max()
