"""The watch gives facts or nothing for any octets, in any pieces."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.engine.handshake_watch import MAX_WATCHED, ClientHello, HandshakeWatch, ServerHello


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def record(content_type: int, fragment: bytes) -> bytes:
    return bytes([content_type]) + b"\x03\x03" + len(fragment).to_bytes(2, "big") + fragment


CLIENT_HELLO = message(
    1,
    b"\x03\x03"
    + bytes(32)
    + b"\x00"
    + b"\x00\x08\x13\x02\xc0\x2f\x13\x03\x00\xff"
    + b"\x01\x00"
    + b"\x00\x09\x00\x2b\x00\x05\x04\x03\x04\x03\x03",
)
SERVER_HELLO = message(
    2, b"\x03\x03" + bytes(32) + b"\x00" + b"\x13\x01" + b"\x00" + b"\x00\x06\x00\x2b\x00\x02\x03\x04"
)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_hellos_are_read_in_any_pieces_and_across_records(piece: int) -> None:
    watch = HandshakeWatch()
    octets = record(22, CLIENT_HELLO[:20]) + record(22, CLIENT_HELLO[20:] + SERVER_HELLO + message(13, b"x"))
    for at in range(0, len(octets), piece):
        watch.feed(octets[at : at + piece])
    assert watch.client_hello == ClientHello(
        ("TLSv1.3", "TLSv1.2"),
        ("TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "0x1303"),
        ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV",),
    )
    assert watch.server_hello == ServerHello("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert watch.certificate_requested
    assert watch.not_tls is None


def test_nothing_is_read_behind_a_change_of_cipher() -> None:
    watch = HandshakeWatch()
    watch.feed(record(22, SERVER_HELLO) + record(20, b"\x01") + record(22, message(13, b"")))
    assert not watch.certificate_requested


@pytest.mark.parametrize("piece", [1, 2, 100])
@pytest.mark.parametrize("octets", [b"SIP/2.0 200 OK", b"\x16\x02abc", b"\x17\x03\x03\x00\x01a", b"\x00"])
def test_octets_that_are_no_tls_are_recognised(octets: bytes, piece: int) -> None:
    watch = HandshakeWatch()
    for at in range(0, len(octets), piece):
        watch.feed(octets[at : at + piece])
    assert watch.not_tls is not None
    assert octets.startswith(watch.not_tls)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_octets_are_survived(octets: bytes, piece: int) -> None:
    watch = HandshakeWatch()
    for at in range(0, len(octets), piece):
        watch.feed(octets[at : at + piece])
    assert watch.received == len(octets)


def test_mutated_hellos_are_survived() -> None:
    chance = random.Random(5922)
    for _ in range(2000):
        octets = bytearray(record(22, CLIENT_HELLO + SERVER_HELLO))
        for _ in range(chance.randrange(1, 4)):
            octets[chance.randrange(5, len(octets))] = chance.randrange(256)
        HandshakeWatch().feed(bytes(octets))


def test_memory_is_bounded() -> None:
    watch = HandshakeWatch()
    for _ in range(40):
        watch.feed(record(22, b"\x0b\xff\xff\xff" + bytes(16_000)))
    assert watch.received > MAX_WATCHED
    assert len(watch._messages) + len(watch._records) == 0
