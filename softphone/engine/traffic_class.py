"""How our packets ask the network to be treated: the DSCP mark (RFC 2474) of a socket.

Owns: the classes and how a socket is given one. A mark is a wish: routers may ignore or erase it, and Windows sends
none but by its own policy ("Policy-based QoS"), whatever a program asks.
"""

from __future__ import annotations

import contextlib
import enum
import socket


class TrafficClass(enum.Enum):
    """DSCP values (RFC 4594 §2.3, RFC 3246)."""

    VOICE = 46  # EF: RTP and its RTCP
    SIGNALLING = 24  # CS3: SIP, as phones mark it


def mark(sock: socket.socket, wanted: TrafficClass) -> None:
    """Everything sent over `sock` from now on. Never raises: without a mark it works as well."""
    octet = wanted.value << 2  # the two low bits are those of congestion notification (RFC 3168)
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: a system without this option
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, octet)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, octet)
