"""The two UDP sockets of one media session.

Owns: the pair of ports (RFC 3550 §11: RTP even, RTCP the next), buffers, the DSCP mark. Must not know: what a packet
holds. No socket is ever connected: symmetric RTP (RFC 4961) may move the peer's address.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from softphone.engine.media.arrival import note_arrivals
from softphone.engine.traffic_class import TrafficClass, mark
from softphone.errors import Failure, FailureKind, OperationFailed

Address = tuple[str, int]

_RECEIVE_BUFFER = 256 * 1024
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports that media may use, both ends included."""

    first: int = 16384
    last: int = 32767

    def __post_init__(self) -> None:
        if not 1024 <= self.first < self.last <= 65535 or self.last - self.first < 2:
            raise ValueError("a port range needs two ports between 1024 and 65535")


class MediaSockets:
    """An RTP socket and an RTCP socket on one address, non-blocking."""

    def __init__(self, rtp: socket.socket, rtcp: socket.socket, address: str) -> None:
        self.rtp = rtp
        self.rtcp = rtcp
        self.address = address
        self.stamped = note_arrivals(rtp) and note_arrivals(rtcp)
        """Datagrams say when they came, however late they are read."""
        self.rtp_port: int = rtp.getsockname()[1]
        self.rtcp_port: int = rtcp.getsockname()[1]

    @classmethod
    def open(cls, address: str, ports: PortRange, token_bytes: Callable[[int], bytes]) -> MediaSockets:
        """Bind a random even port of the range and the one after it. `address` is a literal. Raises OperationFailed."""
        first = ports.first + ports.first % 2
        pairs = (ports.last - first + 1) // 2
        start = int.from_bytes(token_bytes(4), "big")
        for attempt in range(min(pairs, _ATTEMPTS)):
            port = first + 2 * ((start + attempt) % pairs)
            try:
                rtp = _bind(address, port)
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                raise OperationFailed(_cannot_bind(address, error.strerror or str(error))) from error
            try:
                rtcp = _bind(address, port + 1)
            except OSError:
                rtp.close()
                continue
            return cls(rtp, rtcp, address)
        raise OperationFailed(_cannot_bind(address, f"no free pair of ports in {ports.first} to {ports.last}"))

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


def is_literal(address: str) -> bool:
    """Whether an address can be sent to without asking a name server, which would hold up every call."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if sys.platform == "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        mark(bound, TrafficClass.VOICE)
        bound.setblocking(False)
        bound.bind((address, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _cannot_bind(address: str, why: str) -> Failure:
    return Failure(
        FailureKind.NETWORK_UNREACHABLE,
        f"No ports for voice can be opened on {address}: {why}.",
        "Check the network connection, and that other programs leave ports 16384 to 32767 free.",
    )
