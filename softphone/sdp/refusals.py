"""The words of a refused offer or answer: SIP status, cause, remedy, Warning text (RFC 3261 §20.43, §21.4.26).

Owns: one record for each cause. A reason is a sentence for the person at this phone; a remedy names what to change,
mostly on the PBX; a warning is ASCII for the peer's log.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.errors import Failure, FailureKind
from softphone.sdp.encryption_rules import Decision
from softphone.sdp.negotiated import Rejection

MAX_EVIDENCE = 20


class Cause(enum.Enum):
    CLEAR_OFFER = "clear-offer"
    CLEAR_ANSWER = "clear-answer"
    DOWNGRADE = "downgrade"
    KEYS = "keys"
    ENCRYPTION_DISABLED = "encryption-disabled"
    DTLS = "dtls"
    DTLS_KEYS = "dtls-keys"
    PROFILE = "profile"
    NO_AUDIO = "no-audio"
    NO_ADDRESS = "no-address"
    NO_CODEC = "no-codec"
    MALFORMED = "malformed"
    GLARE = "glare"
    OVERLAP = "overlap"
    UNEXPECTED_ANSWER = "unexpected-answer"


@dataclass(frozen=True, slots=True)
class _Words:
    status: int
    kind: FailureKind
    reason: str
    remedy: str
    warning: str


_SWITCH_ON_SRTP = (
    "On the PBX, switch on SRTP with SDES keys (RTP/SAVP, in Asterisk media_encryption=sdes) for this extension "
    "and for the line or extension at the other end."
)

_WORDS: dict[Cause, _Words] = {
    Cause.CLEAR_OFFER: _Words(
        488,
        FailureKind.MEDIA_NOT_ENCRYPTED,
        "The other side wants to talk without encryption, and this phone's settings refuse that.",
        _SWITCH_ON_SRTP,
        "SRTP is required: offer RTP/SAVP with a=crypto",
    ),
    Cause.CLEAR_ANSWER: _Words(
        488,
        FailureKind.MEDIA_NOT_ENCRYPTED,
        "The other side answered without encryption, and this phone's settings refuse that.",
        _SWITCH_ON_SRTP,
        "SRTP is required: the answer has no a=crypto",
    ),
    Cause.DOWNGRADE: _Words(
        488,
        FailureKind.MEDIA_NOT_ENCRYPTED,
        "The other side wanted to continue an encrypted call without encryption; the call stays encrypted.",
        "On the PBX, keep SRTP on for hold, transfer and re-INVITE at both ends of the call.",
        "SRTP is in use and is not given up: keep a=crypto",
    ),
    Cause.KEYS: _Words(
        488,
        FailureKind.MEDIA_NOT_ENCRYPTED,
        "The other side wants encryption but sent no key that this phone can use.",
        "On the PBX, allow the crypto suite AES_CM_128_HMAC_SHA1_80 with one key and without session parameters.",
        "No usable a=crypto: AES_CM_128_HMAC_SHA1_80 with one key is known to work",
    ),
    Cause.ENCRYPTION_DISABLED: _Words(
        488,
        FailureKind.POLICY,
        "The other side insists on encryption, and media encryption is set to Disabled on this phone.",
        "Set Media encryption to “Mandatory SRTP (RTP/SAVP)” or “Optional SRTP (RTP/AVP)”, "
        "or allow RTP/AVP for this extension on the PBX.",
        "SRTP is switched off here: offer RTP/AVP",
    ),
    Cause.DTLS: _Words(
        488,
        FailureKind.POLICY,
        "The other side wants to exchange keys by DTLS-SRTP, and this phone's settings take SDES keys only.",
        "On the PBX, choose SRTP with SDES keys (RTP/SAVP) instead of DTLS-SRTP or WebRTC for this extension, or "
        "accept the key exchange “dtls” on this phone.",
        "DTLS-SRTP is switched off here: offer RTP/SAVP with a=crypto",
    ),
    Cause.DTLS_KEYS: _Words(
        488,
        FailureKind.MEDIA_NOT_ENCRYPTED,
        "The other side wants DTLS-SRTP but did not say enough for a handshake that this phone can trust.",
        "On the PBX, switch rtcp-mux on and let it name its certificate by a SHA-256 fingerprint, or choose SRTP "
        "with SDES keys (RTP/SAVP).",
        "No usable DTLS-SRTP: a=fingerprint by sha-256, a=setup and a=rtcp-mux are needed",
    ),
    Cause.PROFILE: _Words(
        488,
        FailureKind.NOT_ACCEPTABLE,
        "The other side uses a way to carry voice that does not fit what was asked for.",
        "On the PBX, choose RTP/SAVP with SDES keys for this extension.",
        "Transport profile not acceptable: RTP/SAVP with a=crypto is expected",
    ),
    Cause.NO_AUDIO: _Words(
        488,
        FailureKind.NOT_ACCEPTABLE,
        "The other side has no sound in this call.",
        "Check on the PBX that audio is allowed for both ends of the call.",
        "No audio stream",
    ),
    Cause.NO_ADDRESS: _Words(
        488,
        FailureKind.NOT_ACCEPTABLE,
        "The other side did not name an address where sound can be sent.",
        "Check on the PBX that its media address is an IP address that this phone can reach.",
        "No unicast IP address in the session description",
    ),
    Cause.NO_CODEC: _Words(
        488,
        FailureKind.NOT_ACCEPTABLE,
        "The other side and this phone have no codec in common.",
        "Allow G.711 (PCMU or PCMA) for this extension on the PBX.",
        "No common codec: PCMU or PCMA is expected",
    ),
    Cause.MALFORMED: _Words(
        400,
        FailureKind.PROTOCOL,
        "The other side sent a session description that cannot be read.",
        "Report this to whoever runs the PBX, with the trace of the call.",
        "Malformed session description",
    ),
    Cause.GLARE: _Words(
        491,
        FailureKind.PROTOCOL,
        "Both sides wanted to change the call at the same moment.",
        "It is tried again by itself.",
        "An offer of this side is pending",
    ),
    Cause.OVERLAP: _Words(
        500,
        FailureKind.PROTOCOL,
        "The other side changed the call again before its first change was answered.",
        "Report this to whoever runs the PBX if it happens again.",
        "An earlier offer is not answered yet",
    ),
    Cause.UNEXPECTED_ANSWER: _Words(
        400,
        FailureKind.PROTOCOL,
        "The other side answered an offer that was never made.",
        "Report this to whoever runs the PBX if it happens again.",
        "An answer without an offer",
    ),
}

OFFER_CAUSES: dict[Decision, Cause] = {
    Decision.REFUSE_CLEAR: Cause.CLEAR_OFFER,
    Decision.REFUSE_DOWNGRADE: Cause.DOWNGRADE,
    Decision.REFUSE_KEYS: Cause.KEYS,
    Decision.REFUSE_ENCRYPTED: Cause.ENCRYPTION_DISABLED,
    Decision.REFUSE_DTLS: Cause.DTLS,
    Decision.REFUSE_DTLS_KEYS: Cause.DTLS_KEYS,
    Decision.REFUSE_PROFILE: Cause.PROFILE,
}
ANSWER_CAUSES: dict[Decision, Cause] = {**OFFER_CAUSES, Decision.REFUSE_CLEAR: Cause.CLEAR_ANSWER}


def rejection(cause: Cause, evidence: tuple[str, ...] = (), status: int | None = None) -> Rejection:
    """`status` replaces the usual one, where a parser knows better (413)."""
    words = _WORDS[cause]
    code = status or words.status
    return Rejection(
        status=code,
        failure=Failure(words.kind, words.reason, words.remedy, evidence[:MAX_EVIDENCE], code),
        warning=words.warning,
    )
