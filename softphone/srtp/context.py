"""Protecting and unprotecting media packets: SRTP and SRTCP (RFC 3711, RFC 7714) through libsrtp.

Owns: one libsrtp session per direction and the typing of its errors. Must not know: SDP, sockets, what a packet
carries. A context is used by one thread; `ClearSender`/`ClearReceiver` are other classes and must be asked for by name.
"""

from __future__ import annotations

from typing import Protocol

import pylibsrtp

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.srtp.crypto_suites import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    CryptoSuite,
)
from softphone.srtp.key_lifetime import KeyUse
from softphone.srtp.limits import MAX_PROTECTED_LENGTH, MAX_RTCP_LENGTH, MAX_RTP_LENGTH, MAX_SSRCS
from softphone.srtp.replay import REPLAY_WINDOW, Replayed
from softphone.srtp.transforms import AuthenticationFailed

_PROFILES = {
    AES_CM_128_HMAC_SHA1_80.name: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    # libsrtp keeps the 80-bit tag for SRTCP in this profile, as RFC 4568 §6.2.2 wants.
    AES_CM_128_HMAC_SHA1_32.name: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    AEAD_AES_128_GCM.name: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    AEAD_AES_256_GCM.name: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
LIBSRTP_SUITES = frozenset(_PROFILES)
"""The others are `own_context.py`'s."""


class MediaSender(Protocol):
    """What protects outgoing packets."""

    @property
    def aging(self) -> bool:
        """It is time to agree on a new key."""
        ...

    def protect_rtp(self, packet: bytes) -> bytes: ...

    def protect_rtcp(self, packet: bytes) -> bytes: ...


class MediaReceiver(Protocol):
    """What checks and opens incoming packets."""

    @property
    def aging(self) -> bool:
        """It is time to agree on a new key."""
        ...

    def unprotect_rtp(self, packet: bytes) -> bytes: ...

    def unprotect_rtcp(self, packet: bytes) -> bytes: ...


def _session(suite: CryptoSuite, material: SecretBytes, ssrc_type: int) -> pylibsrtp.Session:
    profile = _PROFILES.get(suite.name)
    if profile is None:
        raise LocalProtocolError(f"no SRTP transform for the suite {suite.name}")
    if len(material) != suite.material_length:
        # libsrtp would take a longer one and use its beginning.
        raise LocalProtocolError(
            f"{suite.name} needs {suite.material_length} octets of key and salt, not {len(material)}"
        )
    policy = pylibsrtp.Policy(key=material.reveal(), ssrc_type=ssrc_type, srtp_profile=profile)
    policy.allow_repeat_tx = False
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy)


class SrtpSender:
    """Protects what we send under one master key. Never build a second one for the same key (two-time pad)."""

    def __init__(self, suite: CryptoSuite, material: SecretBytes, lifetime: int | None = None) -> None:
        """`material` is master key ‖ master salt. Raises LocalProtocolError unless its length is the suite's."""
        self._session = _session(suite, material, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._use = KeyUse(lifetime)

    @property
    def aging(self) -> bool:
        return self._use.aging

    def protect_rtp(self, packet: bytes) -> bytes:
        """SRTP of an RTP packet of at most MAX_RTP_LENGTH octets (RFC 3711 §3.1).

        Raises LocalProtocolError if the packet is too long, is no RTP or repeats a sequence number, and
        KeyLifetimeEnded.
        """
        if len(packet) > MAX_RTP_LENGTH:
            raise LocalProtocolError("RTP packet too long to protect")
        self._use.count_rtp()
        try:
            return self._session.protect(packet)
        except pylibsrtp.Error as error:
            raise LocalProtocolError(f"SRTP protection failed: {error}") from None

    def protect_rtcp(self, packet: bytes) -> bytes:
        """SRTCP, encrypted, of a compound packet of at most MAX_RTCP_LENGTH octets (RFC 3711 §3.4).

        Raises LocalProtocolError if the packet is too long or no RTCP, and KeyLifetimeEnded.
        """
        if len(packet) > MAX_RTCP_LENGTH:
            raise LocalProtocolError("RTCP packet too long to protect")
        self._use.count_rtcp()
        try:
            return self._session.protect_rtcp(packet)
        except pylibsrtp.Error as error:
            raise LocalProtocolError(f"SRTCP protection failed: {error}") from None


class SrtpReceiver:
    """Checks and opens what the peer sends under one master key."""

    def __init__(self, suite: CryptoSuite, material: SecretBytes, lifetime: int | None = None) -> None:
        """`material` is master key ‖ master salt. Raises LocalProtocolError unless its length is the suite's."""
        self._session = _session(suite, material, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._use = KeyUse(lifetime)
        # Where the word with the E bit ends: in AEAD suites the tag stands before it (RFC 7714 §9.2), else behind.
        self._index_end = 0 if suite.is_aead else suite.srtcp_tag_length
        self._ssrcs: set[bytes] = set()

    @property
    def aging(self) -> bool:
        return self._use.aging

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """The authentic RTP packet inside (RFC 3711 §3.3).

        Raises AuthenticationFailed, Replayed, RemoteProtocolError for what cannot be SRTP or opens too many streams,
        and KeyLifetimeEnded.
        """
        ssrc = packet[8:12]
        self._admit(packet, ssrc)
        try:
            opened = self._session.unprotect(packet)
        except pylibsrtp.Error as error:
            raise _typed(error) from None
        self._use.count_rtp()
        self._ssrcs.add(ssrc)
        return opened

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The authentic compound RTCP packet inside (RFC 3711 §3.4).

        Raises as `unprotect_rtp` does, and RemoteProtocolError for SRTCP that is authentic but was not encrypted.
        """
        ssrc = packet[4:8]
        self._admit(packet, ssrc)
        try:
            opened = self._session.unprotect_rtcp(packet)
        except pylibsrtp.Error as error:
            raise _typed(error) from None
        # libsrtp itself minds the E bit with AES-CM only. UNENCRYPTED_SRTCP is never negotiated (RFC 4568 §6.3.2).
        if not packet[len(packet) - self._index_end - 4] & 0x80:
            raise RemoteProtocolError("SRTCP without encryption")
        self._use.count_rtcp()
        self._ssrcs.add(ssrc)
        return opened

    def _admit(self, packet: bytes, ssrc: bytes) -> None:
        if len(packet) > MAX_PROTECTED_LENGTH:
            raise RemoteProtocolError("SRTP packet too long")
        if ssrc not in self._ssrcs and len(self._ssrcs) >= MAX_SSRCS:
            raise RemoteProtocolError("too many SRTP streams under one key")


# libsrtp's status arrives as text only.
_ERRORS: dict[str, type[RemoteProtocolError]] = {
    "authentication failure": AuthenticationFailed,
    "replay check failed (bad index)": Replayed,
    "replay check failed (index too old)": Replayed,
    "packet index is too old to consider": Replayed,
}


def _typed(error: pylibsrtp.Error) -> RemoteProtocolError:
    text = str(error)
    return _ERRORS.get(text, RemoteProtocolError)(f"SRTP: {text}")


class ClearSender:
    """Sends media as it is: only for `ClearMedia`, which a policy allowed."""

    aging = False

    def protect_rtp(self, packet: bytes) -> bytes:
        return packet

    def protect_rtcp(self, packet: bytes) -> bytes:
        return packet


class ClearReceiver:
    """Takes media as it is: only for `ClearMedia`, which a policy allowed."""

    aging = False

    def unprotect_rtp(self, packet: bytes) -> bytes:
        return packet

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        return packet
