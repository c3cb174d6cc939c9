"""SIP messages as values (RFC 3261 §7).

Owns: `Headers`, `Request`, `Response` and their serialisation. Parsing bytes is `parser.py`, reading single
header values is `header_values.py`. Values only: every change returns a new message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from softphone.errors import LocalProtocolError
from softphone.sip.uri import Uri

# RFC 3261 §7.3.3 and the IANA registry of compact forms.
_COMPACT = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "n": "Identity-Info", "o": "Event", "r": "Refer-To",
    "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip


def expand_compact(name: str) -> str:
    """The long form of a header field name; names without a compact form come back unchanged."""
    return _COMPACT.get(name.lower(), name) if len(name) == 1 else name


class Headers:
    """An immutable, ordered multimap of header fields; names compare without case and in long form.

    One item is one header line as received (a line may hold several comma-separated values:
    `header_values.split_values` takes them apart).
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = tuple((expand_compact(name), value) for name, value in items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self._items]})"  # values may hold credentials

    def get(self, name: str) -> str | None:
        """The first line with that name."""
        wanted = expand_compact(name).lower()
        return next((value for key, value in self._items if key.lower() == wanted), None)

    def get_all(self, name: str) -> tuple[str, ...]:
        wanted = expand_compact(name).lower()
        return tuple(value for key, value in self._items if key.lower() == wanted)

    def added(self, name: str, value: str) -> Headers:
        return Headers((*self._items, (name, value)))

    def prepended(self, name: str, value: str) -> Headers:
        return Headers(((name, value), *self._items))

    def without(self, name: str) -> Headers:
        wanted = expand_compact(name).lower()
        return Headers((key, value) for key, value in self._items if key.lower() != wanted)

    def replaced(self, name: str, *values: str) -> Headers:
        """All lines of that name become `values`, at the place of the first (at the end if there was none)."""
        wanted = expand_compact(name).lower()
        result: list[tuple[str, str]] = []
        placed = False
        for key, value in self._items:
            if key.lower() != wanted:
                result.append((key, value))
            elif not placed:
                result.extend((name, new) for new in values)
                placed = True
        if not placed:
            result.extend((name, new) for new in values)
        return Headers(result)


@dataclass(frozen=True, slots=True)
class Request:
    """RFC 3261 §7.1. `body` is octets; Content-Length is written by `to_bytes` and not kept in `headers`."""

    method: str
    uri: Uri
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def with_headers(self, headers: Headers) -> Request:
        return replace(self, headers=headers)

    def to_bytes(self) -> bytes:
        return _serialise(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """RFC 3261 §7.2."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def with_headers(self, headers: Headers) -> Response:
        return replace(self, headers=headers)

    def to_bytes(self) -> bytes:
        return _serialise(f"SIP/2.0 {self.status} {self.reason}", self.headers, self.body)


Message = Request | Response


def _serialise(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
    lines += [f"Content-Length: {len(body)}", "", ""]
    if any("\r" in line or "\n" in line for line in lines):
        raise LocalProtocolError("A line break inside a header field would begin another one")  # quote() removes them
    # Octets that were not UTF-8 are lone surrogates since the parser read them, and leave as they came.
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body
