"""Messages and keep-alives on a stream (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

from __future__ import annotations

import pytest

from softphone.sip.framing import FlowEnd, FramingError, KeepAlive, StreamFramer
from softphone.sip.limits import MAX_BODY, MAX_HEADER_BLOCK

SHORT = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
LONG = b"MESSAGE sip:a SIP/2.0\r\nl : 4\r\nSubject: x\r\n\r\n\r\n\r\n"
FOLDED = b"MESSAGE sip:a SIP/2.0\r\nContent-Length:\r\n 2\r\nX: y\r\n 9\r\n\r\nhi"
PING, PONG = KeepAlive.PING, KeepAlive.PONG


def test_messages_are_cut_by_their_content_length_in_every_form() -> None:
    assert StreamFramer().feed(SHORT + LONG + FOLDED + SHORT) == [SHORT, LONG, FOLDED, SHORT]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
def test_the_cuts_do_not_depend_on_how_the_octets_arrive(size: int) -> None:
    stream = SHORT + LONG + FOLDED
    framer = StreamFramer()
    items = [item for start in range(0, len(stream), size) for item in framer.feed(stream[start : start + size])]
    assert items == [SHORT, LONG, FOLDED]


def test_a_message_comes_as_soon_as_its_last_octet() -> None:
    framer = StreamFramer()
    assert framer.feed(LONG[:-1]) == []
    assert framer.feed(LONG[-1:]) == [LONG]


def test_on_a_flow_that_we_opened_a_crlf_is_a_pong_at_once() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [PONG]
    assert framer.feed(b"\r\n") == [PONG]
    assert framer.feed(b"\r\n" + SHORT + b"\r\n") == [PONG, SHORT, PONG]


def test_a_double_crlf_is_a_ping() -> None:
    assert StreamFramer().feed(b"\r\n\r\n") == [PING]
    assert StreamFramer(FlowEnd.ACCEPTED).feed(b"\r\n\r\n" + SHORT + b"\r\n\r\n") == [PING, SHORT, PING]


def test_on_a_flow_that_we_accepted_a_ping_may_come_octet_by_octet() -> None:
    framer = StreamFramer(FlowEnd.ACCEPTED)
    assert [framer.feed(bytes([octet])) for octet in b"\r\n\r\n"] == [[], [], [], [PING]]


def test_on_a_flow_that_we_accepted_a_crlf_before_a_message_is_no_ping() -> None:
    framer = StreamFramer(FlowEnd.ACCEPTED)
    assert framer.feed(b"\r\n") == []
    assert framer.feed(SHORT) == [PONG, SHORT]


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0",
        b"OPTIONS sip:a SIP/2.0\r\nc :application/sdp\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1, 1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: +1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0x1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1_0\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\n 1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nX: " + b"x" * MAX_HEADER_BLOCK,
        b"OPTIONS sip:a SIP/2.0\r\nX: " + b"x" * MAX_HEADER_BLOCK + b"\r\nl:0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\n\n",
        b"\rOPTIONS",
    ],
)
def test_a_doubtful_frame_ends_the_flow_for_good(data: bytes) -> None:
    framer = StreamFramer()
    with pytest.raises(FramingError) as caught:
        framer.feed(SHORT + data)
    assert caught.value.complete == (SHORT,)
    with pytest.raises(FramingError):
        framer.feed(SHORT)


def test_a_message_with_neither_length_nor_type_has_no_body() -> None:
    short = b"OPTIONS sip:a SIP/2.0\r\nSubject: x\r\n\r\n"
    assert StreamFramer().feed(short + SHORT + short) == [short, SHORT, short]


def test_the_largest_message_that_is_allowed_passes() -> None:
    start = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: %d\r\nX: " % MAX_BODY
    message = start + b"x" * (MAX_HEADER_BLOCK - len(start)) + b"\r\n\r\n" + b"b" * MAX_BODY
    assert StreamFramer().feed(message) == [message]
