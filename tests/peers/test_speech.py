"""The measure of the rig's speech itself: what a busy machine does passes, what a broken phone does fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from softphone.codecs.g711 import Pcmu
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav

RATE = 8000
FRAME = RATE // 50
PASSED, FAILED = 0.9, 0.87  # the rig's tests ask for 0.9

pytestmark = pytest.mark.peer


@pytest.fixture
def said(speech: Speech) -> Samples:
    return read_wav(speech.wav(RATE))[0][: 2 * RATE]


def _frames(said: Samples) -> list[Samples]:
    return np.split(said, range(FRAME, said.size, FRAME))


def _call(*parts: Samples) -> Samples:
    """A recording: silence, what was heard, silence."""
    silence = np.zeros(RATE, np.int16)
    return np.concatenate([silence, *parts, silence])


def _through_pcmu(said: Samples) -> Samples:
    codec = Pcmu()
    return np.concatenate([codec.decode(codec.encode(frame)) for frame in _frames(said)])


def _stalled(said: Samples) -> Samples:
    """The player stood still for 250 ms: all that follows is later."""
    return np.concatenate([said[: RATE // 2], np.zeros(RATE // 4, np.int16), said[RATE // 2 :]])


def _starved(said: Samples) -> Samples:
    """300 ms never came."""
    broken = said.copy()
    broken[RATE // 2 : RATE * 8 // 10] = 0
    return broken


def _slipped(said: Samples) -> Samples:
    """A few milliseconds more or less two or three times a second: clocks that drift, a jitter buffer that follows."""
    chance = np.random.default_rng(3)
    pieces = np.split(said, [round(second * RATE) for second in (0.4, 0.75, 1.2, 1.65)])
    return np.concatenate([piece[int(chance.integers(0, 80)) :] for piece in pieces])


def _one_frame_lost_now_and_then(said: Samples) -> Samples:
    frames = _frames(said)
    for number in (14, 39, 71):
        frames[number] = np.zeros(FRAME, np.int16)
    return np.concatenate(frames)


def _quiet(said: Samples) -> Samples:
    return (said // 16).astype(np.int16)


@pytest.mark.parametrize(
    "harm",
    [_through_pcmu, _stalled, _starved, _slipped, _one_frame_lost_now_and_then, _quiet],
    ids=lambda f: f.__name__,
)
def test_what_a_busy_machine_does_to_speech_leaves_it_alike(said: Samples, harm: Callable[[Samples], Samples]) -> None:
    assert likeness(said, _call(harm(said)), RATE) > PASSED


def _every_third_frame_doubled(said: Samples) -> Samples:
    return np.concatenate([np.tile(frame, 2 if n % 3 == 0 else 1) for n, frame in enumerate(_frames(said))])


def _every_fifth_frame_dropped(said: Samples) -> Samples:
    return np.concatenate([frame for n, frame in enumerate(_frames(said)) if n % 5])


def _every_fifth_frame_doubled(said: Samples) -> Samples:
    return np.concatenate([np.tile(frame, 2 if n % 5 == 0 else 1) for n, frame in enumerate(_frames(said))])


def _frames_swapped(said: Samples) -> Samples:
    frames = _frames(said)
    return np.concatenate([frames[n ^ 1] for n in range(len(frames) // 2 * 2)])


def _half_seconds_doubled(said: Samples) -> Samples:
    return np.concatenate([np.tile(half, 2) for half in np.split(said, range(RATE // 2, said.size, RATE // 2))])


def _every_third_frame_silent(said: Samples) -> Samples:
    return np.concatenate([frame * (n % 3 > 0) for n, frame in enumerate(_frames(said))])


def _noisy(said: Samples) -> Samples:
    noise = np.random.default_rng(1).normal(0, said.std(), said.size)
    return np.clip(said + noise, -32768, 32767).astype(np.int16)


def _backwards(said: Samples) -> Samples:
    return said[::-1]


def _mostly_lost(said: Samples) -> Samples:
    broken = said.copy()
    broken[RATE * 6 // 10 :] = 0
    return broken


@pytest.mark.parametrize(
    "harm",
    [
        *(_every_third_frame_doubled, _every_fifth_frame_dropped, _every_fifth_frame_doubled, _frames_swapped),
        *(_half_seconds_doubled, _every_third_frame_silent, _noisy, _backwards, _mostly_lost),
    ],
    ids=lambda f: f.__name__,
)
def test_speech_that_is_damaged_all_along_is_not_alike(said: Samples, harm: Callable[[Samples], Samples]) -> None:
    assert likeness(said, _call(harm(said)), RATE) < FAILED


def test_noise_silence_and_other_words_are_not_alike(said: Samples, speech: Speech) -> None:
    noise = np.random.default_rng(2).integers(-8000, 8000, 8 * RATE).astype(np.int16)
    assert likeness(said, noise, RATE) < 0.3, "as of a wrong key"
    assert likeness(said, np.zeros(8 * RATE, np.int16), RATE) == 0
    assert likeness(said, np.zeros(0, np.int16), RATE) == 0
    other = read_wav(speech.wav(RATE, OTHER_SENTENCE))[0]
    assert likeness(said, np.tile(other, 4), RATE) < 0.5


def test_speech_is_found_wherever_it_is_in_a_recording(said: Samples, speech: Speech) -> None:
    other = read_wav(speech.wav(RATE, OTHER_SENTENCE))[0]
    assert likeness(said, np.concatenate([other, said, other]), RATE) > 0.99
    assert likeness(said, np.concatenate([said[: RATE // 2], other, _starved(said), _stalled(said)]), RATE) > PASSED
