"""States of the device test as the engine would send them, and a call with warnings."""

from __future__ import annotations

from softphone.errors import Failure, FailureKind
from softphone.messages import DeviceTestEnded, DeviceTestProgressed
from softphone.state import AppState
from softphone.ua import events as ua
from softphone.ua.call_warnings import WARNINGS, CallWarningKind
from softphone.ua.device_report import (
    DeviceTestResult,
    DeviceTestStep,
    DeviceTestView,
    LoopResult,
    LoopVerdict,
    MicrophoneResult,
    MicrophoneVerdict,
    SpeakerResult,
)
from tests.ui.states import READY, active, after

GOOD = MicrophoneResult(
    "Built-in microphone",
    MicrophoneVerdict.GOOD,
    "Your microphone works well.",
    "",
    -24.0,
    -61.0,
    -9.0,
    clipping=False,
    silent=False,
    dropouts=0,
)
QUIET = MicrophoneResult(
    "Built-in microphone",
    MicrophoneVerdict.QUIET,
    "Your microphone is quiet: others will hardly hear you.",
    "Turn it up in the system's sound settings, or come closer to it.",
    -49.0,
    -71.0,
    -30.0,
    clipping=False,
    silent=False,
    dropouts=2,
)
ECHO = LoopResult(
    LoopVerdict.ECHO, "The microphone hears the speaker: echo cancellation is needed, and it is on.", "", 84.0, -23.0
)
PLAYED = SpeakerResult(
    "Built-in loudspeaker", "The four notes have been played.", "If you did not hear them, turn it up."
)
DEAD = Failure(FailureKind.AUDIO_DEVICE, "Your microphone is silent.", "Look for a mute switch at the device.")


def progressed(
    step: DeviceTestStep, level_db: float = -22.0, *, playing: bool = False, base: AppState = READY
) -> AppState:
    view = DeviceTestView(step, playing=playing, level_db=level_db, peak_db=level_db + 10, done=0.5)
    return after(base, DeviceTestProgressed(view))


def ended(step: DeviceTestStep, result: DeviceTestResult | None = None, base: AppState = READY) -> AppState:
    return after(base, DeviceTestEnded(step, result))


def failed(step: DeviceTestStep, failure: Failure = DEAD, base: AppState = READY) -> AppState:
    return after(base, DeviceTestEnded(step, failure=failure))


TESTED = after(
    READY,
    DeviceTestEnded(DeviceTestStep.SPEAKER, DeviceTestResult(speaker=PLAYED)),
    DeviceTestEnded(DeviceTestStep.LOOP, DeviceTestResult(loop=ECHO)),
    DeviceTestEnded(DeviceTestStep.MICROPHONE, DeviceTestResult(microphone=QUIET)),
)


def warned(*kinds: CallWarningKind, base: AppState | None = None) -> AppState:
    """A running call in which these are wrong."""
    state = base or active()
    return after(state, ua.CallWarningsChanged("c1", tuple(WARNINGS[kind] for kind in kinds)), begin=10.0)
