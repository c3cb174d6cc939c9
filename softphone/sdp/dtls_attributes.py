"""What a session description says of a DTLS association: `a=fingerprint`, `a=setup`, `a=tls-id`.

Owns: their grammar (RFC 8122 §5, RFC 4145 §4, RFC 8842 §4), which fingerprints count, who opens the handshake. Knows
nothing of policies, certificates or sockets. A fingerprint is no secret.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from softphone.sdp.session import MediaDescription, SessionDescription

MAX_FINGERPRINTS = 16  # of one m= section; more are not looked at
DIGEST_LENGTHS: dict[str, int] = {"sha-512": 64, "sha-384": 48, "sha-256": 32}
"""Octets of the hash functions that are strong enough, best first. MD5, SHA-1 and the rest count as none."""

_FINGERPRINT = re.compile(r"([A-Za-z0-9-]{1,16})[ \t]+([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){0,127})[ \t]*")
_TLS_ID = re.compile(r"[A-Za-z0-9+/_-]{20,255}")


class Setup(enum.Enum):
    """RFC 4145 §4.1; in DTLS the active side sends the ClientHello (RFC 5763 §5)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of a certificate in DER (RFC 8122 §5)."""

    algorithm: str  # lower case
    digest: bytes

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest.hex(':').upper()}"


@dataclass(frozen=True, slots=True)
class DtlsAttributes:
    """`fingerprints`: all of the strongest hash function named; the certificate must fit one (RFC 8122 §5.1)."""

    fingerprints: tuple[Fingerprint, ...]
    setup: Setup | None
    tls_id: str  # "": none was given
    rtcp_mux: bool
    problems: tuple[str, ...]  # why fingerprints were left out

    def unusable_reason(self) -> str | None:
        """Why no association can be made of this; None if one can."""
        if not self.fingerprints:
            return self.problems[0] if self.problems else "there is no certificate fingerprint (a=fingerprint)"
        if self.setup is None:
            return "it does not say who begins the handshake (a=setup)"
        if self.setup is Setup.HOLDCONN:
            return "it does not want a handshake now (a=setup:holdconn)"
        if not self.rtcp_mux:
            return "voice and its reports do not share one port (a=rtcp-mux)"
        return None


def read_dtls(description: SessionDescription, section: MediaDescription) -> DtlsAttributes | None:
    """None where neither the section nor the session names a fingerprint. The section's own values count first."""
    values = section.values("fingerprint") or _session_values(description, "fingerprint")
    if not values:
        return None
    fingerprints, problems = _fingerprints(values)
    setup = next(iter(section.values("setup") or _session_values(description, "setup")), "").strip().lower()
    tls_id = next(iter(section.values("tls-id") or _session_values(description, "tls-id")), "").strip()
    return DtlsAttributes(
        fingerprints,
        next((item for item in Setup if item.value == setup), None),
        tls_id if _TLS_ID.fullmatch(tls_id) else "",
        section.has("rtcp-mux"),
        problems,
    )


def _session_values(description: SessionDescription, name: str) -> tuple[str, ...]:
    return tuple(item.value for item in description.attributes if item.name == name and item.value is not None)


def _fingerprints(values: Sequence[str]) -> tuple[tuple[Fingerprint, ...], tuple[str, ...]]:
    read: list[Fingerprint] = []
    problems: list[str] = []
    for value in values[:MAX_FINGERPRINTS]:
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            problems.append("a certificate fingerprint cannot be read")
            continue
        algorithm, digest = match.group(1).lower(), bytes.fromhex(match.group(2).replace(":", ""))
        if algorithm not in DIGEST_LENGTHS:
            problems.append(f"a certificate fingerprint by {algorithm} is refused: sha-256 or better is needed")
        elif len(digest) != DIGEST_LENGTHS[algorithm]:
            problems.append(f"a certificate fingerprint by {algorithm} has {len(digest)} octets")
        else:
            read.append(Fingerprint(algorithm, digest))
    strongest = next((name for name in DIGEST_LENGTHS if any(item.algorithm == name for item in read)), "")
    return tuple(dict.fromkeys(item for item in read if item.algorithm == strongest)), tuple(problems)
