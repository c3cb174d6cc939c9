"""Digits out and in: telephone-event (RFC 4733), INFO (RFC 6086, application/dtmf-relay), tones; pauses and bounds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sdp.negotiated import Direction
from softphone.sip.message import Request
from softphone.ua.account import DigitsMode
from softphone.ua.actions import SendTelephoneEvents, SendTones
from softphone.ua.commands import AddAccount, Dial, HangUp, SendDigits
from softphone.ua.digits import MAX_QUEUED, digit_seconds
from softphone.ua.dtmf_relay import dtmf_relay
from softphone.ua.events import CallNotice, DigitPressed, DigitsSent
from softphone.ua.inputs import DigitReceived
from tests.playbook.stage import BOB, PROXY_CHALLENGE, Stage, their_session

INFORMS = ("Allow", "INVITE, ACK, BYE, INFO")


def in_call(
    mode: DigitsMode = DigitsMode.AUTO, *headers: tuple[str, str], events: bool = True
) -> tuple[Stage, Request]:
    """An established call; with `events` the other side takes telephone-events."""
    stage = Stage().registered()
    stage.do(AddAccount(replace(stage.account, digits=mode)))
    theirs = their_session()
    invite = stage.dial()
    theirs.receive_offer(invite.body)
    answer = theirs.create_answer()
    if not events:
        answer = re.sub(rb"a=(rtpmap|fmtp):101[^\n]*\n", b"", answer).replace(b" 101\r\n", b"\r\n")
        assert b"telephone-event" not in answer
    stage.reply(invite, 200, BOB, *headers, body=answer)
    stage.heard()
    return stage, invite


def gone_out(stage: Stage) -> str:
    return "".join(event.digits for event in stage.of(DigitsSent))


def played(stage: Stage) -> list[tuple[str, str]]:
    return [
        ("events" if isinstance(action, SendTelephoneEvents) else "tones", action.digits)
        for action in stage.actions
        if isinstance(action, SendTelephoneEvents | SendTones)
    ]


def notices(stage: Stage) -> list[FailureKind]:
    return [notice.failure.kind for notice in stage.of(CallNotice)]


# Which way


@pytest.mark.parametrize(
    ("mode", "headers", "events", "way"),
    [
        (DigitsMode.AUTO, (INFORMS,), True, "events"),
        (DigitsMode.AUTO, (INFORMS,), False, "INFO"),
        (DigitsMode.AUTO, (("Allow", "INVITE, ACK, BYE"),), False, "tones"),
        (DigitsMode.AUTO, (), False, "tones"),
        (DigitsMode.TELEPHONE_EVENT, (INFORMS,), True, "events"),
        (DigitsMode.IN_BAND, (INFORMS,), True, "tones"),
        (DigitsMode.INFO, (), True, "INFO"),
    ],
)
def test_the_way_digits_go(mode: DigitsMode, headers: tuple[tuple[str, str], ...], events: bool, way: str) -> None:
    stage, _ = in_call(mode, *headers, events=events)
    stage.do(SendDigits("c", "5"))
    assert (played(stage)[0][0] if played(stage) else stage.heard()[0]) == way


def test_a_way_that_the_other_side_cannot_is_said_and_no_other_taken() -> None:
    stage, _ = in_call(DigitsMode.TELEPHONE_EVENT, INFORMS, events=False)
    stage.do(SendDigits("c", "5"))
    assert (played(stage), stage.heard(), notices(stage)) == ([], [], [FailureKind.NOT_ACCEPTABLE])


# When


def test_a_comma_waits_one_second_and_a_semicolon_two() -> None:
    stage, _ = in_call()
    stage.do(SendDigits("c", "12,,5;#"))
    assert gone_out(stage) == "1"
    one = digit_seconds(20)
    for wait, sent in ((one, "12"), (one + 1.9, "12"), (0.15, "125"), (one + 1.8, "125"), (0.2, "125#")):
        stage.wait(wait)
        assert gone_out(stage) == sent
    stage.wait(10)
    assert [digit for _, digit in played(stage)] == ["1", "2", "5", "#"]


def test_several_commands_stand_in_one_queue() -> None:
    stage, _ = in_call()
    for digits in ("1,2", "3", "4"):
        stage.do(SendDigits("c", digits))
    stage.wait(5)
    assert gone_out(stage) == "1234"


@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_a_digit_takes_as_long_as_the_media_needs(ptime: int) -> None:
    """Tone and pause of 100 ms each and the end packets, in whole packets."""
    assert digit_seconds(ptime) >= 0.2 + 2 * ptime / 1000
    assert digit_seconds(ptime) < 0.2 + 5 * ptime / 1000


def test_digits_wait_while_the_other_side_holds() -> None:
    stage, invite = in_call()
    theirs = their_session(seed=11)
    hold = stage.from_callee(invite, "INVITE", 2, theirs.create_offer(Direction.SENDONLY))
    stage.say(hold)
    stage.say(stage.from_callee(invite, "ACK", 2))
    stage.do(SendDigits("c", "12"))
    stage.wait(10)
    assert gone_out(stage) == ""
    theirs.receive_answer(stage.last_response(200).body)
    stage.say(stage.from_callee(invite, "INVITE", 3, theirs.create_offer(Direction.SENDRECV)))
    stage.wait(1)
    assert gone_out(stage) == "12"


def test_the_queue_ends_with_the_call() -> None:
    stage, _ = in_call()
    stage.do(SendDigits("c", "1,,,,,2"))
    stage.do(HangUp("c"))
    stage.reply(stage.last("BYE"), 200)
    stage.settled()
    assert gone_out(stage) == "1"


# Refused


@pytest.mark.parametrize("digits", ["", "12x", "1 2", "٣", "1" * (MAX_QUEUED + 1)])
def test_what_cannot_be_sent_is_said(digits: str) -> None:
    stage, _ = in_call()
    stage.do(SendDigits("c", digits))
    assert (notices(stage), gone_out(stage)) == ([FailureKind.USAGE], "")


def test_the_queue_is_bounded() -> None:
    stage, _ = in_call()
    stage.do(SendDigits("c", "," * MAX_QUEUED))
    stage.do(SendDigits("c", "1" * MAX_QUEUED))
    assert notices(stage) == [FailureKind.USAGE]


def test_before_the_answer_there_is_nobody_to_hear_them() -> None:
    stage = Stage().registered()
    stage.do(Dial("c", "bob"))
    stage.do(SendDigits("c", "1"))
    assert notices(stage) == [FailureKind.USAGE]


# INFO out


def test_info_carries_one_digit_after_the_other() -> None:
    stage, _ = in_call(DigitsMode.INFO)
    stage.do(SendDigits("c", "1*"))
    info = stage.last("INFO")
    assert info.headers.get("Content-Type") == "application/dtmf-relay"
    assert info.body == b"Signal=1\r\nDuration=100\r\n"
    stage.wait(2)
    assert (stage.heard().count("INFO"), gone_out(stage)) == (1, "")
    stage.reply(info, 200)
    assert gone_out(stage) == "1"
    stage.wait(0.3)
    assert stage.last("INFO").body == b"Signal=*\r\nDuration=100\r\n"
    stage.reply(stage.last("INFO"), 200)
    assert gone_out(stage) == "1*"
    stage.wait(10)
    assert "INFO" not in stage.heard()[1:]


def test_info_is_sent_again_with_credentials() -> None:
    stage, _ = in_call(DigitsMode.INFO)
    stage.do(SendDigits("c", "1"))
    stage.reply(stage.last("INFO"), 407, PROXY_CHALLENGE)
    assert stage.last("INFO").headers.get("Proxy-Authorization") is not None
    stage.reply(stage.last("INFO"), 200)
    assert gone_out(stage) == "1"


@pytest.mark.parametrize("status", [405, 415, 500])
def test_a_refused_info_ends_the_queue_in_words(status: int) -> None:
    """The rest would be another number."""
    stage, _ = in_call(DigitsMode.INFO)
    stage.do(SendDigits("c", "123"))
    stage.reply(stage.last("INFO"), status)
    stage.heard()
    stage.wait(10)
    assert (stage.heard(), gone_out(stage), len(notices(stage))) == ([], "", 1)
    stage.do(SendDigits("c", "4"))
    assert stage.heard() == ["INFO"]


def test_a_lost_flow_ends_the_queue_in_words() -> None:
    stage, _ = in_call(DigitsMode.INFO)
    stage.do(SendDigits("c", "123"))
    stage.cut()
    assert notices(stage) == [FailureKind.CONNECTION_LOST]


# INFO in


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= *\nDuration= 250\n", "*"),
        ("application/dtmf-relay", b"Duration=100\r\nsignal=d", "D"),
        ("application/dtmf-relay", b"Signal=11\r\n", "#"),
        ("Application/DTMF-Relay;x=y", b"Signal=0\r\n", "0"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b" # \r\n", "#"),
        ("application/dtmf", b"10", "*"),
        ("application/dtmf-relay", dtmf_relay("A", 100), "A"),
    ],
)
def test_a_digit_by_info_is_heard(kind: str, body: bytes, digit: str) -> None:
    stage, invite = in_call()
    stage.say(stage.from_callee(invite, "INFO", 2, body).replace(b"application/sdp", kind.encode()))
    assert stage.heard() == ["200 to INFO"]
    assert stage.of(DigitPressed) == [DigitPressed("c", digit)]


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        ("application/dtmf-relay", b"Signal=16\r\n", 400),  # a hook flash
        ("application/dtmf-relay", b"Signal=\r\n", 400),
        ("application/dtmf-relay", b"Signal=5 6\r\n", 400),
        ("application/dtmf-relay", b"Signal=5\r\n" + b" " * 600, 400),
        ("application/dtmf-relay", b"\xff\x00" * 100, 400),
        ("application/dtmf", b"55", 400),
        ("application/dtmf", b"d=5\r\nd=6", 400),
        ("application/sdp", b"v=0\r\n", 415),
        ("text/plain", b"5", 415),
    ],
)
def test_what_is_no_digit_is_answered_and_not_heard(kind: str, body: bytes, answer: int) -> None:
    stage, invite = in_call()
    stage.say(stage.from_callee(invite, "INFO", 2, body).replace(b"application/sdp", kind.encode()))
    assert stage.heard() == [f"{answer} to INFO"]
    assert stage.of(DigitPressed) == []


def test_info_without_a_body_is_a_sign_of_life() -> None:
    stage, invite = in_call()
    stage.say(stage.from_callee(invite, "INFO", 2))
    assert stage.heard() == ["200 to INFO"]


def test_an_info_package_is_refused() -> None:
    """RFC 6086 §4.2.2: no package was offered in Recv-Info."""
    stage, invite = in_call()
    info = stage.from_callee(invite, "INFO", 2).replace(b"Content-Length:", b"Info-Package: foo\r\nContent-Length:")
    stage.say(info)
    assert stage.heard() == ["469 to INFO"]
    assert stage.last_response(469).headers.get("Recv-Info") == ""


def test_info_without_a_call_is_refused_and_allow_names_it() -> None:
    stage = Stage().registered()
    stage.say(stage.request("INFO", to_tag="x"))
    assert stage.heard() == ["481 to INFO"]
    assert "INFO" in (stage.dial().headers.get("Allow") or "").split(", ")


def test_a_telephone_event_is_heard_too() -> None:
    stage, _ = in_call()
    stage.give(DigitReceived(stage.agent.calls["c"].media.id, "9"))
    assert stage.of(DigitPressed) == [DigitPressed("c", "9")]
