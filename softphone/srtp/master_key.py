"""A master key as it was agreed on: a record, as a crypto suite is (RFC 3711 §3.2.1; RFC 4568 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.policy.secret import SecretBytes
from softphone.srtp.crypto_suites import CryptoSuite


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """Master key ‖ salt of one direction (RFC 4568 §6.1); `len(material)` is the suite's exact length."""

    suite: CryptoSuite
    material: SecretBytes
    mki: bytes = b""  # in each packet, as it stands there; b"": none
    lifetime: int | None = None  # SRTP packets, and SRTCP packets; None: as many as RFC 3711 §9.2 allows
