"""The reference of the echo canceller: what sounded beside each block of the microphone, whatever the queues did."""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import Samples
from softphone.engine.audio.played_reference import PlayedReference

BLOCK = 480
ROUND = 30_000


class Desk:
    """A speaker and a microphone that hears it `way` samples later; every sample of sound has its own value."""

    def __init__(self, way: int = 1000) -> None:
        self.reference = PlayedReference()
        self.way = way
        self.handed = self.taken_by_device = self.captured = self.taken = 0
        for _ in range(4):  # what waits in the device's buffer
            self.hand_over()

    def hand_over(self) -> None:
        sound = np.arange(self.handed, self.handed + BLOCK) % ROUND
        self.handed += BLOCK
        self.reference.played(sound.astype(np.int16), self.taken_by_device)

    def tick(self, *, plays: int = BLOCK, captures: int = BLOCK, takes: int = BLOCK) -> Samples | None:
        self.taken_by_device += plays
        self.hand_over()
        self.captured += captures
        self.reference.captured(self.captured)
        if not takes:
            return None
        self.taken += takes
        return self.reference.beside(self.taken)

    def path(self) -> int:
        """How much later than its reference the microphone's next block hears a sound."""
        beside = self.tick()
        assert beside is not None
        heard_last = self.taken_by_device - (self.captured - self.taken) - self.way
        return (int(beside[-1]) + 1 - heard_last + ROUND // 2) % ROUND - ROUND // 2


def test_the_reference_is_silent_before_a_speaker_plays() -> None:
    reference = PlayedReference()
    reference.captured(480)
    assert reference.beside(480) is None


def test_sound_comes_in_order_and_as_much_earlier_as_the_way_is_long() -> None:
    desk = Desk()
    blocks = [desk.tick() for _ in range(30)]
    sound = np.concatenate([block for block in blocks[10:] if block is not None])
    assert (np.diff(sound) == 1).all()
    assert desk.path() == desk.way


def test_blocks_that_the_microphones_queue_drops_do_not_move_the_pairing() -> None:
    desk = Desk()
    for _ in range(20):
        desk.tick()
    before = desk.path()
    desk.tick(takes=0)
    desk.tick(takes=0)
    for _ in range(3):
        desk.tick()
    desk.taken += 2 * BLOCK  # dropped by the queue
    assert desk.path() == before


def test_counts_that_come_in_bursts_do_not_move_the_pairing() -> None:
    desk = Desk()
    for _ in range(50):
        desk.tick()
    sound = []
    for number in range(200):
        block = desk.tick(captures=2 * BLOCK if number % 2 else 0, plays=BLOCK, takes=BLOCK if number else 0)
        if block is not None:
            sound.append(block)
    assert (np.diff(np.concatenate(sound).astype(int)) == 1).mean() > 0.995


def test_a_stretched_block_has_a_stretched_reference() -> None:
    desk = Desk()
    for _ in range(20):
        desk.tick()
    beside = desk.tick(takes=BLOCK + 8, captures=BLOCK + 8, plays=BLOCK + 8)
    assert beside is not None
    assert beside.size == BLOCK
    assert int(beside[-1]) - int(beside[0]) == BLOCK + 7


def test_a_speaker_that_stood_still_is_paired_anew_within_half_a_second() -> None:
    desk = Desk()
    for _ in range(400):
        desk.tick()
    for _ in range(6):
        desk.tick(plays=0)
    for _ in range(100):
        desk.tick()
    assert abs(desk.path() - desk.way) < 240


def test_a_drift_is_followed_a_sample_at_a_time() -> None:
    desk = Desk()
    for _ in range(300):
        desk.tick()
    paths = []
    for _ in range(1000):  # 350 ppm
        desk.tick(captures=BLOCK - 1, takes=BLOCK - 1)
        for _ in range(4):
            desk.tick()
        paths.append(desk.path())
    assert abs(np.diff(paths)).max() <= 4
    assert abs(paths[-1] - desk.way) < 500


def test_another_stream_begins_the_count_again() -> None:
    desk = Desk()
    for _ in range(20):
        desk.tick()
    desk.reference.speaker_began()
    assert desk.reference.beside(desk.taken + BLOCK) is None
