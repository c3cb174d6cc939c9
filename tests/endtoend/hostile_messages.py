"""Messages that nobody should send: mutated ones that keep the stream's frame, and octets that destroy it.

Pure: a seed gives the same messages every time.
"""

from __future__ import annotations

import random
from pathlib import Path

VECTORS = sorted((Path(__file__).parent.parent / "vectors" / "rfc4475").glob("*.dat"))
PIECES = (
    *(b"\r\n ", b" ", b"\t", b",", b";", b";;", b'"', b"\\", b"<", b">", b"(", b")", b"%", b"%00", b"%zz", b"@", b":"),
    *(
        b"?",
        b"=",
        b"&",
        b"[",
        b"]",
        b"*",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        "é٣".encode(),
        b"SIP/2.0",
        b"Via: ",
        b"sip:",
    ),
    *(b"9" * 40, b"-1", b"a" * 300, b"<sip:a@b>", b"z9hG4bK", b";tag=", b"[/bold]", b"\x1b[31m", b"%s%n", b"../../etc"),
)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0 8 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    b"inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
)
TYPE = "Content-Type: application/sdp"


def mutated(chance: random.Random, message: bytes) -> bytes:
    """One to six wounds; the frame of the stream stays whole: one blank line, and a Content-Length that is true."""
    head, _, body = message.partition(b"\r\n\r\n")
    for _ in range(chance.randint(1, 6)):
        if body and chance.random() < 0.3:
            body = _wounded(chance, body)
        else:
            head = _wounded(chance, head)
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith((b"content-length", b"l:"))]
    while lines and not 0x21 <= lines[0][0] <= 0x7E:
        lines.pop(0)
    return b"\r\n".join([*(lines or [b"x"]), b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def _wounded(chance: random.Random, octets: bytes) -> bytes:
    start = chance.randint(0, len(octets))
    end = min(len(octets), start + chance.randint(0, 40))
    piece = chance.choice(
        (b"", octets[start:end] * 2, chance.choice(PIECES), chance.choice(PIECES) * 20, chance.randbytes(8))
    )
    return octets[:start] + piece + octets[end:]


def framed(vector: bytes) -> bytes:
    """A torture message as the one message of its frame."""
    head, _, body = vector.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"l:", b"l "))]
    return b"\r\n".join([*(line for line in lines if line), b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def frame_breakers(chance: random.Random) -> dict[str, bytes]:
    """Octets after which nothing on the stream means anything, by name."""
    return {
        "random octets": b"\x80" + chance.randbytes(4096),
        "a header block without end": b"OPTIONS sip:a SIP/2.0\r\n" + b"X: " + b"y" * 70_000,
        "a length of a gigabyte": b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1000000000\r\n\r\n",
        "two lengths": b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\nl: 4\r\n\r\nBYE ",
        "a TLS record within TLS": b"\x16\x03\x01\x02\x00\x01" + chance.randbytes(506),
        "a header block of many lines": b"OPTIONS sip:a SIP/2.0\r\n" + b"X: y\r\n" * 13_000,
        "a length below zero": b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        "a megabyte of line ends": b"\r\n" * 500_000 + b"\r \r",
    }
