"""Recording calls: one thread for each recording, from the tape to the encrypted file.

Owns: when a file is made, what goes into it, what the user agent is told. Must not know: signalling, windows.

This is the one place that opens a file for a voice, so the policy is asked here, whoever gave the command. What a
recording needs is had before anything is said to run: permission, key, file. At most every second what has been heard
goes to the disk, encrypted; there is no other copy. A disk that fails ends the recording, never the call.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from softphone.engine.audio.backend import BLOCK_MS
from softphone.engine.recording.place import open_new, recordings_folder
from softphone.engine.recording.sealed_file import MAX_RECORD, RecordKind, SealedWriter
from softphone.engine.recording.sound_stream import Patch, Sound, SoundStream
from softphone.engine.recording.tape import Tape, both_sides
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.recording import RecordingOptions, recording_refused
from softphone.policy.secret import SecretBytes
from softphone.ua.actions import MediaId, RecordMedia
from softphone.ua.inputs import Input, RecordingReported

_log = logging.getLogger(__name__)

WRITE_EVERY_S = 0.5
SYNC_EVERY_S = 5.0
"""Until then the system has it, which outlives this program but no power cut."""
_JOIN_S = 5.0
_POSITION_OCTETS = 8
_MOST_SOUND = MAX_RECORD - 1 - _POSITION_OCTETS


class MasterKey(Protocol):
    def read_or_make(self) -> SecretBytes:
        """Waits for the keyring. Raises OperationFailed."""
        ...


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """`options` gives those of this moment, from any thread; it raises OperationFailed where they cannot be used."""

    options: Callable[[], RecordingOptions]
    folder: Path  # where the settings name none
    key: MasterKey


class Recorder:
    """All methods return at once, `close` excepted; what comes of them is posted. `connect` comes first."""

    def __init__(self, settings: RecorderSettings, wall: Callable[[], float] = time.time) -> None:
        self._settings, self._wall = settings, wall
        self._running: dict[MediaId, _Recording] = {}
        self._attach: Callable[[MediaId, Tape | None], None] = _unconnected
        self._post: Callable[[Input], None] = _unheard

    def connect(self, attach: Callable[[MediaId, Tape | None], None], post: Callable[[Input], None]) -> None:
        """`attach` gives a session its tape; `post` is called from the recordings' threads."""
        self._attach, self._post = attach, post

    def start(self, subject: RecordMedia) -> None:
        """RecordingReported follows."""
        if subject.media_id in self._running:
            self.stop(subject.media_id)
        recording = _Recording(subject, self._settings, self._attach, self._post, self._wall)
        self._running[subject.media_id] = recording
        recording.start()

    def stop(self, media_id: MediaId) -> None:
        """What has been heard is written, and the file finished."""
        recording = self._running.pop(media_id, None)
        if recording is not None:
            recording.end()

    def close(self) -> None:
        """Finishes all files; waits for them."""
        for media_id in list(self._running):
            self.stop(media_id)
        deadline = time.monotonic() + _JOIN_S
        for thread in _Recording.threads():
            thread.join(max(0.0, deadline - time.monotonic()))


class _Recording:
    """One file and its thread."""

    def __init__(
        self,
        subject: RecordMedia,
        settings: RecorderSettings,
        attach: Callable[[MediaId, Tape | None], None],
        post: Callable[[Input], None],
        wall: Callable[[], float],
    ) -> None:
        self._subject, self._settings = subject, settings
        self._attach, self._post, self._wall = attach, post, wall
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
        self._tape = Tape()

    @staticmethod
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == _THREAD]

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()

    def _report(self, recording: bool, failure: Failure | None = None, *, announced: bool = False) -> None:
        self._post(RecordingReported(self._subject.media_id, recording, failure, announced))

    def _run(self) -> None:
        failure = None
        try:
            self._record()
        except OperationFailed as error:
            failure = error.failure
        except OSError as error:
            failure = _disk_refused(error)
        except Exception:  # noqa: BLE001 - a thread has nobody above it, and the call goes on
            _log.exception("a recording failed")
            failure = Failure(
                FailureKind.ENGINE_FAILED,
                "The recording ended because of an error in this program.",
                "What was recorded until then is kept. Report it with the log.",
            )
        finally:
            self._attach(self._subject.media_id, None)
        if failure is not None:
            _log.warning("not recording: %s", failure.reason)
        self._report(False, failure)

    def _record(self) -> None:
        options = self._settings.options()
        refused = recording_refused(options)
        if refused is not None:
            raise OperationFailed(refused)
        key = self._settings.key.read_or_make()
        if self._ending.is_set():
            return  # the call ended while the keyring asked the person
        started = self._wall()
        file, path = open_new(recordings_folder(options, self._settings.folder), started)
        with file:
            try:
                self._attach(self._subject.media_id, self._tape)
                while not self._tape.begun.wait(WRITE_EVERY_S):
                    if self._ending.is_set():
                        return
                _Track(file, key, options, self._subject, started, self._tape).follow(self._ending, self._report)
            finally:
                if not self._tape.begun.is_set():
                    path.unlink(missing_ok=True)  # nothing was recorded


class _Track:
    """What goes from the tape into the open file."""

    def __init__(
        self,
        file: BinaryIO,
        key: SecretBytes,
        options: RecordingOptions,
        subject: RecordMedia,
        started: float,
        tape: Tape,
    ) -> None:
        self._file, self._tape, self._options = file, tape, options
        self._stream = SoundStream(options.format, tape.sample_rate)
        self._block = tape.sample_rate * BLOCK_MS // 1000
        self._sealed = SealedWriter(file, key, secrets.token_bytes)
        self._missed = 0
        self._told = False  # that some are missing
        self._held = 0  # samples of each channel in what has been written
        about = {
            "account": subject.account_id,
            "remote": _printable(subject.remote_uri),
            "name": _printable(subject.remote_name),
            "incoming": subject.incoming,
            "started": started,
            "format": options.format.value,
            "rate": self._stream.rate,
            "announced": options.announce,
        }
        self._sealed.write(RecordKind.ABOUT, _json(about))
        self._flush(sync=True)

    def follow(self, ending: threading.Event, report: Callable[..., None]) -> None:
        """Until the end. Raises OSError where the disk refuses."""
        report(True, announced=self._options.announce)
        synced = time.monotonic()
        while not ending.wait(WRITE_EVERY_S):
            self._take_in()
            sync = time.monotonic() - synced >= SYNC_EVERY_S
            self._flush(sync=sync)
            if sync:
                synced = time.monotonic()
            if self._fell_behind():
                report(True, _TOO_SLOW, announced=self._options.announce)
        self._take_in()
        self._stream.close()
        self._write_out()
        ended = {"samples": self._stream.samples, "missed_ms": self._tape.missed * BLOCK_MS}
        self._sealed.write(RecordKind.END, _json(ended))
        self._flush(sync=True)

    def _take_in(self) -> None:
        missed = self._tape.missed
        ticks = self._tape.take()
        if ticks:
            self._stream.write(*both_sides(ticks, self._block))
        for _ in range(missed - self._missed):  # they came after the queue was full
            silence = np.zeros(self._block, np.int16)
            self._stream.write(silence, silence)
        self._missed = missed
        self._write_out()

    def _fell_behind(self) -> bool:
        """True once."""
        if self._told or not self._missed:
            return False
        self._told = True
        return True

    def _write_out(self) -> None:
        """Whole frames and pages in one record where they fit: a torn record then tears nothing else."""
        waiting, held = b"", self._held
        for piece in self._stream.take():
            match piece:
                case Sound(octets=octets, samples=samples):
                    if len(waiting) + len(octets) > _MOST_SOUND:
                        self._write_sound(waiting, held)
                        waiting = b""
                    waiting, held = waiting + octets, samples
                case Patch(octets=octets, position=position):
                    self._write_sound(waiting, held)
                    waiting = b""
                    self._sealed.write(RecordKind.PATCH, position.to_bytes(_POSITION_OCTETS, "big") + octets)
        self._write_sound(waiting, held)

    def _write_sound(self, octets: bytes, samples: int) -> None:
        """The last part of what is too long for one record says how far the file goes with it."""
        for at in range(0, len(octets), _MOST_SOUND):
            if at + _MOST_SOUND >= len(octets):
                self._held = samples
            self._sealed.write(
                RecordKind.SOUND, self._held.to_bytes(_POSITION_OCTETS, "big") + octets[at : at + _MOST_SOUND]
            )

    def _flush(self, *, sync: bool) -> None:
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())


_THREAD = "recording"
_TOO_SLOW = Failure(
    FailureKind.STORAGE,
    "The disk is too slow for the recording: a part of it is missing.",
    "Stop what keeps the disk busy, or choose a folder on a faster one.",
)


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode("ascii")


def _printable(text: str) -> str:
    """Octets of a peer that were not UTF-8 are lone surrogates inside; JSON has no place for them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _disk_refused(error: OSError) -> Failure:
    return Failure(
        FailureKind.STORAGE,
        f"The recording ended: its file cannot be written ({error.strerror}).",
        "The call goes on, and what was recorded until then is kept. Make room on the disk, then record again.",
    )


def _unconnected(media_id: MediaId, tape: Tape | None) -> None:
    del tape
    raise RuntimeError(f"no media is connected for {media_id}")


def _unheard(given: Input) -> None:
    raise RuntimeError(f"nobody hears of {type(given).__name__}")
