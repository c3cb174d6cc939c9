"""Session descriptions and sessions for the tests of this folder."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from softphone.policy.media import (
    DEFAULT_ACCEPTED_SUITES,
    DEFAULT_SUITES,
    ConnectionProfile,
    MediaEncryption,
    MediaPolicy,
    UnencryptedPeer,
)
from softphone.sdp.negotiated import NegotiatedMedia, SrtpSecurity
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.srtp.crypto_suites import CRYPTO_SUITES

SUITE_80 = "AES_CM_128_HMAC_SHA1_80"
SUITE_32 = "AES_CM_128_HMAC_SHA1_32"
GCM_256 = "AEAD_AES_256_GCM"
GCM_128 = "AEAD_AES_128_GCM"
CM_256 = "AES_256_CM_HMAC_SHA1_80"


def octets(seed: str) -> Callable[[int], bytes]:
    """A source of octets that never gives the same twice, the same in each run."""
    counter = 0

    def token_bytes(length: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(f"{seed} {counter}".encode()).digest(length)

    return token_bytes


def mandatory() -> MediaPolicy:
    return MediaPolicy()


def optional(unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK) -> MediaPolicy:
    return MediaPolicy(
        encryption=MediaEncryption.OPTIONAL, unencrypted_peer=unencrypted_peer, profile=ConnectionProfile.PRIVATE
    )


def disabled() -> MediaPolicy:
    return MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.VPN)


def suites(*offered: str) -> MediaPolicy:
    return MediaPolicy(offered_suites=offered or DEFAULT_SUITES, accepted_suites=offered or DEFAULT_ACCEPTED_SUITES)


def session(
    policy: MediaPolicy | None = None,
    seed: str = "local",
    codecs: tuple[str, ...] = ("PCMU", "PCMA"),
    ptime: int = 20,
    *,
    addressed: bool = True,
) -> OfferAnswerSession:
    created = OfferAnswerSession(policy or mandatory(), codecs, octets(seed), ptime)
    if addressed:
        created.set_local_address("192.0.2.1", 4000, 4001)
    return created


def key_text(suite: str, fill: int = 1) -> str:
    return base64.b64encode(bytes([fill]) * CRYPTO_SUITES[suite].material_length).decode()


def crypto(tag: int = 1, suite: str = SUITE_80, fill: int = 1, rest: str = "") -> str:
    return f"a=crypto:{tag} {suite} inline:{key_text(suite, fill)}{rest}"


def audio(profile: str, *lines: str, port: int = 6000, formats: str = "0 8 101") -> list[str]:
    return [f"m=audio {port} {profile} {formats}", *lines]


def body(*sections: list[str], connection: str = "IN IP4 198.51.100.7", version: int = 1) -> bytes:
    head = ["v=0", f"o=peer 77 {version} IN IP4 198.51.100.7", "s=call", f"c={connection}", "t=0 0"]
    lines = head + [line for section in sections for line in section]
    return "".join(f"{line}\r\n" for line in lines).encode()


EVENT = ("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15")


def savp(*lines: str, **changes: int | str) -> bytes:
    return body(audio("RTP/SAVP", *(lines or (crypto(),)), *EVENT, **changes))  # type: ignore[arg-type]


def avp(*lines: str) -> bytes:
    return body(audio("RTP/AVP", *lines, *EVENT))


def negotiated(result: object) -> NegotiatedMedia:
    assert isinstance(result, NegotiatedMedia), result
    return result


def keys(result: object) -> SrtpSecurity:
    security = negotiated(result).security
    assert isinstance(security, SrtpSecurity), security
    return security


def text_lines(description: bytes) -> list[str]:
    return description.decode().split("\r\n")


def crypto_lines(description: bytes) -> list[str]:
    return [line for line in text_lines(description) if line.startswith("a=crypto:")]


def media_line(description: bytes) -> str:
    return next(line for line in text_lines(description) if line.startswith("m="))
