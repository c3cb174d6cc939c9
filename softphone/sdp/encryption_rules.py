"""The table of security.md "Media: the policy", as tables: what an offer or an answer may lead to.

Owns: the classes of offered and answered audio lines, the decision for each under each policy value, and the rule that
an encrypted call never becomes clear. Knows nothing of states, codecs or sentences.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from softphone.policy.media import DTLS_SUITES, KeyExchange, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.crypto_attribute import CryptoAttribute
from softphone.sdp.dtls_attributes import DtlsAttributes, Setup
from softphone.sdp.media_lines import AudioLine, LocalLine, ProfileKind
from softphone.sdp.negotiated import DtlsSrtpSecurity, MediaSecurity, SrtpSecurity


class Decision(enum.Enum):
    SRTP = "srtp"
    CLEAR = "clear"
    ASK = "ask"  # clear, once the person has agreed
    CLEAR_IF_ALLOWED = "clear-if-allowed"  # inside the tables only: UnencryptedPeer decides
    REFUSE_CLEAR = "refuse-clear"  # no encryption where the policy wants it
    REFUSE_DOWNGRADE = "refuse-downgrade"  # the call was encrypted before
    REFUSE_KEYS = "refuse-keys"  # encryption without a key that we can use
    REFUSE_ENCRYPTED = "refuse-encrypted"  # the policy is Disabled
    REFUSE_DTLS = "refuse-dtls"  # the policy takes SDES only
    REFUSE_DTLS_KEYS = "refuse-dtls-keys"  # DTLS without what a handshake needs
    REFUSE_PROFILE = "refuse-profile"


class OfferedLine(enum.Enum):
    SAVP_KEYED = "RTP/SAVP with usable crypto"
    SAVP_KEYLESS = "RTP/SAVP without usable crypto"
    AVP_KEYED = "RTP/AVP with usable crypto"
    AVP_FINGERPRINT = "RTP/AVP without usable crypto, with a usable fingerprint"
    AVP_KEYLESS = "RTP/AVP without usable crypto"
    DTLS = "UDP/TLS/RTP/SAVP with a usable fingerprint"
    DTLS_KEYLESS = "UDP/TLS/RTP/SAVP without a usable fingerprint"
    DTLS_UNWANTED = "UDP/TLS/RTP/SAVP where the policy takes SDES only"
    OTHER = "another profile"


class AnsweredLine(enum.Enum):
    KEYED = "the offered profile with usable crypto or fingerprint"
    KEYLESS = "no crypto and no fingerprint at all"
    BROKEN = "crypto, but not one usable line"
    BROKEN_DTLS = "DTLS was offered, and no usable fingerprint came"
    OTHER_PROFILE = "another profile than the offered"


_M, _O, _D = MediaEncryption.MANDATORY, MediaEncryption.OPTIONAL, MediaEncryption.DISABLED

OFFER_TABLE: dict[tuple[MediaEncryption, OfferedLine], Decision] = {
    (_M, OfferedLine.SAVP_KEYED): Decision.SRTP,
    (_M, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_KEYS,
    (_M, OfferedLine.AVP_KEYED): Decision.SRTP,
    (_M, OfferedLine.AVP_KEYLESS): Decision.REFUSE_CLEAR,
    (_M, OfferedLine.AVP_FINGERPRINT): Decision.SRTP,
    (_M, OfferedLine.DTLS): Decision.SRTP,
    (_M, OfferedLine.DTLS_KEYLESS): Decision.REFUSE_DTLS_KEYS,
    (_M, OfferedLine.DTLS_UNWANTED): Decision.REFUSE_DTLS,
    (_M, OfferedLine.OTHER): Decision.REFUSE_PROFILE,
    (_O, OfferedLine.SAVP_KEYED): Decision.SRTP,
    (_O, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_KEYS,
    (_O, OfferedLine.AVP_KEYED): Decision.SRTP,
    (_O, OfferedLine.AVP_KEYLESS): Decision.CLEAR_IF_ALLOWED,
    (_O, OfferedLine.AVP_FINGERPRINT): Decision.SRTP,
    (_O, OfferedLine.DTLS): Decision.SRTP,
    (_O, OfferedLine.DTLS_KEYLESS): Decision.REFUSE_DTLS_KEYS,
    (_O, OfferedLine.DTLS_UNWANTED): Decision.REFUSE_DTLS,
    (_O, OfferedLine.OTHER): Decision.REFUSE_PROFILE,
    (_D, OfferedLine.SAVP_KEYED): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.AVP_KEYED): Decision.CLEAR,
    (_D, OfferedLine.AVP_KEYLESS): Decision.CLEAR,
    (_D, OfferedLine.AVP_FINGERPRINT): Decision.CLEAR,
    (_D, OfferedLine.DTLS): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.DTLS_KEYLESS): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.DTLS_UNWANTED): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.OTHER): Decision.REFUSE_PROFILE,
}

# A broken crypto line in an answer means that the peer will send SRTP that we cannot read: never clear media for that.
ANSWER_TABLE: dict[tuple[MediaEncryption, AnsweredLine], Decision] = {
    (_M, AnsweredLine.KEYED): Decision.SRTP,
    (_M, AnsweredLine.KEYLESS): Decision.REFUSE_CLEAR,
    (_M, AnsweredLine.BROKEN): Decision.REFUSE_KEYS,
    (_M, AnsweredLine.OTHER_PROFILE): Decision.REFUSE_PROFILE,
    (_O, AnsweredLine.KEYED): Decision.SRTP,
    (_O, AnsweredLine.KEYLESS): Decision.CLEAR_IF_ALLOWED,
    (_O, AnsweredLine.BROKEN): Decision.REFUSE_KEYS,
    (_O, AnsweredLine.OTHER_PROFILE): Decision.REFUSE_PROFILE,
    (_M, AnsweredLine.BROKEN_DTLS): Decision.REFUSE_DTLS_KEYS,
    (_O, AnsweredLine.BROKEN_DTLS): Decision.REFUSE_DTLS_KEYS,
    (_D, AnsweredLine.BROKEN_DTLS): Decision.REFUSE_DTLS_KEYS,  # cannot be, as the next
    (_D, AnsweredLine.KEYED): Decision.CLEAR,  # cannot be: no crypto was offered
    (_D, AnsweredLine.KEYLESS): Decision.CLEAR,
    (_D, AnsweredLine.BROKEN): Decision.CLEAR,
    (_D, AnsweredLine.OTHER_PROFILE): Decision.REFUSE_PROFILE,
}

_UNENCRYPTED_PEER: dict[UnencryptedPeer, Decision] = {
    UnencryptedPeer.REFUSE: Decision.REFUSE_CLEAR,
    UnencryptedPeer.ASK: Decision.ASK,
    UnencryptedPeer.ALLOW: Decision.CLEAR,
}

_OFFERED_KINDS: dict[tuple[ProfileKind, bool, bool], OfferedLine] = {  # usable crypto? usable fingerprint?
    (ProfileKind.SAVP, True, True): OfferedLine.SAVP_KEYED,
    (ProfileKind.SAVP, True, False): OfferedLine.SAVP_KEYED,
    (ProfileKind.SAVP, False, True): OfferedLine.SAVP_KEYLESS,  # DTLS has profiles of its own
    (ProfileKind.SAVP, False, False): OfferedLine.SAVP_KEYLESS,
    (ProfileKind.AVP, True, True): OfferedLine.AVP_KEYED,
    (ProfileKind.AVP, True, False): OfferedLine.AVP_KEYED,
    (ProfileKind.AVP, False, True): OfferedLine.AVP_FINGERPRINT,  # RFC 8643 §3.1
    (ProfileKind.AVP, False, False): OfferedLine.AVP_KEYLESS,
    (ProfileKind.DTLS, True, True): OfferedLine.DTLS,
    (ProfileKind.DTLS, True, False): OfferedLine.DTLS_KEYLESS,
    (ProfileKind.DTLS, False, True): OfferedLine.DTLS,
    (ProfileKind.DTLS, False, False): OfferedLine.DTLS_KEYLESS,
    **{(ProfileKind.OTHER, keyed, named): OfferedLine.OTHER for keyed in (True, False) for named in (True, False)},
}
_OFFER_ROLES: dict[Setup, Setup] = {Setup.ACTIVE: Setup.PASSIVE, Setup.PASSIVE: Setup.ACTIVE}
"""What the answer must say to an offer that leaves no choice (RFC 4145 §4.1)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`crypto` or `dtls` is what to use where the decision is SRTP; `reasons` say why others were passed over."""

    decision: Decision
    crypto: CryptoAttribute | None = None
    reasons: tuple[str, ...] = ()
    dtls: DtlsAttributes | None = None


@dataclass(frozen=True, slots=True)
class CallHistory:
    """What happened earlier in this call."""

    encrypted: bool = False  # its media was SRTP
    agreed_to_clear: bool = False  # the person agreed to it


def judge_offer(
    policy: MediaPolicy, history: CallHistory, line: AudioLine, running: MediaSecurity | None = None
) -> Judgement:
    """One offered audio line. RFC 4568 §5.1.2: the offerer's first crypto line that we can use.

    In a running call a line with the key that the peer uses already comes first: linphone offers its weaker suites
    before the one that was agreed on, and a hold is no reason to change to them.
    """
    usable, reasons = _usable(policy, line.crypto)
    in_use = (running.receive, *running.further) if isinstance(running, SrtpSecurity) else ()
    crypto = next((item for item in usable if item.srtp_keys == in_use), usable[0] if usable else None)
    dtls, why_not = _usable_dtls(policy, line)
    kind = _OFFERED_KINDS[line.kind, crypto is not None, dtls is not None]
    if line.kind is ProfileKind.DTLS:
        crypto = None
        if KeyExchange.DTLS not in policy.accepted_key_exchanges:
            kind = OfferedLine.DTLS_UNWANTED
    decision = OFFER_TABLE[policy.encryption, kind]
    return _judgement(policy, history, decision, crypto, dtls, (*line.crypto_problems, *reasons, *why_not))


def judge_answer(
    policy: MediaPolicy,
    history: CallHistory,
    line: AudioLine,
    offered: LocalLine,
    running: MediaSecurity | None = None,
) -> Judgement:
    """The answer to our line. RFC 4568 §5.1.3: one crypto line, an offered tag, that tag's suite, our profile.

    Where we offered DTLS: a fingerprint, and the role that our offer left (RFC 5763 §5).
    """
    suites = {item.tag: item.suite_name for item in offered.crypto}
    usable, reasons = _usable(policy, line.crypto)
    crypto = usable[0] if len(usable) == 1 and line.crypto_lines == 1 else None
    if line.crypto_lines > 1:
        reasons = (*reasons, "the answer has several crypto lines")
    if crypto is not None and suites.get(crypto.tag) != crypto.suite_name:
        reasons = (*reasons, f"the answer's crypto line {crypto.tag} {crypto.suite_name} was not offered")
        crypto = None
    dtls: DtlsAttributes | None = None
    if offered.setup is not None:
        dtls, why_not = _usable_dtls(policy, line)
        if dtls is not None and dtls.setup not in _permitted_roles(offered.setup) and not _goes_on(running, dtls):
            dtls, why_not = None, ("the answer takes a part in the handshake that the offer did not leave (a=setup)",)
        reasons = (*reasons, *why_not)
    decision = ANSWER_TABLE[policy.encryption, _answered(line, offered, crypto, dtls)]
    return _judgement(policy, history, decision, crypto, dtls, (*line.crypto_problems, *reasons))


def _permitted_roles(offered: Setup) -> tuple[Setup, ...]:
    return (_OFFER_ROLES[offered],) if offered in _OFFER_ROLES else (Setup.ACTIVE, Setup.PASSIVE)


def _goes_on(running: MediaSecurity | None, dtls: DtlsAttributes) -> bool:
    """A peer that says what it said before, whatever we offer (baresip does), goes on with the association it has."""
    return (
        isinstance(running, DtlsSrtpSecurity)
        and running.fingerprints == dtls.fingerprints
        and dtls.setup is (Setup.PASSIVE if running.active else Setup.ACTIVE)
    )


def _answered(
    line: AudioLine, offered: LocalLine, crypto: CryptoAttribute | None, dtls: DtlsAttributes | None
) -> AnsweredLine:
    if line.profile != offered.profile:
        # RTP/AVP without crypto is the plain downgrade, and is named as such.
        keyless = line.kind is ProfileKind.AVP and not line.crypto_lines and "SAVP" in offered.profile
        return AnsweredLine.KEYLESS if keyless else AnsweredLine.OTHER_PROFILE
    if crypto is not None or dtls is not None:
        return AnsweredLine.KEYED
    if offered.setup is not None and (line.dtls is not None or line.kind is ProfileKind.DTLS):
        return AnsweredLine.BROKEN_DTLS
    return AnsweredLine.BROKEN if line.crypto_lines else AnsweredLine.KEYLESS


def _usable(policy: MediaPolicy, lines: Sequence[CryptoAttribute]) -> tuple[list[CryptoAttribute], tuple[str, ...]]:
    usable: list[CryptoAttribute] = []
    reasons: list[str] = []
    for line in lines:
        reason = line.unusable_reason()
        if reason is None and line.suite_name not in policy.accepted_suites:
            reason = f"crypto suite {line.suite_name} is not accepted by this phone's settings"
        if reason is None and KeyExchange.SDES not in policy.accepted_key_exchanges:
            reason = "keys in the session description (SDES) are not accepted by this phone's settings"
        if reason is None:
            usable.append(line)
        else:
            reasons.append(f"crypto line {line.tag}: {reason}")
    return usable, tuple(reasons)


def _usable_dtls(policy: MediaPolicy, line: AudioLine) -> tuple[DtlsAttributes | None, tuple[str, ...]]:
    if line.dtls is None:
        return None, ("there is no certificate fingerprint (a=fingerprint)",) if line.kind is ProfileKind.DTLS else ()
    reason = line.dtls.unusable_reason()
    if reason is None and KeyExchange.DTLS not in policy.accepted_key_exchanges:
        reason = "keys by DTLS are not accepted by this phone's settings"
    if reason is None and not any(name in DTLS_SUITES for name in policy.accepted_suites):
        reason = "none of the crypto suites that this phone's settings accept can be agreed on by DTLS"
    return (line.dtls, ()) if reason is None else (None, (f"DTLS: {reason}",))


def _judgement(
    policy: MediaPolicy,
    history: CallHistory,
    decision: Decision,
    crypto: CryptoAttribute | None,
    dtls: DtlsAttributes | None,
    reasons: tuple[str, ...],
) -> Judgement:
    if decision is Decision.CLEAR_IF_ALLOWED:
        decision = _UNENCRYPTED_PEER[policy.unencrypted_peer]
    if decision is Decision.ASK and history.agreed_to_clear:
        decision = Decision.CLEAR
    if history.encrypted and decision in (Decision.CLEAR, Decision.ASK, Decision.REFUSE_CLEAR):
        decision = Decision.REFUSE_DOWNGRADE
    if decision is not Decision.SRTP:
        return Judgement(decision, None, reasons)
    return Judgement(decision, crypto, reasons, dtls if crypto is None else None)
