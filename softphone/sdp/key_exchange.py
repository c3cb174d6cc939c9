"""Which key exchange an offer or an answer of ours uses, and who begins a DTLS handshake.

Owns: that choice (security.md; RFC 5763 §5, §6.6; RFC 8643). Must not know: descriptions, states.
"""

from __future__ import annotations

from softphone.policy.media import DTLS_SUITES, KeyExchange, MediaEncryption, MediaPolicy
from softphone.sdp.dtls_attributes import DtlsAttributes, Setup
from softphone.sdp.media_lines import PROFILES, ProfileKind
from softphone.sdp.negotiated import ClearMedia, DtlsSrtpSecurity, MediaSecurity

_PROFILES_OF_OURS = {True: (ProfileKind.DTLS, "UDP/TLS/RTP/SAVP"), False: (ProfileKind.SAVP, "RTP/SAVP")}


def offers_dtls(policy: MediaPolicy, running: MediaSecurity | None) -> bool:
    """An encrypted session keeps the way in which its keys came."""
    if policy.encryption is MediaEncryption.DISABLED:
        return False
    if running is None or isinstance(running, ClearMedia):
        return policy.key_exchange is KeyExchange.DTLS
    return isinstance(running, DtlsSrtpSecurity)


def offer_profile(policy: MediaPolicy, running: MediaSecurity | None, profile_in_use: str | None) -> str:
    """Mandatory always offers a secure profile; else an encrypted session keeps the profile it has."""
    profile = None if running is None or isinstance(running, ClearMedia) else profile_in_use
    if policy.encryption is not MediaEncryption.MANDATORY:
        return profile or "RTP/AVP"
    kind, usual = _PROFILES_OF_OURS[offers_dtls(policy, running)]
    return profile if profile and PROFILES[profile] is kind else usual


def offer_setup(running: MediaSecurity | None, *, new_keys: bool) -> Setup:
    """New keys come with a new association, and changed sides are what makes one (RFC 5763 §6.6)."""
    if not (new_keys and isinstance(running, DtlsSrtpSecurity)):
        return Setup.ACTPASS
    return Setup.PASSIVE if running.active else Setup.ACTIVE


def answers_active(running: MediaSecurity | None, theirs: DtlsAttributes) -> bool:
    """RFC 5763 §5: active unless the offer says otherwise; an association that goes on keeps its sides."""
    if theirs.setup is not Setup.ACTPASS:
        return theirs.setup is Setup.PASSIVE
    if isinstance(running, DtlsSrtpSecurity) and running.fingerprints == theirs.fingerprints:
        return running.active
    return True


def dtls_security(policy: MediaPolicy, theirs: DtlsAttributes, *, active: bool) -> DtlsSrtpSecurity:
    """What we offer where we begin the handshake, what we accept where the peer does."""
    suites = policy.offered_suites if active else policy.accepted_suites
    usable = tuple(name for name in suites if name in DTLS_SUITES) or tuple(
        name for name in policy.accepted_suites if name in DTLS_SUITES
    )
    return DtlsSrtpSecurity(theirs.fingerprints, active, usable, theirs.tls_id)
