"""What a running call asks of its microphone beside the level: is it silent, is the voice cut off, does somebody speak.

Owns: the counts, cheap enough for every block. Must not know: packets, devices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softphone.dsp.microphone_check import CLIPPED_AT, clips
from softphone.dsp.voice_activity import VoiceActivity

SILENT_PEAK = 3
"""Steps of the converter that no microphone stays below which is on: the hiss of the quietest ones is louder."""
_ABSENT = 50
"""Blocks without a device after which what was before it says nothing any more; fewer are a stall."""
_TOGETHER = 10
"""Blocks that are looked at together: numpy's calls cost more than their samples."""


class MicrophoneWatch:
    """Takes every block as the device delivers it, before anything is done to it. Written by one thread.

    What it says is up to 0.1 s old. Nobody may change a block afterwards.
    """

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._sample_rate = sample_rate
        self._blocks: list[NDArray[np.int16]] = []  # not looked at yet
        self._silent = 0  # samples
        self._absent = 0  # blocks on end
        self.clipped = 0  # blocks, since it was made

    @property
    def silent_s(self) -> float:
        """Since it last delivered more than digital silence."""
        return self._silent / self._sample_rate

    def heard(self, block: NDArray[np.int16]) -> None:
        self._absent = 0
        self._blocks.append(block)
        if len(self._blocks) < _TOGETHER:
            return
        blocks, self._blocks = self._blocks, []
        sound = np.concatenate(blocks)
        peak = max(int(sound.max()), -int(sound.min())) if sound.size else 0
        self._silent = self._silent + sound.size if peak <= SILENT_PEAK else 0
        if peak >= CLIPPED_AT:
            self.clipped += sum(map(clips, blocks))

    def absent(self) -> None:
        """Nothing came for a block. Where that lasts there is no device, which is told in other words."""
        self._absent += 1
        if self._absent >= _ABSENT:
            self._silent, self._blocks = 0, []


class MutedVoice:
    """Takes every frame that is not sent because the person is muted."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hz."""
        self._sample_rate = sample_rate
        self._spoken_s = 0.0
        self.begin()

    @property
    def spoken_ms(self) -> int:
        """Speech, since it was made."""
        return round(1000 * self._spoken_s)

    def begin(self) -> None:
        """Muted or heard again: what is loud is judged anew."""
        self._voice = VoiceActivity(self._sample_rate)

    def heard(self, frame: NDArray[np.int16]) -> None:
        if self._voice.speaks(frame):
            self._spoken_s += len(frame) / self._sample_rate
