"""Free ports that stay ours: two checkouts may run their tests at the same time on one machine.

A peer takes its port number from a configuration file, so it cannot ask the kernel for port 0. A block of numbers
below the ephemeral range (ip_local_port_range, from 32768) is therefore leased for the life of the test process by
binding an abstract unix socket: the kernel frees the name when the process ends, however it ends, and no file is left.
Within a block every number is tried for TCP and UDP before it is handed out. A run that has leased `MOST` blocks begins
again with its own oldest, whose test is long over, and leaves the others to other runs.
"""

import atexit
import random
import socket
from collections import deque
from collections.abc import Iterator

FIRST_PORT, LAST_PORT, BLOCK = 12000, 32000, 40
TRIES = 1000
MOST = 150

_leases: list[socket.socket] = []
_own: deque[int] = deque()  # first ports of the blocks that are ours, the oldest first


@atexit.register
def _end_leases() -> None:
    for lease in _leases:
        lease.close()


def free_port() -> int:
    """A port number free for TCP and UDP on every IPv4 address, not handed out by any other running test process."""
    for port in _single_ports:
        if _is_free(port):
            return port
    raise AssertionError("unreachable: the ports never end")


def free_port_range() -> tuple[int, int]:
    """First (even) and last port of a leased block of 40: room for the RTP and RTCP of a phone (RFC 3550 §11)."""
    for _ in range(TRIES):
        first = _lease_block()
        if all(_is_free(port) for port in range(first, first + BLOCK)):
            return first, first + BLOCK - 1
    raise AssertionError("no block of ports is free on this machine")


def _lease_block() -> int:
    if len(_own) >= MOST:
        _own.rotate(-1)
        return _own[-1]
    blocks = list(range(FIRST_PORT, LAST_PORT, BLOCK))
    random.shuffle(blocks)
    for first in blocks:
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lease.bind(f"\0softphone-tests-ports-{first}")
        except OSError:
            lease.close()
            continue
        _leases.append(lease)
        _own.append(first)
        return first
    assert _own, "no block of ports is free on this machine"
    _own.rotate(-1)
    return _own[-1]


def _ports_one_by_one() -> Iterator[int]:
    while True:
        first = _lease_block()
        yield from range(first, first + BLOCK)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


_single_ports = _ports_one_by_one()
