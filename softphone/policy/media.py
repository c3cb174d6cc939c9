"""The media-encryption policy: what may be offered, accepted and played (security.md "Media: the policy").

Owns: MicroSIP's three values, the connection profiles of the Mediation Server's rule, and what to do when the
other side cannot encrypt. Pure values; `sdp/offer_answer.py` applies them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

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


# Offered by default, strongest first; AES_CM_128_HMAC_SHA1_32 is accepted but not offered (security.md "SDES").
DEFAULT_SUITES = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")
DEFAULT_ACCEPTED_SUITES = (*DEFAULT_SUITES, "AES_CM_128_HMAC_SHA1_32")


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """The effective policy of one account; `effective_media_policy` enforces the profile rule."""

    encryption: MediaEncryption = MediaEncryption.MANDATORY
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK
    key_exchange: KeyExchange = KeyExchange.SDES
    offered_suites: tuple[str, ...] = DEFAULT_SUITES
    accepted_suites: tuple[str, ...] = DEFAULT_ACCEPTED_SUITES
    origin: Origin = Origin.DEFAULT
    profile: ConnectionProfile = ConnectionProfile.PUBLIC
