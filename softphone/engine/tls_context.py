"""The TLS contexts of our flows (security.md "Signalling: TLS only").

Owns: versions, suites, trust and client certificate of a context, and the check that what OpenSSL will offer is exactly
the profile; anything else is a `Failure`, never a weaker context. Must not know flows or names: the identity check is
`identity.py`'s and runs before the first SIP byte, so OpenSSL's own is off.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import ssl
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from softphone.engine.throwaway_ca import write_private
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.tls import TlsProfile, TlsSettings

MIN_SECURITY_LEVEL = 2  # OpenSSL's: 112 bits, no SHA-1 signatures in certificates
_MAX_FILE = 4 * 1024 * 1024  # octets of a CA or certificate file

# Where Linux distributions keep what they trust; the first that exists is the operating system's store.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
)
_SYSTEM_FOLDERS = ("/etc/ssl/certs", "/etc/pki/ca-trust/extracted/pem/directory-hash")
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def build_context(settings: TlsSettings) -> ssl.SSLContext:
    """A client context that offers exactly `settings.profile` and trusts the system's store and `settings.ca_files`.

    Raises OperationFailed: SETTINGS (a CA file, or the process's OpenSSL configuration), CLIENT_CERTIFICATE_UNUSABLE.
    """
    if sys.platform in ("win32", "darwin"):
        import truststore  # asks the operating system; yes or no only, `chain.py` finds the cause

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust_system_store(context, required=not settings.ca_files)
    _restrict_client(context, settings)
    for certificate in read_ca_files(settings):
        context.load_verify_locations(cadata=certificate.public_bytes(serialization.Encoding.DER))
    return context


def build_pinned_context(settings: TlsSettings, leaf: bytes) -> ssl.SSLContext:
    """A client context that trusts the one certificate `leaf` (DER), whose fingerprint the user has pinned.

    Signature, validity and purpose are still checked by OpenSSL. Raises OperationFailed as `build_context` does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict_client(context, settings)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # a leaf may be the anchor
    context.load_verify_locations(cadata=leaf)
    return context


def build_server_context(
    certificate: Path, key: Path, *, profile: TlsProfile = TlsProfile.GATEWAY, client_ca: Path | None = None
) -> ssl.SSLContext:
    """A server context for the built-in lab; with `client_ca` it demands a client certificate from that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context, profile)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate, key, password=lambda: "")
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=client_ca)
    return context


# --- what is offered ----------------------------------------------------------------------------------------------


def _restrict_client(context: ssl.SSLContext, settings: TlsSettings) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    _restrict(context, settings.profile)
    if settings.client_certificate is not None:
        _load_client_certificate(context, settings)


def _restrict(context: ssl.SSLContext, profile: TlsProfile) -> None:
    tls12 = profile.tls12_suites
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if tls12 else ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    # A context needs some TLS 1.2 suite; with TLS 1.3 as the least version none of them is offered.
    context.set_ciphers(f"@SECLEVEL={MIN_SECURITY_LEVEL}:" + ":".join(tls12 or TlsProfile.MODERN.tls12_suites))
    set_tls13 = getattr(context, "set_ciphersuites", None)  # CPython 3.15
    if set_tls13 is not None:
        set_tls13(":".join(profile.tls13_suites))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    check_offer(context, profile)


def check_offer(context: ssl.SSLContext, profile: TlsProfile) -> None:
    """Raise OperationFailed unless `context` will offer exactly the suites of `profile` at security level 2 or more."""
    enabled = tuple(str(suite["name"]) for suite in context.get_ciphers())
    tls13 = tuple(name for name in enabled if name.startswith("TLS_"))
    tls12 = tuple(name for name in enabled if not name.startswith("TLS_"))
    expected12 = profile.tls12_suites or TlsProfile.MODERN.tls12_suites
    if sorted(tls13) != sorted(profile.tls13_suites) or tls12 != expected12:
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                "The TLS library of this process does not keep to the cipher suites of the TLS profile.",
                "Start the program by its own command; something used OpenSSL before the softphone could configure it.",
                (f"enabled: {', '.join(enabled)}", ssl.OPENSSL_VERSION),
            )
        )
    if context.security_level < MIN_SECURITY_LEVEL:
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                f"The TLS library of this process works at security level {context.security_level} only.",
                "Use the TLS library that the softphone was delivered with.",
                (ssl.OPENSSL_VERSION,),
            )
        )


# --- whom we trust ------------------------------------------------------------------------------------------------


def read_anchors(settings: TlsSettings) -> list[x509.Certificate]:
    """What is trusted here, for the explanation of a refusal: the system's store and the CA files.

    Reads files; unreadable ones count as empty, since they have been refused before. On Windows and macOS the system's
    store cannot be read through here and only the CA files are given.
    """
    anchors: list[x509.Certificate] = []
    if sys.platform not in ("win32", "darwin"):
        bundle = _system_bundle()
        if bundle is not None:
            with contextlib.suppress(OSError, ValueError), _quiet():
                anchors += x509.load_pem_x509_certificates(bundle.read_bytes())
    with contextlib.suppress(OperationFailed):
        anchors += read_ca_files(settings)
    return anchors


def read_ca_files(settings: TlsSettings) -> list[x509.Certificate]:
    """The certificates of `settings.ca_files`, PEM or DER. Raises OperationFailed(SETTINGS) naming the file."""
    certificates: list[x509.Certificate] = []
    for name in settings.ca_files:
        try:
            data = _read_bounded(Path(name))
        except OSError as error:
            raise _bad_ca_file(name, error.strerror or str(error)) from error
        except ValueError as error:
            raise _bad_ca_file(name, str(error)) from error
        try:
            with _quiet():
                if b"-----BEGIN" in data:
                    certificates += x509.load_pem_x509_certificates(data)
                else:
                    certificates.append(x509.load_der_x509_certificate(data))
        except ValueError as error:
            raise _bad_ca_file(name, "it holds no certificate in PEM or DER form") from error
    return certificates


def _bad_ca_file(name: str, why: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.SETTINGS,
            f"The CA file {name} cannot be used: {why}.",
            "Correct the file's name in the settings (or --ca), or export the CA certificate again.",
        )
    )


def _trust_system_store(context: ssl.SSLContext, *, required: bool) -> None:
    """By the paths themselves: OpenSSL's defaults would obey SSL_CERT_FILE and SSL_CERT_DIR."""
    folder = next((name for name in _SYSTEM_FOLDERS if _is_hashed_folder(Path(name))), None)
    if folder is not None:  # read as needed: parsing a whole bundle takes 40 ms and more
        context.load_verify_locations(capath=folder)
        return
    bundle = _system_bundle()
    try:
        if bundle is not None:
            context.load_verify_locations(cafile=bundle)
            return
    except (OSError, ssl.SSLError):
        pass  # said below: without other anchors nothing could ever be verified
    if required:
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                "This computer has no readable store of trusted certificates.",
                "Install the package ca-certificates, or name a CA file in the settings (--ca FILE).",
            )
        )


def _system_bundle() -> Path | None:
    return next((Path(name) for name in _SYSTEM_BUNDLES if Path(name).is_file()), None)


def _is_hashed_folder(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_HASHED_NAME.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Old roots have serial numbers and names that cryptography warns of; that is nothing a user can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- who we are ---------------------------------------------------------------------------------------------------


def read_client_certificate(settings: TlsSettings) -> x509.Certificate | None:
    """Our own certificate, for the warning before it expires. Raises OperationFailed(CLIENT_CERTIFICATE_UNUSABLE)."""
    if settings.client_certificate is None:
        return None
    data = _read_client_file(settings.client_certificate)
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return _read_pkcs12(settings, data)[1][0]
    except ValueError as error:
        raise _unusable(f"{settings.client_certificate} holds no certificate in PEM or PKCS#12 form") from error


def _load_client_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    name = settings.client_certificate
    assert name is not None
    password = settings.client_key_password.reveal() if settings.client_key_password is not None else ""
    if b"-----BEGIN" not in _read_client_file(name):
        _load_pkcs12(context, settings)
        return
    key_name = settings.client_key or name
    key_data = _read_client_file(key_name)
    try:
        # Always a password function: without one OpenSSL would ask on the terminal.
        context.load_cert_chain(name, key_name, password=lambda: password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _unusable(_why_not_loaded(error, key_name, key_data, password)) from error


def _why_not_loaded(error: Exception, key_name: str, key_data: bytes, password: str) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"the key in {key_name} does not belong to the certificate"
    try:
        serialization.load_pem_private_key(key_data, password.encode() or None)
    except TypeError:
        if password:
            return "it could not be loaded"  # a password for a key that needs none is no obstacle
        return f"the key in {key_name} is encrypted and no password is known for it"
    except ValueError:
        if b"PRIVATE KEY-----" not in key_data:
            return f"{key_name} holds no private key"
        return f"the password for the key in {key_name} is wrong, or the key is damaged"
    return f"OpenSSL refuses it ({reason.lower().replace('_', ' ') or 'unknown reason'})"


def _read_pkcs12(settings: TlsSettings, data: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    password = settings.client_key_password.reveal().encode() if settings.client_key_password is not None else None
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except ValueError as error:
        why = "its password is wrong, or it is no PKCS#12 file" if password else "it needs a password, or is no PKCS#12"
        raise _unusable(f"{settings.client_certificate} cannot be opened: {why}") from error
    if key is None or certificate is None:
        raise _unusable(f"{settings.client_certificate} does not hold both a certificate and its key")
    return key, [certificate, *others]


def _load_pkcs12(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """`load_cert_chain` wants a file: the key goes there encrypted under a random password, and only for the call."""
    key, certificates = _read_pkcs12(settings, _read_client_file(settings.client_certificate or ""))
    password = secrets.token_urlsafe(32)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    ) + b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
    with tempfile.TemporaryDirectory(prefix="softphone-") as folder:  # 0700
        path = Path(folder) / "client.pem"
        write_private(path, pem)
        try:
            context.load_cert_chain(path, password=lambda: password)
        except (ssl.SSLError, OSError) as error:
            reason = (getattr(error, "reason", None) or "unknown reason").lower().replace("_", " ")
            raise _unusable(f"OpenSSL refuses {settings.client_certificate} ({reason})") from error


def _read_client_file(name: str) -> bytes:
    try:
        return _read_bounded(Path(name))
    except OSError as error:
        raise _unusable(f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        raise _unusable(f"{name}: {error}") from error


def _read_bounded(path: Path) -> bytes:
    """Raises OSError, or ValueError for a file that is too long to be what it should be."""
    with path.open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise ValueError(f"it is longer than {_MAX_FILE // 1024} KiB")
    return data


def _unusable(why: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.CLIENT_CERTIFICATE_UNUSABLE,
            f"The client certificate cannot be used: {why}.",
            "Check the files and the password of the client certificate in the account's settings.",
        )
    )
