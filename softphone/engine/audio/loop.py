"""An endpoint whose microphone hears its own speaker: the echo service of the lab."""

from __future__ import annotations

import numpy as np

from softphone.engine.audio.backend import DEVICE_RATE, Samples

_LONGEST_MS = 500
"""What waits is bounded in time: a direction that is held must not pile up the other's sound."""


class LoopEndpoint:
    """What is written comes back from `read`, `delay_ms` later; beyond half a second the oldest is dropped."""

    def __init__(self, sample_rate: int = DEVICE_RATE, delay_ms: int = 0) -> None:
        self.sample_rate = sample_rate
        self._delay = sample_rate * delay_ms // 1000
        self._longest = self._delay + sample_rate * _LONGEST_MS // 1000
        self._waiting = np.zeros(self._delay, np.int16)

    def start(self) -> None:
        self._waiting = np.zeros(self._delay, np.int16)

    def listen(self, wanted: bool) -> None:  # noqa: ARG002 - no device is open
        return

    def read(self, samples: int) -> Samples:
        """The oldest samples that wait, followed by silence where there are not enough."""
        frame, self._waiting = self._waiting[:samples], self._waiting[samples:]
        if frame.size == samples:
            return frame
        return np.concatenate((frame, np.zeros(samples - frame.size, np.int16)))

    def write(self, frame: Samples) -> None:
        self._waiting = np.concatenate((self._waiting, frame))[-self._longest :]

    def stop(self) -> None:
        self._waiting = np.zeros(0, np.int16)
