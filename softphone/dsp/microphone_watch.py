"""What a running call asks of its microphone beside the level: is the voice cut off, does a muted person speak?

Owns: the counts, cheap enough for every call. Must not know: packets, devices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.microphone_check import clips
from softphone.dsp.voice_activity import VoiceActivity

_EVERY = 5
"""One frame in so many is looked at for clipping: a microphone that is too loud clips all the time."""


class MicrophoneWatch:
    """Takes every frame of the microphone. Counts since it was made."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._sample_rate = sample_rate
        self._voice: VoiceActivity | None = None  # while muted
        self._frames = 0
        self.clipped = 0  # frames
        self._spoken_muted_s = 0.0

    @property
    def spoken_muted_ms(self) -> int:
        """Speech while muted."""
        return round(1000 * self._spoken_muted_s)

    def heard(self, frame: NDArray[np.int16], *, muted: bool) -> None:
        if muted:
            if self._voice is None:
                self._voice = VoiceActivity(self._sample_rate)
            if self._voice.speaks(frame):
                self._spoken_muted_s += len(frame) / self._sample_rate
            return
        self._voice = None
        self._frames += 1
        if self._frames % _EVERY == 0:
            self.clipped += clips(frame)
