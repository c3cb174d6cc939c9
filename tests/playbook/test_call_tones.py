"""What a person hears of calls beside the voices: when it rings and when not, and how each end of a call sounds.

ITU-T E.182 names the tones; the statuses are those of RFC 3261 §21.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import Failure, FailureKind
from softphone.ua.account import CallRules, DoNotDisturb
from softphone.ua.actions import PlayDigit, PlayTone, SendTelephoneEvents, Tone
from softphone.ua.call_tones import END_TONE_S, end_tone
from softphone.ua.commands import Answer, Decline, Dial, HangUp, SendDigits, Silence
from softphone.ua.events import CallEnded, CallEstablished, CallSilenced, EndedBy, IncomingCall
from tests.playbook.stage import Stage
from tests.playbook.test_screening import INTERCOM, called, stage_with


def tones(stage: Stage) -> list[Tone | None]:
    return [action.tone for action in stage.did(PlayTone)]


def sounding(stage: Stage) -> set[Tone]:
    """What is heard now."""
    now: dict[str, Tone | None] = {}
    for action in stage.did(PlayTone):
        now[action.call_id] = action.tone
    return {tone for tone in now.values() if tone is not None}


def in_a_call() -> Stage:
    """Answered here; the caller is there."""
    stage = stage_with(CallRules())
    called(stage)
    stage.do(Answer(stage.of(IncomingCall)[0].call_id))
    stage.say(stage.request("ACK", to_tag=stage.our_tag, call_id="in-7"))
    stage.heard()
    return stage


class TestRinging:
    def test_a_call_rings_until_it_is_answered(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        (incoming,) = stage.of(IncomingCall)
        assert stage.did(PlayTone) == [PlayTone(incoming.call_id, Tone.RINGING)]
        stage.do(Answer(incoming.call_id))
        assert stage.did(PlayTone)[1:] == [PlayTone(incoming.call_id, None)]

    def test_an_answer_ends_the_ring_before_anything_else_has_to_happen(self) -> None:
        stage = Stage()
        stage.opens_media = False
        stage.registered()
        called(stage)
        stage.do(Answer(stage.of(IncomingCall)[0].call_id))
        assert stage.of(CallEstablished) == []  # the sockets are not open yet
        assert tones(stage) == [Tone.RINGING, None]

    def test_it_rings_until_it_is_declined(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        stage.do(Decline(stage.of(IncomingCall)[0].call_id))
        assert tones(stage) == [Tone.RINGING, None]

    @pytest.mark.parametrize("reason", [(), (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)])
    def test_it_rings_until_the_caller_gives_up_or_another_phone_has_answered(
        self, reason: tuple[tuple[str, str], ...]
    ) -> None:
        stage = stage_with(CallRules())
        stage.rings()
        stage.say(stage.request("CANCEL", *reason, branch="z9hG4bK-i"))
        assert tones(stage) == [Tone.RINGING, None]

    def test_an_account_has_a_ring_of_its_own(self) -> None:
        stage = Stage()
        stage.account = replace(stage.account, ringtone="/sounds/bell.flac")
        stage.registered()
        called(stage)
        assert stage.did(PlayTone)[0].ringtone == "/sounds/bell.flac"

    @pytest.mark.parametrize(
        "rules",
        [
            CallRules(do_not_disturb=DoNotDisturb.BUSY),
            CallRules(do_not_disturb=DoNotDisturb.UNAVAILABLE),
            CallRules(deny=("bob",)),
            CallRules(auto_answer_from=("bob",)),
        ],
    )
    def test_who_is_turned_away_or_answered_by_itself_does_not_ring(self, rules: CallRules) -> None:
        stage = stage_with(rules)
        called(stage, INTERCOM)
        assert Tone.RINGING not in tones(stage)

    def test_what_was_to_be_answered_by_itself_rings_if_it_is_not(self) -> None:
        stage = stage_with(CallRules(auto_answer_from=("bob",)))
        called(stage, ("Call-Info", "<sip:lab.test>;answer-after=5"))
        assert tones(stage) == []
        stage.do(Dial("c", "carol"))
        stage.wait(6)
        assert sounding(stage) == {Tone.CALL_WAITING}

    def test_several_calls_make_one_ring_and_the_next_one_takes_it_over(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        called(stage, seed=8)
        first, second = stage.of(IncomingCall)
        assert stage.did(PlayTone) == [PlayTone(first.call_id, Tone.RINGING)]
        stage.do(Decline(first.call_id))
        assert stage.did(PlayTone)[1:] == [PlayTone(first.call_id, None), PlayTone(second.call_id, Tone.RINGING)]

    def test_a_call_that_rings_on_while_another_is_answered_is_heard_as_waiting(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        called(stage, seed=8)
        stage.do(Answer(stage.of(IncomingCall)[0].call_id))
        assert sounding(stage) == {Tone.CALL_WAITING}

    def test_a_second_call_waits_audibly_and_rings_once_it_is_the_only_one(self) -> None:
        stage = in_a_call()
        called(stage, seed=8)
        assert sounding(stage) == {Tone.CALL_WAITING}
        stage.do(HangUp(stage.of(IncomingCall)[0].call_id))
        assert sounding(stage) == {Tone.RINGING}
        stage.do(Decline(stage.of(IncomingCall)[1].call_id))
        assert sounding(stage) == set()


class TestSilence:
    def test_it_ends_the_ring_and_not_the_call(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        (incoming,) = stage.of(IncomingCall)
        stage.do(Silence())
        assert tones(stage) == [Tone.RINGING, None]
        assert stage.of(CallSilenced) == [CallSilenced(incoming.call_id)]
        assert stage.heard() == []
        stage.do(Answer(incoming.call_id))
        assert stage.heard() == ["200 to INVITE"]

    def test_the_next_call_rings_again(self) -> None:
        stage = stage_with(CallRules())
        called(stage)
        stage.do(Silence())
        stage.do(Silence())
        called(stage, seed=8)
        assert sounding(stage) == {Tone.RINGING}
        assert len(stage.of(CallSilenced)) == 1

    def test_call_waiting_falls_silent_too(self) -> None:
        stage = in_a_call()
        called(stage, seed=8)
        stage.do(Silence())
        assert sounding(stage) == set()

    def test_without_a_ring_nothing_happens(self) -> None:
        stage = stage_with(CallRules())
        stage.do(Silence())
        assert (stage.did(PlayTone), stage.of(CallSilenced)) == ([], [])


class TestTheEnd:
    @pytest.mark.parametrize(
        ("status", "tone"),
        [
            (486, Tone.BUSY),
            (600, Tone.BUSY),
            (603, Tone.BUSY),
            (408, Tone.CONGESTION),
            (430, Tone.CONGESTION),
            (480, Tone.CONGESTION),
            (500, Tone.CONGESTION),
            (503, Tone.CONGESTION),
            (504, Tone.CONGESTION),
            (403, Tone.SPECIAL_INFORMATION),
            (404, Tone.SPECIAL_INFORMATION),
            (410, Tone.SPECIAL_INFORMATION),
            (484, Tone.SPECIAL_INFORMATION),
            (488, Tone.SPECIAL_INFORMATION),
            (604, Tone.SPECIAL_INFORMATION),
            (606, Tone.SPECIAL_INFORMATION),
        ],
    )
    def test_a_refusal_sounds_by_its_meaning_for_a_while(self, status: int, tone: Tone) -> None:
        stage = Stage().registered()
        stage.reply(stage.dial(), status)
        assert tones(stage) == [tone]
        stage.wait(END_TONE_S - 0.1)
        assert tones(stage) == [tone]
        stage.wait(0.2)
        assert tones(stage) == [tone, None]

    def test_who_hangs_up_hears_nothing(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        stage.reply(invite, 180, ("Contact", "<sip:bob@192.0.2.50:5061;transport=tls>"))
        stage.do(HangUp("c"))
        stage.reply(stage.last("CANCEL"), 200)
        stage.reply(invite, 487)
        assert tones(stage) == [Tone.RINGBACK, None]

    def test_an_address_that_cannot_be_dialled_sounds_like_a_number_that_is_none(self) -> None:
        stage = Stage().registered()
        stage.do(Dial("c", "sip:bob@lab.test;transport=udp"))
        assert tones(stage) == [Tone.SPECIAL_INFORMATION]

    def test_a_server_that_is_not_there_sounds_like_congestion(self) -> None:
        stage = Stage().registered()
        stage.dial()
        stage.wait(34)
        assert stage.ended.status == 408
        assert tones(stage) == [Tone.CONGESTION]

    @pytest.mark.parametrize("what", ["dial", "silence", "hang up", "answer"])
    def test_what_the_person_does_next_ends_the_tone(self, what: str) -> None:
        stage = Stage().registered()
        stage.reply(stage.dial(), 486)
        match what:
            case "dial":
                stage.do(Dial("d", "carol"))
            case "silence":
                stage.do(Silence())
            case "hang up":
                stage.do(HangUp("c"))
            case "answer":
                called(stage)
                stage.do(Answer(stage.of(IncomingCall)[0].call_id))
        assert tones(stage)[:2] == [Tone.BUSY, None]
        assert Tone.BUSY not in sounding(stage)
        stage.wait(END_TONE_S + 1)
        assert tones(stage).count(Tone.BUSY) == 1

    def test_a_call_that_was_missed_or_ended_by_the_caller_is_silent(self) -> None:
        stage = in_a_call()
        before = len(tones(stage))
        stage.say(stage.request("BYE", to_tag=stage.our_tag, call_id="in-7"))
        assert len(stage.of(CallEnded)) == 1
        assert len(tones(stage)) == before

    @pytest.mark.parametrize(
        ("ended", "answered", "tone"),
        [
            (CallEnded("c", EndedBy.REMOTE), True, None),
            (CallEnded("c", EndedBy.NETWORK, failure=Failure(FailureKind.MEDIA_LOST, "a", "b")), True, Tone.CONGESTION),
            (CallEnded("c", EndedBy.LOCAL, failure=Failure(FailureKind.AUDIO_DEVICE, "a", "b")), False, None),
            (
                CallEnded("c", EndedBy.POLICY, 200, Failure(FailureKind.MEDIA_NOT_ENCRYPTED, "a", "b")),
                False,
                Tone.SPECIAL_INFORMATION,
            ),
            (
                CallEnded("c", EndedBy.NETWORK, 503, Failure(FailureKind.CONNECTION_LOST, "a", "b")),
                False,
                Tone.CONGESTION,
            ),
        ],
    )
    def test_other_ends(self, ended: CallEnded, answered: bool, tone: Tone | None) -> None:
        assert end_tone(ended, answered=answered) is tone


def test_every_digit_that_goes_out_is_heard_by_who_pressed_it() -> None:
    stage = in_a_call()
    call_id = stage.of(IncomingCall)[0].call_id
    stage.do(SendDigits(call_id, "1,#"))
    stage.wait(5)
    assert [action.digit for action in stage.did(PlayDigit)] == ["1", "#"]
    assert [action.digits for action in stage.did(SendTelephoneEvents)] == ["1", "#"]
