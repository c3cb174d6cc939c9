"""Where recordings lie and what their files are called: a time and chance, nothing of the call.

Owns: the folder (0700), the names, the permissions of a file (0600). A name tells when, as the file's own date does.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.recording import RecordingOptions

SUFFIX = ".recording"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{12})" + re.escape(SUFFIX))
_TIME = "%Y%m%dT%H%M%SZ"


def recordings_folder(options: RecordingOptions, profile_folder: Path) -> Path:
    """The one of the settings, else the profile's."""
    return Path(options.folder).expanduser() if options.folder else profile_folder


def open_new(folder: Path, started: float) -> tuple[BinaryIO, Path]:
    """A new file of nobody else's to read. Raises OperationFailed (STORAGE)."""
    path = folder / f"{time.strftime(_TIME, time.gmtime(started))}-{secrets.token_hex(6)}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(path, "xb", opener=_private), path
    except OSError as error:
        raise OperationFailed(
            Failure(
                FailureKind.STORAGE,
                f"The recording cannot be written in {folder}: {error.strerror}.",
                "Check the folder's permissions and the room on the disk, or name another folder in the settings.",
            )
        ) from error


def open_private(path: Path) -> BinaryIO:
    """For what is exported: only its owner may read it, whatever the system's habit. Raises OSError."""
    return open(path, "w+b", opener=_private)


def _private(name: str, flags: int) -> int:
    opened = os.open(name, flags, 0o600)
    if sys.platform != "win32":
        os.fchmod(opened, 0o600)  # of a file that was there before, too
    return opened


def recording_files(folder: Path) -> list[Path]:
    """Newest first. Other files and links are none of ours. Raises OSError, not where there is no folder."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    names = [entry.name for entry in entries if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)]
    return [folder / name for name in sorted(names, reverse=True)]


def is_named_as_recording(path: Path) -> bool:
    """Nothing else is written over such a file."""
    return _NAME.fullmatch(path.name) is not None


def recording_id(path: Path) -> str:
    """The part that chance gave."""
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return found[2]


def named_time(path: Path) -> float:
    """Seconds since 1970."""
    found = _NAME.fullmatch(path.name)
    assert found is not None
    try:
        return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:  # digits that are no date
        return path.stat().st_mtime
