"""What a packet interval sends while nobody speaks, where comfort noise was agreed on (RFC 3389 §4).

Owns: when silence is described, and how often. Must not know: RTP, keys. Only for codecs of 8000 samples a second.
"""

from __future__ import annotations

import numpy as np

from softphone.codecs.comfort_noise import CLOCK_RATE, payload_of
from softphone.dsp.voice_activity import VoiceActivity
from softphone.engine.audio.backend import Samples

AGAIN_S = 1.0
"""Between two descriptions: one may be lost, and a peer that hears nothing for longer may think that we are gone."""
_LISTENED = CLOCK_RATE // 10  # samples of silence that are described


class SilenceSuppression:
    """Of one stream: `step` for every packet interval."""

    def __init__(self) -> None:
        self._activity = VoiceActivity(CLOCK_RATE)
        self._background: Samples = np.zeros(0, np.int16)
        self._since: float | None = None  # seconds since the last description; None: somebody speaks

    def step(self, frame: Samples) -> bytes | None:
        """None: send `frame` itself. Else the description to send in its place, or nothing if that is empty."""
        if self._activity.speaks(frame):
            self._since = None
            self._background = self._background[:0]
            return None
        self._background = np.concatenate((self._background, frame))[-_LISTENED:]
        seconds = len(frame) / CLOCK_RATE
        if self._since is not None and self._since + seconds < AGAIN_S:
            self._since += seconds
            return b""
        self._since = 0.0
        return payload_of(self._background)
