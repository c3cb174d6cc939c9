"""The media-encryption policy: what may be offered, accepted and played (security.md "Media: the policy").

Owns: MicroSIP's three values, the connection profiles of the Mediation Server's rule, and what to do when the
other side cannot encrypt, with the words that explain them. Pure values; `sdp/offer_answer.py` applies them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from softphone.errors import Failure, FailureKind
from softphone.policy.origin import Origin


class MediaEncryption(enum.Enum):
    MANDATORY = "mandatory"  # "Mandatory SRTP (RTP/SAVP)"
    OPTIONAL = "optional"  # "Optional SRTP (RTP/AVP)", offered as RFC 8643 says
    DISABLED = "disabled"


class ConnectionProfile(enum.Enum):
    """What lies between this phone and its server."""

    PUBLIC = "public"  # anything below Mandatory is refused
    PRIVATE = "private"  # a dedicated line that only IT staff can observe
    VPN = "vpn"  # AES-128 or better


class UnencryptedPeer(enum.Enum):
    """What to do under Optional when the other side cannot encrypt."""

    REFUSE = "refuse"
    ASK = "ask"
    ALLOW = "allow"


class KeyExchange(enum.Enum):
    SDES = "sdes"
    DTLS = "dtls"


# Offered by default, strongest first; short tags are accepted but not offered (security.md "SDES").
DEFAULT_SUITES = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80")
DEFAULT_ACCEPTED_SUITES = (*DEFAULT_SUITES, "AES_256_CM_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_32")
# Those that DTLS-SRTP has a protection profile for (RFC 5764 §4.1.2, RFC 7714 §14.2).
DTLS_SUITES = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """The effective policy of one account; `effective_media_policy` enforces the profile rule."""

    encryption: MediaEncryption = MediaEncryption.MANDATORY
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK
    key_exchange: KeyExchange = KeyExchange.SDES  # offered
    accepted_key_exchanges: tuple[KeyExchange, ...] = (KeyExchange.SDES, KeyExchange.DTLS)
    offered_suites: tuple[str, ...] = DEFAULT_SUITES
    accepted_suites: tuple[str, ...] = DEFAULT_ACCEPTED_SUITES
    origin: Origin = Origin.DEFAULT
    profile: ConnectionProfile = ConnectionProfile.PUBLIC


# The pane's words. Labels are those that MicroSIP's users know.
ENCRYPTION_LABELS: dict[MediaEncryption, str] = {
    MediaEncryption.MANDATORY: "Mandatory SRTP (RTP/SAVP)",
    MediaEncryption.OPTIONAL: "Optional SRTP (RTP/AVP)",
    MediaEncryption.DISABLED: "Disabled",
}
ENCRYPTION_EXPLANATIONS: dict[MediaEncryption, str] = {
    MediaEncryption.MANDATORY: (
        "Voice is always encrypted. A call that cannot be encrypted is refused, whoever makes it, "
        "and no sound is sent or played."
    ),
    MediaEncryption.OPTIONAL: (
        "Voice is encrypted whenever the other side can. If it cannot, the choice below decides. "
        "A call that was encrypted never becomes unencrypted."
    ),
    MediaEncryption.DISABLED: (
        "Voice is never encrypted: whoever can read the network can listen. Every call is marked “Not encrypted”, "
        "and a call that insists on encryption is refused."
    ),
}
PROFILE_LABELS: dict[ConnectionProfile, str] = {
    ConnectionProfile.PUBLIC: "Public network",
    ConnectionProfile.PRIVATE: "Private line",
    ConnectionProfile.VPN: "VPN",
}
PROFILE_EXPLANATIONS: dict[ConnectionProfile, str] = {
    ConnectionProfile.PUBLIC: (
        "The way to the server crosses the internet or a network that others use. Only Mandatory SRTP is allowed here."
    ),
    ConnectionProfile.PRIVATE: (
        "The way to the server is a dedicated line that only your own IT staff can observe. "
        "Optional SRTP and Disabled are allowed here."
    ),
    ConnectionProfile.VPN: (
        "The way to the server runs through a VPN that encrypts with AES-128 or better. "
        "Optional SRTP and Disabled are allowed here."
    ),
}
PROFILE_HINTS: dict[ConnectionProfile, str] = {
    ConnectionProfile.PRIVATE: (
        "The subnet that links this computer to the server must be private too: "
        "a single shared segment makes it a public network."
    ),
    ConnectionProfile.VPN: (
        "A VPN that carries UDP over TCP adds delay to every word: choose one that runs over UDP if voices lag."
    ),
}
UNENCRYPTED_PEER_LABELS: dict[UnencryptedPeer, str] = {
    UnencryptedPeer.REFUSE: "Refuse the call",
    UnencryptedPeer.ASK: "Ask me",
    UnencryptedPeer.ALLOW: "Allow it",
}
UNENCRYPTED_PEER_EXPLANATIONS: dict[UnencryptedPeer, str] = {
    UnencryptedPeer.REFUSE: "Under Optional SRTP, a call that cannot be encrypted is refused.",
    UnencryptedPeer.ASK: (
        "Under Optional SRTP, no sound flows until you have agreed to a call without encryption. "
        "Where nobody can be asked, the call is refused."
    ),
    UnencryptedPeer.ALLOW: (
        "Under Optional SRTP, a call that cannot be encrypted goes ahead and is marked “Not encrypted”."
    ),
}

PROFILES_FOR: dict[MediaEncryption, frozenset[ConnectionProfile]] = {
    MediaEncryption.MANDATORY: frozenset(ConnectionProfile),
    MediaEncryption.OPTIONAL: frozenset({ConnectionProfile.PRIVATE, ConnectionProfile.VPN}),
    MediaEncryption.DISABLED: frozenset({ConnectionProfile.PRIVATE, ConnectionProfile.VPN}),
}


def effective_media_policy(
    *,
    encryption: MediaEncryption = MediaEncryption.MANDATORY,
    profile: ConnectionProfile = ConnectionProfile.PUBLIC,
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK,
    key_exchange: KeyExchange = KeyExchange.SDES,
    accepted_key_exchanges: tuple[KeyExchange, ...] = (KeyExchange.SDES, KeyExchange.DTLS),
    offered_suites: tuple[str, ...] = DEFAULT_SUITES,
    accepted_suites: tuple[str, ...] = DEFAULT_ACCEPTED_SUITES,
    origin: Origin = Origin.DEFAULT,
) -> MediaPolicy | Failure:
    """The policy as it was chosen, or why it cannot be had: it is never made stronger or weaker in silence."""
    policy = MediaPolicy(
        encryption=encryption,
        unencrypted_peer=unencrypted_peer,
        key_exchange=key_exchange,
        accepted_key_exchanges=accepted_key_exchanges,
        offered_suites=offered_suites,
        accepted_suites=accepted_suites,
        origin=origin,
        profile=profile,
    )
    return policy_contradiction(policy) or policy


def asking_before_clear(policy: MediaPolicy) -> MediaPolicy:
    """For who has talked encrypted already: what the policy allows to new calls is asked about."""
    if policy.unencrypted_peer is UnencryptedPeer.ALLOW:
        return replace(policy, unencrypted_peer=UnencryptedPeer.ASK)
    return policy


def policy_contradiction(policy: MediaPolicy) -> Failure | None:
    """Why this policy must not be applied (security.md "Media: the policy"); None if it may."""
    if policy.profile not in PROFILES_FOR[policy.encryption]:
        return Failure(
            FailureKind.POLICY,
            f"“{ENCRYPTION_LABELS[policy.encryption]}” is not allowed on the connection profile "
            f"“{PROFILE_LABELS[policy.profile]}”.",
            "Choose “Mandatory SRTP (RTP/SAVP)”, or the profile “Private line” or “VPN” if that is what lies "
            "between this phone and its server.",
        )
    if policy.key_exchange not in policy.accepted_key_exchanges:
        return _unusable(
            f"Keys would be offered by {policy.key_exchange.value}, and that is not among the key exchanges accepted.",
            "Accept the key exchange that is offered, or offer another.",
        )
    if policy.key_exchange is KeyExchange.DTLS and not any(name in DTLS_SUITES for name in policy.offered_suites):
        return _unusable(
            "DTLS-SRTP is chosen as key exchange, and it has none of the SRTP crypto suites that are offered.",
            f"Offer at least one of {', '.join(DTLS_SUITES)}.",
        )
    for purpose, suites in (("offered", policy.offered_suites), ("accepted", policy.accepted_suites)):
        if not suites:
            return _unusable(
                f"No SRTP crypto suite is {purpose}.", f"Name at least one of {', '.join(DEFAULT_ACCEPTED_SUITES)}."
            )
        unknown = [name for name in suites if name not in DEFAULT_ACCEPTED_SUITES]
        if unknown:
            return _unusable(
                f"{unknown[0]} is {purpose}, and this version has no such SRTP crypto suite.",
                f"Use only {', '.join(DEFAULT_ACCEPTED_SUITES)}.",
            )
        if len(set(suites)) != len(suites):
            return _unusable(
                f"An SRTP crypto suite is named twice among those {purpose}.", "Name each crypto suite once."
            )
    rejected = [name for name in policy.offered_suites if name not in policy.accepted_suites]
    if rejected:
        return _unusable(
            f"{rejected[0]} would be offered, and is not among the SRTP crypto suites that are accepted.",
            "Accept every crypto suite that is offered, or offer fewer.",
        )
    return None


def _unusable(reason: str, remedy: str) -> Failure:
    """No policy forbids it: it cannot be done as it was written."""
    return Failure(FailureKind.SETTINGS, reason, remedy)
