"""A tone for the person to listen to in the settings: begun, ended, and over by itself after a while. Also of keys.

Owns: that one sample at most sounds, and that everybody hears when it begins and ends. Lives on the engine's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from softphone.engine.core import EngineCore
from softphone.errors import Failure, FailureKind
from softphone.messages import AppEvent, Noticed, PlaySample, PressKey, SamplePlaying, StopSample

LONGEST_S = 12.0


class ToneSample:
    def __init__(self, core: EngineCore, publish: Callable[[AppEvent], None]) -> None:
        self._core, self._publish = core, publish
        self._playing = False
        self._task: asyncio.Task[None] | None = None

    def command(self, command: PlaySample | StopSample | PressKey) -> None:
        """A new sample takes the place of the one before."""
        if isinstance(command, PressKey):
            self._core.play_key(command.key)
            return
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if isinstance(command, PlaySample):
            self._task = asyncio.get_running_loop().create_task(self._play(command))
        else:
            self._stop()

    def close(self) -> None:
        """The loop ends."""
        if self._task is not None:
            self._task.cancel()

    async def _play(self, sample: PlaySample) -> None:
        await self._core.tones.made_ready(sample.ringtone)  # why not, the person is told by the tones themselves
        if not self._core.try_tone(sample.tone, sample.ringtone, sample.country):
            self._stop()
            self._publish(Noticed(_NO_DEVICE))
            return
        self._say(playing=True)
        await asyncio.sleep(LONGEST_S)
        self._stop()

    def _stop(self) -> None:
        self._core.try_tone(None)
        self._say(playing=False)

    def _say(self, *, playing: bool) -> None:
        if playing is not self._playing:
            self._playing = playing
            self._publish(SamplePlaying(playing))


_NO_DEVICE = Failure(
    FailureKind.AUDIO_DEVICE,
    "There is no device to play the tone on.",
    "Connect a speaker or headphones, or choose another one in the settings.",
)
