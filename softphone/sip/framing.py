"""Cutting a stream into SIP messages and keep-alives (RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1, §4.4.1).

Owns: where a message ends on a stream. Must not know what is in it, beyond Content-Length.

On a stream a wrong length would let one message hide in the body of another, so anything doubtful ends the flow.
Time is linear in the octets fed, also when they come one at a time: the search for the end of the header fields goes
on where it stopped.
"""

from __future__ import annotations

import enum

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_BODY, MAX_HEADER_BLOCK
from softphone.sip.tokens import read_digits

_END = b"\r\n\r\n"


class KeepAlive(enum.Enum):
    """RFC 5626 §3.5.1: what stands between messages."""

    PING = b"\r\n\r\n"
    PONG = b"\r\n"


class FlowEnd(enum.Enum):
    """Which end of the flow we are; it decides what a single CRLF means before the next octet came."""

    OPENED = "opened"  # ours are the pings (§4.4.1): a CRLF is a pong at once
    ACCEPTED = "accepted"  # theirs are the pings (§5.4): a CRLF waits for the second one


class FramingError(RemoteProtocolError):
    """The flow must be closed. `complete` is what was cut before the fault, in order."""

    def __init__(self, reason: str, status_hint: int, complete: tuple[bytes | KeepAlive, ...]) -> None:
        super().__init__(reason, status_hint)
        self.complete = complete


class StreamFramer:
    """Feed it what the flow brings; it returns whole messages (start line to end of body) and keep-alives."""

    def __init__(self, end: FlowEnd = FlowEnd.OPENED) -> None:
        self._end = end
        self._buffer = bytearray()
        self._scanned = 0  # octets of the buffer in which no end of header fields begins
        self._length: int | None = None  # of the whole message, once its header fields are known
        self._broken: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """Raises FramingError, now and for every later call: the flow has no frame any more."""
        if self._broken is not None:
            raise FramingError(self._broken.reason, self._broken.status_hint, ())
        self._buffer += data
        items: list[bytes | KeepAlive] = []
        try:
            while (item := self._next()) is not None:
                items.append(item)
        except RemoteProtocolError as error:
            self._broken = error
            self._buffer.clear()
            raise FramingError(error.reason, error.status_hint, tuple(items)) from None
        return items

    def _next(self) -> bytes | KeepAlive | None:
        if self._length is None:
            if self._buffer[:1] == b"\r":
                return self._next_keep_alive()
            if not self._find_length():
                return None
        assert self._length is not None
        if len(self._buffer) < self._length:
            return None
        message = bytes(self._buffer[: self._length])
        self._take(self._length)
        return message

    def _next_keep_alive(self) -> KeepAlive | None:
        if self._buffer.startswith(KeepAlive.PING.value):
            self._take(4)
            return KeepAlive.PING
        if len(self._buffer) >= 2 and self._buffer[1:2] != b"\n":
            raise RemoteProtocolError("A message begins with a bare CR")
        # Whether a second CRLF follows is unknown while the octets so far are its beginning.
        undecided = self._end is FlowEnd.ACCEPTED and KeepAlive.PING.value.startswith(self._buffer)
        if len(self._buffer) < 2 or undecided:
            return None
        self._take(2)
        return KeepAlive.PONG

    def _find_length(self) -> bool:
        if self._buffer and not 0x21 <= self._buffer[0] <= 0x7E:
            raise RemoteProtocolError("The stream is not SIP")
        end = self._buffer.find(_END, self._scanned)
        if end > MAX_HEADER_BLOCK or (end < 0 and len(self._buffer) > MAX_HEADER_BLOCK + len(_END)):
            raise RemoteProtocolError("The header fields of a message are too large", 513)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - len(_END) + 1)
            return False
        self._length = end + len(_END) + _content_length(bytes(self._buffer[:end]))
        return True

    def _take(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0
        self._length = None


def _content_length(header_block: bytes) -> int:
    """The one Content-Length of a header block, long or compact, folded or not (RFC 3261 §20.14).

    It must be there (§18.3). A message that lacks it and has no Content-Type either has no body (§20.15), so that its
    end is known all the same; with a Content-Type the end is unknown and the flow has no frame any more.
    """
    found: list[list[bytes]] = []  # of each such field the pieces of its value
    continues = has_type = False
    for line in header_block.split(b"\r\n")[1:]:
        if line[:1] in (b" ", b"\t"):
            if continues:
                found[-1].append(line)
            continue
        name, colon, value = line.partition(b":")
        field = name.rstrip(b" \t").lower() if colon else b""
        has_type = has_type or field in (b"content-type", b"c")
        continues = field in (b"content-length", b"l")
        if continues:
            found.append([value])
        if len(found) > 1:
            raise RemoteProtocolError("Content-Length stands more than once")
    if not found and has_type:
        raise RemoteProtocolError("A message with a body has no Content-Length")
    if not found:
        return 0
    digits = read_digits(b"".join(found[0]).decode("latin-1").strip(" \t"), "Content-Length")
    if len(digits) > 9 or int(digits) > MAX_BODY:
        raise RemoteProtocolError("The body of a message is too large", 513)
    return int(digits)
