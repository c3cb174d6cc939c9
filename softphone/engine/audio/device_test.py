"""The test of microphone and speaker: what is played and heard in each step, at the pace of sound.

Owns: the steps. Must not know: which library reaches the device (`AudioEndpoint`), front ends. Blocks: it wants a
thread of its own. The voice is tested as the device delivers it, before anything is done to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from softphone.dsp.level import level_dbfs
from softphone.dsp.loop_check import loop_figures, loop_signal
from softphone.dsp.microphone_check import MicrophoneCheck, peak_dbfs
from softphone.dsp.tone import Tone, ToneGenerator
from softphone.engine.audio.backend import BLOCK_MS, AudioEndpoint, NoticeSink, Samples
from softphone.engine.audio.device_verdicts import loop_result, microphone_result, speaker_result
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.audio import AudioOptions, DeviceForm, treatment
from softphone.ua.device_report import DeviceTestResult, DeviceTestStep, MicrophoneResult
from softphone.ua.media_report import MicrophoneState

SPEAK_S = 6.0
PLAYBACK_S = 3.0
_MELODY = (523.0, 659.0, 784.0, 1047.0)  # Hz: C major, which nobody takes for a fault
_MELODY_MS, _MELODY_DBFS = 450, -20.0
_SETTLE_S = 0.3  # the first blocks of a microphone are often a click
_FIRST_SOUND_WITHIN = 5.0  # s; an idle PulseAudio sink may take 1.9
_LEVEL_EVERY = 10  # blocks between two levels that are told
_HEARS = frozenset({DeviceTestStep.MICROPHONE, DeviceTestStep.LOOP, DeviceTestStep.PLAYBACK})


@dataclass(frozen=True, slots=True)
class TestedDevices:
    """`endpoint(notice)` is the chosen microphone and speaker, not started; the names are people's."""

    __test__ = False  # no class of tests

    endpoint: Callable[[NoticeSink], AudioEndpoint]
    microphone: str
    speaker: str
    options: AudioOptions = field(default_factory=AudioOptions)  # what is done to the voice in a call


@dataclass(frozen=True, slots=True)
class Progress:
    """Ten times a second. Levels in dBFS of the last tenth; `done` 0 … 1 of the step."""

    step: DeviceTestStep
    level_db: float
    peak_db: float
    done: float
    playing: bool


class Stopped(Exception):
    """`stop` was called."""


class DeviceTest:
    """`run` does the steps, one after the other; `stop` ends it from any thread."""

    def __init__(
        self,
        devices: TestedDevices,
        told: Callable[[Progress], None],
        *,
        speak_s: float = SPEAK_S,
    ) -> None:
        """`told` is called on the thread of `run`."""
        self._devices, self._told, self._speak_s = devices, told, speak_s
        self._stop = threading.Event()
        self._notices: list[Failure] = []
        self._due = 0.0

    def stop(self) -> None:
        self._stop.set()

    def run(self, steps: tuple[DeviceTestStep, ...]) -> DeviceTestResult:
        """Raises OperationFailed where a device does not work, Stopped after `stop`."""
        self._endpoint = self._devices.endpoint(self._notices.append)
        self._block = self._endpoint.sample_rate * BLOCK_MS // 1000
        self._silence: Samples = np.zeros(self._block, np.int16)
        self._hears = any(step in _HEARS for step in steps)
        self._endpoint.listen(self._hears)
        self._endpoint.start()
        try:
            self._due = time.monotonic()
            self._wait_for_sound()
            result = DeviceTestResult()
            for step in steps:
                result = self._step(step, result)
            return result
        finally:
            self._endpoint.stop()

    def _step(self, step: DeviceTestStep, result: DeviceTestResult) -> DeviceTestResult:
        rate = self._endpoint.sample_rate
        match step:
            case DeviceTestStep.MICROPHONE:
                check, before = MicrophoneCheck(), self._dropouts()
                self._play(step, np.zeros(int(self._speak_s * rate), np.int16), check)
                return replace(result, microphone=self._microphone(check, before))
            case DeviceTestStep.SPEAKER:
                self._play(step, _melody(rate))
                return replace(result, speaker=speaker_result(self._devices.speaker))
            case DeviceTestStep.LOOP:
                return self._loop(result)
            case DeviceTestStep.PLAYBACK:
                check, before = MicrophoneCheck(), self._dropouts()
                said = self._play(step, np.zeros(int(PLAYBACK_S * rate), np.int16), check, of=2)
                self._play(step, said, begin=1, of=2)
                return replace(result, microphone=self._microphone(check, before))

    def _microphone(self, check: MicrophoneCheck, before: int | None) -> MicrophoneResult:
        """`before`: the dropouts when the step began."""
        state: MicrophoneState | None = getattr(self._endpoint, "microphone", None)  # of a real device
        now = self._dropouts()
        dropouts = None if now is None or before is None else now - before
        muted = state is not None and state.muted
        return microphone_result(self._devices.microphone, check.figures(), muted=muted, dropouts=dropouts)

    def _dropouts(self) -> int | None:
        """Blocks so far, both ways, as far as the endpoint counts them."""
        statistics = getattr(self._endpoint, "statistics", None)
        return None if statistics is None else statistics.missing + statistics.dropped

    def _loop(self, result: DeviceTestResult) -> DeviceTestResult:
        """A microphone to which nobody spoke is not dead if it hears the chirps."""
        check, before = MicrophoneCheck(), self._dropouts()
        heard = self._play(DeviceTestStep.LOOP, loop_signal(self._endpoint.sample_rate), check)
        microphone = result.microphone
        dead = check.figures().dead and (microphone is None or microphone.silent)
        if microphone is not None and microphone.silent and not dead:
            alive = microphone_result(microphone.device, replace(MicrophoneCheck().figures(), dead=False))
            result = replace(result, microphone=alive)
        microphone_form, speaker_form = getattr(self._endpoint, "forms", (DeviceForm.OPEN, DeviceForm.OPEN))
        cancelling = treatment(self._devices.options, microphone_form, speaker_form).echo_cancellation
        dropouts = (self._dropouts() or 0) - (before or 0)
        figures = loop_figures(heard, self._endpoint.sample_rate)
        loop = loop_result(figures, dead=dead, cancelling=cancelling, dropouts=dropouts)
        return replace(result, loop=loop)

    def _play(
        self,
        step: DeviceTestStep,
        signal: Samples,
        check: MicrophoneCheck | None = None,
        *,
        begin: int = 0,
        of: int = 1,
    ) -> Samples:
        """Plays the signal and gives what was heard meanwhile; it is part `begin` of `of` parts of the step."""
        heard: list[Samples] = []
        blocks = signal.size // self._block
        playing = bool(signal.any())
        for number in range(blocks):
            block = self._tick(signal[number * self._block : (number + 1) * self._block])
            heard.append(block)
            if check is not None:
                check.add(block)
            if (number + 1) % _LEVEL_EVERY == 0:
                latest = np.concatenate(heard[-_LEVEL_EVERY:])
                done = round((begin + (number + 1) / blocks) / of, 3)
                level, peak = round(level_dbfs(latest), 1), round(peak_dbfs(latest), 1)
                self._told(Progress(step, level, peak, done, playing))
        return np.concatenate(heard) if heard else np.zeros(0, np.int16)

    def _tick(self, block: Samples) -> Samples:
        """10 ms: waits for them, plays and hears."""
        self._due += BLOCK_MS / 1000
        if self._stop.wait(max(0.0, self._due - time.monotonic())):
            raise Stopped
        if self._notices:
            raise OperationFailed(self._notices[0])
        heard = self._endpoint.read(self._block) if self._hears else self._silence
        self._endpoint.write(block)
        return heard

    def _wait_for_sound(self) -> None:
        """Until both directions run, as far as the endpoint tells; raises OperationFailed if they never do."""
        began = time.monotonic()
        while not self._runs():
            self._tick(self._silence)
            if time.monotonic() - began > _FIRST_SOUND_WITHIN:
                raise OperationFailed(_no_sound(self._devices))
        for _ in range(round(_SETTLE_S * 1000 / BLOCK_MS)):
            self._tick(self._silence)

    def _runs(self) -> bool:
        statistics = getattr(self._endpoint, "statistics", None)
        if statistics is None:
            return True
        return bool(statistics.played and (statistics.captured or not self._hears))


def _melody(sample_rate: int) -> Samples:
    samples = sample_rate * _MELODY_MS // 1000
    notes = (Tone((frequency,), _MELODY_DBFS, ((_MELODY_MS - 50, 50),)) for frequency in _MELODY)
    return np.concatenate([ToneGenerator(note, sample_rate).generate(samples) for note in notes])


def _no_sound(devices: TestedDevices) -> Failure:
    return Failure(
        FailureKind.AUDIO_DEVICE,
        f"Microphone “{devices.microphone}” and speaker “{devices.speaker}” do not begin to work.",
        "Check the devices and the system's sound settings, or choose others.",
    )


def dead_microphone(result: DeviceTestResult) -> Failure | None:
    """A microphone that delivers nothing at all is a device that does not work."""
    microphone = result.microphone
    if microphone is None or not microphone.silent:
        return None
    return Failure(FailureKind.AUDIO_DEVICE, microphone.sentence, microphone.remedy)
