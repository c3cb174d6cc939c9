"""What the phone says to requests that are no call (RFC 3261 §8.2, §11)."""

from __future__ import annotations

import pytest

from softphone.sip.header_values import to_addr
from softphone.ua.responses import ALLOW
from tests.playbook.stage import Stage, their_session


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"method": "PUBLISH"}, 405),
        ({"method": "REGISTER"}, 405),
        ({"method": "OPTIONS", "uri": "http:x"}, 416),
        ({"method": "OPTIONS", "uri": "sip:mallory@192.0.2.1"}, 404),
        ({"method": "OPTIONS", "uri": "tel:+4930"}, 404),
        ({"method": "OPTIONS", "uri": "sip:192.0.2.1"}, 200),
        ({"method": "OPTIONS"}, 200),
        ({"method": "OPTIONS", "to_tag": "nobody"}, 481),
        ({"method": "BYE"}, 481),
        ({"method": "BYE", "to_tag": "nobody"}, 481),
        ({"method": "INVITE", "to_tag": "nobody"}, 481),
        ({"method": "CANCEL"}, 481),
        ({"method": "INVITE", "body": b"x", "content_type": "text/plain"}, 415),
        ({"method": "INVITE", "body": b"v=0\r\nthis is no SDP\r\n"}, 400),
    ],
    ids=lambda value: str(value)[:60],
)
def test_each_request_gets_its_status_and_a_to_tag(stage: Stage, data: dict[str, str], status: int) -> None:
    stage.say(stage.request(**data))  # type: ignore[arg-type]
    assert stage.heard() == [f"{status} to {data['method']}"]
    assert to_addr(stage.last_response()).tag is not None
    assert not stage.agent.calls


def test_an_unknown_method_is_told_the_known_ones(stage: Stage) -> None:
    stage.say(stage.request("PUBLISH"))
    assert stage.last_response(405).headers.get("Allow") == ALLOW
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE"} <= set(ALLOW.split(", "))


def test_a_required_extension_is_named_as_unsupported(stage: Stage) -> None:
    stage.say(stage.request("INVITE", ("Require", "100rel, precondition, timer, sec-agree")))
    assert stage.last_response(420).headers.get("Unsupported") == "precondition, sec-agree"


def test_options_say_what_we_can_do(stage: Stage) -> None:
    stage.say(stage.request("OPTIONS"))
    headers = stage.last_response(200).headers
    assert headers.get("Accept") == "application/sdp"
    assert headers.get("Allow") is not None


def test_the_same_request_by_two_ways_is_a_loop(stage: Stage) -> None:
    body = their_session().create_offer()
    stage.say(stage.request("INVITE", body=body, branch="z9hG4bK-one"))
    stage.say(stage.request("INVITE", body=body, branch="z9hG4bK-two"))
    assert stage.heard() == ["180 to INVITE", "482 to INVITE"]


def test_an_optional_body_of_another_kind_is_an_invite_without_offer(stage: Stage) -> None:
    optional = ("Content-Disposition", "render;handling=optional")
    stage.say(stage.request("INVITE", optional, body=b"hello", content_type="text/plain"))
    assert stage.heard() == ["180 to INVITE"]


@pytest.mark.parametrize(
    ("damage", "answer"),
    [
        ((b"CSeq: 1 INVITE", b"CSeq: 1 BYE"), ["400 to BYE"]),
        ((b"Contact: <sip:", b"Contact: <<"), ["400 to INVITE"]),
        ((b"Contact: <sip:bob@192.0.2.9:5061;transport=tls>\r\n", b""), ["400 to INVITE"]),
        ((b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), ["505 to INVITE"]),
        ((b"INVITE sip:alice@", b"INVITE  sip:alice@"), ["400 to INVITE"]),
    ],
)
def test_a_malformed_request_is_answered_and_forgotten(
    stage: Stage, damage: tuple[bytes, bytes], answer: list[str]
) -> None:
    message = stage.request("INVITE", body=their_session().create_offer())
    assert damage[0] in message
    stage.say(message.replace(*damage))
    assert stage.heard() == answer
    assert not stage.agent.calls
    stage.say(stage.request("OPTIONS"))
    assert stage.heard() == ["200 to OPTIONS"]


def test_a_malformed_ack_or_response_is_never_answered(stage: Stage) -> None:
    stage.say(stage.request("ACK").replace(b"Contact: <sip:", b"Contact: <<"))
    stage.say(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS x\r\nContent-Length: 0\r\n\r\n")
    stage.say(b"SIP/2.0 999 OK\r\nContent-Length: 0\r\n\r\n")
    assert stage.heard() == []


def test_a_flood_of_invites_leaves_room_for_a_bye(stage: Stage) -> None:
    body = their_session().create_offer()
    for number in range(200):
        stage.say(stage.request("INVITE", body=body, call_id=f"flood-{number}"))
    assert "503 to INVITE" in stage.heard()
    stage.say(stage.request("BYE", to_tag="x"))
    assert stage.heard() == ["481 to BYE"]
    assert len(stage.agent.calls) == stage.account.rules.max_calls
