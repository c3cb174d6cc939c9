"""What a server or the other side may try on a running phone: floods, loops, another account's calls, clear media.

No RFC's call flow: each test is a way in that was once open, or that a hostile peer would look for first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, NegotiatedMedia
from softphone.sip.message import Headers, Request
from softphone.sip.responses import response_to
from softphone.sip.uri import SipUri
from softphone.ua.account import CallRules, WatchedLine
from softphone.ua.actions import StartMedia, UpdateMedia
from softphone.ua.busy_lamps import BusyLamp
from softphone.ua.commands import AcceptTransfer, AddAccount, AgreeToUnencrypted, Answer, Dial, FollowRedirect, HangUp
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    ConsentRequested,
    EarlyMediaStarted,
    IncomingCall,
    RemoteIdentityChanged,
)
from softphone.ua.pick_up import pickup_of
from tests.playbook.notifier import dialog_info, ringing
from tests.playbook.stage import BOB, Stage, their_session
from tests.playbook.transfers import Talk

TOLERANT = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL,
    unencrypted_peer=UnencryptedPeer.ALLOW,
    profile=ConnectionProfile.PRIVATE,
)
CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)


def answered(offer: bytes, policy: MediaPolicy) -> bytes:
    session = their_session(policy, seed=5)
    session.receive_offer(offer)
    return session.create_answer()


def ran_in_clear(stage: Stage) -> list[NegotiatedMedia]:
    """All media that was started or updated without encryption."""
    media = [action.media for action in stage.did(StartMedia)] + [action.media for action in stage.did(UpdateMedia)]
    return [item for item in media if isinstance(item.security, ClearMedia)]


class TestNoCallThatWasEncryptedBecomesClearUnasked:
    """security.md: the rule holds for each fork, redirection and transfer, whatever the policy allows for new calls."""

    def test_another_branch_of_a_forked_call_does_not_answer_in_clear(self) -> None:
        stage = Stage(TOLERANT).registered()
        invite = stage.dial()
        stage.reply(invite, 183, BOB, to_tag="one", body=answered(invite.body, TOLERANT))
        assert len(stage.of(EarlyMediaStarted)) == 1
        stage.heard()
        stage.reply(invite, 200, BOB, to_tag="two", body=answered(invite.body, CLEAR))
        assert (ran_in_clear(stage), stage.of(CallEstablished)) == ([], [])
        assert len(stage.of(ConsentRequested)) == 1
        stage.wait(61)
        assert stage.heard() == ["ACK", "BYE"]
        assert ran_in_clear(stage) == []

    def test_a_branch_in_clear_may_answer_where_nothing_was_encrypted(self) -> None:
        stage = Stage(TOLERANT).registered()
        invite = stage.dial()
        stage.reply(invite, 180, BOB, to_tag="one")
        stage.reply(invite, 200, BOB, to_tag="two", body=answered(invite.body, CLEAR))
        assert len(stage.of(CallEstablished)) == 1

    def test_nor_does_who_the_call_was_redirected_to(self) -> None:
        stage = Stage(TOLERANT).registered()
        invite = stage.dial()
        stage.reply(invite, 183, BOB, to_tag="one", body=answered(invite.body, TOLERANT))
        stage.reply(invite, 302, ("Contact", "<sip:eve@lab.test>"), to_tag="one")
        stage.do(FollowRedirect("c"))
        invite = stage.last("INVITE")
        stage.heard()
        stage.reply(invite, 200, BOB, to_tag="two", body=answered(invite.body, CLEAR))
        assert (ran_in_clear(stage), stage.of(CallEstablished)) == ([], [])
        assert len(stage.of(ConsentRequested)) == 1
        stage.wait(61)
        assert stage.heard() == ["ACK", "BYE"]
        assert ran_in_clear(stage) == []

    def test_a_transfer_to_who_cannot_encrypt_is_asked_about(self) -> None:
        talk = Talk(TOLERANT)
        talk.refer("<sip:carol@lab.test>")
        talk.stage.do(AcceptTransfer("c", "n"))
        invite = next(m for m in reversed(talk.stage.sent) if isinstance(m, Request) and "carol" in str(m.uri))
        talk.stage.reply(invite, 200, BOB, to_tag="carol1", body=answered(invite.body, CLEAR))
        assert [event.call_id for event in talk.stage.of(ConsentRequested)] == ["n"]
        assert ran_in_clear(talk.stage) == []
        talk.stage.do(AgreeToUnencrypted("n"))
        assert [event.call_id for event in talk.stage.of(CallEstablished)] == ["c", "n"]

    def test_a_transfer_of_a_clear_call_is_as_clear_as_the_policy_allows(self) -> None:
        stage = Stage(TOLERANT).registered()
        stage.in_call(their_session(CLEAR))
        talk = Talk.__new__(Talk)
        talk.stage, talk.invite, talk.number = stage, stage.last("INVITE"), 0
        talk.refer("<sip:carol@lab.test>")
        stage.do(AcceptTransfer("c", "n"))
        invite = next(m for m in reversed(stage.sent) if isinstance(m, Request) and "carol" in str(m.uri))
        stage.reply(invite, 200, BOB, to_tag="carol1", body=answered(invite.body, CLEAR))
        assert [event.call_id for event in stage.of(CallEstablished)] == ["c", "n"]


class TestNothingLessThanSips:
    def test_who_is_talked_to_by_sips_is_left_for_nobody_by_sip(self) -> None:
        stage = Stage().registered()
        invite = stage.dial("sips:bob@lab.test")
        stage.reply(invite, 200, BOB, body=answered(invite.body, MediaPolicy()))
        refer = stage.from_callee(invite, "REFER", 1)
        stage.say(refer.replace(b"\r\n\r\n", b"\r\nRefer-To: <sip:carol@lab.test>\r\n\r\n"))
        stage.do(AcceptTransfer("c", "n"))
        assert "sips:carol@lab.test" in [str(m.uri) for m in stage.sent if isinstance(m, Request)]

    def test_what_rings_at_a_sips_line_is_taken_by_sips(self) -> None:
        lamp = BusyLamp(Stage().agent, "a", WatchedLine("sips:bob@lab.test"), SipUri("sips", "lab.test", "bob"))
        body = dialog_info(ringing("1"), version=1)
        lamp.notified(Request("NOTIFY", SipUri("sip", "x"), Headers(()), body), 0.0)
        assert pickup_of(lamp).target.startswith("sips:")


class TestFloods:
    """What a server can make the phone remember for 32 s each is bounded."""

    def test_reliable_provisional_responses_without_answers_to_their_pracks(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        for number in range(1, 1001):
            headers = (BOB, ("Require", "100rel"), ("RSeq", str(number)))
            stage.reply(invite, 183, *headers)
        assert stage.leftovers()["clients"] <= 150
        assert stage.leftovers()["handlers"] <= 150
        stage.do(HangUp("c"))
        stage.reply(invite, 487)
        stage.settled()

    def test_reliable_provisional_responses_whose_pracks_are_answered_all_count(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        for number in range(1, 101):
            headers = (BOB, ("Require", "100rel"), ("RSeq", str(number)))
            stage.reply(invite, 183, *headers)
            stage.reply(stage.last("PRACK"), 200)
        assert stage.heard().count("PRACK") == 100

    def test_a_2xx_of_more_and_more_branches(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        body = answered(invite.body, MediaPolicy())
        for number in range(1000):
            stage.reply(invite, 200, BOB, to_tag=f"t{number}", body=body)
        assert stage.leftovers()["clients"] <= 150
        assert len(stage.of(CallEstablished)) == 1
        stage.do(HangUp("c"))
        stage.settled()

    def test_a_2xx_of_more_and_more_branches_that_cannot_be_read(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        for number in range(1000):
            stage.reply(invite, 200, ("Contact", "<<>"), to_tag=f"t{number}")
        assert stage.leftovers()["clients"] <= 150
        stage.settled()

    def test_a_session_interval_of_a_second_does_not_have_us_refresh_all_the_time(self) -> None:
        stage = Stage().registered()
        invite = stage.dial()
        interval = ("Session-Expires", "1;refresher=uac")
        allow = ("Allow", "INVITE, UPDATE")
        stage.reply(invite, 200, BOB, interval, allow, body=answered(invite.body, MediaPolicy()))
        stage.heard()
        for _ in range(100):
            stage.wait(1)
            for method in stage.heard():
                assert method == "UPDATE"
                stage.reply(stage.last(method), 200, BOB, interval)
        assert sum(isinstance(m, Request) and m.method == "UPDATE" for m in stage.sent) == 2
        assert stage.of(CallEnded) == []

    def test_a_bye_that_is_challenged_for_ever_ends_the_call_all_the_same(self) -> None:
        stage = Stage().registered()
        stage.in_call()
        stage.do(HangUp("c"))
        sent = 0
        while (count := stage.heard().count("BYE")) and sent < 100:
            sent += count
            challenge = f'Digest realm="r{sent}", nonce="n{sent}", algorithm=SHA-256, qop="auth"'
            stage.reply(stage.last("BYE"), 401, ("WWW-Authenticate", challenge))
        assert 1 < sent < 10
        assert "calls" not in stage.leftovers()
        stage.settled()


class TestAnotherAccount:
    def test_its_server_cannot_say_who_is_at_the_other_end_of_a_call(self) -> None:
        stage = Stage().registered()
        invite, _ = stage.in_call()
        stage.other_flows.add(stage.flow_id)
        stage.do(AddAccount(replace(stage.account, id="b", user="alice2", domain="evil.test")))
        stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=3600"))
        stage.do(Dial("d", "x", "b"))
        said = ("P-Asserted-Identity", '"Your Bank" <sip:bank@lab.test>')
        response = response_to(stage.last("INVITE"), 180, to_tag="bob1", headers=(BOB, said))
        stolen = invite.headers.get("Call-ID") or ""
        stage.say(response.with_headers(response.headers.replaced("Call-ID", stolen)))
        assert [event for event in stage.of(RemoteIdentityChanged) if event.call_id == "c"] == []


class TestWhoIsNotWanted:
    def test_a_denied_caller_takes_the_place_of_no_call(self) -> None:
        talk = Talk(rules=CallRules(deny=("eve",)))
        ours = (talk.invite.headers.get("From") or "").rpartition("tag=")[2]
        value = f"{talk.invite.headers.get('Call-ID')};to-tag={ours};from-tag=bob1"
        request = talk.stage.request(
            "INVITE", ("Replaces", value), body=their_session(seed=9).create_offer(), call_id="new"
        )
        talk.stage.say(request.replace(b"Bob <sip:bob@lab.test>", b"Eve <sip:eve@lab.test>"))
        assert talk.heard() == ["603 to INVITE"]
        assert talk.stage.of(CallEnded) == []

    @pytest.mark.parametrize("busy_with", ["dialled", "answered"])
    def test_a_call_that_would_answer_itself_does_not_break_into_another_one(self, busy_with: str) -> None:
        """The person has begun to talk while the time that the caller asked for ran."""
        stage = Stage()
        stage.account = replace(stage.account, rules=CallRules(auto_answer_from=("bob",)))
        stage.registered()
        stage.rings(None, ("Call-Info", "<sip:x@y>;answer-after=5"))
        intercom = stage.of(IncomingCall)[0]
        assert intercom.auto_answered
        if busy_with == "dialled":
            invite = stage.dial("carol")
            stage.reply(invite, 200, BOB, body=answered(invite.body, MediaPolicy()))
        else:
            stage.say(stage.request("INVITE", body=their_session(seed=8).create_offer(), call_id="in-2"))
            stage.do(Answer(stage.of(IncomingCall)[1].call_id))
        stage.heard()
        stage.wait(10)
        assert intercom.call_id not in [event.call_id for event in stage.of(CallEstablished)]
        agent: Any = stage.agent
        assert agent.calls[intercom.call_id].state.name == "RINGING"
