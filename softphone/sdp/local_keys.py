"""Our own SDES keys: made, kept, renewed (RFC 4568 §5.1, §7.1; security.md "SDES").

Owns: when a key is new and when it stays. Must not know: descriptions, states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from softphone.errors import LocalProtocolError
from softphone.policy.media import MediaPolicy
from softphone.policy.secret import SecretBytes
from softphone.sdp.crypto_attribute import CryptoAttribute, crypto_attribute
from softphone.sdp.negotiated import MediaSecurity, SrtpSecurity
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.srtp.master_key import SrtpKey


class LocalKeys:
    """One dialog's. `token_bytes(n)` gives n unpredictable octets."""

    def __init__(self, policy: MediaPolicy, token_bytes: Callable[[int], bytes]) -> None:
        self._policy, self._token_bytes = policy, token_bytes
        self.shared: frozenset[SrtpKey] = frozenset()  # sent in by another fork's session too

    def offer_lines(self, running: MediaSecurity | None, *, new_keys: bool) -> tuple[CryptoAttribute, ...]:
        """RFC 4568 §5.1.1: one line for each suite in the policy's order, the suite in use first."""
        kept = None if new_keys else self._kept(running)
        keys = [] if kept is None else [kept]
        keys.extend(self._new(name) for name in self._policy.offered_suites if kept is None or name != kept.suite.name)
        return tuple(crypto_attribute(tag, key) for tag, key in enumerate(keys, start=1))

    def for_answer(self, running: MediaSecurity | None, theirs: tuple[SrtpKey, ...]) -> SrtpKey:
        """Ours stays while the peer's stays; a peer that changes its key, or has changed itself, gets a new one."""
        kept = self._kept(running)
        if kept is not None and isinstance(running, SrtpSecurity) and (running.receive, *running.further) == theirs:
            return kept
        # Who sends an MKI expects one, of its own length: Microsoft's servers do. Its value is ours to choose.
        length = len(theirs[0].mki)
        return replace(self._new(theirs[0].suite.name), mki=(1).to_bytes(length, "big") if length else b"")

    def _kept(self, running: MediaSecurity | None) -> SrtpKey | None:
        """Our key in use, unless another fork may be sending with it."""
        if not isinstance(running, SrtpSecurity):
            return None
        return None if running.send in self.shared else running.send

    def _new(self, suite_name: str) -> SrtpKey:
        suite = CRYPTO_SUITES[suite_name]
        material = self._token_bytes(suite.material_length)
        if len(material) != suite.material_length:
            raise LocalProtocolError("The source of random octets gave another number than asked for")
        return SrtpKey(suite, SecretBytes(material))
