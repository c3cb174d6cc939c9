"""What can be read of a TLS handshake in clear, before the encryption begins.

Owns: recognising bytes that are not TLS at all, the ClientHello's offer (for the lab's receipts), the ServerHello's
version and suite, whether a client certificate was asked for, and clear alerts. RFC 8446 §4.1, §5.1, §6; RFC 5246 §7.
Pure: bytes in, facts out, in linear time and bounded memory. It only watches; OpenSSL decides.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_WATCHED = 128 * 1024  # octets; OpenSSL itself refuses certificate messages above 100 KiB
_BANNER = 80  # octets of what was not TLS, kept as evidence

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE_REQUEST = 1, 2, 13
_SUPPORTED_VERSIONS = 43  # extension, RFC 8446 §4.2.1

VERSION_NAMES = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
# IANA numbers of the suites that any profile may offer; OpenSSL's names.
SUITE_NAMES = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256",
    0xC024: "ECDHE-ECDSA-AES256-SHA384",
    0xC023: "ECDHE-ECDSA-AES128-SHA256",
    0xC028: "ECDHE-RSA-AES256-SHA384",
    0xC027: "ECDHE-RSA-AES128-SHA256",
}
# In the list of suites, but signals and no suites (RFC 5746 §3.3, RFC 7507).
SIGNALLING_VALUES = {0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", 0x5600: "TLS_FALLBACK_SCSV"}


class _Malformed(Exception):
    """The message does not hold what its lengths promise; OpenSSL will say so too."""


class _Cursor:
    """Reads big-endian numbers and length-prefixed vectors (RFC 8446 §3)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise _Malformed
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, length_width: int) -> bytes:
        return self.take(self.number(length_width))

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offered: names in its order, `0x1303` for a suite without a name here.

    `suites` are without the signalling values, which name no suite and stand in `signalling`.
    """

    versions: tuple[str, ...]
    suites: tuple[str, ...]
    signalling: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerHello:
    version: str
    suite: str


class HandshakeWatch:
    """Watches one direction of a connection. The attributes are what has been seen so far."""

    def __init__(self) -> None:
        self.not_tls: bytes | None = None  # the first octets, if they cannot be TLS
        self.received = 0  # octets
        self.client_hello: ClientHello | None = None
        self.server_hello: ServerHello | None = None
        self.certificate_requested = False  # TLS 1.2 only; in TLS 1.3 the request is encrypted
        self._records = bytearray()
        self._messages = bytearray()
        self._recognised = False
        self._watching = True

    def feed(self, data: bytes) -> None:
        """Take the next octets of the peer."""
        self.received += len(data)
        if not self._watching:
            return
        self._records += data
        if not self._recognised:
            self._recognise()
        if self.received > MAX_WATCHED:
            self._stop()
        while self._watching and len(self._records) >= 5:
            length = int.from_bytes(self._records[3:5], "big")
            if len(self._records) < 5 + length:
                break
            content_type, fragment = self._records[0], bytes(self._records[5 : 5 + length])
            del self._records[: 5 + length]
            if content_type == _HANDSHAKE:
                self._messages += fragment
                self._read_messages()
            elif content_type != _ALERT:  # from here on it is encrypted
                self._stop()

    def _recognise(self) -> None:
        first = self._records
        if (first and first[0] not in (_ALERT, _HANDSHAKE)) or (len(first) > 1 and first[1] != 3):
            self.not_tls = bytes(first[:_BANNER])
            self._stop()
        self._recognised = self.received > 1

    def _stop(self) -> None:
        self._watching = False
        self._records.clear()
        self._messages.clear()

    def _read_messages(self) -> None:
        while len(self._messages) >= 4:
            length = int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < 4 + length:
                return
            kind, body = self._messages[0], bytes(self._messages[4 : 4 + length])
            del self._messages[: 4 + length]
            try:
                if kind == _CLIENT_HELLO and self.client_hello is None:
                    self.client_hello = parse_client_hello(body)
                elif kind == _SERVER_HELLO and self.server_hello is None:
                    self.server_hello = parse_server_hello(body)
                elif kind == _CERTIFICATE_REQUEST:
                    self.certificate_requested = True
            except _Malformed:
                self._stop()
                return


def parse_client_hello(body: bytes) -> ClientHello:
    """The message without its header (RFC 8446 §4.1.2)."""
    cursor = _Cursor(body)
    legacy_version = cursor.number(2)
    cursor.take(32)  # random
    cursor.vector(1)  # session id
    suites = _numbers(_Cursor(cursor.vector(2)))
    cursor.vector(1)  # compression methods
    versions = [legacy_version]
    listed = _extensions(cursor).get(_SUPPORTED_VERSIONS)
    if listed is not None:
        versions = _numbers(_Cursor(_Cursor(listed).vector(1)))
    return ClientHello(
        versions=tuple(VERSION_NAMES.get(number, f"0x{number:04x}") for number in versions),
        suites=tuple(suite_name(number) for number in suites if number not in SIGNALLING_VALUES),
        signalling=tuple(SIGNALLING_VALUES[number] for number in suites if number in SIGNALLING_VALUES),
    )


def parse_server_hello(body: bytes) -> ServerHello:
    """The message without its header (RFC 8446 §4.1.3)."""
    cursor = _Cursor(body)
    version = cursor.number(2)
    cursor.take(32)  # random
    cursor.vector(1)  # session id
    suite = cursor.number(2)
    cursor.number(1)  # compression method
    selected = _extensions(cursor).get(_SUPPORTED_VERSIONS)
    if selected is not None and len(selected) == 2:
        version = int.from_bytes(selected, "big")
    return ServerHello(VERSION_NAMES.get(version, f"0x{version:04x}"), suite_name(suite))


def suite_name(number: int) -> str:
    return SUITE_NAMES.get(number, f"0x{number:04x}")


def _numbers(cursor: _Cursor) -> list[int]:
    numbers = []
    while not cursor.at_end:
        numbers.append(cursor.number(2))
    return numbers


def _extensions(cursor: _Cursor) -> dict[int, bytes]:
    if cursor.at_end:
        return {}
    block = _Cursor(cursor.vector(2))
    extensions: dict[int, bytes] = {}
    while not block.at_end:
        kind = block.number(2)
        extensions.setdefault(kind, block.vector(2))
    return extensions
