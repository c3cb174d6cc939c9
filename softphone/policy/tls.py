"""The TLS profiles: versions and suites that may be offered (security.md "Signalling: TLS only"). Pure values."""

from __future__ import annotations

import enum

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
