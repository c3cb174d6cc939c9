"""SIP MESSAGE by the book of RFC 3428: sent in order, answered when taken, refused in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.sip.message import Request
from softphone.ua.account import CallRules
from softphone.ua.commands import RemoveAccount, SendInstantMessage, Shutdown
from softphone.ua.events import DeliveryState, MessageDelivery, MessageReceived, Party
from softphone.ua.instant_messages import BURST, MAX_OUTSTANDING, MAX_RECEIVED, MAX_SENT
from tests.playbook.stage import CHALLENGE, Stage, in_words


@pytest.fixture
def stage() -> Stage:
    return Stage().registered(10**6)


def send(stage: Stage, text: str = "Watson, come here.", target: str = "bob", message_id: str = "m") -> None:
    stage.do(SendInstantMessage(message_id, target, text))


def deliveries(stage: Stage) -> list[DeliveryState]:
    return [event.state for event in stage.of(MessageDelivery)]


def failure(stage: Stage) -> str:
    said = stage.of(MessageDelivery)[-1]
    assert said.state is DeliveryState.FAILED
    assert said.failure is not None
    assert said.failure.remedy
    return said.failure.reason


# Out: RFC 3428 §10


def test_a_message_is_sent_and_delivered(stage: Stage) -> None:
    send(stage)
    message = stage.last("MESSAGE")  # F1
    assert str(message.uri) == "sip:bob@lab.test"
    assert message.body == b"Watson, come here."
    assert message.headers.get("Content-Type") == "text/plain;charset=UTF-8"
    assert "Contact" not in message.headers  # §4
    assert "tag=" in (message.headers.get("From") or "")
    stage.reply(message, 200)  # F4
    assert deliveries(stage) == [DeliveryState.SENDING, DeliveryState.DELIVERED]
    assert stage.of(MessageDelivery)[-1].remote == Party("sip:bob@lab.test")
    stage.settled()


def test_what_a_server_keeps_for_later_is_accepted_and_not_delivered(stage: Stage) -> None:
    send(stage)
    stage.reply(stage.last("MESSAGE"), 202)
    assert deliveries(stage)[-1] is DeliveryState.ACCEPTED


def test_a_challenge_is_answered_with_the_same_text(stage: Stage) -> None:
    send(stage, "grüß dich ☕")
    stage.reply(stage.last("MESSAGE"), 401, CHALLENGE)
    again = stage.last("MESSAGE")
    assert "Authorization" in again.headers
    assert again.body.decode() == "grüß dich ☕"
    stage.reply(again, 200)
    assert deliveries(stage)[-1] is DeliveryState.DELIVERED


def test_messages_to_one_address_go_one_after_the_other(stage: Stage) -> None:
    for number in range(3):
        send(stage, f"{number}", message_id=str(number))
    send(stage, "to another", "carol")
    assert [in_words(m) for m in stage.sent].count("MESSAGE") == 2
    for number in range(3):
        message = next(m for m in reversed(stage.sent) if isinstance(m, Request) and m.body == b"%d" % number)
        stage.reply(message, 200 if number != 1 else 486)
    said = {event.message_id: event.state for event in stage.of(MessageDelivery)}
    assert [said[key] for key in "012"] == [DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.DELIVERED]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "forbids this message"),
        (404, "Nobody is known"),
        (405, "takes no messages"),
        (413, "too long for the other side"),
        (415, "does not read plain text"),
        (480, "not reachable just now"),
        (486, "was not delivered"),
        (503, "was not delivered"),
        (603, "does not want this message"),
        (302, "was not delivered"),
    ],
)
def test_a_refusal_is_said_in_words(stage: Stage, status: int, words: str) -> None:
    send(stage)
    stage.reply(stage.last("MESSAGE"), status)
    assert words in failure(stage)
    assert stage.of(MessageDelivery)[-1].failure.status == status  # type: ignore[union-attr]
    stage.settled()


def test_silence_is_a_failure_and_the_next_message_goes_out(stage: Stage) -> None:
    send(stage, "1", message_id="1")
    send(stage, "2", message_id="2")
    stage.wait(33)
    assert "did not answer the message" in failure(stage)
    stage.reply(stage.last("MESSAGE"), 200)
    assert deliveries(stage)[-1] is DeliveryState.DELIVERED


def test_a_lost_flow_fails_what_was_sent_and_what_waited(stage: Stage) -> None:
    for number in range(3):
        send(stage, "x", message_id=str(number))
    stage.cut()
    assert deliveries(stage)[-3:] == [DeliveryState.FAILED] * 3
    assert {event.message_id for event in stage.of(MessageDelivery)[-3:]} == {"0", "1", "2"}
    stage.settled()


def test_a_removed_account_fails_what_was_on_its_way(stage: Stage) -> None:
    send(stage, "1", message_id="1")
    send(stage, "2", message_id="2")
    stage.do(RemoveAccount("a"))
    assert deliveries(stage)[-2:] == [DeliveryState.FAILED] * 2


def test_what_cannot_be_sent_is_refused_before_anything_leaves(stage: Stage) -> None:
    for text, words in (
        (" \n", "empty"),
        ("ä" * (MAX_SENT // 2 + 1), f"{MAX_SENT + 2} octets"),
        ("\udcff", "no text"),
    ):
        send(stage, text)
        assert words in failure(stage)
    send(stage, target="sip:bob@lab.test;transport=udp")
    assert "unprotected transport" in failure(stage)
    send(stage, target="bob smith")
    assert stage.of(MessageDelivery)[-1].failure.kind is FailureKind.USAGE  # type: ignore[union-attr]
    stage.do(SendInstantMessage("m", "bob", "x", "no such account"))
    assert "no account" in failure(stage)
    assert "MESSAGE" not in stage.heard()
    send(stage, "ä" * (MAX_SENT // 2))
    assert stage.heard() == ["MESSAGE"]


def test_nothing_is_sent_without_a_connection(stage: Stage) -> None:
    stage.reachable = False
    stage.cut()
    send(stage)
    assert "not connected" in failure(stage)


def test_not_more_than_a_page_of_messages_waits(stage: Stage) -> None:
    for number in range(MAX_OUTSTANDING + 1):
        send(stage, message_id=str(number))
    assert "Too many messages" in failure(stage)
    assert stage.of(MessageDelivery)[-1].message_id == str(MAX_OUTSTANDING)


def test_a_phone_that_shuts_down_sends_nothing_more(stage: Stage) -> None:
    stage.do(Shutdown())
    send(stage)
    assert "shutting down" in failure(stage)


# In


def say(stage: Stage, body: bytes, content_type: str = "text/plain", *headers: tuple[str, str]) -> int:
    stage.say(
        stage.request("MESSAGE", *headers, body=body, content_type=content_type, call_id=f"text-{len(stage.sent)}")
    )
    return stage.last_response().status


def texts(stage: Stage) -> list[str]:
    return [event.text for event in stage.of(MessageReceived)]


def test_a_message_that_comes_is_told_and_answered(stage: Stage) -> None:
    assert say(stage, b"Watson, come here.") == 200
    (came,) = stage.of(MessageReceived)
    assert (came.account_id, came.remote, came.text) == ("a", Party("sip:bob@lab.test", "Bob"), "Watson, come here.")
    assert "Contact" not in stage.last_response(200).headers
    stage.settled()


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "größer ☕".encode(), "größer ☕"),
        ("text/plain;charset=utf-8", "größer ☕".encode(), "größer ☕"),
        ('text/plain; charset="UTF-8"; format=flowed', "größer".encode(), "größer"),
        ("text/plain;charset=ISO-8859-1", "größer".encode("latin-1"), "größer"),
        ("text/plain;charset=us-ascii", b"larger", "larger"),
        ("text/plain", b"one\r\ntwo\rthree\tfour", "one\ntwo\nthree four"),
    ],
)
def test_charsets_and_line_ends_are_read(stage: Stage, content_type: str, body: bytes, text: str) -> None:
    assert say(stage, body, content_type) == 200
    assert texts(stage) == [text]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/html", b"<b>x</b>", 415),
        ("message/cpim", b"x", 415),
        ("text/plain;charset=utf-7", b"+ADw-", 415),
        ("text/plain;charset=rot13", b"x", 415),
        ("text/plain;charset=utf-8", b"\xff\xfe", 400),
        ("text/plain;charset=us-ascii", b"\xe4", 400),
        ("text/plain", b"x" * (MAX_RECEIVED + 1), 413),
    ],
)
def test_what_cannot_be_read_is_refused(stage: Stage, content_type: str, body: bytes, status: int) -> None:
    assert say(stage, body, content_type) == status
    assert texts(stage) == []
    if status == 415:
        assert "text/plain" in (stage.last_response(415).headers.get("Accept") or "")


def test_an_empty_message_is_taken_and_not_shown(stage: Stage) -> None:
    assert say(stage, b"") == 200
    assert say(stage, b"\r\n \r\n") == 200
    assert texts(stage) == []


def test_what_changes_how_text_reads_is_made_visible(stage: Stage) -> None:
    say(stage, "evil\u202etxt.exe\x1b[2J\x00\u2066x\u2028y 👨\u200d👩\u200d👧".encode())
    assert texts(stage) == ["evil·txt.exe·[2J··x\ny 👨\u200d👩\u200d👧"]


def test_a_message_for_somebody_else_is_refused(stage: Stage) -> None:
    stage.say(stage.request("MESSAGE", uri="sip:carol@192.0.2.1", body=b"x", content_type="text/plain"))
    assert stage.last_response().status == 404


def test_who_may_not_call_may_not_write(stage: Stage) -> None:
    stage.account = replace(stage.account, rules=CallRules(deny=("bob@lab.test",)))
    stage = Stage.registered(_with(stage))
    assert say(stage, b"buy!") == 603
    assert texts(stage) == []


def _with(stage: Stage) -> Stage:
    fresh = Stage()
    fresh.account = stage.account
    return fresh


def test_a_flood_is_held_back(stage: Stage) -> None:
    answers = [say(stage, b"%d" % number) for number in range(BURST + 30)]
    assert answers == [200] * BURST + [480] * 30
    assert stage.last_response(480).headers.get("Retry-After") == "10"
    stage.wait(3)
    assert [say(stage, b"later") for _ in range(5)] == [200] * 3 + [480] * 2


def test_a_message_in_a_call_is_taken(stage: Stage) -> None:
    invite, _ = stage.in_call()
    message = stage.from_callee(invite, "MESSAGE", 7, body=b"look here").replace(b"application/sdp", b"text/plain")
    stage.say(message)
    assert stage.last_response().status == 200
    assert texts(stage) == ["look here"]


def test_the_phone_says_that_it_takes_messages(stage: Stage) -> None:
    stage.say(stage.request("OPTIONS"))
    headers = stage.last_response(200).headers
    assert "MESSAGE" in (headers.get("Allow") or "")
    assert headers.get("Allow-Events") == "refer"
