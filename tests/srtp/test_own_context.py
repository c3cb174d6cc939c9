"""Our own SRTP transforms against the RFCs' vectors and against libsrtp; MKIs, several keys, lifetimes."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.rtp.packet import HeaderExtension, RtpPacket
from softphone.srtp import key_lifetime
from softphone.srtp.context import LIBSRTP_SUITES, SrtpReceiver, SrtpSender
from softphone.srtp.crypto_suites import (
    AES_256_CM_HMAC_SHA1_80,
    AES_CM_128_HMAC_SHA1_80,
    CRYPTO_SUITES,
    CryptoSuite,
)
from softphone.srtp.key_lifetime import KeyLifetimeEnded, KeyUse
from softphone.srtp.limits import MAX_PROTECTED_LENGTH
from softphone.srtp.master_key import SrtpKey
from softphone.srtp.own_context import OwnSrtpReceiver, OwnSrtpSender
from softphone.srtp.replay import REPLAY_WINDOW, Replayed, ReplayWindow
from softphone.srtp.transforms import AuthenticationFailed, GaloisCounterMode, derive, transform
from tests.srtp.test_context import RTCP, material, rtp
from tests.srtp.test_vectors import KEY_128, KEY_256, RTP_HEADER, RTP_PAYLOAD, SALT
from tests.srtp.test_vectors import RTCP as GCM_RTCP

MASTER_128 = SecretBytes(bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6"))
MASTER_256 = SecretBytes(
    bytes.fromhex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2")
)
PLAIN = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
every_suite = pytest.mark.parametrize("suite", CRYPTO_SUITES.values(), ids=CRYPTO_SUITES.keys())


# RFC 3711, RFC 6188, RFC 7714.


def test_the_session_keys_of_rfc_3711_b_3() -> None:
    suite = AES_CM_128_HMAC_SHA1_80
    assert derive(suite, MASTER_128, 0, 16) == bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    assert derive(suite, MASTER_128, 2, 14) == bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
    assert derive(suite, MASTER_128, 1, 94) == bytes.fromhex(
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF722709863"
        "71C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
    )


def test_the_session_keys_of_rfc_6188_7_2() -> None:
    suite = AES_256_CM_HMAC_SHA1_80
    assert derive(suite, MASTER_256, 0, 32) == bytes.fromhex(
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"
    )
    assert derive(suite, MASTER_256, 2, 14) == bytes.fromhex("fa31791685ca444a9e07c6c64e93")
    assert derive(suite, MASTER_256, 1, 20) == bytes.fromhex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")


def test_the_key_stream_of_rfc_6188_7_1() -> None:
    """The stream through the very object that encrypts packets, with the RFC's session key and salt in it."""
    built: Any = transform(AES_256_CM_HMAC_SHA1_80, MASTER_256)
    key = bytes.fromhex("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98")
    built._rtp._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    built._rtp._salt = int.from_bytes(bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"), "big") << 16
    stream = built._rtp.crypt(bytes(4), 0, bytes(0xFF02 * 16))
    assert stream[:48] == bytes.fromhex(
        "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31"
    )
    assert stream[0xFEFF * 16 : 0xFF00 * 16] == bytes.fromhex("cea518c90fd91ced9cbb18c078a54711")


@pytest.mark.parametrize(
    ("suite", "master", "protected"),
    [
        (AES_CM_128_HMAC_SHA1_80, MASTER_128, "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"),
        (AES_256_CM_HMAC_SHA1_80, MASTER_256, "f1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b"),
    ],
    ids=["AES-128", "AES-256"],
)
def test_the_whole_packets_that_libsrtp_tests_itself_with(
    suite: CryptoSuite, master: SecretBytes, protected: str
) -> None:
    sealed = OwnSrtpSender(SrtpKey(suite, master)).protect_rtp(PLAIN)
    assert sealed == PLAIN[:12] + bytes.fromhex(protected)
    assert OwnSrtpReceiver([SrtpKey(suite, master)]).unprotect_rtp(sealed) == PLAIN


@pytest.mark.parametrize(
    ("key", "of_rtp", "of_rtcp"),
    [
        (
            KEY_128,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
            "c84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            KEY_256,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad"
            "1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ],
    ids=["RFC 7714 §16.1, §17.1", "RFC 7714 §16.2, §17.2"],
)
def test_the_packets_of_rfc_7714(key: bytes, of_rtp: str, of_rtcp: str) -> None:
    """The RFC gives session keys: they are put in the place of the derived ones."""
    built: Any = object.__new__(GaloisCounterMode)
    built._rtp = built._rtcp = AESGCM(key)
    built._rtp_salt = built._rtcp_salt = int.from_bytes(SALT, "big")
    sealed = RTP_HEADER + bytes.fromhex(of_rtp)
    assert built.seal_rtp(RTP_HEADER + RTP_PAYLOAD, 12, 0xF17B) == sealed
    assert built.open_rtp(sealed, 12, 0xF17B) == RTP_HEADER + RTP_PAYLOAD
    report = GCM_RTCP[:8] + bytes.fromhex(of_rtcp)
    assert built.seal_rtcp(GCM_RTCP, 0x5D4) == report
    assert built.open_rtcp(report, 0x5D4) == GCM_RTCP


# libsrtp.

headers = st.builds(
    lambda marker, payload_type, csrcs, extension, payload: (marker, payload_type, csrcs, extension, payload),
    st.booleans(),
    st.integers(0, 63),
    st.lists(st.integers(0, 2**32 - 1), max_size=15).map(tuple),
    st.none() | st.builds(HeaderExtension, st.just(0xBEDE), st.binary(max_size=40).map(lambda b: b[: len(b) & ~3])),
    st.binary(max_size=400),
)


@settings(deadline=None, max_examples=60)
@given(
    suite=st.sampled_from([CRYPTO_SUITES[name] for name in sorted(LIBSRTP_SUITES)]),
    secret=st.binary(min_size=46, max_size=46),
    start=st.sampled_from([0, 1, 65_500, 32_767]),
    steps=st.lists(st.tuples(st.integers(1, 3_000), headers), min_size=1, max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_both_implementations_are_the_same_in_both_directions(
    suite: CryptoSuite, secret: bytes, start: int, steps: list[tuple[int, Any]], order: Any
) -> None:
    """Any header, gaps, the sequence number wrapping, packets out of order, doubled and damaged."""
    key = SrtpKey(suite, SecretBytes(secret[: suite.material_length]))
    theirs, ours = SrtpSender(suite, key.material), OwnSrtpSender(key)
    sealed: list[bytes] = []
    number = start
    for step, (marker, payload_type, csrcs, extension, payload) in steps:
        number += step
        packet = RtpPacket(
            payload_type, number & 0xFFFF, 7, 0xABCD, payload, marker, csrcs=csrcs, extension=extension
        ).to_bytes()
        protected = theirs.protect_rtp(packet)
        assert ours.protect_rtp(packet) == protected
        sealed.append(protected)
        assert theirs.protect_rtcp(RTCP) == ours.protect_rtcp(RTCP)
    for at in range(0, len(sealed), 8):  # out of order by little, as networks do
        some = sealed[at : at + 8]
        order.shuffle(some)
        sealed[at : at + 8] = some
    sealed = [copy for packet in sealed for copy in (packet, packet) if order.random() < 0.7]
    sealed += [packet[:-1] + bytes([packet[-1] ^ 1]) for packet in sealed[:3]]
    a, b = SrtpReceiver(suite, key.material), OwnSrtpReceiver([key])
    for packet in sealed:
        assert _outcome(a, packet) == _outcome(b, packet)


def _outcome(receiver: SrtpReceiver | OwnSrtpReceiver, packet: bytes) -> object:
    try:
        return receiver.unprotect_rtp(packet)
    except RemoteProtocolError as error:
        return type(error)


@every_suite
def test_ten_thousand_packets_over_the_wrap_keep_their_roll_over_counter(suite: CryptoSuite) -> None:
    key = SrtpKey(suite, material(suite))
    sender, receiver = OwnSrtpSender(key), OwnSrtpReceiver([key])
    for number in range(60_000, 60_000 + 2 * 65_536, 13):
        assert receiver.unprotect_rtp(sender.protect_rtp(rtp(number))) == rtp(number)


def test_the_window_takes_each_index_once_and_none_that_is_too_old() -> None:
    window = ReplayWindow()
    for index in (5, 3, 4, 200, 200 - REPLAY_WINDOW + 1):
        window.check(index)
        window.note(index)
    for index in (3, 5, 200, 200 - REPLAY_WINDOW, 200 - REPLAY_WINDOW + 1):
        with pytest.raises(Replayed):
            window.check(index)
    window.note(10_000)
    with pytest.raises(Replayed):
        window.check(200)
    assert window._taken < 1 << REPLAY_WINDOW


def test_a_packet_from_before_the_first_is_no_wrap_to_the_end_of_time() -> None:
    window = ReplayWindow()
    window.note(2)
    with pytest.raises(Replayed):
        window.index_of(65_535)
    window.note(2**48 - 1)
    with pytest.raises(Replayed):
        window.index_of(0)


# MKIs and several keys.


@every_suite
@pytest.mark.parametrize("mki", [b"\x01", b"\x00\x00\x00\x07", bytes(127) + b"\x09"], ids=["1", "4", "128"])
def test_an_mki_stands_where_the_rfc_says_and_comes_off_again(suite: CryptoSuite, mki: bytes) -> None:
    key = SrtpKey(suite, material(suite), mki)
    plain = OwnSrtpSender(SrtpKey(suite, material(suite)))
    sender, receiver = OwnSrtpSender(key), OwnSrtpReceiver([key])
    without, tagged = plain.protect_rtp(rtp(1)), sender.protect_rtp(rtp(1))
    tag = 0 if suite.is_aead else suite.srtp_tag_length
    assert tagged == without[: len(without) - tag] + mki + without[len(without) - tag :]
    assert receiver.unprotect_rtp(tagged) == rtp(1)
    without, tagged = plain.protect_rtcp(RTCP), sender.protect_rtcp(RTCP)
    tag = 0 if suite.is_aead else suite.srtcp_tag_length
    assert tagged == without[: len(without) - tag] + mki + without[len(without) - tag :]
    assert receiver.unprotect_rtcp(tagged) == RTCP
    for length in range(len(mki) + 40):
        with pytest.raises(RemoteProtocolError):
            receiver.unprotect_rtp(rtp(2)[:length])
        with pytest.raises(RemoteProtocolError):
            receiver.unprotect_rtcp(tagged[:length])


@pytest.mark.parametrize("name", sorted(LIBSRTP_SUITES))
def test_libsrtp_opens_what_is_left_when_the_mki_is_taken_off(name: str) -> None:
    suite = CRYPTO_SUITES[name]
    sealed = OwnSrtpSender(SrtpKey(suite, material(suite), b"\x2a")).protect_rtp(rtp(9))
    at = len(sealed) - (0 if suite.is_aead else suite.srtp_tag_length) - 1
    assert SrtpReceiver(suite, material(suite)).unprotect_rtp(sealed[:at] + sealed[at + 1 :]) == rtp(9)


@every_suite
def test_the_peer_may_change_to_another_key_of_the_line_and_its_roll_over_counter_goes_on(suite: CryptoSuite) -> None:
    keys = [SrtpKey(suite, material(suite, first), bytes([first])) for first in (1, 2)]
    receiver = OwnSrtpReceiver(keys)
    first, second = (OwnSrtpSender(key) for key in keys)
    for number in (65_530, 65_535, 65_536 + 3):
        sealed = first.protect_rtp(rtp(number))
        second.protect_rtp(rtp(number))  # the same stream: its index has rolled over, too
        assert receiver.unprotect_rtp(sealed) == rtp(number)
    changed = second.protect_rtp(rtp(65_536 + 4))
    assert receiver.unprotect_rtp(changed) == rtp(65_536 + 4)
    with pytest.raises(Replayed):
        receiver.unprotect_rtp(changed)
    stranger = OwnSrtpSender(SrtpKey(suite, material(suite, 2), b"\x03")).protect_rtp(rtp(65_536 + 5))
    with pytest.raises(AuthenticationFailed):
        receiver.unprotect_rtp(stranger)


def test_keys_that_cannot_be_told_apart_are_our_own_bug() -> None:
    suite = AES_CM_128_HMAC_SHA1_80
    for second in (
        SrtpKey(suite, material(suite, 2), b"\x01"),
        SrtpKey(suite, material(suite, 2), b"\x00\x02"),
        SrtpKey(AES_256_CM_HMAC_SHA1_80, material(AES_256_CM_HMAC_SHA1_80), b"\x02"),
    ):
        with pytest.raises(LocalProtocolError):
            OwnSrtpReceiver([SrtpKey(suite, material(suite), b"\x01"), second])


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(CRYPTO_SUITES)),
    st.sampled_from([b"", b"\x01", bytes(4)]),
    st.binary(max_size=MAX_PROTECTED_LENGTH + 10),
    st.sampled_from([b"", b"\x80", b"\x90", b"\x9f\xff" + bytes(10)]),
)
def test_any_octets_are_refused_as_the_peers_fault(name: str, mki: bytes, data: bytes, front: bytes) -> None:
    receiver = OwnSrtpReceiver([SrtpKey(CRYPTO_SUITES[name], material(CRYPTO_SUITES[name]), mki)])
    for read in (receiver.unprotect_rtp, receiver.unprotect_rtcp):
        with pytest.raises(RemoteProtocolError):
            read(front + data)
    assert not receiver._rtp_streams
    assert not receiver._rtcp_streams


# Lifetimes.


@pytest.mark.parametrize("own", [True, False], ids=["own", "libsrtp"])
def test_a_key_ages_and_is_used_for_not_one_packet_more_than_agreed(own: bool) -> None:
    suite = AES_CM_128_HMAC_SHA1_80
    key = SrtpKey(suite, material(suite), lifetime=100)
    sender = OwnSrtpSender(key) if own else SrtpSender(suite, key.material, 100)
    receiver = OwnSrtpReceiver([key]) if own else SrtpReceiver(suite, key.material, 100)
    endless = OwnSrtpSender(SrtpKey(suite, material(suite)))
    for number in range(100):
        assert sender.aging is (number >= 75)
        assert receiver.aging is (number >= 75)
        receiver.unprotect_rtp(sender.protect_rtp(rtp(number)))
    for number in range(100):
        endless.protect_rtp(rtp(number))
    with pytest.raises(KeyLifetimeEnded):
        sender.protect_rtp(rtp(100))
    with pytest.raises(KeyLifetimeEnded):
        receiver.unprotect_rtp(endless.protect_rtp(rtp(100)))
    with pytest.raises(AuthenticationFailed):  # a stranger's packet is still a stranger's
        receiver.unprotect_rtp(rtp(101) + bytes(10))


@pytest.mark.parametrize("own", [True, False], ids=["own", "libsrtp"])
def test_srtcp_has_a_count_of_its_own(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lifetime, "MAX_SRTCP_PACKETS", 8)
    suite = AES_CM_128_HMAC_SHA1_80
    sender = OwnSrtpSender(SrtpKey(suite, material(suite))) if own else SrtpSender(suite, material(suite))
    receiver = OwnSrtpReceiver([SrtpKey(suite, material(suite))]) if own else SrtpReceiver(suite, material(suite))
    for _ in range(8):
        receiver.unprotect_rtcp(sender.protect_rtcp(RTCP))
    assert sender.aging
    assert receiver.aging
    with pytest.raises(KeyLifetimeEnded):
        sender.protect_rtcp(RTCP)
    sender.protect_rtp(rtp(1))


def test_no_lifetime_exceeds_what_the_suites_allow() -> None:
    use = KeyUse(2**60)
    assert (use._rtp_limit, use._rtcp_limit) == (2**48, 2**31)
    assert (KeyUse()._rtp_limit, KeyUse()._rtcp_limit) == (2**48, 2**31)
    assert (KeyUse(2**20)._rtp_limit, KeyUse(2**20)._rtcp_limit) == (2**20, 2**20)
