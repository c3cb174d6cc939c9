"""Digest authentication as a server (RFC 3261 §22.4, RFC 7616 §3.3 and §3.7, RFC 8760), for the built-in registrar.

Owns: nonces that prove their own age, replay by nonce count, and the judgement of credentials. Must not know users:
the password comes from a function of the caller. No result or repr carries a nonce, response or password.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import Secret
from softphone.sip.authentication import (
    ALGORITHMS,
    AuthParameters,
    digest_response,
    format_digest,
    parse_authentication,
)
from softphone.sip.message import Request
from softphone.sip.uri import parse_uri, uris_equal

NONCE_LIFETIME = 300.0  # seconds; a phone's re-registration within it needs no second round trip
_MAX_NONCES = 4096  # whose counts are remembered; the oldest go first and count as stale from then on
_NONCE_COUNT_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Verified:
    username: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The credentials may be right but the nonce is old or was used: challenge again with stale=true."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Absent or wrong credentials; `reason` is for the log."""

    reason: str


class DigestVerifier:
    """One realm. `algorithms` are offered in this order, one challenge each (RFC 8760 §2.3)."""

    def __init__(
        self,
        realm: str,
        token_bytes: Callable[[int], bytes],
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
    ) -> None:
        if not algorithms or any(algorithm not in ALGORITHMS for algorithm in algorithms):
            raise ValueError(f"algorithms must be among {', '.join(ALGORITHMS)}")
        self._realm = realm
        self._algorithms = algorithms
        self._token_bytes = token_bytes
        self._key = token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()  # the highest nonce count seen, by nonce
        self._dropped_until = float("-inf")  # nonces issued up to here may have lost their count

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """Values of WWW-Authenticate or Proxy-Authenticate, one line each, the preferred algorithm first."""
        nonce = self._issue(now)
        lines: list[str] = []
        for algorithm in self._algorithms:
            parameters = {"realm": self._realm, "nonce": nonce, "algorithm": algorithm}
            if stale:
                parameters["stale"] = "true"
            # A challenge's qop is a quoted list, other than in credentials (RFC 7616 §3.3).
            lines.append(format_digest(parameters) + ', qop="auth"')
        return lines

    def verify(
        self, request: Request, header_name: str, password_of: Callable[[str], Secret | None], now: float
    ) -> Verified | Stale | Refused:
        """Judges the credentials in `header_name` ("Authorization", "Proxy-Authorization") for our realm."""
        for line in request.headers.get_all(header_name):
            try:
                scheme, parameters = parse_authentication(line)
            except RemoteProtocolError as error:
                return Refused(error.reason)
            if scheme == "digest" and parameters.get("realm") == self._realm:
                return self._judge(request, parameters, password_of, now)
        return Refused("no credentials for this realm")

    def _judge(
        self, request: Request, given: AuthParameters, password_of: Callable[[str], Secret | None], now: float
    ) -> Verified | Stale | Refused:
        algorithm = next((a for a in self._algorithms if a.lower() == given.get("algorithm", "MD5").lower()), None)
        if algorithm is None:
            return Refused("an algorithm that was not offered")
        missing = {"username", "nonce", "uri", "response", "cnonce", "nc"} - given.keys()
        if missing or given.get("qop", "").lower() != "auth":
            return Refused("credentials without all of username, nonce, uri, response, cnonce, nc and qop=auth")
        count = _nonce_count(given["nc"])
        if count is None or not _same_uri(given["uri"], request):
            return Refused("a nonce count or URI that does not fit the request")
        issued = self._issued(given["nonce"])
        if issued is None:
            return Stale()  # not ours, as after a restart: the fresh challenge decides
        password = password_of(given["username"])
        # An unknown user costs the same time as a wrong password (RFC 7616 §5.8).
        expected = digest_response(
            algorithm,
            given["username"],
            self._realm,
            "" if password is None else password.reveal(),
            request.method,
            given["uri"],
            given["nonce"],
            given["cnonce"],
            given["nc"],
        )
        same = hmac.compare_digest(expected.encode(), given["response"].lower().encode("utf-8", "surrogateescape"))
        if password is None or not same:
            return Refused("a wrong user name or password")
        return self._fresh(given["nonce"], issued, count, given["username"], now)

    def _fresh(self, nonce: str, issued: float, count: int, username: str, now: float) -> Verified | Stale:
        if not 0 <= now - issued <= NONCE_LIFETIME or (issued <= self._dropped_until and nonce not in self._counts):
            return Stale()
        if count <= self._counts.get(nonce, 0):
            return Stale()  # a replay
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        while len(self._counts) > _MAX_NONCES:
            dropped, _ = self._counts.popitem(last=False)
            self._dropped_until = max(self._dropped_until, self._issued(dropped) or 0.0)
        return Verified(username)

    def _issue(self, now: float) -> str:
        stamp = f"{max(0, int(now * 1000)):x}.{self._token_bytes(8).hex()}"
        return f"{stamp}.{self._seal(stamp)}"

    def _issued(self, nonce: str) -> float | None:
        """When we issued it, in seconds; None if we did not."""
        stamp, _, seal = nonce.rpartition(".")
        if not hmac.compare_digest(self._seal(stamp).encode(), seal.encode("utf-8", "surrogateescape")):
            return None
        return int(stamp.partition(".")[0], 16) / 1000

    def _seal(self, stamp: str) -> str:
        octets = f"{self._realm}\n{stamp}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, octets, hashlib.sha256).hexdigest()[:32]


def _nonce_count(text: str) -> int | None:
    if len(text) != _NONCE_COUNT_DIGITS or any(digit not in "0123456789abcdefABCDEF" for digit in text):
        return None
    return int(text, 16)


def _same_uri(text: str, request: Request) -> bool:
    try:
        return uris_equal(parse_uri(text), request.uri)
    except RemoteProtocolError:
        return False
