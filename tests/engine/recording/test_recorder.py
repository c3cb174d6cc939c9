"""The recorder with a real encoder, real files and a key of the test's own: what comes back, and what it refuses."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from softphone.engine.recording import place
from softphone.engine.recording import recorder as recorder_module
from softphone.engine.recording.library import Library
from softphone.engine.recording.recorder import Recorder, RecorderSettings
from softphone.engine.recording.tape import MOST_BLOCKS, Announcement, Tape
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import RecordingCondition
from softphone.policy.origin import Origin
from softphone.policy.recording import RecordingFormat, RecordingOptions
from softphone.policy.secret import SecretBytes
from softphone.ua.actions import RecordMedia
from softphone.ua.inputs import Input, RecordingReported

RATE = 48_000
BLOCK = RATE // 100
SUBJECT = RecordMedia("m1", "work", "sip:bob@example.org", "Bob \udcff Ä", incoming=True)


class Key:
    """A keyring that has a key, or why not."""

    def __init__(self, failure: Failure | None = None) -> None:
        self.failure = failure

    def read_or_make(self) -> SecretBytes:
        if self.failure is not None:
            raise OperationFailed(self.failure)
        return SecretBytes(bytes(range(32)))


class Studio:
    """A recorder with one session that runs, fed by the test as the media thread would."""

    def __init__(self, folder: Path, options: RecordingOptions, key: Key | None = None) -> None:
        self.options = options
        self.recorder = Recorder(RecorderSettings(lambda: self.options, folder, key or Key()))
        self.recorder.connect(self._attach, self._post)
        self.tape: Tape | None = None
        self.reported: list[RecordingReported] = []
        self._told = threading.Condition()
        self.library = Library(lambda: folder, (key or Key()).read_or_make)

    def _attach(self, media_id: str, tape: Tape | None) -> None:
        self.tape = tape
        if tape is not None:
            tape.begin(RATE)

    def _post(self, given: Input) -> None:
        assert isinstance(given, RecordingReported)
        with self._told:
            self.reported.append(given)
            self._told.notify_all()

    def wait(self, what: Callable[[RecordingReported], bool]) -> RecordingReported:
        with self._told:
            assert self._told.wait_for(lambda: any(what(r) for r in self.reported), 30), self.reported
            return next(r for r in self.reported if what(r))

    def start(self) -> RecordingReported:
        self.recorder.start(SUBJECT)
        return self.wait(lambda report: report.recording)

    def play(self, left: NDArray[np.int16], right: NDArray[np.int16]) -> None:
        assert self.tape is not None
        for at in range(0, left.size, BLOCK):
            self.tape.hear(right[at : at + BLOCK])
            self.tape.say(left[at : at + BLOCK], None)

    def stop(self) -> None:
        self.recorder.stop("m1")
        self.wait(lambda report: not report.recording)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    made: list[Studio] = []

    def make(options: RecordingOptions | None = None, key: Key | None = None) -> Studio:
        made.append(Studio(tmp_path / "recordings", options or RecordingOptions(), key))
        return made[-1]

    yield make
    for each in made:
        each.recorder.close()


def voice(seed: int, seconds: float) -> NDArray[np.int16]:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * RATE) // BLOCK * BLOCK)
    smooth = np.convolve(noise, np.ones(24) / 24, "same")
    return (smooth * 9000).astype(np.int16)


def the_only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_both_sides_come_back_exactly_as_flac_and_only_inside_the_encrypted_file(
    tmp_path: Path, studio: Callable[..., Studio]
) -> None:
    here = studio()
    left, right = voice(1, 3.0), voice(2, 3.0)
    before = time.time()
    assert here.start().announced
    here.play(left, right)
    here.stop()

    path = the_only(tmp_path / "recordings")
    octets = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for told in (b"fLaC", b"OggS", b"RIFF", b"sip:bob", b"example", b"work"):
        assert told not in octets
        assert told.decode() not in path.name
    (view,) = here.library.listed()
    assert view.remote is not None
    assert (view.remote.uri, view.remote.display_name) == ("sip:bob@example.org", "Bob � Ä")
    assert (view.account_id, view.incoming, view.announced) == ("work", True, True)
    assert view.condition is RecordingCondition.COMPLETE
    assert view.seconds == pytest.approx(3.0)
    assert before - 1 <= view.started_at <= time.time()
    assert view.size == len(octets)

    exported = here.library.export(view.id[:4], tmp_path)
    assert exported.condition is RecordingCondition.COMPLETE
    assert exported.path.suffix == ".flac"
    assert stat.S_IMODE(exported.path.stat().st_mode) == 0o600
    samples, rate = soundfile.read(str(exported.path), dtype="int16")
    assert rate == RATE
    assert np.array_equal(samples[:, 0], left)
    assert np.array_equal(samples[:, 1], right)
    assert soundfile.SoundFile(str(exported.path)).frames == left.size

    here.library.delete(view.id)
    assert here.library.listed() == ()


def test_opus_is_a_tenth_of_that_and_sounds_alike(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    here = studio(RecordingOptions(format=RecordingFormat.OPUS, announce=False))
    time_axis = np.arange(3 * RATE) / RATE
    left = (8000 * np.sin(2 * np.pi * 440 * time_axis)).astype(np.int16)
    right = (8000 * np.sin(2 * np.pi * 990 * time_axis)).astype(np.int16)
    assert not here.start().announced
    here.play(left, right)
    here.stop()

    (view,) = here.library.listed()
    assert view.size < left.nbytes * 2 / 10
    assert view.seconds == pytest.approx(3.0)
    exported = here.library.export(view.id, tmp_path / "out.opus")
    samples, rate = soundfile.read(str(exported.path), dtype="int16")
    assert rate == RATE
    assert abs(len(samples) - left.size) < RATE // 50
    for side, frequency in ((0, 440), (1, 990)):
        spectrum = np.abs(np.fft.rfft(samples[RATE : 2 * RATE, side].astype(float)))
        assert int(spectrum.argmax()) == frequency


def test_who_is_muted_or_hears_nothing_is_silence_and_a_conference_is_heard_as_one(
    tmp_path: Path, studio: Callable[..., Studio]
) -> None:
    here = studio()
    here.start()
    assert here.tape is not None
    loud = np.full(BLOCK, 20_000, np.int16)
    here.tape.hear(None)
    here.tape.say(loud, None)
    here.tape.hear(loud)
    here.tape.say(None, None)
    here.tape.hear(loud)
    here.tape.say(None, np.full(BLOCK, 5_000, np.int32))
    here.tape.hear(loud)
    here.tape.say(None, np.full(BLOCK, 50_000, np.int32))
    here.stop()

    exported = here.library.export(here.library.listed()[0].id, tmp_path / "out.flac")
    samples, _ = soundfile.read(str(exported.path), dtype="int16")
    assert [tuple(int(v) for v in samples[n * BLOCK + 5]) for n in range(4)] == [
        (20_000, 0),
        (0, 20_000),
        (0, 25_000),
        (0, 32_767),
    ]


@pytest.mark.parametrize("torn", [0, 3])
@pytest.mark.parametrize("kind", list(RecordingFormat))
def test_what_was_written_before_a_crash_can_be_exported(
    tmp_path: Path, studio: Callable[..., Studio], kind: RecordingFormat, torn: int
) -> None:
    """The file as it lies on the disk while the call goes on is what a killed engine leaves."""
    here = studio(RecordingOptions(format=kind))
    here.start()
    left, right = voice(3, 6.0), voice(4, 6.0)
    for second in range(6):
        part = slice(second * RATE, (second + 1) * RATE)
        here.play(left[part], right[part])
        time.sleep(0.2)
    time.sleep(1.2)  # two turns of the writer
    path = the_only(tmp_path / "recordings")
    (tmp_path / "crashed").mkdir()
    copy = tmp_path / "crashed" / path.name
    octets = path.read_bytes()
    copy.write_bytes(octets[: len(octets) - torn])
    os.utime(copy, (time.time() - 60, time.time() - 60))
    (running,) = here.library.listed()
    assert running.condition is RecordingCondition.RUNNING
    with pytest.raises(OperationFailed, match="being recorded now"):
        here.library.delete(running.id)
    left_behind = Library(lambda: tmp_path / "crashed", Key().read_or_make)

    (view,) = left_behind.listed()
    exported = left_behind.export(view.id, tmp_path / f"out.{kind.value}")

    assert view.condition is exported.condition is RecordingCondition.INCOMPLETE
    lost = 2.2 if kind is RecordingFormat.OPUS else 0.3  # s: a page of Ogg and one begun, two frames of FLAC
    lost += 3.0 if torn else 0.0  # a record of half a second, in which the test spoke five times as fast
    assert 6.0 - lost <= view.seconds <= 6.0
    samples, _ = soundfile.read(str(exported.path), dtype="int16")
    assert len(samples) / RATE == pytest.approx(view.seconds, abs=0.1)
    if kind is RecordingFormat.FLAC:
        assert np.array_equal(samples[:, 0], left[: len(samples)])
        assert np.array_equal(samples[:, 1], right[: len(samples)])


def test_a_damaged_file_gives_its_beginning_and_says_so(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    here = studio()
    here.start()
    here.play(voice(5, 4.0), voice(6, 4.0))
    here.stop()
    path = the_only(tmp_path / "recordings")
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)

    exported = here.library.export(here.library.listed()[0].id, tmp_path / "out.flac")

    assert exported.condition is RecordingCondition.DAMAGED
    assert 1.0 < exported.seconds < 3.0
    samples, _ = soundfile.read(str(exported.path), dtype="int16")
    assert np.array_equal(samples[:, 0], voice(5, 4.0)[: len(samples)])


def test_zeros_at_the_end_as_a_power_cut_leaves_them_cost_nothing_before(
    tmp_path: Path, studio: Callable[..., Studio]
) -> None:
    here = studio()
    here.start()
    here.play(voice(5, 4.0), voice(6, 4.0))
    here.stop()
    path = the_only(tmp_path / "recordings")
    octets = path.read_bytes()
    path.write_bytes(octets[:-200] + bytes(4296))

    (view,) = here.library.listed()
    exported = here.library.export(view.id, tmp_path / "out.flac")

    assert view.failure is None
    assert view.condition is exported.condition is RecordingCondition.DAMAGED
    assert view.seconds == exported.seconds > 2.0
    samples, _ = soundfile.read(str(exported.path), dtype="int16")
    assert np.array_equal(samples[:, 0], voice(5, 4.0)[: len(samples)])


def test_an_export_harms_no_recording_and_is_its_owner_s_alone(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    here = studio()
    here.start()
    here.play(voice(5, 1.0), voice(6, 1.0))
    here.stop()
    path = the_only(tmp_path / "recordings")
    before = path.read_bytes()
    (view,) = here.library.listed()
    there = tmp_path / "out.flac"
    there.write_bytes(b"readable by all")
    there.chmod(0o644)

    with pytest.raises(OperationFailed, match="recording itself"):
        here.library.export(view.id, path)
    here.library.export(view.id, there)

    assert path.read_bytes() == before
    assert there.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("origin", "words"), [(Origin.MANAGED, "Your organisation"), (Origin.USER, "The settings of this phone")]
)
def test_where_a_policy_forbids_it_nothing_is_made(
    tmp_path: Path, studio: Callable[..., Studio], origin: Origin, words: str
) -> None:
    here = studio(RecordingOptions(permitted=False, origin=origin))
    here.recorder.start(SUBJECT)

    failure = here.wait(lambda report: not report.recording).failure

    assert failure is not None
    assert failure.kind is FailureKind.POLICY
    assert failure.reason.startswith(words)
    assert not (tmp_path / "recordings").exists()
    assert here.tape is None


def test_without_a_key_nothing_is_made(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    locked = Failure(FailureKind.STORAGE, "The key of the recordings cannot be had: locked.", "Unlock.")
    here = studio(key=Key(locked))
    here.recorder.start(SUBJECT)

    assert here.wait(lambda report: not report.recording).failure == locked
    assert not (tmp_path / "recordings").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    (tmp_path / "recordings").write_text("in the way")
    here = studio()
    here.recorder.start(SUBJECT)

    failure = here.wait(lambda report: not report.recording).failure

    assert failure is not None
    assert "cannot be written" in failure.reason


class FullDisk:
    """A file on a disk that takes so many octets and no more."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def write(self, octets: bytes) -> int:
        taken = min(len(octets), self._room)
        self._room -= taken
        self._file.write(octets[:taken])
        if taken < len(octets):
            raise OSError(28, "No space left on device")
        return taken

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()


def test_a_full_disk_ends_the_recording_in_words_and_what_was_written_stays(
    tmp_path: Path, studio: Callable[..., Studio], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = place.open_new

    def small(folder: Path, started: float) -> tuple[FullDisk, Path]:
        file, path = really(folder, started)
        return FullDisk(file, 300_000), path

    monkeypatch.setattr(recorder_module, "open_new", small)
    here = studio()
    here.start()
    here.play(voice(7, 9.0), voice(8, 9.0))

    failure = here.wait(lambda report: not report.recording).failure

    assert failure is not None
    assert "No space left on device" in failure.reason
    assert here.tape is None, "the session still records"
    exported = here.library.export(here.library.listed()[0].id, tmp_path / "out.flac")
    samples, _ = soundfile.read(str(exported.path), dtype="int16")
    assert len(samples) > RATE
    assert np.array_equal(samples[:, 0], voice(7, 9.0)[: len(samples)])


def test_a_disk_that_is_too_slow_costs_sound_and_never_memory() -> None:
    tape = Tape()
    block = np.ones(BLOCK, np.int16)
    for _ in range(MOST_BLOCKS + 50):
        tape.hear(block)
        tape.say(block, None)

    assert len(tape.take()) == MOST_BLOCKS
    assert tape.missed == 50


def test_old_recordings_go_when_the_settings_say_so(tmp_path: Path, studio: Callable[..., Studio]) -> None:
    here = studio()
    here.start()
    here.play(voice(1, 1.0), voice(2, 1.0))
    here.stop()
    path = the_only(tmp_path / "recordings")
    now = [time.time()]
    late = Library(lambda: tmp_path / "recordings", Key().read_or_make, wall=lambda: now[0])
    (tmp_path / "recordings" / "notes.txt").write_text("the person's own")
    now[0] += 29.9 * 86_400
    assert late.expire(30) == 0
    assert late.expire(0) == 0
    now[0] += 0.2 * 86_400
    assert late.expire(30) == 1
    assert not path.exists()
    assert (tmp_path / "recordings" / "notes.txt").exists()


def test_files_that_are_no_recordings_or_of_another_key_are_shown_as_such(tmp_path: Path) -> None:
    for number, octets in enumerate((b"", b"SOFTREC\x02" + bytes(200), b"fLaC" * 100, b"SOFTREC\x01" + bytes(200))):
        path = tmp_path / f"20260101T00000{number}Z-{number:012x}.recording"
        path.write_bytes(octets)
        os.utime(path, (0, 0))
    (tmp_path / "20260101T000009Z-00000000000f.recording").symlink_to("/etc/passwd")
    found = Library(lambda: tmp_path, Key().read_or_make)

    views = found.listed()

    assert len(views) == 4
    assert all(view.condition is RecordingCondition.UNREADABLE and view.failure is not None for view in views)
    for view in views:
        with pytest.raises(OperationFailed):
            found.export(view.id, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(OperationFailed, match="no recording"):
        found.export("ffff", tmp_path / "out")
    with pytest.raises(OperationFailed, match="begins 4"):
        found.delete("0000")


def test_the_announcement_is_the_recorder_tone_every_fifteen_seconds() -> None:
    announcement = Announcement(8000)
    ticks = [announcement.over(None) for _ in range(3000)]

    sounding = [n for n, block in enumerate(ticks) if block is not None]
    assert sounding == [*range(20), *range(1500, 1520)]
    beep = np.concatenate([block for block in ticks[:20] if block is not None]).astype(float)
    assert beep.size == 1600
    assert abs(int(np.abs(np.fft.rfft(beep)).argmax()) * 8000 / 1600 - 1400) < 10
    voices = np.full(80, 100, np.int32)
    mixed, first = Announcement(8000).over(voices), ticks[0]
    assert mixed is not None
    assert first is not None
    assert np.array_equal(mixed, first + 100)
