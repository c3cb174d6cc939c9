from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.sdp.masking import masked_sdp

KEY = b"WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
LINE = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY


def test_the_key_goes_and_everything_else_stays() -> None:
    before = b"v=0\r\nm=audio 4000 RTP/SAVP 0\r\n" + LINE + b"|2^20|1:4 WSH=64\r\na=sendrecv\r\n"
    assert masked_sdp(before) == before.replace(KEY, b"***")


def test_a_description_without_keys_is_unchanged() -> None:
    before = b"v=0\r\na=rtpmap:0 PCMU/8000\r\na=x-crypto:1 inline:abc\r\n\xff\x00"
    assert masked_sdp(before) == before


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        LINE + b";inline:" + KEY + b"|2^20",
        LINE + b" FEC_KEY=inline:" + KEY,
        LINE.replace(b"inline:", b""),
        LINE.replace(b"inline:", b"INLINE:"),
        LINE.replace(b"inline:", b"inline: "),
        LINE.replace(b"inline:", b"inline :"),
        LINE.replace(b"AES_CM_128_HMAC_SHA1_80 ", b""),
        LINE.replace(b"crypto:1 ", b"crypto "),
        LINE.replace(b"a=crypto:", b"A=CRYPTO:"),
        LINE.replace(b"a=crypto:", b"  a = crypto : "),
        b"a=crypto:" + KEY,
        b"a=crypto:1 " + KEY,
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x|" + KEY,
        b"a=key-mgmt:mikey " + KEY,
        b"k=base64:" + KEY,
        b"v=0\r" + LINE + b"\rs=-",
    ],
)
def test_a_key_is_masked_wherever_a_careless_line_puts_it(text: bytes) -> None:
    for before in (text, b"v=0\r\n" + text + b"\r\n", b"v=0\n" + text + b"\na=x\n"):
        assert KEY not in masked_sdp(before)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_surroundings_bring_a_key_line_through(before: bytes, after: bytes) -> None:
    assert KEY not in masked_sdp(before + b"\r\n" + LINE + b"\r\n" + after)


@given(st.binary(max_size=500))
def test_masking_twice_is_masking_once(body: bytes) -> None:
    assert masked_sdp(masked_sdp(body)) == masked_sdp(body)
