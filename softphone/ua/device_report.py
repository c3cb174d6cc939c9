"""What a test of microphone and speaker found, as values: figures, and what they mean in words.

Levels are dBFS (a full-scale sine reads 0). A figure that is not known is None.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from softphone.errors import Failure


class DeviceTestStep(enum.Enum):
    MICROPHONE = "microphone"  # somebody speaks: how loud it is
    SPEAKER = "speaker"  # a melody: is it heard?
    LOOP = "loop"  # chirps: how long they take to come back, and how loud
    PLAYBACK = "playback"  # say something, and hear it after


class MicrophoneVerdict(enum.Enum):
    GOOD = "good"
    DEAD = "dead"  # digital silence: nothing is connected, or it is muted in the system
    MUTED = "muted"  # the same, and the sound system says why
    SILENT = "silent"  # nobody spoke, or it hears nobody
    QUIET = "quiet"
    NOISY = "noisy"
    CLIPPING = "clipping"


class LoopVerdict(enum.Enum):
    NO_ECHO = "no-echo"  # the microphone does not hear the speaker
    FAINT = "faint"  # it does, and nobody will notice
    ECHO = "echo"  # echo cancelling is needed, and on
    ECHO_NOT_CANCELLED = "echo-not-cancelled"  # needed, and off
    DISTURBED = "disturbed"  # the sound had too many gaps to find anything in it
    NOT_KNOWN = "not-known"  # the microphone is dead


@dataclass(frozen=True, slots=True)
class MicrophoneResult:
    device: str  # its name
    verdict: MicrophoneVerdict
    sentence: str
    remedy: str  # "" where nothing is to be done
    level_db: float  # of what was spoken
    noise_db: float  # of the pauses
    peak_db: float
    clipping: bool
    silent: bool  # nothing but digital silence
    dropouts: int  # blocks of 10 ms that were missing or came too late


@dataclass(frozen=True, slots=True)
class SpeakerResult:
    device: str
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LoopResult:
    verdict: LoopVerdict
    sentence: str
    remedy: str
    latency_ms: float | None  # from our queue to the speaker, through the air or the cable, and back into our queue
    echo_return_db: float | None  # the speaker's sound in the microphone, less what was played
    dropouts: int = 0  # blocks of 10 ms, both ways


@dataclass(frozen=True, slots=True)
class DeviceTestResult:
    """Of the steps that ran."""

    microphone: MicrophoneResult | None = None
    speaker: SpeakerResult | None = None
    loop: LoopResult | None = None


@dataclass(frozen=True, slots=True)
class DeviceTestView:
    """The test that runs, or ran last. `result` gathers what the steps so far have found."""

    step: DeviceTestStep
    running: bool = True
    playing: bool = False  # sound comes out of the speaker now
    level_db: float | None = None  # of the microphone in the last tenth of a second
    peak_db: float | None = None
    done: float = 0.0  # 0 … 1
    result: DeviceTestResult = DeviceTestResult()
    failure: Failure | None = None

    def after(self, before: DeviceTestView | None) -> DeviceTestView:
        """With what the steps before it have found."""
        if before is None:
            return self
        known, found = before.result, self.result
        gathered = DeviceTestResult(
            found.microphone or known.microphone, found.speaker or known.speaker, found.loop or known.loop
        )
        return replace(self, result=gathered)
