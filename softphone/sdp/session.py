"""The Session Description Protocol: bytes to `SessionDescription` and back.

Owns: the grammar of RFC 8866 §5 and §9 as far as a call needs it. Knows nothing of offers, codecs or encryption: an
attribute is a name and a value here. Ordering is tolerated inside a section (session level, then each media level).
Any bytes give a `SessionDescription` or `RemoteProtocolError`, in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from softphone.errors import RemoteProtocolError
from softphone.sdp.masking import mask_attribute

MAX_BYTES = 65_536  # a browser's offer with many candidates has about 10,000
MAX_LINES = 2_000
MAX_MEDIA = 64  # m= lines
MAX_FORMATS = 128  # formats in one m= line: as many as there are RTP payload types

_LINE = re.compile(r"([a-z])=(.*)")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_PROTOCOL = re.compile(rf"{_TOKEN.pattern}(?:/{_TOKEN.pattern})*")
_PORT = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_BANDWIDTH = re.compile(r"([A-Za-z0-9-]{1,16}):([0-9]{1,9})\s*")
_NUMBER = re.compile(r"[0-9]{1,40}")
_SESSION_ONLY = frozenset("vos")  # may not come back after the first m= line
_IGNORED = frozenset("iuepbtrzk")  # k= is obsolete and must be discarded (RFC 8866 §5.12)


@dataclass(frozen=True, slots=True, repr=False)
class Attribute:
    """`a=<name>` or `a=<name>:<value>`. The repr masks keys."""

    name: str
    value: str | None = None

    def __repr__(self) -> str:
        if self.value is None:
            return f"Attribute({self.name!r})"
        return f"Attribute({self.name!r}, {mask_attribute(self.name, self.value)!r})"

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Connection:
    """`c=`: the address as written, with TTL if any; a name is possible too (RFC 8866 §5.7)."""

    network_type: str
    address_type: str
    address: str

    def __str__(self) -> str:
        return f"{self.network_type} {self.address_type} {self.address}"


@dataclass(frozen=True, slots=True)
class SessionOrigin:
    """`o=` (RFC 8866 §5.2). Identifier and version are decimal digits, kept as written."""

    username: str
    session_id: str
    session_version: str
    connection: Connection

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.session_version} {self.connection}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """`m=` and what follows it. `port` 0 is a refused or removed stream (RFC 3264 §6)."""

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    bandwidths: tuple[tuple[str, int], ...] = ()  # b= as (type, value), read only

    def values(self, name: str) -> tuple[str, ...]:
        """The values of every `a=<name>:…`, in order."""
        return tuple(item.value for item in self.attributes if item.name == name and item.value is not None)

    def has(self, name: str) -> bool:
        return any(item.name == name for item in self.attributes)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    origin: SessionOrigin
    media: tuple[MediaDescription, ...] = ()
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    session_name: str = "-"
    bandwidths: tuple[tuple[str, int], ...] = ()

    def to_bytes(self) -> bytes:
        """RFC 8866 §5, in the order of the RFC, with `t=0 0`."""
        lines = ["v=0", f"o={self.origin}", f"s={self.session_name}"]
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines.append("t=0 0")
        lines.extend(f"a={item}" for item in self.attributes)
        for section in self.media:
            port = f"{section.port}/{section.port_count}" if section.port_count > 1 else str(section.port)
            lines.append(f"m={section.media} {port} {section.protocol} {' '.join(section.formats)}")
            if section.connection is not None:
                lines.append(f"c={section.connection}")
            lines.extend(f"a={item}" for item in section.attributes)
        return "".join(f"{line}\r\n" for line in lines).encode()


@dataclass(slots=True)
class _Section:
    """One level while it is read."""

    header: str = ""  # the value of m=, "" at session level
    connection: Connection | None = None
    attributes: list[Attribute] = field(default_factory=list)
    bandwidths: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """Collects lines; `sections[0]` is the session level."""

    origin: SessionOrigin | None = None
    session_name: str = "-"
    sections: list[_Section] = field(default_factory=lambda: [_Section()])


def parse_session_description(body: bytes) -> SessionDescription:
    """RFC 8866 §9. Raises `RemoteProtocolError` for anything that is not a session description."""
    reader = _Reader()
    lines = _split(body)
    if lines[:1] != [("v", "0")]:
        raise RemoteProtocolError("The session description does not begin with v=0")
    for letter, value in lines[1:]:
        if letter in _SESSION_ONLY and len(reader.sections) > 1:
            raise RemoteProtocolError(f"The session description has {letter}= after a media line")
        if letter in _READERS:
            _READERS[letter](reader, value)
        elif letter not in _IGNORED:
            # RFC 8866 §5: a description with an unknown letter must be ignored as a whole.
            raise RemoteProtocolError(f"The session description has an unknown line {letter}=")
    if reader.origin is None:
        raise RemoteProtocolError("The session description has no o= line")
    session, *media = reader.sections
    return SessionDescription(
        origin=reader.origin,
        media=tuple(_media_description(section) for section in media),
        connection=session.connection,
        attributes=tuple(session.attributes),
        session_name=reader.session_name,
        bandwidths=tuple(session.bandwidths),
    )


def _split(body: bytes) -> list[tuple[str, str]]:
    if len(body) > MAX_BYTES:
        raise RemoteProtocolError(f"The session description is longer than {MAX_BYTES} octets", 413)
    text = body.decode("utf-8", "replace")
    if "\0" in text:
        raise RemoteProtocolError("The session description contains a NUL")
    raw = [line.removesuffix("\r") for line in text.split("\n")]
    if len(raw) > MAX_LINES:
        raise RemoteProtocolError(f"The session description has more than {MAX_LINES} lines")
    lines: list[tuple[str, str]] = []
    for line in raw:
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\r" in line:
            raise RemoteProtocolError("The session description has a line that is not of the form x=value")
        lines.append((match.group(1), match.group(2)))
    return lines


def _fields(letter: str, value: str, count: int) -> list[str]:
    fields = value.split()
    if len(fields) != count:
        raise RemoteProtocolError(f"The {letter}= line does not have {count} fields")
    return fields


def _read_version(_reader: _Reader, _value: str) -> None:
    raise RemoteProtocolError("The session description has more than one v= line")


def _read_origin(reader: _Reader, value: str) -> None:
    if reader.origin is not None:
        raise RemoteProtocolError("The session description has more than one o= line")
    username, session_id, version, *connection = _fields("o", value, 6)
    if not (_NUMBER.fullmatch(session_id) and _NUMBER.fullmatch(version)):
        raise RemoteProtocolError("The o= line's session identifier or version is not a number")
    reader.origin = SessionOrigin(username, session_id, version, Connection(*connection))


def _read_session_name(reader: _Reader, value: str) -> None:
    reader.session_name = value


def _read_connection(reader: _Reader, value: str) -> None:
    section = reader.sections[-1]
    if section.connection is not None:  # several are for layered multicast only (RFC 8866 §5.7)
        raise RemoteProtocolError("The session description has two c= lines in one section")
    section.connection = Connection(*_fields("c", value, 3))


def _read_bandwidth(reader: _Reader, value: str) -> None:
    """A bound, not a condition: what cannot be read is left out (RFC 8866 §5.8)."""
    match = _BANDWIDTH.fullmatch(value)
    if match is not None:
        reader.sections[-1].bandwidths.append((match.group(1).upper(), int(match.group(2))))


def _read_attribute(reader: _Reader, value: str) -> None:
    name, colon, content = value.partition(":")
    if not _TOKEN.fullmatch(name):
        raise RemoteProtocolError("The session description has an attribute without a name")
    reader.sections[-1].attributes.append(Attribute(name, content if colon else None))


def _read_media(reader: _Reader, value: str) -> None:
    if len(reader.sections) > MAX_MEDIA:
        raise RemoteProtocolError(f"The session description has more than {MAX_MEDIA} media lines")
    reader.sections.append(_Section(header=value))


_READERS: dict[str, Callable[[_Reader, str], None]] = {
    "v": _read_version,
    "o": _read_origin,
    "s": _read_session_name,
    "c": _read_connection,
    "b": _read_bandwidth,
    "a": _read_attribute,
    "m": _read_media,
}


def _media_description(section: _Section) -> MediaDescription:
    fields = section.header.split()
    if len(fields) < 4 or len(fields) > 3 + MAX_FORMATS:
        raise RemoteProtocolError("The m= line does not have media, port, protocol and a list of formats")
    media, port_text, protocol, *formats = fields
    port = _PORT.fullmatch(port_text)
    if port is None or int(port.group(1)) > 65_535:
        raise RemoteProtocolError("The m= line has no valid port")
    if not (_TOKEN.fullmatch(media) and _PROTOCOL.fullmatch(protocol)):
        raise RemoteProtocolError("The m= line has no valid media type or protocol")
    if not all(_TOKEN.fullmatch(item) for item in formats):
        raise RemoteProtocolError("The m= line has a format that is not a token")
    return MediaDescription(
        media=media,
        port=int(port.group(1)),
        protocol=protocol,
        formats=tuple(formats),
        port_count=int(port.group(2) or 1),
        connection=section.connection,
        attributes=tuple(section.attributes),
        bandwidths=tuple(section.bandwidths),
    )
