"""Where the link is found: a Unix socket in a private directory, or a port of 127.0.0.1 with a token in a private file.

Owns: the directory's making and checking, the names in it, the token file. The second form is Windows', and tested
everywhere (`LinkForm`).
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from softphone.engine.link.challenge import TOKEN_OCTETS
from softphone.errors import Failure, FailureKind, OperationFailed

LONGEST_SOCKET_PATH = 100
"""Octets; sun_path holds 104 (macOS) or 108 (Linux) with its end."""
_MAX_ADDRESS_FILE = 4096


class LinkForm(enum.Enum):
    UNIX = "unix"
    LOOPBACK = "loopback"


def system_form() -> LinkForm:
    return LinkForm.LOOPBACK if sys.platform == "win32" else LinkForm.UNIX


@dataclass(frozen=True, slots=True)
class LoopbackAddress:
    port: int
    token: bytes

    def __repr__(self) -> str:
        return f"LoopbackAddress({self.port}, token redacted)"


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """`runtime` is the profile's; `make` must have been called before anything is put there."""

    runtime: Path
    form: LinkForm

    def make(self) -> None:
        """Raises OperationFailed(STORAGE) where a directory is not, or cannot be made, ours alone."""
        make_private(self.runtime)
        if self._socket_directory != self.runtime:
            make_private(self._socket_directory)

    @property
    def lock_file(self) -> Path:
        return self.runtime / "engine.lock"

    @property
    def socket_path(self) -> Path:
        return self._socket_directory / "engine.sock"

    @property
    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.runtime / "engine.sock")) < LONGEST_SOCKET_PATH:
            return self.runtime
        # One for each profile, found again from the profile's path alone.
        digest = hashlib.sha256(os.fsencode(self.runtime)).hexdigest()[:12]
        owner = os.geteuid() if sys.platform != "win32" else 0
        return Path("/tmp") / f"softphone-{owner}-{digest}"  # noqa: S108 - made and checked by make_private

    @property
    def address_file(self) -> Path:
        return self.runtime / "engine.port"

    def write_address(self, address: LoopbackAddress) -> None:
        """Whole or not at all, mode 0600."""
        text = json.dumps({"port": address.port, "token": address.token.hex()})
        descriptor, temporary = tempfile.mkstemp(dir=self.runtime, prefix=".engine.port.")  # 0600 by mkstemp
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(text)
            Path(temporary).replace(self.address_file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def read_address(self) -> LoopbackAddress | None:
        """None if there is none that could be used."""
        try:
            if sys.platform != "win32" and self.address_file.stat().st_uid != os.geteuid():
                return None
            with self.address_file.open("rb") as file:
                content = json.loads(file.read(_MAX_ADDRESS_FILE))
            port, token = int(content["port"]), bytes.fromhex(content["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return LoopbackAddress(port, token) if 0 < port < 65536 and len(token) == TOKEN_OCTETS else None

    def clear(self) -> None:
        """Remove what says where the engine listens; by the engine that holds the lock only."""
        self.socket_path.unlink(missing_ok=True)
        self.address_file.unlink(missing_ok=True)


def make_private(directory: Path) -> None:
    """A directory that is ours and that nobody else can enter; made if it is not there.

    One that others may read is closed to them. One that is a link, is somebody else's or could be written by others is
    refused, for what is in it cannot be trusted. Raises OperationFailed(STORAGE).
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        if sys.platform == "win32":
            return  # below %LOCALAPPDATA%, whose access list is the user's own
        found = directory.lstat()
        if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
            raise _unsafe(directory, "it is not a directory of its own")
        if found.st_uid != os.geteuid():
            raise _unsafe(directory, f"it belongs to user {found.st_uid}")
        if found.st_mode & 0o022:
            raise _unsafe(directory, "others may write into it")
        if found.st_mode & 0o077:
            directory.chmod(0o700)
    except FileExistsError:
        raise _unsafe(directory, "it is not a directory of its own") from None
    except OSError as error:
        raise _unsafe(directory, error.strerror or "it cannot be made") from error


def _unsafe(directory: Path, why: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.STORAGE,
            f"The directory {directory} cannot be used for the phone's own files: {why}.",
            "Remove or correct it, then start the phone again.",
        )
    )
