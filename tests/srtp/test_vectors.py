"""The independent implementation of the tests against the RFCs' vectors, so that it can judge ours."""

from __future__ import annotations

import pytest

from tests.srtp.independent_srtp import aes_cm, derive, gcm_rtcp, gcm_rtp

KEY_128 = bytes(range(16))
KEY_256 = bytes(range(32))
SALT = b"Quid pro quo"
RTP_HEADER = bytes.fromhex("8040f17b8041f8d35501a0b2")
RTP_PAYLOAD = b"Gallia est omnis divisa in partes tres"
RTCP = bytes.fromhex(
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
)


def test_the_key_stream_of_rfc_3711_b_2() -> None:
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    salt = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")
    stream = aes_cm(key, salt + b"\0\0", 0xFF02 * 16)
    assert stream[:48] == bytes.fromhex(
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
    )
    assert stream[0xFEFF * 16 : 0xFF00 * 16] == bytes.fromhex("EC8CDF7398607CB0F2D21675EA9EA1E4")


def test_the_key_derivation_of_rfc_3711_b_3() -> None:
    key = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
    salt = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")
    assert derive(key, salt, 0, 16) == bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    assert derive(key, salt, 2, 14) == bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
    assert derive(key, salt, 1, 20) == bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")


@pytest.mark.parametrize(
    ("key", "protected"),
    [
        (
            KEY_128,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
            "899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            KEY_256,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
            "7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ],
    ids=["RFC 7714 §16.1.1", "RFC 7714 §16.2.1"],
)
def test_the_rtp_packets_of_rfc_7714(key: bytes, protected: str) -> None:
    assert gcm_rtp(key, SALT, RTP_HEADER, RTP_PAYLOAD, RTP_HEADER[8:12], 0, 0xF17B) == RTP_HEADER + bytes.fromhex(
        protected
    )


@pytest.mark.parametrize(
    ("key", "protected"),
    [
        (
            KEY_128,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
            "c84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            KEY_256,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad"
            "1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ],
    ids=["RFC 7714 §17.1", "RFC 7714 §17.2"],
)
def test_the_rtcp_packets_of_rfc_7714(key: bytes, protected: str) -> None:
    assert gcm_rtcp(key, SALT, RTCP, 0x5D4) == RTCP[:8] + bytes.fromhex(protected)
