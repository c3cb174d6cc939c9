"""Whose certificate is this? The domain identities of a certificate and their comparison with a name.

Owns: RFC 5922 §7.1 (identities) and §7.2 (comparison), with the extensions that security.md states: an IP SAN for an IP
literal, and a wildcard of one whole left label unless the policy is strict. Pure: certificates and names in, a
verdict out; knows neither flows nor trust.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Match:
    """`identity` as the certificate writes it; `wildcard` is the deviation from RFC 5922 §7.2 that receipts show."""

    identity: str
    wildcard: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The certificate is for other names. `refused_wildcard` would have matched under a policy that is not strict."""

    names: tuple[str, ...]  # every identity in the certificate, also of kinds that were not compared
    refused_wildcard: str | None = None
    unreadable: str | None = None  # why the names could not be read


@dataclass(frozen=True, slots=True)
class Identities:
    """What a certificate says it is, in the kinds that RFC 5922 §7.1 knows."""

    sip_hosts: tuple[str, ...] = ()  # hosts of `sip:` URI SANs without a user part
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IpAddress, ...] = ()
    common_name: str | None = None
    has_alternative_names: bool = False
    other_uris: tuple[str, ...] = ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """For people: the alternative names, or the common name where there are none."""
        names = [f"sip:{host}" for host in self.sip_hosts]
        names += [*self.dns_names, *(str(address) for address in self.addresses), *self.other_uris]
        if not self.has_alternative_names and self.common_name is not None:
            names.append(f"CN={self.common_name}")
        return tuple(names)


def read_identities(certificate: x509.Certificate) -> Identities:
    """Raises ValueError if the certificate's extensions cannot be decoded or hold the same extension twice."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = str(common_names[-1].value) if common_names else None
    try:
        extensions = certificate.extensions
    except x509.DuplicateExtension as error:
        raise ValueError(str(error)) from error
    try:
        alternative = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Identities(common_name=common_name)
    sip_hosts: list[str] = []
    other_uris: list[str] = []
    for uri in alternative.get_values_for_type(x509.UniformResourceIdentifier):
        host = _sip_host(uri)
        if host is None:
            other_uris.append(uri)
        else:
            sip_hosts.append(host)
    return Identities(
        sip_hosts=tuple(sip_hosts),
        dns_names=tuple(alternative.get_values_for_type(x509.DNSName)),
        addresses=tuple(
            address
            for address in alternative.get_values_for_type(x509.IPAddress)
            if isinstance(address, IpAddress)  # a network belongs to name constraints
        ),
        common_name=common_name,
        has_alternative_names=True,
        other_uris=tuple(other_uris),
    )


def match_identity(certificate: x509.Certificate, name: str, strict: bool) -> Match | Mismatch:
    """Compare `name` (a domain, possibly internationalised, or an IP literal) with the certificate's identities."""
    try:
        identities = read_identities(certificate)
    except ValueError as error:
        return Mismatch((), unreadable=str(error))
    address = ip_literal(name)
    if address is not None:
        return _match_address(identities, address)
    domain = domain_in_ascii(name)
    if domain is None:
        return Mismatch(identities.all_names)
    if identities.sip_hosts:  # a wildcard has no meaning in a URI
        for host in identities.sip_hosts:
            if domain_in_ascii(host) == domain:
                return Match(f"sip:{host}")
        return Mismatch(identities.all_names)
    if identities.has_alternative_names:
        return _match_domain(identities.dns_names, domain, strict, identities)
    return _match_domain((identities.common_name or "",), domain, strict, identities)


def ip_literal(name: str) -> IpAddress | None:
    """The address that `name` writes, with or without brackets; None for a domain."""
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def domain_in_ascii(name: str) -> str | None:
    """Lower case, A-labels, no final dot; None for what cannot be a domain."""
    name = name.removesuffix(".")
    try:
        domain = name.encode("idna").decode("ascii").lower() if not name.isascii() else name.lower()
    except UnicodeError:
        return None
    if not 0 < len(domain) <= 253 or not all(0 < len(label) <= 63 for label in domain.split(".")):  # RFC 1035 §2.3.4
        return None
    return domain


def _match_address(identities: Identities, address: IpAddress) -> Match | Mismatch:
    if address in identities.addresses:
        return Match(str(address))
    for host in identities.sip_hosts:
        if ip_literal(host) == address:
            return Match(f"sip:{host}")
    if not identities.has_alternative_names and identities.common_name is not None:
        written = ip_literal(identities.common_name)
        if written == address:
            return Match(f"CN={identities.common_name}")
    return Mismatch(identities.all_names)


def _match_domain(patterns: tuple[str, ...], domain: str, strict: bool, identities: Identities) -> Match | Mismatch:
    prefix = "" if identities.has_alternative_names else "CN="
    for pattern in patterns:
        if domain_in_ascii(pattern) == domain:
            return Match(prefix + pattern)
    refused = None
    for pattern in patterns:
        if _wildcard_covers(pattern, domain):
            if not strict:
                return Match(prefix + pattern, wildcard=True)
            refused = pattern
    return Mismatch(identities.all_names, refused_wildcard=refused)


def _wildcard_covers(pattern: str, domain: str) -> bool:
    """One whole left label, and at least two labels after it: `*.example.com`, never `*.com` or `s*.example.com`."""
    if not pattern.startswith("*."):
        return False
    rest = domain_in_ascii(pattern[2:])
    _, dot, parent = domain.partition(".")
    return bool(rest and dot) and "." in (rest or "") and "*" not in (rest or "") and rest == parent


def _sip_host(uri: str) -> str | None:
    """The host of a `sip:` URI without user part (RFC 5922 §7.1 step 2); None for any other URI."""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "sip" or "@" in rest:
        return None
    hostport = rest.partition(";")[0].partition("?")[0]
    host = hostport[1:].partition("]")[0] if hostport.startswith("[") else hostport.partition(":")[0]
    return host or None
