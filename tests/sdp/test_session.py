from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import RemoteProtocolError
from softphone.sdp.session import (
    MAX_BYTES,
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    Attribute,
    SessionDescription,
    parse_session_description,
)

# RFC 8866 §5, the example.
RFC_8866 = b"""v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
t=0 0\r
m=audio 49170 RTP/AVP 0\r
m=audio 49180 RTP/AVP 0\r
m=video 51372 RTP/AVP 99\r
c=IN IP6 2001:db8::2\r
a=rtpmap:99 h263-1998/90000\r
"""
MINIMAL = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def test_the_example_of_rfc_8866_is_read() -> None:
    description = parse_session_description(RFC_8866)
    assert description.origin.username == "jdoe"
    assert description.origin.session_version == "3724394405"
    assert description.connection is not None
    assert description.connection.address == "198.51.100.1"
    assert [(item.media, item.port, item.protocol, item.formats) for item in description.media] == [
        ("audio", 49170, "RTP/AVP", ("0",)),
        ("audio", 49180, "RTP/AVP", ("0",)),
        ("video", 51372, "RTP/AVP", ("99",)),
    ]
    video = description.media[2]
    assert video.connection is not None
    assert video.connection.address == "2001:db8::2"
    assert video.values("rtpmap") == ("99 h263-1998/90000",)


def test_what_is_written_is_read_back_the_same() -> None:
    description = parse_session_description(RFC_8866)
    assert parse_session_description(description.to_bytes()) == description


def test_a_description_is_written_in_the_order_of_the_rfc() -> None:
    letters = [line[:1] for line in parse_session_description(RFC_8866).to_bytes().split(b"\r\n")]
    assert b"".join(letters) == b"vosctmmmca"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_both_line_ends_are_read(ending: bytes) -> None:
    assert parse_session_description(RFC_8866.replace(b"\r\n", ending)) == parse_session_description(RFC_8866)


def test_attributes_before_the_address_and_a_missing_session_name_are_tolerated() -> None:
    description = parse_session_description(
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\na=sendonly\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0\r\na=x-unknown:1\r\nc=IN IP4 192.0.2.10\r\n"
    )
    assert description.connection is not None
    assert description.attributes == (Attribute("sendonly"),)
    assert description.media[0].attributes == (Attribute("x-unknown", "1"),)
    assert description.media[0].connection is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
        b"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        b"v=0\r\n",
        b"v=0\r\ns=-\r\n",
        MINIMAL + b"v=0\r\n",
        MINIMAL + b"o=- 1 1 IN IP4 192.0.2.1\r\n",
        MINIMAL + b"q=1\r\n",
        MINIMAL + b"not a line\r\n",
        MINIMAL + b"M=audio 1 RTP/AVP 0\r\n",
        MINIMAL + b"a=\r\n",
        MINIMAL + b"a=:1\r\n",
        MINIMAL + b"a=x\0y\r\n",
        MINIMAL + b"a=x\ry\r\n",
        MINIMAL + b"c=IN IP4\r\n",
        MINIMAL + b"c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n",
        MINIMAL + b"m=audio\r\n",
        MINIMAL + b"m=audio 4000 RTP/AVP\r\n",
        MINIMAL + b"m=audio 65536 RTP/AVP 0\r\n",
        MINIMAL + b"m=audio -1 RTP/AVP 0\r\n",
        MINIMAL + b"m=audio 4000 RTP//AVP 0\r\n",
        MINIMAL + b"m=audio 4000 RTP/AVP 0 \xc3\xa9\r\n",
        MINIMAL + b"m=audio 4000 RTP/AVP 0\r\ns=-\r\n",
        MINIMAL.replace(b"- 1 1", b"- one 1"),
        MINIMAL.replace(b"- 1 1", b"- 1 " + b"9" * 41),
    ],
)
def test_what_breaks_the_grammar_is_the_peers_error(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_session_description(body)


@pytest.mark.parametrize(
    "body",
    [
        MINIMAL + b"a=x\r\n" * MAX_LINES,
        MINIMAL + b"a=" + b"x" * MAX_BYTES,
        MINIMAL + b"m=audio 1 RTP/AVP 0\r\n" * (MAX_MEDIA + 1),
        MINIMAL + b"m=audio 1 RTP/AVP" + b" 0" * (MAX_FORMATS + 1),
    ],
)
def test_every_limit_holds(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_session_description(body)


def test_as_many_media_lines_and_formats_as_the_limits_say_are_read() -> None:
    description = parse_session_description(
        MINIMAL + (b"m=audio 1 RTP/AVP" + b" 0" * MAX_FORMATS + b"\r\n") * MAX_MEDIA
    )
    assert len(description.media) == MAX_MEDIA


def test_the_largest_description_is_read_in_a_moment() -> None:
    for filler in (b"a=" + b" " * 1000 + b"\r\n", b"a=x:" + b"1 " * 500 + b"\r\n", b"\r\n" * 16):
        body = MINIMAL + filler * 60
        started = time.thread_time()
        with contextlib.suppress(RemoteProtocolError):
            parse_session_description(body)
        assert time.thread_time() - started < 0.5


def test_a_repr_never_shows_a_key() -> None:
    description = parse_session_description(
        MINIMAL
        + b"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
        + b"inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
    )
    assert "WVNf" not in repr(description)
    assert "AES_CM_128_HMAC_SHA1_80" in repr(description)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_are_the_peers_error(body: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert isinstance(parse_session_description(body), SessionDescription)


@given(st.lists(st.tuples(st.sampled_from("voscmatbkrzq"), st.text(max_size=60)), max_size=12))
def test_any_lines_are_read_or_are_the_peers_error(lines: list[tuple[str, str]]) -> None:
    body = MINIMAL + "".join(f"{letter}={value}\r\n" for letter, value in lines).encode("utf-8", "surrogatepass")
    try:
        description = parse_session_description(body)
    except RemoteProtocolError:
        return
    assert parse_session_description(description.to_bytes()) == description
