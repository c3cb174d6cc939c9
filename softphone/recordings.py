"""What front ends ask of the recordings: listing, exporting, deleting. The answers are events.

Owns: one thread for it, because a keyring may ask the person and a disk may be slow; and the daily deletion of what is
older than the settings allow. A front end's floor (4) beside the controller.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from softphone.engine.recording.library import Library
from softphone.engine.recording.place import recordings_folder
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import (
    AppEvent,
    DeleteRecording,
    ExportRecording,
    ListRecordings,
    Noticed,
    RecordingExported,
    RecordingsListed,
)
from softphone.policy.recording import RecordingOptions
from softphone.storage.recording_key import RecordingKey

_log = logging.getLogger(__name__)

EXPIRE_EVERY_S = 86_400.0

RecordingsCommand = ListRecordings | ExportRecording | DeleteRecording


def library(options: Callable[[], RecordingOptions], profile_folder: Path, key: RecordingKey) -> Library:
    """The recordings of these settings. `options` may raise OperationFailed."""
    return Library(lambda: recordings_folder(options(), profile_folder), key.read)


class RecordingsDesk:
    """`publish` is called from this desk's thread."""

    def __init__(
        self, recordings: Library, options: Callable[[], RecordingOptions], publish: Callable[[AppEvent], None]
    ) -> None:
        self._library, self._options, self._publish = recordings, options, publish
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._daily: threading.Timer | None = None

    def command(self, command: RecordingsCommand) -> None:
        """Returns at once."""
        if not self._closed.is_set():
            self._later(lambda: self._answer(command))

    def keep_to_the_days(self) -> None:
        """Deletes what is too old, now and every day."""
        if self._closed.is_set():
            return
        self._later(self._expire)
        self._daily = threading.Timer(EXPIRE_EVERY_S, self.keep_to_the_days)
        self._daily.daemon = True
        self._daily.start()

    def close(self) -> None:
        self._closed.set()
        self._waiting.put(lambda: None)
        if self._daily is not None:
            self._daily.cancel()

    def _later(self, work: Callable[[], None]) -> None:
        self._waiting.put(work)
        if self._thread is None:
            # A daemon: the program's end does not wait for a keyring's prompt that nobody answers.
            self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()

    # The desk's thread

    def _run(self) -> None:
        while not self._closed.is_set():
            self._waiting.get()()

    def _answer(self, command: RecordingsCommand) -> None:
        try:
            match command:
                case ExportRecording(recording_id=chosen, path=path):
                    exported = self._library.export(chosen, Path(path))
                    self._publish(RecordingExported(chosen, str(exported.path), exported.seconds, exported.condition))
                    return
                case DeleteRecording(recording_id=chosen):
                    self._library.delete(chosen)
                case ListRecordings():
                    pass
        except OperationFailed as error:
            self._publish(Noticed(error.failure))
        except Exception:  # noqa: BLE001 - the person must not wait for an answer that never comes
            _log.exception("what was asked of the recordings failed")
            self._publish(Noticed(_BROKEN))
        self._list()

    def _list(self) -> None:
        try:
            self._publish(RecordingsListed(self._library.listed()))
        except OperationFailed as error:
            self._publish(Noticed(error.failure))
            self._publish(RecordingsListed(()))

    def _expire(self) -> None:
        try:
            deleted = self._library.expire(self._options().keep_days)
        except (OperationFailed, OSError) as error:
            _log.warning("old recordings are not deleted: %s", error)
        else:
            if deleted:
                _log.info("%d recordings were older than the settings allow and are deleted", deleted)


_BROKEN = Failure(
    FailureKind.ENGINE_FAILED,
    "The recordings could not be read because of an error in this program.",
    "Report it with the log.",
)
