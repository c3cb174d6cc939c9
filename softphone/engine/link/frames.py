"""Frames of the link: four octets of length, big-endian, then that many octets of JSON.

Owns: the limits and the framing of a stream. Knows no message. A length above the limit ends the reading at once,
before anything of that size is kept; work and memory are linear in what has arrived.
"""

from __future__ import annotations

from collections.abc import Iterator

from softphone.engine.link.failures import LinkBroken

MAX_INWARD = 64 * 1024
"""Octets of one message from a front end: commands are small."""
MAX_OUTWARD = 4 * 1024 * 1024
"""Octets of one message to a front end: an AppState holds up to 50 ended calls with names that others chose."""
_HEAD = 4


def frame(body: bytes, limit: int) -> bytes:
    """Raises LinkBroken if the body is larger than the limit."""
    if len(body) > limit:
        raise LinkBroken(f"a message of {len(body)} octets is larger than the limit of {limit}")
    return len(body).to_bytes(_HEAD, "big") + body


class Framer:
    """Cuts a stream into bodies. After LinkBroken it takes nothing more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are complete now. Raises LinkBroken for a length above the limit."""
        if self._broken:
            raise LinkBroken("the stream is broken")
        self._held += data
        start = 0
        try:
            while len(self._held) - start >= _HEAD:
                length = int.from_bytes(self._held[start : start + _HEAD], "big")
                if length > self._limit:
                    self._broken = True
                    raise LinkBroken(f"a message of {length} octets is announced; the limit is {self._limit}")
                end = start + _HEAD + length
                if len(self._held) < end:
                    break
                body = bytes(self._held[start + _HEAD : end])
                start = end
                yield body
        finally:
            del self._held[:start]
