"""Recording's settings, and the desk that answers what front ends ask of the recordings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softphone import configuration
from softphone.engine.recording.library import Library
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
from softphone.policy.origin import Origin
from softphone.policy.recording import RecordingFormat, RecordingOptions, recording_refused
from softphone.policy.secret import SecretBytes
from softphone.recordings import RecordingsDesk
from softphone.storage.settings import RecordingSection, Settings, SettingsFile
from tests.engine.recording.test_recorder import Key, Studio, voice


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (RecordingSection(keep_days=-1), "keep_days"),
        (RecordingSection(keep_days=3651), "keep_days"),
        (RecordingSection(folder="recordings"), "where the phone was started"),
    ],
)
def test_settings_that_do_not_mean_what_they_say_are_refused(section: RecordingSection, words: str) -> None:
    with pytest.raises(OperationFailed, match=words) as refused:
        configuration.recording_options(section)

    assert refused.value.failure.kind is FailureKind.SETTINGS


def test_settings_become_options_and_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        '[recording]\npermitted = true\nformat = "opus"\nfolder = "~/calls"\nannounce = false\nkeep_days = 30\n'
    )
    file = SettingsFile(path)
    settings = file.load()
    options = configuration.recording_options(settings.recording)

    assert options == RecordingOptions(True, RecordingFormat.OPUS, "~/calls", False, 30, Origin.USER)
    file.save(settings)
    assert SettingsFile(path).load() == settings
    assert Settings().recording == RecordingSection()


def test_an_organisation_is_named_where_it_forbids() -> None:
    assert recording_refused(RecordingOptions()) is None
    managed = recording_refused(RecordingOptions(permitted=False, origin=Origin.MANAGED))
    own = recording_refused(RecordingOptions(permitted=False, origin=Origin.USER))
    assert managed is not None
    assert own is not None
    assert managed.kind is own.kind is FailureKind.POLICY
    assert "organisation" in managed.reason
    assert "[recording]" in own.remedy


class Desk:
    """With one recording of two seconds in its folder."""

    def __init__(self, folder: Path) -> None:
        studio = Studio(folder, RecordingOptions())
        studio.start()
        studio.play(voice(1, 2.0), voice(2, 2.0))
        studio.stop()
        self.told: list[AppEvent] = []
        self._more = threading.Condition()
        self.failure: Failure | None = None
        self.desk = RecordingsDesk(
            Library(lambda: folder, self._key), lambda: RecordingOptions(keep_days=1), self._publish
        )

    def _key(self) -> SecretBytes | None:
        if self.failure is not None:
            raise OperationFailed(self.failure)
        return Key().read_or_make()

    def _publish(self, event: AppEvent) -> None:
        with self._more:
            self.told.append(event)
            self._more.notify_all()

    def ask(self, command: ListRecordings | ExportRecording | DeleteRecording, answers: int = 1) -> list[AppEvent]:
        with self._more:
            before = len(self.told)
            self.desk.command(command)
            assert self._more.wait_for(lambda: len(self.told) >= before + answers, 30), self.told
            return self.told[before:]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "recordings")
    yield made
    made.desk.close()


def test_a_front_end_gets_the_list_an_export_and_a_deletion(desk: Desk, tmp_path: Path) -> None:
    (listed,) = desk.ask(ListRecordings())
    assert isinstance(listed, RecordingsListed)
    (view,) = listed.recordings
    (exported,) = desk.ask(ExportRecording(view.id, str(tmp_path / "out.flac")))
    assert isinstance(exported, RecordingExported)
    assert (exported.recording_id, exported.path) == (view.id, str(tmp_path / "out.flac"))
    assert (tmp_path / "out.flac").read_bytes().startswith(b"fLaC")
    assert desk.ask(DeleteRecording(view.id)) == [RecordingsListed(())]


def test_what_cannot_be_done_is_said_and_the_list_comes_all_the_same(desk: Desk, tmp_path: Path) -> None:
    notice, listed = desk.ask(DeleteRecording("ffff"), 2)
    assert isinstance(notice, Noticed)
    assert isinstance(listed, RecordingsListed)
    assert len(listed.recordings) == 1
    notice, _ = desk.ask(ExportRecording(listed.recordings[0].id, str(tmp_path / "none" / "out.flac")), 2)
    assert isinstance(notice, Noticed)
    assert "could not be exported" in notice.failure.reason


def test_a_locked_keyring_is_said_and_the_page_does_not_wait_for_ever(desk: Desk) -> None:
    desk.failure = Failure(FailureKind.STORAGE, "The keyring is locked.", "Unlock it.")

    assert desk.ask(ListRecordings(), 2) == [Noticed(desk.failure), RecordingsListed(())]
