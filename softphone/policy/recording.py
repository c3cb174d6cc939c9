"""Whether calls may be recorded, and how: choices of the settings, which an organisation may forbid.

Owns: those values and the one answer to "may this phone record?". Who asks: the recorder before it makes a file.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.errors import Failure, FailureKind
from softphone.policy.origin import Origin

KEEP_DAYS = (0, 3650)
"""Bounds of `keep_days`; 0 keeps recordings until somebody deletes them."""


class RecordingFormat(enum.Enum):
    """What is inside the encrypted file."""

    FLAC = "flac"  # lossless (RFC 9639), about 200 MB an hour
    OPUS = "opus"  # Ogg Opus (RFC 7845), about 40 MB an hour


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """`folder` "" is the profile's own. `origin` is where `permitted` comes from."""

    permitted: bool = True
    format: RecordingFormat = RecordingFormat.FLAC
    folder: str = ""
    announce: bool = True  # the other side hears a beep
    keep_days: int = 0
    origin: Origin = Origin.DEFAULT


def recording_refused(options: RecordingOptions) -> Failure | None:
    """Why nothing may be recorded; None if it may."""
    if options.permitted:
        return None
    if options.origin is Origin.MANAGED:
        return Failure(
            FailureKind.POLICY,
            "Your organisation does not allow calls to be recorded.",
            "Ask your administrator if you need a recording.",
        )
    return Failure(
        FailureKind.POLICY,
        "The settings of this phone do not allow calls to be recorded.",
        "Set permitted = true under [recording] in the settings file, and start the phone again.",
    )
