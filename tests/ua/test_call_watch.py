"""Warnings of a running call: raised when it has gone on for long enough, once, and withdrawn when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from softphone.ua.call_warnings import WARNINGS, CallWarningKind
from softphone.ua.call_watch import SILENT_AFTER, SILENT_AFTER_VOICE, CallWatch, Situation
from softphone.ua.media_report import MediaReport, MicrophoneState

SPEAKING, QUIET_ROOM, ZEROS = -25.0, -75.0, -100.0  # dBFS
FILE = None  # is played: there is no microphone


@dataclass
class Call:
    """Reports as a session makes them; `second` adds one, 50 packets each way."""

    watch: CallWatch = field(default_factory=CallWatch)
    report: MediaReport = field(
        default_factory=lambda: MediaReport(microphone_level_db=ZEROS, speaker_level_db=SPEAKING)
    )
    situation: Situation = field(default_factory=Situation)

    def __post_init__(self) -> None:
        self.watch.report(self.report, self.situation)

    def second(
        self,
        seconds: int = 1,
        *,
        microphone: float | None = SPEAKING,
        muted_by_system: bool = False,
        speaker: float = SPEAKING,
        received: int = 50,
        lost: int = 0,
        sent: int = 50,
        remote_lost: int | None = None,
        clipped: int = 0,
        spoken_muted_ms: int = 0,
        stalled_ms: float = 0.0,
    ) -> set[CallWarningKind]:
        kinds: set[CallWarningKind] = set()
        for _ in range(seconds):
            before = self.report
            self.report = replace(
                before,
                microphone_level_db=microphone,
                microphone=_state(before.microphone, microphone, clipped, muted_by_system),
                speaker_level_db=speaker,
                rtp_received=before.rtp_received + received,
                lost=before.lost + lost,
                rtp_sent=before.rtp_sent + sent,
                remote_lost=before.remote_lost if remote_lost is None else (before.remote_lost or 0) + remote_lost,
                spoken_muted_ms=before.spoken_muted_ms + spoken_muted_ms,
                stalled_ms=before.stalled_ms + stalled_ms,
            )
            kinds = {warning.kind for warning in self.watch.report(self.report, self.situation)}
        return kinds


def _state(before: MicrophoneState | None, level_db: float | None, clipped: int, muted: bool) -> MicrophoneState | None:
    if level_db is None:
        return None
    before = before or MicrophoneState()
    return MicrophoneState(before.silent_s + 1 if level_db == ZEROS else 0.0, before.clipped + clipped, muted)


def test_an_ordinary_call_is_warned_of_nothing() -> None:
    assert Call().second(60, lost=0, remote_lost=0) == set()


def test_a_microphone_that_was_never_heard_is_told_after_five_seconds_and_withdrawn_with_the_first_word() -> None:
    call = Call()
    assert call.second(SILENT_AFTER - 1, microphone=ZEROS) == set()
    assert call.second(microphone=ZEROS) == {CallWarningKind.MICROPHONE_SILENT}
    assert call.second(microphone=SPEAKING) == set()


def test_a_headset_that_mutes_itself_between_words_is_given_more_time() -> None:
    call = Call()
    call.second(3)
    assert call.second(SILENT_AFTER_VOICE - 1, microphone=ZEROS) == set()
    assert call.second(microphone=ZEROS) == {CallWarningKind.MICROPHONE_SILENT}


def test_a_quiet_room_is_no_dead_microphone_whether_somebody_was_heard_or_not() -> None:
    never_heard, heard = Call(), Call()
    heard.second(3)
    assert never_heard.second(60, microphone=QUIET_ROOM) == set()
    assert heard.second(60, microphone=QUIET_ROOM) == set()


def test_a_file_that_is_played_is_no_microphone() -> None:
    assert Call().second(60, microphone=FILE, spoken_muted_ms=900) == set()


@pytest.mark.parametrize(
    "situation",
    [Situation(muted=True), Situation(sends=False)],
    ids=["muted", "on hold"],
)
def test_a_silence_that_is_wanted_is_not_told(situation: Situation) -> None:
    assert Call(situation=situation).second(60, microphone=ZEROS) == set()


def test_muting_withdraws_what_was_said_of_the_microphone() -> None:
    call = Call()
    assert call.second(6, microphone=ZEROS) == {CallWarningKind.MICROPHONE_SILENT}
    call.situation = Situation(muted=True)
    assert call.second(microphone=ZEROS) == set()


def test_where_the_sound_system_says_that_it_is_muted_there_the_warning_says_so() -> None:
    call = Call()
    assert call.second(6, microphone=ZEROS, muted_by_system=True) == {CallWarningKind.MICROPHONE_MUTED}


def test_clipping_is_told_when_it_happens_again_and_again_and_withdrawn_after_ten_seconds_without() -> None:
    call = Call()
    assert call.second(2, clipped=2) == set()
    assert call.second(clipped=2) == {CallWarningKind.MICROPHONE_CLIPPING}
    assert call.second(9) == {CallWarningKind.MICROPHONE_CLIPPING}
    assert call.second() == set()


def test_who_speaks_while_muted_is_reminded_until_he_is_silent_or_heard_again() -> None:
    call = Call(situation=Situation(muted=True))
    assert call.second(speaker=ZEROS, spoken_muted_ms=900) == set()
    assert call.second(speaker=ZEROS, spoken_muted_ms=900) == {CallWarningKind.SPEAKING_WHILE_MUTED}
    assert call.second(7, speaker=ZEROS) == {CallWarningKind.SPEAKING_WHILE_MUTED}
    assert call.second(speaker=ZEROS) == set()
    call.second(2, speaker=ZEROS, spoken_muted_ms=900)
    call.situation = Situation()
    assert call.second() == set()


def test_the_other_sides_voice_out_of_the_speaker_is_no_speech_of_a_muted_person() -> None:
    call = Call(situation=Situation(muted=True))
    assert call.second(20, speaker=SPEAKING, spoken_muted_ms=900) == set()


def test_a_line_that_loses_packets_is_told_and_withdrawn_with_hysteresis() -> None:
    call = Call()
    assert call.second(10, lost=2) == set(), "4 %"
    assert call.second(10, lost=4, received=46) == {CallWarningKind.LINE_LOSES}
    assert call.second(10, lost=2, received=48) == {CallWarningKind.LINE_LOSES}, "4 % raise nothing and end nothing"
    assert call.second(10, lost=0) == set()


def test_what_the_other_side_reports_of_our_packets_is_told_apart() -> None:
    call = Call()
    kinds = set()
    for _ in range(3):  # a report about every five seconds
        call.second(4)
        kinds = call.second(remote_lost=25)
    assert kinds == {CallWarningKind.LINE_LOSES_OURS}
    assert call.second(20) == set()


def test_no_packet_at_all_is_told_after_five_seconds_and_an_interruption_at_once() -> None:
    never = Call()
    assert never.second(4, received=0, speaker=ZEROS) == set()
    assert never.second(received=0, speaker=ZEROS) == {CallWarningKind.NOTHING_ARRIVES}
    broken = Call()
    broken.second(5)
    broken.situation = Situation(interrupted=True)
    assert broken.second(received=0) == {CallWarningKind.NOTHING_ARRIVES}
    broken.situation = Situation()
    assert broken.second() == set()


def test_packets_without_sound_in_them_are_told_until_something_was_heard() -> None:
    call = Call()
    assert CallWarningKind.OTHER_SIDE_SILENT not in call.second(60, speaker=ZEROS), "its first second was heard"
    call = Call(report=MediaReport(speaker_level_db=ZEROS))
    assert call.second(9, speaker=ZEROS) == set()
    assert call.second(speaker=ZEROS) == {CallWarningKind.OTHER_SIDE_SILENT}
    assert call.second() == set()
    assert call.second(30, speaker=ZEROS) == set(), "it listens"


def test_a_computer_that_is_too_late_for_the_sound_is_told() -> None:
    call = Call()
    assert call.second(stalled_ms=250) == set()
    assert call.second(stalled_ms=100) == {CallWarningKind.COMPUTER_BUSY}
    assert call.second(10) == set()


def test_hold_forgets_what_the_line_did_before_it() -> None:
    call = Call()
    assert call.second(10, lost=10, received=40) == {CallWarningKind.LINE_LOSES}
    call.situation = Situation(receives=False)
    assert call.second(received=0) == set()
    call.situation = Situation()
    assert call.second(2) == set()


def test_every_warning_has_a_reason_and_a_remedy() -> None:
    assert set(WARNINGS) == set(CallWarningKind)
    for warning in WARNINGS.values():
        assert warning.reason.endswith(".")
        assert warning.remedy.endswith(".")
