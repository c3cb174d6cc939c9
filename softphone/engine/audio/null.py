"""The endpoint of a machine without sound: a silent microphone and a speaker nobody hears."""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import DEVICE_RATE, Samples


class NullEndpoint:
    """Silence in, nothing out."""

    def __init__(self, sample_rate: int = DEVICE_RATE) -> None:
        self.sample_rate = sample_rate

    def start(self) -> None:
        return

    def listen(self, wanted: bool) -> None:  # noqa: ARG002 - no device is open
        return

    def read(self, samples: int) -> Samples:
        return np.zeros(samples, np.int16)

    def write(self, frame: Samples) -> None:  # noqa: ARG002 - nobody listens
        return

    def stop(self) -> None:
        return
