"""3xx with several contacts, loops, and hanging up while a server says nothing (RFC 3261 §8.1.3.4, §9.1, §21.3)."""

from __future__ import annotations

import pytest

from softphone.sip.uri import SipUri
from softphone.ua.actions import StartMedia, StopMedia
from softphone.ua.commands import FollowRedirect, HangUp
from softphone.ua.events import CallEnded, CallEstablished, EndedBy, RedirectOffered
from softphone.ua.inputs import MediaReported
from softphone.ua.media_report import MediaReport
from tests.playbook.stage import BOB, Stage, their_session


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


def contact(*values: str) -> tuple[str, str]:
    return ("Contact", ", ".join(values))


def offered(stage: Stage) -> list[str]:
    return [event.target for event in stage.of(RedirectOffered)]


def follow(stage: Stage) -> str:
    stage.do(FollowRedirect("c"))
    return str(stage.last("INVITE").uri)


class TestSeveralContacts:
    def test_they_are_tried_by_preference_one_after_the_other(self, stage: Stage) -> None:
        contacts = contact("<sip:c@lab.test>;q=0.2", "<sip:a@lab.test>;q=1.0", "<sip:b@lab.test>;q=0.5")
        stage.reply(stage.dial(), 300, contacts)
        assert follow(stage) == "sip:a@lab.test"
        stage.reply(stage.last("INVITE"), 486)
        assert follow(stage) == "sip:b@lab.test"
        stage.reply(stage.last("INVITE"), 404)
        assert follow(stage) == "sip:c@lab.test"
        stage.reply(stage.last("INVITE"), 480)
        assert offered(stage) == ["sip:a@lab.test", "sip:b@lab.test", "sip:c@lab.test"]
        assert stage.ended.status == 480
        stage.settled()

    def test_no_preference_counts_as_the_highest_and_nonsense_as_the_lowest(self, stage: Stage) -> None:
        contacts = contact("<sip:x@lab.test>;q=much", "<sip:b@lab.test>;q=0.999", "<sip:a@lab.test>")
        stage.reply(stage.dial(), 302, contacts)
        for expected in ("a", "b", "x"):
            assert follow(stage) == f"sip:{expected}@lab.test"
            stage.reply(stage.last("INVITE"), 486)

    def test_who_answers_6xx_speaks_for_all(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 300, contact("<sip:a@lab.test>", "<sip:b@lab.test>"))
        follow(stage)
        stage.reply(stage.last("INVITE"), 603)
        assert stage.ended.status == 603

    def test_the_second_one_may_answer(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 300, contact("<sip:a@lab.test>", "<sip:b@lab.test>"))
        follow(stage)
        stage.reply(stage.last("INVITE"), 486)
        follow(stage)
        invite, theirs = stage.last("INVITE"), their_session()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 200, BOB, body=theirs.create_answer())
        assert stage.of(CallEstablished)

    def test_each_has_keys_of_its_own(self, stage: Stage) -> None:
        first = stage.dial()
        stage.reply(first, 300, contact("<sip:a@lab.test>", "<sip:b@lab.test>"))
        bodies = [first.body]
        for _ in range(2):
            follow(stage)
            bodies.append(stage.last("INVITE").body)
            stage.reply(stage.last("INVITE"), 486)
        keys = [line for body in bodies for line in body.split(b"\r\n") if line.startswith(b"a=crypto")]
        assert len(keys) == len(set(keys))


class TestBounds:
    def test_two_servers_that_send_it_to_and_fro_are_given_up(self, stage: Stage) -> None:
        stage.dial("sip:a@lab.test")
        for target in ("b", "a", "b", "a"):
            if stage.of(CallEnded):
                break
            stage.reply(stage.last("INVITE"), 302, contact(f"<sip:{target}@lab.test>"))
            stage.do(FollowRedirect("c"))
        assert offered(stage) == ["sip:b@lab.test"]
        assert stage.ended.status == 302

    def test_a_chain_without_end_is_given_up(self, stage: Stage) -> None:
        stage.dial()
        for number in range(50):
            if stage.of(CallEnded):
                break
            stage.reply(stage.last("INVITE"), 302, contact(f"<sip:n{number}@lab.test>"))
            stage.do(FollowRedirect("c"))
        assert len(offered(stage)) == 8
        assert stage.ended.status == 302

    def test_a_thousand_contacts_are_read_and_few_are_kept(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 300, contact(*(f"<sip:n{number}@lab.test>" for number in range(200))))
        while not stage.of(CallEnded):
            follow(stage)
            stage.reply(stage.last("INVITE"), 486)
        assert len(offered(stage)) == 8

    def test_never_from_sips_to_sip_however_long_the_way(self, stage: Stage) -> None:
        stage.dial("sips:a@lab.test")
        stage.reply(stage.last("INVITE"), 302, contact("<sips:b@lab.test>", "<sip:c@lab.test>"))
        assert follow(stage) == "sips:b@lab.test"
        stage.reply(stage.last("INVITE"), 302, contact("<sip:d@lab.test>", "<sips:e@lab.test>"))
        assert follow(stage) == "sips:e@lab.test"
        stage.reply(stage.last("INVITE"), 302, contact("<sip:f@lab.test>"))
        assert stage.ended.status == 302
        assert all(target.startswith("sips:") for target in offered(stage))

    def test_headers_of_a_contact_are_not_ours(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 302, contact("<sip:b@lab.test?Subject=x&Route=%3Csip:evil%3E>"))
        stage.do(FollowRedirect("c"))
        uri = stage.last("INVITE").uri
        assert isinstance(uri, SipUri)
        assert uri.headers == ()
        assert stage.last("INVITE").headers.get("Subject") is None


class TestHangingUpIsHeardAtOnce:
    """The person hears of the end within half a second; what the server still owes goes on behind."""

    def test_although_the_server_never_said_anything(self, stage: Stage) -> None:
        stage.dial()
        stage.do(HangUp("c"))
        stage.wait(0.6)
        assert (stage.ended.ended_by, stage.ended.failure) == (EndedBy.LOCAL, None)
        assert stage.agent.calls
        assert stage.agent.running_calls == 0
        stage.settled()

    def test_although_no_final_response_comes(self, stage: Stage) -> None:
        stage.reply(stage.dial(), 180, BOB)
        stage.do(HangUp("c"))
        assert stage.heard() == ["INVITE", "CANCEL"]
        stage.wait(0.6)
        assert stage.ended.status is None
        stage.settled()

    def test_a_prompt_487_is_what_it_hears(self, stage: Stage) -> None:
        invite = stage.dial()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        stage.reply(stage.last("CANCEL"), 200)
        stage.reply(invite, 487)
        assert stage.ended.status == 487
        stage.wait(5)
        assert len(stage.of(CallEnded)) == 1

    def test_an_answer_that_comes_later_is_ended_and_nothing_is_said_of_it(self, stage: Stage) -> None:
        invite, theirs = stage.dial(), their_session()
        stage.reply(invite, 180, BOB)
        stage.do(HangUp("c"))
        stage.wait(1)
        stage.heard()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 200, BOB, body=theirs.create_answer())
        assert stage.heard() == ["ACK", "BYE"]
        assert stage.did(StartMedia) == []
        assert stage.of(CallEstablished) == []
        assert len(stage.of(CallEnded)) == 1
        stage.reply(stage.last("BYE"), 200)
        stage.settled()

    def test_early_media_stops_with_it_and_its_report_is_in_the_end(self, stage: Stage) -> None:
        invite, theirs = stage.dial(), their_session()
        theirs.receive_offer(invite.body)
        stage.reports = False
        stage.reply(invite, 183, BOB, body=theirs.create_answer())
        media_id = stage.did(StartMedia)[0].media_id
        stage.do(HangUp("c"))
        stage.wait(0.6)
        assert len(stage.did(StopMedia)) == 1
        assert stage.of(CallEnded) == []
        stage.reply(invite, 487)
        assert stage.of(CallEnded) == []
        stage.give(MediaReported(media_id, MediaReport(rtp_sent=3), final=True))
        assert stage.ended.report is not None
        assert len(stage.did(StopMedia)) == 1
        stage.settled()
