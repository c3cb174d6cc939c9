from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.sdp.crypto_attribute import (
    MAX_LIFETIME,
    MIN_LIFETIME,
    InlineKey,
    MasterKeyIdentifier,
    crypto_attribute,
    parse_crypto_attribute,
)
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.srtp.master_key import SrtpKey

# RFC 4568 §4 and §5.
KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
KEYS_OF_F8 = (
    "inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4"
)


def line(rest: str = "", suite: str = "AES_CM_128_HMAC_SHA1_80", key: str = KEY) -> str:
    return f"1 {suite} inline:{key}{rest}"


def reason(value: str) -> str:
    found = parse_crypto_attribute(value).unusable_reason()
    assert found is not None, value
    return found


def test_the_example_of_rfc_4568_is_read_to_the_last_octet() -> None:
    attribute = parse_crypto_attribute(line("|2^20|1:32"))
    assert attribute.tag == 1
    assert attribute.suite is CRYPTO_SUITES["AES_CM_128_HMAC_SHA1_80"]
    (key,) = attribute.keys
    assert key.material.reveal() == b"YS___semctl () {\t220;}\n}\nunles"
    assert key.lifetime == 2**20
    assert key.mki == MasterKeyIdentifier(1, 32)


def test_several_keys_that_mkis_tell_apart_are_usable_and_each_has_its_lifetime() -> None:
    attribute = parse_crypto_attribute(f"2 F8_128_HMAC_SHA1_80 {KEYS_OF_F8} FEC_ORDER=FEC_SRTP")
    assert [key.mki for key in attribute.keys] == [MasterKeyIdentifier(1, 4), MasterKeyIdentifier(2, 4)]
    assert "F8_128_HMAC_SHA1_80 is not supported" in (attribute.unusable_reason() or "")
    usable = parse_crypto_attribute(f"2 AES_CM_128_HMAC_SHA1_80 {KEYS_OF_F8}")
    assert usable.unusable_reason() is None
    assert [(key.mki, key.lifetime) for key in usable.srtp_keys] == [
        (bytes((0, 0, 0, 1)), 2**20),
        (bytes((0, 0, 0, 2)), 2**20),
    ]


@pytest.mark.parametrize(
    ("suffixes", "why"),
    [
        (("", ""), "several master keys"),
        (("|1:4", ""), "several master keys"),
        (("|1:4", "|1:4"), "several master keys"),
        (("|1:4", "|2:1"), "differ in length"),
        (("|2^20|1:4", "|2^9|2:4"), "lifetime of 512"),
    ],
)
def test_several_keys_that_cannot_be_told_apart_are_not_usable(suffixes: tuple[str, str], why: str) -> None:
    """RFC 4568 §6.1."""
    keys = ";".join(f"inline:{KEY}{suffix}" for suffix in suffixes)
    assert why in reason(f"1 AES_CM_128_HMAC_SHA1_80 {keys}")


@pytest.mark.parametrize("suite", CRYPTO_SUITES.values(), ids=lambda suite: suite.name)
def test_a_key_is_usable_only_with_the_exact_length_of_its_suite(suite: object) -> None:
    exact = CRYPTO_SUITES[suite.name]  # type: ignore[attr-defined]
    for length in range(exact.material_length - 2, exact.material_length + 40):
        key = base64.b64encode(bytes(length)).decode()
        attribute = parse_crypto_attribute(line(suite=exact.name, key=key))
        assert (attribute.unusable_reason() is None) == (length == exact.material_length), length


@pytest.mark.parametrize("suite", ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM"])
def test_a_key_whose_padding_was_left_out_is_the_same_key(suite: str) -> None:
    """As rtpengine 10.5 sends them; some of the padding is an error."""
    padded = base64.b64encode(bytes(range(CRYPTO_SUITES[suite].material_length))).decode()
    bare = padded.rstrip("=")
    attribute = parse_crypto_attribute(line(suite=suite, key=bare))
    assert attribute.unusable_reason() is None
    assert attribute.keys == parse_crypto_attribute(line(suite=suite, key=padded)).keys
    if padded.endswith("=="):
        with pytest.raises(RemoteProtocolError):
            parse_crypto_attribute(line(suite=suite, key=bare + "="))


def test_the_lengths_are_those_of_the_rfcs() -> None:
    lengths = {name: suite.material_length for name, suite in CRYPTO_SUITES.items()}
    assert lengths == {
        "AES_CM_128_HMAC_SHA1_80": 30,
        "AES_CM_128_HMAC_SHA1_32": 30,
        "AES_256_CM_HMAC_SHA1_80": 46,
        "AES_256_CM_HMAC_SHA1_32": 46,
        "AEAD_AES_128_GCM": 28,
        "AEAD_AES_256_GCM": 44,
    }


@pytest.mark.parametrize(
    ("text", "lifetime"), [("|2^20", 2**20), ("|2^48", MAX_LIFETIME), ("|2^10", MIN_LIFETIME), ("|1048577", 1_048_577)]
)
def test_a_lifetime_is_a_power_or_a_decimal_and_does_not_hinder(text: str, lifetime: int) -> None:
    attribute = parse_crypto_attribute(line(text))
    assert attribute.keys[0].lifetime == lifetime
    assert attribute.unusable_reason() is None


@pytest.mark.parametrize("text", ["|2^0", "|2^9", "|1023"])
def test_a_lifetime_that_leaves_no_time_for_the_next_key_makes_a_line_unusable(text: str) -> None:
    assert "too short" in reason(line(text))


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("|1:4", "00000001"),
        ("|2^20|1:4", "00000001"),
        ("|0:1", "00"),
        ("|255:1", "ff"),
        ("|258:128", "00" * 126 + "0102"),
    ],
)
def test_a_line_with_an_mki_is_usable_and_says_which_octets(text: str, octets: str) -> None:
    attribute = parse_crypto_attribute(line(text))
    assert attribute.unusable_reason() is None
    assert attribute.srtp_key.mki == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "parameter",
    ["KDR=1", "KDR=24", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER=SRTP_FEC",
     f"FEC_KEY=inline:{KEY}", "-UNENCRYPTED_SRTP", "-KDR=3", "WSH=64 UNAUTHENTICATED_SRTP"],
)  # fmt: skip
def test_parameters_that_weaken_or_exceed_us_make_a_line_unusable(parameter: str) -> None:
    assert KEY not in reason(line(f" {parameter}"))


@pytest.mark.parametrize("parameter", ["WSH=64", "WSH=1024", "FEC_ORDER=FEC_SRTP", "-FUTURE", "-FUTURE=1 WSH=99"])
def test_parameters_that_change_nothing_for_us_leave_a_line_usable(parameter: str) -> None:
    assert parse_crypto_attribute(line(f" {parameter}")).unusable_reason() is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "x AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        "1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        "-1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        "1 AES-CM inline:" + KEY,
        "1 AES_CM_128_HMAC_SHA1_80 INLINE:" + KEY,
        "1 AES_CM_128_HMAC_SHA1_80 uri:" + KEY,
        "1 AES_CM_128_HMAC_SHA1_80 " + KEY,
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        line(key=KEY[:-1]),
        line(key=KEY + "="),
        line(key="!" + KEY[1:]),
        line(key=KEY[:-4] + "Vn=="),  # bits that must be zero are not
        line("|"),
        line("|2^49"),
        line("|2^"),
        line("|0"),
        line("|-1"),
        line("|1:0"),
        line("|1:129"),
        line("|256:1"),
        line("|1:4|2^20"),
        line("|2^20|2^20"),
        line("|2^20|1:4|1"),
        line(";"),
        line(" FUTURE"),
        line(" --FUTURE"),
        line(" -"),
        line(" KDR=0"),
        line(" KDR=25"),
        line(" KDR=01"),
        line(" kdr=1"),
        line(" WSH=63"),
        line(" WSH=064"),
        line(" FEC_ORDER=OTHER"),
        line(" UNENCRYPTED_SRTP=1"),
        line(" WSH=64 WSH=64"),
        line(" WSH=64 -WSH=64"),
        line(" \x7f"),
        line(" -x" * 2000),
        "1 AES_CM_128_HMAC_SHA1_80 " + ";".join(["inline:" + KEY] * 17),
    ],
)
def test_an_invalid_line_is_an_error_that_does_not_repeat_it(value: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_crypto_attribute(value)
    assert KEY[:8] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_suite_in_lower_case_is_an_unknown_suite() -> None:
    assert "not supported" in reason(line(suite="aes_cm_128_hmac_sha1_80"))


@pytest.mark.parametrize("suite", CRYPTO_SUITES.values(), ids=lambda suite: suite.name)
def test_our_own_line_is_read_back_with_the_same_key(suite: object) -> None:
    exact = CRYPTO_SUITES[suite.name]  # type: ignore[attr-defined]
    key = SrtpKey(exact, SecretBytes(bytes(range(exact.material_length))))
    ours = crypto_attribute(7, key)
    assert len(ours.to_value().split()) == 3
    assert parse_crypto_attribute(ours.to_value()) == ours
    assert ours.srtp_key == key


def test_lifetime_mki_and_parameters_are_written_as_they_were_read() -> None:
    for value in (line("|2^20|1:4 WSH=128 -X"), line("|1048577"), f"2 F8_128_HMAC_SHA1_80 {KEYS_OF_F8}"):
        assert parse_crypto_attribute(value).to_value() == value


def test_the_key_of_an_unusable_line_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="not usable"):
        _ = parse_crypto_attribute(line(" UNENCRYPTED_SRTP")).srtp_key


def test_neither_repr_nor_masked_form_shows_a_key() -> None:
    attribute = parse_crypto_attribute(line(f"|2^20 FEC_KEY=inline:{KEY} WSH=64"))
    for text in (repr(attribute), str(attribute), attribute.masked(), repr(InlineKey(SecretBytes(b"secret")))):
        assert KEY[:8] not in text
        assert "secret" not in text
    assert attribute.masked() == "1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20 *** WSH=64"


def test_a_key_in_the_place_of_the_suite_is_not_repeated_in_the_reason() -> None:
    assert KEY not in reason(line(suite=KEY))


@given(st.text(max_size=300))
def test_any_text_is_read_or_is_the_peers_error(value: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        parse_crypto_attribute(value).unusable_reason()


@given(st.text(alphabet="0123456789|:;^=+/-AZaz_ KDRWSH", max_size=120))
def test_any_tail_of_a_line_is_read_or_is_the_peers_error(tail: str) -> None:
    try:
        attribute = parse_crypto_attribute(line(tail))
    except RemoteProtocolError:
        return
    assert parse_crypto_attribute(attribute.to_value()) == attribute
