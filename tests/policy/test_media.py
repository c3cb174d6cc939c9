from __future__ import annotations

import dataclasses
import itertools

import pytest

from softphone.errors import Failure, FailureGroup, FailureKind
from softphone.policy import media
from softphone.policy.media import (
    DEFAULT_ACCEPTED_SUITES,
    DEFAULT_SUITES,
    DTLS_SUITES,
    ConnectionProfile,
    KeyExchange,
    MediaEncryption,
    MediaPolicy,
    UnencryptedPeer,
    effective_media_policy,
)
from softphone.policy.origin import Origin
from softphone.srtp.crypto_suites import CRYPTO_SUITES

# security.md "Media: the policy": what a profile permits.
PERMITTED = {
    ConnectionProfile.PUBLIC: {MediaEncryption.MANDATORY},
    ConnectionProfile.PRIVATE: {MediaEncryption.MANDATORY, MediaEncryption.OPTIONAL, MediaEncryption.DISABLED},
    ConnectionProfile.VPN: {MediaEncryption.MANDATORY, MediaEncryption.OPTIONAL, MediaEncryption.DISABLED},
}


@pytest.mark.parametrize(
    ("encryption", "profile", "unencrypted_peer", "origin"),
    list(itertools.product(MediaEncryption, ConnectionProfile, UnencryptedPeer, Origin)),
)
def test_a_policy_is_what_was_chosen_or_a_failure_and_never_another(
    encryption: MediaEncryption, profile: ConnectionProfile, unencrypted_peer: UnencryptedPeer, origin: Origin
) -> None:
    result = effective_media_policy(
        encryption=encryption, profile=profile, unencrypted_peer=unencrypted_peer, origin=origin
    )
    if encryption in PERMITTED[profile]:
        assert result == MediaPolicy(
            encryption=encryption, profile=profile, unencrypted_peer=unencrypted_peer, origin=origin
        )
    else:
        assert isinstance(result, Failure)
        assert result.kind is FailureKind.POLICY
        assert result.group is FailureGroup.REFUSED_BY_POLICY
        assert media.ENCRYPTION_LABELS[encryption] in result.reason
        assert "VPN" in result.remedy


def test_the_defaults_are_a_mandatory_policy_on_a_public_network() -> None:
    assert effective_media_policy() == MediaPolicy()
    assert MediaPolicy().encryption is MediaEncryption.MANDATORY
    assert MediaPolicy().profile is ConnectionProfile.PUBLIC
    assert MediaPolicy().unencrypted_peer is UnencryptedPeer.ASK


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        ((), DEFAULT_ACCEPTED_SUITES),
        (DEFAULT_SUITES, ()),
        (("NULL_HMAC_SHA1_80",), DEFAULT_ACCEPTED_SUITES),
        (DEFAULT_SUITES, (*DEFAULT_SUITES, "F8_128_HMAC_SHA1_80")),
        (("AEAD_AES_128_GCM",), ("AEAD_AES_256_GCM",)),
        (("AEAD_AES_128_GCM", "AEAD_AES_128_GCM"), DEFAULT_ACCEPTED_SUITES),
    ],
)
def test_suites_that_are_empty_unknown_doubled_or_offered_without_being_accepted_are_a_failure(
    offered: tuple[str, ...], accepted: tuple[str, ...]
) -> None:
    result = effective_media_policy(offered_suites=offered, accepted_suites=accepted)
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.SETTINGS
    assert result.reason
    assert result.remedy


def test_a_key_exchange_that_could_never_come_about_is_a_failure() -> None:
    assert isinstance(effective_media_policy(key_exchange=KeyExchange.DTLS), MediaPolicy)
    for wrong in (
        effective_media_policy(key_exchange=KeyExchange.DTLS, accepted_key_exchanges=(KeyExchange.SDES,)),
        effective_media_policy(accepted_key_exchanges=()),
        effective_media_policy(key_exchange=KeyExchange.DTLS, offered_suites=("AES_256_CM_HMAC_SHA1_80",)),
    ):
        assert isinstance(wrong, Failure)
        assert wrong.kind is FailureKind.SETTINGS
        assert wrong.remedy


def test_the_suites_of_dtls_are_suites_that_exist() -> None:
    assert set(DTLS_SUITES) <= set(CRYPTO_SUITES)


def test_the_suites_that_a_policy_may_name_are_those_that_exist() -> None:
    assert set(DEFAULT_ACCEPTED_SUITES) == set(CRYPTO_SUITES)


def test_the_gateways_one_suite_is_offered_by_default_and_the_short_tag_is_not() -> None:
    assert "AES_CM_128_HMAC_SHA1_80" in DEFAULT_SUITES
    assert "AES_CM_128_HMAC_SHA1_32" not in DEFAULT_SUITES
    assert "AES_CM_128_HMAC_SHA1_32" in DEFAULT_ACCEPTED_SUITES


@pytest.mark.parametrize(
    ("values", "tables"),
    [
        (MediaEncryption, (media.ENCRYPTION_LABELS, media.ENCRYPTION_EXPLANATIONS)),
        (ConnectionProfile, (media.PROFILE_LABELS, media.PROFILE_EXPLANATIONS)),
        (UnencryptedPeer, (media.UNENCRYPTED_PEER_LABELS, media.UNENCRYPTED_PEER_EXPLANATIONS)),
    ],
)
def test_every_value_of_the_pane_has_a_label_and_an_explanation(values: type, tables: tuple[dict[object, str]]) -> None:
    for table in tables:
        assert set(table) == set(values)  # type: ignore[call-overload]
        assert all(table.values())


def test_the_two_hints_of_the_mediation_server_are_given() -> None:
    assert "subnet" in media.PROFILE_HINTS[ConnectionProfile.PRIVATE]
    assert "UDP over TCP" in media.PROFILE_HINTS[ConnectionProfile.VPN]


def test_a_policy_cannot_be_changed_after_it_was_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MediaPolicy().encryption = MediaEncryption.DISABLED  # type: ignore[misc]
