"""The notice at the end of a call that nobody can see any more: three falling tones for both sides, no microphone.

Owns: the endpoint that can be taken over by it, and the notice's sound and length. Knows no call.
"""

from __future__ import annotations

import numpy as np

from softphone.dsp.tone import Tone, ToneGenerator
from softphone.engine.audio.backend import AudioEndpoint, Samples

NOTICE_S = 1.2
_TONES = (880.0, 660.0, 440.0)  # Hz
_LEVEL_DBFS = -20.0


def notice_samples(sample_rate: int) -> Samples:
    """`sample_rate` in Hz."""
    length = int(sample_rate * NOTICE_S / len(_TONES))
    on = int(1000 * NOTICE_S / len(_TONES)) - 100
    parts = [
        ToneGenerator(Tone((frequency,), _LEVEL_DBFS, ((on, 100),)), sample_rate).generate(length)
        for frequency in _TONES
    ]
    return np.concatenate(parts)


class NoticeEndpoint:
    """A call's endpoint until `give_notice`; then both sides hear the notice, and after it silence."""

    def __init__(self, endpoint: AudioEndpoint) -> None:
        self._endpoint = endpoint
        self._notice: Samples | None = None
        self._said = self._played = 0  # samples of the notice, outwards and to the speaker

    @property
    def sample_rate(self) -> int:
        return self._endpoint.sample_rate

    def give_notice(self) -> None:
        """From any thread: one assignment is seen by the thread that reads and writes at its next frame."""
        if self._notice is None:
            self._notice = notice_samples(self.sample_rate)

    def forget_notice(self) -> None:
        """For the next call; from any thread."""
        self._notice, self._said, self._played = None, 0, 0

    def start(self) -> None:
        self._endpoint.start()

    def listen(self, wanted: bool) -> None:
        self._endpoint.listen(wanted)

    def read(self, samples: int) -> Samples:
        heard = self._endpoint.read(samples)  # read on, so that nothing piles up behind it
        notice = self._notice  # another thread may set it
        if notice is None:
            return heard
        part, self._said = _part(notice, self._said, samples), self._said + samples
        return part

    def write(self, frame: Samples) -> None:
        notice = self._notice
        if notice is not None:
            part, self._played = _part(notice, self._played, frame.size), self._played + frame.size
            frame = part
        self._endpoint.write(frame)

    def stop(self) -> None:
        self._endpoint.stop()


def _part(notice: Samples, start: int, samples: int) -> Samples:
    part = notice[start : start + samples]
    return part if part.size == samples else np.concatenate((part, np.zeros(samples - part.size, np.int16)))
