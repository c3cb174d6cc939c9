"""The journal of open dialogs: what a new engine must know to end the calls of one that died. No keys, no media.

Owns: the file, written whole or not at all, mode 0600. It holds something only while calls run.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import tempfile
from pathlib import Path

import msgspec

from softphone.ua.open_dialog import OpenDialog

log = logging.getLogger(__name__)

JOURNAL_VERSION = 1
_LARGEST = 1024 * 1024  # octets; a hundred dialogs are a tenth of it


class Journal:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: tuple[OpenDialog, ...] | None = None

    def read(self) -> tuple[OpenDialog, ...]:
        """What the last engine left; nothing if there is no journal, or one that cannot be read."""
        try:
            with self._path.open("rb") as file:
                content = msgspec.json.decode(file.read(_LARGEST))
            if content["version"] != JOURNAL_VERSION:
                return ()
            return msgspec.convert(content["dialogs"], tuple[OpenDialog, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
            log.warning("the journal of open dialogs cannot be read: %s", type(error).__name__)
            return ()

    def write(self, dialogs: tuple[OpenDialog, ...]) -> None:
        """Only if it says something new. Failing to write is logged: a call does not end because a disk is full."""
        if dialogs == self._written:
            return
        self._written = dialogs
        try:
            if not dialogs:
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            plain = {"version": JOURNAL_VERSION, "dialogs": [dataclasses.asdict(dialog) for dialog in dialogs]}
            descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
            try:
                with os.fdopen(descriptor, "w", encoding="ascii") as out:
                    json.dump(plain, out)
                    out.flush()
                    os.fsync(out.fileno())
                Path(temporary).replace(self._path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            log.error("the journal of open dialogs cannot be written: %s", error)
