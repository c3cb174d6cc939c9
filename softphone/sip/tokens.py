"""The lexical floor of SIP header values: tokens, quoted strings, parameters, comma-separated lists.

Owns: RFC 3261 §25.1 `token`, `quoted-string`, `generic-param`, `comment`.
Knows no header field by name. Every function takes one pass over its input; regular expressions here have no nested
repetition, and their repetitions are possessive (*+, ++) where two could share the same characters.

Octets that are not UTF-8 arrive as lone surrogates ("surrogateescape", PEP 383), so that a value which is copied into
a response leaves with the octets it came with. Text that people read goes through `display_text` first.
"""

from __future__ import annotations

import re

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_COMMENT_NESTING, MAX_PARAMETERS, MAX_VALUES
from softphone.sip.uri import Parameters

_CHARACTER = r"[A-Za-z0-9\-.!%*_+`'~]"
_TOKEN = re.compile(_CHARACTER + r"+")
# Names and values of parameters: token, and for values also host with IPv6 brackets and colons (§25.1 gen-value).
# RFC 5626 and 3840 put "+sip.instance" here, which is a token; "/" and "=" are seen in values from the field.
_PARAMETER = re.compile(
    r"[ \t]*+;[ \t]*+(?P<name>" + _CHARACTER + r"++)[ \t]*+"
    r"(?P<equals>=[ \t]*+(?:(?P<quote>\")|(?P<value>[A-Za-z0-9\-.!%*_+`'~\[\]:/=@$&|#?^{}]++)))?+"
)
_QUOTED_STRING = re.compile(r'"(?:[^"\\\r\n]|\\[^\r\n])*+"')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'[",<>()\\]')
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile(r"[\r\n\0]+")
LWS = " \t"


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def quote(text: str) -> str:
    r"""A quoted-string (RFC 3261 §25.1): `"` and `\` get a backslash, line breaks and NUL become spaces."""
    clean = _LINE_BREAK.sub(" ", text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The content of a quoted-string with its quoted-pairs resolved; text without quotes comes back unchanged."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    return text


def read_quoted_string(text: str, start: int) -> int:
    """The index after the quoted-string that begins at `start`. Raises RemoteProtocolError if it does not end."""
    match = _QUOTED_STRING.match(text, start)
    if match is None:
        raise RemoteProtocolError("A quoted string has no closing quote")
    return match.end()


def display_text(text: str) -> str:
    """For people: what was not UTF-8 becomes U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def read_digits(text: str, what: str) -> str:
    """Checks 1*DIGIT (ASCII only) and drops leading zeros, so that `len` tells the size before `int` is asked."""
    if not text or not text.isascii() or not text.isdigit():
        raise RemoteProtocolError(f"{what} is not a number")
    return text.lstrip("0") or "0"


def read_number(text: str, what: str, maximum: int) -> int:
    """A number from 0 to `maximum`. Raises RemoteProtocolError otherwise."""
    digits = read_digits(text, what)
    if len(digits) > len(str(maximum)) or int(digits) > maximum:
        raise RemoteProtocolError(f"{what} is larger than {maximum}")
    return int(digits)


def split_values(line: str) -> tuple[str, ...]:
    """The comma-separated values of a header line, stripped; commas in quotes, <> and comments do not separate.

    A parenthesis opens a comment only at the start of a value or after white space, since URIs may contain it
    (RFC 3261 §25.1 mark). Empty values are kept: most fields forbid them, `parse_tokens` drops them. An empty line
    has no values. Raises RemoteProtocolError for an open quote, bracket or comment, or too many values.
    """
    if not line.strip(LWS):
        return ()
    values: list[str] = []
    start = position = 0
    while (match := _SPECIAL.search(line, position)) is not None:
        position = match.end()
        match match.group():
            case '"':
                position = read_quoted_string(line, match.start())
            case "<":
                position = _after(line, ">", position)
            case "(" if match.start() == start or line[match.start() - 1] in LWS:
                position = _after_comment(line, position)
            case ",":
                values.append(line[start : match.start()].strip(LWS))
                start = position
                if len(values) >= MAX_VALUES:
                    raise RemoteProtocolError("A header field has too many values")
    values.append(line[start:].strip(LWS))
    return tuple(values)


def _after(line: str, closing: str, position: int) -> int:
    end = line.find(closing, position)
    if end < 0:
        raise RemoteProtocolError(f"A header field has an opening bracket without “{closing}”")
    return end + 1


def _after_comment(line: str, position: int) -> int:
    """The index after the comment whose content begins at `position` (RFC 3261 §25.1)."""
    depth = 1
    while depth:
        match = _SPECIAL.search(line, position)
        if match is None:
            raise RemoteProtocolError("A comment has no closing parenthesis")
        position = match.end()
        if match.group() == "\\":
            position += 1
        elif match.group() == "(":
            depth += 1
        elif match.group() == ")":
            depth -= 1
        if depth > MAX_COMMENT_NESTING:
            raise RemoteProtocolError("Comments are nested too deeply")
    return position


def parse_parameters(text: str) -> Parameters:
    """`*( SEMI generic-param )` with quoted values unquoted (RFC 3261 §25.1).

    Raises RemoteProtocolError for anything else, for a name that appears twice (§7.3.1) and for too many.
    """
    parameters: list[tuple[str, str | None]] = []
    seen: set[str] = set()
    position = 0
    end = len(text.rstrip(LWS))
    while position < end:
        match = _PARAMETER.match(text, position)
        if match is None:
            raise RemoteProtocolError("The parameters of a header field cannot be read")
        position = match.end()
        value = match["value"]
        if match["quote"] is not None:
            position = read_quoted_string(text, match.end() - 1)
            value = unquote(text[match.end() - 1 : position])
        name = match["name"]
        if name.lower() in seen:
            raise RemoteProtocolError(f"The parameter “{name[:40]}” appears twice")
        seen.add(name.lower())
        parameters.append((name, value))
        if len(parameters) > MAX_PARAMETERS:
            raise RemoteProtocolError("A header field has too many parameters")
    return tuple(parameters)


_PLAIN_VALUE = re.compile(r"(?:" + _CHARACTER + r"|[\[\]:])+")


def format_parameters(parameters: Parameters) -> str:
    """Each as `;name` or `;name=value`; what is neither token nor host is quoted."""
    parts: list[str] = []
    for name, value in parameters:
        if value is None:
            parts.append(f";{name}")
        elif _PLAIN_VALUE.fullmatch(value):
            parts.append(f";{name}={value}")
        else:
            parts.append(f";{name}={quote(value)}")
    return "".join(parts)


def find_parameter(parameters: Parameters, name: str) -> str | None:
    """The value, "" for a flag that is present, None if absent; names compare without case."""
    wanted = name.lower()
    return next((value or "" for key, value in parameters if key.lower() == wanted), None)


def set_parameter(parameters: Parameters, name: str, value: str | None) -> Parameters:
    """With that parameter changed where it stands, or appended."""
    wanted = name.lower()
    if any(key.lower() == wanted for key, _ in parameters):
        return tuple((key, value if key.lower() == wanted else old) for key, old in parameters)
    return (*parameters, (name, value))
