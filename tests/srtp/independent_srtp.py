"""SRTP written a second time, over `cryptography` and straight from the RFCs: what ours is compared with.

RFC 3711 §4 (AES-CM, HMAC-SHA1, key derivation) and RFC 7714 (AEAD). Slow and plain on purpose.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from softphone.srtp.crypto_suites import CryptoSuite

SRTP_LABELS = (0, 1, 2)  # RFC 3711 §4.3.2: encryption, authentication, salt
SRTCP_LABELS = (3, 4, 5)


def aes_cm(key: bytes, start: bytes, length: int) -> bytes:
    """`length` octets of key stream from the counter block `start` (RFC 3711 §4.1.1)."""
    return Cipher(algorithms.AES(key), modes.CTR(start)).encryptor().update(bytes(length))


def derive(master_key: bytes, master_salt: bytes, label: int, length: int) -> bytes:
    """RFC 3711 §4.3.1 with a key derivation rate of 0; RFC 7714 §11 pads the salt on the right."""
    salt = master_salt.ljust(14, b"\0")
    x = int.from_bytes(salt, "big") ^ (label << 48)
    return aes_cm(master_key, (x << 16).to_bytes(16, "big"), length)


def xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def gcm_rtp(
    key: bytes, salt: bytes, header: bytes, payload: bytes, ssrc: bytes, roc: int, sequence_number: int
) -> bytes:
    """RFC 7714 §8: header ‖ ciphertext ‖ tag from session keys."""
    iv = xor(b"\0\0" + ssrc + roc.to_bytes(4, "big") + sequence_number.to_bytes(2, "big"), salt)
    return header + AESGCM(key).encrypt(iv, payload, header)


def gcm_rtcp(key: bytes, salt: bytes, packet: bytes, index: int) -> bytes:
    """RFC 7714 §9: header ‖ ciphertext ‖ tag ‖ ESRTCP word from session keys."""
    iv = xor(b"\0\0" + packet[4:8] + b"\0\0" + index.to_bytes(4, "big"), salt)
    word = (index | 1 << 31).to_bytes(4, "big")
    return packet[:8] + AESGCM(key).encrypt(iv, packet[8:], packet[:8] + word) + word


def _opened(key: bytes, iv: bytes, header: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    try:
        return header + AESGCM(key).decrypt(iv, sealed, associated)
    except InvalidTag:
        return None


@dataclass
class IndependentSrtp:
    """Protects and opens packets of one master key; the roll-over counter and the SRTCP index are given."""

    suite: CryptoSuite
    material: bytes

    def _keys(self, labels: tuple[int, int, int]) -> tuple[bytes, bytes, bytes]:
        key, salt = self.material[: self.suite.master_key_length], self.material[self.suite.master_key_length :]
        return (
            derive(key, salt, labels[0], len(key)),
            derive(key, salt, labels[1], 20),
            derive(key, salt, labels[2], len(salt)),
        )

    @property
    def _aead(self) -> bool:
        return self.suite.name.startswith("AEAD")

    def protect_rtp(self, packet: bytes, roc: int = 0) -> bytes:
        """A packet with a header of 12 octets."""
        encryption, authentication, salt = self._keys(SRTP_LABELS)
        header, payload, ssrc = packet[:12], packet[12:], packet[8:12]
        sequence_number = int.from_bytes(packet[2:4], "big")
        if self._aead:
            return gcm_rtp(encryption, salt, header, payload, ssrc, roc, sequence_number)
        protected = header + xor(
            payload, self._stream(encryption, salt, ssrc, roc << 16 | sequence_number, len(payload))
        )
        tag = hmac.new(authentication, protected + roc.to_bytes(4, "big"), hashlib.sha1).digest()
        return protected + tag[: self.suite.srtp_tag_length]

    def protect_rtcp(self, packet: bytes, index: int) -> bytes:
        encryption, authentication, salt = self._keys(SRTCP_LABELS)
        if self._aead:
            return gcm_rtcp(encryption, salt, packet, index)
        body = xor(packet[8:], self._stream(encryption, salt, packet[4:8], index, len(packet) - 8))
        protected = packet[:8] + body + (index | 1 << 31).to_bytes(4, "big")
        tag = hmac.new(authentication, protected, hashlib.sha1).digest()
        return protected + tag[: self.suite.srtcp_tag_length]

    def authenticate_rtcp(self, packet: bytes, index: int) -> bytes:
        """SRTCP with the E bit clear: authentic, but not encrypted."""
        encryption, authentication, salt = self._keys(SRTCP_LABELS)
        word = index.to_bytes(4, "big")
        if self._aead:  # RFC 7714 §9.3
            iv = xor(b"\0\0" + packet[4:8] + b"\0\0" + word, salt)
            return packet + AESGCM(encryption).encrypt(iv, b"", packet + word) + word
        tag = hmac.new(authentication, packet + word, hashlib.sha1).digest()
        return packet + word + tag[: self.suite.srtcp_tag_length]

    def open_rtp(self, packet: bytes, roc: int = 0) -> bytes | None:
        """The RTP packet with a header of 12 octets inside, None if it does not authenticate."""
        encryption, authentication, salt = self._keys(SRTP_LABELS)
        header, ssrc = packet[:12], packet[8:12]
        sequence_number = int.from_bytes(packet[2:4], "big")
        if len(packet) < 12 + self.suite.srtp_tag_length:
            return None
        if self._aead:
            iv = xor(b"\0\0" + ssrc + roc.to_bytes(4, "big") + packet[2:4], salt)
            return _opened(encryption, iv, header, packet[12:], header)
        protected, tag = packet[: -self.suite.srtp_tag_length], packet[-self.suite.srtp_tag_length :]
        expected = hmac.new(authentication, protected + roc.to_bytes(4, "big"), hashlib.sha1).digest()
        if expected[: len(tag)] != tag:
            return None
        payload = protected[12:]
        return header + xor(payload, self._stream(encryption, salt, ssrc, roc << 16 | sequence_number, len(payload)))

    def open_rtcp(self, packet: bytes) -> bytes | None:
        """The RTCP packet inside, None if it does not authenticate or is not encrypted."""
        encryption, authentication, salt = self._keys(SRTCP_LABELS)
        tag_length = self.suite.srtcp_tag_length
        if len(packet) < 8 + 4 + tag_length:
            return None
        header, ssrc = packet[:8], packet[4:8]
        word = packet[-4:] if self._aead else packet[-tag_length - 4 : -tag_length]
        index = int.from_bytes(word, "big") & 0x7FFFFFFF
        if not word[0] & 0x80:
            return None
        if self._aead:
            iv = xor(b"\0\0" + ssrc + b"\0\0" + index.to_bytes(4, "big"), salt)
            return _opened(encryption, iv, header, packet[8:-4], header + word)
        if hmac.new(authentication, packet[:-tag_length], hashlib.sha1).digest()[:tag_length] != packet[-tag_length:]:
            return None
        body = packet[8 : -tag_length - 4]
        return header + xor(body, self._stream(encryption, salt, ssrc, index, len(body)))

    @staticmethod
    def _stream(key: bytes, salt: bytes, ssrc: bytes, index: int, length: int) -> bytes:
        iv = int.from_bytes(salt, "big") << 16 ^ int.from_bytes(ssrc, "big") << 64 ^ index << 16
        return aes_cm(key, iv.to_bytes(16, "big"), length)
