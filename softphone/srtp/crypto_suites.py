"""SRTP crypto suites as records (RFC 4568 §6.2, RFC 7714 §14.2, RFC 6188 §4). A suite is one record here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CryptoSuite:
    """Lengths in octets. `srtp_tag`/`srtcp_tag`: authentication tag or AEAD tag."""

    name: str
    master_key_length: int
    master_salt_length: int
    srtp_tag_length: int
    srtcp_tag_length: int

    @property
    def material_length(self) -> int:
        """Exact length of the decoded `inline:` key (master key ‖ master salt)."""
        return self.master_key_length + self.master_salt_length

    @property
    def is_aead(self) -> bool:
        """Encryption and authentication in one (RFC 7714); else counter mode with HMAC-SHA1."""
        return self.name.startswith("AEAD_")


AES_CM_128_HMAC_SHA1_80 = CryptoSuite("AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10)
# RFC 4568 §6.2.2: the 32-bit tag is for SRTP only, SRTCP keeps 80 bits.
AES_CM_128_HMAC_SHA1_32 = CryptoSuite("AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10)
# RFC 6188 §4: as their namesakes above, with AES-256.
AES_256_CM_HMAC_SHA1_80 = CryptoSuite("AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10)
AES_256_CM_HMAC_SHA1_32 = CryptoSuite("AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10)
AEAD_AES_128_GCM = CryptoSuite("AEAD_AES_128_GCM", 16, 12, 16, 16)
AEAD_AES_256_GCM = CryptoSuite("AEAD_AES_256_GCM", 32, 12, 16, 16)

CRYPTO_SUITES: dict[str, CryptoSuite] = {
    suite.name: suite
    for suite in (
        AEAD_AES_256_GCM,
        AEAD_AES_128_GCM,
        AES_256_CM_HMAC_SHA1_80,
        AES_CM_128_HMAC_SHA1_80,
        AES_256_CM_HMAC_SHA1_32,
        AES_CM_128_HMAC_SHA1_32,
    )
}
