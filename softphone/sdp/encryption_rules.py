"""The table of security.md "Media: the policy", as tables: what an offer or an answer may lead to.

Owns: the classes of offered and answered audio lines, the decision for each under each policy value, and the rule that
an encrypted call never becomes clear. Knows nothing of states, codecs or sentences.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from softphone.policy.media import MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.crypto_attribute import CryptoAttribute
from softphone.sdp.media_lines import AudioLine, LocalLine, ProfileKind


class Decision(enum.Enum):
    SRTP = "srtp"
    CLEAR = "clear"
    ASK = "ask"  # clear, once the person has agreed
    CLEAR_IF_ALLOWED = "clear-if-allowed"  # inside the tables only: UnencryptedPeer decides
    REFUSE_CLEAR = "refuse-clear"  # no encryption where the policy wants it
    REFUSE_DOWNGRADE = "refuse-downgrade"  # the call was encrypted before
    REFUSE_KEYS = "refuse-keys"  # encryption without a key that we can use
    REFUSE_ENCRYPTED = "refuse-encrypted"  # the policy is Disabled
    REFUSE_DTLS = "refuse-dtls"
    REFUSE_PROFILE = "refuse-profile"


class OfferedLine(enum.Enum):
    SAVP_KEYED = "RTP/SAVP with usable crypto"
    SAVP_KEYLESS = "RTP/SAVP without usable crypto"
    AVP_KEYED = "RTP/AVP with usable crypto"
    AVP_KEYLESS = "RTP/AVP without usable crypto"
    DTLS = "UDP/TLS/RTP/SAVP"
    OTHER = "another profile"


class AnsweredLine(enum.Enum):
    KEYED = "the offered profile with usable crypto"
    KEYLESS = "no crypto at all"
    BROKEN = "crypto, but not one usable line"
    OTHER_PROFILE = "another profile than the offered"


_M, _O, _D = MediaEncryption.MANDATORY, MediaEncryption.OPTIONAL, MediaEncryption.DISABLED

OFFER_TABLE: dict[tuple[MediaEncryption, OfferedLine], Decision] = {
    (_M, OfferedLine.SAVP_KEYED): Decision.SRTP,
    (_M, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_KEYS,
    (_M, OfferedLine.AVP_KEYED): Decision.SRTP,
    (_M, OfferedLine.AVP_KEYLESS): Decision.REFUSE_CLEAR,
    (_M, OfferedLine.DTLS): Decision.REFUSE_DTLS,
    (_M, OfferedLine.OTHER): Decision.REFUSE_PROFILE,
    (_O, OfferedLine.SAVP_KEYED): Decision.SRTP,
    (_O, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_KEYS,
    (_O, OfferedLine.AVP_KEYED): Decision.SRTP,
    (_O, OfferedLine.AVP_KEYLESS): Decision.CLEAR_IF_ALLOWED,
    (_O, OfferedLine.DTLS): Decision.REFUSE_DTLS,
    (_O, OfferedLine.OTHER): Decision.REFUSE_PROFILE,
    (_D, OfferedLine.SAVP_KEYED): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.SAVP_KEYLESS): Decision.REFUSE_ENCRYPTED,
    (_D, OfferedLine.AVP_KEYED): Decision.CLEAR,
    (_D, OfferedLine.AVP_KEYLESS): Decision.CLEAR,
    (_D, OfferedLine.DTLS): Decision.REFUSE_DTLS,
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

_OFFERED_KINDS: dict[tuple[ProfileKind, bool], OfferedLine] = {
    (ProfileKind.SAVP, True): OfferedLine.SAVP_KEYED,
    (ProfileKind.SAVP, False): OfferedLine.SAVP_KEYLESS,
    (ProfileKind.AVP, True): OfferedLine.AVP_KEYED,
    (ProfileKind.AVP, False): OfferedLine.AVP_KEYLESS,
    (ProfileKind.DTLS, True): OfferedLine.DTLS,
    (ProfileKind.DTLS, False): OfferedLine.DTLS,
    (ProfileKind.OTHER, True): OfferedLine.OTHER,
    (ProfileKind.OTHER, False): OfferedLine.OTHER,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """`crypto` is the line to use where the decision is SRTP; `reasons` say why crypto lines were passed over."""

    decision: Decision
    crypto: CryptoAttribute | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallHistory:
    """What happened earlier in this call."""

    encrypted: bool = False  # its media was SRTP
    agreed_to_clear: bool = False  # the person agreed to it


def judge_offer(policy: MediaPolicy, history: CallHistory, line: AudioLine) -> Judgement:
    """One offered audio line. RFC 4568 §5.1.2: the offerer's first crypto line that we can use."""
    usable, reasons = _usable(line.crypto, policy.accepted_suites)
    crypto = usable[0] if usable else None
    decision = OFFER_TABLE[policy.encryption, _OFFERED_KINDS[line.kind, crypto is not None]]
    return _judgement(policy, history, decision, crypto, (*line.crypto_problems, *reasons))


def judge_answer(policy: MediaPolicy, history: CallHistory, line: AudioLine, offered: LocalLine) -> Judgement:
    """The answer to our line. RFC 4568 §5.1.3: one crypto line, an offered tag, that tag's suite, our profile."""
    suites = {item.tag: item.suite_name for item in offered.crypto}
    usable, reasons = _usable(line.crypto, policy.accepted_suites)
    crypto = usable[0] if len(usable) == 1 and line.crypto_lines == 1 else None
    if line.crypto_lines > 1:
        reasons = (*reasons, "the answer has several crypto lines")
    if crypto is not None and suites.get(crypto.tag) != crypto.suite_name:
        reasons = (*reasons, f"the answer's crypto line {crypto.tag} {crypto.suite_name} was not offered")
        crypto = None
    answered = _answered(line, offered, crypto)
    decision = ANSWER_TABLE[policy.encryption, answered]
    return _judgement(policy, history, decision, crypto, (*line.crypto_problems, *reasons))


def _answered(line: AudioLine, offered: LocalLine, crypto: CryptoAttribute | None) -> AnsweredLine:
    if line.profile != offered.profile:
        # RTP/AVP without crypto is the plain downgrade, and is named as such.
        keyless = line.kind is ProfileKind.AVP and not line.crypto_lines and "SAVP" in offered.profile
        return AnsweredLine.KEYLESS if keyless else AnsweredLine.OTHER_PROFILE
    if crypto is not None:
        return AnsweredLine.KEYED
    return AnsweredLine.BROKEN if line.crypto_lines else AnsweredLine.KEYLESS


def _usable(
    lines: Sequence[CryptoAttribute], accepted_suites: Sequence[str]
) -> tuple[list[CryptoAttribute], tuple[str, ...]]:
    usable: list[CryptoAttribute] = []
    reasons: list[str] = []
    for line in lines:
        reason = line.unusable_reason()
        if reason is None and line.suite_name not in accepted_suites:
            reason = f"crypto suite {line.suite_name} is not accepted by this phone's settings"
        if reason is None:
            usable.append(line)
        else:
            reasons.append(f"crypto line {line.tag}: {reason}")
    return usable, tuple(reasons)


def _judgement(
    policy: MediaPolicy,
    history: CallHistory,
    decision: Decision,
    crypto: CryptoAttribute | None,
    reasons: tuple[str, ...],
) -> Judgement:
    if decision is Decision.CLEAR_IF_ALLOWED:
        decision = _UNENCRYPTED_PEER[policy.unencrypted_peer]
    if decision is Decision.ASK and history.agreed_to_clear:
        decision = Decision.CLEAR
    if history.encrypted and decision in (Decision.CLEAR, Decision.ASK, Decision.REFUSE_CLEAR):
        decision = Decision.REFUSE_DOWNGRADE
    return Judgement(decision, crypto if decision is Decision.SRTP else None, reasons)
