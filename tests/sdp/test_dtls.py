"""DTLS-SRTP in offers and answers: RFC 5763 §5, RFC 8122 §5, RFC 4145 §4, RFC 8643, and the policy's table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import FailureKind, LocalProtocolError
from softphone.policy.media import (
    DTLS_SUITES,
    ConnectionProfile,
    KeyExchange,
    MediaEncryption,
    MediaPolicy,
    UnencryptedPeer,
)
from softphone.sdp.dtls_attributes import MAX_FINGERPRINTS, Fingerprint, Setup, read_dtls
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, DtlsSrtpSecurity, Rejection, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sdp.session import parse_session_description
from tests.sdp.descriptions import EVENT, audio, avp, body, crypto, media_line, negotiated, octets, savp, text_lines

OURS = "sha-256 " + ":".join(["AA"] * 32)
DIGEST = bytes(range(32))
THEIRS = f"a=fingerprint:sha-256 {DIGEST.hex(':').upper()}"
OTHER = "a=fingerprint:sha-256 " + ":".join(["0b"] * 32)
ACTPASS = (THEIRS, "a=setup:actpass", "a=rtcp-mux")
DTLS = MediaPolicy(key_exchange=KeyExchange.DTLS)
OPTIONAL = MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE)
OPTIONAL_DTLS = replace(OPTIONAL, key_exchange=KeyExchange.DTLS)
DISABLED = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.VPN)
SDES_ONLY = MediaPolicy(accepted_key_exchanges=(KeyExchange.SDES,))
DTLS_ONLY = replace(DTLS, accepted_key_exchanges=(KeyExchange.DTLS,))


def session(policy: MediaPolicy = DTLS, seed: str = "ours", *, rtcp_mux: bool = False) -> OfferAnswerSession:
    created = OfferAnswerSession(policy, ("PCMU", "PCMA"), octets(seed), rtcp_mux=rtcp_mux)
    created.set_local_address("192.0.2.1", 4000, 4001, OURS)
    return created


def dtls(*lines: str, profile: str = "UDP/TLS/RTP/SAVP") -> bytes:
    return body(audio(profile, *(lines or ACTPASS), *EVENT))


def association(verdict: object) -> DtlsSrtpSecurity:
    security = negotiated(verdict).security
    assert isinstance(security, DtlsSrtpSecurity), security
    return security


def refused(verdict: object, kind: FailureKind) -> Rejection:
    assert isinstance(verdict, Rejection), verdict
    assert (verdict.status, verdict.failure.kind) == (488, kind)
    assert verdict.failure.remedy
    return verdict


# Reading.


def read(*lines: str, session_level: tuple[str, ...] = ()) -> object:
    text = "".join(
        f"{line}\r\n"
        for line in (
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.7",
            "s=-",
            "t=0 0",
            *session_level,
            "m=audio 4 UDP/TLS/RTP/SAVP 0",
            *lines,
        )
    )
    description = parse_session_description(text.encode())
    return read_dtls(description, description.media[0])


def test_a_fingerprint_is_read_from_the_stream_or_else_from_the_session() -> None:
    for attributes in (read(*ACTPASS), read("a=rtcp-mux", session_level=(THEIRS, "a=setup:actpass"))):
        assert attributes is not None
        assert attributes.fingerprints == (Fingerprint("sha-256", DIGEST),)  # type: ignore[attr-defined]
        assert attributes.setup is Setup.ACTPASS  # type: ignore[attr-defined]
        assert attributes.unusable_reason() is None  # type: ignore[attr-defined]
    assert str(Fingerprint("sha-256", DIGEST)) == THEIRS.removeprefix("a=fingerprint:")
    assert read("a=setup:actpass") is None


def test_of_several_hash_functions_the_strongest_counts_and_weak_ones_never() -> None:
    stronger = "a=fingerprint:SHA-512 " + ":".join(["cd"] * 64)
    weak = "a=fingerprint:sha-1 " + ":".join(["ab"] * 20)
    both = read(weak, THEIRS, stronger, stronger.replace("cd", "ce"), "a=setup:active", "a=rtcp-mux")
    assert [item.algorithm for item in both.fingerprints] == ["sha-512", "sha-512"]  # type: ignore[attr-defined]
    only_weak = read(weak, "a=fingerprint:md5 " + ":".join(["ab"] * 16), "a=setup:active", "a=rtcp-mux")
    assert "sha-1 is refused" in str(only_weak.unusable_reason())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((THEIRS, "a=rtcp-mux"), "a=setup"),
        ((THEIRS, "a=setup:holdconn", "a=rtcp-mux"), "holdconn"),
        ((THEIRS, "a=setup:both", "a=rtcp-mux"), "a=setup"),
        ((THEIRS, "a=setup:actpass"), "rtcp-mux"),
        (("a=fingerprint:sha-256 AA:BB", "a=setup:actpass", "a=rtcp-mux"), "2 octets"),
        (("a=fingerprint:sha-256 secret words", "a=setup:actpass", "a=rtcp-mux"), "cannot be read"),
    ],
)
def test_what_no_handshake_can_be_trusted_with_is_named(lines: tuple[str, ...], why: str) -> None:
    reason = read(*lines).unusable_reason()  # type: ignore[attr-defined]
    assert why in reason
    assert "secret" not in reason
    verdict = refused(session().receive_offer(dtls(*lines)), FailureKind.MEDIA_NOT_ENCRYPTED)
    assert any(why in evidence for evidence in verdict.failure.evidence)


@given(st.lists(st.text(max_size=60), max_size=30), st.text(max_size=20))
def test_any_attributes_are_read_in_bounds(values: list[str], setup: str) -> None:
    lines = [f"a=fingerprint:{value}" for value in values] + [f"a=setup:{setup}"]
    verdict = session().receive_offer(body(audio("UDP/TLS/RTP/SAVP", *lines)))
    assert isinstance(verdict, Rejection)
    many = read(*(f"a=fingerprint:sha-256 {bytes([n] * 32).hex(':')}" for n in range(100)), "a=setup:active")
    assert len(many.fingerprints) == MAX_FINGERPRINTS  # type: ignore[attr-defined]


# Answering.


@pytest.mark.parametrize("profile", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"])
@pytest.mark.parametrize(
    "policy", [MediaPolicy(), DTLS, DTLS_ONLY, OPTIONAL], ids=["SDES", "DTLS", "DTLS only", "optional"]
)
def test_an_offer_of_dtls_is_answered_under_either_key_exchange(policy: MediaPolicy, profile: str) -> None:
    ours = session(policy)
    security = association(ours.receive_offer(dtls(profile=profile)))
    assert security.fingerprints == (Fingerprint("sha-256", DIGEST),)
    assert security.active
    assert set(security.suites) <= set(DTLS_SUITES)
    body_of_ours = ours.create_answer()
    answer = text_lines(body_of_ours)
    assert media_line(body_of_ours).split()[2] == profile
    assert f"a=fingerprint:{OURS}" in answer
    assert "a=setup:active" in answer
    assert "a=rtcp-mux" in answer
    assert not any(line.startswith("a=crypto") for line in answer)
    assert negotiated(ours.negotiated).rtcp_mux


@pytest.mark.parametrize(("offered", "answered"), [("active", "passive"), ("passive", "active"), ("actpass", "active")])
def test_the_answer_takes_the_part_that_the_offer_leaves(offered: str, answered: str) -> None:
    ours = session()
    security = association(ours.receive_offer(dtls(THEIRS, f"a=setup:{offered}", "a=rtcp-mux")))
    assert security.active is (answered == "active")
    assert f"a=setup:{answered}" in text_lines(ours.create_answer())


@pytest.mark.parametrize(
    ("policy", "kind"), [(SDES_ONLY, FailureKind.POLICY), (DISABLED, FailureKind.POLICY)], ids=["SDES only", "disabled"]
)
def test_dtls_is_refused_where_the_policy_says_so(policy: MediaPolicy, kind: FailureKind) -> None:
    refused(session(policy).receive_offer(dtls()), kind)


def test_keys_in_the_description_are_refused_where_only_dtls_is_accepted() -> None:
    verdict = refused(session(DTLS_ONLY).receive_offer(savp()), FailureKind.MEDIA_NOT_ENCRYPTED)
    assert "SDES" in verdict.failure.evidence[0]


def test_a_policy_whose_suites_dtls_does_not_have_cannot_answer_it() -> None:
    policy = MediaPolicy(offered_suites=("AES_256_CM_HMAC_SHA1_80",), accepted_suites=("AES_256_CM_HMAC_SHA1_80",))
    verdict = refused(session(policy).receive_offer(dtls()), FailureKind.MEDIA_NOT_ENCRYPTED)
    assert "none of the crypto suites" in verdict.failure.evidence[-1]


def test_a_fingerprint_beside_a_crypto_line_on_rtp_avp_is_second_to_it() -> None:
    """RFC 8643 lets an offer carry both."""
    assert isinstance(negotiated(session(MediaPolicy()).receive_offer(avp(crypto(), *ACTPASS))).security, SrtpSecurity)
    assert association(session(MediaPolicy()).receive_offer(avp(*ACTPASS)))
    assert isinstance(negotiated(session(DISABLED).receive_offer(avp(*ACTPASS))).security, ClearMedia)


def test_without_a_certificate_no_answer_is_written() -> None:
    ours = OfferAnswerSession(DTLS, ("PCMU",), octets("x"))
    ours.set_local_address("192.0.2.1", 4000, 4001)
    ours.receive_offer(dtls())
    with pytest.raises(LocalProtocolError):
        ours.create_answer()


# Offering.


def test_dtls_is_offered_when_it_is_chosen() -> None:
    offer = text_lines(session().create_offer())
    assert media_line(session().create_offer()).startswith("m=audio 4000 UDP/TLS/RTP/SAVP ")
    assert {f"a=fingerprint:{OURS}", "a=setup:actpass", "a=rtcp-mux"} <= set(offer)
    assert not any(line.startswith("a=crypto") for line in offer)
    assert media_line(session(OPTIONAL_DTLS).create_offer()).startswith("m=audio 4000 RTP/AVP ")
    assert "a=setup:actpass" in text_lines(session(OPTIONAL_DTLS).create_offer())
    assert "a=setup:actpass" not in text_lines(session(MediaPolicy()).create_offer())


@pytest.mark.parametrize(("answered", "active"), [("active", False), ("passive", True)])
def test_the_answer_says_who_begins(answered: str, active: bool) -> None:
    ours = session()
    ours.create_offer()
    security = association(ours.receive_answer(dtls(THEIRS, f"a=setup:{answered}", "a=rtcp-mux")))
    assert security.active is active


@pytest.mark.parametrize(
    "lines",
    [
        (THEIRS, "a=setup:actpass", "a=rtcp-mux"),
        (THEIRS, "a=setup:holdconn", "a=rtcp-mux"),
        (THEIRS, "a=setup:active"),
        ("a=setup:active", "a=rtcp-mux"),
        ("a=fingerprint:sha-1 " + ":".join(["ab"] * 20), "a=setup:active", "a=rtcp-mux"),
        (crypto(4),),
    ],
)
def test_an_answer_without_what_a_handshake_needs_is_refused(lines: tuple[str, ...]) -> None:
    for policy in (DTLS, OPTIONAL_DTLS):
        ours = session(policy)
        profile = media_line(ours.create_offer()).split()[2]
        verdict = ours.receive_answer(dtls(*lines, profile=profile))
        if policy is OPTIONAL_DTLS and THEIRS not in lines and "fingerprint" not in lines[0]:
            assert not isinstance(verdict, Rejection) or verdict.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        else:
            refused(verdict, FailureKind.MEDIA_NOT_ENCRYPTED)
        assert ours.negotiated is None


def test_the_plain_downgrade_of_a_dtls_offer_is_refused_or_asked_for() -> None:
    ours = session()
    ours.create_offer()
    refused(ours.receive_answer(avp()), FailureKind.MEDIA_NOT_ENCRYPTED)
    ours = session(OPTIONAL_DTLS)
    ours.create_offer()
    assert isinstance(ours.receive_answer(avp()), ConsentNeeded)


# The rest of the call.


def call(policy: MediaPolicy = DTLS) -> OfferAnswerSession:
    ours = session(policy)
    ours.create_offer()
    association(ours.receive_answer(dtls(THEIRS, "a=setup:active", "a=rtcp-mux")))
    return ours


def test_hold_keeps_the_association_whoever_asks() -> None:
    ours = call()
    before = association(ours.negotiated)
    ours.create_offer(Direction.SENDONLY)
    assert association(ours.receive_answer(dtls(THEIRS, "a=setup:active", "a=rtcp-mux", "a=recvonly"))) == before
    assert association(ours.receive_offer(dtls(*ACTPASS, "a=sendonly"))) == before, "we stay passive"
    assert "a=setup:passive" in text_lines(ours.create_answer())


@pytest.mark.parametrize("change", [(OTHER,), (THEIRS, "a=tls-id:" + "x" * 24)], ids=["fingerprint", "tls-id"])
def test_a_new_fingerprint_or_tls_id_is_another_association(change: tuple[str, ...]) -> None:
    ours = call()
    before = association(ours.negotiated)
    after = association(ours.receive_offer(dtls(*change, "a=setup:actpass", "a=rtcp-mux")))
    assert after != before


def test_new_keys_are_asked_for_by_changed_sides() -> None:
    """RFC 5763 §6.6: changed sides are a new association."""
    ours = call()
    assert not association(ours.negotiated).active
    assert "a=setup:active" in text_lines(ours.create_offer(new_keys=True))
    refused(ours.receive_answer(dtls(OTHER, "a=setup:active", "a=rtcp-mux")), FailureKind.MEDIA_NOT_ENCRYPTED)
    ours.create_offer(new_keys=True)
    before = association(ours.negotiated)
    kept = association(ours.receive_answer(dtls(THEIRS, "a=setup:active", "a=rtcp-mux")))
    assert kept == before, "a peer that stays as it was keeps its association"
    ours.create_offer(new_keys=True)
    assert association(ours.receive_answer(dtls(THEIRS, "a=setup:passive", "a=rtcp-mux"))).active


@pytest.mark.parametrize(
    "policy", [DTLS, OPTIONAL_DTLS, replace(OPTIONAL_DTLS, unencrypted_peer=UnencryptedPeer.ALLOW)]
)
def test_a_call_that_dtls_encrypts_never_becomes_clear(policy: MediaPolicy) -> None:
    ours = session(policy)
    profile = media_line(ours.create_offer()).split()[2]
    before = association(ours.receive_answer(dtls(THEIRS, "a=setup:active", "a=rtcp-mux", profile=profile)))
    for offer in (avp(), dtls("a=setup:actpass"), savp("a=sendrecv")):
        assert isinstance(ours.receive_offer(offer), Rejection)
        assert association(ours.negotiated) == before
    ours.create_offer()
    assert isinstance(ours.receive_answer(avp()), Rejection)
    assert association(ours.negotiated) == before


def test_a_fork_answers_the_same_offer_with_a_fingerprint_of_its_own() -> None:
    ours = session()
    ours.create_offer()
    twin = ours.forked()
    one = association(ours.receive_answer(dtls(THEIRS, "a=setup:active", "a=rtcp-mux")))
    other = association(twin.receive_answer(dtls(OTHER, "a=setup:passive", "a=rtcp-mux")))
    assert one.fingerprints != other.fingerprints
    assert (one.active, other.active) == (False, True)


# RTP and RTCP on one port (RFC 5761).


def test_rtcp_mux_is_offered_where_the_account_says_so_and_used_only_if_it_is_answered() -> None:
    for answered in (True, False):
        ours = session(MediaPolicy(), rtcp_mux=True)
        assert "a=rtcp-mux" in text_lines(ours.create_offer())
        media = negotiated(ours.receive_answer(savp(crypto(4), *(("a=rtcp-mux",) if answered else ()))))
        assert media.rtcp_mux is answered
        assert media.remote_rtcp_port == media.remote_rtp_port + (not answered)
    assert "a=rtcp-mux" not in text_lines(session(MediaPolicy()).create_offer())


def test_no_payload_type_of_ours_reads_as_rtcp() -> None:
    numbers = {int(word) for word in media_line(session(rtcp_mux=True).create_offer()).split()[3:]}
    assert not numbers & set(range(64, 96))
