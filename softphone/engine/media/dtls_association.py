"""One DTLS handshake and the SRTP keys that come of it (RFC 5764, RFC 6347), over memory and without sockets.

Owns: our certificate, OpenSSL's settings, the check of the peer's certificate, the export of keys. Must not know:
sockets, addresses, sessions. The clock of retransmissions is OpenSSL's own. Used by one thread.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import SecretBytes
from softphone.sdp.dtls_attributes import Fingerprint
from softphone.sdp.negotiated import DtlsSrtpSecurity, SrtpSecurity
from softphone.srtp.crypto_suites import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    CRYPTO_SUITES,
)
from softphone.srtp.master_key import SrtpKey

MTU = 1200
"""Octets of a datagram of ours: below what any path on the internet carries."""
_DTLS_1_2 = 0xFEFD
_CIPHERS = (
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"
)
_PROFILES = {  # OpenSSL's names of the protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2)
    AEAD_AES_256_GCM.name: b"SRTP_AEAD_AES_256_GCM",
    AEAD_AES_128_GCM.name: b"SRTP_AEAD_AES_128_GCM",
    AES_CM_128_HMAC_SHA1_80.name: b"SRTP_AES128_CM_SHA1_80",
    AES_CM_128_HMAC_SHA1_32.name: b"SRTP_AES128_CM_SHA1_32",
}
_SUITES = {profile: name for name, profile in _PROFILES.items()}
_EXPORTER = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2
_RECORD_HEADER = 13  # RFC 6347 §4.1
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_LARGEST_READ = 65_536
_VALID = datetime.timedelta(days=30)


def is_dtls(data: bytes) -> bool:
    """By its first octet (RFC 7983 §7)."""
    return bool(data) and 20 <= data[0] <= 63


def is_client_hello(data: bytes) -> bool:
    """The beginning of a handshake: in clear, epoch 0."""
    return (
        len(data) > _RECORD_HEADER
        and data[0] == _HANDSHAKE
        and data[3:5] == b"\0\0"
        and data[_RECORD_HEADER] == _CLIENT_HELLO
    )


def client_random(client_hello: bytes) -> bytes:
    """What tells one handshake from another (RFC 5246 §7.4.1.2, behind the headers of RFC 6347 §4.2.2)."""
    return client_hello[_RECORD_HEADER + 14 : _RECORD_HEADER + 46]


class DtlsCertificate:
    """Self-signed, ECDSA P-256, made anew by each engine and never written to disk.

    One for all calls: what binds it to a call is the fingerprint in that call's session description.
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "softphone")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + _VALID)
            .sign(self._key, SHA256())
        )

    @property
    def fingerprint(self) -> str:
        """As in a=fingerprint (RFC 8122 §5)."""
        return str(Fingerprint("sha-256", hashlib.sha256(self._certificate.public_bytes(Encoding.DER)).digest()))

    def context(self, suites: tuple[str, ...]) -> SSL.Context:
        """DTLS 1.2 with forward secrecy and AEAD only; who the peer is, its fingerprint says and not this context."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_cipher_list(_CIPHERS)
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        context.set_tlsext_use_srtp(b":".join(_PROFILES[name] for name in suites))
        return context


class FingerprintMismatch(OperationFailed):
    """Who answered on the media path is not who the signalling announced."""


class HandshakeFailed(OperationFailed):
    """No keys could be agreed on."""


class DtlsAssociation:
    """`srtp` is set once the peer has proved to hold the certificate that was announced; never before."""

    def __init__(self, certificate: DtlsCertificate, security: DtlsSrtpSecurity, send: Callable[[bytes], None]) -> None:
        """`send` takes one datagram. Nothing is sent before `begin`."""
        self._security = security
        self._send = send
        self.srtp: SrtpSecurity | None = None
        self._ssl = SSL.Connection(certificate.context(security.suites), None)
        self._ssl.set_ciphertext_mtu(MTU)
        if security.active:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()

    def begin(self) -> None:
        """The active side's ClientHello; the passive side waits. Raises as `receive` does."""
        self._advance()

    def receive(self, datagram: bytes) -> None:
        """Raises HandshakeFailed and FingerprintMismatch; what comes after the handshake can do no harm."""
        if is_dtls(datagram):
            self._ssl.bio_write(datagram)
            self._advance()

    def retransmit_if_due(self) -> None:
        """Raises HandshakeFailed when OpenSSL has tried often enough."""
        if self._ssl.DTLSv1_get_timeout() != 0:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise self._failed(error) from None
        self._flush()

    def _advance(self) -> None:
        try:
            if self.srtp is None:
                self._ssl.do_handshake()
                self._check_certificate()
                self.srtp = self._exported()
            else:
                self._ssl.recv(_LARGEST_READ)  # application data has no meaning here; OpenSSL repeats a lost flight
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        except SSL.Error as error:
            if self.srtp is None:
                raise self._failed(error) from None
        finally:
            self._flush()

    def _check_certificate(self) -> None:
        presented = self._ssl.get_peer_certificate(as_cryptography=True)
        der = b"" if presented is None else presented.public_bytes(Encoding.DER)
        for announced in self._security.fingerprints:
            digest = hashlib.new(announced.algorithm.replace("-", ""), der).digest()
            if der and hmac.compare_digest(digest, announced.digest):
                return
        shown = Fingerprint("sha-256", hashlib.sha256(der).digest()) if der else "none"
        raise FingerprintMismatch(
            Failure(
                FailureKind.FINGERPRINT_MISMATCH,
                "The certificate at the other end of the voice connection is not the one that the server announced, "
                "so nothing was said or played.",
                "Somebody may be between you and the other side: do not call again over this network before whoever "
                "runs the PBX has looked at it.",
                (
                    *(f"announced: {announced}" for announced in self._security.fingerprints),
                    f"presented: {shown}",
                ),
            )
        )

    def _exported(self) -> SrtpSecurity:
        """RFC 5764 §4.2: client key, server key, client salt, server salt."""
        name = _SUITES.get(self._ssl.get_selected_srtp_profile(), "")
        if name not in self._security.suites:
            raise HandshakeFailed(
                _handshake_failure("it agreed on no SRTP protection profile that this phone's settings accept")
            )
        suite = CRYPTO_SUITES[name]
        key, salt = suite.master_key_length, suite.master_salt_length
        octets = self._ssl.export_keying_material(_EXPORTER, 2 * (key + salt))
        client = SecretBytes(octets[:key] + octets[2 * key : 2 * key + salt])
        server = SecretBytes(octets[key : 2 * key] + octets[2 * key + salt :])
        ours, theirs = (client, server) if self._security.active else (server, client)
        return SrtpSecurity(SrtpKey(suite, ours), SrtpKey(suite, theirs))

    def _flush(self) -> None:
        try:
            flight = self._ssl.bio_read(_LARGEST_READ)
        except SSL.Error:  # nothing to send
            return
        for datagram in datagrams(flight):
            self._send(datagram)

    def _failed(self, error: SSL.Error) -> HandshakeFailed:
        return HandshakeFailed(_handshake_failure(_reason(error)))


def datagrams(flight: bytes) -> list[bytes]:
    """A flight of records in as few datagrams as fit: records are never cut (RFC 6347 §4.1.1)."""
    gathered: list[bytes] = []
    at = 0
    while at < len(flight):
        end = at + _RECORD_HEADER + int.from_bytes(flight[at + 11 : at + 13], "big")
        record = flight[at:end]
        if gathered and len(gathered[-1]) + len(record) <= MTU:
            gathered[-1] += record
        else:
            gathered.append(record)
        at = end
    return gathered


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words: "no shared cipher", "tlsv1 alert …"."""
    errors = error.args[0] if error.args else ()
    texts = [str(entry[-1]) for entry in errors if entry] if isinstance(errors, (list, tuple)) else []
    return texts[0] if texts and texts[0] else "the handshake was broken off"


def _handshake_failure(why: str) -> Failure:
    return Failure(
        FailureKind.DTLS_HANDSHAKE,
        f"The keys of the call could not be agreed on with the other side (DTLS): {why}.",
        "Let the PBX use DTLS 1.2 with an SRTP profile that this phone accepts, or choose SDES as key exchange.",
        (why,),
    )


def handshake_timed_out(seconds: float) -> Failure:
    return Failure(
        FailureKind.DTLS_HANDSHAKE,
        f"The other side did not agree on keys for the voice within {seconds:.0f} seconds (DTLS), so nothing was said "
        "or played.",
        "Check that UDP passes between this phone and the media address of the PBX, or choose SDES as key exchange.",
    )
