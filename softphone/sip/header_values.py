"""Header field values as typed values (RFC 3261 §20, §25.1), and typed reading of them from a message.

Owns: name-addr, Via, CSeq, Contact, delta-seconds, token lists, Content-Type, Warning, Reason (RFC 3326).
Must not know what a transaction, a dialog or a user agent does with them. Everything here raises
RemoteProtocolError(400) with one sentence, takes one pass over its input and obeys `limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_CSEQ, MAX_DELTA_SECONDS, MAX_MAX_FORWARDS, MAX_VALUES
from softphone.sip.message import Headers, Message
from softphone.sip.tokens import (
    LWS,
    display_text,
    find_parameter,
    format_parameters,
    is_token,
    parse_parameters,
    quote,
    read_digits,
    read_number,
    read_quoted_string,
    set_parameter,
    split_values,
    unquote,
)
from softphone.sip.uri import Parameters, Uri, parse_host_port, parse_uri

__all__ = [
    "CSeq",
    "NameAddr",
    "Reason",
    "RetryAfter",
    "Star",
    "Via",
    "WarningValue",
    "all_values",
    "call_id",
    "contact_uri",
    "cseq",
    "from_addr",
    "max_forwards",
    "parse_contacts",
    "parse_content_type",
    "parse_cseq",
    "parse_delta_seconds",
    "parse_name_addr",
    "parse_name_addrs",
    "parse_reason_header",
    "parse_retry_after",
    "parse_tokens",
    "parse_via",
    "parse_warning",
    "quote",
    "route_set",
    "split_values",
    "to_addr",
    "top_via",
    "unquote",
]

# A display name without quotes is *(token LWS). Names with other letters, "@" or parentheses come from the field and
# mislead nobody; what would end or separate a value is refused (RFC 4475 §3.1.2.15).
# Possessive repetitions (*+, ++) throughout: what they took is never given back, so time is linear.
_FORBIDDEN_IN_NAME = re.compile(r'[",;<>\\]')
# sent-protocol may have white space around its slashes (§20.42, RFC 4475 §3.1.1.1).
_VIA = re.compile(
    r"(?i:SIP)[ \t]*+/[ \t]*+(?P<version>[0-9]{1,3}\.[0-9]{1,3})[ \t]*+/"
    r"[ \t]*+(?P<transport>[A-Za-z0-9\-.!%*_+`'~]++)[ \t]++"
    r"(?P<host>\[[^\]]*\]|[^;:,\[\] \t]++)[ \t]*+(?::[ \t]*+(?P<port>[0-9]++))?[ \t]*+(?=;|$)"
)
_CALL_ID = re.compile(r"[!-~]+")  # word ["@" word] without white space; RFC 4475 §3.1.1.2 uses every other character
_CSEQ = re.compile(r"(?P<number>[0-9]++)[ \t]++(?P<method>[^ \t]++)")
_MEDIA_TYPE = re.compile(r"(?P<type>[^/;,\" \t]++)[ \t]*+/[ \t]*+(?P<subtype>[^/;,\" \t]++)[ \t]*+(?=;|$)")
_WARNING = re.compile(r"(?P<code>[0-9]{3})[ \t]++(?P<agent>[^ \t\"]++)[ \t]++(?=\")")


class Star:
    """`Contact: *` (§10.2.2): all bindings."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Star)

    def __hash__(self) -> int:
        return hash(Star)

    def __str__(self) -> str:
        return "*"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"display name" <uri>;parameters` (§20.10); values of parameters are unquoted."""

    uri: Uri
    display_name: str = ""
    parameters: Parameters = ()

    def parameter(self, name: str) -> str | None:
        """The value of a header parameter; "" for a flag that is present, None if absent."""
        return find_parameter(self.parameters, name)

    @property
    def tag(self) -> str | None:
        return self.parameter("tag") or None

    def with_parameter(self, name: str, value: str | None) -> NameAddr:
        return replace(self, parameters=set_parameter(self.parameters, name, value))

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{format_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Via:
    """§20.42. `transport` as received ("TLS"); `host` has no brackets around an IPv6 address."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = ()
    version: str = "2.0"

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" for a flag that is present, None if absent."""
        return find_parameter(self.parameters, name)

    @property
    def branch(self) -> str | None:
        return self.parameter("branch") or None

    def with_parameter(self, name: str, value: str | None) -> Via:
        return replace(self, parameters=set_parameter(self.parameters, name, value))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/{self.version}/{self.transport} {host}{port}{format_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """§20.16; `number` is 0 to 2**31 - 1."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """§20.33; both in seconds, `duration` is how long the callee will then be reachable."""

    seconds: int
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class WarningValue:
    """One warning-value (§20.43): three-digit code, who warns, and the sentence for people."""

    code: int
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One value of Reason (RFC 3326): "SIP" with a status or "Q.850" with a cause, and the text for people."""

    protocol: str
    cause: int | None = None
    text: str = ""


def parse_name_addr(text: str) -> NameAddr:
    """One name-addr or addr-spec with header parameters (§20.10, §25.1)."""
    text = text.strip(LWS)
    if text.startswith('"'):
        end = read_quoted_string(text, 0)
        name, rest = unquote(text[:end]), text[end:].lstrip(LWS)
        if not rest.startswith("<"):
            raise RemoteProtocolError("A display name is not followed by an address in brackets")
    else:
        opening = text.find("<")
        if opening < 0:
            return _parse_addr_spec(text)
        name, rest = text[:opening].strip(LWS), text[opening:]
        if _FORBIDDEN_IN_NAME.search(name) is not None:
            raise RemoteProtocolError("A display name needs quotes")
    closing = rest.find(">")
    if closing < 0:
        raise RemoteProtocolError("An address has no closing bracket")
    return NameAddr(parse_uri(rest[1:closing]), display_text(name), parse_parameters(rest[closing + 1 :]))


def _parse_addr_spec(text: str) -> NameAddr:
    """Without brackets, parameters belong to the header, and "," and "?" are not allowed (§20)."""
    address, semicolon, parameters = text.partition(";")
    if "?" in address or "," in address:
        raise RemoteProtocolError("An address with “?” or “,” needs brackets")
    return NameAddr(parse_uri(address.rstrip(LWS)), "", parse_parameters(semicolon + parameters))


def parse_name_addrs(lines: Iterable[str]) -> tuple[NameAddr, ...]:
    """All addresses of several header lines, in order. Raises RemoteProtocolError for an empty value."""
    return tuple(parse_name_addr(value) for value in all_values(lines))


def all_values(lines: Iterable[str]) -> tuple[str, ...]:
    """The comma-separated values of several lines of one field, in order; at most `limits.MAX_VALUES` in all."""
    values: list[str] = []
    for line in lines:
        values.extend(split_values(line))
        if len(values) > MAX_VALUES:
            raise RemoteProtocolError("A header field has too many values")
    return tuple(values)


def parse_via(text: str) -> Via:
    text = text.strip(LWS)
    match = _VIA.match(text)
    if match is None:
        raise RemoteProtocolError("A Via header field cannot be read")
    sent_by = match["host"] if match["port"] is None else f"{match['host']}:{match['port']}"
    host, port = parse_host_port(sent_by)
    return Via(match["transport"], host, port, parse_parameters(text[match.end() :]), match["version"])


def parse_cseq(text: str) -> CSeq:
    match = _CSEQ.fullmatch(text.strip(LWS))
    if match is None or not is_token(match["method"]):
        raise RemoteProtocolError("CSeq cannot be read")
    return CSeq(read_number(match["number"], "CSeq", MAX_CSEQ), match["method"])


def parse_contacts(headers: Headers) -> tuple[NameAddr, ...] | Star:
    """All Contact values; `Star` if the only one is `*`; an empty tuple without any (§10.2, §20.10)."""
    lines = headers.get_all("Contact")
    if any(line.strip(LWS) == "*" for line in lines):
        if len(lines) > 1:
            raise RemoteProtocolError("Contact “*” stands beside other contacts")
        return Star()
    return parse_name_addrs(lines)


def parse_delta_seconds(text: str) -> int:
    """§25.1 delta-seconds; larger than 2**32 - 1 counts as that (RFC 4475 §3.1.2.4)."""
    digits = read_digits(text.strip(LWS), "A time in seconds")
    return MAX_DELTA_SECONDS if len(digits) > 10 else min(int(digits), MAX_DELTA_SECONDS)


def parse_retry_after(text: str) -> RetryAfter:
    """§20.33: delta-seconds, an optional comment, then parameters."""
    before_comment, opened, rest = text.partition("(")
    if opened:
        seconds, (_, closed, parameters) = before_comment, rest.rpartition(")")
        if not closed:
            raise RemoteProtocolError("A comment has no closing parenthesis")
    else:
        seconds, semicolon, tail = text.partition(";")
        parameters = semicolon + tail
    duration = find_parameter(parse_parameters(parameters), "duration")
    return RetryAfter(parse_delta_seconds(seconds), None if duration is None else parse_delta_seconds(duration))


def parse_tokens(headers: Headers, name: str) -> tuple[str, ...]:
    """The tokens of a list field (Supported, Require, Allow), in order; an empty field has none (§20.5)."""
    tokens = tuple(value for value in all_values(headers.get_all(name)) if value)
    if not all(is_token(token) for token in tokens):
        raise RemoteProtocolError(f"{name} cannot be read")
    return tokens


def parse_content_type(text: str) -> tuple[str, Parameters]:
    """("application/sdp", parameters); type and subtype in lower case (§20.15)."""
    text = text.strip(LWS)
    match = _MEDIA_TYPE.match(text)
    if match is None or not (is_token(match["type"]) and is_token(match["subtype"])):
        raise RemoteProtocolError("Content-Type cannot be read")
    return f"{match['type']}/{match['subtype']}".lower(), parse_parameters(text[match.end() :])


def parse_warning(text: str) -> tuple[WarningValue, ...]:
    """The warning-values of one line (§20.43)."""
    return tuple(_parse_warning_value(value) for value in split_values(text))


def _parse_warning_value(value: str) -> WarningValue:
    match = _WARNING.match(value)
    if match is None or read_quoted_string(value, match.end()) != len(value):
        raise RemoteProtocolError("Warning cannot be read")
    return WarningValue(int(match["code"]), match["agent"], display_text(unquote(value[match.end() :])))


def parse_reason_header(text: str) -> tuple[Reason, ...]:
    """The values of one Reason line (RFC 3326 §2)."""
    return tuple(_parse_reason_value(value) for value in split_values(text))


def _parse_reason_value(value: str) -> Reason:
    protocol, semicolon, tail = value.partition(";")
    protocol = protocol.rstrip(LWS)
    if not is_token(protocol):
        raise RemoteProtocolError("Reason cannot be read")
    parameters = parse_parameters(semicolon + tail)
    cause = find_parameter(parameters, "cause")
    return Reason(
        protocol,
        None if cause is None else read_number(cause, "The cause of Reason", 999),
        display_text(find_parameter(parameters, "text") or ""),
    )


# Typed reading from a message. The first value where a field may stand once only: the parser has refused doubles.


def top_via(message: Message) -> Via:
    values = split_values(_required(message, "Via"))
    if not values:
        raise RemoteProtocolError("Via is empty")
    return parse_via(values[0])


def from_addr(message: Message) -> NameAddr:
    return parse_name_addr(_required(message, "From"))


def to_addr(message: Message) -> NameAddr:
    return parse_name_addr(_required(message, "To"))


def call_id(message: Message) -> str:
    value = _required(message, "Call-ID").strip(LWS)
    if _CALL_ID.fullmatch(value) is None:
        raise RemoteProtocolError("Call-ID cannot be read")
    return value


def cseq(message: Message) -> CSeq:
    return parse_cseq(_required(message, "CSeq"))


def max_forwards(message: Message) -> int | None:
    """None without the field (RFC 2543 clients, RFC 4475 §3.4)."""
    value = message.headers.get("Max-Forwards")
    return None if value is None else read_number(value.strip(LWS), "Max-Forwards", MAX_MAX_FORWARDS)


def contact_uri(message: Message) -> Uri | None:
    """The URI of the first Contact; None without one. `*` is refused: it is for registrars (§10.2.2)."""
    contacts = parse_contacts(message.headers)
    if isinstance(contacts, Star):
        raise RemoteProtocolError("Contact “*” is no address")
    return contacts[0].uri if contacts else None


def route_set(message: Message, name: str) -> tuple[NameAddr, ...]:
    """All values of Route or Record-Route in the order of the message (§12.1, §20.30, §20.34)."""
    return parse_name_addrs(message.headers.get_all(name))


def _required(message: Message, name: str) -> str:
    value = message.headers.get(name)
    if value is None:
        raise RemoteProtocolError(f"{name} is missing")
    return value
