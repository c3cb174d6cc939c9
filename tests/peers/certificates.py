"""A private certificate authority with one good certificate and one for every way to be wrong (RFC 5280, RFC 5922).

Owns: keys and certificates in a directory. Must not know: who uses them.

Every leaf names what its attribute says and is made at the first use. All keys are P-256: fast to make, and what the
peers of Debian 12 accept. Subject and authority key identifiers are there because OpenSSL's strict mode wants them.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
GOOD_NAMES = ("DNS:sip.test", "DNS:localhost", "IP:127.0.0.1")
"""What a server of the tests answers to: the SIP domain, the host's name and its address."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, as PEM files: apart, and together in one file as baresip wants them."""

    certificate: Path
    private_key: Path
    both: Path


@dataclass(frozen=True, slots=True)
class _Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    certificate: Path


class PrivateCa:
    """The authority that the tests trust (`root`), and one that they do not (`rogue_root`)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._trusted = self._authority("root", "Softphone test CA")
        self._untrusted = self._authority("rogue-root", "Rogue CA")

    @property
    def root(self) -> Path:
        """The trusted authority's certificate."""
        return self._trusted.certificate

    @property
    def rogue_root(self) -> Path:
        return self._untrusted.certificate

    @cached_property
    def server(self) -> Identity:
        """Good: sip.test, localhost and 127.0.0.1 by the trusted authority."""
        return self._issue("server", "sip.test", GOOD_NAMES, self._trusted)

    @cached_property
    def sip_uri(self) -> Identity:
        """Good by RFC 5922 §7.1: a sip: URI names the domain, and then the DNS name (another one) must not count."""
        return self._issue("sip-uri", "sip.test", ("URI:sip:sip.test", "DNS:localhost"), self._trusted)

    @cached_property
    def common_name_only(self) -> Identity:
        """Wrong: the right common name and no subjectAltName at all."""
        return self._issue("common-name-only", "sip.test", (), self._trusted)

    @cached_property
    def rogue(self) -> Identity:
        """Wrong: the right names by an authority that nobody trusts."""
        return self._issue("rogue", "sip.test", GOOD_NAMES, self._untrusted)

    @cached_property
    def wrong_name(self) -> Identity:
        """Wrong: the trusted authority, another server's name."""
        return self._issue("wrong-name", "other.example", ("DNS:other.example",), self._trusted)

    @cached_property
    def expired(self) -> Identity:
        """Wrong: ended yesterday."""
        return self._issue("expired", "sip.test", GOOD_NAMES, self._trusted, begins=-30, ends=-1)

    @cached_property
    def not_yet_valid(self) -> Identity:
        """Wrong: begins tomorrow."""
        return self._issue("not-yet-valid", "sip.test", GOOD_NAMES, self._trusted, begins=1, ends=30)

    @cached_property
    def self_signed(self) -> Identity:
        """Wrong: the right names, signed by itself."""
        return self._issue("self-signed", "sip.test", GOOD_NAMES, None)

    @cached_property
    def client(self) -> Identity:
        """A client's certificate for mutual TLS, by the trusted authority."""
        return self._issue("client", "alice", ("DNS:alice.test", "URI:sip:alice@sip.test"), self._trusted)

    @cached_property
    def rogue_client(self) -> Identity:
        return self._issue("rogue-client", "alice", ("URI:sip:alice@sip.test",), self._untrusted)

    def _authority(self, file_name: str, common_name: str) -> _Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        builder = (
            _builder(name, name, key.public_key(), begins=-1, ends=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        certificate = self.directory / f"{file_name}.pem"
        certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return _Issuer(name, key, certificate)

    def _issue(
        self,
        file_name: str,
        common_name: str,
        names: Sequence[str],
        issuer: _Issuer | None,
        *,
        begins: int = -1,
        ends: int = 90,
    ) -> Identity:
        """Write a leaf; `begins` and `ends` in days from now, no issuer: self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name)
        signer = issuer or _Issuer(subject, key, Path())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(subject, signer.name, key.public_key(), begins=begins, ends=ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
        certificate = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        identity = Identity(*(self.directory / f"{file_name}.{part}" for part in ("pem", "key", "both.pem")))
        identity.certificate.write_bytes(certificate)
        for path, content in ((identity.private_key, private), (identity.both, certificate + private)):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return identity


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, begins: int, ends: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(text: str) -> x509.GeneralName:
    kind, _, value = text.partition(":")
    match kind:
        case "DNS":
            return x509.DNSName(value)
        case "URI":
            return x509.UniformResourceIdentifier(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
    raise ValueError(text)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
