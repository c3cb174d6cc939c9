"""We are transferred: the flows of RFC 5589 §6, §7 and RFC 3515 §4 as the transferee plays them."""

from __future__ import annotations

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.sdp.negotiated import Direction
from softphone.sip.message import Request, Response
from softphone.ua.commands import AcceptTransfer, Answer, Dial, HangUp, RefuseTransfer, Transfer
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallStarted,
    EndedBy,
    HoldChanged,
    Party,
    TransferEnded,
    TransferRole,
)
from tests.playbook.stage import Stage, their_session
from tests.playbook.transfers import Talk

CAROL = ("Contact", "<sip:carol@192.0.2.9:5061;transport=tls>")
HELD = Direction.SENDONLY
TARGET = "<sip:carol@lab.test>"


@pytest.fixture
def talk() -> Talk:
    return Talk()


def hold_us(talk: Talk) -> None:
    """The transferor puts us on hold first, as RFC 5589 §6.1 shows."""
    talk.within("INVITE", body=talk.theirs.create_offer(HELD))
    talk.theirs.receive_answer(talk.stage.last_response(200).body)
    talk.number -= 1  # an ACK has its INVITE's number
    talk.within("ACK")
    talk.heard()


def new_invite(talk: Talk) -> Request:
    """The INVITE of the new call."""
    invite = talk.stage.last("INVITE")
    assert invite.headers.get("Call-ID") != talk.invite.headers.get("Call-ID")
    return invite


def answer(talk: Talk, invite: Request) -> None:
    carol = their_session(seed=9)
    carol.receive_offer(invite.body)
    talk.stage.reply(invite, 200, CAROL, to_tag="carol1", body=carol.create_answer())


def accepted(talk: Talk) -> Request:
    hold_us(talk)
    talk.refer(TARGET)
    talk.stage.do(AcceptTransfer("c", "n"))
    talk.answer_notifies()
    talk.heard()
    return new_invite(talk)


def test_a_basic_transfer_as_in_rfc_5589_6_1(talk: Talk) -> None:
    stage = talk.stage
    hold_us(talk)
    talk.refer(TARGET, ("Referred-By", '"Bob" <sip:bob@lab.test>'))
    assert talk.heard() == [], "the person is asked"
    (asked,) = talk.requested
    assert (asked.call_id, asked.target, asked.attended) == ("c", "sip:carol@lab.test", False)
    assert asked.referred_by == Party("sip:bob@lab.test", "Bob")
    stage.do(AcceptTransfer("c", "n"))
    assert talk.heard() == ["202 to REFER", "NOTIFY", "INVITE"]
    assert stage.last_response(202).headers.get("Contact") == stage.contact
    started = stage.of(CallStarted)[-1]
    assert (started.call_id, started.remote.uri, started.replaces) == ("n", "sip:carol@lab.test", "c")
    invite = new_invite(talk)
    assert invite.headers.get("Referred-By") == '"Bob" <sip:bob@lab.test>'
    assert "Replaces" not in invite.headers
    notify = stage.last("NOTIFY")
    assert (notify.headers.get("Event"), notify.headers.get("Content-Type")) == ("refer", "message/sipfrag")
    assert notify.headers.get("Call-ID") == talk.invite.headers.get("Call-ID")
    stage.reply(invite, 180, CAROL, to_tag="carol1")
    answer(talk, invite)
    assert talk.told() == [
        ("active", "SIP/2.0 100 Trying"),
        ("active", "SIP/2.0 180 Ringing"),
        ("terminated;reason=noresource", "SIP/2.0 200 OK"),
    ]
    talk.answer_notifies()
    assert talk.progress == [100, 180]
    assert talk.ended == TransferEnded("c", TransferRole.TRANSFEREE)
    talk.within("BYE")
    assert stage.ended.call_id == "c"
    assert stage.ended.ended_by is EndedBy.REMOTE
    stage.do(HangUp("n"))
    stage.reply(stage.last("BYE"), 200)
    stage.settled()


@pytest.mark.parametrize("status", [404, 486, 603])
def test_a_failed_transfer_leaves_the_call_and_tells_why_as_in_rfc_5589_6_2(talk: Talk, status: int) -> None:
    invite = accepted(talk)
    talk.stage.reply(invite, status)
    assert talk.told()[-1][0] == "terminated;reason=noresource"
    assert talk.told()[-1][1].startswith(f"SIP/2.0 {status} ")
    assert talk.ended.failure is not None
    assert talk.ended.failure.remedy.startswith("The call goes on")
    talk.answer_notifies()
    assert [event.call_id for event in talk.stage.of(CallEnded)] == ["n"]
    talk.within("INVITE", body=talk.theirs.create_offer())
    assert talk.heard()[-1] == "200 to INVITE", "the transferor resumes"


def test_a_refusal_is_603(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.stage.do(RefuseTransfer("c"))
    assert talk.heard() == ["603 to REFER"]
    assert talk.stage.last_response(603).headers.get("Warning")
    assert talk.ended.failure is not None
    talk.refer(TARGET)
    assert len(talk.requested) == 2, "it may be asked again"


def test_who_thinks_for_long_has_the_refer_accepted_as_pending(talk: Talk) -> None:
    """RFC 3515 §2.4.2: 202 before the transaction ends."""
    hold_us(talk)
    talk.refer(TARGET)
    talk.stage.wait(7)
    assert talk.heard() == []
    talk.stage.wait(2)
    assert talk.heard() == ["202 to REFER", "NOTIFY"]
    assert talk.told() == [("pending", "SIP/2.0 100 Trying")]
    talk.stage.do(AcceptTransfer("c", "n"))
    assert talk.heard() == ["NOTIFY", "INVITE"]
    assert talk.told()[-1] == ("active", "SIP/2.0 100 Trying")


def test_a_late_refusal_is_told_in_a_notify(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.stage.wait(21)
    talk.stage.do(RefuseTransfer("c"))
    assert talk.told()[-1] == ("terminated;reason=noresource", "SIP/2.0 603 Decline")
    assert talk.ended.failure is not None


def test_nobody_deciding_is_a_refusal_in_the_end(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.stage.wait(121)
    assert talk.told()[-1] == ("terminated;reason=noresource", "SIP/2.0 603 Decline")
    assert talk.ended.failure is not None
    assert "Nobody decided" in talk.ended.failure.reason


def test_an_attended_transfer_carries_replaces_and_nothing_else_of_refer_to(talk: Talk) -> None:
    """RFC 5589 §7.1; RFC 3261 §19.1.5 for the other headers."""
    hold_us(talk)
    talk.refer(
        "<sip:carol@192.0.2.7:5061;transport=tls?Replaces=425928%40phone%3Bto-tag%3D7743%3Bfrom-tag%3D6472"
        "&Require=replaces&From=mallory%40lab.test&Route=%3Csip%3Aevil%3Blr%3E&Subject=x>"
    )
    (asked,) = talk.requested
    assert (asked.target, asked.attended) == ("sip:carol@192.0.2.7:5061;transport=tls", True)
    talk.stage.do(AcceptTransfer("c", "n"))
    invite = new_invite(talk)
    assert str(invite.uri) == "sip:carol@192.0.2.7:5061;transport=tls"
    assert invite.headers.get("Replaces") == "425928@phone;to-tag=7743;from-tag=6472"
    assert invite.headers.get("Require") == "replaces"
    assert "alice" in (invite.headers.get("From") or "")
    assert "Route" not in invite.headers
    assert "Subject" not in invite.headers


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("<sip:carol@lab.test;transport=udp>", 603),
        ("<sip:carol@lab.test;transport=tcp>", 603),
        ("<http://lab.test/>", 603),
        ("<mailto:carol@lab.test>", 603),
        ("<sip:carol@lab.test;method=BYE>", 603),
        ("<sip:carol@lab.test;method=SUBSCRIBE>", 603),
        ("<sip:carol@lab.test>, <sip:dave@lab.test>", 400),
        ("", 400),
        ("<sip:@>", 400),
        ("<sip:carol@lab.test?Replaces=nonsense>", 400),
        ("<sip:carol@lab.test?Replaces=x%0d%0aEvil:%201%3Bto-tag%3D1%3Bfrom-tag%3D2>", 400),
        ("<sip:carol@lab.test?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2%0d%0aEvil:%201>", 400),
        ("<sip:carol@lab.test?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=b%3Bto-tag%3D1%3Bfrom-tag%3D2>", 400),
        ("<sip:" + "c" * 3000 + "@lab.test>", 603),
    ],
)
def test_a_target_that_is_not_called_is_refused_with_a_reason(talk: Talk, target: str, status: int) -> None:
    talk.refer(target)
    assert talk.heard() == [f"{status} to REFER"]
    assert (talk.stage.last_response(status).headers.get("Warning") or "").startswith("399 ")
    assert talk.requested == []


def test_a_number_is_called_in_the_domain_of_the_account(talk: Talk) -> None:
    talk.refer("<tel:+49-30-1234>")
    talk.stage.do(AcceptTransfer("c", "n"))
    assert str(new_invite(talk).uri) == "sip:+49301234@lab.test;user=phone"


def test_the_new_call_obeys_the_media_policy_as_any_other(talk: Talk) -> None:
    """An answer without encryption under Mandatory: ACK, BYE, and 488 is told."""
    clear = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
    invite = accepted(talk)
    assert b"RTP/SAVP" in invite.body
    body = their_session(clear, seed=9).create_offer()
    talk.stage.reply(invite, 200, CAROL, to_tag="carol1", body=body)
    assert talk.told()[-1] == ("terminated;reason=noresource", "SIP/2.0 488 Not Acceptable Here")
    assert talk.ended.failure is not None
    assert [event.call_id for event in talk.stage.of(CallEstablished)] == ["c"]


def test_each_notify_brings_news(talk: Talk) -> None:
    invite = accepted(talk)
    for status in (180, 180, 183, 180, 182):
        talk.stage.reply(invite, status, CAROL, to_tag="carol1")
    assert [line for _, line in talk.told()] == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"]


def test_no_more_is_told_to_who_knows_no_subscription(talk: Talk) -> None:
    hold_us(talk)
    talk.refer(TARGET)
    talk.stage.do(AcceptTransfer("c", "n"))
    talk.stage.reply(talk.stage.last("NOTIFY"), 481)
    invite = new_invite(talk)
    talk.stage.reply(invite, 180, CAROL, to_tag="carol1")
    answer(talk, invite)
    assert len(talk.told()) == 1


def test_the_last_notify_is_sent_twice_when_it_is_not_answered(talk: Talk) -> None:
    invite = accepted(talk)
    talk.stage.reply(invite, 486)
    talk.stage.wait(100)
    assert [line for _, line in talk.told()] == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here"]


def test_a_challenged_notify_is_sent_again(talk: Talk) -> None:
    hold_us(talk)
    talk.refer(TARGET)
    talk.stage.do(AcceptTransfer("c", "n"))
    talk.stage.reply(
        talk.stage.last("NOTIFY"),
        407,
        ("Proxy-Authenticate", 'Digest realm="proxy", nonce="p1", qop="auth"'),
    )
    assert talk.stage.last("NOTIFY").headers.get("Proxy-Authorization")


def test_a_transferor_that_does_not_hang_up_is_hung_up_on(talk: Talk) -> None:
    invite = accepted(talk)
    answer(talk, invite)
    talk.answer_notifies()
    talk.stage.wait(9)
    assert "BYE" not in talk.heard()
    talk.stage.wait(2)
    assert talk.heard() == ["BYE"]
    talk.stage.reply(talk.stage.last("BYE"), 200)
    assert talk.stage.ended.call_id == "c"


def test_a_transferor_that_hangs_up_at_the_202_does_not_end_the_new_call(talk: Talk) -> None:
    invite = accepted(talk)
    talk.within("BYE")
    answer(talk, invite)
    assert talk.told()[-1][1] == "SIP/2.0 200 OK", "the subscription outlives the call (RFC 5057)"
    assert [event.call_id for event in talk.stage.of(CallEnded)] == ["c"]
    assert talk.stage.of(TransferEnded) == [], "CallEnded is the last event of a call"
    talk.stage.reply(talk.stage.last("NOTIFY"), 481)
    talk.stage.do(HangUp("n"))
    talk.stage.reply(talk.stage.last("BYE"), 200)
    talk.stage.settled()


def test_a_transferor_that_hangs_up_before_we_decide_takes_its_question_along(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.within("BYE")
    assert talk.heard() == ["200 to BYE", "603 to REFER"]
    talk.stage.do(AcceptTransfer("c", "n"))
    assert talk.heard() == []
    talk.stage.settled()


def test_our_person_may_give_the_new_call_up(talk: Talk) -> None:
    invite = accepted(talk)
    talk.stage.reply(invite, 180, CAROL, to_tag="carol1")
    talk.stage.do(HangUp("n"))
    talk.stage.reply(talk.stage.last("CANCEL"), 200)
    talk.stage.reply(invite, 487)
    assert talk.told()[-1][1] == "SIP/2.0 487 Request Terminated"
    assert talk.ended.failure is not None


def test_who_is_not_held_by_the_transferor_holds_the_old_call_himself(talk: Talk) -> None:
    """One microphone, one call."""
    talk.refer(TARGET)
    talk.stage.do(AcceptTransfer("c", "n"))
    assert talk.heard() == ["202 to REFER", "NOTIFY", "INVITE", "INVITE"]
    talk.agree_to_hold()
    assert talk.stage.of(HoldChanged)[-1].held_by_us
    invite = next(
        message
        for message in talk.stage.sent
        if isinstance(message, Request) and message.method == "INVITE" and "carol" in str(message.uri)
    )
    talk.stage.reply(invite, 486)
    talk.agree_to_hold()
    assert not talk.stage.of(HoldChanged)[-1].held_by_us


def test_one_transfer_of_a_call_at_a_time_and_ours_and_theirs_collide(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.refer("<sip:dave@lab.test>")
    assert talk.heard() == ["491 to REFER"]
    talk.stage.do(Transfer("c", "dave"))
    assert talk.heard() == []
    assert "under way" in talk.notices[-1]
    talk.stage.do(RefuseTransfer("c"))
    talk.heard()
    talk.stage.do(Transfer("c", "dave"))
    talk.refer(TARGET)
    assert talk.heard() == ["INVITE", "491 to REFER"]


def test_a_second_refer_of_a_call_has_an_id(talk: Talk) -> None:
    """RFC 3515 §2.4.6."""
    talk.refer(TARGET)
    talk.stage.do(RefuseTransfer("c"))
    talk.refer(TARGET)
    number = talk.number
    talk.stage.do(AcceptTransfer("c", "n"))
    assert talk.stage.last("NOTIFY").headers.get("Event") == f"refer;id={number}"


def test_a_peer_that_asks_and_asks_is_not_heard_any_more(talk: Talk) -> None:
    for _ in range(10):
        talk.refer(TARGET)
        talk.stage.do(RefuseTransfer("c"))
    talk.refer(TARGET)
    assert len(talk.requested) == 10
    assert talk.heard()[-1] == "603 to REFER"


def test_a_refer_outside_a_call_is_declined() -> None:
    """What a stranger could ask our phone to call."""
    stage = Stage().registered()
    stage.say(stage.request("REFER", ("Refer-To", TARGET), uri="sip:alice@lab.test"))
    assert stage.heard() == ["603 to REFER"]
    stage.say(stage.request("REFER", ("Refer-To", TARGET), call_id="in-2", to_tag="nobody"))
    assert stage.heard() == ["481 to REFER"]


def test_a_refer_in_a_call_that_rings_is_declined_and_after_our_2xx_comes_too_early() -> None:
    stage = Stage().registered()
    call_id = stage.rings()
    stage.say(stage.in_dialog("REFER", 2, ("Refer-To", TARGET)))
    stage.do(Answer(call_id))
    stage.say(stage.in_dialog("REFER", 3, ("Refer-To", TARGET)))
    assert [word for word in stage.heard() if "REFER" in word] == ["603 to REFER", "491 to REFER"]


def test_an_id_that_is_in_use_makes_no_second_call(talk: Talk) -> None:
    talk.refer(TARGET)
    talk.stage.do(AcceptTransfer("c", "c"))
    assert talk.heard() == []
    talk.stage.do(Dial("n", "dave"))
    talk.heard()
    talk.stage.do(AcceptTransfer("c", "n"))
    assert talk.heard() == []


def test_what_we_allow_names_refer_and_notify(talk: Talk) -> None:
    allow = (talk.invite.headers.get("Allow") or "").split(", ")
    assert {"REFER", "NOTIFY"} <= set(allow)
    assert "replaces" in (talk.invite.headers.get("Supported") or "")
    talk.refer(TARGET, ("Referred-By", "not, an address"))
    assert talk.requested[0].referred_by is None
    assert isinstance(talk.stage.sent[0], Request | Response)
