"""The recordings that there are: what each is, taking it out, deleting it.

Owns: reading sealed files. Whatever octets they hold, the answer is a `RecordingView` or a failure in words; memory is
that of one record. Used by the engine for windows and by `softphone recordings` without one.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from softphone.engine.recording.place import (
    is_named_as_recording,
    named_time,
    open_private,
    recording_files,
    recording_id,
)
from softphone.engine.recording.sealed_file import (
    CutOff,
    Damaged,
    NotARecording,
    Record,
    RecordKind,
    SealedReader,
    WrongKey,
    has_end,
)
from softphone.engine.recording.sound_stream import length_patch
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import RecordingCondition, RecordingView
from softphone.policy.recording import RecordingFormat
from softphone.policy.secret import SecretBytes
from softphone.ua.events import Party

_log = logging.getLogger(__name__)

MAX_LISTED = 500
"""Newest first; older ones are still there, and `softphone recordings` reaches all of them by their id."""
STILL_WRITTEN_S = 5.0
"""A file without an end that changed so lately is being recorded: it grows twice a second."""
_MOST_TEXT = 200  # characters of a name or an address that others chose
_HEAD_OCTETS = 64  # of the sound file, where its length stands


class About(msgspec.Struct, frozen=True):
    """The first record."""

    account: str
    remote: str
    name: str
    incoming: bool
    started: float  # s since 1970
    format: RecordingFormat
    rate: int  # Hz
    announced: bool


class End(msgspec.Struct, frozen=True):
    """The last record. `missed_ms` were lost to a slow disk and are silence."""

    samples: int
    missed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Exported:
    path: Path
    seconds: float
    condition: RecordingCondition


class Library:
    """`folder` and `key` are asked each time: settings change, and a keyring may be unlocked meanwhile."""

    def __init__(
        self,
        folder: Callable[[], Path],
        key: Callable[[], SecretBytes | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._key, self._wall = folder, key, wall

    def listed(self) -> tuple[RecordingView, ...]:
        """Newest first, at most MAX_LISTED. Raises OperationFailed (STORAGE) where folder or keyring cannot be read."""
        files = self._files()[:MAX_LISTED]
        if not files:
            return ()
        key = self._key()
        return tuple(view for path in files if (view := self._view(path, key)) is not None)

    def export(self, chosen: str, to: Path) -> Exported:
        """The sound, not encrypted any more, into the file `to` or under a name of its own into the folder `to`.

        What is authentic of an incomplete or damaged one is exported. Raises OperationFailed (STORAGE, USAGE).
        """
        path = self._file(chosen)
        view = self._view(path, self._key())
        if view is None or view.failure is not None:
            raise OperationFailed(view.failure if view is not None and view.failure else _gone(chosen))
        if to.is_dir():
            to /= default_name(view)
        if is_named_as_recording(to):
            raise OperationFailed(
                Failure(FailureKind.USAGE, f"{to} is a recording itself.", "Export to a file of another name.")
            )
        try:
            with path.open("rb") as sealed, open_private(to) as out:
                return self._export(SealedReader(sealed, self._key()), out, to)
        except OSError as error:
            raise OperationFailed(
                Failure(
                    FailureKind.STORAGE,
                    f"The recording could not be exported to {to}: {error.strerror}.",
                    "Choose a folder that you may write to and that has room; what lies there now is incomplete.",
                )
            ) from error

    def delete(self, chosen: str) -> None:
        """Raises OperationFailed (STORAGE, USAGE), also for one that is being recorded."""
        path = self._file(chosen)
        if self._running(path):
            raise OperationFailed(
                Failure(FailureKind.USAGE, "This call is being recorded now.", "Stop the recording, then delete it.")
            )
        try:
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise OperationFailed(
                Failure(
                    FailureKind.STORAGE,
                    f"The recording could not be deleted: {error.strerror}.",
                    "Check the permissions of the folder of recordings.",
                )
            ) from error

    def expire(self, keep_days: int) -> int:
        """Deletes those that began more than so many days ago, by the time in their names; 0 keeps all. How many."""
        if keep_days <= 0:
            return 0
        before = self._wall() - keep_days * 86_400
        old = [path for path in self._files() if named_time(path) < before and not self._still_written(path)]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    # Within

    def _files(self) -> list[Path]:
        try:
            return recording_files(self._folder())
        except OSError as error:
            raise OperationFailed(
                Failure(
                    FailureKind.STORAGE,
                    f"The folder of recordings {self._folder()} cannot be read: {error.strerror}.",
                    "Check its permissions, or name another folder in the settings.",
                )
            ) from error

    def _file(self, chosen: str) -> Path:
        """By the beginning of its id."""
        found = [path for path in self._files() if chosen and recording_id(path).startswith(chosen)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise OperationFailed(_gone(chosen))
        ids = ", ".join(recording_id(path) for path in found[:5])
        raise OperationFailed(
            Failure(FailureKind.USAGE, f"“{chosen}” begins {len(found)} recordings.", f"Name one: {ids}.")
        )

    def _still_written(self, path: Path) -> bool:
        return self._wall() - path.stat().st_mtime < STILL_WRITTEN_S

    def _running(self, path: Path) -> bool:
        with path.open("rb") as file:
            return self._still_written(path) and not has_end(file)

    def _view(self, path: Path, key: SecretBytes | None) -> RecordingView | None:
        """None where it has just been deleted."""
        try:
            size, growing = path.stat().st_size, self._still_written(path)
            view = RecordingView(recording_id(path), named_time(path), size)
            with path.open("rb") as file:
                first, latest, whole = _authentic(file, key)
            about = msgspec.json.decode(first.body, type=About)
        except FileNotFoundError:
            return None
        except (OSError, NotARecording, WrongKey, Damaged, CutOff, msgspec.MsgspecError) as error:
            return _unreadable(view, error, growing=growing)
        condition = RecordingCondition.COMPLETE if whole else RecordingCondition.DAMAGED
        if whole is False:
            condition = RecordingCondition.RUNNING if growing else RecordingCondition.INCOMPLETE
        return RecordingView(
            id=view.id,
            started_at=about.started,
            size=size,
            seconds=_samples(latest) / about.rate,
            remote=Party(about.remote[:_MOST_TEXT], about.name[:_MOST_TEXT]),
            account_id=about.account[:_MOST_TEXT],
            incoming=about.incoming,
            format=about.format,
            announced=about.announced,
            condition=condition,
        )

    @staticmethod
    def _export(reader: SealedReader, out: BinaryIO, to: Path) -> Exported:
        condition, rate, samples = RecordingCondition.COMPLETE, 1, 0
        try:
            for record in reader:
                if record.kind is RecordKind.ABOUT:
                    rate = msgspec.json.decode(record.body, type=About).rate
                elif record.kind is RecordKind.SOUND:
                    out.write(record.body[8:])
                elif record.kind is RecordKind.PATCH:
                    _put(out, int.from_bytes(record.body[:8], "big"), record.body[8:])
                samples = _samples(record) or samples
        except CutOff:
            condition = RecordingCondition.INCOMPLETE
        except Damaged:
            condition = RecordingCondition.DAMAGED
        if condition is not RecordingCondition.COMPLETE:
            out.seek(0)
            patch = length_patch(out.read(_HEAD_OCTETS), samples)
            if patch is not None:
                _put(out, patch.position, patch.octets)
        out.flush()
        os.fsync(out.fileno())
        return Exported(to, samples / rate, condition)


def default_name(view: RecordingView) -> str:
    """For what is exported: when, and no more; the person may add who."""
    when = time.strftime("%Y-%m-%d %H.%M.%S", time.localtime(view.started_at))
    return f"Call {when}{extension(view.format)}"


def extension(kind: RecordingFormat | None) -> str:
    return ".opus" if kind is RecordingFormat.OPUS else ".flac"


def _authentic(file: BinaryIO, key: SecretBytes | None) -> tuple[Record, Record, bool | None]:
    """The first record, the latest, and whether that is the last; None: what follows it is damaged.

    After a power cut the end of a file may be zeros. Raises as SealedReader does where not even the first is authentic.
    """
    try:
        return SealedReader(file, key).first_and_latest()
    except Damaged:
        file.seek(0)
        records = iter(SealedReader(file, key))
        first = latest = next(records)
        try:
            for record in records:
                latest = record
        except (Damaged, CutOff):
            pass
        return first, latest, None


def _put(out: BinaryIO, position: int, octets: bytes) -> None:
    out.seek(position)
    out.write(octets)
    out.seek(0, 2)


def _samples(record: Record) -> int:
    """Of each channel, that the file holds with this record; 0 where it does not say."""
    if record.kind is RecordKind.SOUND:
        return int.from_bytes(record.body[:8], "big")
    if record.kind is RecordKind.END:
        return msgspec.json.decode(record.body, type=End).samples
    return 0


def _unreadable(view: RecordingView, error: Exception, *, growing: bool) -> RecordingView:
    match error:
        case WrongKey():
            why = (
                "It was encrypted with another key than the one in the keyring.",
                ("Unlock or restore the keyring that it was made with; without its key nobody can read it."),
            )
        case NotARecording():
            why = "This file is no recording, or one of a newer version of this program.", "Move it elsewhere."
        case CutOff() if growing:
            return RecordingView(view.id, view.started_at, view.size, condition=RecordingCondition.RUNNING)
        case CutOff():
            why = "It holds nothing: the phone was stopped before a second was recorded.", "Delete it."
        case OSError():
            why = f"It cannot be read: {error.strerror}.", "Check the permissions of the folder of recordings."
        case _:
            why = "It is damaged from its beginning.", "Restore it from a backup, or delete it."
    return RecordingView(
        view.id,
        view.started_at,
        view.size,
        condition=RecordingCondition.UNREADABLE,
        failure=Failure(FailureKind.STORAGE, *why),
    )


def _gone(chosen: str) -> Failure:
    return Failure(
        FailureKind.USAGE,
        f"There is no recording “{chosen}”.",
        "“softphone recordings list” lists those that there are.",
    )
