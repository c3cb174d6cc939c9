"""Challenges and credentials as they stand in header fields (RFC 3261 §20.7, §20.27, §20.44; RFC 7616 §3.3, §3.4).

Owns: `Digest name=value, …` to a value and back, and the algorithms of RFC 7616 §3.3 and RFC 8760 §2.
Must not know nonces' lives, caches or who asks: `digest` does. Values that an attacker could use offline (nonce,
response) are outside of every repr.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_PARAMETERS
from softphone.sip.tokens import LWS, quote, read_quoted_string, unquote

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z0-9\-.!%*_+`'~]++)(?:[ \t]++|$)")
_NAME = re.compile(r"[ \t]*+(?P<name>[A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+=[ \t]*+")
_VALUE = re.compile(r"[^\s,\"]+")
_SEPARATOR = re.compile(r"[ \t]*+(?:,[ \t]*+)++|[ \t]*+$")

# Strongest first: our local policy where RFC 8760 §2.4 would take the topmost. The value is hashlib's name.
ALGORITHMS = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
# RFC 7616 §3.4: never quoted, "for historical reasons".
_UNQUOTED = frozenset({"algorithm", "qop", "nc", "stale"})

AuthParameters = dict[str, str]


def parse_authentication(text: str) -> tuple[str, AuthParameters]:
    """The scheme in lower case and its parameters with lower-case names, unquoted. Raises RemoteProtocolError."""
    text = text.strip(LWS)
    match = _SCHEME.match(text)
    if match is None:
        raise RemoteProtocolError("An authentication header has no scheme")
    scheme = match["scheme"].lower()
    if scheme != "digest":
        return scheme, {}  # what others mean by their text is theirs (RFC 4475 §3.3.7)
    return scheme, parse_auth_parameters(text[match.end() :])


def parse_auth_parameters(text: str) -> AuthParameters:
    """`1#auth-param`, also the whole of Authentication-Info (RFC 7616 §3.5). A name twice is refused."""
    parameters: AuthParameters = {}
    position = 0
    while position < len(text):
        name = _NAME.match(text, position)
        if name is None:
            raise RemoteProtocolError("An authentication header cannot be read")
        start = name.end()
        if text[start : start + 1] == '"':
            end = read_quoted_string(text, start)
        else:
            value = _VALUE.match(text, start)
            if value is None:
                raise RemoteProtocolError("An authentication header has an empty value")
            end = value.end()
        key = name["name"].lower()
        if key in parameters or len(parameters) >= MAX_PARAMETERS:
            raise RemoteProtocolError("An authentication header has a parameter twice, or too many")
        parameters[key] = unquote(text[start:end])
        separator = _SEPARATOR.match(text, end)
        if separator is None:
            raise RemoteProtocolError("An authentication header cannot be read")
        position = separator.end()
    return parameters


def format_digest(parameters: AuthParameters) -> str:
    pairs = (f"{name}={value if name in _UNQUOTED else quote(value)}" for name, value in parameters.items())
    return "Digest " + ", ".join(pairs)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A Digest challenge that we can answer."""

    realm: str
    nonce: str = field(repr=False)
    algorithm: str  # a key of ALGORITHMS
    names_algorithm: bool  # whether the challenge named it; the answer does then too
    with_qop: bool  # False only for servers before RFC 2617
    opaque: str | None = field(default=None, repr=False)
    stale: bool = False


def read_challenge(parameters: AuthParameters) -> Challenge | str:
    """The challenge, or in words why it cannot be answered (RFC 7616 §3.3)."""
    realm, nonce = parameters.get("realm"), parameters.get("nonce")
    if realm is None or nonce is None:
        return "a challenge without realm or nonce"
    named = parameters.get("algorithm")
    algorithm = next((known for known in ALGORITHMS if known.lower() == (named or "MD5").lower()), None)
    if algorithm is None or ALGORITHMS[algorithm] not in hashlib.algorithms_available:
        return f"the algorithm {(named or 'MD5')[:40]}"
    qop = parameters.get("qop")
    if qop is not None and "auth" not in (option.strip(LWS).lower() for option in qop.split(",")):
        return f"the quality of protection {qop[:40]}"
    return Challenge(
        realm,
        nonce,
        algorithm,
        named is not None,
        qop is not None,
        parameters.get("opaque"),
        parameters.get("stale", "").lower() == "true",
    )


def digest_response(
    algorithm: str,
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    cnonce: str | None = None,
    nonce_count: str | None = None,
) -> str:
    """RFC 7616 §3.4.1: with cnonce and nonce count for qop=auth, without them as RFC 2069 had it. Hexadecimal."""

    def digest(*parts: str) -> str:
        octets = ":".join(parts).encode("utf-8", "surrogateescape")
        return hashlib.new(ALGORITHMS[algorithm], octets, usedforsecurity=False).hexdigest()

    a1, a2 = digest(username, realm, password), digest(method, uri)
    if cnonce is None or nonce_count is None:
        return digest(a1, nonce, a2)
    return digest(a1, nonce, nonce_count, cnonce, "auth", a2)
