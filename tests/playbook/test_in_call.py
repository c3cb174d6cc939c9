"""Re-INVITE both ways within a call (RFC 3261 §14, RFC 3264 §8, RFC 6337)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.sdp.negotiated import Direction, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.message import Request
from softphone.ua.actions import SetAside, SetMuted, StartMedia, UpdateMedia
from softphone.ua.commands import AddAccount, HangUp, Hold, Mute, Resume, Unmute
from softphone.ua.events import CallEnded, CallNotice, HoldChanged
from tests.playbook.stage import BOB, PROXY_CHALLENGE, Stage, their_session

CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)


class Talk:
    """An established outgoing call."""

    def __init__(self) -> None:
        self.stage = Stage().registered()
        self.invite, self.theirs = self.stage.in_call()
        self.number = 0

    def answer(self, request: Request, direction: Direction = Direction.SENDRECV) -> None:
        self.theirs.receive_offer(request.body)
        self.stage.reply(request, 200, BOB, body=self.theirs.create_answer(direction))

    def reinvite(self, body: bytes) -> None:
        self.number += 1
        self.stage.say(self.stage.from_callee(self.invite, "INVITE", self.number, body))

    def ack(self, body: bytes = b"") -> None:
        self.stage.say(self.stage.from_callee(self.invite, "ACK", self.number, body))

    @property
    def directions(self) -> list[Direction]:
        return [event.direction for event in self.stage.of(HoldChanged)]


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_hold_and_resume_keep_the_keys(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    talk.answer(stage.last("INVITE"))
    stage.do(Resume("c"))
    talk.answer(stage.last("INVITE"))
    assert stage.heard() == ["INVITE", "ACK", "INVITE", "ACK"]
    assert talk.directions == [Direction.SENDONLY, Direction.SENDRECV]
    assert {action.media.security for action in stage.did(UpdateMedia)} == {stage.started[0].security}


def test_the_server_of_another_account_has_no_say_in_the_call(talk: Talk) -> None:
    stage = talk.stage
    stage.do(AddAccount(replace(stage.account, id="b", register=False)))
    stage.say(stage.from_callee(talk.invite, "INVITE", 1, talk.theirs.create_offer()))
    stage.say(stage.from_callee(talk.invite, "BYE", 2))
    assert stage.heard() == ["481 to INVITE", "481 to BYE"]
    assert stage.did(UpdateMedia) == []
    assert stage.of(CallEnded) == []


def test_hold_of_both_sides_is_inactive_until_both_resume(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    talk.answer(stage.last("INVITE"))
    talk.reinvite(talk.theirs.create_offer(Direction.INACTIVE))
    talk.theirs.receive_answer(stage.last_response(200).body)
    talk.ack()
    stage.do(Resume("c"))
    talk.answer(stage.last("INVITE"), Direction.SENDONLY)
    assert talk.directions == [Direction.SENDONLY, Direction.INACTIVE, Direction.RECVONLY]
    assert not stage.of(HoldChanged)[-1].held_by_us
    assert stage.of(HoldChanged)[-1].held_by_peer


def test_who_is_on_hold_hears_no_microphone_and_mute_stays(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    talk.answer(stage.last("INVITE"))
    stage.do(Mute("c"))
    stage.do(Resume("c"))
    talk.answer(stage.last("INVITE"))
    stage.do(Unmute("c"))
    assert [action.muted for action in stage.did(SetMuted)] == [True, False]


def test_the_microphone_is_silent_from_hold_on_and_not_from_its_answer_on(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    assert [action.muted for action in talk.stage.did(SetMuted)] == [True]
    talk.stage.reply(talk.stage.last("INVITE"), 488)
    assert talk.stage.of(CallNotice)
    talk.stage.do(Resume("c"))
    assert [action.muted for action in talk.stage.did(SetMuted)] == [True, False]


def test_what_is_wanted_while_an_offer_is_on_its_way_follows_it(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    first = stage.last("INVITE")
    stage.do(Resume("c"))
    assert stage.heard() == ["INVITE"]
    talk.answer(first)
    assert stage.heard() == ["ACK", "INVITE"]
    talk.answer(stage.last("INVITE"))
    assert talk.directions == [Direction.SENDONLY, Direction.SENDRECV]


def test_a_challenged_reinvite_is_sent_again(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.stage.reply(talk.stage.last("INVITE"), 407, PROXY_CHALLENGE)
    assert talk.stage.heard() == ["INVITE", "ACK", "INVITE"]
    talk.answer(talk.stage.last("INVITE"))
    assert talk.directions == [Direction.SENDONLY]


def test_who_holds_is_not_heard_even_if_the_other_side_refuses(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    stage.reply(stage.last("INVITE"), 488)
    assert len(stage.of(CallNotice)) == 1
    assert stage.did(UpdateMedia) == []
    assert stage.did(SetAside)[-1].aside
    assert stage.did(SetMuted)[-1].muted
    assert all(changed.held_by_us for changed in stage.of(HoldChanged))
    stage.do(Hold("c"))
    talk.answer(stage.last("INVITE"))
    assert talk.directions[-1:] == [Direction.SENDONLY]
    stage.do(Resume("c"))
    talk.answer(stage.last("INVITE"))
    assert talk.directions[-1:] == [Direction.SENDRECV]
    assert not stage.did(SetAside)[-1].aside
    assert not stage.did(SetMuted)[-1].muted


def test_a_hold_that_was_refused_ends_when_the_person_resumes(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    stage.reply(stage.last("INVITE"), 488)
    stage.do(Resume("c"))
    assert not stage.did(SetAside)[-1].aside
    assert not stage.did(SetMuted)[-1].muted
    assert not stage.of(HoldChanged)[-1].held_by_us


@pytest.mark.parametrize("status", [408, 481])
def test_a_dialog_that_is_gone_ends_the_call(talk: Talk, status: int) -> None:
    talk.stage.do(Hold("c"))
    talk.stage.reply(talk.stage.last("INVITE"), status)
    assert talk.stage.heard() == ["INVITE", "ACK", "BYE"]
    assert talk.stage.ended.failure is not None
    talk.stage.settled()


def test_a_reinvite_that_nobody_answers_ends_the_call(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.stage.wait(33)
    assert talk.stage.heard() == ["INVITE", "BYE"]
    talk.stage.settled()


def test_a_reinvite_that_rings_for_ever_is_cancelled_after_a_minute(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    hold = stage.last("INVITE")
    stage.reply(hold, 100)
    stage.wait(59)
    assert stage.heard() == ["INVITE"]
    stage.wait(2)
    assert stage.heard() == ["CANCEL"]
    stage.reply(stage.last("CANCEL"), 200)
    stage.reply(hold, 487)
    assert len(stage.of(CallNotice)) == 1
    assert stage.of(CallEnded) == []
    talk.reinvite(talk.theirs.create_offer())
    assert stage.heard() == ["ACK", "200 to INVITE"]


def test_a_lost_flow_refuses_the_change_and_not_the_call(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.stage.cut()
    assert len(talk.stage.of(CallNotice)) == 1
    assert talk.stage.did(SetMuted)[-1].muted, "the microphone stays silent"
    talk.stage.do(Hold("c"))
    assert len(talk.stage.of(CallNotice)) == 2
    assert talk.stage.of(CallEnded) == []


class TestGlare:
    def test_their_offer_meets_ours_with_491(self, talk: Talk) -> None:
        talk.stage.do(Hold("c"))
        talk.reinvite(their_session(seed=8).create_offer())
        assert talk.stage.heard() == ["INVITE", "491 to INVITE"]
        talk.answer(talk.stage.last("INVITE"))
        assert talk.directions == [Direction.SENDONLY]

    def test_our_offer_meets_theirs_and_is_tried_again_between_2_and_4_seconds(self, talk: Talk) -> None:
        stage = talk.stage
        stage.do(Hold("c"))
        stage.reply(stage.last("INVITE"), 491)
        stage.heard()
        stage.wait(2)
        assert stage.heard() == []
        stage.wait(2.1)
        assert stage.heard() == ["INVITE"]
        talk.answer(stage.last("INVITE"))
        assert talk.directions == [Direction.SENDONLY]

    def test_their_offer_while_we_wait_is_taken_with_our_wish(self, talk: Talk) -> None:
        stage = talk.stage
        stage.do(Hold("c"))
        stage.reply(stage.last("INVITE"), 491)
        talk.reinvite(talk.theirs.create_offer())
        assert b"a=sendonly" in stage.last_response(200).body
        talk.ack()
        stage.heard()
        stage.wait(10)
        assert stage.heard() == []

    def test_who_hangs_up_while_waiting_offers_nothing_more(self, talk: Talk) -> None:
        stage = talk.stage
        stage.do(Hold("c"))
        stage.reply(stage.last("INVITE"), 491)
        stage.do(HangUp("c"))
        stage.heard()
        stage.wait(10)
        assert stage.heard() == []


def test_an_answer_to_our_offer_after_the_end_is_acknowledged_and_changes_nothing(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Hold("c"))
    hold = stage.last("INVITE")
    stage.do(HangUp("c"))
    talk.answer(hold)
    assert stage.heard() == ["INVITE", "BYE", "ACK"]
    assert stage.did(UpdateMedia) == []
    assert stage.of(HoldChanged) == []
    stage.settled()


class TestTheirs:
    def test_a_second_offer_before_the_ack_of_the_first_waits(self, talk: Talk) -> None:
        talk.reinvite(talk.theirs.create_offer())
        talk.reinvite(their_session(seed=8).create_offer())
        assert talk.stage.heard() == ["200 to INVITE", "500 to INVITE"]
        assert int(talk.stage.last_response(500).headers.get("Retry-After") or "-1") in range(11)

    def test_an_offer_in_clear_is_refused_and_the_call_goes_on(self, talk: Talk) -> None:
        talk.reinvite(their_session(CLEAR).create_offer())
        stage = talk.stage
        assert stage.heard() == ["488 to INVITE"]
        assert stage.last_response(488).headers.get("Warning") is not None
        (notice,) = stage.of(CallNotice)
        assert notice.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        assert stage.did(UpdateMedia) == []
        talk.number += 1
        stage.do(Hold("c"))
        talk.answer(stage.last("INVITE"))
        assert talk.directions == [Direction.SENDONLY]

    def test_without_an_offer_we_offer_and_the_ack_answers(self, talk: Talk) -> None:
        talk.reinvite(b"")
        offer = talk.stage.last_response(200).body
        talk.theirs.receive_offer(offer)
        talk.ack(talk.theirs.create_answer(Direction.SENDONLY))
        assert talk.directions == [Direction.RECVONLY]
        security = talk.stage.did(UpdateMedia)[-1].media.security
        assert security == talk.stage.started[0].security

    def test_without_an_offer_and_without_an_answer_ends_the_call(self, talk: Talk) -> None:
        talk.reinvite(b"")
        talk.ack()
        assert talk.stage.heard() == ["200 to INVITE", "BYE"]
        talk.stage.reply(talk.stage.last("BYE"), 200)
        talk.stage.settled()

    def test_that_is_never_acknowledged_ends_the_call(self, talk: Talk) -> None:
        talk.reinvite(talk.theirs.create_offer())
        talk.stage.wait(33)
        assert talk.stage.heard()[-1] == "BYE"
        talk.stage.settled()

    def test_that_cannot_be_read_is_a_bad_request(self, talk: Talk) -> None:
        talk.reinvite(b"v=0\r\nnonsense")
        assert talk.stage.heard() == ["400 to INVITE"]
        assert talk.stage.of(CallEnded) == []

    def test_new_keys_of_theirs_are_taken_with_new_ones_of_ours(self, talk: Talk) -> None:
        talk.reinvite(talk.theirs.create_offer(new_keys=True))
        (update,) = talk.stage.did(UpdateMedia)
        before, after = talk.stage.started[0].security, update.media.security
        assert isinstance(before, SrtpSecurity)
        assert isinstance(after, SrtpSecurity)
        assert after.receive != before.receive
        assert after.send != before.send

    def test_an_old_cseq_is_a_server_error(self, talk: Talk) -> None:
        talk.number = 10
        talk.reinvite(talk.theirs.create_offer())
        talk.ack()
        talk.number = 5
        talk.reinvite(b"")
        assert talk.stage.heard() == ["200 to INVITE", "500 to INVITE"]

    def test_options_and_unknown_methods_do_not_disturb_the_call(self, talk: Talk) -> None:
        stage = talk.stage
        for number, method in enumerate(("OPTIONS", "PUBLISH", "SUBSCRIBE"), start=1):
            stage.say(stage.from_callee(talk.invite, method, number))
        assert stage.heard() == ["200 to OPTIONS", "405 to PUBLISH", "405 to SUBSCRIBE"]
        assert stage.of(CallEnded) == []

    def test_a_bye_that_crosses_ours_is_answered(self, talk: Talk) -> None:
        stage = talk.stage
        stage.do(HangUp("c"))
        stage.say(stage.from_callee(talk.invite, "BYE", 1))
        assert stage.heard() == ["BYE", "200 to BYE"]
        stage.reply(stage.last("BYE"), 481)
        assert len(stage.of(CallEnded)) == 1
        stage.settled()


def test_media_is_started_once(talk: Talk) -> None:
    assert isinstance(talk.theirs, OfferAnswerSession)
    assert len(talk.stage.did(StartMedia)) == 1
