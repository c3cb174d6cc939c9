"""Sound from and to files and memory: `softphone call --audio file`, the demo's sentence, tests.

Owns: `FileEndpoint`, `MemoryEndpoint`. Must not know: calls, devices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from softphone.engine.audio.backend import DEVICE_RATE, Samples
from softphone.engine.audio.wav import WavWriter, read_wav

_log = logging.getLogger(__name__)


class MemoryEndpoint:
    """A microphone that plays `samples` (once, or in a loop) and a speaker that remembers what was heard.

    `sample_rate` in Hz is that of `samples` too. `on_played` is called once, from the thread that reads, when the last
    sample of a single playing has been read. At most `longest_heard_s` seconds are remembered, the newest dropped.
    """

    def __init__(
        self,
        samples: Samples,
        sample_rate: int = DEVICE_RATE,
        *,
        loop: bool = False,
        on_played: Callable[[], None] | None = None,
        longest_heard_s: float = 300.0,
    ) -> None:
        self.sample_rate = sample_rate
        self._samples = samples
        self._loop = loop and samples.size > 0
        self._on_played = on_played
        self._at = 0
        self._heard: list[Samples] = []
        self._room = int(longest_heard_s * sample_rate)

    def start(self) -> None:
        self._at = 0

    def listen(self, wanted: bool) -> None:  # noqa: ARG002 - no device is open
        return

    def read(self, samples: int) -> Samples:
        if self._loop:
            indices = np.arange(self._at, self._at + samples) % self._samples.size
            self._at = (self._at + samples) % self._samples.size
            return self._samples[indices]
        frame = self._samples[self._at : self._at + samples]
        before, self._at = self._at, min(self._at + samples, self._samples.size)
        if self._on_played is not None and self._at == self._samples.size:
            told, self._on_played = self._on_played, None
            told()
        elif before == self._at:
            return np.zeros(samples, np.int16)
        return frame if frame.size == samples else np.concatenate((frame, np.zeros(samples - frame.size, np.int16)))

    def write(self, frame: Samples) -> None:
        if self._room >= frame.size:
            self._heard.append(frame.copy())
            self._room -= frame.size

    def stop(self) -> None:
        return

    def heard(self) -> Samples:
        """Everything that was written so far; may be called from another thread."""
        frames = list(self._heard)
        return np.concatenate(frames) if frames else np.zeros(0, np.int16)


class FileEndpoint:
    """Plays a WAV file into the call (any rate, width and channels) and records what is heard into another.

    The file to play is read by the constructor, which raises OperationFailed: a wrong name is known before dialling.
    The recording is made at `start`, mono 16 bit at `sample_rate`, and is a valid file after a crash too.
    """

    def __init__(
        self,
        play: Path | None = None,
        record: Path | None = None,
        *,
        sample_rate: int = DEVICE_RATE,
        loop: bool = False,
        on_played: Callable[[], None] | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        samples = np.zeros(0, np.int16) if play is None else read_wav(play, sample_rate)
        self._microphone = MemoryEndpoint(samples, sample_rate, loop=loop, on_played=on_played, longest_heard_s=0.0)
        self._record = record
        self._writer: WavWriter | None = None

    def start(self) -> None:
        """Raises OperationFailed where the recording cannot be made."""
        self._microphone.start()
        if self._record is not None:
            self._writer = WavWriter(self._record, self.sample_rate)

    def listen(self, wanted: bool) -> None:  # noqa: ARG002 - no device is open
        return

    def read(self, samples: int) -> Samples:
        return self._microphone.read(samples)

    def write(self, frame: Samples) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(frame)
        except OSError as error:  # the disk is full: the recording ends, the call goes on
            _log.warning("the recording ends: %s", error.strerror)
            self.stop()

    def stop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                _log.warning("the recording may lack its last second: %s", error.strerror)
