"""SIP, SIPS, tel and other URIs (RFC 3261 §19.1 and §25.1, RFC 3966, RFC 3986) as values.

Owns: the three kinds of URI, reading them from text, writing them and comparing them. Knows no message.

Percent escapes are resolved in user, password, parameters and headers, and written again where the grammar needs
them, so that `str(parse_uri(text))` names the same thing as `text` (§19.1.4) though not always in the same characters.
An escape that is not UTF-8 becomes lone surrogates ("surrogateescape") and is written back as the same octets.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_HOST_LENGTH, MAX_PARAMETERS, MAX_URI_LENGTH

# (name, value); a flag parameter such as `lr` has the value None. Names are kept as received, compared without case.
Parameters = tuple[tuple[str, str | None], ...]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# Space, controls, and what delimits a URI in header fields and request lines (RFC 3986 §2, Appendix C).
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"]")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?\.?")
_PORT = re.compile(r"[0-9]{1,5}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED_RUN = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_GLOBAL_NUMBER = re.compile(r"\+[\-.()]*+[0-9][0-9\-.()]*+")
_LOCAL_NUMBER = re.compile(r"[0-9A-Fa-f*#\-.()]+")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")

_UNRESERVED = "A-Za-z0-9\\-_.!~*'()"  # §25.1 alphanum and mark
# What stands unescaped, by component: user-unreserved, password, param-unreserved, hnv-unreserved.
_ESCAPED_IN_USER = re.compile(f"[^{_UNRESERVED}&=+$,;?/]")
_ESCAPED_IN_PASSWORD = re.compile(f"[^{_UNRESERVED}&=+$,]")
_ESCAPED_IN_PARAMETER = re.compile(f"[^{_UNRESERVED}\\[\\]/:&+$]")
_ESCAPED_IN_HEADER = re.compile(f"[^{_UNRESERVED}\\[\\]/?:+$]")

# §19.1.4: these never match when only one of two URIs has them.
_DECISIVE = frozenset({"transport", "user", "ttl", "method", "maddr"})


@dataclass(frozen=True, slots=True)
class SipUri:
    """`scheme` is "sip" or "sips"; `user` is unescaped; `host` has no brackets around an IPv6 address."""

    scheme: str
    host: str
    user: str | None = None
    password: str | None = None
    port: int | None = None
    parameters: Parameters = ()
    headers: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" for a flag that is present, None if absent."""
        wanted = name.lower()
        for key, value in self.parameters:
            if key.lower() == wanted:
                return value or ""
        return None

    @property
    def is_secure(self) -> bool:
        """Whether the URI itself asks for TLS: `sips:` or `transport=tls` (§19.1, §26.2.2)."""
        return self.scheme == "sips" or (self.parameter("transport") or "").lower() == "tls"

    def __str__(self) -> str:
        text = f"{self.scheme}:"
        if self.user is not None:
            text += _escape(self.user, _ESCAPED_IN_USER)
            if self.password is not None:
                text += ":" + _escape(self.password, _ESCAPED_IN_PASSWORD)
            text += "@"
        text += f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            text += f":{self.port}"
        text += _format_parameters(self.parameters)
        if self.headers:
            pairs = (
                f"{_escape(name, _ESCAPED_IN_HEADER)}={_escape(value, _ESCAPED_IN_HEADER)}"
                for name, value in self.headers
            )
            text += "?" + "&".join(pairs)
        return text


@dataclass(frozen=True, slots=True)
class TelUri:
    """RFC 3966; `number` with a leading "+" is global, otherwise local (phone-context)."""

    number: str
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" for a flag that is present, None if absent."""
        wanted = name.lower()
        return next((value or "" for key, value in self.parameters if key.lower() == wanted), None)

    def __str__(self) -> str:
        return f"tel:{self.number}{_format_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class OtherUri:
    """Any other absolute URI: carried, never called."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """An absolute URI without brackets or white space around it.

    An unknown scheme gives `OtherUri`. Raises RemoteProtocolError (400; 414 if too long) for anything that is no URI.
    """
    if len(text) > MAX_URI_LENGTH:
        raise RemoteProtocolError("A URI is too long", 414)
    match = _SCHEME.match(text)
    if match is None:
        raise RemoteProtocolError("A URI has no scheme")
    if _FORBIDDEN.search(text) is not None:
        raise RemoteProtocolError("A URI contains a character that must be escaped")
    scheme, rest = match[1].lower(), text[match.end() :]
    if not rest:
        raise RemoteProtocolError("A URI ends after its scheme")
    match scheme:
        case "sip" | "sips":
            return _parse_sip(scheme, rest)
        case "tel":
            return _parse_tel(rest)
        case _:
            return OtherUri(match[1], rest)


def is_sips(uri: Uri) -> bool:
    """Whether every hop to it must be secured (§19.1)."""
    return isinstance(uri, SipUri) and uri.scheme == "sips"


def uris_equal(a: Uri, b: Uri) -> bool:
    """Whether two URIs name the same (RFC 3261 §19.1.4; RFC 3966 §4 for tel). Not transitive, as the RFC's rule."""
    match a, b:
        case SipUri(), SipUri():
            return _sip_uris_equal(a, b)
        case TelUri(), TelUri():
            return _canonical_tel(a) == _canonical_tel(b)
        case OtherUri(), OtherUri():
            return a.scheme.lower() == b.scheme.lower() and a.rest == b.rest
        case _:
            return False


# What the grammar of RFC 3261 makes of an IPv4 tail after “::”; it is to be tolerated (RFC 5118 §4.10).
_THREE_COLONS = re.compile(r":::(?=\d{1,3}(?:\.\d{1,3}){3}\Z)")


def parse_host_port(text: str) -> tuple[str, int | None]:
    """`host [":" port]` (§25.1) with IPv6 references unbracketed. Raises RemoteProtocolError."""
    if text.startswith("["):
        host, closed, tail = text[1:].partition("]")
        host = _THREE_COLONS.sub("::", host)
        if not closed or not _is_ipv6(host):
            raise RemoteProtocolError("An IPv6 reference cannot be read")
    else:
        host, colon, port = text.partition(":")
        tail = colon + port
        if len(host) > MAX_HOST_LENGTH or _HOST.fullmatch(host) is None:
            raise RemoteProtocolError("A host name cannot be read")
    if not tail:
        return host, None
    if not tail.startswith(":") or _PORT.fullmatch(tail[1:]) is None or not 0 < int(tail[1:]) <= 65535:
        raise RemoteProtocolError("A port number cannot be read")
    return host, int(tail[1:])


def _parse_sip(scheme: str, rest: str) -> SipUri:
    # "@" is unescaped nowhere but after the user part, which in turn may contain ";" and "?" (RFC 4475 §3.1.1.2).
    userinfo, at, tail = rest.rpartition("@")
    if "@" in userinfo:
        raise RemoteProtocolError("A SIP URI has more than one “@”")
    user: str | None = None
    password: str | None = None
    if at:
        name, colon, secret = userinfo.partition(":")
        if not name:
            raise RemoteProtocolError("A SIP URI has an empty user part")
        user = _unescape(name)
        password = _unescape(secret) if colon else None
    before_headers, question, headers = tail.partition("?")
    host_port, semicolon, parameters = before_headers.partition(";")
    host, port = parse_host_port(host_port)
    return SipUri(
        scheme,
        host,
        user,
        password,
        port,
        _parse_parameters(parameters) if semicolon else (),
        _parse_headers(headers) if question else (),
    )


def _parse_tel(rest: str) -> TelUri:
    number, semicolon, parameters = rest.partition(";")
    if _GLOBAL_NUMBER.fullmatch(number) is None and _LOCAL_NUMBER.fullmatch(number) is None:
        raise RemoteProtocolError("A tel URI has no telephone number")
    return TelUri(number, _parse_parameters(parameters) if semicolon else ())


def _parse_parameters(text: str) -> Parameters:
    parts = text.split(";")
    if len(parts) > MAX_PARAMETERS:
        raise RemoteProtocolError("A URI has too many parameters")
    parameters: list[tuple[str, str | None]] = []
    seen: set[str] = set()
    for part in parts:
        name, equals, value = part.partition("=")
        name = _unescape(name)
        if not name or (equals and not value):
            raise RemoteProtocolError("A URI has an empty parameter")
        if name.lower() in seen:
            raise RemoteProtocolError("A URI has the same parameter twice")
        seen.add(name.lower())
        parameters.append((name, _unescape(value) if equals else None))
    return tuple(parameters)


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    parts = text.split("&")
    if len(parts) > MAX_PARAMETERS:
        raise RemoteProtocolError("A URI has too many headers")
    headers: list[tuple[str, str]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise RemoteProtocolError("A URI has an empty header")
        headers.append((_unescape(name), _unescape(value)))
    return tuple(headers)


def _is_ipv6(text: str) -> bool:
    if len(text) > 45 or "%" in text:  # the longest form with an IPv4 tail; zones are no part of a SIP URI
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text) is not None:
        raise RemoteProtocolError("A URI has a “%” that begins no escape")
    return _ESCAPED_RUN.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "surrogateescape"), text)


def _escape(text: str, escaped: re.Pattern[str]) -> str:
    return escaped.sub(lambda found: "".join(f"%{octet:02X}" for octet in _octets(found[0])), text)


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that no octet stands behind
        return text.encode("utf-8", "replace")


def _format_parameters(parameters: Parameters) -> str:
    text = ""
    for name, value in parameters:
        text += ";" + _escape(name, _ESCAPED_IN_PARAMETER)
        if value is not None:
            text += "=" + _escape(value, _ESCAPED_IN_PARAMETER)
    return text


def _sip_uris_equal(a: SipUri, b: SipUri) -> bool:
    if (a.scheme, a.user, a.password, a.port) != (b.scheme, b.user, b.password, b.port):
        return False
    if _canonical_host(a.host) != _canonical_host(b.host):
        return False
    ours, theirs = _folded(a.parameters), _folded(b.parameters)
    for name in ours.keys() | theirs.keys():
        in_both = name in ours and name in theirs
        if in_both and ours[name] != theirs[name]:
            return False
        if not in_both and name in _DECISIVE:
            return False
    return sorted((n.lower(), v) for n, v in a.headers) == sorted((n.lower(), v) for n, v in b.headers)


def _canonical_host(host: str) -> str:
    return str(ipaddress.IPv6Address(host)) if _is_ipv6(host) else host.lower().removesuffix(".")


def _folded(parameters: Parameters) -> dict[str, str]:
    return {name.lower(): (value or "").lower() for name, value in parameters}


def _canonical_tel(uri: TelUri) -> tuple[str, dict[str, str]]:
    return uri.number.translate(_VISUAL_SEPARATORS).lower(), _folded(uri.parameters)
