"""The recorder of an engine that records nothing: the lab's connections, a script's own engine."""

from __future__ import annotations

from collections.abc import Callable

from softphone.engine.recording.tape import Tape
from softphone.errors import Failure, FailureKind
from softphone.ua.actions import MediaId, RecordMedia
from softphone.ua.inputs import Input, RecordingReported

_REFUSED = Failure(
    FailureKind.USAGE, "Calls of this engine cannot be recorded.", "Record in the window, or with “softphone ctl”."
)


class NoRecorder:
    """Refuses in words."""

    def connect(self, attach: Callable[[MediaId, Tape | None], None], post: Callable[[Input], None]) -> None:
        del attach
        self._post = post

    def start(self, subject: RecordMedia) -> None:
        self._post(RecordingReported(subject.media_id, recording=False, failure=_REFUSED))

    def stop(self, media_id: MediaId) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""
