"""What a trace may show: never a key, a nonce or an escape sequence, however the octets arrive."""

import io

import pytest

from softphone.engine.trace import Trace

KEY = b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
CHALLENGE = (
    b'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x",\r\n nonce="dcd98b7102dd"\r\n'
    b"Content-Length: 0\r\n\r\n"
)
BODY = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY + b"\r\n"
INVITE = b"INVITE sip:a@b SIP/2.0\r\nc: application/sdp\r\nl: %d\r\n\r\n" % len(BODY) + BODY


def traced(*reads: bytes) -> str:
    out = io.StringIO()
    trace = Trace(out)
    for read in reads:
        trace.received("1", read)
    return out.getvalue()


@pytest.mark.parametrize("at", range(1, len(INVITE)))
def test_a_key_is_masked_wherever_the_message_is_cut_into_reads(at: int) -> None:
    shown = traced(INVITE[:at], INVITE[at:])
    assert "inline:***" in shown
    assert not any(KEY[i : i + 6].decode() in shown for i in range(len(KEY) - 6))


def test_every_message_of_one_read_is_redacted() -> None:
    shown = traced(CHALLENGE + INVITE + CHALLENGE)
    assert shown.count("401 Unauthorized") == 2
    assert "dcd98b" not in shown
    assert KEY.decode() not in shown


def test_a_stream_that_is_no_sip_is_noted_and_not_shown() -> None:
    shown = traced(CHALLENGE + b"\x00a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY, KEY)
    assert "401 Unauthorized" in shown
    assert "no SIP message" in shown
    assert KEY.decode() not in shown


def test_a_peers_escape_sequences_do_not_reach_the_terminal_of_who_reads_a_trace() -> None:
    shown = traced(b"SIP/2.0 404 \x1b]0;owned\x07 \xc2\x9b2J\r\nContent-Length: 0\r\n\r\n")
    assert not any(character in shown for character in "\x1b\x07\x9b")
    assert "\\x1b]0;owned" in shown


@pytest.mark.parametrize("name", [b"Content-Type", b"c", b"CONTENT-TYPE "])
def test_what_people_write_to_each_other_is_not_shown(name: bytes) -> None:
    text = b"the code is 4711"
    shown = traced(
        b"MESSAGE sip:a@b SIP/2.0\r\n%s: text/plain;charset=UTF-8\r\nl: %d\r\n\r\n" % (name, len(text)) + text
    )
    assert "4711" not in shown
    assert "[text of 16 octets]" in shown


@pytest.mark.parametrize(
    "head",
    [
        b"MESSAGE sip:a@b SIP/2.0\r\nContent-Type:\r\n text/plain\r\n",
        b"MESSAGE sip:a@b SIP/2.0\r\nContent-Type: text/html\r\n",
        b"MESSAGE sip:a@b SIP/2.0\r\nContent-Type: message/cpim\r\n",
        b"INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n",
        b"INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf\r\n",
        b"SIP/2.0 200 OK\r\nCSeq: 7 INFO\r\nContent-Type: application/octet-stream\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nContent-Type: multipart/mixed;boundary=x\r\n",
    ],
)
def test_neither_are_texts_of_other_types_nor_the_digits_that_people_press(head: bytes) -> None:
    """A digit by INFO may be one of a PIN."""
    text = b"Signal=4711\r\nDuration=160\r\n"
    shown = traced(head + b"Content-Length: %d\r\n\r\n" % len(text) + text)
    assert "4711" not in shown
    assert "[text of 27 octets]" in shown
