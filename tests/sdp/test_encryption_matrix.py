"""The table of security.md "Media: the policy", row by row: 3 values × offers × 3 profiles × 3 choices."""

from __future__ import annotations

import itertools

import pytest

from softphone.errors import Failure, FailureKind
from softphone.policy.media import (
    ConnectionProfile,
    MediaEncryption,
    MediaPolicy,
    UnencryptedPeer,
    effective_media_policy,
)
from softphone.policy.origin import Origin
from softphone.sdp.encryption_rules import (
    ANSWER_TABLE,
    OFFER_TABLE,
    AnsweredLine,
    OfferedLine,
)
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, NegotiatedMedia, Rejection, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerState
from tests.sdp.descriptions import audio, body, crypto, crypto_lines, media_line, session, text_lines

PROFILES_OF_OFFERS = ("RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udp")
CRYPTO_OF_OFFERS = {
    "no crypto": (),
    "usable crypto": (crypto(),),
    "NULL cipher": (crypto(rest=" UNENCRYPTED_SRTP"),),
    "unauthenticated": (crypto(rest=" UNAUTHENTICATED_SRTP"),),
    "KDR": (crypto(rest="|2^20|1:4 KDR=1"),),
    "unknown suite": (crypto().replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80"),),
    "over-long key": (crypto(suite="AEAD_AES_256_GCM").replace("AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"),),
    "second line usable": (crypto(1, rest=" UNENCRYPTED_SRTCP"), crypto(2, fill=2)),
}
USABLE = {"usable crypto", "second line usable"}
SRTP, CLEAR, ASK, REFUSED = "srtp", "clear", "ask", "refused"
# (value, savp?, usable?) of the document's table; "choice" is the pane's "If the other side cannot encrypt".
TABLE = {
    ("mandatory", "SAVP", True): SRTP,
    ("mandatory", "SAVP", False): REFUSED,
    ("mandatory", "AVP", True): SRTP,
    ("mandatory", "AVP", False): REFUSED,
    ("optional", "SAVP", True): SRTP,
    ("optional", "SAVP", False): REFUSED,
    ("optional", "AVP", True): SRTP,
    ("optional", "AVP", False): "choice",
    ("disabled", "SAVP", True): REFUSED,
    ("disabled", "SAVP", False): REFUSED,
    ("disabled", "AVP", True): CLEAR,
    ("disabled", "AVP", False): CLEAR,
}
CHOICE = {"refuse": REFUSED, "ask": ASK, "allow": CLEAR}


def expected(policy: MediaPolicy, profile: str, crypto_name: str) -> str:
    family = profile.removeprefix("RTP/").removesuffix("F")
    if family not in ("SAVP", "AVP"):
        return REFUSED
    outcome = TABLE[policy.encryption.value, family, crypto_name in USABLE]
    return CHOICE[policy.unencrypted_peer.value] if outcome == "choice" else outcome


def policies() -> list[MediaPolicy]:
    found = []
    for encryption, profile, choice in itertools.product(MediaEncryption, ConnectionProfile, UnencryptedPeer):
        policy = effective_media_policy(
            encryption=encryption, profile=profile, unencrypted_peer=choice, origin=Origin.MANAGED
        )
        if not isinstance(policy, Failure):
            found.append(policy)
    return found


def name(policy: MediaPolicy) -> str:
    return f"{policy.encryption.value}-{policy.profile.value}-{policy.unencrypted_peer.value}"


def test_the_matrix_has_every_policy_that_the_profiles_permit() -> None:
    assert len(policies()) == (3 + 2 * 2) * 3


@pytest.mark.parametrize("policy", policies(), ids=name)
@pytest.mark.parametrize("profile", PROFILES_OF_OFFERS)
@pytest.mark.parametrize("crypto_name", CRYPTO_OF_OFFERS)
def test_an_offer_leads_to_what_the_table_says(policy: MediaPolicy, profile: str, crypto_name: str) -> None:
    offer = body(audio(profile, *CRYPTO_OF_OFFERS[crypto_name]))
    ours = session(policy)
    verdict = ours.receive_offer(offer)
    outcome = expected(policy, profile, crypto_name)
    if outcome == REFUSED:
        assert isinstance(verdict, Rejection)
        assert verdict.status == 488
        assert verdict.failure.reason.endswith(".")
        assert "PBX" in verdict.failure.remedy
        assert verdict.warning.isascii()
        assert '"' not in verdict.warning
        assert ours.state is OfferAnswerState.STABLE
        return
    if outcome == ASK:
        assert isinstance(verdict, ConsentNeeded)
        assert ours.negotiated is None
        ours.agree_to_clear()
    else:
        assert isinstance(verdict, NegotiatedMedia)
    answer = ours.create_answer()
    assert media_line(answer).split()[2] == profile
    assert ours.negotiated is not None
    if outcome == SRTP:
        assert isinstance(ours.negotiated.security, SrtpSecurity)
        assert len(crypto_lines(answer)) == 1
    else:
        assert isinstance(ours.negotiated.security, ClearMedia)
        assert ours.negotiated.security.origin is Origin.MANAGED
        assert crypto_lines(answer) == []


@pytest.mark.parametrize("policy", policies(), ids=name)
def test_our_offer_is_what_the_table_says(policy: MediaPolicy) -> None:
    offer = session(policy).create_offer()
    profile = {"mandatory": "RTP/SAVP", "optional": "RTP/AVP", "disabled": "RTP/AVP"}[policy.encryption.value]
    assert media_line(offer).split()[2] == profile
    suites = [line.split()[1] for line in crypto_lines(offer)]
    assert suites == ([] if policy.encryption is MediaEncryption.DISABLED else list(policy.offered_suites))


# What a peer may answer, and what the document's last column makes of it. "broken" is crypto, but none usable: the
# peer would send SRTP that nobody can read, so clear media is not what was answered.
ANSWERS = ("no crypto", "usable", "wrong tag", "wrong suite", "two lines", "NULL cipher", "KDR", "short key")
ANSWER_OUTCOMES = {
    ("mandatory", "no crypto"): REFUSED,
    ("mandatory", "usable"): SRTP,
    ("mandatory", "broken"): REFUSED,
    ("optional", "no crypto"): "choice",
    ("optional", "usable"): SRTP,
    ("optional", "broken"): REFUSED,
    ("disabled", "no crypto"): CLEAR,
    ("disabled", "usable"): CLEAR,
    ("disabled", "broken"): CLEAR,
}


def answer_crypto(answer: str) -> tuple[str, ...]:
    # The default policy offers AEAD_AES_256_GCM as 1, AEAD_AES_128_GCM as 2, AES_256_CM_HMAC_SHA1_80 as 3,
    # AES_CM_128_HMAC_SHA1_80 as 4.
    return {
        "no crypto": (),
        "usable": (crypto(4),),
        "wrong tag": (crypto(3),),
        "wrong suite": (crypto(1),),
        "two lines": (crypto(4), crypto(1, "AEAD_AES_256_GCM")),
        "NULL cipher": (crypto(4, rest=" UNENCRYPTED_SRTP"),),
        "KDR": (crypto(4, rest=" KDR=1"),),
        "short key": (crypto(4).replace("AQEBAQ", "AQ", 1)[:-2] + "==",),
    }[answer]


@pytest.mark.parametrize("policy", policies(), ids=name)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_leads_to_what_the_table_says(policy: MediaPolicy, answer: str) -> None:
    ours = session(policy)
    profile = media_line(ours.create_offer()).split()[2]
    verdict = ours.receive_answer(body(audio(profile, *answer_crypto(answer))))
    kind = answer if answer in ("no crypto", "usable") else "broken"
    outcome = ANSWER_OUTCOMES[policy.encryption.value, kind]
    outcome = CHOICE[policy.unencrypted_peer.value] if outcome == "choice" else outcome
    assert ours.state is OfferAnswerState.STABLE
    if outcome == REFUSED:
        assert isinstance(verdict, Rejection)
        assert verdict.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
        assert ours.negotiated is None
    elif outcome == ASK:
        assert isinstance(verdict, ConsentNeeded)
        assert ours.negotiated is None
        assert isinstance(ours.agree_to_clear().security, ClearMedia)
        assert ours.negotiated == verdict.media
    else:
        assert isinstance(verdict, NegotiatedMedia)
        assert isinstance(verdict.security, SrtpSecurity if outcome == SRTP else ClearMedia)
        assert ours.negotiated == verdict


@pytest.mark.parametrize("policy", policies(), ids=name)
@pytest.mark.parametrize("offered_crypto", ["usable", "no crypto"])
def test_an_answer_under_another_profile_is_refused(policy: MediaPolicy, offered_crypto: str) -> None:
    ours = session(policy)
    offered = media_line(ours.create_offer()).split()[2]
    for profile in PROFILES_OF_OFFERS:
        if profile == offered:
            continue
        verdict = ours.receive_answer(body(audio(profile, *answer_crypto(offered_crypto))))
        assert isinstance(verdict, Rejection), profile
        assert verdict.status == 488
        assert ours.negotiated is None


def test_the_plain_downgrade_of_an_answer_is_named_as_such() -> None:
    ours = session()
    ours.create_offer()
    verdict = ours.receive_answer(body(audio("RTP/AVP")))
    assert isinstance(verdict, Rejection)
    assert verdict.failure.kind is FailureKind.MEDIA_NOT_ENCRYPTED
    assert "answered without encryption" in verdict.failure.reason


def test_a_refusal_names_each_crypto_line_that_was_passed_over() -> None:
    verdict = session().receive_offer(
        body(
            audio(
                "RTP/SAVP",
                crypto(1, rest=" UNENCRYPTED_SRTP"),
                crypto(2, rest="|1:1;inline:x"),
                crypto(4, rest=" FUTURE"),
            )
        )
    )
    assert isinstance(verdict, Rejection)
    assert len(verdict.failure.evidence) == 3
    assert "AQEB" not in repr(verdict)


def test_the_tables_decide_every_pair() -> None:
    assert set(OFFER_TABLE) == set(itertools.product(MediaEncryption, OfferedLine))
    assert set(ANSWER_TABLE) == set(itertools.product(MediaEncryption, AnsweredLine))


def test_no_crypto_is_in_what_a_disabled_phone_sends() -> None:
    ours = session(next(policy for policy in policies() if policy.encryption is MediaEncryption.DISABLED))
    assert all("crypto" not in line for line in text_lines(ours.create_offer()))
