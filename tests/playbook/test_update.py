"""UPDATE in and out, in early dialogs and within a call (RFC 3311 §5, RFC 6337 §4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.sdp.negotiated import Direction, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua.actions import SetMuted, StartMedia, UpdateMedia
from softphone.ua.commands import Answer, HangUp, Hold, Rekey, Resume, StartEarlyMedia
from softphone.ua.events import CallEnded, CallEstablished, CallNotice, HoldChanged
from tests.playbook.stage import BOB, Stage, their_session
from tests.playbook.test_reliable import Ringing, rseq

UPDATE_TOO = ("Allow", "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE")


class Early:
    """An outgoing call in its early dialog: the callee has answered the offer in a reliable 183."""

    def __init__(self, *headers: tuple[str, str], reliable: bool = True) -> None:
        self.stage = Stage().registered()
        self.invite = self.stage.dial()
        self.theirs = their_session()
        self.number = 0
        self.theirs.receive_offer(self.invite.body)
        lines = (*rseq(1), *headers) if reliable else headers
        self.stage.reply(self.invite, 183, BOB, *lines, body=self.theirs.create_answer())
        self.stage.heard()

    def update(self, body: bytes = b"", tag: str = "bob1", **more: str) -> None:
        self.number += 1
        self.stage.say(self.stage.from_callee(self.invite, "UPDATE", self.number, body, tag))

    def answer(self, request: Request) -> None:
        self.theirs.receive_offer(request.body)
        self.stage.reply(request, 200, BOB, body=self.theirs.create_answer())


class TestTheirsEarly:
    def test_one_without_sdp_is_answered_and_moves_the_target(self) -> None:
        early = Early()
        early.update()
        assert early.stage.heard() == ["200 to UPDATE"]
        assert early.stage.last_response(200).headers.get("Contact")

    def test_an_offer_is_answered_and_changes_the_media(self) -> None:
        early = Early()
        early.update(early.theirs.create_offer(Direction.SENDONLY))
        assert early.stage.heard() == ["200 to UPDATE"]
        assert b"a=recvonly" in early.stage.last_response(200).body
        assert early.stage.did(UpdateMedia)[-1].media.direction is Direction.RECVONLY
        early.stage.reply(early.invite, 200, BOB)
        assert early.stage.of(CallEstablished)
        assert len(early.stage.did(StartMedia)) == 1

    def test_an_offer_before_the_answer_to_ours_meets_491(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.heard()
        stage.say(stage.from_callee(invite, "UPDATE", 1, their_session(seed=9).create_offer()))
        assert stage.heard() == ["491 to UPDATE"]

    def test_an_offer_after_an_answer_that_was_not_reliable_must_wait(self) -> None:
        early = Early(reliable=False)
        early.update(early.theirs.create_offer())
        assert early.stage.heard() == ["500 to UPDATE"]
        assert 0 <= int(early.stage.last_response(500).headers.get("Retry-After") or "-1") <= 10

    def test_one_of_a_fork_that_is_not_talked_in_changes_nothing_that_runs(self) -> None:
        early = Early()
        other = their_session(seed=8)
        other.receive_offer(early.invite.body)
        early.stage.reply(early.invite, 183, BOB, *rseq(1), to_tag="other", body=other.create_answer())
        early.stage.heard()
        early.update(other.create_offer(Direction.SENDONLY), tag="other")
        assert early.stage.heard() == ["200 to UPDATE"]
        assert early.stage.did(UpdateMedia) == []

    def test_one_of_an_unknown_fork_gets_481(self) -> None:
        early = Early()
        early.update(tag="nobody")
        assert early.stage.heard() == ["481 to UPDATE"]

    def test_after_another_fork_has_won_it_is_over(self) -> None:
        early = Early()
        other = their_session(seed=8)
        other.receive_offer(early.invite.body)
        early.stage.reply(early.invite, 200, BOB, to_tag="other", body=other.create_answer())
        early.stage.heard()
        early.update()
        assert early.stage.heard() == ["481 to UPDATE"]

    def test_a_clear_offer_is_refused_and_the_encrypted_session_goes_on(self) -> None:
        early = Early()
        body = early.theirs.create_offer().replace(b"RTP/SAVP", b"RTP/AVP")
        early.update(b"\r\n".join(line for line in body.split(b"\r\n") if not line.startswith(b"a=crypto")))
        assert early.stage.heard() == ["488 to UPDATE"]
        assert early.stage.did(UpdateMedia) == []
        assert early.stage.of(CallNotice)


class TestOursEarly:
    def test_early_media_is_held_by_update_where_the_callee_takes_it(self) -> None:
        early = Early(UPDATE_TOO)
        early.stage.do(Hold("c"))
        assert early.stage.heard() == ["UPDATE"]
        update = early.stage.last("UPDATE")
        assert b"a=sendonly" in update.body
        early.answer(update)
        assert early.stage.of(HoldChanged)[-1].held_by_us
        early.stage.reply(early.invite, 200, BOB)
        early.stage.do(Resume("c"))
        assert early.stage.heard() == ["ACK", "INVITE"]

    def test_where_the_callee_does_not_it_is_held_once_the_call_is_answered(self) -> None:
        early = Early()
        early.stage.do(Hold("c"))
        assert early.stage.heard() == []
        assert [action.muted for action in early.stage.did(SetMuted)] == [True]
        early.stage.reply(early.invite, 200, BOB)
        assert early.stage.heard() == ["ACK", "INVITE"]
        assert b"a=sendonly" in early.stage.last("INVITE").body

    def test_an_answer_that_was_not_reliable_allows_none(self) -> None:
        early = Early(UPDATE_TOO, reliable=False)
        early.stage.do(Hold("c"))
        assert early.stage.heard() == []

    def test_new_keys_before_the_answer(self) -> None:
        early = Early(UPDATE_TOO)
        before = early.stage.started[0].security
        early.stage.do(Rekey("c"))
        early.answer(early.stage.last("UPDATE"))
        after = early.stage.did(UpdateMedia)[-1].media.security
        assert isinstance(before, SrtpSecurity)
        assert isinstance(after, SrtpSecurity)
        assert after.send != before.send
        assert after.receive != before.receive

    @pytest.mark.parametrize("status", [481, 408, 488, 405])
    def test_a_refusal_leaves_the_invite_to_decide(self, status: int) -> None:
        early = Early(UPDATE_TOO)
        early.stage.do(Hold("c"))
        early.stage.reply(early.stage.last("UPDATE"), status)
        assert early.stage.of(CallEnded) == []
        early.stage.reply(early.invite, 200, BOB)
        assert early.stage.of(CallEstablished)

    def test_glare_is_waited_out(self) -> None:
        early = Early(UPDATE_TOO)
        early.stage.do(Hold("c"))
        early.stage.reply(early.stage.last("UPDATE"), 491)
        assert early.stage.heard() == ["UPDATE"]
        early.stage.wait(4.1)
        assert early.stage.heard() == ["UPDATE"]

    def test_nothing_is_asked_of_an_early_dialog_that_has_lost(self) -> None:
        early = Early(UPDATE_TOO)
        early.stage.do(Hold("c"))
        early.stage.reply(early.stage.last("UPDATE"), 491)
        other = their_session(seed=8)
        other.receive_offer(early.invite.body)
        early.stage.reply(early.invite, 200, BOB, to_tag="other", body=other.create_answer())
        early.stage.heard()
        early.stage.wait(10)
        assert "UPDATE" not in early.stage.heard()

    def test_the_callee_answers_early_and_holds_by_update(self) -> None:
        call = Ringing(("Supported", "100rel"), UPDATE_TOO)
        call.stage.do(StartEarlyMedia(call.id))
        call.session.receive_answer(call.last.body)
        call.prack()
        call.stage.heard()
        call.stage.do(Hold(call.id))
        assert call.stage.heard() == ["UPDATE"]


class TestTheirsRinging:
    def test_one_without_sdp_is_answered(self) -> None:
        call = Ringing()
        call.update()
        assert call.stage.heard() == ["180 to INVITE", "200 to UPDATE"]

    def test_an_offer_before_our_answer_must_wait(self) -> None:
        call = Ringing()
        call.update(their_session(seed=9).create_offer())
        assert call.stage.heard() == ["180 to INVITE", "500 to UPDATE"]

    def test_an_offer_while_ours_is_open_meets_491(self) -> None:
        call = Ringing(("Require", "100rel"), offer=False)
        call.update(their_session(seed=9).create_offer())
        assert call.stage.heard() == ["180 to INVITE", "491 to UPDATE"]

    def test_an_offer_after_the_prack_changes_early_media(self) -> None:
        call = Ringing(("Supported", "100rel"))
        call.stage.do(StartEarlyMedia(call.id))
        call.session.receive_answer(call.last.body)
        call.prack()
        call.stage.heard()
        call.update(call.session.create_offer(Direction.INACTIVE))
        assert call.stage.heard() == ["200 to UPDATE"]
        assert call.stage.did(UpdateMedia)[-1].media.direction is Direction.INACTIVE
        call.stage.do(Answer(call.id))
        call.ack()
        assert call.stage.of(CallEstablished)


class Talk:
    def __init__(self, *headers: tuple[str, str]) -> None:
        self.stage = Stage().registered()
        self.theirs: OfferAnswerSession = their_session()
        self.invite = self.stage.dial()
        self.theirs.receive_offer(self.invite.body)
        self.stage.reply(self.invite, 200, BOB, *headers, body=self.theirs.create_answer())
        self.stage.heard()
        self.number = 0

    def say(self, method: str, body: bytes = b"") -> None:
        self.number += 1
        self.stage.say(self.stage.from_callee(self.invite, method, self.number, body))


class TestInTheCall:
    def test_hold_by_update(self) -> None:
        talk = Talk()
        talk.say("UPDATE", talk.theirs.create_offer(Direction.SENDONLY))
        assert talk.stage.heard() == ["200 to UPDATE"]
        talk.theirs.receive_answer(talk.stage.last_response(200).body)
        assert talk.stage.of(HoldChanged)[-1].held_by_peer
        talk.say("UPDATE", talk.theirs.create_offer())
        assert not talk.stage.of(HoldChanged)[-1].held_by_peer

    def test_hold_of_both_sides_at_once_is_inactive(self) -> None:
        talk = Talk()
        talk.stage.do(Hold("c"))
        talk.theirs.receive_offer(talk.stage.last("INVITE").body)
        talk.stage.reply(talk.stage.last("INVITE"), 200, BOB, body=talk.theirs.create_answer())
        talk.say("UPDATE", talk.theirs.create_offer(Direction.INACTIVE))
        changed = talk.stage.of(HoldChanged)[-1]
        assert (changed.held_by_us, changed.held_by_peer) == (True, True)
        assert changed.direction is Direction.INACTIVE

    def test_an_offer_that_crosses_ours_meets_491_and_one_without_sdp_does_not(self) -> None:
        talk = Talk()
        talk.stage.do(Hold("c"))
        talk.say("UPDATE", their_session(seed=9).create_offer())
        talk.say("UPDATE")
        assert talk.stage.heard() == ["INVITE", "491 to UPDATE", "200 to UPDATE"]

    def test_new_keys_of_theirs_bring_new_ones_of_ours(self) -> None:
        talk = Talk()
        before = talk.stage.started[0].security
        talk.say("UPDATE", talk.theirs.create_offer(new_keys=True))
        after = talk.stage.did(UpdateMedia)[-1].media.security
        assert isinstance(before, SrtpSecurity)
        assert isinstance(after, SrtpSecurity)
        assert after.send != before.send
        assert after.receive != before.receive

    def test_a_refused_one_does_not_move_the_target(self) -> None:
        talk = Talk()
        body = talk.theirs.create_offer().replace(b"RTP/SAVP", b"RTP/AVP")
        clear = b"\r\n".join(line for line in body.split(b"\r\n") if not line.startswith(b"a=crypto"))
        for method, number in (("UPDATE", 1), ("INVITE", 2)):
            text = talk.stage.from_callee(talk.invite, method, number, clear)
            talk.stage.say(text.replace(b"Contact: <sip:bob@192.0.2.9:5061", b"Contact: <sip:bob@192.0.2.66:5061"))
            assert talk.stage.heard() == [f"488 to {method}"]
        talk.stage.do(HangUp("c"))
        assert str(talk.stage.last("BYE").uri) == "sip:bob@192.0.2.9:5061;transport=tls"

    def test_an_accepted_one_moves_it(self) -> None:
        talk = Talk()
        text = talk.stage.from_callee(talk.invite, "UPDATE", 1)
        talk.stage.say(text.replace(b"Contact: <sip:bob@192.0.2.9:5061", b"Contact: <sip:bob@192.0.2.66:5061"))
        talk.stage.do(HangUp("c"))
        assert str(talk.stage.last("BYE").uri) == "sip:bob@192.0.2.66:5061;transport=tls"

    def test_an_older_one_is_refused(self) -> None:
        talk = Talk()
        talk.number = 4
        talk.say("UPDATE")
        talk.number = 2
        talk.say("UPDATE")
        assert talk.stage.heard() == ["200 to UPDATE", "500 to UPDATE"]

    def test_after_the_end_it_gets_481(self) -> None:
        talk = Talk()
        talk.stage.do(HangUp("c"))
        talk.say("UPDATE")
        assert talk.stage.heard() == ["BYE", "481 to UPDATE"]


class TestNewKeys:
    """`Rekey` works from every state in which a call can be (RFC 4568 §7.1.4)."""

    def keys(self, talk: Talk) -> set[bytes]:
        media = [*talk.stage.started, *(action.media for action in talk.stage.did(UpdateMedia))]
        return {m.security.send.material.reveal() for m in media if isinstance(m.security, SrtpSecurity)}

    def answer(self, talk: Talk) -> None:
        request = talk.stage.last("INVITE")
        talk.theirs.receive_offer(request.body)
        talk.stage.reply(request, 200, BOB, body=talk.theirs.create_answer())

    def test_at_once(self) -> None:
        talk = Talk()
        talk.stage.do(Rekey("c"))
        self.answer(talk)
        assert len(self.keys(talk)) == 2

    def test_after_glare(self) -> None:
        talk = Talk()
        talk.stage.do(Rekey("c"))
        first = talk.stage.last("INVITE")
        talk.stage.reply(first, 491)
        talk.stage.wait(4.1)
        second = talk.stage.last("INVITE")
        assert cseq(second).number > cseq(first).number
        self.answer(talk)
        assert len(self.keys(talk)) == 2

    def test_asked_for_during_glare(self) -> None:
        talk = Talk()
        talk.stage.do(Hold("c"))
        talk.stage.reply(talk.stage.last("INVITE"), 491)
        talk.stage.do(Rekey("c"))
        talk.stage.wait(4.1)
        self.answer(talk)
        assert len(self.keys(talk)) == 2
        assert talk.stage.of(HoldChanged)[-1].held_by_us

    def test_asked_for_while_another_change_is_under_way(self) -> None:
        talk = Talk()
        talk.stage.do(Hold("c"))
        talk.stage.do(Rekey("c"))
        self.answer(talk)
        assert talk.stage.heard() == ["INVITE", "ACK", "INVITE"]
        self.answer(talk)
        assert len(self.keys(talk)) == 2

    def test_asked_for_while_theirs_waits_for_its_ack(self) -> None:
        talk = Talk()
        talk.say("INVITE", talk.theirs.create_offer())
        talk.stage.do(Rekey("c"))
        assert talk.stage.heard() == ["200 to INVITE"]
        talk.theirs.receive_answer(talk.stage.last_response(200).body)
        talk.stage.say(talk.stage.from_callee(talk.invite, "ACK", talk.number))
        assert talk.stage.heard() == ["INVITE"]
        self.answer(talk)
        assert len(self.keys(talk)) == 2

    def test_after_a_retry_that_was_asked_for(self) -> None:
        talk = Talk()
        talk.stage.do(Rekey("c"))
        talk.stage.reply(talk.stage.last("INVITE"), 500, ("Retry-After", "3"))
        talk.stage.wait(2.9)
        assert talk.stage.heard() == ["INVITE", "ACK"]
        talk.stage.wait(0.2)
        assert talk.stage.heard() == ["INVITE"]

    def test_a_peer_that_says_491_for_ever_is_given_up(self) -> None:
        talk = Talk()
        talk.stage.do(Rekey("c"))
        for _ in range(30):
            if talk.stage.of(CallNotice):
                break
            talk.stage.reply(talk.stage.last("INVITE"), 491)
            talk.stage.wait(4.1)
        assert len(talk.stage.of(CallNotice)) == 1
        assert len(self.keys(talk)) == 1
        assert talk.stage.of(CallEnded) == []


def test_an_update_flood_is_answered_and_keeps_nothing() -> None:
    talk = Talk()
    for _ in range(500):
        talk.say("UPDATE")
    assert talk.stage.heard() == ["200 to UPDATE"] * 500
    assert talk.stage.leftovers().get("servers", 0) == 0


def test_a_caller_of_whom_nothing_is_known_gets_a_re_invite() -> None:
    stage = Stage()
    stage.account = replace(stage.account, session_expires=0)
    stage.registered()
    stage.in_call()
    stage.do(Hold("c"))
    assert stage.heard() == ["INVITE"]
