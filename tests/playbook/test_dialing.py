"""Outgoing calls (RFC 3261 §9, §13.2; RFC 3665 §3)."""

from __future__ import annotations

import pytest

from softphone.errors import FailureKind
from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, SrtpSecurity
from softphone.sip.header_values import cseq, to_addr
from softphone.sip.message import Request
from softphone.ua.actions import OpenFlow, SetMuted, StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import AgreeToUnencrypted, Dial, FollowRedirect, HangUp, Mute, SendDigits, Unmute, Unregister
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallRinging,
    ConsentRequested,
    EarlyMediaStarted,
    EndedBy,
    RedirectOffered,
)
from softphone.ua.inputs import MediaFailed, MediaSecured
from tests.playbook.stage import BOB, CHALLENGE, LOST, PROXY_CHALLENGE, Stage, their_session

ASK = MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE)
ALLOW = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL, unencrypted_peer=UnencryptedPeer.ALLOW, profile=ConnectionProfile.PRIVATE
)
CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


def clear_answer(offer: bytes) -> bytes:
    session = their_session(CLEAR)
    kept = [line for line in offer.replace(b"RTP/SAVP", b"RTP/AVP").split(b"\r\n") if not line.startswith(b"a=crypto")]
    session.receive_offer(b"\r\n".join(kept))
    return session.create_answer()


def test_trying_ringing_progress_and_answer(stage: Stage) -> None:
    invite = stage.dial()
    theirs = their_session()
    theirs.receive_offer(invite.body)
    body = theirs.create_answer()
    stage.reply(invite, 100)
    assert stage.of(CallRinging) == []
    stage.reply(invite, 180, BOB)
    assert len(stage.of(CallRinging)) == 1
    stage.reply(invite, 183, BOB, body=body)
    assert len(stage.of(EarlyMediaStarted)) == 1
    stage.reply(invite, 200, BOB, body=body)
    assert stage.heard() == ["INVITE", "ACK"]
    assert len(stage.of(CallEstablished)) == 1
    assert len(stage.did(StartMedia)) == 1
    assert stage.did(UpdateMedia) == []
    stage.do(HangUp("c"))
    assert stage.heard() == ["BYE"]
    stage.reply(stage.last("BYE"), 200)
    assert (stage.ended.ended_by, stage.ended.failure) == (EndedBy.LOCAL, None)
    stage.settled()


def test_an_answer_without_sdp_takes_that_of_the_progress(stage: Stage) -> None:
    invite = stage.dial()
    theirs = their_session()
    theirs.receive_offer(invite.body)
    stage.reply(invite, 183, BOB, body=theirs.create_answer())
    stage.reply(invite, 200, BOB)
    assert stage.of(CallEstablished)


def test_an_answer_without_any_sdp_is_ended(stage: Stage) -> None:
    stage.reply(stage.dial(), 200, BOB)
    assert stage.heard() == ["INVITE", "ACK", "BYE"]
    assert stage.ended.failure is not None
    stage.reply(stage.last("BYE"), 481)
    stage.settled()


@pytest.mark.parametrize(("status", "challenge"), [(401, CHALLENGE), (407, PROXY_CHALLENGE)])
def test_a_challenged_invite_is_sent_again_with_the_same_call_and_the_next_cseq(
    stage: Stage, status: int, challenge: tuple[str, str]
) -> None:
    first = stage.dial()
    stage.reply(first, status, challenge)
    assert stage.heard() == ["INVITE", "ACK", "INVITE"]
    second = stage.last("INVITE")
    assert cseq(second).number == cseq(first).number + 1
    assert second.body == first.body
    theirs = their_session()
    theirs.receive_offer(second.body)
    stage.reply(second, 200, BOB, body=theirs.create_answer())
    credentials = "Authorization" if status == 401 else "Proxy-Authorization"
    assert stage.last("ACK").headers.get(credentials) == second.headers.get(credentials)
    assert stage.of(CallEstablished)


def test_a_challenged_bye_is_sent_again(stage: Stage) -> None:
    stage.in_call()
    stage.do(HangUp("c"))
    stage.reply(stage.last("BYE"), 407, PROXY_CHALLENGE)
    assert stage.heard() == ["BYE", "BYE"]
    stage.reply(stage.last("BYE"), 200)
    stage.settled()


@pytest.mark.parametrize("status", [404, 480, 486, 500, 600, 603])
def test_a_refusal_ends_the_call_with_its_words(stage: Stage, status: int) -> None:
    stage.reply(stage.dial(), status)
    assert stage.heard() == ["INVITE", "ACK"]
    assert stage.ended.status == status
    assert stage.ended.failure is not None
    stage.settled()


def test_who_refuses_savp_probably_cannot_encrypt(stage: Stage) -> None:
    stage.reply(stage.dial(), 488)
    assert stage.ended.failure is not None
    assert stage.ended.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
    assert stage.ended.ended_by is EndedBy.POLICY


def test_a_clear_answer_to_a_mandatory_offer_is_acknowledged_and_ended(stage: Stage) -> None:
    invite = stage.dial()
    stage.reply(invite, 200, BOB, body=clear_answer(invite.body))
    assert stage.heard() == ["INVITE", "ACK", "BYE"]
    assert "cause=488" in (stage.last("BYE").headers.get("Reason") or "")
    assert stage.did(StartMedia) == []
    assert stage.ended.failure is not None
    assert stage.ended.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED


def test_no_answer_at_all_ends_the_call_after_32_seconds(stage: Stage) -> None:
    stage.dial()
    stage.wait(33)
    assert (stage.ended.status, stage.ended.ended_by) == (408, EndedBy.NETWORK)
    stage.settled()


class TestCancel:
    def test_before_any_provisional_response_waits_for_one(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.do(HangUp("c"))
        assert stage.heard() == ["INVITE"]
        stage.reply(invite, 100)
        assert stage.heard() == ["CANCEL"]
        stage.reply(stage.last("CANCEL"), 200)
        stage.reply(invite, 487)
        assert stage.heard() == ["ACK"]
        assert (stage.ended.ended_by, stage.ended.failure) == (EndedBy.LOCAL, None)
        stage.settled()

    def test_a_server_that_says_nothing_at_all_ends_with_the_transaction(self, stage: Stage) -> None:
        stage.dial()
        stage.do(HangUp("c"))
        stage.wait(33)
        assert stage.ended.ended_by is EndedBy.LOCAL
        assert stage.ended.failure is None
        stage.settled()

    def test_a_lost_487_ends_it_all_the_same(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        stage.reply(stage.last("CANCEL"), 200)
        stage.wait(33)
        assert stage.ended.ended_by is EndedBy.LOCAL
        stage.settled()

    def test_an_answer_that_crosses_it_is_acknowledged_and_ended(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        theirs = their_session()
        theirs.receive_offer(invite.body)
        stage.heard()
        stage.reply(invite, 200, BOB, body=theirs.create_answer())
        assert stage.heard() == ["ACK", "BYE"]
        assert stage.did(StartMedia) == []
        stage.reply(stage.last("BYE"), 200)
        assert stage.ended.failure is None
        stage.settled()

    def test_an_answer_after_a_late_provisional_is_still_ended(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.do(HangUp("c"))
        stage.wait(31)
        stage.reply(invite, 180, BOB)
        stage.wait(10)
        stage.heard()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 200, BOB, body=theirs.create_answer())
        assert stage.heard() == ["ACK", "BYE"]


class TestForks:
    def answers(self, invite_body: bytes, count: int) -> list[bytes]:
        bodies = []
        for seed in range(count):
            session = their_session(seed=50 + seed)
            session.receive_offer(invite_body)
            bodies.append(session.create_answer())
        return bodies

    def test_early_media_is_of_the_first_fork_and_the_second_wins_with_its_own_keys(self, stage: Stage) -> None:
        invite = stage.dial()
        first, second = their_session(seed=50), their_session(seed=51)
        first.receive_offer(invite.body)
        second.receive_offer(invite.body)
        stage.reply(invite, 183, BOB, to_tag="one", body=first.create_answer())
        answer = second.create_answer()
        stage.reply(invite, 183, BOB, to_tag="two", body=answer)
        assert len(stage.did(StartMedia)) == 1
        stage.reply(invite, 200, BOB, to_tag="two", body=answer)
        update = stage.did(UpdateMedia)[-1].media.security
        assert isinstance(update, SrtpSecurity)
        assert second.negotiated is not None
        theirs = second.negotiated.security
        assert isinstance(theirs, SrtpSecurity)
        assert update.receive.material.reveal() == theirs.send.material.reveal()
        assert update.send.material.reveal() == theirs.receive.material.reveal()
        stage.do(HangUp("c"))
        assert to_addr(stage.last("BYE")).tag == "two"

    def test_a_second_answer_is_acknowledged_and_ended_and_the_call_goes_on(self, stage: Stage) -> None:
        invite = stage.dial()
        one, two = self.answers(invite.body, 2)
        stage.reply(invite, 200, BOB, to_tag="one", body=one)
        stage.heard()
        stage.reply(invite, 200, BOB, to_tag="two", body=two)
        assert stage.heard() == ["ACK", "BYE"]
        assert to_addr(stage.last("BYE")).tag == "two"
        stage.reply(stage.last("BYE"), 200, to_tag="two")
        stage.reply(invite, 200, BOB, to_tag="two", body=two)
        assert stage.heard() == ["ACK"]
        assert stage.of(CallEnded) == []

    def test_a_repeated_answer_is_acknowledged_again(self, stage: Stage) -> None:
        invite = stage.dial()
        (body,) = self.answers(invite.body, 1)
        for _ in range(3):
            stage.reply(invite, 200, BOB, body=body)
        assert stage.heard() == ["INVITE", "ACK", "ACK", "ACK"]
        assert len(stage.of(CallEstablished)) == 1

    def test_hundreds_of_forks_are_bounded_and_any_of_them_may_answer(self, stage: Stage) -> None:
        invite = stage.dial()
        for number in range(200):
            stage.reply(invite, 180, BOB, to_tag=f"t{number}")
        (body,) = self.answers(invite.body, 1)
        stage.reply(invite, 200, BOB, to_tag="t199", body=body)
        assert stage.of(CallEstablished)
        for number in range(100):
            stage.heard()
            stage.reply(invite, 200, BOB, to_tag=f"u{number}", body=body)
            assert stage.heard() == ["ACK", "BYE"]
        client = stage.agent.calls["c"].client
        assert client is not None
        assert len(client._forks) <= 16
        assert stage.of(CallEnded) == []

    def test_an_answer_whose_contact_cannot_be_read_is_ended_and_the_flow_stays(self, stage: Stage) -> None:
        invite = stage.dial()
        (body,) = self.answers(invite.body, 1)
        stage.reply(invite, 180, ("Contact", "<<"))
        stage.reply(invite, 200, ("Contact", "<<"), body=body)
        assert stage.heard() == ["INVITE", "ACK", "BYE"]
        assert stage.ended.failure is not None
        assert stage.ended.failure.kind is FailureKind.PROTOCOL
        stage.reply(stage.last("BYE"), 200)
        stage.settled()
        assert len(stage.did(OpenFlow)) == 1

    def test_an_answer_without_to_tag_makes_a_call_that_can_be_ended(self, stage: Stage) -> None:
        invite = stage.dial()
        (body,) = self.answers(invite.body, 1)
        stage.reply(invite, 200, BOB, to_tag=None, body=body)  # type: ignore[arg-type]
        assert stage.of(CallEstablished)
        stage.do(HangUp("c"))
        assert stage.heard() == ["INVITE", "ACK", "BYE"]


class TestRedirection:
    def test_is_followed_only_when_the_person_agrees_and_with_new_keys(self, stage: Stage) -> None:
        first = stage.dial()
        stage.reply(first, 302, ("Contact", "<sip:carol@lab.test>"))
        assert [event.target for event in stage.of(RedirectOffered)] == ["sip:carol@lab.test"]
        assert stage.heard() == ["INVITE", "ACK"]
        stage.do(FollowRedirect("c"))
        second = stage.last("INVITE")
        assert str(second.uri) == "sip:carol@lab.test"
        assert second.headers.get("To") == first.headers.get("To")
        assert second.headers.get("Call-ID") == first.headers.get("Call-ID")
        keys = [line for line in first.body.split(b"\r\n") if b"a=crypto" in line]
        assert keys
        assert not set(keys) & set(second.body.split(b"\r\n"))
        theirs = their_session()
        theirs.receive_offer(second.body)
        stage.reply(second, 200, BOB, body=theirs.create_answer())
        assert stage.of(CallEstablished)

    @pytest.mark.parametrize(
        ("dialled", "contact"),
        [
            ("bob", "<sip:carol@lab.test;transport=udp>"),
            ("bob", "<sip:carol@lab.test;transport=tcp>"),
            ("bob", "<tel:+49301>"),
            ("bob", "<http:x>"),
            ("sips:bob@lab.test", "<sip:carol@lab.test>"),
            ("bob", "<<"),
        ],
    )
    def test_that_would_leave_the_secure_flow_is_refused(self, stage: Stage, dialled: str, contact: str) -> None:
        stage.reply(stage.dial(dialled), 302, ("Contact", contact))
        assert stage.of(RedirectOffered) == []
        assert stage.ended.status == 302
        stage.settled()

    def test_may_be_declined(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 302, ("Contact", "<sip:carol@lab.test>"))
        stage.do(HangUp("c"))
        assert stage.ended.ended_by is EndedBy.LOCAL
        stage.settled()


class TestConsent:
    def test_no_media_flows_before_the_person_agrees(self) -> None:
        stage = Stage(ASK).registered()
        invite = stage.dial()
        body = clear_answer(invite.body)
        stage.reply(invite, 183, BOB, body=body)
        assert stage.did(StartMedia) == []
        stage.reply(invite, 200, BOB, body=body)
        assert stage.heard() == ["INVITE", "ACK"]
        assert len(stage.of(ConsentRequested)) == 1
        assert stage.did(StartMedia) == []
        stage.do(SendDigits("c", "1"))
        stage.do(Mute("c"))
        assert stage.did(StartMedia) == []
        stage.do(AgreeToUnencrypted("c"))
        assert isinstance(stage.started[0].security, ClearMedia)
        assert len(stage.of(CallNotEncrypted)) == 1
        assert stage.of(CallEstablished)

    @pytest.mark.parametrize("how", ["person", "time", "peer", "media"])
    def test_refusal_by_anyone_ends_the_call_without_media(self, how: str) -> None:
        stage = Stage(ASK).registered()
        invite = stage.dial()
        stage.reply(invite, 200, BOB, body=clear_answer(invite.body))
        stage.heard()
        match how:
            case "person":
                stage.do(HangUp("c"))
            case "time":
                stage.wait(61)
            case "peer":
                stage.say(stage.from_callee(invite, "BYE", 1))
            case "media":
                stage.give(MediaFailed(stage.agent.calls["c"].media.id, LOST))
        assert stage.heard()[0] == ("200 to BYE" if how == "peer" else "BYE")
        assert stage.did(StartMedia) == []
        assert len(stage.of(CallEnded)) == 1
        stage.settled()

    def test_under_allow_early_media_in_clear_says_so_at_once(self) -> None:
        stage = Stage(ALLOW).registered()
        invite = stage.dial()
        stage.reply(invite, 183, BOB, body=clear_answer(invite.body))
        assert len(stage.of(CallNotEncrypted)) == 1
        stage.reply(invite, 200, BOB)
        assert len(stage.of(CallNotEncrypted)) == 1


class TestEarlyMicrophone:
    """What an early dialog hears ends with the person's word or the server's, not with the media session."""

    @pytest.fixture
    def invite(self, stage: Stage) -> Request:
        invite = stage.dial()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 183, BOB, body=theirs.create_answer())
        return invite

    @staticmethod
    def muted(stage: Stage) -> list[bool]:
        return [action.muted for action in stage.did(SetMuted)]

    def test_is_silent_after_hanging_up_however_long_the_server_takes(self, stage: Stage, invite: Request) -> None:
        assert self.muted(stage) == []
        stage.do(HangUp("c"))
        assert self.muted(stage) == [True]
        stage.do(Mute("c"))
        stage.do(Unmute("c"))
        assert self.muted(stage) == [True]
        stage.reply(invite, 487)
        stage.settled()

    def test_is_silent_after_a_redirection_until_the_new_address_answers(self, stage: Stage, invite: Request) -> None:
        stage.reply(invite, 302, ("Contact", "<sip:carol@lab.test>"))
        assert self.muted(stage) == [True]
        stage.do(FollowRedirect("c"))
        stage.do(Mute("c"))
        stage.do(Unmute("c"))
        assert self.muted(stage) == [True]
        again = stage.last("INVITE")
        theirs = their_session(seed=8)
        theirs.receive_offer(again.body)
        stage.reply(again, 183, BOB, to_tag="carol", body=theirs.create_answer())
        assert self.muted(stage) == [True, False]
        assert len(stage.did(UpdateMedia)) == 1

    def test_is_silent_while_the_person_is_asked_about_another_fork(self) -> None:
        stage = Stage(ASK).registered()
        invite = stage.dial()
        theirs = their_session(ASK)
        theirs.receive_offer(invite.body)
        stage.reply(invite, 183, BOB, to_tag="one", body=theirs.create_answer())
        stage.reply(invite, 200, BOB, to_tag="two", body=clear_answer(invite.body))
        assert len(stage.of(ConsentRequested)) == 1
        assert self.muted(stage) == [True]
        stage.do(AgreeToUnencrypted("c"))
        assert self.muted(stage) == [True, False]


class TestFlow:
    def test_a_call_without_a_flow_waits_for_one(self) -> None:
        stage = Stage(register=False)
        stage.reachable = False
        stage.start()
        stage.reachable = True
        stage.do(Dial("c", "bob"))
        assert stage.heard() == ["INVITE"]

    def test_a_call_that_gets_no_flow_ends(self) -> None:
        stage = Stage()
        stage.reachable = False
        stage.start()
        stage.do(Dial("c", "bob"))
        assert stage.ended.ended_by is EndedBy.NETWORK
        assert stage.leftovers() == {}

    @pytest.mark.parametrize("after", [None, 100, 180, 183])
    def test_lost_before_the_answer_ends_the_call(self, stage: Stage, after: int | None) -> None:
        invite = stage.dial()
        if after is not None:
            stage.reply(invite, after, BOB)
        stage.cut()
        assert (stage.ended.status, stage.ended.ended_by) == (503, EndedBy.NETWORK)

    def test_a_running_call_outlives_it_and_hangs_up_over_the_next(self, stage: Stage) -> None:
        stage.in_call()
        stage.cut()
        assert stage.of(CallEnded) == []
        stage.wait(2)
        stage.heard()
        stage.do(HangUp("c"))
        assert stage.heard() == ["BYE"]

    def test_who_hangs_up_while_it_is_lost_says_bye_over_the_next(self, stage: Stage) -> None:
        stage.in_call()
        stage.cut()
        stage.do(HangUp("c"))
        assert stage.ended.ended_by is EndedBy.LOCAL
        stage.wait(2)
        assert "BYE" in stage.heard()
        stage.reply(stage.last("BYE"), 200)
        assert not stage.agent.calls

    def test_a_bye_lost_with_it_is_said_again_over_the_next(self, stage: Stage) -> None:
        stage.in_call()
        stage.do(HangUp("c"))
        stage.cut()
        stage.heard()
        stage.wait(2)
        assert "BYE" in stage.heard()
        stage.reply(stage.last("BYE"), 200)
        assert not stage.agent.calls

    def test_that_never_comes_back_ends_the_wait_for_the_bye(self, stage: Stage) -> None:
        stage.in_call()
        stage.reachable = False
        stage.cut()
        stage.do(HangUp("c"))
        stage.wait(33)
        assert not stage.agent.calls

    def test_signing_out_while_it_is_opened_ends_the_waiting_call(self) -> None:
        stage = Stage(register=False)
        stage.reachable = False
        stage.start()
        stage.agent.drain()
        stage.agent.submit(Dial("c", "bob"), stage.now)  # the flow is being opened, and nobody answers
        stage.agent.submit(Unregister("a"), stage.now)
        stage._settle()
        assert stage.ended.ended_by is EndedBy.NETWORK


def test_nothing_is_said_of_a_call_after_its_end(stage: Stage) -> None:
    stage.in_call()
    media_id = stage.agent.calls["c"].media.id
    stage.do(HangUp("c"))
    stage.give(MediaSecured(media_id))
    stage.do(Mute("c"))
    assert isinstance(stage.events[-1], CallEnded)
    assert len(stage.did(StopMedia)) == 1
