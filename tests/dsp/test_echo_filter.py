"""The linear echo filter and the word of who talks, in a synthetic room."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.dsp.double_talk import NearTalk
from softphone.dsp.echo_filter import BLOCK, HEADROOM, RATE, EchoFilter
from softphone.dsp.resampler import Resampler
from tests.dsp import rooms
from tests.dsp.rooms import Signal, babble, drifting, echo_of, hiss, impulse_response, later, level_db

SECONDS = 12.0
FAR = babble(SECONDS, 1)
ECHO = echo_of(FAR, impulse_response())
NOISE = hiss(SECONDS)


class Heard:
    """A run of the filter: what was left, the weight of the talker and the drift, block by block, at 16 kHz."""

    def __init__(self, microphone: Signal, far: Signal = FAR) -> None:
        near, played = at_16_khz(microphone), at_16_khz(far)
        late = np.concatenate((np.zeros(HEADROOM, np.float32), near))[: near.size]
        self.filter, talk = EchoFilter(), NearTalk()
        self.microphone, left, weights = late, [], []
        for at in range(0, near.size - BLOCK + 1, BLOCK):
            beginnings = self.filter.beginnings
            left.append(self.filter.process(late[at : at + BLOCK], played[at : at + BLOCK]))
            if self.filter.beginnings != beginnings:
                talk.forget()
            weights.append(talk.observe(self.filter.error_spectrum, self.filter.echo_spectrum))
        self.left, self.weights = np.concatenate(left), np.array(weights)

    def erle_db(self, begin_s: float, end_s: float) -> float:
        part = slice(int(begin_s * RATE), int(end_s * RATE))
        return level_db(self.microphone[part].astype(float)) - level_db(self.left[part].astype(float))


def at_16_khz(signal: Signal) -> np.ndarray:
    return Resampler(rooms.RATE, RATE).process(rooms.whole(signal)).astype(np.float32)


def test_an_echo_is_learnt_and_taken_away_and_nobody_is_said_to_talk() -> None:
    heard = Heard(ECHO + NOISE)
    assert heard.erle_db(8, 12) > 20
    assert heard.filter.beginnings < 3  # before it has learnt anything
    assert heard.weights.mean() < 0.05


def test_a_talker_is_kept_and_recognised_while_the_far_end_talks() -> None:
    near = babble(SECONDS, 2) * 0.7
    near[: 5 * rooms.RATE] = 0
    heard = Heard(ECHO + NOISE + near)
    said = np.concatenate((np.zeros(HEADROOM), at_16_khz(near)))[: heard.left.size]
    part = slice(7 * RATE, 12 * RATE)
    echo_left = level_db(heard.left[part] - said[part])
    assert level_db(said[part]) - echo_left > 12
    loud = np.convolve(said[: said.size // BLOCK * BLOCK].reshape(-1, BLOCK).std(axis=1), np.ones(5) / 5, "same") > 500
    assert heard.weights[700:][loud[700:]].mean() > 0.7


def test_without_a_sound_of_the_speaker_the_microphone_passes_as_it_is() -> None:
    heard = Heard(NOISE, np.zeros_like(FAR))
    assert np.array_equal(heard.left, heard.microphone[: heard.left.size])


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_two_clocks_that_drift_are_followed(ppm: float) -> None:
    heard = Heard(drifting(ECHO, ppm) + NOISE)
    assert heard.filter.drift_ppm == pytest.approx(ppm, abs=25)
    assert heard.erle_db(9, 12) > 15


def test_a_path_that_jumps_is_learnt_anew_and_not_taken_for_a_talker() -> None:
    heard = Heard(later(ECHO, 6, 0.06) + NOISE)
    assert heard.filter.beginnings > 0
    assert heard.weights.mean() < 0.05
    assert heard.erle_db(10, 12) > 10


def test_an_echo_that_is_later_than_the_filter_is_left_as_it_is() -> None:
    heard = Heard(echo_of(FAR, impulse_response(), delay_s=0.35) + NOISE)
    assert heard.erle_db(6, 12) > -1.5
    assert heard.weights[600:].mean() < 0.05
