"""DTLS-SRTP between two media sessions over real UDP: handshakes, strangers, losses, later offers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.media.dtls_association import (
    MTU,
    DtlsAssociation,
    DtlsCertificate,
    datagrams,
    is_client_hello,
    is_dtls,
)
from softphone.engine.media.dtls_keying import DATAGRAMS_A_SECOND, HANDSHAKE_S, MAX_ATTEMPTS
from softphone.errors import FailureKind, OperationFailed
from softphone.policy.media import DTLS_SUITES
from softphone.rtp.packet import RtpPacket
from softphone.sdp.dtls_attributes import Fingerprint
from softphone.sdp.negotiated import Direction, DtlsSrtpSecurity
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.ua.inputs import MediaFlowing, MediaReported, MediaSecured
from tests.engine.media.lockstep import CLEAR, Pair, crossed_keys, negotiated, pair, voice

RATE = 48_000
ALIKE = 0.95


def fingerprint(certificate: DtlsCertificate) -> Fingerprint:
    algorithm, digest = certificate.fingerprint.split()
    return Fingerprint(algorithm, bytes.fromhex(digest.replace(":", "")))


def agreed(both: Pair, suites: tuple[str, ...] = DTLS_SUITES, *, a_active: bool = True) -> tuple[DtlsSrtpSecurity, ...]:
    """What an offer and its answer come to on either side."""
    return (
        DtlsSrtpSecurity((fingerprint(both.b.certificate),), a_active, suites),
        DtlsSrtpSecurity((fingerprint(both.a.certificate),), not a_active, suites),
    )


def says(seconds: float, seed: int) -> MemoryEndpoint:
    return MemoryEndpoint(voice(seconds, RATE, seed), RATE)


def begin(both: Pair, a: MemoryEndpoint, b: MemoryEndpoint, *security: DtlsSrtpSecurity) -> None:
    of_a, of_b = security or agreed(both)
    both.start(a, b, (of_a, of_b), rtcp_mux=True)


def in_real_time(both: Pair, seconds: float) -> Iterator[None]:
    """OpenSSL's retransmission timer runs on the real clock."""
    for _ in range(round(seconds / 0.05)):
        both.advance(0.05)
        time.sleep(0.05)
        yield


@contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as at:
        at.bind(("127.0.0.1", 0))
        yield at


@pytest.mark.parametrize("suite", DTLS_SUITES)
@pytest.mark.parametrize("a_active", [True, False], ids=["the caller begins", "the called begins"])
def test_a_handshake_gives_keys_and_each_hears_the_other(suite: str, a_active: bool) -> None:
    with pair() as both:
        a, b = says(1.2, 1), says(1.2, 2)
        begin(both, a, b, *agreed(both, (suite,), a_active=a_active))
        both.advance(1.6)
        for speaker, listener in ((1, b), (2, a)):
            correlation, delay = best_alignment(voice(1.2, RATE, speaker), listener.heard(), RATE)
            assert correlation > ALIKE
            assert delay < 150
        for side in (both.a, both.b):
            assert side.heard_of(MediaSecured) == [MediaSecured(side.session.media_id, suite)]
            report = side.session.report()
            assert (report.auth_failures, report.replays, report.plain_rtp_seen) == (0, 0, 0)


def test_the_best_suite_that_both_take_is_agreed_on() -> None:
    with pair() as both:
        of_a, of_b = agreed(both)
        begin(both, says(1, 1), says(1, 2), of_a, replace(of_b, suites=("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")))
        both.advance(0.5)
        assert both.a.heard_of(MediaSecured) == [MediaSecured("a", "AEAD_AES_128_GCM")]


def test_a_client_hello_that_overtakes_the_answer_is_kept_for_a_while() -> None:
    with pair() as both:
        of_a, of_b = agreed(both)
        both.a.session.start(negotiated(both.b.port, of_a, rtcp_mux=True), says(1, 1), None, both.now)
        both.advance(0.5)
        assert both.b.heard_of(MediaSecured) == []
        both.b.session.start(negotiated(both.a.port, of_b, rtcp_mux=True), says(1, 2), None, both.now)
        both.advance(0.3)
        assert len(both.a.heard_of(MediaSecured)) == len(both.b.heard_of(MediaSecured)) == 1


def test_what_was_asked_for_before_the_keys_came_is_done_then() -> None:
    with pair() as both:
        a, b = says(1, 1), says(1, 2)
        begin(both, a, b)
        both.a.session.set_muted(True)
        both.a.session.send_digits("5")
        assert both.a.session.started
        both.advance(1.0)
        assert best_alignment(voice(1, RATE, 1), b.heard(), RATE)[0] < 0.5
        assert [digit.digit for digit in both.b.told if hasattr(digit, "digit")] == ["5"]


# What must never be played.


def test_another_certificate_than_the_one_announced_ends_the_call_before_a_word() -> None:
    with pair() as both:
        of_a, of_b = agreed(both)
        wrong = replace(of_b, fingerprints=(Fingerprint("sha-256", bytes(32)),))
        a, b = says(1, 1), says(1, 2)
        begin(both, a, b, of_a, wrong)
        with pytest.raises(OperationFailed) as failed:
            both.advance(0.5)
        failure = failed.value.failure
        assert failure.kind is FailureKind.FINGERPRINT_MISMATCH
        assert "announced: sha-256 00:00" in failure.evidence[0]
        assert str(fingerprint(both.a.certificate)) in failure.evidence[1]
        assert both.b.session.report().rtp_sent == 0
        assert not b.heard().any()
        assert both.b.heard_of(MediaSecured) == []


def test_plain_rtp_and_srtp_under_a_known_key_are_not_played_before_the_handshake() -> None:
    with pair() as both, stranger() as somebody:
        begin(both, says(1, 1), b := says(1, 2))
        both.a.lose = both.b.lose = lambda: True
        for number in range(50):
            packet = RtpPacket(0, number, number * 160, 7, bytes(160)).to_bytes()
            for source in (("127.0.0.1", both.a.port), somebody.getsockname()):
                both.b.session.receive(packet, source, both.now, on_rtcp=False)
            both.advance(0.02)
        assert not b.heard().any()
        assert both.b.heard_of(MediaSecured) == []
        assert both.b.heard_of(MediaFlowing) == []
        both.a.lose = both.b.lose = lambda: False
        with pytest.raises(OperationFailed) as failed:
            both.b.session.hear(both.now + HANDSHAKE_S)
        assert failed.value.failure.kind is FailureKind.DTLS_HANDSHAKE
        assert "10 seconds" in failed.value.failure.reason


def test_no_common_profile_is_said_in_words() -> None:
    with pair() as both:
        of_a, of_b = agreed(both)
        begin(
            both,
            says(1, 1),
            says(1, 2),
            replace(of_a, suites=("AEAD_AES_256_GCM",)),
            replace(of_b, suites=("AES_CM_128_HMAC_SHA1_80",)),
        )
        with pytest.raises(OperationFailed) as failed:
            both.advance(0.5)
        assert failed.value.failure.kind is FailureKind.DTLS_HANDSHAKE
        assert both.a.session.report().rtp_sent == both.b.session.report().rtp_sent == 0


def test_a_session_that_never_had_keys_says_a_last_word_when_it_is_stopped() -> None:
    with pair() as both:
        both.b.session.start(negotiated(both.a.port, agreed(both)[1], rtcp_mux=True), says(1, 2), None, both.now)
        both.b.session.stop(both.now)
        assert [report.final for report in both.b.heard_of(MediaReported)] == [True]


# Strangers.


def test_a_strangers_handshake_neither_takes_the_call_nor_ends_it() -> None:
    with pair() as both, stranger() as somebody:
        of_a, of_b = agreed(both)
        both.b.session.start(negotiated(both.a.port, of_b, rtcp_mux=True), says(1, 2), None, both.now)
        flights: list[bytes] = []
        intruder = DtlsAssociation(
            DtlsCertificate(), replace(of_a, fingerprints=(fingerprint(both.b.certificate),)), flights.append
        )
        intruder.begin()
        somebody.settimeout(1)
        for _ in range(2):
            for datagram in flights:
                somebody.sendto(datagram, ("127.0.0.1", both.b.port))
            flights.clear()
            both.b.take_in(both.now)
            while not intruder.srtp:
                intruder.receive(somebody.recv(2048))
                if flights:
                    break
        assert both.b.heard_of(MediaSecured) == []
        both.a.session.start(negotiated(both.b.port, of_a, rtcp_mux=True), says(1, 1), None, both.now)
        both.advance(0.5)
        assert len(both.a.heard_of(MediaSecured)) == len(both.b.heard_of(MediaSecured)) == 1


def test_a_strangers_answer_to_our_hello_does_not_spoil_the_handshake_with_the_peer() -> None:
    with pair() as both, stranger() as somebody:
        of_a, of_b = agreed(both)
        flights: list[bytes] = []
        answers: list[bytes] = []
        client = DtlsAssociation(DtlsCertificate(), of_a, flights.append)
        client.begin()
        server = DtlsAssociation(DtlsCertificate(), of_b, answers.append)
        server.receive(flights[0])
        both.a.session.start(negotiated(both.b.port, of_a, rtcp_mux=True), says(9, 1), None, both.now)
        both.a.session.receive(answers[0][:200], somebody.getsockname(), both.now, on_rtcp=False)
        both.a.session.receive(answers[0], somebody.getsockname(), both.now, on_rtcp=False)
        both.b.session.start(negotiated(both.a.port, of_b, rtcp_mux=True), says(9, 2), None, both.now)
        for _ in in_real_time(both, 4):
            if both.a.heard_of(MediaSecured) and both.b.heard_of(MediaSecured):
                break
        assert len(both.a.heard_of(MediaSecured)) == len(both.b.heard_of(MediaSecured)) == 1


def test_a_flood_of_handshakes_is_looked_at_in_small_numbers_and_the_call_comes_about() -> None:
    with pair() as both, stranger() as somebody:
        hello: list[bytes] = []
        DtlsAssociation(DtlsCertificate(), agreed(both)[0], hello.append).begin()
        both.b.session.start(negotiated(both.a.port, agreed(both)[1], rtcp_mux=True), says(1, 2), None, both.now)
        began = time.perf_counter()
        for number in range(20_000):
            both.b.session.receive(
                hello[0][:30] + number.to_bytes(4, "big") + hello[0][34:], somebody.getsockname(), both.now, False
            )
        assert time.perf_counter() - began < 2
        keying = both.b.session._keying
        assert keying is not None
        assert keying._taken == DATAGRAMS_A_SECOND
        assert keying._attempts <= MAX_ATTEMPTS
        both.now += 1.1
        both.a.session.start(negotiated(both.b.port, agreed(both)[0], rtcp_mux=True), says(1, 1), None, both.now)
        for _ in in_real_time(both, 3):
            if both.b.heard_of(MediaSecured):
                break
        assert both.b.heard_of(MediaSecured)


CERTIFICATE = DtlsCertificate()
RECORDS = st.builds(
    lambda kind, epoch, body: bytes((kind,)) + b"\xfe\xfd" + epoch + bytes(6) + len(body).to_bytes(2, "big") + body,
    st.sampled_from([20, 21, 22, 23, 63]),
    st.sampled_from([b"\0\0", b"\0\1"]),
    st.one_of(
        st.binary(max_size=300),
        st.builds(  # handshake messages: fragments, of any length, out of order
            lambda kind, length, number, offset, part: (
                bytes((kind,))
                + length.to_bytes(3, "big")
                + number.to_bytes(2, "big")
                + offset.to_bytes(3, "big")
                + len(part).to_bytes(3, "big")
                + part
            ),
            st.sampled_from([0, 1, 2, 11, 20]),
            st.sampled_from([0, 10, 300, 70_000, 0xFFFFFF]),
            st.integers(0, 20),
            st.sampled_from([0, 5, 200, 0xFFFFFF]),
            st.binary(max_size=200),
        ),
    ),
)


@settings(deadline=None, max_examples=150)
@given(st.booleans(), st.lists(st.one_of(st.binary(max_size=2048), RECORDS), max_size=12))
def test_any_octets_are_no_handshake_and_no_crash(active: bool, octets: list[bytes]) -> None:
    sent: list[bytes] = []
    kinds: set[FailureKind] = set()
    association = DtlsAssociation(
        CERTIFICATE, DtlsSrtpSecurity((fingerprint(CERTIFICATE),), active, DTLS_SUITES), sent.append
    )
    association.begin()
    for datagram in octets:
        try:
            association.receive(datagram)
        except OperationFailed as error:
            kinds.add(error.failure.kind)
            break
    assert kinds <= {FailureKind.DTLS_HANDSHAKE}
    assert association.srtp is None
    assert all(len(datagram) <= MTU for datagram in sent)


# Losses.


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("at", ["a", "b"])
def test_a_lost_flight_is_sent_again(at: str, lost: int) -> None:
    with pair() as both:
        dropped = 0

        def lose() -> bool:
            nonlocal dropped
            dropped += 1
            return dropped <= lost

        (both.a if at == "a" else both.b).lose = lose
        begin(both, says(9, 1), says(9, 2))
        for _ in in_real_time(both, 9):
            if both.a.heard_of(MediaSecured) and both.b.heard_of(MediaSecured):
                break
        assert len(both.a.heard_of(MediaSecured)) == len(both.b.heard_of(MediaSecured)) == 1


def test_a_flight_is_cut_between_records_only() -> None:
    def record(length: int) -> bytes:
        return b"\x16\xfe\xfd" + bytes(8) + length.to_bytes(2, "big") + bytes(length)

    flight = record(500) + record(600) + record(300) + record(1100)
    assert datagrams(flight) == [record(500) + record(600), record(300), record(1100)]
    assert datagrams(b"") == []
    assert all(is_dtls(datagram) and not is_client_hello(datagram) for datagram in datagrams(flight))


# Later offers.


def _update(both: Pair, *security: DtlsSrtpSecurity, **changes: object) -> None:
    of_a, of_b = security
    both.a.session.update(negotiated(both.b.port, of_a, rtcp_mux=True, **changes), both.now)
    both.b.session.update(negotiated(both.a.port, of_b, rtcp_mux=True, **changes), both.now)


def test_hold_and_resume_keep_the_association() -> None:
    with pair() as both:
        begin(both, says(3, 1), says(3, 2))
        both.advance(0.5)
        keying = both.a.session._keying
        assert keying is not None
        before = keying.srtp
        _update(both, *agreed(both), direction=Direction.INACTIVE)
        both.advance(0.3)
        _update(both, *agreed(both))
        both.advance(0.5)
        assert keying.srtp is before
        report = both.b.session.report()
        assert report.auth_failures == 0
        assert report.rtp_received > 40


def _ssrc(both: Pair) -> int:
    running = both.a.session._running
    assert running is not None
    return running.transmitter.sender.ssrc


def test_changed_sides_are_a_new_handshake_with_new_keys_and_a_new_ssrc() -> None:
    with pair() as both:
        a, b = says(6, 1), says(6, 2)
        begin(both, a, b)
        both.advance(0.5)
        keying, ssrc = both.a.session._keying, _ssrc(both)
        assert keying is not None
        before = keying.srtp
        _update(both, *agreed(both, a_active=False))
        both.advance(2.0)
        after = keying.srtp
        assert after is not None
        assert after != before
        assert _ssrc(both) != ssrc
        correlation, _ = best_alignment(voice(6, RATE, 1)[RATE : 2 * RATE], b.heard(), RATE)
        assert correlation > 0.9


def test_a_new_fingerprint_that_does_not_come_true_ends_the_call_and_is_silent_until_then() -> None:
    with pair() as both:
        begin(both, says(3, 1), says(3, 2))
        both.advance(0.5)
        of_a, of_b = agreed(both)
        sent = both.b.session.report().rtp_sent
        _update(both, of_a, replace(of_b, fingerprints=(Fingerprint("sha-256", bytes(32)),)))
        both.advance(0.2)
        assert both.b.session.report().rtp_sent <= sent + 1
        with pytest.raises(OperationFailed) as failed:
            both.b.session.hear(both.now + HANDSHAKE_S)
        assert failed.value.failure.kind is FailureKind.DTLS_HANDSHAKE


def test_a_peer_that_moved_and_shakes_no_hands_again_keeps_the_keys() -> None:
    with pair() as both:
        begin(both, says(30, 1), says(30, 2))
        both.advance(0.5)
        keying = both.a.session._keying
        assert keying is not None
        before = keying.srtp
        with stranger() as elsewhere:
            both.a.session.update(negotiated(elsewhere.getsockname()[1], agreed(both)[0], rtcp_mux=True), both.now)
            both.advance(0.2)
            elsewhere.settimeout(1)
            assert is_client_hello(elsewhere.recv(2048)), "RFC 5763 §6.6: it may have a new association"
        heard = both.b.session.report().rtp_received
        both.advance(HANDSHAKE_S + 0.5)
        assert keying.srtp is before
        assert keying._beside is None
        assert both.b.session.report().rtp_received > heard + 50, "and the old one goes on"


def test_a_peer_that_begins_again_by_itself_gets_a_handshake_beside_the_running_keys() -> None:
    with pair() as both:
        begin(both, says(5, 1), says(5, 2))
        both.advance(0.5)
        keying = both.b.session._keying
        assert keying is not None
        before = keying.srtp
        flights: list[bytes] = []
        again = DtlsAssociation(both.a.certificate, agreed(both)[0], flights.append)
        again.begin()
        answers: list[bytes] = []
        keying._send_to = lambda datagram, _to: answers.append(datagram)
        for _ in range(4):
            for datagram in flights:
                both.b.session.receive(datagram, ("127.0.0.1", both.a.port), both.now, on_rtcp=False)
            flights.clear()
            for datagram in answers:
                again.receive(datagram)
            answers.clear()
        assert again.srtp is not None
        assert keying.srtp is not before
        assert keying.srtp is not None
        assert keying.srtp.receive == again.srtp.send


def test_keys_by_description_and_keys_by_dtls_may_follow_each_other() -> None:
    with pair() as both:
        both.start(says(4, 1), says(4, 2), crossed_keys(), rtcp_mux=True)
        both.advance(0.5)
        _update(both, *agreed(both, ("AEAD_AES_256_GCM",)))
        both.advance(0.5)
        of_a, of_b = crossed_keys(CRYPTO_SUITES["AES_256_CM_HMAC_SHA1_80"])
        both.a.session.update(negotiated(both.b.port, of_a, rtcp_mux=True), both.now)
        both.b.session.update(negotiated(both.a.port, of_b, rtcp_mux=True), both.now)
        both.advance(0.5)
        assert [event.srtp_suite for event in both.a.heard_of(MediaSecured)] == [
            "AES_CM_128_HMAC_SHA1_80",
            "AEAD_AES_256_GCM",
            "AES_256_CM_HMAC_SHA1_80",
        ]


def test_another_way_of_agreeing_on_keys_is_told_although_the_suite_stays() -> None:
    """What the person is shown says how the keys came."""
    with pair() as both:
        begin(both, says(4, 1), says(4, 2), *agreed(both, ("AES_CM_128_HMAC_SHA1_80",)))
        both.advance(0.5)
        of_a, of_b = crossed_keys()
        both.a.session.update(negotiated(both.b.port, of_a, rtcp_mux=True), both.now)
        both.b.session.update(negotiated(both.a.port, of_b, rtcp_mux=True), both.now)
        both.advance(0.5)
        _update(both, *agreed(both, ("AES_CM_128_HMAC_SHA1_80",)))
        both.advance(0.5)
        _update(both, *agreed(both, ("AES_CM_128_HMAC_SHA1_80",)))
        both.advance(0.5)
        assert [event.srtp_suite for event in both.a.heard_of(MediaSecured)] == ["AES_CM_128_HMAC_SHA1_80"] * 3


def test_an_agreed_clear_call_takes_no_handshake() -> None:
    with pair() as both:
        both.start(says(1, 1), says(1, 2), (CLEAR, CLEAR))
        hello: list[bytes] = []
        DtlsAssociation(CERTIFICATE, agreed(both)[0], hello.append).begin()
        both.b.session.receive(hello[0], ("127.0.0.1", both.a.port), both.now, on_rtcp=False)
        both.advance(0.3)
        assert both.b.session._keying is None
        assert both.b.heard_of(MediaSecured) == []
