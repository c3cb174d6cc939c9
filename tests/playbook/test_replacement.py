"""INVITE with Replaces as RFC 3891 §3 wants it answered, and the target's side of RFC 5589 §7.1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.header_values import to_addr
from softphone.sip.message import Request
from softphone.ua.account import CallRules
from softphone.ua.actions import SetMuted, StartMedia
from softphone.ua.commands import AddAccount, Dial, HangUp, Hold, Mute
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallRefused,
    EndedBy,
    IncomingCall,
    MuteChanged,
    Party,
)
from tests.playbook.stage import BOB, Stage, their_session
from tests.playbook.transfers import Talk

CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
TOLERANT = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL,
    unencrypted_peer=UnencryptedPeer.ALLOW,
    profile=ConnectionProfile.PRIVATE,
)
ASKING = MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE)


def names(talk: Talk, *, call_id: str = "", to_tag: str = "", from_tag: str = "bob1", more: str = "") -> str:
    """Replaces for the running call, as its other side would give it to a third."""
    ours = (talk.invite.headers.get("From") or "").rpartition("tag=")[2]
    call_id = call_id or talk.invite.headers.get("Call-ID") or ""
    return f"{call_id};to-tag={to_tag or ours};from-tag={from_tag}{more}"


def replace_it(
    talk: Talk, value: str, session: OfferAnswerSession | None = None, *more: tuple[str, str], call_id: str = "new"
) -> None:
    session = their_session(seed=9) if session is None else session
    headers = (("Replaces", value), ("Require", "replaces"), *more)
    talk.stage.say(talk.stage.request("INVITE", *headers, body=session.create_offer(), call_id=call_id))


def acknowledge(talk: Talk, method: str = "ACK", number: int = 1, body: bytes = b"") -> None:
    tag = to_addr(talk.stage.last_response(200)).tag or ""
    talk.stage.say(talk.stage.request(method, to_tag=tag, call_id="new", number=number, body=body))


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_the_new_call_is_answered_at_once_and_the_old_one_gets_its_bye(talk: Talk) -> None:
    stage = talk.stage
    replace_it(talk, names(talk), None, ("Referred-By", '"Alex" <sip:alex@lab.test>'))
    assert [word for word in talk.heard() if not word.startswith("180")] == ["200 to INVITE", "BYE"]
    (incoming,) = stage.of(IncomingCall)
    assert (incoming.replaces, incoming.unencrypted, incoming.needs_consent) == ("c", None, False)
    assert incoming.identity.referred_by == Party("sip:alex@lab.test", "Alex")
    assert [event.call_id for event in stage.of(CallEstablished)] == ["c", incoming.call_id]
    assert stage.last("BYE").headers.get("Call-ID") == talk.invite.headers.get("Call-ID")
    stage.reply(stage.last("BYE"), 200)
    assert stage.ended.call_id == "c"
    assert (stage.ended.ended_by, stage.ended.failure) == (EndedBy.LOCAL, None)
    acknowledge(talk)
    stage.do(HangUp(incoming.call_id))
    stage.reply(stage.last("BYE"), 200)
    stage.settled()


def test_the_old_call_may_get_its_bye_from_the_other_side_first(talk: Talk) -> None:
    talk.stage.opens_media = False
    replace_it(talk, names(talk))
    talk.within("BYE")
    assert [event.call_id for event in talk.stage.of(CallEnded)] == ["c"]
    assert len(talk.stage.agent.calls) == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"call_id": "other"}, 481),
        ({"to_tag": "other"}, 481),
        ({"from_tag": "other"}, 481),
        ({"from_tag": "0"}, 481),
        ({"more": ";early-only"}, 486),
    ],
)
def test_what_names_no_call_of_ours_is_not_rung(talk: Talk, wrong: dict[str, str], status: int) -> None:
    replace_it(talk, names(talk, **wrong))
    assert talk.heard() == [f"{status} to INVITE"]
    assert talk.stage.of(IncomingCall) == []


@pytest.mark.parametrize("value", ["", ";to-tag=1;from-tag=2", "x;to-tag=1", "x;from-tag=1", "a b;to-tag=1;from-tag=2"])
def test_what_cannot_be_read_is_a_bad_request(talk: Talk, value: str) -> None:
    replace_it(talk, value)
    assert talk.heard() == ["400 to INVITE"]


def test_two_of_them_and_one_beside_join_are_bad_requests(talk: Talk) -> None:
    replace_it(talk, names(talk), None, ("Replaces", names(talk)))
    replace_it(talk, f"{names(talk)}, {names(talk)}", call_id="new2")
    replace_it(talk, names(talk), None, ("Join", names(talk)), call_id="new3")
    assert talk.heard() == ["400 to INVITE"] * 3


def test_a_session_interval_that_is_too_small_is_refused_as_in_any_call(talk: Talk) -> None:
    """RFC 4028 §9."""
    replace_it(talk, names(talk), None, ("Supported", "timer"), ("Session-Expires", "60"))
    assert talk.heard() == ["422 to INVITE"]
    assert talk.stage.last_response(422).headers.get("Min-SE") == "90"


def test_a_call_that_has_ended_is_not_replaced(talk: Talk) -> None:
    talk.stage.do(HangUp("c"))
    replace_it(talk, names(talk))
    assert talk.heard() == ["BYE", "603 to INVITE"]


def test_a_call_is_replaced_once(talk: Talk) -> None:
    talk.stage.opens_media = False  # the first one waits for its sockets
    replace_it(talk, names(talk))
    replace_it(talk, names(talk), call_id="another")
    assert talk.heard()[-1] == "603 to INVITE"
    assert len(talk.stage.of(IncomingCall)) == 1


def test_a_call_that_rings_here_is_not_replaced() -> None:
    """An early dialog that we did not begin (RFC 3891 §3)."""
    stage = Stage().registered()
    stage.rings()
    value = f"in-1;to-tag={stage.our_tag};from-tag=caller"
    stage.heard()
    stage.say(stage.request("INVITE", ("Replaces", value), body=their_session(seed=9).create_offer(), call_id="new"))
    assert stage.heard() == ["481 to INVITE"]


def test_a_call_that_rings_there_is_taken_over_by_who_picks_it_up() -> None:
    """An early dialog of our own: CANCEL (RFC 3891 §3, §7)."""
    stage = Stage().registered()
    invite = stage.dial()
    stage.reply(invite, 180, BOB)
    stage.heard()
    ours = (invite.headers.get("From") or "").rpartition("tag=")[2]
    value = f"{invite.headers.get('Call-ID')};to-tag={ours};from-tag=bob1;early-only"
    stage.say(stage.request("INVITE", ("Replaces", value), body=their_session(seed=9).create_offer(), call_id="new"))
    assert [word for word in stage.heard() if not word.startswith("180")] == ["200 to INVITE", "CANCEL"]
    stage.reply(stage.last("CANCEL"), 200)
    stage.reply(invite, 487)
    assert stage.ended.call_id == "c"
    assert stage.ended.failure is None


def test_no_clear_call_takes_the_place_of_an_encrypted_one() -> None:
    """Not even under a policy that lets clear calls in."""
    talk = Talk(TOLERANT)
    assert isinstance(talk.stage.started[0].security, SrtpSecurity)
    replace_it(talk, names(talk), their_session(CLEAR, seed=9))
    assert talk.heard() == ["488 to INVITE"]
    (refused,) = talk.stage.of(CallRefused)
    assert refused.failure.remedy
    assert talk.stage.of(CallEnded) == []


def test_an_offer_of_ours_in_place_of_an_encrypted_call_is_encrypted_and_so_must_be_its_answer() -> None:
    talk = Talk(TOLERANT)
    headers = (("Replaces", names(talk)),)
    talk.stage.say(talk.stage.request("INVITE", *headers, call_id="new"))
    offer = talk.stage.last_response(200).body
    assert b"RTP/SAVP" in offer
    talk.heard()
    acknowledge(talk, body=their_session(CLEAR, seed=9).create_offer())
    assert talk.heard() == ["BYE"]
    assert all(not isinstance(media.security, ClearMedia) for media in talk.stage.started)


def test_a_clear_call_that_would_need_consent_is_refused_since_nobody_is_asked() -> None:
    stage = Stage(ASKING).registered()
    invite = stage.dial()
    stage.reply(invite, 180, BOB)  # nothing is encrypted yet
    stage.heard()
    ours = (invite.headers.get("From") or "").rpartition("tag=")[2]
    value = f"{invite.headers.get('Call-ID')};to-tag={ours};from-tag=bob1"
    clear = their_session(CLEAR, seed=9)
    stage.say(stage.request("INVITE", ("Replaces", value), body=clear.create_offer(), call_id="new"))
    assert stage.heard() == ["488 to INVITE"]
    assert stage.of(IncomingCall) == []


def test_a_clear_call_takes_the_place_of_a_clear_one_where_the_policy_says_so() -> None:
    talk = Talk(CLEAR)
    replace_it(talk, names(talk), their_session(CLEAR, seed=9))
    assert [word for word in talk.heard() if not word.startswith("180")] == ["200 to INVITE", "BYE"]
    assert talk.stage.of(IncomingCall)[0].unencrypted


def test_who_was_muted_stays_muted_and_who_was_on_hold_stays_on_hold(talk: Talk) -> None:
    """A third may connect himself, but he does not open a microphone."""
    talk.stage.do(Mute("c"))
    talk.stage.do(Hold("c"))
    talk.agree_to_hold()
    replace_it(talk, names(talk))
    new = talk.stage.of(IncomingCall)[0].call_id
    assert (new, True) in [(event.call_id, event.muted) for event in talk.stage.of(MuteChanged)]
    talk.heard()
    acknowledge(talk)
    assert talk.heard() == ["INVITE"], "the hold is asked for after the ACK"
    assert talk.stage.last("INVITE").body.find(b"a=sendonly") > 0


def test_a_new_call_that_fails_leaves_the_old_one(talk: Talk) -> None:
    talk.stage.opens_media = False
    replace_it(talk, names(talk))
    new = talk.stage.of(IncomingCall)[0].call_id
    talk.stage.do(HangUp(new))
    assert [event.call_id for event in talk.stage.of(CallEnded)] == [new]
    assert "BYE" not in talk.heard()


def test_another_accounts_server_cannot_replace_a_call(talk: Talk) -> None:
    talk.stage.do(AddAccount(replace(talk.stage.account, id="b", register=False)))
    replace_it(talk, names(talk))
    assert talk.heard() == ["481 to INVITE"]


def test_who_talks_elsewhere_is_not_busy_for_it_and_is_not_heard_in_it() -> None:
    talk = Talk(rules=CallRules(max_calls=2))
    stage = talk.stage
    stage.do(Dial("d", "carol"))
    talk.agree_to_hold()
    invite = next(m for m in stage.sent if isinstance(m, Request) and m.method == "INVITE" and "carol" in str(m.uri))
    carol = their_session(seed=11)
    carol.receive_offer(invite.body)
    stage.reply(invite, 200, BOB, to_tag="carol1", body=carol.create_answer())
    talk.heard()
    stage.say(stage.request("INVITE", body=their_session(seed=9).create_offer(), call_id="one-more"))
    assert talk.heard() == ["486 to INVITE"]
    replace_it(talk, names(talk))
    assert [word for word in talk.heard() if not word.startswith("180")] == ["200 to INVITE", "BYE"]
    new = stage.of(IncomingCall)[-1]
    assert new.replaces == "c"
    media = stage.did(StartMedia)[-1].media_id
    assert [action.muted for action in stage.did(SetMuted) if action.media_id == media][-1]
    acknowledge(talk)
    assert talk.heard() == ["INVITE"]
    assert stage.last("INVITE").body.find(b"a=sendonly") > 0
    assert stage.agent.calls["d"].held.by_us is False
