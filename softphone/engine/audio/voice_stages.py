"""What may be done to the microphone's sound, one after the other; each a small object with the same method.

Owns: the stages and `make_stages`. Must not know: devices, settings, threads. WebRTC's parts come from `pywebrtc-audio`
(AEC3, its noise suppressor and gain controller), which is loaded when the first of them is wanted. Blocks are 10 ms at
48 kHz, int16 mono; `far` is what the speaker played meanwhile.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.double_talk import NearTalk
from softphone.dsp.echo_filter import BLOCK, HEADROOM, RATE, EchoFilter
from softphone.dsp.high_pass import HighPass
from softphone.dsp.resampler import Resampler
from softphone.engine.audio.backend import DEVICE_RATE, Samples
from softphone.policy.audio import Treatment

_NOISE_LEVEL = 1
"""Of 0 to 3: noise is lowered by 12 dB; more than that begins to be heard in the voice."""
_MOST_GAIN_DB = 24.0
_CANCELLER_DELAY = 430.5
"""Samples by which AEC3 is late at 48 kHz (measured: 430.6); the linear filter's way is made as long."""


class Stage(Protocol):
    def process(self, near: Samples, far: Samples) -> Samples: ...


class RumbleFilter:
    """The high-pass."""

    def __init__(self) -> None:
        self._filter = HighPass(DEVICE_RATE)

    def process(self, near: Samples, far: Samples) -> Samples:  # noqa: ARG002 - the same whatever the speaker plays
        return self._filter.process(near)


class EchoCancellation:
    """AEC3 alone: thorough, and half-duplex while both talk. 9 ms late."""

    def __init__(self) -> None:
        from pywebrtc_audio import EchoCanceller

        self._canceller = EchoCanceller(DEVICE_RATE)

    def process(self, near: Samples, far: Samples) -> Samples:
        return self._canceller.process(near, far)


class FullDuplexEchoCancellation:
    """AEC3, and beside it a linear filter whose output takes its place while the person talks.

    AEC3's suppressor takes the person's voice away with the echo; the linear filter alone leaves a faint echo, which
    a voice covers. As late as AEC3. While the linear filter is heard the voice ends at 7 kHz.
    """

    def __init__(self) -> None:
        self._canceller = EchoCancellation()
        self._near_rate, self._far_rate = Resampler(DEVICE_RATE, RATE), Resampler(DEVICE_RATE, RATE)
        self._back = Resampler(RATE, DEVICE_RATE)
        resamplers = (self._near_rate.delay_ms + self._back.delay_ms) * DEVICE_RATE / 1000
        late = round((_CANCELLER_DELAY - resamplers) * RATE / DEVICE_RATE)
        self._late = np.zeros(late + BLOCK, np.float32)  # the microphone, newest last
        self._filter = EchoFilter()
        self._beginnings = 0
        self._talk = NearTalk()
        self._weight = 0.0
        assert late >= HEADROOM

    def process(self, near: Samples, far: Samples) -> Samples:
        cancelled = self._canceller.process(near, far)
        self._late[:-BLOCK] = self._late[BLOCK:]
        self._late[-BLOCK:] = self._near_rate.process(near)
        left = self._filter.process(self._late[:BLOCK], self._far_rate.process(far).astype(np.float32))
        if self._filter.beginnings != self._beginnings:
            self._beginnings = self._filter.beginnings
            self._talk.forget()
        before, self._weight = self._weight, self._talk.observe(self._filter.error_spectrum, self._filter.echo_spectrum)
        if before == self._weight == 0.0:
            self._back.process(_SILENCE)  # free of cost once it has died away
            return cancelled
        linear = self._back.process(_int16(left * np.linspace(before, self._weight, BLOCK, dtype=np.float32)))
        return _int16(cancelled * (1 - np.linspace(before, self._weight, near.size, dtype=np.float32)) + linear)


class NoiseSuppression:
    """7 ms late."""

    def __init__(self) -> None:
        from pywebrtc_audio import NoiseSuppressor

        self._suppressor = NoiseSuppressor(DEVICE_RATE, level=_NOISE_LEVEL)

    def process(self, near: Samples, far: Samples) -> Samples:  # noqa: ARG002 - the same whatever the speaker plays
        return self._suppressor.process(near)


class GainControl:
    """Adds no delay."""

    def __init__(self) -> None:
        from pywebrtc_audio import GainController

        self._controller = GainController(DEVICE_RATE, max_gain_db=_MOST_GAIN_DB)

    def process(self, near: Samples, far: Samples) -> Samples:  # noqa: ARG002 - the same whatever the speaker plays
        return self._controller.process(near)


_SILENCE = np.zeros(BLOCK, np.int16)


def make_stages(treatment: Treatment) -> tuple[Stage, ...]:
    """In the order in which they act. May take 50 ms. Raises ImportError where the library is missing or damaged."""
    stages: list[Stage] = []
    if treatment.high_pass:
        stages.append(RumbleFilter())
    if treatment.echo_cancellation:
        stages.append(FullDuplexEchoCancellation() if treatment.double_talk else EchoCancellation())
    if treatment.noise_suppression:
        stages.append(NoiseSuppression())
    if treatment.gain_control:
        stages.append(GainControl())
    return tuple(stages)


def _int16(signal: NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)
