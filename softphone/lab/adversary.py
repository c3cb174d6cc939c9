"""How the lab's adversaries differ from an honest peer: what their SDP says, what their media does.

Owns: the changes, as values that a service names. An adversary is an honest user agent whose messages are changed on
their way out and whose media is started otherwise: exactly what a broken or hostile peer looks like from outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from softphone.policy.origin import Origin
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import ClearMedia, NegotiatedMedia, SrtpSecurity

_SECURE_PROFILE = re.compile(rb"(?m)^(m=audio [0-9]+ RTP/)SAVP")
_FINGERPRINT = re.compile(rb"(?m)^(a=fingerprint:sha-256 )([0-9A-F:]+)")
_CRYPTO_LINE = re.compile(rb"(?m)^a=crypto:[^\n]*\n")


def _same_description(description: bytes) -> bytes:
    return description


def _same_media(media: NegotiatedMedia) -> NegotiatedMedia:
    return media


@dataclass(frozen=True, slots=True)
class Adversary:
    """`description` changes the SDP that is sent, `media` what runs here, `tamper` every packet after protection."""

    description: Callable[[bytes], bytes] = _same_description
    media: Callable[[NegotiatedMedia], NegotiatedMedia] = _same_media
    tamper: Callable[[bytes], bytes] | None = None
    sends_media: bool = True


def clear_description(description: bytes) -> bytes:
    """RTP/AVP without a key, whatever was offered or agreed."""
    return _CRYPTO_LINE.sub(b"", _SECURE_PROFILE.sub(rb"\1AVP", description))


def clear_media(media: NegotiatedMedia) -> NegotiatedMedia:
    return replace(media, security=ClearMedia("The lab's adversary does not encrypt.", Origin.DEFAULT))


def wrong_key(media: NegotiatedMedia) -> NegotiatedMedia:
    """Protects with another key than the one the SDP named; always the same other one, so that updates keep it."""
    security = media.security
    if not isinstance(security, SrtpSecurity):
        return media
    other = SecretBytes(bytes(octet ^ 0xFF for octet in security.send.material.reveal()))
    return replace(media, security=replace(security, send=replace(security.send, material=other)))


def other_fingerprint(description: bytes) -> bytes:
    """Names another certificate than the one shown in the DTLS handshake."""
    return _FINGERPRINT.sub(lambda match: match.group(1) + match.group(2)[::-1], description)


def flipped_bit(packet: bytes) -> bytes:
    """One bit in the middle of the packet: in the voice, not in the header."""
    at = len(packet) // 2
    return packet[:at] + bytes((packet[at] ^ 0x01,)) + packet[at + 1 :]


HONEST = Adversary()
CLEAR = Adversary(description=clear_description, media=clear_media)
WRONG_KEY = Adversary(description=other_fingerprint, media=wrong_key)
TAMPERING = Adversary(tamper=flipped_bit)
SILENT = Adversary(sends_media=False)
