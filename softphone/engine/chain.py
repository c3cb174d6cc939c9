"""Why a server's certificate was not accepted, read from the chain that it sent (security.md "causes").

Owns: the cause behind a failed verification, fingerprints, and the warnings before expiry. It explains refusals that
OpenSSL or the operating system has made already; nothing here ever accepts a certificate. Pure: chains, anchors and
the time come in as values. RFC 5280 §4.1.2.5 (validity), §4.2.1.1 (authority key identifier), §4.2.2.1 (AIA).
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from softphone.engine.failures import Peer, printable
from softphone.engine.identity import Mismatch
from softphone.errors import Failure, FailureKind

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
EXPIRY_WARNING = datetime.timedelta(days=30)
MAX_CHAIN = 20  # certificates read for the explanation
_MAX_NAMES = 20  # of a certificate, listed in a failure

# OpenSSL's X509_V_ERR_… that name a cause by themselves (x509_vfy.h).
_EXPIRED, _NOT_YET_VALID = 10, 9
_REVOKED = 23
_OPENSSL_CODES = 200  # all of them are below
_INVALID_REASONS = {
    7: "its signature is wrong",
    24: "an issuer in the chain is not a certification authority",
    25: "the chain is longer than an issuer permits",
    26: "it is not meant for servers",
    28: "the issuer is explicitly distrusted for this purpose",
    32: "its issuer may not sign certificates",
    34: "it has a critical extension that is not understood",
    47: "it is for names that its issuer may not certify",
    48: "it is for names that its issuer may not certify",
    66: "its key is too short",
    67: "an issuer's key is too short",
    68: "it is signed with an algorithm that is too weak",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What verification said: OpenSSL's code, or the operating system's own (0 if none), and its words."""

    code: int
    message: str

    @property
    def about_time(self) -> bool:
        """Said by OpenSSL, or possible because an operating system, whose anchors cannot be read, said it."""
        return self.code in (_EXPIRED, _NOT_YET_VALID) or not 0 < self.code < _OPENSSL_CODES


class _PathEnd(enum.Enum):
    ANCHORED = "anchored"
    SELF_SIGNED_LEAF = "self-signed leaf"
    UNTRUSTED_ROOT = "untrusted root"
    ISSUER_MISSING = "issuer missing"


def parse_chain(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """The certificates of a DER chain up to the first that cannot be read."""
    certificates = []
    for der in chain[:MAX_CHAIN]:
        try:
            certificates.append(x509.load_der_x509_certificate(der))
        except ValueError:
            break
    return tuple(certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, lower-case hexadecimal: the form of pins."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def displayed_fingerprint(fingerprint: str) -> str:
    """Upper case with colons, as `openssl x509 -fingerprint` prints it."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()


def explain_refusal(
    peer: Peer, refusal: Refusal, chain: Sequence[bytes], anchors: Iterable[x509.Certificate], now: datetime.datetime
) -> Failure:
    """The particular cause why `chain` (leaf first, as sent) was refused. `anchors` are what is trusted here."""
    said = f"verification: {printable(refusal.message)}"
    try:
        certificates = parse_chain(chain)
        if certificates:
            return _explain(peer, refusal, certificates, tuple(anchors), now, said)
    except ValueError:  # some fields are decoded only when they are read
        pass
    return _invalid(peer, "it cannot be read", (said,))


def _explain(
    peer: Peer,
    refusal: Refusal,
    certificates: tuple[x509.Certificate, ...],
    anchors: tuple[x509.Certificate, ...],
    now: datetime.datetime,
    said: str,
) -> Failure:
    leaf = certificates[0]
    path, end, anchor = _follow(certificates, anchors)
    evidence = (*_describe(leaf), said)
    if refusal.code == _REVOKED:
        return _revoked(peer, evidence)
    if refusal.code in _INVALID_REASONS:
        return _invalid(peer, _INVALID_REASONS[refusal.code], evidence)
    if refusal.about_time or end is _PathEnd.ANCHORED:
        for certificate in (*path, *((anchor,) if anchor is not None else ())):
            failure = validity_failure(peer, certificate, now, is_leaf=certificate is leaf, evidence=evidence)
            if failure is not None:
                return failure
    if end is _PathEnd.SELF_SIGNED_LEAF:
        return _self_signed(peer, leaf, evidence)
    if end is _PathEnd.UNTRUSTED_ROOT:
        return _unknown_issuer(peer, path[-1].subject, _key_id(path[-1]), evidence)
    if end is _PathEnd.ISSUER_MISSING:
        if _issuer_was_not_sent(path, certificates, anchors):
            return _incomplete(peer, path[-1], evidence)
        return _unknown_issuer(peer, path[-1].issuer, _issuer_key_id(path[-1]), evidence)
    if refusal.code in (_EXPIRED, _NOT_YET_VALID):  # a certificate that was not sent
        return _invalid(peer, "an issuer in its chain is not in force at this time", evidence)
    return _invalid(peer, printable(refusal.message) or "it was refused without a reason", evidence)


def validity_failure(
    peer: Peer,
    certificate: x509.Certificate,
    now: datetime.datetime,
    *,
    is_leaf: bool = True,
    evidence: tuple[str, ...] = (),
) -> Failure | None:
    """CERTIFICATE_EXPIRED or CERTIFICATE_NOT_YET_VALID with dates and a word about the clock; None if in force."""
    whose = (
        f"The certificate of {peer}" if is_leaf else f"An issuer of the certificate of {peer}, {_name(certificate)},"
    )
    clock = f"this computer's clock says {_minute(now)}"
    if now > certificate.not_valid_after_utc:
        return Failure(
            FailureKind.CERTIFICATE_EXPIRED,
            f"{whose} expired on {_minute(certificate.not_valid_after_utc)}; {clock}.",
            "Have the server's operator renew the certificate; if this computer's clock is wrong, set it.",
            evidence,
        )
    if now < certificate.not_valid_before_utc:
        return Failure(
            FailureKind.CERTIFICATE_NOT_YET_VALID,
            f"{whose} is valid only from {_minute(certificate.not_valid_before_utc)}; {clock}.",
            "Check this computer's clock first; if it is right, tell the server's operator.",
            evidence,
        )
    return None


def wrong_name(peer: Peer, leaf: x509.Certificate, name: str, mismatch: Mismatch) -> Failure:
    """The certificate is sound but for other names (RFC 5922 §7.3)."""
    evidence = _describe(leaf)
    if mismatch.unreadable is not None:
        return _invalid(peer, f"its names cannot be read ({printable(mismatch.unreadable)})", evidence)
    names = [printable(one) for one in mismatch.names[:_MAX_NAMES]]
    listed = ", ".join(names) + (" and more" if len(mismatch.names) > _MAX_NAMES else "") if names else "no name at all"
    remedy = f"If the server is meant by one of its own names, use that; else have a certificate for {name} installed."
    if mismatch.refused_wildcard is not None:
        wildcard = printable(mismatch.refused_wildcard)
        remedy = f"Have a certificate that holds {name} itself installed; policy refuses the wildcard {wildcard}."
    return Failure(
        FailureKind.WRONG_NAME,
        f"The certificate of {peer} is not for {printable(name)}; it is for {listed}.",
        remedy,
        (*evidence, *(f"name: {one}" for one in names)),
    )


def pin_mismatch(peer: Peer, leaf: x509.Certificate, pins: Iterable[str]) -> Failure:
    """The certificate needs a pin and none of the pins is its own; both fingerprints are shown."""
    seen = displayed_fingerprint(fingerprint(leaf))
    pinned = [displayed_fingerprint(pin) for pin in sorted(pins)]
    return Failure(
        FailureKind.PIN_MISMATCH,
        f"{peer} shows another certificate than the one pinned: SHA-256 {seen} instead of {' or '.join(pinned)}.",
        "Ask the server's operator whether the certificate was changed and compare the new fingerprint;"
        " if nobody changed it, somebody may be listening in.",
        (*(f"pinned: {pin}" for pin in pinned), f"seen: {seen}", *_describe(leaf)),
    )


def pinning_forbidden(cause: Failure) -> Failure:
    """A pin was set, but the policy forbids pinning: the cause stays, the remedy changes."""
    return Failure(
        cause.kind,
        cause.reason,
        "Your organisation does not allow pinning: have the server take a certificate from a trusted authority.",
        (*cause.evidence, "a pin is set and ignored"),
    )


def expiry_warning(whose: str, certificate: x509.Certificate, now: datetime.datetime) -> str | None:
    """A sentence if `certificate` expires within 30 days or has expired; `whose` as "The server's certificate"."""
    left = certificate.not_valid_after_utc - now
    if left > EXPIRY_WARNING:
        return None
    date = certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    if left < datetime.timedelta():
        return f"{whose} expired on {date}."
    days = left.days
    when = "today or tomorrow" if days < 1 else f"in {days} day{'s' if days > 1 else ''}"
    return f"{whose} expires on {date}, {when}."


# --- the path -----------------------------------------------------------------------------------------------------


def _follow(
    sent: tuple[x509.Certificate, ...], anchors: tuple[x509.Certificate, ...]
) -> tuple[list[x509.Certificate], _PathEnd, x509.Certificate | None]:
    """From the leaf upwards through what was sent, until an anchor, a root or a gap."""
    path = [sent[0]]
    while True:
        top = path[-1]
        if top in anchors:
            return path, _PathEnd.ANCHORED, None
        anchor = next((one for one in anchors if _issued(one, top)), None)
        if anchor is not None:
            return path, _PathEnd.ANCHORED, anchor
        if top.issuer == top.subject and _issued(top, top):
            return path, _PathEnd.SELF_SIGNED_LEAF if len(path) == 1 else _PathEnd.UNTRUSTED_ROOT, None
        issuer = next((one for one in sent if one not in path and _issued(one, top)), None)
        if issuer is None:
            return path, _PathEnd.ISSUER_MISSING, None
        path.append(issuer)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _issuer_was_not_sent(
    path: list[x509.Certificate], sent: tuple[x509.Certificate, ...], anchors: tuple[x509.Certificate, ...]
) -> bool:
    """Is the gap above the path an intermediate that the server should have sent, rather than an unknown root?

    Certain if the top names, in its authority key identifier, an issuer's issuer that is trusted. Likely if the
    leaf came alone and says where its issuer's certificate is to be fetched, which roots do not need, or if its
    issuer belongs to the organisation of a trusted root of another name.
    """
    top = path[-1]
    trusted_names = {anchor.subject for anchor in anchors}
    if top.issuer in trusted_names:
        return False  # a root of that name is trusted but has another key
    grand_issuer = _issuers_issuer(top)
    if grand_issuer is not None and grand_issuer != top.issuer and grand_issuer in trusted_names:
        return True
    if len(path) > 1:
        return False
    if len(sent) > 1 or _issuer_urls(top):
        return True
    organisation = _attribute(top.issuer, NameOID.ORGANIZATION_NAME)
    return organisation is not None and any(
        _attribute(name, NameOID.ORGANIZATION_NAME) == organisation for name in trusted_names
    )


# --- reading single facts; a fact that cannot be decoded is a fact that is not there ------------------------------


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def _issuers_issuer(certificate: x509.Certificate) -> x509.Name | None:
    identifier = _extension(certificate, x509.AuthorityKeyIdentifier)
    for name in (identifier.authority_cert_issuer or []) if identifier is not None else []:
        if isinstance(name, x509.DirectoryName):
            return name.value
    return None


def _issuer_key_id(certificate: x509.Certificate) -> str:
    identifier = _extension(certificate, x509.AuthorityKeyIdentifier)
    return _hexadecimal(identifier.key_identifier) if identifier is not None else ""


def _key_id(certificate: x509.Certificate) -> str:
    identifier = _extension(certificate, x509.SubjectKeyIdentifier)
    return _hexadecimal(identifier.digest) if identifier is not None else ""


def _hexadecimal(octets: bytes | None) -> str:
    return (octets or b"").hex(":").upper()


def _issuer_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    access = _extension(certificate, x509.AuthorityInformationAccess)
    return tuple(
        description.access_location.value
        for description in (access or ())
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    )


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else None


def _name(certificate: x509.Certificate) -> str:
    return printable(certificate.subject.rfc4514_string() or "(no subject)")


def _minute(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _describe(leaf: x509.Certificate) -> tuple[str, ...]:
    return (
        f"subject: {_name(leaf)}",
        f"issuer: {printable(leaf.issuer.rfc4514_string())}",
        f"valid: {_minute(leaf.not_valid_before_utc)} to {_minute(leaf.not_valid_after_utc)}",
        f"SHA-256: {displayed_fingerprint(fingerprint(leaf))}",
    )


# --- the failures -------------------------------------------------------------------------------------------------


def _self_signed(peer: Peer, leaf: x509.Certificate, evidence: tuple[str, ...]) -> Failure:
    return Failure(
        FailureKind.SELF_SIGNED,
        f"The certificate of {peer} is self-signed: nobody but the server itself vouches for it.",
        "Compare the SHA-256 fingerprint "
        + displayed_fingerprint(fingerprint(leaf))
        + " with the server's operator and pin it, or have a certificate from an authority installed.",
        evidence,
    )


def _unknown_issuer(peer: Peer, issuer: x509.Name, key_id: str, evidence: tuple[str, ...]) -> Failure:
    name = printable(issuer.rfc4514_string() or "(no name)")
    key = f" (key id {key_id})" if key_id else ""
    return Failure(
        FailureKind.UNKNOWN_ISSUER,
        f"The certificate of {peer} comes from an issuer that is not trusted here: {name}{key}.",
        "If that is your organisation's own authority, add its CA file in the settings (--ca FILE); else do not go on.",
        (*evidence, f"missing issuer: {name}", *((f"missing key id: {key_id}",) if key_id else ())),
    )


def _incomplete(peer: Peer, top: x509.Certificate, evidence: tuple[str, ...]) -> Failure:
    missing = printable(top.issuer.rfc4514_string())
    urls = tuple(f"to be had from: {printable(url)}" for url in _issuer_urls(top))
    return Failure(
        FailureKind.CHAIN_INCOMPLETE,
        f"{peer} sends an incomplete certificate chain: the intermediate {missing} is missing.",
        "Have the server's operator install the intermediate certificate beside the server's own.",
        (*evidence, f"missing intermediate: {missing}", f"missing key id: {_issuer_key_id(top)}", *urls),
    )


def _revoked(peer: Peer, evidence: tuple[str, ...]) -> Failure:
    return Failure(
        FailureKind.CERTIFICATE_REVOKED,
        f"The certificate of {peer} has been revoked by its issuer.",
        "Do not go on; have the server's operator replace the certificate.",
        evidence,
    )


def _invalid(peer: Peer, why: str, evidence: tuple[str, ...]) -> Failure:
    return Failure(
        FailureKind.CERTIFICATE_INVALID,
        f"The certificate of {peer} cannot be accepted: {why}.",
        "Have the server's operator replace the certificate; the evidence says what is wrong with it.",
        evidence,
    )
