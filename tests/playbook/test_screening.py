"""What an account's rules do with incoming calls: turned away, sent on, over another call, answered by themselves.

302, 480, 486 and 603 as RFC 3261 §21 and RFC 5359 §2.8 to §2.12 use them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sip.message import Response
from softphone.ua.account import CallRules, DoNotDisturb, Forwarding
from softphone.ua.actions import PlayTone, Tone
from softphone.ua.commands import AddAccount, Answer, Decline, Deflect
from softphone.ua.events import CallDeflected, CallEnded, CallEstablished, CallNotice, CallRefused, IncomingCall
from tests.playbook.stage import Stage, their_session

BOB = "Bob <sip:bob@lab.test>"


def stage_with(rules: CallRules, policy: MediaPolicy | None = None) -> Stage:
    stage = Stage(policy)
    stage.account = replace(stage.account, rules=rules)
    return stage.registered()


def called(
    stage: Stage, *headers: tuple[str, str], caller: str = BOB, uri: str = "sip:alice@lab.test", seed: int = 7
) -> list[str]:
    """Somebody calls with a good offer; what the phone says to it."""
    policy = stage.account.media_policy
    clear = policy.encryption is not MediaEncryption.MANDATORY
    session = their_session(policy if clear else None, seed)
    invite = stage.request("INVITE", *headers, uri=uri, body=session.create_offer(), call_id=f"in-{seed}")
    stage.say(invite.replace(BOB.encode(), caller.encode()))
    return stage.heard()


def refusal(stage: Stage) -> Response:
    response = stage.sent[-1]
    assert isinstance(response, Response)
    return response


def tones(stage: Stage) -> list[tuple[str, Tone | None]]:
    return [(action.call_id, action.tone) for action in stage.did(PlayTone)]


# Turned away


@pytest.mark.parametrize(
    ("rules", "status", "why"),
    [
        (CallRules(do_not_disturb=DoNotDisturb.BUSY), 486, "do-not-disturb"),
        (CallRules(do_not_disturb=DoNotDisturb.UNAVAILABLE), 480, "do-not-disturb"),
        (CallRules(deny=("bob",)), 603, "denied"),
        (CallRules(deny=("@lab.test",)), 603, "denied"),
    ],
)
def test_a_call_that_a_rule_turns_away_never_rings_and_is_told(rules: CallRules, status: int, why: str) -> None:
    stage = stage_with(rules)
    assert called(stage) == [f"{status} to INVITE"]
    assert stage.of(IncomingCall) == []
    (deflected,) = stage.of(CallDeflected)
    assert (deflected.why, deflected.status, deflected.target) == (why, status, "")
    assert deflected.remote.uri == "sip:bob@lab.test"
    stage.settled()


@pytest.mark.parametrize(
    ("caller", "headers"),
    [
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', ()),
        ("<sip:anonymous@lab.test>", ()),
        (BOB, (("Privacy", "id"),)),
        (BOB, (("Remote-Party-ID", "<sip:bob@lab.test>;party=calling;privacy=full"),)),
    ],
)
def test_who_hides_is_denied_if_so_chosen(caller: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert called(stage_with(CallRules(deny_anonymous=True)), *headers, caller=caller) == ["603 to INVITE"]
    assert called(stage_with(CallRules()), *headers, caller=caller) == ["180 to INVITE"]


def test_who_is_denied_is_so_by_either_name() -> None:
    """The address that the server vouches for counts as well as the one that the caller gives."""
    stage = stage_with(CallRules(deny=("+4930*",)))
    assert called(stage, ("P-Asserted-Identity", "<tel:+49-30-1234>")) == ["603 to INVITE"]
    harmless = ("P-Asserted-Identity", "<sip:bob@lab.test>")
    assert called(stage, harmless, caller="<sip:+493099@other.test>", seed=8) == ["603 to INVITE"]
    assert called(stage, ("P-Asserted-Identity", "<tel:+44201234>"), seed=9) == ["180 to INVITE"]


# Several calls


def test_without_call_waiting_a_second_call_hears_busy() -> None:
    stage = stage_with(CallRules(call_waiting=False))
    called(stage)
    assert called(stage, seed=8) == ["486 to INVITE"]
    assert stage.of(CallDeflected)[0].why == "busy-here"
    assert Tone.CALL_WAITING not in [tone for _, tone in tones(stage)]


def test_the_limit_counts_all_calls() -> None:
    stage = stage_with(CallRules(max_calls=2))
    stage.dial()
    stage.heard()
    assert called(stage) == ["180 to INVITE"]
    assert called(stage, seed=8) == ["486 to INVITE"]


def test_options_hears_what_an_invite_would() -> None:
    stage = stage_with(CallRules(max_calls=1))
    called(stage)
    stage.say(stage.request("OPTIONS", call_id="o"))
    assert stage.heard() == ["486 to OPTIONS"]


# Sent on


def test_every_call_is_sent_on() -> None:
    stage = stage_with(CallRules(forwarding=Forwarding(always="carol@other.test")))
    assert called(stage) == ["302 to INVITE"]
    answer = refusal(stage)
    assert answer.headers.get("Contact") == "<sip:carol@other.test>"
    assert answer.headers.get("Diversion") == "<sip:alice@lab.test>;reason=unconditional"
    (deflected,) = stage.of(CallDeflected)
    assert (deflected.why, deflected.target, deflected.status) == ("always", "carol@other.test", 302)
    stage.settled()


def test_a_call_to_a_secure_address_is_sent_on_to_a_secure_one() -> None:
    stage = stage_with(CallRules(forwarding=Forwarding(always="+49 30 1234")))
    called(stage, uri="sips:alice@lab.test")
    assert refusal(stage).headers.get("Contact") == "<sips:+49301234@lab.test>"


def test_a_busy_phone_sends_on() -> None:
    stage = stage_with(CallRules(call_waiting=False, forwarding=Forwarding(busy="carol")))
    assert called(stage) == ["180 to INVITE"]
    assert called(stage, seed=8) == ["302 to INVITE"]
    assert refusal(stage).headers.get("Diversion") == "<sip:alice@lab.test>;reason=user-busy"
    assert stage.of(CallDeflected)[0].why == "busy"


def test_a_call_that_nobody_answers_is_sent_on_after_its_time() -> None:
    stage = stage_with(CallRules(forwarding=Forwarding(no_answer="carol", no_answer_s=12)))
    called(stage)
    stage.wait(11.9)
    assert stage.heard() == []
    stage.wait(0.2)
    assert stage.heard() == ["302 to INVITE"]
    assert refusal(stage).headers.get("Diversion") == "<sip:alice@lab.test>;reason=no-answer"
    assert (stage.of(CallDeflected)[0].why, stage.ended.status, stage.ended.failure) == ("no-answer", 302, None)
    stage.settled()


def test_a_call_that_was_answered_or_given_up_is_not_sent_on() -> None:
    rules = CallRules(forwarding=Forwarding(no_answer="carol", no_answer_s=12))
    stage = stage_with(rules)
    called(stage)
    stage.do(Answer(stage.of(IncomingCall)[0].call_id))
    stage.say(stage.request("ACK", to_tag=stage.our_tag, call_id="in-7"))
    stage.heard()
    stage.wait(60)
    assert stage.heard() == []
    stage = stage_with(rules)
    called(stage)
    stage.do(Decline(stage.of(IncomingCall)[0].call_id))
    stage.wait(60)
    assert stage.of(CallDeflected) == []


def test_a_person_sends_a_ringing_call_on() -> None:
    stage = stage_with(CallRules())
    called(stage)
    call = stage.of(IncomingCall)[0].call_id
    stage.do(Deflect(call, "sip:carol@evil.test;transport=udp"))
    assert stage.heard() == []
    assert len(stage.of(CallNotice)) == 1
    stage.do(Deflect(call, "carol"))
    assert stage.heard() == ["302 to INVITE"]
    assert refusal(stage).headers.get("Contact") == "<sip:carol@lab.test>"
    kinds = [type(event) for event in stage.events if isinstance(event, CallDeflected | CallEnded)]
    assert kinds == [CallDeflected, CallEnded]
    stage.do(Deflect(call, "dave"))
    assert len(stage.of(CallDeflected)) == 1


@pytest.mark.parametrize(
    "passed",
    [
        [("Diversion", "<sip:alice@lab.test>;reason=unconditional")],
        [("Diversion", '"Alice" <sip:alice@LAB.test>;reason="no-answer", <sip:bob@lab.test>')],
        [
            ("History-Info", "<sip:alice@lab.test?Reason=SIP%3Bcause%3D302>;index=1"),
            ("History-Info", "<sip:carol@lab.test;cause=302>;index=1.1;mp=1"),
            ("History-Info", "<sip:alice@lab.test;cause=486>;index=1.1.1;mp=1.1"),
        ],
        [("Diversion", ", ".join(f"<sip:station{n}@lab.test>;reason=unknown" for n in range(5)))],
    ],
)
def test_a_call_that_comes_back_or_was_sent_on_too_often_is_not_sent_on_again(passed: list[tuple[str, str]]) -> None:
    stage = stage_with(CallRules(forwarding=Forwarding(always="carol")))
    assert called(stage, *passed) == ["480 to INVITE"]
    (refused,) = stage.of(CallRefused)
    assert "sent on" in refused.failure.reason
    stage = stage_with(CallRules(forwarding=Forwarding(no_answer="carol", no_answer_s=5)))
    assert called(stage, *passed) == ["180 to INVITE"]
    stage.wait(10)
    assert (stage.heard(), len(stage.of(CallNotice))) == ([], 1)


def test_the_rules_have_an_order() -> None:
    all_of_them = CallRules(
        do_not_disturb=DoNotDisturb.BUSY, forwarding=Forwarding("carol", "carol"), deny=("bob",), max_calls=1
    )
    assert called(stage_with(all_of_them)) == ["603 to INVITE"]
    assert called(stage_with(replace(all_of_them, deny=()))) == ["302 to INVITE"]
    assert called(stage_with(replace(all_of_them, deny=(), forwarding=Forwarding(busy="carol")))) == ["486 to INVITE"]


def test_new_rules_count_for_the_next_call_and_the_flow_stays() -> None:
    stage = stage_with(CallRules())
    opened = len(stage.opened_at)
    stage.do(AddAccount(replace(stage.account, rules=CallRules(do_not_disturb=DoNotDisturb.BUSY))))
    assert called(stage) == ["486 to INVITE"]
    assert len(stage.opened_at) == opened


# Answered by itself

INTERCOM = ("Call-Info", "<http://192.0.2.66/never-fetched>;answer-after=0")
BOSS = CallRules(auto_answer_from=("bob", "boss@partner.test", "+4930*"))


@pytest.mark.parametrize(
    "header",
    [
        INTERCOM,
        ("Call-Info", "<sip:lab.test>; Answer-After=0"),
        ("Call-Info", ";answer-after=0"),
        ("Alert-Info", "<http://192.0.2.66/ring>;info=alert-autoanswer"),
        ("Alert-Info", "info=alert-autoanswer;delay=0"),
        ("Alert-Info", '<http://127.0.0.1>;info="Auto Answer"'),
        ("Alert-Info", "Ring Answer"),
        ("Alert-Info", "Auto Answer"),
    ],
)
def test_a_listed_caller_is_answered_at_once_and_audibly(header: tuple[str, str]) -> None:
    stage = stage_with(BOSS)
    assert called(stage, header) == ["180 to INVITE", "200 to INVITE"]
    (incoming,) = stage.of(IncomingCall)
    assert incoming.auto_answered
    assert tones(stage) == [(incoming.call_id, Tone.AUTO_ANSWERED)]
    assert len(stage.of(CallEstablished)) == 1


def test_after_some_seconds_if_so_asked() -> None:
    stage = stage_with(BOSS)
    assert called(stage, ("Call-Info", "<sip:x@y>;answer-after=3")) == ["180 to INVITE"]
    stage.wait(2.9)
    assert stage.heard() == []
    stage.wait(0.2)
    assert stage.heard() == ["200 to INVITE"]
    stage = stage_with(BOSS)
    called(stage, ("Call-Info", "<sip:x@y>;answer-after=3"))
    stage.do(Decline(stage.of(IncomingCall)[0].call_id))
    stage.heard()
    stage.wait(5)
    assert (stage.heard(), tones(stage)) == ([], [])


@pytest.mark.parametrize(
    ("caller", "headers"),
    [
        ("<sip:bob@lab.test>", (("P-Asserted-Identity", "<sip:mallory@lab.test>"),)),
        ("<sip:bob@lab.test>", (("P-Asserted-Identity", "unreadable <"),)),
        ("<sip:bob@lab.test>", (("Remote-Party-ID", "<sip:bob@lab.test>;party=calling;screen=no"),)),
        ("<sip:bob@evil.test>", ()),
        ("<sip:boss@partner.test>", ()),
        ("<sip:mallory@lab.test>", ()),
        ("<sip:mallory@lab.test>", (("P-Asserted-Identity", "<sip:bob@evil.test>"),)),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', ()),
    ],
)
def test_who_is_not_vouched_for_rings(caller: str, headers: tuple[tuple[str, str], ...]) -> None:
    stage = stage_with(BOSS)
    assert called(stage, INTERCOM, *headers, caller=caller) == ["180 to INVITE"]
    assert not stage.of(IncomingCall)[0].auto_answered


@pytest.mark.parametrize(
    "headers",
    [
        (("P-Asserted-Identity", "<sip:boss@partner.test>"),),
        (("P-Asserted-Identity", '"Boss" <sip:bob@lab.test>, <tel:+49301>'),),
        (("P-Asserted-Identity", "<tel:+49-30-99>"),),
        (("Remote-Party-ID", "<sip:bob@lab.test>;party=calling;screen=yes"),),
    ],
)
def test_whom_the_server_vouches_for_is_answered_whatever_he_says(headers: tuple[tuple[str, str], ...]) -> None:
    stage = stage_with(BOSS)
    assert called(stage, INTERCOM, *headers, caller="<sip:x@y.test>") == ["180 to INVITE", "200 to INVITE"]


@pytest.mark.parametrize(
    "header",
    [
        ("Call-Info", "<sip:x@y;answer-after=0>"),  # within the address
        ("Call-Info", "<sip:x@y>;answer-after=61"),
        ("Call-Info", "<sip:x@y>;answer-after=-1"),
        ("Call-Info", "<sip:x@y>;answer-after=99999999999999999999"),
        ("Call-Info", "<sip:x@y>;not-answer-after=0"),
        ("Call-Info", "<sip:x@y"),
        ("Alert-Info", "<http://x/info=alert-autoanswer>"),
        ("Alert-Info", "<urn:alert:service:normal>"),
        ("Alert-Info", "Do not Ring Answer"),
    ],
)
def test_what_does_not_ask_for_it_rings(header: tuple[str, str]) -> None:
    stage = stage_with(BOSS)
    assert called(stage, header) == ["180 to INVITE"]


def test_nobody_may_by_default_and_nothing_is_answered_over_another_call() -> None:
    assert called(stage_with(CallRules()), INTERCOM) == ["180 to INVITE"]
    stage = stage_with(BOSS)
    called(stage)
    assert called(stage, INTERCOM, seed=8) == ["180 to INVITE"]
    assert Tone.AUTO_ANSWERED not in [tone for _, tone in tones(stage)]


@pytest.mark.parametrize(
    "policy",
    [
        MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE),
        MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE),
        MediaPolicy(
            encryption=MediaEncryption.OPTIONAL,
            unencrypted_peer=UnencryptedPeer.ALLOW,
            profile=ConnectionProfile.PRIVATE,
        ),
    ],
)
def test_a_call_that_is_or_may_become_clear_is_never_answered_by_itself(policy: MediaPolicy) -> None:
    stage = stage_with(BOSS, policy)
    clear = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
    invite = stage.request("INVITE", INTERCOM, body=their_session(clear).create_offer())
    stage.say(invite)
    assert stage.heard() == ["180 to INVITE"]
    assert stage.of(IncomingCall)[0].unencrypted is not None
    stage = stage_with(BOSS, policy)
    stage.say(stage.request("INVITE", INTERCOM))  # no offer: what the answer will be nobody knows
    assert stage.heard() == ["180 to INVITE"]


def test_an_invitation_without_an_offer_is_answered_if_ours_can_only_be_encrypted() -> None:
    stage = stage_with(BOSS)
    stage.say(stage.request("INVITE", INTERCOM))
    assert stage.heard() == ["180 to INVITE", "200 to INVITE"]
