"""Which addresses this machine has and would use, asked of the system by sockets that send nothing.

Owns: the questions. They work the same on every system and need neither a library nor rights.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from typing import Final

_ANYWHERE: Final = ("192.0.2.1", "2001:db8::1")
"""Addresses that nobody has (RFC 5737, RFC 3849): they are reached by the default route, so they show it."""
_PORT: Final = 9  # discard; nothing is sent


def is_ours(address: str) -> bool:
    """Whether the machine has that address now: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        host = socket.getaddrinfo(address, 0, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(host)
    except socket.gaierror:
        return False  # a scope that is gone with its link
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV)
    return True


def sources(destinations: Iterable[str] = ()) -> dict[str, str]:
    """The address that the machine would send from, for each destination and for anywhere; "" where it could not."""
    return {destination: _source(destination) for destination in (*_ANYWHERE, *destinations)}


def _source(destination: str) -> str:
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    try:
        host = socket.getaddrinfo(destination, _PORT, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(host)
            return str(probe.getsockname()[0])
    except OSError:
        return ""
