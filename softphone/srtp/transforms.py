"""SRTP's cryptographic transforms over `cryptography`: AES in counter mode with HMAC-SHA1, and AES-GCM.

Owns: key derivation (RFC 3711 §4.3.1, RFC 6188 §3, RFC 7714 §11), what is encrypted and what is authenticated
(RFC 3711 §4.1.1, §4.2.1; RFC 7714 §8, §9). The packet's index and header length are given. Must not know: streams,
replays, MKIs.
"""

from __future__ import annotations

import hmac as constant_time
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.hmac import HMAC

from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.policy.secret import SecretBytes
from softphone.srtp.crypto_suites import CRYPTO_SUITES, CryptoSuite

RTCP_HEADER = 8  # never encrypted (RFC 3711 §3.4)
_E_BIT = 1 << 31
_AUTHENTICATION_KEY = 20  # octets of n_a (RFC 3711 §5.2)
_SALT = 14  # octets of the salt in the derivation; a shorter one is padded on the right (RFC 7714 §11)


class AuthenticationFailed(RemoteProtocolError):
    """The tag does not fit the packet: tampered with, another key, or not SRTP at all (RFC 3711 §3.3)."""


class Transform(Protocol):
    """One master key's. An index is the whole one: roll-over counter ‖ sequence number, or the 31 bits of SRTCP."""

    def seal_rtp(self, packet: bytes, header: int, index: int) -> bytes: ...

    def open_rtp(self, packet: bytes, header: int, index: int) -> bytes: ...

    def seal_rtcp(self, packet: bytes, index: int) -> bytes: ...

    def open_rtcp(self, packet: bytes, index: int) -> bytes: ...

    def srtcp_word(self, packet: bytes) -> int:
        """E bit and index as the packet carries them, not yet authenticated."""
        ...


def transform(suite: CryptoSuite, material: SecretBytes) -> Transform:
    """Raises LocalProtocolError for a suite that is not built, and unless the material has the suite's length."""
    if suite.name not in CRYPTO_SUITES:
        raise LocalProtocolError(f"no SRTP transform for the suite {suite.name}")
    if len(material) != suite.material_length:
        raise LocalProtocolError(
            f"{suite.name} needs {suite.material_length} octets of key and salt, not {len(material)}"
        )
    return (GaloisCounterMode if suite.is_aead else CounterMode)(suite, material)


def derive(suite: CryptoSuite, material: SecretBytes, label: int, length: int) -> bytes:
    """A session key: RFC 3711 §4.3.1 with a key derivation rate of 0."""
    key, salt = material.reveal()[: suite.master_key_length], material.reveal()[suite.master_key_length :]
    x = int.from_bytes(salt.ljust(_SALT, b"\0"), "big") ^ label << 48
    start = (x << 16).to_bytes(16, "big")
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(length))


class _CounterModeKeys:
    """The session keys of RTP or of RTCP, with their schedules made once."""

    def __init__(self, suite: CryptoSuite, material: SecretBytes, first_label: int) -> None:
        key = derive(suite, material, first_label, suite.master_key_length)
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._hmac = HMAC(derive(suite, material, first_label + 1, _AUTHENTICATION_KEY), SHA1())  # noqa: S303 - §4.2.1
        self._salt = int.from_bytes(derive(suite, material, first_label + 2, _SALT), "big") << 16

    def crypt(self, ssrc: bytes, index: int, data: bytes) -> bytes:
        """RFC 3711 §4.1.1: IV = (k_s · 2^16) ⊕ (SSRC · 2^64) ⊕ (i · 2^16)."""
        start = self._salt ^ int.from_bytes(ssrc, "big") << 64 ^ index << 16
        self._stream.reset_nonce(start.to_bytes(16, "big"))
        return self._stream.update(data)

    def tag(self, *parts: bytes) -> bytes:
        computing = self._hmac.copy()
        for part in parts:
            computing.update(part)
        return computing.finalize()


class CounterMode:
    """AES_CM with HMAC-SHA1 (RFC 3711 §4, RFC 6188)."""

    def __init__(self, suite: CryptoSuite, material: SecretBytes) -> None:
        self._rtp = _CounterModeKeys(suite, material, 0)
        self._rtcp = _CounterModeKeys(suite, material, 3)
        self._rtp_tag, self._rtcp_tag = suite.srtp_tag_length, suite.srtcp_tag_length

    def seal_rtp(self, packet: bytes, header: int, index: int) -> bytes:
        sealed = packet[:header] + self._rtp.crypt(packet[8:12], index, packet[header:])
        return sealed + self._rtp.tag(sealed, (index >> 16).to_bytes(4, "big"))[: self._rtp_tag]

    def open_rtp(self, packet: bytes, header: int, index: int) -> bytes:
        sealed, tag = packet[: -self._rtp_tag], packet[-self._rtp_tag :]
        _compare(tag, self._rtp.tag(sealed, (index >> 16).to_bytes(4, "big")))
        return sealed[:header] + self._rtp.crypt(packet[8:12], index, sealed[header:])

    def seal_rtcp(self, packet: bytes, index: int) -> bytes:
        body = self._rtcp.crypt(packet[4:8], index, packet[RTCP_HEADER:])
        sealed = packet[:RTCP_HEADER] + body + (_E_BIT | index).to_bytes(4, "big")
        return sealed + self._rtcp.tag(sealed)[: self._rtcp_tag]

    def open_rtcp(self, packet: bytes, index: int) -> bytes:
        sealed, tag = packet[: -self._rtcp_tag], packet[-self._rtcp_tag :]
        _compare(tag, self._rtcp.tag(sealed))
        _demand_encryption(self.srtcp_word(packet))
        return packet[:RTCP_HEADER] + self._rtcp.crypt(packet[4:8], index, sealed[RTCP_HEADER:-4])

    def srtcp_word(self, packet: bytes) -> int:
        end = len(packet) - self._rtcp_tag
        return int.from_bytes(packet[end - 4 : end], "big")


class GaloisCounterMode:
    """AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714)."""

    def __init__(self, suite: CryptoSuite, material: SecretBytes) -> None:
        length, salt = suite.master_key_length, suite.master_salt_length
        self._rtp = AESGCM(derive(suite, material, 0, length))
        self._rtcp = AESGCM(derive(suite, material, 3, length))
        self._rtp_salt = int.from_bytes(derive(suite, material, 2, salt), "big")
        self._rtcp_salt = int.from_bytes(derive(suite, material, 5, salt), "big")

    def seal_rtp(self, packet: bytes, header: int, index: int) -> bytes:
        return packet[:header] + self._rtp.encrypt(
            _nonce(self._rtp_salt, packet[8:12], index), packet[header:], packet[:header]
        )

    def open_rtp(self, packet: bytes, header: int, index: int) -> bytes:
        nonce = _nonce(self._rtp_salt, packet[8:12], index)
        return packet[:header] + _decrypt(self._rtp, nonce, packet[header:], packet[:header])

    def seal_rtcp(self, packet: bytes, index: int) -> bytes:
        word = (_E_BIT | index).to_bytes(4, "big")
        nonce = _nonce(self._rtcp_salt, packet[4:8], index)
        sealed = self._rtcp.encrypt(nonce, packet[RTCP_HEADER:], packet[:RTCP_HEADER] + word)
        return packet[:RTCP_HEADER] + sealed + word

    def open_rtcp(self, packet: bytes, index: int) -> bytes:
        header, word = packet[:RTCP_HEADER], packet[-4:]
        nonce = _nonce(self._rtcp_salt, packet[4:8], index)
        if not self.srtcp_word(packet) & _E_BIT:  # authentic only, all of it associated data (RFC 7714 §9.3)
            tag = packet[-20:-4]
            _decrypt(self._rtcp, nonce, tag, packet[:-20] + word)
            _demand_encryption(0)
        return header + _decrypt(self._rtcp, nonce, packet[RTCP_HEADER:-4], header + word)

    def srtcp_word(self, packet: bytes) -> int:
        return int.from_bytes(packet[-4:], "big")


def _nonce(salt: int, ssrc: bytes, index: int) -> bytes:
    """RFC 7714 §8.1, §9.1: 00 00 ‖ SSRC ‖ index in 48 bits, ⊕ salt."""
    return (salt ^ int.from_bytes(ssrc, "big") << 48 ^ index).to_bytes(12, "big")


def _decrypt(key: AESGCM, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    try:
        return key.decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise AuthenticationFailed("SRTP: authentication failure") from None


def _compare(tag: bytes, computed: bytes) -> None:
    """In constant time; `computed` may be longer (RFC 3711 §4.2.1: the leftmost octets count)."""
    if not constant_time.compare_digest(tag, computed[: len(tag)]):
        raise AuthenticationFailed("SRTP: authentication failure")


def _demand_encryption(word: int) -> None:
    """UNENCRYPTED_SRTCP is never negotiated (RFC 4568 §6.3.2)."""
    if not word & _E_BIT:
        raise RemoteProtocolError("SRTCP without encryption")
