"""Each alert and socket error has its kind; every failure is one sentence of cause and one of remedy."""

from __future__ import annotations

import datetime
import errno
import os
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from softphone.engine import chain, failures
from softphone.engine.failures import Attempt, Peer, printable
from softphone.engine.handshake_watch import HandshakeWatch, ServerHello
from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.errors import FailureKind
from softphone.policy.tls import TlsProfile

PEER = Peer("sip.example.com", 5061, "192.0.2.7")
NOW = datetime.datetime.now(datetime.UTC)


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1)")
    error.reason = reason
    return error


def attempt(*, own: bool = False, requested: bool = False, hello: bool = False) -> Attempt:
    watch = HandshakeWatch()
    watch.certificate_requested = requested
    watch.server_hello = ServerHello("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256") if hello else None
    return Attempt(PEER, TlsProfile.GATEWAY, watch, client_certificate=own)


@pytest.mark.parametrize(
    ("reason", "state", "kind"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", attempt(), FailureKind.TLS_VERSION),
        ("UNSUPPORTED_PROTOCOL", attempt(), FailureKind.TLS_VERSION),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", attempt(), FailureKind.TLS_CIPHER),
        ("SSL/TLS_ALERT_HANDSHAKE_FAILURE", attempt(), FailureKind.TLS_CIPHER),
        ("TLSV1_ALERT_INSUFFICIENT_SECURITY", attempt(), FailureKind.TLS_CIPHER),
        ("WRONG_CIPHER_RETURNED", attempt(hello=True), FailureKind.TLS_CIPHER),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", attempt(hello=True), FailureKind.TLS_HANDSHAKE),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            attempt(hello=True, requested=True),
            FailureKind.CLIENT_CERTIFICATE_REQUIRED,
        ),
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            attempt(hello=True, requested=True, own=True),
            FailureKind.CLIENT_CERTIFICATE_REFUSED,
        ),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", attempt(), FailureKind.CLIENT_CERTIFICATE_REQUIRED),
        ("SSLV3_ALERT_BAD_CERTIFICATE", attempt(own=True), FailureKind.CLIENT_CERTIFICATE_REFUSED),
        ("SSLV3_ALERT_BAD_CERTIFICATE", attempt(requested=True), FailureKind.CLIENT_CERTIFICATE_REQUIRED),
        ("TLSV1_ALERT_UNKNOWN_CA", attempt(own=True), FailureKind.CLIENT_CERTIFICATE_REFUSED),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", attempt(own=True), FailureKind.CLIENT_CERTIFICATE_REFUSED),
        ("TLSV1_ALERT_ACCESS_DENIED", attempt(own=True), FailureKind.CLIENT_CERTIFICATE_REFUSED),
        ("TLSV1_UNRECOGNIZED_NAME", attempt(), FailureKind.TLS_HANDSHAKE),
        ("TLSV1_ALERT_INTERNAL_ERROR", attempt(), FailureKind.TLS_HANDSHAKE),
        ("SOMETHING_NEW", attempt(), FailureKind.TLS_HANDSHAKE),
        ("", attempt(), FailureKind.TLS_HANDSHAKE),
    ],
)
def test_each_reason_of_openssl_has_its_kind(reason: str, state: Attempt, kind: FailureKind) -> None:
    failure = failures.tls_failure(state, tls_error(reason))
    assert failure.kind is kind
    assert "sip.example.com:5061" in failure.reason
    assert failure.reason.endswith(".")
    assert failure.remedy.endswith(".")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNREFUSED, FailureKind.CONNECTION_REFUSED),
        (errno.ETIMEDOUT, FailureKind.CONNECTION_TIMED_OUT),
        (errno.ENETUNREACH, FailureKind.NETWORK_UNREACHABLE),
        (errno.EHOSTUNREACH, FailureKind.NETWORK_UNREACHABLE),
        (errno.EADDRNOTAVAIL, FailureKind.NETWORK_UNREACHABLE),
        (errno.EPERM, FailureKind.NETWORK_UNREACHABLE),
        (errno.ECONNRESET, FailureKind.CONNECTION_LOST),
        (errno.EMFILE, FailureKind.CONNECTION_LOST),
    ],
)
def test_each_error_of_the_socket_has_its_kind(number: int, kind: FailureKind) -> None:
    failure = failures.connection_failure(PEER, OSError(number, os.strerror(number)))
    assert failure.kind is kind
    assert "sip.example.com:5061" in failure.reason


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (23, FailureKind.CERTIFICATE_REVOKED),
        (26, FailureKind.CERTIFICATE_INVALID),
        (68, FailureKind.CERTIFICATE_INVALID),
        (0, FailureKind.CERTIFICATE_INVALID),  # the operating system said no and the chain shows no cause
    ],
)
def test_codes_of_verification_that_name_a_cause_decide(code: int, kind: FailureKind) -> None:
    authority = ThrowawayAuthority.create()
    leaf = authority.issue("sip.example.com").certificate
    der = leaf.public_bytes(Encoding.DER)
    failure = chain.explain_refusal(PEER, chain.Refusal(code, "said so"), [der], [authority.certificate], NOW)
    assert failure.kind is kind
    assert "verification: said so" in failure.evidence


@pytest.mark.parametrize("sent", [[], [b""], [b"\x30\x03\x02\x01\x00"], [bytes(1000)]])
def test_a_chain_that_cannot_be_read_is_invalid(sent: list[bytes]) -> None:
    failure = chain.explain_refusal(PEER, chain.Refusal(0, "x"), sent, [], NOW)
    assert failure.kind is FailureKind.CERTIFICATE_INVALID


def test_an_expired_issuer_is_named() -> None:
    authority = ThrowawayAuthority.create("Old root", days=1)
    der = authority.issue("sip.example.com").certificate.public_bytes(Encoding.DER)
    later = NOW + datetime.timedelta(days=5)
    failure = chain.explain_refusal(PEER, chain.Refusal(10, "expired"), [der], [authority.certificate], later)
    assert failure.kind is FailureKind.CERTIFICATE_EXPIRED
    assert "Old root" in failure.reason


def test_expiry_is_found_where_the_operating_system_verifies_and_its_anchors_are_unknown() -> None:
    der = ThrowawayAuthority.create().issue("sip.example.com", days=1).certificate.public_bytes(Encoding.DER)
    expired_in_windows = chain.Refusal(0x800B0101, "a required certificate is not within its validity period")
    later = NOW + datetime.timedelta(days=5)
    assert chain.explain_refusal(PEER, expired_in_windows, [der], [], later).kind is FailureKind.CERTIFICATE_EXPIRED
    untrusted_in_windows = chain.Refusal(0x800B0109, "a root that is not trusted")
    assert chain.explain_refusal(PEER, untrusted_in_windows, [der], [], NOW).kind is FailureKind.UNKNOWN_ISSUER


@pytest.mark.parametrize(
    ("days", "words"), [(31, None), (29.5, "in 29 days"), (1.5, "in 1 day."), (0.5, "today or tomorrow")]
)
def test_the_warning_comes_thirty_days_before(days: float, words: str | None) -> None:
    certificate = ThrowawayAuthority.create().issue("a.example", days=days).certificate
    warning = chain.expiry_warning("The server's certificate", certificate, NOW)
    assert (warning is None) if words is None else (warning is not None and words in warning)


def test_text_of_a_peer_is_made_harmless() -> None:
    assert printable(b"a\x1b[31m\r\n\x00\xff") == "a·[31m···�"
    assert len(printable("x" * 10_000)) < 200


def test_an_address_literal_is_written_with_brackets() -> None:
    assert str(Peer("2001:db8::7", 5061)) == "[2001:db8::7]:5061"
