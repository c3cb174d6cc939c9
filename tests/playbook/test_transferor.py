"""We transfer a call: the flows of RFC 5589 §6 (basic, failed), §7 (attended) and RFC 3515 §4, our side of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.message import Request
from softphone.sip.uri import SipUri, parse_uri
from softphone.ua.account import ServerTarget
from softphone.ua.commands import AddAccount, Dial, HangUp, Hold, Transfer, TransferTo
from softphone.ua.events import CallEnded, CallEstablished, EndedBy, HoldChanged, TransferEnded, TransferRole
from tests.playbook.stage import CHALLENGE, PROXY_CHALLENGE, Stage, their_session
from tests.playbook.transfers import Talk

CAROL = ("Contact", "<sip:carol@192.0.2.9:5061;transport=tls;method=INVITE>")


@pytest.fixture
def talk() -> Talk:
    return Talk()


def asked(talk: Talk) -> None:
    """Held, REFER sent and accepted."""
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.stage.reply(talk.stage.last("REFER"), 202)
    talk.heard()


def consulting(talk: Talk) -> tuple[Request, OfferAnswerSession]:
    """A second call, to carol, established; the first is on hold."""
    stage = talk.stage
    stage.do(Hold("c"))
    talk.agree_to_hold()
    stage.do(Dial("d", "carol"))
    invite = stage.last("INVITE")
    theirs = their_session(seed=9)
    theirs.receive_offer(invite.body)
    stage.reply(invite, 200, CAROL, to_tag="carol1", body=theirs.create_answer())
    stage.heard()
    return invite, theirs


def hold_carol(talk: Talk, carol: OfferAnswerSession) -> None:
    offer = talk.stage.last("INVITE")
    carol.receive_offer(offer.body)
    talk.stage.reply(offer, 200, CAROL, to_tag="carol1", body=carol.create_answer())


def test_a_blind_transfer_as_in_rfc_5589_6_1(talk: Talk) -> None:
    stage = talk.stage
    stage.do(Transfer("c", "carol"))
    assert talk.heard() == ["INVITE"], "on hold first"
    talk.agree_to_hold()
    assert talk.heard() == ["ACK", "REFER"]
    refer = stage.last("REFER")
    assert refer.headers.get("Refer-To") == "<sip:carol@lab.test>"
    assert refer.headers.get("Referred-By") == "<sip:alice@lab.test>"
    assert refer.headers.get("Contact") == stage.contact
    stage.reply(refer, 202)
    talk.notify("SIP/2.0 100 Trying")
    talk.notify("SIP/2.0 180 Ringing")
    assert stage.of(TransferEnded) == []
    talk.notify("SIP/2.0 200 OK", "terminated;reason=noresource")
    assert talk.heard() == ["200 to NOTIFY", "200 to NOTIFY", "200 to NOTIFY", "BYE"]
    assert talk.progress == [100, 100, 180, 200]
    assert talk.ended == TransferEnded("c", TransferRole.TRANSFEROR)
    stage.reply(stage.last("BYE"), 200)
    assert (stage.ended.ended_by, stage.ended.failure) == (EndedBy.LOCAL, None)
    stage.settled()


def test_a_failed_transfer_comes_back_as_in_rfc_5589_6_2(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 100 Trying")
    talk.notify("SIP/2.0 486 Busy Here", "terminated;reason=noresource")
    assert talk.heard() == ["200 to NOTIFY", "200 to NOTIFY", "INVITE"]
    talk.agree_to_hold()
    failure = talk.ended.failure
    assert failure is not None
    assert (failure.kind, failure.status) == (FailureKind.REJECTED, 486)
    assert "busy" in failure.reason
    assert failure.remedy
    assert [event.held_by_us for event in talk.stage.of(HoldChanged)] == [True, False]
    assert talk.stage.of(CallEnded) == []


@pytest.mark.parametrize(
    ("status", "word"), [(603, "declined"), (405, "cannot transfer"), (403, "forbids"), (491, "too"), (481, "know")]
)
def test_a_refused_transfer_comes_back_with_the_reason(talk: Talk, status: int, word: str) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.stage.reply(talk.stage.last("REFER"), status)
    assert talk.heard()[-1] == "INVITE"
    assert talk.ended.failure is not None
    assert word in talk.ended.failure.reason
    assert talk.ended.failure.status == status


def test_a_call_that_the_person_had_on_hold_stays_on_hold(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.agree_to_hold()
    talk.heard()
    talk.stage.do(Transfer("c", "carol"))
    assert talk.heard() == ["REFER"]
    talk.stage.reply(talk.stage.last("REFER"), 603)
    assert talk.heard() == []
    assert talk.ended.failure is not None


def test_a_hold_that_is_refused_does_not_stop_the_transfer(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.stage.reply(talk.stage.last("INVITE"), 488)
    assert talk.heard() == ["INVITE", "ACK", "REFER"]


def test_a_hold_that_is_not_answered_does_not_stop_the_transfer(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.stage.wait(5)
    assert talk.heard() == ["INVITE", "REFER"]


def test_the_first_notify_may_overtake_the_202(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.notify("SIP/2.0 100 Trying")
    talk.stage.reply(talk.stage.last("REFER"), 202)
    talk.notify("SIP/2.0 200 OK", "terminated")
    assert talk.ended.failure is None


def test_the_only_notify_may_overtake_the_202(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.notify("SIP/2.0 200 OK", "terminated")
    talk.stage.reply(talk.stage.last("REFER"), 202)
    assert talk.ended.failure is None


def test_a_lost_202_does_not_matter_when_a_notify_has_come(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.notify("SIP/2.0 180 Ringing", "active;expires=120")
    talk.stage.wait(60)
    assert talk.stage.of(TransferEnded) == []
    talk.notify("SIP/2.0 200 OK", "terminated")
    assert talk.ended.failure is None


def test_a_bye_after_the_202_counts_as_done(talk: Talk) -> None:
    asked(talk)
    talk.within("BYE")
    assert talk.heard() == ["200 to BYE"]
    assert talk.ended.failure is None
    assert talk.stage.ended.ended_by is EndedBy.REMOTE
    kinds = [type(event) for event in talk.stage.events]
    assert kinds.index(TransferEnded) < kinds.index(CallEnded), "CallEnded is the last event of a call"
    talk.stage.settled()


def test_a_bye_before_the_202_is_no_success(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.within("BYE")
    assert talk.ended.failure is not None
    assert "hung up" in talk.ended.failure.reason
    talk.stage.settled()


def test_crossing_byes_end_in_peace(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 200 OK", "terminated")
    bye = talk.stage.last("BYE")
    talk.within("BYE")
    talk.stage.reply(bye, 481)
    assert talk.heard() == ["200 to NOTIFY", "BYE", "200 to BYE"]
    assert len(talk.stage.of(CallEnded)) == 1
    talk.stage.settled()


def test_without_a_notify_the_call_comes_back_after_timer_n(talk: Talk) -> None:
    asked(talk)
    talk.stage.wait(31)
    assert talk.stage.of(TransferEnded) == []
    talk.stage.wait(2)
    assert talk.ended.failure is not None
    assert talk.ended.failure.kind is FailureKind.SERVER_SILENT
    assert talk.heard() == ["INVITE"]


def test_a_notify_says_how_long_the_next_one_may_take(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 180 Ringing", "active;expires=90")
    talk.stage.wait(89)
    assert talk.stage.of(TransferEnded) == []
    talk.stage.wait(2)
    assert talk.ended.failure is not None


def test_how_long_is_bounded(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 100 Trying", "pending;expires=4294967295")
    talk.stage.wait(601)
    assert talk.ended.failure is not None


def test_a_subscription_that_ends_without_a_final_status_is_a_failure(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 100 Trying", "terminated;reason=giveup")
    assert talk.ended.failure is not None
    assert "without saying" in talk.ended.failure.reason
    assert talk.heard() == ["200 to NOTIFY", "INVITE"]


def test_a_final_status_counts_before_the_subscription_ends(talk: Talk) -> None:
    asked(talk)
    talk.notify("SIP/2.0 200 OK", "active;expires=60")
    assert talk.ended.failure is None
    talk.notify("", "terminated;reason=noresource")
    assert talk.heard() == ["200 to NOTIFY", "BYE", "200 to NOTIFY"]


def test_no_subscription_means_that_the_202_is_all_that_will_be_known(talk: Talk) -> None:
    """RFC 4488."""
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.stage.reply(talk.stage.last("REFER"), 202, ("Refer-Sub", "false"))
    assert talk.heard()[-1] == "BYE"
    assert talk.ended.failure is None


@pytest.mark.parametrize(("status", "challenge"), [(401, CHALLENGE), (407, PROXY_CHALLENGE)])
def test_a_challenged_refer_is_sent_again(talk: Talk, status: int, challenge: tuple[str, str]) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    first = talk.stage.last("REFER")
    talk.stage.reply(first, status, challenge)
    again = talk.stage.last("REFER")
    assert int((again.headers.get("CSeq") or "0").split()[0]) > int((first.headers.get("CSeq") or "0").split()[0])
    assert again.headers.get("Authorization" if status == 401 else "Proxy-Authorization")
    talk.stage.reply(again, 202)
    talk.notify("SIP/2.0 200 OK", "terminated")
    assert talk.ended.failure is None


def test_a_notify_of_no_transfer_is_refused(talk: Talk) -> None:
    talk.notify("SIP/2.0 200 OK")
    talk.notify("SIP/2.0 200 OK", event="presence")
    talk.stage.do(Transfer("c", "carol"))
    talk.notify("SIP/2.0 200 OK")
    assert talk.heard() == ["481 to NOTIFY", "489 to NOTIFY", "INVITE", "481 to NOTIFY"]
    assert talk.stage.last_response(489).headers.get("Allow-Events") == "refer"


def test_a_late_notify_of_an_older_transfer_is_not_taken_for_the_new_one(talk: Talk) -> None:
    asked(talk)
    older = (talk.stage.last("REFER").headers.get("CSeq") or "").split()[0]
    talk.notify("SIP/2.0 486 Busy Here", "terminated")
    talk.agree_to_hold()
    talk.stage.do(Transfer("c", "dave"))
    talk.agree_to_hold()
    talk.stage.reply(talk.stage.last("REFER"), 202)
    newer = (talk.stage.last("REFER").headers.get("CSeq") or "").split()[0]
    talk.heard()
    talk.notify("SIP/2.0 200 OK", "terminated", f"refer;id={older}")
    assert talk.heard() == ["481 to NOTIFY"]
    talk.notify("SIP/2.0 180 Ringing", event=f"refer;id={newer}")
    assert talk.heard() == ["200 to NOTIFY"]
    assert len(talk.stage.of(TransferEnded)) == 1


@pytest.mark.parametrize(
    "body", ["nonsense", "SIP/3.0 200 OK", "SIP/2.0 20", "INVITE sip:x SIP/2.0", "SIP/2.0 999 No", "\xff" * 400]
)
def test_a_notify_that_says_no_status_is_a_bad_request(talk: Talk, body: str) -> None:
    asked(talk)
    talk.notify(body)
    assert talk.heard() == ["400 to NOTIFY"]
    talk.notify("SIP/2.0 200 OK", "terminated")
    assert talk.ended.failure is None


def test_a_whole_message_may_follow_the_status_line(talk: Talk) -> None:
    """RFC 3420 §3.1."""
    asked(talk)
    talk.notify('SIP/2.0 603 Declined\r\nTo: <sip:carol@lab.test>;tag=1\r\nWarning: 399 x "not now"', "terminated")
    assert talk.ended.failure is not None
    assert talk.ended.failure.status == 603


def test_a_transfer_goes_with_the_lost_flow_and_comes_back(talk: Talk) -> None:
    talk.stage.do(Transfer("c", "carol"))
    talk.agree_to_hold()
    talk.stage.reachable = False
    talk.stage.cut()
    assert talk.ended.failure is not None
    assert talk.ended.failure.kind is FailureKind.CONNECTION_LOST
    talk.heard()
    talk.stage.reachable = True
    talk.stage.wait(20)
    talk.agree_to_hold()
    assert [event.held_by_us for event in talk.stage.of(HoldChanged)][-1] is False


def test_our_person_may_hang_up_in_the_middle_of_it(talk: Talk) -> None:
    asked(talk)
    talk.stage.do(HangUp("c"))
    assert talk.stage.of(TransferEnded) == []
    talk.stage.reply(talk.stage.last("BYE"), 200)
    assert talk.stage.ended.ended_by is EndedBy.LOCAL
    talk.stage.settled()


def test_only_an_answered_call_is_transferred_and_only_once(talk: Talk) -> None:
    stage = Stage().registered()
    stage.dial()
    stage.do(Transfer("c", "carol"))
    (refused,) = stage.of(TransferEnded)
    assert refused.failure is not None
    assert refused.failure.kind is FailureKind.USAGE
    asked(talk)
    talk.stage.do(Transfer("c", "dave"))
    assert talk.heard() == []
    assert talk.stage.of(TransferEnded) == []
    assert "under way" in talk.notices[-1]


@pytest.mark.parametrize("target", ["", "sip:carol@lab.test;transport=udp", "sip:c@lab.test?X=y"])
def test_a_target_that_cannot_be_called_is_refused_before_anything_is_sent(talk: Talk, target: str) -> None:
    talk.stage.do(Transfer("c", target))
    assert talk.heard() == []
    assert talk.ended.failure is not None
    assert talk.ended.failure.remedy


def test_who_hides_his_identity_is_not_named_to_the_target() -> None:
    stage = Stage()
    stage.account = replace(stage.account, hide_identity=True)
    stage.registered().in_call()
    stage.do(Transfer("c", "carol"))
    stage.wait(5)
    assert "Referred-By" not in stage.last("REFER").headers


# Attended (RFC 5589 §7)


def test_an_attended_transfer_names_the_dialog_that_is_replaced(talk: Talk) -> None:
    invite, carol = consulting(talk)
    carol_call_id = invite.headers.get("Call-ID")
    stage = talk.stage
    stage.do(TransferTo("c", "d"))
    assert talk.heard() == ["INVITE"], "the consultation is held, too"
    hold_carol(talk, carol)
    assert talk.heard() == ["ACK", "REFER"]
    refer = stage.last("REFER")
    assert refer.headers.get("Call-ID") == talk.invite.headers.get("Call-ID"), "in the dialog with bob"
    value = refer.headers.get("Refer-To") or ""
    ours = (invite.headers.get("From") or "").rpartition("tag=")[2]
    assert value == (
        f"<sip:carol@192.0.2.9:5061;transport=tls?Replaces={carol_call_id}%3Bto-tag%3Dcarol1%3Bfrom-tag%3D{ours}>"
    )
    uri = parse_uri(value[1:-1])
    assert isinstance(uri, SipUri)
    assert dict(uri.headers)["Replaces"] == f"{carol_call_id};to-tag=carol1;from-tag={ours}"
    stage.reply(refer, 202)
    talk.notify("SIP/2.0 200 OK", "terminated;reason=noresource")
    assert talk.heard() == ["200 to NOTIFY", "BYE", "BYE"], "both of ours end"
    assert talk.ended == TransferEnded("c", TransferRole.TRANSFEROR)
    for bye in stage.sent[-2:]:
        stage.reply(bye, 200)  # type: ignore[arg-type]
    assert {event.call_id for event in stage.of(CallEnded)} == {"c", "d"}
    stage.settled()


def test_the_target_may_hang_up_on_us_before_the_notify_comes(talk: Talk) -> None:
    """RFC 5589 §7.1: carol's BYE, since bob took our place."""
    invite, carol = consulting(talk)
    stage = talk.stage
    stage.do(TransferTo("c", "d"))
    hold_carol(talk, carol)
    stage.reply(stage.last("REFER"), 202)
    mine = (invite.headers.get("From") or "").rpartition("tag=")[2]
    stage.say(
        stage.request(
            "BYE",
            to_tag=mine,
            from_tag="carol1",
            call_id=invite.headers.get("Call-ID") or "",
        )
    )
    assert stage.of(TransferEnded) == []
    talk.notify("SIP/2.0 200 OK", "terminated")
    assert talk.ended.failure is None
    assert talk.heard()[-1] == "BYE"


def test_a_failed_attended_transfer_comes_back_to_what_was_talked_in(talk: Talk) -> None:
    invite, carol = consulting(talk)
    stage = talk.stage
    stage.do(TransferTo("c", "d"))
    hold_carol(talk, carol)
    stage.reply(stage.last("REFER"), 202)
    talk.heard()
    talk.notify("SIP/2.0 481 Call Does Not Exist", "terminated")
    assert talk.heard() == ["200 to NOTIFY", "INVITE"]
    assert stage.last("INVITE").headers.get("Call-ID") == invite.headers.get("Call-ID")
    assert talk.ended.failure is not None


def test_a_consultation_that_ends_before_the_refer_ends_the_transfer(talk: Talk) -> None:
    consulting(talk)
    stage = talk.stage
    stage.do(TransferTo("c", "d"))
    stage.do(HangUp("d"))
    stage.reply(stage.last("BYE"), 200)
    assert talk.ended.failure is not None
    assert "ended" in talk.ended.failure.reason
    assert "REFER" not in talk.request_words()


def test_calls_that_cannot_be_connected_are_refused_with_the_reason(talk: Talk) -> None:
    stage = talk.stage
    stage.do(TransferTo("c", "c"))
    stage.do(TransferTo("c", "nobody"))
    stage.other_flows.add(stage.flow_id)
    stage.do(
        AddAccount(
            replace(stage.account, id="b", domain="other.test", server=ServerTarget("other.test"), register=False)
        )
    )
    stage.do(Dial("d", "carol", "b"))
    theirs = their_session(seed=9)
    theirs.receive_offer(stage.last("INVITE").body)
    stage.reply(stage.last("INVITE"), 200, CAROL, to_tag="carol1", body=theirs.create_answer())
    talk.heard()
    stage.do(TransferTo("c", "d"))
    assert talk.heard() == []
    reasons = [event.failure.reason for event in stage.of(TransferEnded) if event.failure is not None]
    assert len(reasons) == 3
    assert "itself" in reasons[0]
    assert "not there" in reasons[1]
    assert "different servers" in reasons[2]
    assert len(stage.of(CallEstablished)) == 2


def test_the_target_may_be_the_one_that_is_asked(talk: Talk) -> None:
    """RFC 5589 §7.3, protecting the transfer target: carol gets the REFER, and bob's dialog is replaced."""
    _, carol = consulting(talk)
    stage = talk.stage
    stage.do(TransferTo("d", "c"))
    hold_carol(talk, carol)
    refer = stage.last("REFER")
    assert (refer.headers.get("To") or "").endswith("tag=carol1")
    ours = (talk.invite.headers.get("From") or "").rpartition("tag=")[2]
    assert refer.headers.get("Refer-To") == (
        "<sip:bob@192.0.2.9:5061;transport=tls"
        f"?Replaces={talk.invite.headers.get('Call-ID')}%3Bto-tag%3Dbob1%3Bfrom-tag%3D{ours}>"
    )
