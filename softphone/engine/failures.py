"""From errors of sockets, OpenSSL and peers to a `Failure`: one reason that names the cause, one remedy.

Owns: the tables of alerts (RFC 8446 §6.2), of OpenSSL's reasons and of socket errors. Certificates have their own
module, `chain.py`. Texts from the peer appear in evidence only, made printable and short.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass

from softphone.engine.handshake_watch import HandshakeWatch
from softphone.errors import Failure, FailureKind
from softphone.policy.tls import TlsProfile

_MAX_QUOTED = 160  # characters


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a flow goes: `host` as the person or the SRV record names it."""

    host: str
    port: int
    address: str = ""  # the literal it resolved to

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def evidence(self) -> tuple[str, ...]:
        return (f"address {self.address}",) if self.address and self.address != self.host else ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a handshake that failed."""

    peer: Peer
    profile: TlsProfile
    watch: HandshakeWatch
    client_certificate: bool = False  # we had one to show
    client_certificate_notice: str = ""  # "It expired on …"


def printable(text: str | bytes) -> str:
    """Text of a peer, safe for a screen and a log: no control characters, at most 160 characters."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    cleaned = "".join(character if character.isprintable() else "·" for character in text)
    return cleaned if len(cleaned) <= _MAX_QUOTED else cleaned[:_MAX_QUOTED] + "…"


# --- before TLS ---------------------------------------------------------------------------------------------------

_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
)
_BLOCKED = frozenset({errno.EACCES, errno.EPERM})


def connection_failure(peer: Peer, error: OSError) -> Failure:
    """Why no TCP connection came about."""
    evidence = (*peer.evidence, printable(error.strerror or str(error)))
    if isinstance(error, ConnectionRefusedError):
        return Failure(
            FailureKind.CONNECTION_REFUSED,
            f"{peer} refused the connection: nothing listens on that port.",
            "Check the port (SIP over TLS is usually 5061) and whether the server is running.",
            evidence,
        )
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return connect_timed_out(peer, None)
    if error.errno in _BLOCKED:
        return Failure(
            FailureKind.NETWORK_UNREACHABLE,
            f"This computer does not permit a connection to {peer}.",
            "Ask whoever looks after this computer whether its firewall blocks the softphone.",
            evidence,
        )
    if error.errno in _UNREACHABLE:
        return Failure(
            FailureKind.NETWORK_UNREACHABLE,
            f"There is no way to {peer} from this network.",
            "Check the network connection, and the VPN if the server is behind one.",
            evidence,
        )
    return Failure(
        FailureKind.CONNECTION_LOST,
        f"The connection to {peer} failed: {printable(error.strerror or str(error))}.",
        "Try again; if it stays so, check the network between this computer and the server.",
        evidence,
    )


def connect_timed_out(peer: Peer, seconds: float | None) -> Failure:
    within = f" within {seconds:.0f} s" if seconds is not None else ""
    return Failure(
        FailureKind.CONNECTION_TIMED_OUT,
        f"{peer} did not answer the connection request{within}.",
        "Check the server's name and port, and whether a firewall between here and the server drops the packets.",
        peer.evidence,
    )


def name_failure(host: str, detail: str, remedy: str | None = None) -> Failure:
    return Failure(
        FailureKind.NAME_NOT_RESOLVED,
        f"The name {printable(host)} could not be resolved: {detail}.",
        remedy or "Check the server's name for a typing error, and the network's DNS.",
    )


def resolver_reason(error: socket.gaierror) -> str:
    if error.errno == socket.EAI_NONAME:
        return "no such name is known"
    if error.errno == socket.EAI_AGAIN:
        return "the name server did not answer"
    return printable(error.strerror or str(error))


# --- in the handshake ---------------------------------------------------------------------------------------------


def not_tls(peer: Peer, banner: bytes) -> Failure:
    """The peer's first octets are no TLS record."""
    spoken = next((name for start, name in _BANNERS if banner.startswith(start)), "something else")
    return Failure(
        FailureKind.NOT_TLS,
        f"{peer} does not speak TLS: it answered with {spoken}.",
        "Use the server's SIP-over-TLS port (usually 5061, never 5060) or have TLS switched on there.",
        (*peer.evidence, f"first octets: {printable(banner)}"),
    )


_BANNERS = (
    (b"SIP/2.0", "unencrypted SIP"),
    (b"HTTP/", "unencrypted HTTP (a web server)"),
    (b"SSH-", "an SSH greeting"),
    (b"220", "a mail or FTP greeting"),
)


def handshake_timed_out(attempt: Attempt, seconds: float) -> Failure:
    if attempt.watch.received == 0:
        reason = (
            f"{attempt.peer} accepted the connection but answered nothing to the TLS handshake for {seconds:.0f} s."
        )
        remedy = "Check that this is the server's SIP-over-TLS port; a port for unencrypted SIP stays silent like this."
    else:
        reason = f"The TLS handshake with {attempt.peer} was not finished within {seconds:.0f} s."
        remedy = "Try again; if it stays so, the server or a box in between is overloaded or holds packets back."
    return Failure(FailureKind.CONNECTION_TIMED_OUT, reason, remedy, attempt.peer.evidence)


def closed_in_handshake(attempt: Attempt, error: Exception | None) -> Failure:
    """The TCP connection ended before the handshake did."""
    how = "reset" if isinstance(error, ConnectionResetError) else "closed"
    if attempt.watch.received == 0:
        reason = f"{attempt.peer} {how} the connection without any answer to the TLS handshake."
        remedy = "Check that this is the server's SIP-over-TLS port, and that the server accepts this network."
    else:
        reason = f"{attempt.peer} {how} the connection in the middle of the TLS handshake."
        remedy = (
            "Look into the server's log; it may demand a client certificate, or a box in between cut the connection."
        )
    return Failure(FailureKind.TLS_HANDSHAKE, reason, remedy, attempt.peer.evidence)


def too_much_handshake(attempt: Attempt, limit: int) -> Failure:
    return Failure(
        FailureKind.TLS_HANDSHAKE,
        f"{attempt.peer} sent more than {limit // 1024} KiB without finishing the TLS handshake.",
        "Have the server's certificate chain checked; no honest chain is that long.",
        attempt.peer.evidence,
    )


_CERTIFICATE_ALERTS = {
    "BAD_CERTIFICATE": "it found it bad",
    "UNSUPPORTED_CERTIFICATE": "it does not support its kind",
    "CERTIFICATE_REVOKED": "it holds it revoked",
    "CERTIFICATE_EXPIRED": "it holds it expired",
    "CERTIFICATE_UNKNOWN": "it could not verify it",
    "UNKNOWN_CA": "it does not know its issuer",
    "ACCESS_DENIED": "it verified it but denies access",
    "DECRYPT_ERROR": "it could not verify its signature",
}
_VERSION_REASONS = frozenset(
    {"PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "WRONG_VERSION_NUMBER", "NO_PROTOCOLS_AVAILABLE"}
)
_CIPHER_REASONS = frozenset(
    {"INSUFFICIENT_SECURITY", "WRONG_CIPHER_RETURNED", "UNKNOWN_CIPHER_RETURNED", "NO_SHARED_CIPHER", "BAD_CIPHER"}
)
_OWN_WORDS = {
    "EXCESSIVE_MESSAGE_SIZE": "its certificate chain is too long",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "it lacks secure renegotiation (RFC 5746)",
    "DH_KEY_TOO_SMALL": "its Diffie-Hellman key is too short",
    "UNRECOGNIZED_NAME": "it does not serve this name",
    "INTERNAL_ERROR": "it reports an internal error",
    "RECORD_TOO_SMALL": "it sent a malformed record",
    "PACKET_LENGTH_TOO_LONG": "it sent a record longer than TLS allows",
    "ENCRYPTED_LENGTH_TOO_LONG": "it sent a record longer than TLS allows",
    "UNEXPECTED_MESSAGE": "a message came out of order",
    "TOO_MANY_WARN_ALERTS": "it sent warnings without end",
    "BAD_SIGNATURE": "its signature over the handshake is wrong",
    "WRONG_SIGNATURE_TYPE": "it signed with an algorithm that was not offered",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "there is no common signature algorithm",
}


def alert_name(error: ssl.SSLError) -> tuple[str, bool]:
    """OpenSSL's reason without its prefix, and whether the peer sent it as an alert."""
    reason = error.reason or ""
    head, alert, tail = reason.partition("_ALERT_")
    if alert and head in ("SSLV3", "TLSV1", "TLSV13", "SSL/TLS", "TLS", "SSL"):
        return tail, True
    if reason.startswith("TLSV1_"):  # alerts of RFC 6066 have no "ALERT" in their name
        return reason.removeprefix("TLSV1_"), True
    return reason, False


def tls_failure(attempt: Attempt, error: ssl.SSLError, *, established: bool = False) -> Failure:
    """What OpenSSL or the peer's alert says; not for certificates of the peer (see `chain.py`)."""
    name, from_peer = alert_name(error)
    evidence = (*attempt.peer.evidence, f"OpenSSL: {printable(error.reason or str(error))}")
    if name in _VERSION_REASONS:
        return version_failure(attempt, evidence)
    if name in _CIPHER_REASONS:
        return cipher_failure(attempt, evidence)
    if from_peer and name in {"CERTIFICATE_REQUIRED", "NO_CERTIFICATE"}:
        return client_certificate_failure(attempt, "", evidence)
    if from_peer and name == "HANDSHAKE_FAILURE":
        if attempt.watch.certificate_requested:  # TLS 1.2 has no alert of its own for it
            return client_certificate_failure(attempt, "it refused the handshake after seeing it", evidence)
        if attempt.watch.server_hello is None:
            return cipher_failure(attempt, evidence)
    asked_for_ours = attempt.client_certificate or attempt.watch.certificate_requested or established
    if from_peer and name in _CERTIFICATE_ALERTS and asked_for_ours:
        return client_certificate_failure(attempt, _CERTIFICATE_ALERTS[name], evidence)
    words = _OWN_WORDS.get(name) or printable(name.lower().replace("_", " ") or str(error))
    return Failure(
        FailureKind.TLS_HANDSHAKE,
        f"The TLS connection with {attempt.peer} failed: {words}.",
        "Look into the server's TLS settings and its log; the evidence names what was reported.",
        evidence,
    )


def version_failure(attempt: Attempt, evidence: tuple[str, ...]) -> Failure:
    chosen = attempt.watch.server_hello
    least = "TLS 1.3" if attempt.profile is TlsProfile.TLS13 else "TLS 1.2"
    version = chosen.version.replace("TLSv1", "TLS 1") if chosen is not None else ""
    offers = f"chose {version}" if version and version != "TLS 1.3" else "speaks none of the versions offered"
    remedy = f"Have {least} or newer switched on at the server; older versions are not secure and are never accepted."
    if attempt.profile is TlsProfile.TLS13:
        remedy = f"Have {least} switched on at the server, or choose another TLS profile."
    return Failure(
        FailureKind.TLS_VERSION, f"{attempt.peer} {offers}; {least} is the oldest accepted.", remedy, evidence
    )


def cipher_failure(attempt: Attempt, evidence: tuple[str, ...]) -> Failure:
    return Failure(
        FailureKind.TLS_CIPHER,
        f"{attempt.peer} accepts none of the cipher suites of the TLS profile “{attempt.profile.value}”.",
        "Have one of the suites listed in the evidence switched on at the server"
        + ("." if attempt.profile is TlsProfile.GATEWAY else ", or choose the TLS profile “gateway”."),
        (*evidence, "offered: " + ", ".join(offered_suites(attempt.profile))),
    )


def outside_profile(attempt: Attempt, version: str, suite: str) -> Failure:
    """The handshake ended with something that the profile does not hold; the flow is closed before any SIP."""
    return Failure(
        FailureKind.TLS_CIPHER,
        f"{attempt.peer} negotiated {printable(version)} with {printable(suite)}, which the TLS profile"
        f" “{attempt.profile.value}” does not hold.",
        "Report this as a defect of the softphone: what was negotiated should never have been offered.",
        attempt.peer.evidence,
    )


def offered_suites(profile: TlsProfile) -> tuple[str, ...]:
    return (*profile.tls13_suites, *profile.tls12_suites)


def client_certificate_failure(attempt: Attempt, why: str, evidence: tuple[str, ...]) -> Failure:
    if not attempt.client_certificate:
        return Failure(
            FailureKind.CLIENT_CERTIFICATE_REQUIRED,
            f"{attempt.peer} demands a client certificate, and none is set for this account.",
            "Ask the server's operator for a client certificate and choose it in the account's settings.",
            evidence,
        )
    notice = f" {attempt.client_certificate_notice}" if attempt.client_certificate_notice else ""
    return Failure(
        FailureKind.CLIENT_CERTIFICATE_REFUSED,
        f"{attempt.peer} refused this account's client certificate: {why or 'it was not accepted'}.{notice}",
        "Have the server's operator check that the certificate's issuer is trusted there and that it is in force.",
        evidence,
    )


# --- on an open flow ----------------------------------------------------------------------------------------------


def flow_ended(peer: Peer, *, goodbye: bool, error: Exception | None = None) -> Failure:
    """The peer or the network ended an established flow."""
    if goodbye:
        reason = f"{peer} closed the TLS connection."
    elif isinstance(error, ConnectionResetError):
        reason = f"{peer} reset the connection."
    elif isinstance(error, OSError):
        reason = f"The connection to {peer} broke: {printable(error.strerror or str(error))}."
    else:
        reason = f"The connection to {peer} ended without the TLS goodbye; it may have been cut on the way."
    return Failure(
        FailureKind.CONNECTION_LOST,
        reason,
        "The softphone connects again by itself; if this repeats, check the network and the server's log.",
        peer.evidence,
    )


def slow_peer(peer: Peer, octets: int) -> Failure:
    return Failure(
        FailureKind.CONNECTION_LOST,
        f"{peer} stopped reading: {octets // 1024} KiB could not be delivered.",
        "The softphone connects again by itself; if this repeats, check the server's load and the network.",
        peer.evidence,
    )
