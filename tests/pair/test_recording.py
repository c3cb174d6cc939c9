"""Which calls are recorded, what the person is told, and who hears the announcement."""

from __future__ import annotations

from typing import TypeVar

from softphone.errors import Failure, FailureKind
from softphone.state import AppState, reduce
from softphone.ua.actions import AnnounceRecording, PlayTone, RecordMedia, StartMedia, StopRecording, Tone
from softphone.ua.commands import Answer, Dial, HangUp, JoinConference, LeaveConference, Record
from softphone.ua.events import IncomingCall, RecordingChanged
from softphone.ua.inputs import RecordingReported
from tests.pair.joined import Joined

A = TypeVar("A")
FULL = Failure(FailureKind.STORAGE, "The recording ended: the disk is full.", "Make room.")


class Studio:
    """The phone's calls, and a recorder that does what the test says."""

    def __init__(self) -> None:
        self.joined = Joined()
        self.joined.start()
        self.phone = self.joined.phone
        self.media: dict[str, str] = {}

    def dial(self, call: str, *, answer: bool = True) -> None:
        started = len(self.of(StartMedia))
        self.joined.do(self.phone, Dial(call, "bob"))
        if answer:
            self.joined.do(self.joined.peer, Answer(self.joined.peer.of(IncomingCall)[-1].call_id))
            self.media[call] = self.of(StartMedia)[started].media_id

    def report(self, call: str, recording: bool, failure: Failure | None = None, *, announced: bool = True) -> None:
        self.joined.give(self.phone, RecordingReported(self.media[call], recording, failure, announced))

    def record(self, call: str, *, announced: bool = True) -> None:
        self.joined.do(self.phone, Record(call, True))
        self.report(call, True, announced=announced)

    def of(self, kind: type[A]) -> list[A]:
        """Actions, as they came."""
        return [action for action in self.phone.media if isinstance(action, kind)]

    @property
    def told(self) -> list[RecordingChanged]:
        return self.phone.of(RecordingChanged)

    def announced(self) -> set[str]:
        """The calls whose other side hears the beep now."""
        names = {media: call for call, media in self.media.items()}
        heard: set[str] = set()
        for action in self.of(AnnounceRecording):
            (heard.add if action.on else heard.discard)(names[action.media_id])
        return heard

    @property
    def tones(self) -> list[Tone | None]:
        return [action.tone for action in self.of(PlayTone) if action.tone in (Tone.RECORDING, Tone.NOT_RECORDING)]

    @property
    def state(self) -> AppState:
        state = AppState()
        for number, event in enumerate(self.phone.events):
            state = reduce(state, event, float(number))
        return state


def test_an_answered_call_is_recorded_told_and_announced_and_stops_when_the_person_says() -> None:
    studio = Studio()
    studio.dial("1")
    studio.joined.do(studio.phone, Record("1", True))
    (asked,) = studio.of(RecordMedia)
    assert (asked.media_id, asked.incoming) == (studio.media["1"], False)
    assert asked.remote_uri.startswith("sip:bob@")
    assert studio.told == [], "told before it runs"
    assert studio.tones == []

    studio.report("1", True)
    assert studio.told == [RecordingChanged("1", True)]
    assert studio.tones == [Tone.RECORDING]
    assert studio.announced() == {"1"}
    call = studio.state.call("1")
    assert call is not None
    assert call.recording

    studio.joined.do(studio.phone, Record("1", True))
    assert len(studio.of(RecordMedia)) == 1, "twice at once"
    studio.joined.do(studio.phone, Record("1", False))
    assert studio.of(StopRecording) == [StopRecording(studio.media["1"])]
    studio.report("1", False)
    assert studio.told[-1] == RecordingChanged("1", False)
    assert studio.tones[-1] is Tone.NOT_RECORDING
    assert studio.announced() == set()
    studio.record("1")
    assert studio.told[-1] == RecordingChanged("1", True), "it can be recorded again"


def test_a_call_that_is_not_answered_cannot_be_recorded() -> None:
    studio = Studio()
    studio.dial("1", answer=False)
    studio.joined.do(studio.phone, Record("1", True))

    (told,) = studio.told
    assert told.failure is not None
    assert "answered" in told.failure.reason
    assert studio.of(RecordMedia) == []
    studio.joined.do(studio.phone, Record("nobody", True))
    assert len(studio.told) == 1


def test_without_the_announcement_nobody_hears_a_beep() -> None:
    studio = Studio()
    studio.dial("1")
    studio.record("1", announced=False)

    assert studio.told == [RecordingChanged("1", True)]
    assert studio.announced() == set()


def test_a_failure_is_told_with_its_words_and_the_beep_ends() -> None:
    studio = Studio()
    studio.dial("1")
    studio.record("1")
    studio.report("1", False, FULL)

    assert studio.told[-1] == RecordingChanged("1", False, FULL)
    assert studio.announced() == set()
    call = studio.state.call("1")
    assert call is not None
    assert call.notice == FULL
    assert not call.recording


def test_a_refusal_is_told_without_a_tone() -> None:
    studio = Studio()
    studio.dial("1")
    studio.joined.do(studio.phone, Record("1", True))
    studio.report("1", False, FULL)

    assert studio.told == [RecordingChanged("1", False, FULL)]
    assert studio.tones == []


def test_everybody_in_a_conference_with_a_recorded_call_hears_the_beep() -> None:
    studio = Studio()
    for call in ("1", "2", "3"):
        studio.dial(call)
    studio.record("1")
    assert studio.announced() == {"1"}
    studio.joined.do(studio.phone, JoinConference(("1", "2")))
    assert studio.announced() == {"1", "2"}
    studio.joined.do(studio.phone, JoinConference(("3",)))
    assert studio.announced() == {"1", "2", "3"}
    studio.joined.do(studio.phone, LeaveConference("3"))
    assert studio.announced() == {"1", "2"}
    studio.joined.do(studio.phone, Record("1", False))
    studio.report("1", False)
    assert studio.announced() == set()


def test_after_the_end_of_a_call_nothing_more_is_said_of_its_recording() -> None:
    studio = Studio()
    studio.dial("1")
    studio.record("1")
    studio.joined.do(studio.phone, HangUp("1"))
    studio.report("1", False)

    assert studio.told == [RecordingChanged("1", True)]
    ended = studio.state.call("1")
    assert ended is not None
    assert not ended.recording
