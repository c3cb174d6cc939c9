"""Datagrams with the moment of their arrival, as the kernel noted it where it does.

Owns: that note (Linux, socket(7) `SO_TIMESTAMPNS`) and its reading. Must not know: packets, sessions. With it a socket
need not be read the moment that something comes: what jitter and delay are reckoned from stays true, and a thread that
sleeps from tick to tick costs a fifth less than one that every packet wakes.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

Datagram = tuple[bytes, tuple[str, int], float]
"""Octets, where they come from, when they came (monotonic seconds)."""

LARGEST_DATAGRAM = 2048
"""Octets taken of one datagram; media packets are far smaller, what is cut does not authenticate."""
OLDEST_S = 2.0
"""A note that says more, or less than nothing, is of a wall clock that was set meanwhile."""
_TIMESPEC = struct.Struct("@ll")

if sys.platform == "linux":
    _SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it. The same number marks the note.
    _READINGS, _ONE_MOMENT_S = 4, 0.0005
    _ROOM = socket.CMSG_SPACE(_TIMESPEC.size)

    def note_arrivals(sock: socket.socket) -> bool:
        """Ask for the notes; False where this system makes none."""
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        except OSError:
            return False
        return True

    def receive(sock: socket.socket) -> Datagram:
        """The next datagram. Raises BlockingIOError where there is none, OSError as `recvfrom` does."""
        data, notes, _, source = sock.recvmsg(LARGEST_DATAGRAM, _ROOM)
        wall, now = _two_clocks()
        for level, kind, octets in notes:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(octets) == _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack(octets)
                age = wall - seconds - nanoseconds * 1e-9
                if 0.0 <= age <= OLDEST_S:
                    return data, source[:2], now - age
        return data, source[:2], now

    def _two_clocks() -> tuple[float, float]:
        """Wall clock and monotonic clock at one moment: again where another program ran between the two readings."""
        wall = now = 0.0
        for _ in range(_READINGS):
            before = time.monotonic()
            wall, now = time.time(), time.monotonic()
            if now - before < _ONE_MOMENT_S:
                break
        return wall, now

else:

    def note_arrivals(sock: socket.socket) -> bool:
        """Ask for the notes; False where this system makes none."""
        del sock
        return False

    def receive(sock: socket.socket) -> Datagram:
        """The next datagram. Raises BlockingIOError where there is none, OSError as `recvfrom` does."""
        data, source = sock.recvfrom(LARGEST_DATAGRAM)
        return data, source[:2], time.monotonic()
