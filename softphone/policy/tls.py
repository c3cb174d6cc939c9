"""The TLS profiles: versions and suites that may be offered (security.md "Signalling: TLS only"). Pure values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.policy.secret import Secret

TLS13_SUITES = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")
# OpenSSL's names, in the order they are offered; beside each the IANA name.
_TLS12_GCM = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",  # TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    "ECDHE-ECDSA-AES128-GCM-SHA256",  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    "ECDHE-RSA-AES256-GCM-SHA384",  # TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    "ECDHE-RSA-AES128-GCM-SHA256",  # TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
)
_TLS12_CBC = (
    "ECDHE-ECDSA-AES256-SHA384",  # TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    "ECDHE-ECDSA-AES128-SHA256",  # TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    "ECDHE-RSA-AES256-SHA384",  # TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
    "ECDHE-RSA-AES128-SHA256",  # TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
)


class TlsProfile(enum.Enum):
    GATEWAY = "gateway"  # default: both lists
    MODERN = "modern"  # no CBC
    TLS13 = "tls13"  # TLS 1.3 only

    @property
    def tls12_suites(self) -> tuple[str, ...]:
        """OpenSSL names in offer order; empty where TLS 1.2 is not allowed."""
        return {
            TlsProfile.GATEWAY: _TLS12_GCM + _TLS12_CBC,
            TlsProfile.MODERN: _TLS12_GCM,
            TlsProfile.TLS13: (),
        }[self]

    @property
    def tls13_suites(self) -> tuple[str, ...]:
        return TLS13_SUITES

    @property
    def suites(self) -> frozenset[str]:
        return frozenset(self.tls12_suites) | frozenset(self.tls13_suites)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What one account's flows may be: versions and suites, whom to trust, who we are. Paths are file names.

    `client_certificate` is a PEM chain or a PKCS#12 file; `client_key` may be empty if the first holds the key too.
    `pins` are SHA-256 fingerprints of server certificates that the user has accepted, hexadecimal with or without
    colons. `expected_name` replaces the name that the server's certificate must have (security.md "identity").
    """

    profile: TlsProfile = TlsProfile.GATEWAY
    ca_files: tuple[str, ...] = ()  # trusted besides the operating system's store
    client_certificate: str | None = None
    client_key: str | None = None
    client_key_password: Secret | None = None
    pins: tuple[str, ...] = ()
    pinning_allowed: bool = True
    expected_name: str | None = None
    strict_identity: bool = False  # no wildcards (RFC 5922 §7.2)

    @property
    def usable_pins(self) -> frozenset[str]:
        """The pins as lower-case hexadecimal without colons; none where policy forbids pinning."""
        if not self.pinning_allowed:
            return frozenset()
        return frozenset(pin.replace(":", "").replace(" ", "").lower() for pin in self.pins)
