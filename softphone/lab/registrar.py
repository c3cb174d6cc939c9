"""The lab's registrar: digest authentication, bindings, expiry (RFC 3261 §10.3, §22; RFC 7616, RFC 8760).

Owns: the accounts' passwords, the bindings of each address-of-record, the answers to REGISTER, and the challenge of an
INVITE. Time is an argument. Must not know: flows, calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.policy.secret import Secret
from softphone.sip.digest_verifier import DigestVerifier, Stale, Verified
from softphone.sip.header_values import (
    NameAddr,
    Star,
    call_id,
    cseq,
    from_addr,
    parse_contacts,
    parse_delta_seconds,
    to_addr,
)
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, Uri, uris_equal
from softphone.ua.request_checks import bad_extension
from softphone.ua.responses import response_to

REALM = "softphone-lab"
SHORTEST, LONGEST, DEFAULT = 60, 3600, 3600  # s
MAX_BINDINGS = 16  # of one address-of-record; each takes memory until it expires


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an address-of-record can be reached, until when."""

    contact: NameAddr
    expires_at: float
    call_id: str
    cseq: int

    @property
    def uri(self) -> Uri:
        return self.contact.uri


class Registrar:
    def __init__(
        self,
        passwords: Mapping[str, Secret],
        token_bytes: Callable[[int], bytes],
        digests: tuple[str, ...] = ("SHA-256", "MD5"),
    ) -> None:
        self._passwords = dict(passwords)
        self._token_bytes = token_bytes
        self._digest = DigestVerifier(REALM, token_bytes, digests)
        self._bindings: dict[str, list[Binding]] = {}

    def bindings(self, user: str, now: float) -> tuple[Binding, ...]:
        return tuple(binding for binding in self._bindings.get(user, ()) if binding.expires_at > now)

    def register(self, request: Request, now: float) -> Response:
        """The final response to a REGISTER. Raises RemoteProtocolError for one that cannot be read."""
        refusal = bad_extension(request) or self._challenge(request, "Authorization", 401, "WWW-Authenticate", now)
        if refusal is not None:
            return refusal
        user = _user(to_addr(request).uri)
        if user is None or user not in self._passwords:
            return self._response(request, 404)
        contacts = parse_contacts(request.headers)
        bindings = list(self.bindings(user, now))
        outcome = (
            self._without_all(request, bindings)
            if isinstance(contacts, Star)
            else self._changed(request, bindings, contacts, now)
        )
        if isinstance(outcome, Response):
            return outcome
        self._bindings[user] = outcome
        lines = tuple(("Contact", _granted(binding, now)) for binding in outcome)
        return self._response(request, 200, lines)

    def authorize_call(self, request: Request, now: float) -> Response | None:
        """407 for an INVITE without good credentials; None to go on (RFC 3261 §22.3)."""
        return self._challenge(request, "Proxy-Authorization", 407, "Proxy-Authenticate", now)

    def _challenge(
        self, request: Request, credentials: str, status: int, challenge: str, now: float
    ) -> Response | None:
        verdict = self._digest.verify(request, credentials, self._passwords.get, now)
        if isinstance(verdict, Verified):
            # Who has proved to be alice speaks for alice and nobody else.
            speaks_for = from_addr(request) if request.method == "INVITE" else to_addr(request)
            return None if _user(speaks_for.uri) == verdict.username else self._response(request, 403)
        lines = self._digest.challenges(now, stale=isinstance(verdict, Stale))
        return self._response(request, status, tuple((challenge, line) for line in lines))

    def _without_all(self, request: Request, bindings: list[Binding]) -> list[Binding] | Response:
        """§10.3 step 6: `Contact: *` only with Expires 0."""
        if _default_expires(request) != 0:
            return self._response(request, 400)
        if any(_out_of_order(request, binding) for binding in bindings):
            return self._response(request, 500)
        return []

    def _changed(
        self, request: Request, bindings: list[Binding], contacts: tuple[NameAddr, ...], now: float
    ) -> list[Binding] | Response:
        """§10.3 step 7: all or nothing."""
        for contact in contacts:
            expires = _expires(request, contact)
            if 0 < expires < SHORTEST:
                return self._response(request, 423, (("Min-Expires", str(SHORTEST)),))
            known = next((b for b in bindings if uris_equal(b.uri, contact.uri)), None)
            if known is not None and _out_of_order(request, known):
                return self._response(request, 500)
            bindings = [binding for binding in bindings if binding is not known]
            if expires:
                granted = now + min(expires, LONGEST)
                bindings.append(Binding(contact, granted, call_id(request), cseq(request).number))
        return bindings if len(bindings) <= MAX_BINDINGS else self._response(request, 403)

    def _response(self, request: Request, status: int, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        return response_to(request, status, to_tag=self._token_bytes(8).hex(), headers=headers)


def _user(uri: Uri) -> str | None:
    return uri.user if isinstance(uri, SipUri) else None


def _out_of_order(request: Request, binding: Binding) -> bool:
    return call_id(request) == binding.call_id and cseq(request).number <= binding.cseq


def _expires(request: Request, contact: NameAddr) -> int:
    given = contact.parameter("expires")
    return _default_expires(request) if not given else _seconds(given)


def _default_expires(request: Request) -> int:
    given = request.headers.get("Expires")
    return DEFAULT if given is None else _seconds(given)


def _seconds(text: str) -> int:
    """Malformed values count as 3600 (§10.3, §20.19)."""
    try:
        return parse_delta_seconds(text)
    except RemoteProtocolError:
        return DEFAULT


def _granted(binding: Binding, now: float) -> str:
    seconds = max(1, round(binding.expires_at - now))
    return str(binding.contact.with_parameter("expires", str(seconds)))
