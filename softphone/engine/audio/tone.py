"""A microphone that hears a tone: the lab's tone service and level checks."""

from __future__ import annotations

from softphone.dsp.tone import Tone, ToneGenerator
from softphone.engine.audio.backend import DEVICE_RATE, Samples

TEST_TONE = Tone((440.0,), -12.0)


class ToneEndpoint:
    """Steady or with a cadence, as `tone` says; what is written is discarded."""

    def __init__(self, tone: Tone = TEST_TONE, sample_rate: int = DEVICE_RATE) -> None:
        self.sample_rate = sample_rate
        self._generator = ToneGenerator(tone, sample_rate)

    def start(self) -> None:
        return

    def listen(self, wanted: bool) -> None:  # noqa: ARG002 - no device is open
        return

    def read(self, samples: int) -> Samples:
        return self._generator.generate(samples)

    def write(self, frame: Samples) -> None:  # noqa: ARG002 - nobody listens
        return

    def stop(self) -> None:
        return
