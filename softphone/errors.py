"""What can go wrong, in types: protocol errors for the code, `Failure` for people.

Owns: the exception hierarchy and the catalogue of failure kinds. Knows nothing above floor 0.
No exception and no `Failure` carries a secret; texts are for people and name cause and remedy.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SoftphoneError(Exception):
    """Base of every error this program raises on purpose."""


class RemoteProtocolError(SoftphoneError):
    """The peer's fault; becomes a SIP status (RFC 3261 §21) where an answer is due."""

    def __init__(self, reason: str, status_hint: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint


class LocalProtocolError(SoftphoneError):
    """Our own bug: a call that the state of the machine forbids. Never caught below the engine."""


class TransactionTimeout(SoftphoneError):
    """No answer in time; treated as a 408 response (RFC 3261 §8.1.3.1)."""


class TransportFailed(SoftphoneError):
    """The flow is gone before the answer came; treated as a 503 response (RFC 3261 §8.1.3.1)."""


class FailureKind(enum.Enum):
    """The particular cause of a failure. The group decides the command line's exit code (cli.md)."""

    # No network or server.
    NAME_NOT_RESOLVED = "name-not-resolved"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_TIMED_OUT = "connection-timed-out"
    NETWORK_UNREACHABLE = "network-unreachable"
    CONNECTION_LOST = "connection-lost"
    SERVER_SILENT = "server-silent"  # connected, but no SIP answer (408 from a transaction timer)
    # TLS or certificate.
    NOT_TLS = "not-tls"
    TLS_VERSION = "tls-version"
    TLS_CIPHER = "tls-cipher"
    TLS_HANDSHAKE = "tls-handshake"
    UNKNOWN_ISSUER = "unknown-issuer"
    CHAIN_INCOMPLETE = "chain-incomplete"
    SELF_SIGNED = "self-signed"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_INVALID = "certificate-invalid"
    CERTIFICATE_REVOKED = "certificate-revoked"
    WRONG_NAME = "wrong-name"
    PIN_MISMATCH = "pin-mismatch"
    CLIENT_CERTIFICATE_REQUIRED = "client-certificate-required"
    CLIENT_CERTIFICATE_REFUSED = "client-certificate-refused"
    CLIENT_CERTIFICATE_UNUSABLE = "client-certificate-unusable"
    # Authentication.
    WRONG_CREDENTIALS = "wrong-credentials"
    NO_CREDENTIALS = "no-credentials"
    UNSUPPORTED_CHALLENGE = "unsupported-challenge"
    # Refused by policy.
    MEDIA_NOT_ENCRYPTED = "media-not-encrypted"
    TRANSPORT_NOT_SECURE = "transport-not-secure"
    POLICY = "policy"
    FINGERPRINT_MISMATCH = "fingerprint-mismatch"  # DTLS-SRTP: another certificate than the one announced
    DTLS_HANDSHAKE = "dtls-handshake"  # DTLS-SRTP: no keys could be agreed on
    # The other side or the server said no, or the call ended so.
    REJECTED = "rejected"  # any final SIP status without a kind of its own
    NOT_ACCEPTABLE = "not-acceptable"  # SDP that cannot be agreed for a reason other than encryption
    PROTOCOL = "protocol"  # the peer broke the protocol
    MEDIA_LOST = "media-lost"
    ENGINE_FAILED = "engine-failed"
    WINDOW_LOST = "window-lost"
    # Audio device.
    AUDIO_DEVICE = "audio-device"
    # Wrong use, settings, storage.
    SETTINGS = "settings"
    STORAGE = "storage"
    USAGE = "usage"
    HOOK = "hook"  # a program of the user's own, called for an event


class FailureGroup(enum.IntEnum):
    """The groups of the command line's contract; the value is the exit code."""

    CALL_FAILED = 1
    WRONG_USE = 2
    REFUSED_BY_POLICY = 3
    TLS_OR_CERTIFICATE = 4
    AUTHENTICATION = 5
    NO_NETWORK_OR_SERVER = 6
    AUDIO_DEVICE = 7


_GROUPS: dict[FailureGroup, frozenset[FailureKind]] = {
    FailureGroup.NO_NETWORK_OR_SERVER: frozenset(
        {
            FailureKind.NAME_NOT_RESOLVED,
            FailureKind.CONNECTION_REFUSED,
            FailureKind.CONNECTION_TIMED_OUT,
            FailureKind.NETWORK_UNREACHABLE,
            FailureKind.CONNECTION_LOST,
            FailureKind.SERVER_SILENT,
        }
    ),
    FailureGroup.TLS_OR_CERTIFICATE: frozenset(
        {
            FailureKind.NOT_TLS,
            FailureKind.TLS_VERSION,
            FailureKind.TLS_CIPHER,
            FailureKind.TLS_HANDSHAKE,
            FailureKind.UNKNOWN_ISSUER,
            FailureKind.CHAIN_INCOMPLETE,
            FailureKind.SELF_SIGNED,
            FailureKind.CERTIFICATE_EXPIRED,
            FailureKind.CERTIFICATE_NOT_YET_VALID,
            FailureKind.CERTIFICATE_INVALID,
            FailureKind.CERTIFICATE_REVOKED,
            FailureKind.WRONG_NAME,
            FailureKind.PIN_MISMATCH,
            FailureKind.CLIENT_CERTIFICATE_REQUIRED,
            FailureKind.CLIENT_CERTIFICATE_REFUSED,
            FailureKind.CLIENT_CERTIFICATE_UNUSABLE,
        }
    ),
    FailureGroup.AUTHENTICATION: frozenset(
        {FailureKind.WRONG_CREDENTIALS, FailureKind.NO_CREDENTIALS, FailureKind.UNSUPPORTED_CHALLENGE}
    ),
    FailureGroup.REFUSED_BY_POLICY: frozenset(
        {
            FailureKind.MEDIA_NOT_ENCRYPTED,
            FailureKind.TRANSPORT_NOT_SECURE,
            FailureKind.POLICY,
            FailureKind.FINGERPRINT_MISMATCH,
            FailureKind.DTLS_HANDSHAKE,
        }
    ),
    FailureGroup.AUDIO_DEVICE: frozenset({FailureKind.AUDIO_DEVICE}),
    FailureGroup.WRONG_USE: frozenset({FailureKind.SETTINGS, FailureKind.USAGE, FailureKind.HOOK}),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, in words a person can act on.

    `reason` is one sentence that names the particular cause, `remedy` one that says what to do about it,
    `evidence` the facts behind it (a fingerprint, the names in a certificate). `status` is the SIP status
    if one was received or sent.
    """

    kind: FailureKind
    reason: str
    remedy: str
    evidence: tuple[str, ...] = ()
    status: int | None = None

    @property
    def group(self) -> FailureGroup:
        for group, kinds in _GROUPS.items():
            if self.kind in kinds:
                return group
        return FailureGroup.CALL_FAILED


class OperationFailed(SoftphoneError):
    """Carries a `Failure` through code that must stop."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure
