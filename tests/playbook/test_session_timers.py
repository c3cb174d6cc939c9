"""Session timers, both roles (RFC 4028; the flow of its §13)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua.actions import UpdateMedia
from softphone.ua.commands import Answer, Hold
from softphone.ua.events import CallEnded, CallEstablished, CallNotice, EndedBy
from tests.playbook.stage import BOB, Stage, their_session

TIMER = ("Supported", "timer")
UPDATE_TOO = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")


def expires(text: str) -> tuple[str, str]:
    return ("Session-Expires", text)


def staged(session_expires: int = 1800) -> Stage:
    """Not registered: the server on this stage answers no REGISTER by itself, and hours pass here."""
    stage = Stage(register=False)
    stage.account = replace(stage.account, session_expires=session_expires)
    return stage.start()


class Calling:
    """An established outgoing call whose 2xx had these header fields."""

    def __init__(self, *headers: tuple[str, str], session_expires: int = 1800) -> None:
        self.stage = staged(session_expires)
        self.theirs: OfferAnswerSession = their_session()
        self.invite = self.stage.dial()
        self.theirs.receive_offer(self.invite.body)
        self.stage.reply(self.invite, 200, BOB, *headers, body=self.theirs.create_answer())
        self.stage.heard()
        self.number = 0

    def answer(self, request: Request, *headers: tuple[str, str]) -> None:
        body = b""
        if request.body:
            self.theirs.receive_offer(request.body)
            body = self.theirs.create_answer()
        self.stage.reply(request, 200, BOB, *headers, body=body)

    def refreshed(self, *headers: tuple[str, str]) -> None:
        self.number += 1
        text = self.stage.from_callee(self.invite, "UPDATE", self.number)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
        self.stage.say(text.replace(b"Max-Forwards: 0\r\n", b"Max-Forwards: 0\r\n" + lines))


class TestCalling:
    def test_the_invite_asks_for_the_accounts_interval(self) -> None:
        invite = staged(600).dial()
        assert invite.headers.get("Session-Expires") == "600"
        assert "timer" in (invite.headers.get("Supported") or "")

    def test_zero_asks_for_none_and_still_knows_it(self) -> None:
        invite = staged(0).dial()
        assert invite.headers.get("Session-Expires") is None
        assert "timer" in (invite.headers.get("Supported") or "")

    def test_a_peer_without_timers_is_not_refreshed_and_not_given_up(self) -> None:
        call = Calling(session_expires=90)
        call.stage.wait(10000)
        assert call.stage.heard().count("INVITE") == 0
        assert call.stage.of(CallEnded) == []

    def test_as_refresher_we_refresh_at_half_time_by_update_without_sdp(self) -> None:
        call = Calling(expires("1800;refresher=uac"), ("Require", "timer"), UPDATE_TOO)
        call.stage.wait(899)
        assert "UPDATE" not in call.stage.heard()
        call.stage.wait(2)
        update = call.stage.last("UPDATE")
        assert update.body == b""
        assert update.headers.get("Session-Expires") == "1800;refresher=uac"
        call.answer(update, expires("1800;refresher=uac"))
        call.stage.heard()
        call.stage.wait(899)
        assert "UPDATE" not in call.stage.heard()
        call.stage.wait(2)
        assert "UPDATE" in call.stage.heard()

    def test_to_a_peer_without_update_the_refresh_is_a_re_invite_that_changes_nothing(self) -> None:
        call = Calling(expires("1800;refresher=uac"), ("Require", "timer"))
        call.stage.wait(901)
        again = call.stage.last("INVITE")
        assert cseq(again).number > cseq(call.invite).number
        before = call.stage.started[0].security
        call.answer(again, expires("1800;refresher=uac"))
        assert {action.media.security for action in call.stage.did(UpdateMedia)} <= {before}
        assert call.stage.of(CallEnded) == []

    def test_a_peer_that_refuses_update_is_refreshed_by_re_invite(self) -> None:
        call = Calling(expires("1800;refresher=uac"), UPDATE_TOO)
        call.stage.wait(901)
        call.stage.reply(call.stage.last("UPDATE"), 405)
        assert [word for word in call.stage.heard() if word in ("UPDATE", "INVITE")] == ["UPDATE", "INVITE"]

    def test_a_refresh_that_is_refused_is_tried_again_until_the_time_is_over(self) -> None:
        call = Calling(expires("90;refresher=uac"), UPDATE_TOO, session_expires=90)
        tries = 0
        while not call.stage.of(CallEnded):
            call.stage.wait(1)
            if "UPDATE" in call.stage.heard():
                tries += 1
                call.stage.reply(call.stage.last("UPDATE"), 503)
        assert tries >= 2
        assert call.stage.of(CallNotice) == []
        assert call.stage.ended.duration_s == 60  # 30 s before the end: a third of the interval

    def test_a_2xx_without_session_expires_turns_it_off(self) -> None:
        call = Calling(expires("1800;refresher=uac"), UPDATE_TOO)
        call.stage.wait(901)
        call.answer(call.stage.last("UPDATE"))
        call.stage.heard()
        call.stage.wait(20000)
        assert "UPDATE" not in call.stage.heard()
        assert call.stage.of(CallEnded) == []

    def test_any_change_of_ours_refreshes_too(self) -> None:
        call = Calling(expires("1800;refresher=uac"), UPDATE_TOO)
        call.stage.wait(600)
        call.stage.do(Hold("c"))
        reinvite = call.stage.last("INVITE")
        assert reinvite.headers.get("Session-Expires") == "1800;refresher=uac"
        call.answer(reinvite, expires("1800;refresher=uac"))
        call.stage.heard()
        call.stage.wait(600)
        assert "UPDATE" not in call.stage.heard()

    def test_a_silent_refresher_is_given_up_shortly_before_the_end(self) -> None:
        call = Calling(expires("1800;refresher=uas"), ("Require", "timer"))
        call.stage.wait(1767)
        assert call.stage.of(CallEnded) == []
        call.stage.wait(2)
        assert call.stage.heard()[-1] == "BYE"
        assert "cause=408" in (call.stage.last("BYE").headers.get("Reason") or "")
        ended = call.stage.ended
        assert ended.failure is not None
        assert "30 minutes" in ended.failure.reason
        assert ended.ended_by is EndedBy.NETWORK
        call.stage.reply(call.stage.last("BYE"), 481)
        call.stage.settled()

    def test_a_refresh_of_theirs_keeps_the_call(self) -> None:
        call = Calling(expires("90;refresher=uas"), session_expires=90)
        for _ in range(5):
            call.stage.wait(45)
            call.refreshed(TIMER, expires("90;refresher=uac"))
            response = call.stage.last_response(200)
            assert response.headers.get("Session-Expires") == "90;refresher=uac"
            assert response.headers.get("Require") == "timer"
        assert call.stage.of(CallEnded) == []

    def test_an_interval_too_small_for_a_proxy_is_asked_for_again_with_its_own(self) -> None:
        stage = staged(120)
        first = stage.dial()
        stage.reply(first, 422, ("Min-SE", "3600"))
        assert stage.heard() == ["INVITE", "ACK", "INVITE"]
        second = stage.last("INVITE")
        assert second.headers.get("Session-Expires") == "3600"
        assert second.headers.get("Min-SE") == "3600"
        assert second.headers.get("Call-ID") == first.headers.get("Call-ID")
        assert cseq(second).number == cseq(first).number + 1
        assert second.body == first.body
        theirs = their_session()
        theirs.receive_offer(second.body)
        stage.reply(second, 200, BOB, expires("3600;refresher=uac"), body=theirs.create_answer())
        assert stage.of(CallEstablished)

    @pytest.mark.parametrize("headers", [(), (("Min-SE", "90"),), (("Min-SE", "x"),)])
    def test_a_422_that_asks_for_nothing_more_ends_the_call(self, headers: tuple[tuple[str, str], ...]) -> None:
        stage = staged(120)
        stage.reply(stage.dial(), 422, *headers)
        assert stage.heard() == ["INVITE", "ACK"]
        assert stage.ended.status == 422

    def test_servers_that_raise_it_for_ever_are_given_up(self) -> None:
        stage = staged(120)
        stage.dial()
        for least in range(200, 2000, 100):
            if stage.of(CallEnded):
                break
            stage.reply(stage.last("INVITE"), 422, ("Min-SE", str(least)))
        assert stage.ended.status == 422
        assert stage.heard().count("INVITE") <= 6

    def test_a_refresh_may_meet_422_as_well(self) -> None:
        call = Calling(expires("1800;refresher=uac"), UPDATE_TOO)
        call.stage.wait(901)
        call.stage.reply(call.stage.last("UPDATE"), 422, ("Min-SE", "7200"))
        again = call.stage.last("UPDATE")
        assert again.headers.get("Session-Expires") == "7200;refresher=uac"

    @pytest.mark.parametrize("text", ["x", "-1", "1800;refresher=uac;;;", ""])
    def test_what_cannot_be_read_was_not_agreed(self, text: str) -> None:
        call = Calling(expires(text), session_expires=90)
        assert call.stage.of(CallEstablished)
        call.stage.wait(5000)
        assert call.stage.of(CallEnded) == []

    def test_the_silence_counts_while_the_machine_sleeps(self) -> None:
        call = Calling(expires("1800;refresher=uas"))
        call.stage.now += 5000  # the clock that goes on; no timer has fired
        call.stage.wait(0)
        assert call.stage.ended.failure is not None


class Called:
    def __init__(self, *headers: tuple[str, str], session_expires: int = 1800) -> None:
        self.stage = staged(session_expires)
        self.theirs = their_session()
        self.stage.say(self.stage.request("INVITE", *headers, body=self.theirs.create_offer(), branch="z9hG4bK-i"))

    def answered(self) -> tuple[str | None, str | None]:
        """Session-Expires and Require of our 2xx."""
        (call_id,) = self.stage.agent.calls
        self.stage.do(Answer(call_id))
        response = self.stage.last_response(200)
        self.stage.say(self.stage.in_dialog("ACK", 1))
        self.stage.heard()
        return response.headers.get("Session-Expires"), response.headers.get("Require")


class TestCalled:
    @pytest.mark.parametrize(
        ("headers", "agreed"),
        [
            ((TIMER, expires("1800")), "1800;refresher=uac"),
            ((TIMER, expires("1800;refresher=uac")), "1800;refresher=uac"),
            ((TIMER, expires("1800;refresher=uas")), "1800;refresher=uas"),
            ((TIMER,), "1800;refresher=uac"),
            ((TIMER, expires("7200")), "1800;refresher=uac"),  # a longer one than we want is shortened
            ((TIMER, expires("7200"), ("Min-SE", "3600")), "3600;refresher=uac"),  # not below what a proxy needs
            ((TIMER, expires("200")), "200;refresher=uac"),
        ],
    )
    def test_what_is_agreed(self, headers: tuple[tuple[str, str], ...], agreed: str) -> None:
        assert Called(*headers).answered() == (agreed, "timer")

    def test_a_caller_without_timers_is_refreshed_by_us(self) -> None:
        call = Called(expires("400"), UPDATE_TOO)  # a proxy wants it
        assert call.answered() == ("400;refresher=uas", None)
        call.stage.wait(201)
        assert call.stage.heard() == ["UPDATE"]

    def test_zero_asks_for_none_and_takes_what_is_asked(self) -> None:
        assert Called(TIMER, session_expires=0).answered() == (None, None)
        assert Called(TIMER, expires("300"), session_expires=0).answered() == ("300;refresher=uac", "timer")

    def test_an_interval_too_small_is_refused_with_ours(self) -> None:
        call = Called(TIMER, expires("60"))
        assert call.stage.heard() == ["422 to INVITE"]
        assert call.stage.last_response(422).headers.get("Min-SE") == "90"
        call.stage.say(call.stage.in_dialog("ACK", 1))
        call.stage.settled()

    def test_from_a_caller_that_knows_no_422_it_is_raised(self) -> None:
        assert Called(expires("60")).answered()[0] == "90;refresher=uas"

    def test_an_interval_that_cannot_be_read_gets_400(self) -> None:
        assert Called(TIMER, expires("soon")).stage.heard() == ["400 to INVITE"]

    def test_a_required_timer_is_known(self) -> None:
        assert Called(("Require", "timer"), TIMER, expires("1800")).answered()[0] == "1800;refresher=uac"

    def test_a_silent_caller_is_given_up(self) -> None:
        call = Called(TIMER, expires("90;refresher=uac"), session_expires=90)
        call.answered()
        call.stage.wait(59)
        assert call.stage.of(CallEnded) == []
        call.stage.wait(2)
        assert call.stage.heard() == ["BYE"]
        assert call.stage.ended.failure is not None
