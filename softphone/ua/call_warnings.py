"""What may go wrong while a call runs, each with its reason and its remedy in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CallWarningKind(enum.Enum):
    MICROPHONE_SILENT = "microphone-silent"
    MICROPHONE_MUTED = "microphone-muted-by-system"  # the same, and the sound system says why
    MICROPHONE_CLIPPING = "microphone-clipping"
    SPEAKING_WHILE_MUTED = "speaking-while-muted"
    LINE_LOSES = "line-loses-packets"  # of what the other side sends
    LINE_LOSES_OURS = "line-loses-our-packets"
    NOTHING_ARRIVES = "nothing-arrives"
    OTHER_SIDE_SILENT = "other-side-silent"  # packets, and no sound in them
    COMPUTER_BUSY = "computer-busy"


@dataclass(frozen=True, slots=True)
class CallWarning:
    """In force from CallWarningsChanged that names it to the first that does not."""

    kind: CallWarningKind
    reason: str
    remedy: str


WARNINGS: dict[CallWarningKind, CallWarning] = {
    kind: CallWarning(kind, reason, remedy)
    for kind, reason, remedy in (
        (
            CallWarningKind.MICROPHONE_SILENT,
            "Your microphone is silent: nobody hears you.",
            "Look for a mute switch at the device and in the system's sound settings, or choose another microphone.",
        ),
        (
            CallWarningKind.MICROPHONE_MUTED,
            "Your microphone is muted in the system's sound settings: nobody hears you.",
            "Switch it on there, or choose another microphone.",
        ),
        (
            CallWarningKind.MICROPHONE_CLIPPING,
            "Your microphone is too loud: your voice is cut off and sounds harsh.",
            "Turn it down in the system's sound settings, or go further away from it.",
        ),
        (
            CallWarningKind.SPEAKING_WHILE_MUTED,
            "You are speaking, and you are muted: nobody hears you.",
            "Unmute yourself to be heard.",
        ),
        (
            CallWarningKind.LINE_LOSES,
            "The line is losing packets: you hear the other side with gaps.",
            "Go nearer to the Wi-Fi or use a cable, and pause downloads; if it stays, the other side's line is to "
            "blame.",
        ),
        (
            CallWarningKind.LINE_LOSES_OURS,
            "The line is losing packets: the other side hears you with gaps.",
            "Go nearer to the Wi-Fi or use a cable, and pause uploads; if it stays, the other side's line is to blame.",
        ),
        (
            CallWarningKind.NOTHING_ARRIVES,
            "No sound arrives from the other side.",
            "Wait a moment, then hang up and call again; if that does not help, a firewall keeps the sound out.",
        ),
        (
            CallWarningKind.OTHER_SIDE_SILENT,
            "The other side is silent: its sound arrives, and nothing is in it.",
            "Its microphone is muted or broken. Tell it so, or wait.",
        ),
        (
            CallWarningKind.COMPUTER_BUSY,
            "This computer is too busy: the sound has gaps, both ways.",
            "Close other programs, or plug in the power supply: many computers are slow on battery.",
        ),
    )
}
