"""Proof by both ends of the loopback form that they know the token, before the first message (HMAC-SHA-256).

Owns: the three steps. Any program may take a port on 127.0.0.1, so neither end trusts the other's being there:

    front end → engine   nonce F (32 octets)
    engine → front end   nonce E (32), HMAC(token, "engine", port, F, E)
    front end → engine   HMAC(token, "front end", port, F, E)

The front end says nothing more until the engine has proved itself, so a squatter on the port learns one random number.
The port is in the proof: what a squatter relays to the real engine on another port does not fit. The words keep one
end's proof from being the other's.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from softphone.engine.link.failures import LinkBroken

TOKEN_OCTETS = 32
NONCE_OCTETS = 32
PROOF_OCTETS = 32
ENGINE_SAYS = NONCE_OCTETS + PROOF_OCTETS

TokenBytes = Callable[[int], bytes]


class FrontEndChallenge:
    def __init__(self, token: bytes, port: int, token_bytes: TokenBytes) -> None:
        self._token, self._port = token, port
        self.opening = token_bytes(NONCE_OCTETS)

    def answer(self, engine_says: bytes) -> bytes:
        """Our proof. Raises LinkBroken if the other end does not know the token."""
        if len(engine_says) != ENGINE_SAYS:
            raise LinkBroken("the other end did not take the challenge")
        nonce, proof = engine_says[:NONCE_OCTETS], engine_says[NONCE_OCTETS:]
        if not hmac.compare_digest(proof, _proof(self._token, b"engine", self._port, self.opening, nonce)):
            raise LinkBroken("the other end is not the phone's engine")
        return _proof(self._token, b"front end", self._port, self.opening, nonce)


class EngineChallenge:
    def __init__(self, token: bytes, port: int, token_bytes: TokenBytes) -> None:
        self._token, self._port, self._token_bytes = token, port, token_bytes
        self._expected: bytes | None = None

    def answer(self, opening: bytes) -> bytes:
        nonce = self._token_bytes(NONCE_OCTETS)
        self._expected = _proof(self._token, b"front end", self._port, opening, nonce)
        return nonce + _proof(self._token, b"engine", self._port, opening, nonce)

    def check(self, proof: bytes) -> None:
        """Raises LinkBroken if the front end does not know the token."""
        if self._expected is None or not hmac.compare_digest(proof, self._expected):
            raise LinkBroken("a front end does not know the token")


def _proof(token: bytes, who: bytes, port: int, front_end: bytes, engine: bytes) -> bytes:
    return hmac.digest(token, b"softphone link\0" + who + b"\0" + port.to_bytes(2, "big") + front_end + engine, sha256)
