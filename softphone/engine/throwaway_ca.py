"""A certification authority for one run: the built-in lab and the tests make their certificates here.

Owns: keys and certificates that live as long as the process or a 0700 folder. Must not know flows. Nothing made here
is ever trusted unless a person or a test names its CA file.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_BACKDATE = datetime.timedelta(hours=1)  # clocks of two machines in a lab differ
ORGANISATION = "Softphone throw-away lab"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate with its key and the intermediates to send after it (none for one issued by the root)."""

    certificate: x509.Certificate
    key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, then its intermediates, as servers send them."""
        chain = (self.certificate, *self.intermediates)
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)

    @property
    def key_pem(self) -> bytes:
        return self.encrypted_key_pem(None)

    def encrypted_key_pem(self, password: str | None) -> bytes:
        """PKCS#8; in clear if `password` is None."""
        encryption: serialization.KeySerializationEncryption = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password.encode())
        )
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER form, lower-case hexadecimal."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `name.crt` and `name.key` (0600) into `folder`, made 0700 if missing; gives the two paths."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.certificate_pem)
        write_private(key, self.key_pem)
        return certificate, key


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only this user can read; it is 0600 from its first moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


class ThrowawayAuthority:
    """A root or intermediate authority whose key exists in memory only."""

    def __init__(self, own: IssuedCertificate, is_root: bool) -> None:
        self._own = own
        self._is_root = is_root

    @classmethod
    def create(cls, common_name: str = "Throw-away root", days: float = 120) -> ThrowawayAuthority:
        key = new_key()
        name = _distinguished_name(common_name)
        return cls(IssuedCertificate(_build(name, name, key, key, None, days=days, authority=True), key), is_root=True)

    def create_intermediate(
        self, common_name: str = "Throw-away intermediate", days: float = 120
    ) -> ThrowawayAuthority:
        key = new_key()
        certificate = _build(
            _distinguished_name(common_name),
            self._own.certificate.subject,
            key,
            self._own.key,
            self._own.certificate,
            days=days,
            authority=True,
        )
        return ThrowawayAuthority(IssuedCertificate(certificate, key, self._sent_after()), is_root=False)

    @property
    def certificate(self) -> x509.Certificate:
        return self._own.certificate

    @property
    def certificate_pem(self) -> bytes:
        return self._own.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(  # one certificate has this many properties
        self,
        *names: str,
        common_name: str | None = None,
        key: PrivateKey | None = None,
        not_before: datetime.datetime | None = None,
        days: float = 60,
        client: bool = False,
        issuer_url: str | None = None,
    ) -> IssuedCertificate:
        """A certificate for `names`: domains, IP literals, or URIs (with a colon and a scheme).

        Valid from `not_before` (default: an hour ago) until `days` from then or, with the default, from now.
        `issuer_url` becomes the authority information access of the issuer's certificate (RFC 5280 §4.2.2.1).
        """
        key = key or new_key()
        certificate = _build(
            _distinguished_name(common_name if common_name is not None else (names[0] if names else "client")),
            self._own.certificate.subject,
            key,
            self._own.key,
            self._own.certificate,
            names=names,
            not_before=not_before,
            days=days,
            purpose=ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH,
            issuer_url=issuer_url,
        )
        return IssuedCertificate(certificate, key, self._sent_after())

    def write(self, folder: Path, name: str = "ca") -> Path:
        """Write the authority's certificate (never its key) as `name.crt` into `folder`, made 0700 if missing."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{name}.crt"
        path.write_bytes(self.certificate_pem)
        return path

    def _sent_after(self) -> tuple[x509.Certificate, ...]:
        return () if self._is_root else (self._own.certificate, *self._own.intermediates)


def self_signed(*names: str, days: float = 60, not_before: datetime.datetime | None = None) -> IssuedCertificate:
    """A server's own certificate without any authority."""
    key = new_key()
    subject = _distinguished_name(names[0])
    return IssuedCertificate(
        _build(
            subject,
            subject,
            key,
            key,
            None,
            names=names,
            days=days,
            not_before=not_before,
            purpose=ExtendedKeyUsageOID.SERVER_AUTH,
        ),
        key,
    )


def new_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_rsa_key() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _distinguished_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),  # RFC 5280 appendix A: ub-common-name
        ]
    )


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if ":" in name:
        return x509.UniformResourceIdentifier(name)
    return x509.DNSName(name)


def _build(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    signing_key: PrivateKey,
    issuer_certificate: x509.Certificate | None,
    *,
    names: Sequence[str] = (),
    not_before: datetime.datetime | None = None,
    days: float,
    authority: bool = False,
    purpose: x509.ObjectIdentifier | None = None,
    issuer_url: str | None = None,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    begin = not_before if not_before is not None else now - _BACKDATE
    end = (not_before if not_before is not None else now) + datetime.timedelta(days=days)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(key_id, critical=False)
    )
    if issuer_certificate is not None:
        issuer_key_id = issuer_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_id), critical=False
        )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_alternative_name, names)), critical=False)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if issuer_url is not None:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())
