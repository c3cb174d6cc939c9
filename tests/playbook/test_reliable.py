"""Reliable provisional responses, both roles (RFC 3262; call flows after its §6 and RFC 6337 §2)."""

from __future__ import annotations

import pytest

from softphone.sdp.negotiated import Direction
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.extension_headers import RAck, parse_rack, parse_rseq
from softphone.sip.header_values import CSeq, cseq
from softphone.sip.message import Request, Response
from softphone.ua.actions import StartMedia, UpdateMedia
from softphone.ua.commands import Answer, HangUp, StartEarlyMedia
from softphone.ua.events import CallEnded, CallEstablished, CallRinging, EarlyMediaStarted
from tests.playbook.stage import BOB, PROXY_CHALLENGE, Stage, their_session

RELIABLE = ("Require", "100rel")


def rseq(number: int) -> tuple[tuple[str, str], tuple[str, str]]:
    return (RELIABLE, ("RSeq", str(number)))


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


class TestCalling:
    def test_the_invite_says_that_we_can(self, stage: Stage) -> None:
        assert "100rel" in (stage.dial().headers.get("Supported") or "")

    def test_a_reliable_response_gets_its_prack(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, *rseq(988789))
        assert stage.heard() == ["INVITE", "PRACK"]
        prack = stage.last("PRACK")
        assert parse_rack(prack.headers) == RAck(988789, CSeq(cseq(invite).number, "INVITE"))
        assert cseq(prack).number == cseq(invite).number + 1
        assert str(prack.uri) == "sip:bob@192.0.2.9:5061;transport=tls"
        assert stage.of(CallRinging)
        stage.reply(prack, 200)

    def test_the_same_one_again_is_as_if_it_had_not_come(self, stage: Stage) -> None:
        invite = stage.dial()
        for _ in range(3):
            stage.reply(invite, 180, BOB, *rseq(7))
        assert stage.heard() == ["INVITE", "PRACK"]
        assert len(stage.of(CallRinging)) == 1

    def test_one_after_a_missing_one_waits_until_it_has_come(self, stage: Stage) -> None:
        invite = stage.dial()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        body = theirs.create_answer()
        stage.reply(invite, 180, BOB, *rseq(1))
        stage.reply(invite, 183, BOB, *rseq(3), body=body)
        assert stage.heard() == ["INVITE", "PRACK"]
        assert stage.of(EarlyMediaStarted) == []
        stage.reply(invite, 180, BOB, *rseq(2))
        stage.reply(invite, 183, BOB, *rseq(3), body=body)
        assert stage.heard() == ["PRACK", "PRACK"]
        assert len(stage.of(EarlyMediaStarted)) == 1

    def test_each_fork_counts_for_itself(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, *rseq(100), to_tag="one")
        stage.reply(invite, 180, BOB, *rseq(5), to_tag="two")
        stage.reply(invite, 180, BOB, *rseq(101), to_tag="one")
        assert stage.heard() == ["INVITE", "PRACK", "PRACK", "PRACK"]

    def test_an_answer_in_one_is_the_answer_and_the_2xx_needs_none(self, stage: Stage) -> None:
        invite = stage.dial()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 183, BOB, *rseq(1), body=theirs.create_answer())
        stage.reply(stage.last("PRACK"), 200)
        stage.reply(invite, 200, BOB)
        assert stage.heard() == ["INVITE", "PRACK", "ACK"]
        assert stage.of(CallEstablished)
        assert len(stage.did(StartMedia)) == 1

    def test_an_answer_in_one_is_not_changed_by_a_later_one(self, stage: Stage) -> None:
        invite = stage.dial()
        theirs, other = their_session(), their_session(seed=8)
        theirs.receive_offer(invite.body)
        other.receive_offer(invite.body)
        stage.reply(invite, 183, BOB, *rseq(1), body=theirs.create_answer())
        stage.reply(invite, 200, BOB, body=other.create_answer())
        assert stage.of(CallEstablished)
        assert stage.did(UpdateMedia) == []

    def test_sdp_in_a_further_reliable_one_is_no_second_answer(self, stage: Stage) -> None:
        invite = stage.dial()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        body = theirs.create_answer()
        stage.reply(invite, 183, BOB, *rseq(1), body=body)
        stage.reply(invite, 183, BOB, *rseq(2), body=body.replace(b"m=audio 30000", b"m=audio 31000"))
        assert stage.heard() == ["INVITE", "PRACK", "PRACK"]
        assert stage.did(UpdateMedia) == []

    def test_a_reliable_answer_counts_after_an_unreliable_one(self, stage: Stage) -> None:
        invite = stage.dial()
        theirs = their_session()
        theirs.receive_offer(invite.body)
        body = theirs.create_answer()
        stage.reply(invite, 183, BOB, body=body)
        stage.reply(invite, 183, BOB, *rseq(1), body=body.replace(b"m=audio 30000", b"m=audio 31000"))
        assert stage.did(UpdateMedia)[-1].media.remote_rtp_port == 31000
        stage.reply(invite, 200, BOB)
        assert stage.of(CallEstablished)

    def test_a_challenged_prack_is_sent_again(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, *rseq(1))
        stage.reply(stage.last("PRACK"), 407, PROXY_CHALLENGE)
        assert stage.heard() == ["INVITE", "PRACK", "PRACK"]
        assert stage.last("PRACK").headers.get("Proxy-Authorization")

    def test_after_hanging_up_it_is_still_acknowledged(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        stage.heard()
        stage.reply(invite, 180, BOB, *rseq(1))
        assert stage.heard() == ["PRACK"]
        stage.reply(invite, 487)
        stage.settled()

    @pytest.mark.parametrize("number", ["", "x", "-1", "4294967296", "9" * 400])
    def test_one_without_a_readable_number_does_nothing(self, stage: Stage, number: str) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, RELIABLE, ("RSeq", number))
        assert stage.heard() == ["INVITE"]
        stage.reply(invite, 486)
        stage.settled()

    def test_a_prack_that_nobody_answers_leaves_the_call_alone(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB, *rseq(1))
        stage.wait(40)
        assert stage.of(CallEnded) == []
        stage.reply(invite, 486)
        stage.settled()


class Ringing:
    """An incoming call whose caller can (or wants to) acknowledge; the test plays the caller."""

    def __init__(self, *headers: tuple[str, str], offer: bool = True) -> None:
        self.stage = Stage().registered()
        self.theirs = their_session()
        self.number = 1
        body = self.theirs.create_offer() if offer else b""
        self.stage.say(self.stage.request("INVITE", *headers, body=body, branch="z9hG4bK-i"))
        self.id = next(iter(self.stage.agent.calls))

    @property
    def last(self) -> Response:
        return self.stage.last_response()

    def prack(self, *, rack: str = "", body: bytes = b"") -> None:
        self.number += 1
        response = next(m for m in reversed(self.stage.sent) if isinstance(m, Response) and "RSeq" in m.headers)
        rack = rack or f"{parse_rseq(response.headers)} 1 INVITE"
        self.stage.say(self.stage.in_dialog("PRACK", self.number, ("RAck", rack), body=body))

    def update(self, body: bytes = b"") -> None:
        self.number += 1
        self.stage.say(self.stage.in_dialog("UPDATE", self.number, body=body))

    def ack(self, body: bytes = b"") -> None:
        self.stage.say(self.stage.in_dialog("ACK", 1, body=body))

    @property
    def session(self) -> OfferAnswerSession:
        return self.theirs


def is_reliable(response: Response) -> bool:
    return response.headers.get("Require") == "100rel" and parse_rseq(response.headers) is not None


class TestCalled:
    def test_a_caller_who_cannot_gets_none(self) -> None:
        call = Ringing()
        call.stage.do(StartEarlyMedia(call.id))
        assert call.stage.heard() == ["180 to INVITE", "183 to INVITE"]
        assert not any(is_reliable(m) for m in call.stage.sent if isinstance(m, Response))

    def test_to_a_caller_who_can_only_what_carries_sdp_is_reliable(self) -> None:
        call = Ringing(("Supported", "100rel"))
        assert not is_reliable(call.last)
        call.stage.do(StartEarlyMedia(call.id))
        assert is_reliable(call.last)
        assert call.last.body

    def test_to_a_caller_who_requires_it_ringing_is_reliable_too(self) -> None:
        call = Ringing(("Require", "100rel"))
        assert call.last.status == 180
        assert is_reliable(call.last)
        call.prack()
        assert call.stage.heard() == ["180 to INVITE", "200 to PRACK"]

    def test_it_is_repeated_with_doubled_intervals_until_its_prack(self) -> None:
        call = Ringing(RELIABLE)
        start, times = call.stage.now, []
        for _ in range(80):
            before = len(call.stage.sent)
            call.stage.wait(0.1)
            times += [round(call.stage.now - start, 1)] * (len(call.stage.sent) - before)
        assert times == [0.5, 1.5, 3.5, 7.5]
        call.prack()
        call.stage.heard()
        call.stage.wait(30)
        assert call.stage.heard() == []

    def test_without_a_prack_the_invite_is_refused(self) -> None:
        call = Ringing(RELIABLE)
        call.stage.wait(33)
        assert call.last.status == 504
        ended = call.stage.ended
        assert ended.status == 504
        assert ended.failure is not None
        assert "PRACK" in ended.failure.reason
        call.ack()
        call.stage.settled()

    def test_the_next_one_waits_for_the_prack_of_the_one_before(self) -> None:
        call = Ringing(RELIABLE)
        first = parse_rseq(call.last.headers)
        call.stage.do(StartEarlyMedia(call.id))
        assert call.stage.heard() == ["180 to INVITE"]
        call.prack()
        assert call.stage.heard() == ["200 to PRACK", "183 to INVITE"]
        assert first is not None
        assert parse_rseq(call.last.headers) == first + 1

    def test_the_2xx_waits_for_the_prack_of_our_sdp_and_does_not_say_it_again(self) -> None:
        call = Ringing(("Supported", "100rel"))
        call.stage.do(StartEarlyMedia(call.id))
        call.stage.do(Answer(call.id))
        assert call.stage.heard() == ["180 to INVITE", "183 to INVITE"]
        call.prack()
        assert call.stage.heard() == ["200 to PRACK", "200 to INVITE"]
        assert call.last.body == b""
        call.ack()
        assert call.stage.of(CallEstablished)
        assert len(call.stage.did(StartMedia)) == 1

    def test_the_2xx_does_not_wait_for_the_prack_of_a_ringing_without_sdp(self) -> None:
        call = Ringing(RELIABLE)
        call.stage.do(Answer(call.id))
        assert call.stage.heard() == ["180 to INVITE", "200 to INVITE"]
        assert call.last.body
        call.prack()
        assert call.stage.heard() == ["200 to PRACK"]
        call.ack()
        call.stage.wait(3)
        assert call.stage.heard() == []

    @pytest.mark.parametrize("rack", ["1 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE"])
    def test_a_prack_of_nothing_that_was_sent_gets_481(self, rack: str) -> None:
        call = Ringing(RELIABLE)
        call.prack(rack=rack.format(rseq=parse_rseq(call.last.headers)))
        assert call.stage.heard()[-1] == "481 to PRACK"

    def test_a_second_prack_of_the_same_gets_481(self) -> None:
        call = Ringing(RELIABLE)
        call.prack()
        call.prack()
        assert call.stage.heard()[-2:] == ["200 to PRACK", "481 to PRACK"]

    @pytest.mark.parametrize("rack", ["x", "1 INVITE", "1 1", "1 1 INVITE x", "4294967296 1 INVITE"])
    def test_a_rack_that_cannot_be_read_gets_400(self, rack: str) -> None:
        call = Ringing(RELIABLE)
        call.prack(rack=rack)
        assert call.stage.heard()[-1] == "400 to PRACK"

    def test_a_prack_outside_of_any_dialog_gets_481(self) -> None:
        stage = Stage().registered()
        stage.say(stage.request("PRACK", ("RAck", "1 1 INVITE"), to_tag="x"))
        assert stage.heard() == ["481 to PRACK"]

    def test_an_offer_in_the_prack_is_answered_in_its_200(self) -> None:
        call = Ringing(("Supported", "100rel"))
        call.stage.do(StartEarlyMedia(call.id))
        call.session.receive_answer(call.last.body)
        call.prack(body=call.session.create_offer(Direction.SENDONLY))
        answer = call.stage.last_response(200)
        assert b"a=recvonly" in answer.body
        assert call.stage.did(UpdateMedia)[-1].media.direction is Direction.RECVONLY
        call.stage.do(Answer(call.id))
        call.ack()
        assert call.stage.of(CallEstablished)

    def test_an_offer_in_the_prack_of_a_ringing_without_answer_must_wait(self) -> None:
        call = Ringing(RELIABLE)
        call.prack(body=their_session(seed=9).create_offer())
        assert call.stage.heard()[-1] == "500 to PRACK"
        assert call.last.headers.get("Retry-After") is not None

    def test_an_offer_in_the_prack_that_we_do_not_take_gets_488_and_the_call_goes_on(self) -> None:
        call = Ringing(("Supported", "100rel"))
        call.stage.do(StartEarlyMedia(call.id))
        call.session.receive_answer(call.last.body)
        clear = call.session.create_offer().replace(b"RTP/SAVP", b"RTP/AVP")
        call.prack(body=b"\r\n".join(line for line in clear.split(b"\r\n") if not line.startswith(b"a=crypto")))
        assert call.stage.heard()[-1] == "488 to PRACK"
        call.stage.do(Answer(call.id))
        call.ack()
        assert call.stage.of(CallEstablished)
        assert call.stage.did(UpdateMedia) == []

    def test_who_hangs_up_before_the_prack_is_refused_and_nothing_is_repeated(self) -> None:
        call = Ringing(RELIABLE)
        call.stage.do(HangUp(call.id))
        assert call.stage.heard() == ["180 to INVITE", "603 to INVITE"]
        call.ack()
        call.stage.wait(10)
        assert call.stage.heard() == []
        call.stage.settled()

    def test_ringing_for_long_is_said_again_with_a_number_of_its_own(self) -> None:
        call = Ringing(RELIABLE)
        first = parse_rseq(call.last.headers)
        call.prack()
        call.stage.wait(61)
        assert first is not None
        assert parse_rseq(call.last.headers) == first + 1


class TestWithoutAnOffer:
    def test_early_media_is_offered_in_the_response_and_answered_in_the_prack(self) -> None:
        call = Ringing(("Supported", "100rel"), offer=False)
        call.stage.do(StartEarlyMedia(call.id))
        assert is_reliable(call.last)
        call.session.receive_offer(call.last.body)
        assert call.stage.did(StartMedia) == []
        call.prack(body=call.session.create_answer())
        assert len(call.stage.did(StartMedia)) == 1
        call.stage.do(Answer(call.id))
        assert call.stage.heard()[-2:] == ["200 to PRACK", "200 to INVITE"]
        assert call.last.body == b""
        call.ack()
        assert call.stage.of(CallEstablished)
        assert len(call.stage.did(StartMedia)) == 1

    def test_a_ringing_that_must_be_reliable_carries_our_offer_and_starts_nothing(self) -> None:
        call = Ringing(RELIABLE, offer=False)
        assert call.last.status == 180
        call.session.receive_offer(call.last.body)
        call.prack(body=call.session.create_answer())
        assert call.stage.did(StartMedia) == []
        call.stage.do(Answer(call.id))
        assert len(call.stage.did(StartMedia)) == 1
        call.ack()
        assert call.stage.of(CallEstablished)

    def test_an_answer_in_the_prack_that_we_do_not_take_ends_the_call(self) -> None:
        call = Ringing(RELIABLE, offer=False)
        call.prack()
        assert call.stage.heard()[-2:] == ["200 to PRACK", "488 to INVITE"]
        assert call.stage.ended.failure is not None
        call.ack()
        call.stage.settled()


def test_who_has_turned_it_off_offers_none_and_sends_none_of_his_own_accord() -> None:
    from dataclasses import replace

    stage = Stage()
    stage.account = replace(stage.account, reliable_provisionals=False)
    stage.registered()
    invite: Request = stage.dial()
    assert "100rel" not in (invite.headers.get("Supported") or "")
    stage.reply(invite, 486)
    call_id = stage.rings(None, ("Supported", "100rel"))
    stage.do(StartEarlyMedia(call_id))
    assert not is_reliable(stage.last_response(183))
