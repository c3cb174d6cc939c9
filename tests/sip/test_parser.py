"""From octets to messages and back (RFC 3261 §7, §18.3)."""

from __future__ import annotations

import pytest

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.sip.header_values import from_addr
from softphone.sip.limits import MAX_BODY, MAX_HEADER_BLOCK, MAX_HEADER_FIELDS, MAX_LINE_LENGTH
from softphone.sip.message import Headers, Request, Response
from softphone.sip.parser import MalformedRequest, parse_message
from softphone.sip.uri import OtherUri, SipUri

# RFC 3261 §24.2, F1.
INVITE = b"""INVITE sip:bob@biloxi.com SIP/2.0\r
Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8\r
Max-Forwards: 70\r
To: Bob <sip:bob@biloxi.com>\r
From: Alice <sip:alice@atlanta.com>;tag=1928301774\r
Call-ID: a84b4c76e66710\r
CSeq: 314159 INVITE\r
Contact: <sip:alice@pc33.atlanta.com>\r
Content-Type: application/sdp\r
Content-Length: 4\r
\r
v=0\n"""

# RFC 3261 §24.2, F11.
OK = b"""SIP/2.0 200 OK\r
Via: SIP/2.0/UDP server10.biloxi.com;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.3\r
Via: SIP/2.0/UDP bigbox3.site3.atlanta.com;branch=z9hG4bK77ef4c2312983.1;received=192.0.2.2\r
To: Bob <sip:bob@biloxi.com>;tag=a6c85cf\r
From: Alice <sip:alice@atlanta.com>;tag=1928301774\r
Call-ID: a84b4c76e66710\r
CSeq: 314159 INVITE\r
Contact: <sip:bob@192.0.2.4>\r
Content-Length: 0\r
\r
"""


def with_line(line: bytes) -> bytes:
    return INVITE.replace(b"Max-Forwards: 70", line)


def refused(data: bytes) -> MalformedRequest:
    with pytest.raises(MalformedRequest) as caught:
        parse_message(data)
    return caught.value


def test_the_rfcs_invite_is_read() -> None:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.body) == ("INVITE", SipUri("sip", "biloxi.com", user="bob"), b"v=0\n")
    assert message.headers.get("max-forwards") == "70"
    assert "Content-Length" not in message.headers


def test_the_rfcs_200_is_read() -> None:
    message = parse_message(OK)
    assert isinstance(message, Response)
    assert (message.status, message.reason, len(message.headers.get_all("Via"))) == (200, "OK", 2)


@pytest.mark.parametrize("data", [INVITE, OK])
def test_a_written_message_reads_the_same(data: bytes) -> None:
    message = parse_message(data)
    assert parse_message(message.to_bytes()) == message


def test_octets_that_are_not_utf8_leave_as_they_came() -> None:
    data = INVITE.replace(b"From: Alice", b'From: "J\xf6rg"')
    message = parse_message(data)
    assert b'From: "J\xf6rg" <' in message.to_bytes()
    assert from_addr(message).display_name == "J\ufffdrg"


def test_a_value_with_a_line_break_is_never_written() -> None:
    request = Request("OPTIONS", SipUri("sip", "h"), Headers([("Subject", "a\r\nVia: b")]))
    with pytest.raises(LocalProtocolError):
        request.to_bytes()


def test_empty_lines_before_a_message_are_ignored() -> None:
    assert parse_message(b"\r\n\r\n\r\n" + INVITE) == parse_message(INVITE)


def test_folded_lines_are_joined_by_one_space_and_compact_names_are_long() -> None:
    message = parse_message(with_line(b"s:  one \r\n\t two\r\n   three"))
    assert message.headers.get("Subject") == "one two three"


def test_without_content_length_the_body_is_the_rest() -> None:
    message = parse_message(INVITE.replace(b"Content-Length: 4\r\n", b"") + b"more")
    assert message.body == b"v=0\nmore"


def test_octets_after_the_body_are_ignored() -> None:
    assert parse_message(INVITE + b"INVITE sip:x@y SIP/2.0\r\n") == parse_message(INVITE)


def test_a_reason_phrase_may_be_missing() -> None:
    for line in (b"SIP/2.0 200 \r\n", b"SIP/2.0 200\r\n"):
        message = parse_message(OK.replace(b"SIP/2.0 200 OK\r\n", line))
        assert isinstance(message, Response)
        assert message.reason == ""


def test_an_unknown_method_is_a_request() -> None:
    message = parse_message(INVITE.replace(b"INVITE", b"sNoOp"))
    assert isinstance(message, Request)
    assert message.method == "sNoOp"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505),
        (INVITE.replace(b"SIP/2.0\r\nVia", b"HTTP/1.1\r\nVia"), 400),
        (INVITE.replace(b"INVITE sip:bob@biloxi.com", b"INVITE sip:bob@biloxi.com?a=b"), 400),
        (INVITE.replace(b"INVITE sip:bob@biloxi.com", b"INVITE " + b"sip:" + b"b" * 5000 + b"@biloxi.com"), 414),
        (INVITE.replace(b"CSeq: 314159 INVITE", b"CSeq: 314159 BYE"), 400),
        (INVITE.replace(b"Content-Length: 4", b"Content-Length: 5"), 400),
        (INVITE.replace(b"Content-Length: 4", b"Content-Length: -4"), 400),
        (INVITE.replace(b"Content-Length: 4", b"Content-Length: 4\r\nl: 4"), 400),
        (INVITE.replace(b"Content-Length: 4", b"Content-Length: %d" % (MAX_BODY + 1)), 513),
        (INVITE.replace(b"Content-Length: 4", b"Content-Length: " + b"9" * 5000), 513),
        (INVITE.replace(b"Content-Length: 4\r\n", b"") + b"x" * MAX_BODY, 513),
        (INVITE.replace(b"application/sdp", b"sdp"), 400),
        (INVITE.replace(b"Contact: <", b"Contact: <<"), 400),
        (with_line(b"Record-Route: <sip:p"), 400),
        (with_line(b"Require: a b"), 400),
        (with_line(b"Via: SIP/2.0/UDP second;;"), 400),
        (with_line(b"Subject: " + b"x" * (MAX_LINE_LENGTH + 1)), 513),
        (with_line(b"X-A: b\r\n" * MAX_HEADER_FIELDS + b"X-A: b"), 513),
        (with_line(b"Subject: a\nb: c"), 400),
        (with_line(b"Subject: a\rb: c"), 400),
        (with_line(b"no colon"), 400),
        (with_line(b"bad name: x"), 400),
    ],
)
def test_a_request_outside_of_the_rules_is_refused_with_its_status(data: bytes, status: int) -> None:
    assert refused(data).status_hint == status


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_a_request_without_a_mandatory_field_has_no_partial_request(name: bytes) -> None:
    lines = [line for line in INVITE.split(b"\r\n") if not line.startswith(name + b":")]
    error = refused(b"\r\n".join(lines))
    assert error.partial is None
    assert name.decode() in error.reason


@pytest.mark.parametrize("name", [b"From", b"To", b"Call-ID", b"CSeq", b"Max-Forwards", b"Content-Type"])
def test_a_field_that_may_stand_once_is_refused_twice(name: bytes) -> None:
    line = next(line for line in INVITE.split(b"\r\n") if line.startswith(name + b":"))
    assert name.decode() in refused(INVITE.replace(line, line + b"\r\n" + line)).reason


def test_a_refused_request_carries_what_is_needed_to_answer_it() -> None:
    error = refused(INVITE.replace(b"Content-Length: 4", b"Content-Length: 5"))
    assert error.partial is not None
    assert (error.partial.method, str(error.partial.uri)) == ("INVITE", "sip:bob@biloxi.com")
    assert error.answer is not None
    assert error.answer.to_bytes() == (
        b"SIP/2.0 400 Bad Request\r\n"
        b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8\r\n"
        b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
        b"To: Bob <sip:bob@biloxi.com>\r\n"
        b"Call-ID: a84b4c76e66710\r\n"
        b"CSeq: 314159 INVITE\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_an_unreadable_request_line_leaves_the_headers_readable() -> None:
    error = refused(INVITE.replace(b"INVITE sip:bob@biloxi.com", b"INVITE <sip:bob@biloxi.com>"))
    assert error.partial is not None
    assert isinstance(error.partial.uri, OtherUri)


def test_a_broken_ack_is_never_answered() -> None:
    error = refused(INVITE.replace(b"INVITE", b"ACK").replace(b"Content-Length: 4", b"Content-Length: 5"))
    assert error.answer is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"INVITE sip:bob@biloxi.com SIP/2.0\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b" INVITE sip:a@b SIP/2.0\r\n\r\n",
        OK.replace(b"SIP/2.0 200", b"SIP/2.0 099"),
        OK.replace(b"SIP/2.0 200", b"SIP/2.0 700"),
        OK.replace(b"SIP/2.0 200", b"SIP/2.0 20"),
        OK.replace(b"SIP/2.0 200", b"SIP/3.0 200"),
        OK.replace(b"CSeq: 314159", b"CSeq: x"),
        OK.replace(b"To: Bob", b"To: x@y\r\nTo: Bob"),
        b"OPTIONS sip:a SIP/2.0\r\n" + b"a" * MAX_HEADER_BLOCK + b"\r\n\r\n",
    ],
)
def test_what_is_no_message_or_a_broken_response_has_nothing_to_answer(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data)
    assert not isinstance(caught.value, MalformedRequest)


def test_a_foreign_contact_does_not_spoil_a_response() -> None:
    assert isinstance(parse_message(OK.replace(b"<sip:bob@192.0.2.4>", b"??")), Response)
