"""Incoming calls (RFC 3261 §9.2, §13.3, §15.1.2)."""

from __future__ import annotations

import pytest

from softphone.errors import FailureKind
from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, NegotiatedMedia, SrtpSecurity
from softphone.ua.actions import StartMedia, StopMedia
from softphone.ua.commands import Answer, AnswerUnencrypted, Decline, HangUp, Hold, RemoveAccount, StartEarlyMedia
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallNotice,
    CallRefused,
    EndedBy,
    IncomingCall,
)
from softphone.ua.inputs import MediaFailed, MediaOpened
from tests.playbook.stage import LOST, Stage, their_session

CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
ASK = MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE)
ALLOW = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL, unencrypted_peer=UnencryptedPeer.ALLOW, profile=ConnectionProfile.PRIVATE
)


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


def test_it_rings_is_answered_and_hung_up_by_the_caller(stage: Stage) -> None:
    call = stage.rings()
    assert stage.heard() == ["180 to INVITE"]
    stage.do(Answer(call))
    assert stage.heard() == ["200 to INVITE"]
    stage.say(stage.in_dialog("ACK", 1))
    stage.wait(10)
    assert stage.heard() == []
    stage.say(stage.in_dialog("BYE", 2))
    assert stage.heard() == ["200 to BYE"]
    assert (stage.ended.ended_by, stage.ended.failure, stage.ended.duration_s) == (EndedBy.REMOTE, None, 10)
    stage.settled()


def test_the_keys_of_both_sides_fit(stage: Stage) -> None:
    theirs = their_session()
    call = stage.rings(theirs)
    stage.do(Answer(call))
    result = theirs.receive_answer(stage.last_response(200).body)
    assert isinstance(result, NegotiatedMedia)
    ours, peers = stage.started[0].security, result.security
    assert isinstance(ours, SrtpSecurity)
    assert isinstance(peers, SrtpSecurity)
    assert ours.send.material.reveal() == peers.receive.material.reveal()
    assert ours.receive.material.reveal() == peers.send.material.reveal()


def test_the_setup_is_counted_from_the_answer(stage: Stage) -> None:
    call = stage.rings()
    stage.wait(20)
    stage.do(Answer(call))
    assert stage.of(CallEstablished)[0].setup_ms == 0


def test_the_answer_is_repeated_until_its_ack(stage: Stage) -> None:
    call = stage.rings()
    stage.do(Answer(call))
    stage.heard()
    stage.wait(7)
    assert stage.heard() == ["200 to INVITE"] * 3  # 0.5, 1.5, 3.5 s; then every 4 s
    stage.say(stage.in_dialog("ACK", 1))
    stage.wait(40)
    assert stage.heard() == []


def test_no_ack_within_32_seconds_ends_the_call_with_bye(stage: Stage) -> None:
    stage.do(Answer(stage.rings()))
    stage.wait(31.9)
    assert "BYE" not in stage.heard()
    stage.wait(0.2)
    assert stage.heard() == ["BYE"]
    assert stage.ended.ended_by is EndedBy.NETWORK
    stage.settled()


def test_who_hangs_up_before_the_ack_says_bye_only_after_it(stage: Stage) -> None:
    call = stage.rings()
    stage.do(Answer(call))
    stage.do(HangUp(call))
    assert stage.ended.ended_by is EndedBy.LOCAL
    assert "BYE" not in stage.heard()
    stage.say(stage.in_dialog("ACK", 1))
    assert stage.heard() == ["BYE"]
    stage.reply(stage.last("BYE"), 200, to_tag="caller")
    stage.settled()
    stage = Stage().registered()
    call = stage.rings()
    stage.do(Answer(call))
    stage.do(HangUp(call))
    stage.wait(33)
    assert stage.heard()[-1] == "BYE"
    stage.settled()


def test_a_call_that_is_over_for_the_person_does_not_make_the_phone_busy(stage: Stage) -> None:
    call = stage.rings()
    stage.do(Answer(call))
    stage.do(HangUp(call))
    stage.heard()
    stage.say(stage.request("INVITE", body=their_session(seed=9).create_offer(), call_id="in-2"))
    assert stage.heard() == ["180 to INVITE"]


def test_a_bye_before_the_ack_ends_the_call(stage: Stage) -> None:
    stage.do(Answer(stage.rings()))
    stage.heard()
    stage.say(stage.in_dialog("BYE", 2))
    assert stage.heard() == ["200 to BYE"]
    stage.wait(60)
    assert stage.heard() == []
    stage.settled()


def test_a_bye_while_it_rings_ends_the_invite_too(stage: Stage) -> None:
    stage.rings()
    stage.say(stage.in_dialog("BYE", 2))
    assert stage.heard() == ["180 to INVITE", "200 to BYE", "487 to INVITE"]
    assert stage.ended.ended_by is EndedBy.REMOTE


@pytest.mark.parametrize(("command", "status"), [(Decline, 603), (HangUp, 603)])
def test_declining(stage: Stage, command: type[Decline] | type[HangUp], status: int) -> None:
    stage.do(command(stage.rings()))
    assert stage.heard() == ["180 to INVITE", f"{status} to INVITE"]
    stage.say(stage.in_dialog("ACK", 1))
    stage.settled()


@pytest.mark.parametrize(("status", "sent"), [(486, 486), (200, 603), (100, 603), (302, 603), (999, 603)])
def test_declining_is_never_an_acceptance(stage: Stage, status: int, sent: int) -> None:
    stage.do(Decline(stage.rings(), status))
    assert stage.heard() == ["180 to INVITE", f"{sent} to INVITE"]


def test_it_says_every_minute_that_it_still_rings(stage: Stage) -> None:
    stage.rings()
    stage.heard()
    stage.wait(59)
    assert stage.heard() == []
    stage.wait(122)
    assert stage.heard() == ["180 to INVITE"] * 3


def test_an_invitation_that_expires_ends(stage: Stage) -> None:
    stage.rings(None, ("Expires", "20"))
    stage.heard()
    stage.wait(19)
    assert stage.heard() == []
    stage.wait(2)
    assert stage.heard() == ["487 to INVITE"]
    assert stage.ended.ended_by is EndedBy.REMOTE
    stage.settled()


@pytest.mark.parametrize("expires", ["20", "0", "soon", "99999999999999999999"])
def test_an_answered_call_expires_no_more(stage: Stage, expires: str) -> None:
    stage.do(Answer(stage.rings(None, ("Expires", expires))))
    stage.say(stage.in_dialog("ACK", 1))
    stage.wait(100)
    assert stage.of(CallEnded) == []


def cancel(stage: Stage) -> bytes:
    return stage.request("CANCEL", branch="z9hG4bK-i")


def test_cancel_while_it_rings(stage: Stage) -> None:
    stage.rings()
    stage.heard()
    stage.say(cancel(stage))
    assert stage.heard() == ["200 to CANCEL", "487 to INVITE"]
    assert stage.ended.ended_by is EndedBy.REMOTE
    stage.settled()


def test_cancel_that_crosses_the_answer_changes_nothing(stage: Stage) -> None:
    call = stage.rings()
    stage.do(Answer(call))
    stage.heard()
    stage.say(cancel(stage))
    assert stage.heard() == ["200 to CANCEL"]
    stage.say(stage.in_dialog("ACK", 1))
    assert stage.of(CallEnded) == []


def test_cancel_while_the_media_opens(stage: Stage) -> None:
    stage.opens_media = False
    call = stage.rings()
    stage.do(Answer(call))
    stage.say(cancel(stage))
    stage.give(MediaOpened(stage.agent.calls[call].media.id if stage.agent.calls else "", "192.0.2.1", 4000, 4001))
    assert stage.heard()[-1] == "487 to INVITE"
    stage.settled()


def test_media_that_cannot_be_opened_is_a_server_error(stage: Stage) -> None:
    stage.opens_media = False
    call = stage.rings()
    stage.give(MediaFailed(stage.agent.calls[call].media.id, LOST))
    assert stage.heard()[-1] == "500 to INVITE"
    assert stage.ended.failure is LOST


class TestWithoutOffer:
    def offered(self, stage: Stage) -> bytes:
        stage.say(stage.request("INVITE"))
        stage.do(Answer(stage.of(IncomingCall)[-1].call_id))
        assert stage.did(StartMedia) == []
        stage.heard()
        return stage.last_response(200).body

    def test_we_offer_in_the_answer_and_media_starts_with_the_ack(self, stage: Stage) -> None:
        theirs = their_session()
        theirs.receive_offer(self.offered(stage))
        stage.say(stage.in_dialog("ACK", 1, body=theirs.create_answer()))
        assert isinstance(stage.started[0].security, SrtpSecurity)
        stage.wait(40)
        assert stage.heard() == []

    @pytest.mark.parametrize("body", [b"", b"v=0\r\nnonsense"])
    def test_an_ack_without_an_answer_ends_the_call(self, stage: Stage, body: bytes) -> None:
        self.offered(stage)
        stage.say(stage.in_dialog("ACK", 1, body=body))
        assert stage.heard() == ["BYE"]
        assert stage.ended.failure is not None
        assert stage.ended.failure.kind is FailureKind.PROTOCOL
        assert stage.did(StartMedia) == []

    @pytest.mark.parametrize("policy", [MediaPolicy(), ASK])
    def test_a_clear_answer_in_the_ack_ends_the_call(self, policy: MediaPolicy) -> None:
        stage = Stage(policy).registered()
        offer = self.offered(stage).replace(b"RTP/SAVP", b"RTP/AVP")
        theirs = their_session(CLEAR)
        theirs.receive_offer(b"\r\n".join(line for line in offer.split(b"\r\n") if not line.startswith(b"a=crypto")))
        stage.say(stage.in_dialog("ACK", 1, body=theirs.create_answer()))
        assert stage.heard() == ["BYE"]
        assert stage.ended.failure is not None
        assert stage.ended.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        assert stage.did(StartMedia) == []
        stage.reply(stage.last("BYE"), 200, to_tag="caller")
        stage.settled()


class TestInClear:
    def offer(self) -> bytes:
        return their_session(CLEAR).create_offer()

    def test_under_mandatory_never_rings(self, stage: Stage) -> None:
        stage.say(stage.request("INVITE", body=self.offer()))
        assert stage.heard() == ["488 to INVITE"]
        assert "SRTP" in (stage.last_response(488).headers.get("Warning") or "")
        (refused,) = stage.of(CallRefused)
        assert refused.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        assert stage.of(IncomingCall) == []
        stage.settled()

    def test_under_ask_only_the_explicit_answer_takes_it(self) -> None:
        stage = Stage(ASK).registered()
        stage.rings(their_session(CLEAR))
        (incoming,) = stage.of(IncomingCall)
        assert incoming.needs_consent
        assert incoming.unencrypted
        stage.do(Answer(incoming.call_id))
        stage.do(StartEarlyMedia(incoming.call_id))
        assert stage.heard() == ["180 to INVITE"]
        assert len(stage.of(CallNotice)) == 2
        stage.do(AnswerUnencrypted(incoming.call_id))
        assert stage.heard() == ["200 to INVITE"]
        assert isinstance(stage.started[0].security, ClearMedia)
        assert len(stage.of(CallNotEncrypted)) == 1

    def test_under_allow_it_rings_and_says_so(self) -> None:
        stage = Stage(ALLOW).registered()
        call = stage.rings(their_session(CLEAR))
        assert stage.of(IncomingCall)[0].unencrypted
        assert not stage.of(IncomingCall)[0].needs_consent
        stage.do(Answer(call))
        assert len(stage.of(CallNotEncrypted)) == 1


def test_early_media_then_the_answer_with_the_same_description(stage: Stage) -> None:
    call = stage.rings()
    stage.do(StartEarlyMedia(call))
    stage.do(Answer(call))
    assert stage.heard() == ["180 to INVITE", "183 to INVITE", "200 to INVITE"]
    assert stage.last_response(183).body == stage.last_response(200).body
    assert len(stage.did(StartMedia)) == 1


def test_a_retransmitted_invite_gets_the_last_answer_again_and_no_second_call(stage: Stage) -> None:
    offer = their_session().create_offer()
    invite = stage.request("INVITE", body=offer, branch="z9hG4bK-i")
    stage.say(invite)
    stage.say(invite)
    assert stage.heard() == ["180 to INVITE", "180 to INVITE"]
    assert len(stage.of(IncomingCall)) == 1


class TestFlowLost:
    def test_while_it_rings_ends_the_call_and_says_why(self, stage: Stage) -> None:
        stage.rings()
        stage.cut()
        assert stage.ended.ended_by is EndedBy.NETWORK
        assert stage.ended.failure is LOST
        stage.wait(40)
        assert not stage.agent.calls

    def test_between_answer_and_ack_the_ack_may_come_over_the_next(self, stage: Stage) -> None:
        stage.do(Answer(stage.rings()))
        ack = stage.in_dialog("ACK", 1)
        stage.cut()
        stage.wait(2)
        stage.say(ack)
        stage.wait(60)
        assert stage.of(CallEnded) == []


def test_hold_asked_for_before_the_ack_follows_it(stage: Stage) -> None:
    call = stage.rings()
    stage.do(Answer(call))
    stage.do(Hold(call))
    stage.heard()
    stage.say(stage.in_dialog("ACK", 1))
    assert stage.heard() == ["INVITE"]
    assert b"a=sendonly" in stage.last("INVITE").body


def test_removing_the_account_ends_its_calls_at_once(stage: Stage) -> None:
    stage.do(Answer(stage.rings()))
    stage.do(RemoveAccount("a"))
    assert len(stage.of(CallEnded)) == 1
    assert len(stage.did(StopMedia)) == 1
    assert stage.leftovers() == {}
    assert stage.agent.next_timer() is None
