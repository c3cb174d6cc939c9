"""Digest authentication as a client (RFC 3261 §22, RFC 7616 §3.4 to §3.6, RFC 8760).

Owns: which challenge is answered, when a repeated one means a wrong password, and nonces kept for further requests.
Must not know accounts, dialogs or transactions: the caller gives CSeq and Via anew (§22.2) and decides how often to
try. The server's half is `digest_verifier`. No error, repr or attribute here carries a password, response or nonce.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import Secret
from softphone.sip.authentication import (
    ALGORITHMS,
    AuthParameters,
    Challenge,
    digest_response,
    format_digest,
    parse_auth_parameters,
    parse_authentication,
    read_challenge,
)
from softphone.sip.digest_verifier import DigestVerifier, Refused, Stale, Verified
from softphone.sip.limits import MAX_CHALLENGES, MAX_REMEMBERED_REALMS
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, Uri

__all__ = [
    "ChallengeUnsupported",
    "CredentialsRejected",
    "DigestAuthenticator",
    "DigestRefused",
    "DigestVerifier",
    "Refused",
    "Stale",
    "Verified",
]

# Challenge field, credentials field, info field (§22.2, §22.3; RFC 7616 §3.8).
_FIELDS = (
    ("WWW-Authenticate", "Authorization", "Authentication-Info"),
    ("Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"),
)
_MAX_NONCE_COUNT = 2**32 - 1  # eight hexadecimal digits
_MAX_STALE = 3  # fresh nonces called stale one after the other before we stop believing the server
_STRENGTH = {algorithm: rank for rank, algorithm in enumerate(ALGORITHMS)}


class DigestRefused(RemoteProtocolError):
    """The challenges of a response cannot or must not be answered."""


class CredentialsRejected(DigestRefused):
    """The same realm asked again after it had our credentials: user name or password is wrong (§22.1)."""

    def __init__(self, realm: str) -> None:
        super().__init__(f"The server does not accept the credentials for {realm[:80]}", 403)
        self.realm = realm


class ChallengeUnsupported(DigestRefused):
    """No challenge of the response is one that we know to answer; `reason` names what was asked."""


@dataclass(slots=True, repr=False)
class _Remembered:
    """A nonce in use. `host` limits Authorization to where it was asked for; proxies see every request."""

    challenge: Challenge
    host: str | None
    count: int = 0
    from_info: bool = False  # nextnonce: known to be good for nothing yet, so its refusal says nothing of the password
    cnonce: str = ""
    stale_in_a_row: int = 0


class DigestAuthenticator:
    """The credentials' side of one account; keeps nonces, never passwords."""

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._remembered: OrderedDict[tuple[str, str], _Remembered] = OrderedDict()  # by field and realm

    def answer(self, request: Request, response: Response, username: str, password: Secret) -> Request:
        """`request` once more with credentials for every realm that a 401 or 407 names and we can answer.

        A forked request can bring challenges of both kinds and of several realms (§22.3); the strongest algorithm of
        each realm is answered. Raises CredentialsRejected or ChallengeUnsupported.
        """
        answerable, obstacles = _strongest_challenges(response)
        for (field, realm), challenge in answerable.items():
            self._remember(field, realm, challenge, request)
        if not answerable:
            reason = ", ".join(sorted(obstacles)) or "no challenge at all"
            raise ChallengeUnsupported(reason)
        # Credentials for other realms go along once more, with their next nonce count.
        others = [(f, r) for f, r, _ in _own_credentials(request) if (f, r) in self._remembered]
        for field, realm in dict.fromkeys([*answerable, *others]):
            request = self._with_credentials(request, field, realm, username, password)
        return request

    def preauthorize(self, request: Request, username: str, password: Secret) -> Request:
        """With credentials for nonces already known (RFC 7616 §3.6); where there are none, unchanged.

        Credentials that the request has already, as `answer` gave it, stay as they are.
        """
        host = _host(request.uri)
        present = {(field, realm) for field, realm, _ in _own_credentials(request)}
        for (field, realm), remembered in list(self._remembered.items()):
            applies = remembered.host is None or remembered.host == host
            if applies and (field, realm) not in present:
                request = self._with_credentials(request, field, realm, username, password)
        return request

    def learn(self, response: Response) -> None:
        """Takes the nextnonce of a successful response (RFC 7616 §3.5). What cannot be read is ignored."""
        for _, field, info in _FIELDS:
            for line in response.headers.get_all(info)[:MAX_CHALLENGES]:
                try:
                    self._learn(field, parse_auth_parameters(line))
                except RemoteProtocolError:
                    continue

    def forget(self) -> None:
        """Drops every nonce: after a change of password, user or server."""
        self._remembered.clear()

    def _remember(self, field: str, realm: str, challenge: Challenge, request: Request) -> None:
        """Raises CredentialsRejected if `request` already had our answer to this realm, and in vain."""
        previous = self._remembered.get((field, realm))
        sent = next((found for f, r, found in _own_credentials(request) if (f, r) == (field, realm)), None)
        stale = 0
        if sent is not None:
            # A nonce used before, or got as nextnonce, may have expired without the server saying so; a fresh one not.
            reused = sent.get("nc", "00000001") != "00000001" or (
                previous is not None
                and sent.get("nonce") == previous.challenge.nonce
                and (previous.from_info or ("nc" not in sent and previous.count > 1))
            )
            if not challenge.stale and not reused:
                self._remembered.pop((field, realm), None)
                raise CredentialsRejected(realm)
            stale = 0 if previous is None else previous.stale_in_a_row + 1
            if stale > _MAX_STALE:
                self._remembered.pop((field, realm), None)
                raise ChallengeUnsupported("a fresh nonce, again and again")
        host = _host(request.uri) if field == "Authorization" else None
        self._remembered[field, realm] = _Remembered(challenge, host, stale_in_a_row=stale)
        self._remembered.move_to_end((field, realm))
        while len(self._remembered) > MAX_REMEMBERED_REALMS:
            self._remembered.popitem(last=False)

    def _with_credentials(self, request: Request, field: str, realm: str, username: str, password: Secret) -> Request:
        remembered = self._remembered[field, realm]
        if remembered.count >= _MAX_NONCE_COUNT:
            del self._remembered[field, realm]
            return request
        remembered.count += 1
        challenge = remembered.challenge
        uri = str(request.uri)
        parameters: AuthParameters = {"username": username, "realm": realm, "nonce": challenge.nonce, "uri": uri}
        if challenge.names_algorithm:
            parameters["algorithm"] = challenge.algorithm
        if challenge.opaque is not None:
            parameters["opaque"] = challenge.opaque
        if challenge.with_qop:
            remembered.cnonce = self._token_bytes(16).hex()
            parameters |= {"qop": "auth", "nc": f"{remembered.count:08x}", "cnonce": remembered.cnonce}
        parameters["response"] = digest_response(
            challenge.algorithm,
            username,
            realm,
            password.reveal(),
            request.method,
            uri,
            challenge.nonce,
            parameters.get("cnonce"),
            parameters.get("nc"),
        )
        return _replace_credentials(request, field, realm, format_digest(parameters))

    def _learn(self, field: str, parameters: AuthParameters) -> None:
        candidates = [remembered for (f, _), remembered in self._remembered.items() if f == field]
        cnonce = parameters.get("cnonce")
        if cnonce is not None:
            candidates = [remembered for remembered in candidates if remembered.cnonce == cnonce]
        if len(candidates) != 1:
            return  # the field names no realm: with several, whose nonce it is stays unknown
        remembered = candidates[0]
        remembered.stale_in_a_row = 0
        following = parameters.get("nextnonce")
        if following:
            old = remembered.challenge
            remembered.challenge = Challenge(
                old.realm, following, old.algorithm, old.names_algorithm, old.with_qop, old.opaque
            )
            remembered.count = 0
            remembered.from_info = True


def _strongest_challenges(response: Response) -> tuple[dict[tuple[str, str], Challenge], set[str]]:
    """Per credentials field and realm the challenge to answer; and what else was asked, in words."""
    answerable: dict[tuple[str, str], Challenge] = {}
    obstacles: set[str] = set()
    for challenge_field, field, _ in _FIELDS:
        for line in response.headers.get_all(challenge_field)[:MAX_CHALLENGES]:
            try:
                scheme, parameters = parse_authentication(line)
            except RemoteProtocolError:
                obstacles.add("a challenge that cannot be read")
                continue
            challenge = read_challenge(parameters) if scheme == "digest" else f"the scheme {scheme[:40]}"
            if isinstance(challenge, str):
                obstacles.add(challenge)
                continue
            known = answerable.get((field, challenge.realm))
            if known is None or _STRENGTH[challenge.algorithm] < _STRENGTH[known.algorithm]:
                answerable[field, challenge.realm] = challenge
    return answerable, obstacles


def _own_credentials(request: Request) -> Iterator[tuple[str, str, AuthParameters]]:
    """Field, realm and parameters of the credentials that a request of ours carries."""
    for _, field, _ in _FIELDS:
        for line in request.headers.get_all(field):
            scheme, parameters = parse_authentication(line)
            if scheme == "digest":
                yield field, parameters.get("realm", ""), parameters


def _replace_credentials(request: Request, field: str, realm: str, value: str) -> Request:
    """One line per realm (§20.28: these lines are never joined by commas)."""
    kept = [line for line in request.headers.get_all(field) if parse_authentication(line)[1].get("realm") != realm]
    return request.with_headers(request.headers.replaced(field, *kept, value))


def _host(uri: Uri) -> str:
    return uri.host.lower() if isinstance(uri, SipUri) else str(uri)
