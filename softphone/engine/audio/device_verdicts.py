"""What the figures of a device test mean, in words with a remedy.

Owns: the limits from which on a microphone is quiet, noisy or clipping, and an echo is one. Levels in dBFS.
"""

from __future__ import annotations

from softphone.dsp.loop_check import LoopFigures
from softphone.dsp.microphone_check import MicrophoneFigures
from softphone.ua.device_report import (
    LoopResult,
    LoopVerdict,
    MicrophoneResult,
    MicrophoneVerdict,
    SpeakerResult,
)

NOBODY_SPEAKS = -58.0  # the loudest fifth is below this: nothing was said, or nothing was heard of it
QUIET = -42.0  # speech has about -26 (ITU-T P.56), and a good microphone -35 … -20
NOISE, ABOVE_NOISE = -45.0, 10.0  # a room so loud, and a voice so little above it
CLIPPED_BLOCKS = 3  # one may be a knock on the table
FAINT_ECHO = -45.0  # and the peer's own voice is at -26: what comes back is below what a line's noise is
SLOW_MS = 250.0
TOO_MANY_DROPOUTS = 10  # of 430 blocks: a chirp has 8, and half of the six must be found whole

_MICROPHONE: dict[MicrophoneVerdict, tuple[str, str]] = {
    MicrophoneVerdict.GOOD: ("Your microphone works well.", ""),
    MicrophoneVerdict.DEAD: (
        "Your microphone is silent: it delivers nothing at all.",
        "Look for a mute switch at the device and in the system's sound settings, allow programs to use the "
        "microphone, or choose another one.",
    ),
    MicrophoneVerdict.MUTED: (
        "Your microphone is muted in the system's sound settings.",
        "Switch it on there, or choose another one.",
    ),
    MicrophoneVerdict.SILENT: (
        "Nobody was heard.",
        "Speak while the test runs. If you did, choose another microphone, or turn this one up in the system's sound "
        "settings.",
    ),
    MicrophoneVerdict.QUIET: (
        "Your microphone is quiet: others will hardly hear you.",
        "Turn it up in the system's sound settings, or come closer to it.",
    ),
    MicrophoneVerdict.NOISY: (
        "Your microphone hears more of the room than of you.",
        "Come closer to it, use a headset, or turn noise suppression on in the settings.",
    ),
    MicrophoneVerdict.CLIPPING: (
        "Your microphone is too loud: your voice is cut off at the top and sounds harsh.",
        "Turn it down in the system's sound settings, or go further away from it.",
    ),
}

_LOOP: dict[LoopVerdict, tuple[str, str]] = {
    LoopVerdict.NO_ECHO: ("The microphone does not hear the speaker: a headset, no echo.", ""),
    LoopVerdict.FAINT: ("The microphone hears the speaker faintly: nobody will notice an echo.", ""),
    LoopVerdict.ECHO: ("The microphone hears the speaker: echo cancellation is needed, and it is on.", ""),
    LoopVerdict.ECHO_NOT_CANCELLED: (
        "The microphone hears the speaker, and echo cancellation is off: others hear themselves.",
        "Turn echo cancellation on in the settings, or use a headset.",
    ),
    LoopVerdict.DISTURBED: (
        "The sound had too many gaps to look for an echo in it.",
        "Close other programs and try again: this computer is too busy.",
    ),
    LoopVerdict.NOT_KNOWN: (
        "Whether there is an echo cannot be said: the microphone delivers nothing.",
        "Mend the microphone first.",
    ),
}
_SLOW = "The sound takes %d ms through the devices: others wait that long for you. A cable is faster than Bluetooth."


def microphone_result(
    device: str, figures: MicrophoneFigures, *, muted: bool = False, dropouts: int | None = None
) -> MicrophoneResult:
    """`muted`: the sound system says so. `dropouts` as the device counts them; None: holes in the recording."""
    verdict = _microphone_verdict(figures)
    if verdict is MicrophoneVerdict.DEAD and muted:
        verdict = MicrophoneVerdict.MUTED
    sentence, remedy = _MICROPHONE[verdict]
    return MicrophoneResult(
        device=device,
        verdict=verdict,
        sentence=sentence,
        remedy=remedy,
        level_db=round(figures.level_db, 1),
        noise_db=round(figures.noise_db, 1),
        peak_db=round(figures.peak_db, 1),
        clipping=figures.clipped >= CLIPPED_BLOCKS,
        silent=figures.dead,
        dropouts=figures.holes if dropouts is None else dropouts,
    )


def _microphone_verdict(figures: MicrophoneFigures) -> MicrophoneVerdict:
    """The first that applies."""
    if figures.dead:
        return MicrophoneVerdict.DEAD
    if figures.clipped >= CLIPPED_BLOCKS:
        return MicrophoneVerdict.CLIPPING
    if figures.level_db < NOBODY_SPEAKS:
        return MicrophoneVerdict.SILENT
    if figures.noise_db > NOISE and figures.level_db - figures.noise_db < ABOVE_NOISE:
        return MicrophoneVerdict.NOISY
    return MicrophoneVerdict.QUIET if figures.level_db < QUIET else MicrophoneVerdict.GOOD


def speaker_result(device: str) -> SpeakerResult:
    return SpeakerResult(
        device,
        "The four notes have been played.",
        "If you did not hear them, turn the speaker up in the system's sound settings, or choose another one.",
    )


def loop_result(figures: LoopFigures, *, dead: bool, cancelling: bool, dropouts: int = 0) -> LoopResult:
    """`dead`: the microphone delivered nothing at all. `cancelling`: in a call the echo would be cancelled."""
    verdict = _loop_verdict(figures, dead, cancelling)
    if verdict is LoopVerdict.NO_ECHO and dropouts >= TOO_MANY_DROPOUTS:
        verdict = LoopVerdict.DISTURBED
    sentence, remedy = _LOOP[verdict]
    if figures.latency_ms is not None and figures.latency_ms > SLOW_MS:
        remedy = f"{remedy} {_SLOW % round(figures.latency_ms)}".strip()
    return LoopResult(
        verdict,
        sentence,
        remedy,
        latency_ms=None if figures.latency_ms is None else round(figures.latency_ms, 1),
        echo_return_db=None if figures.echo_return_db is None else round(figures.echo_return_db, 1),
        dropouts=dropouts,
    )


def _loop_verdict(figures: LoopFigures, dead: bool, cancelling: bool) -> LoopVerdict:
    if dead:
        return LoopVerdict.NOT_KNOWN
    if figures.echo_return_db is None:
        return LoopVerdict.NO_ECHO
    if figures.echo_return_db < FAINT_ECHO:
        return LoopVerdict.FAINT
    return LoopVerdict.ECHO if cancelling else LoopVerdict.ECHO_NOT_CANCELLED
