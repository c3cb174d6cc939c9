"""The name of this phone that registrars tell its bindings apart by: a urn:uuid (RFC 5626 §4.1).

Owns: the file it is kept in. It stands in the state folder and not in the settings, which may be copied to another
machine: two phones with one name would take each other's registrations.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from pathlib import Path

from softphone.errors import Failure, FailureKind, OperationFailed

_INSTANCE_ID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_instance_id() -> str:
    """For an engine without a profile: one for this run."""
    return uuid.uuid4().urn


def instance_id(path: Path) -> str:
    """The one of the profile, made at the first call.

    Raises OperationFailed (STORAGE) if it can be neither read nor written; what is not one is replaced.
    """
    try:
        known = path.read_bytes()[:100].decode("ascii", "replace").strip()
        if _INSTANCE_ID.fullmatch(known):
            return known
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unusable(path, error) from error
    made = new_instance_id()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(made + "\n")
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise _unusable(path, error) from error
    return made


def _unusable(path: Path, error: OSError) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.STORAGE,
            f"The name of this phone cannot be kept in {path}: {error.strerror}.",
            "Check the disk and the folder's permissions; until then the phone has another name at each start.",
        )
    )
