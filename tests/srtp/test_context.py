"""softphone/srtp/context.py against the independent implementation, attackers and wrong use."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.rtp.packet import RtpPacket
from softphone.rtp.rtcp import ReportBlock, SenderReport, SourceDescription, build_compound
from softphone.srtp.context import (
    LIBSRTP_SUITES,
    ClearReceiver,
    ClearSender,
    MediaReceiver,
    MediaSender,
    SrtpReceiver,
    SrtpSender,
)
from softphone.srtp.crypto_suites import AES_CM_128_HMAC_SHA1_80, CRYPTO_SUITES, CryptoSuite
from softphone.srtp.limits import MAX_PROTECTED_LENGTH, MAX_RTCP_LENGTH, MAX_RTP_LENGTH, MAX_SSRCS
from softphone.srtp.master_key import SrtpKey
from softphone.srtp.own_context import OwnSrtpReceiver, OwnSrtpSender
from softphone.srtp.replay import REPLAY_WINDOW, Replayed
from softphone.srtp.transforms import AuthenticationFailed
from tests.srtp.independent_srtp import IndependentSrtp


@dataclass(frozen=True)
class Way:
    """One suite in one of the two implementations, which must not differ."""

    suite: CryptoSuite
    own: bool

    def sender(self, material: SecretBytes) -> MediaSender:
        return OwnSrtpSender(SrtpKey(self.suite, material)) if self.own else SrtpSender(self.suite, material)

    def receiver(self, material: SecretBytes) -> MediaReceiver:
        return OwnSrtpReceiver([SrtpKey(self.suite, material)]) if self.own else SrtpReceiver(self.suite, material)


WAYS = {f"own {suite.name}": Way(suite, own=True) for suite in CRYPTO_SUITES.values()} | {
    f"libsrtp {name}": Way(CRYPTO_SUITES[name], own=False) for name in sorted(LIBSRTP_SUITES)
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
both = pytest.mark.parametrize(
    "way", [Way(AES_CM_128_HMAC_SHA1_80, own) for own in (True, False)], ids=["own", "libsrtp"]
)


def material(suite: CryptoSuite, first: int = 1) -> SecretBytes:
    return SecretBytes(bytes((first + 7 * index) & 0xFF for index in range(suite.material_length)))


def rtp(number: int, ssrc: int = 0xCAFEBABE, payload: bytes = bytes(range(160))) -> bytes:
    return RtpPacket(0, number & 0xFFFF, number * 160 & 0xFFFF_FFFF, ssrc, payload).to_bytes()


RTCP = build_compound(
    [
        SenderReport(0xCAFEBABE, 1 << 60, 2, 3, 4, (ReportBlock(1, 2, 3, 4, 5, 6, 7),)),
        SourceDescription.of_cname(0xCAFEBABE, "somebody"),
    ]
)


def pair(way: Way) -> tuple[MediaSender, MediaReceiver]:
    return way.sender(material(way.suite)), way.receiver(material(way.suite))


@every_way
def test_what_we_protect_is_what_the_rfcs_say(way: Way) -> None:
    sender = way.sender(material(way.suite))
    other = IndependentSrtp(way.suite, material(way.suite).reveal())
    for number, payload in ((1, b"a" * 160), (2, b""), (3, b"x"), (7, bytes(range(256)))):
        protected = sender.protect_rtp(rtp(number, payload=payload))
        assert protected == other.protect_rtp(rtp(number, payload=payload))
        assert len(protected) == 12 + len(payload) + way.suite.srtp_tag_length
    for index in (1, 2, 3):
        protected = sender.protect_rtcp(RTCP)
        assert protected == other.protect_rtcp(RTCP, index)
        # RFC 4568 §6.2.2: 80-bit tags for SRTCP, also with AES_CM_128_HMAC_SHA1_32.
        assert len(protected) == len(RTCP) + 4 + way.suite.srtcp_tag_length


@every_way
def test_what_others_protect_as_the_rfcs_say_is_opened(way: Way) -> None:
    receiver = way.receiver(material(way.suite))
    other = IndependentSrtp(way.suite, material(way.suite).reveal())
    for number in (5, 6, 4, 9):
        assert receiver.unprotect_rtp(other.protect_rtp(rtp(number))) == rtp(number)
    for index in (0, 1, 5):
        assert receiver.unprotect_rtcp(other.protect_rtcp(RTCP, index)) == RTCP


@every_way
def test_both_ends_count_the_roll_over_of_the_sequence_number(way: Way) -> None:
    sender, receiver = pair(way)
    other = IndependentSrtp(way.suite, material(way.suite).reveal())
    for roc, numbers in ((0, (65533, 65534, 65535)), (1, (0, 1, 2, 30000, 60000, 65535)), (2, (0, 1))):
        for number in numbers:
            packet = rtp(number)
            protected = sender.protect_rtp(packet)
            assert protected == other.protect_rtp(packet, roc)
            assert receiver.unprotect_rtp(protected) == packet


@every_way
def test_a_packet_that_crosses_the_roll_over_late_is_opened(way: Way) -> None:
    sender, receiver = pair(way)
    packets = [rtp(number) for number in (65534, 65535, 0, 1)]
    protected = [sender.protect_rtp(packet) for packet in packets]
    for index in (0, 2, 3, 1):
        assert receiver.unprotect_rtp(protected[index]) == packets[index]


@every_way
def test_a_bit_changed_in_any_octet_of_rtp_is_noticed(way: Way) -> None:
    sender, receiver = pair(way)
    receiver.unprotect_rtp(sender.protect_rtp(rtp(1)))
    protected = sender.protect_rtp(rtp(2, payload=b"speech" * 5))
    for position in range(len(protected)):
        for bit in (0x01, 0x80):
            tampered = bytearray(protected)
            tampered[position] ^= bit
            # Version, CSRC count and extension bit stand in the first octet: what they break is no SRTP at all.
            expected = RemoteProtocolError if position == 0 else (AuthenticationFailed, Replayed)
            with pytest.raises(expected):
                receiver.unprotect_rtp(bytes(tampered))
    assert receiver.unprotect_rtp(protected) == rtp(2, payload=b"speech" * 5)


@every_way
def test_a_bit_changed_in_any_octet_of_rtcp_is_noticed(way: Way) -> None:
    sender, receiver = pair(way)
    protected = sender.protect_rtcp(RTCP)
    for position in range(len(protected)):
        for bit in (0x01, 0x80):
            tampered = bytearray(protected)
            tampered[position] ^= bit
            with pytest.raises(RemoteProtocolError):
                receiver.unprotect_rtcp(bytes(tampered))
    assert receiver.unprotect_rtcp(protected) == RTCP


@every_way
def test_srtcp_that_is_authentic_but_not_encrypted_is_refused(way: Way) -> None:
    # RFC 3711 §3.4: the E bit says so; we negotiate no UNENCRYPTED_SRTCP (RFC 4568 §6.3.2).
    other = IndependentSrtp(way.suite, material(way.suite).reveal())
    with pytest.raises(RemoteProtocolError):
        way.receiver(material(way.suite)).unprotect_rtcp(other.authenticate_rtcp(RTCP, 1))


@every_way
def test_a_replayed_packet_is_refused(way: Way) -> None:
    sender, receiver = pair(way)
    protected = [sender.protect_rtp(rtp(number)) for number in range(1, 2 * REPLAY_WINDOW)]
    assert receiver.unprotect_rtp(protected[0])
    with pytest.raises(Replayed):
        receiver.unprotect_rtp(protected[0])
    for packet in protected[1:]:
        receiver.unprotect_rtp(packet)
    for packet in protected:
        with pytest.raises(Replayed):
            receiver.unprotect_rtp(packet)
    report = sender.protect_rtcp(RTCP)
    receiver.unprotect_rtcp(report)
    with pytest.raises(Replayed):
        receiver.unprotect_rtcp(report)


@both
def test_a_packet_behind_the_window_is_refused_and_one_inside_is_taken(way: Way) -> None:
    sender, receiver = pair(way)
    protected = [sender.protect_rtp(rtp(number)) for number in range(REPLAY_WINDOW + 1)]
    receiver.unprotect_rtp(protected[REPLAY_WINDOW])
    assert receiver.unprotect_rtp(protected[1]) == rtp(1)
    with pytest.raises(Replayed):
        receiver.unprotect_rtp(protected[0])


@every_way
def test_another_key_or_plain_media_does_not_authenticate(way: Way) -> None:
    receiver = way.receiver(material(way.suite))
    stranger = way.sender(material(way.suite, first=2))
    with pytest.raises(AuthenticationFailed):
        receiver.unprotect_rtp(stranger.protect_rtp(rtp(1)))
    with pytest.raises(AuthenticationFailed):
        receiver.unprotect_rtcp(stranger.protect_rtcp(RTCP))
    with pytest.raises(AuthenticationFailed):
        receiver.unprotect_rtp(rtp(1))
    with pytest.raises(RemoteProtocolError):
        receiver.unprotect_rtcp(RTCP)


@every_way
def test_any_length_of_anything_is_refused_as_the_peers_fault(way: Way) -> None:
    receiver = way.receiver(material(way.suite))
    for length in (*range(64), MAX_PROTECTED_LENGTH, MAX_PROTECTED_LENGTH + 1, 65535):
        for first in (0x00, 0x80, 0xBF, 0xFF):
            data = (bytes([first]) + b"\xc8" + b"\xff" * length)[:length]
            with pytest.raises(RemoteProtocolError):
                receiver.unprotect_rtp(data)
            with pytest.raises(RemoteProtocolError):
                receiver.unprotect_rtcp(data)


@every_way
def test_the_key_must_have_exactly_the_suites_length(way: Way) -> None:
    for build in (way.sender, way.receiver):
        for length in (0, way.suite.material_length - 1, way.suite.material_length + 1):
            with pytest.raises(LocalProtocolError, match=str(way.suite.material_length)):
                build(SecretBytes(bytes(length)))


def test_a_suite_without_a_transform_is_refused() -> None:
    unknown = CryptoSuite("F8_128_HMAC_SHA1_80", 16, 14, 10, 10)
    with pytest.raises(LocalProtocolError, match="F8_128"):
        SrtpSender(unknown, SecretBytes(bytes(30)))
    with pytest.raises(LocalProtocolError, match="F8_128"):
        OwnSrtpSender(SrtpKey(unknown, SecretBytes(bytes(30))))


@every_way
def test_a_sequence_number_is_never_protected_twice(way: Way) -> None:
    sender = way.sender(material(way.suite))
    sender.protect_rtp(rtp(1))
    with pytest.raises(LocalProtocolError):
        sender.protect_rtp(rtp(1, payload=b"other words"))


@every_way
def test_the_greatest_packets_pass_and_greater_ones_are_our_own_bug(way: Way) -> None:
    sender, receiver = pair(way)
    packet = rtp(1, payload=bytes(MAX_RTP_LENGTH - 12))
    assert receiver.unprotect_rtp(sender.protect_rtp(packet)) == packet
    with pytest.raises(LocalProtocolError):
        sender.protect_rtp(packet + b"x")
    with pytest.raises(LocalProtocolError):
        sender.protect_rtcp(RTCP + bytes(MAX_RTCP_LENGTH))
    with pytest.raises(LocalProtocolError):
        sender.protect_rtp(b"\x80")


@both
def test_a_peer_may_not_open_streams_without_end(way: Way) -> None:
    sender, receiver = pair(way)
    for ssrc in range(MAX_SSRCS):
        receiver.unprotect_rtp(sender.protect_rtp(rtp(1, ssrc=ssrc)))
    with pytest.raises(RemoteProtocolError, match="too many"):
        receiver.unprotect_rtp(sender.protect_rtp(rtp(1, ssrc=MAX_SSRCS)))
    assert receiver.unprotect_rtp(sender.protect_rtp(rtp(2, ssrc=0))) == rtp(2, ssrc=0)


@both
def test_packets_that_do_not_authenticate_do_not_use_up_the_streams(way: Way) -> None:
    sender, receiver = pair(way)
    for ssrc in range(2 * MAX_SSRCS):
        with pytest.raises(AuthenticationFailed):
            receiver.unprotect_rtp(rtp(1, ssrc=ssrc))
    assert receiver.unprotect_rtp(sender.protect_rtp(rtp(1))) == rtp(1)


def test_no_key_shows_in_a_text() -> None:
    secret = SecretBytes(b"k" * 30)
    for sender in (
        SrtpSender(AES_CM_128_HMAC_SHA1_80, secret),
        OwnSrtpSender(SrtpKey(AES_CM_128_HMAC_SHA1_80, secret)),
    ):
        assert "kkk" not in repr(sender) + repr(vars(sender)) + repr(secret)
    with pytest.raises(LocalProtocolError) as caught:
        SrtpSender(AES_CM_128_HMAC_SHA1_80, SecretBytes(b"k" * 29))
    assert "kkk" not in str(caught.value)


def test_clear_media_has_classes_of_its_own_with_the_same_methods() -> None:
    sender: MediaSender = ClearSender()
    receiver: MediaReceiver = ClearReceiver()
    assert receiver.unprotect_rtp(sender.protect_rtp(rtp(1))) == rtp(1)
    assert receiver.unprotect_rtcp(sender.protect_rtcp(RTCP)) == RTCP
    secure: list[tuple[MediaSender, MediaReceiver]] = [pair(way) for way in WAYS.values()]
    assert not any(isinstance(sender, ClearSender) for sender, _receiver in secure)
