"""Who is at the other end of a Unix socket, as the kernel says it (SO_PEERCRED, LOCAL_PEERCRED)."""

from __future__ import annotations

import os
import socket
import struct
import sys

from softphone.engine.link.failures import LinkBroken

_MACOS_SOL_LOCAL, _MACOS_LOCAL_PEERCRED = 0, 1
_MACOS_XUCRED = "=IIh2x16I"  # struct xucred of sys/ucred.h: version, uid, number of groups, groups


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process that made the other end. Raises OSError."""
    if sys.platform == "darwin":
        size = struct.calcsize(_MACOS_XUCRED)
        raw = connection.getsockopt(_MACOS_SOL_LOCAL, _MACOS_LOCAL_PEERCRED, size)
        return int(struct.unpack(_MACOS_XUCRED, raw)[1])
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def require_same_user(connection: socket.socket) -> None:
    """Raises LinkBroken if the other end belongs to somebody else, or if the system does not say whose it is."""
    try:
        uid = peer_uid(connection)
    except OSError as error:
        raise LinkBroken("the system does not say who is at the other end") from error
    if uid != os.geteuid():
        raise LinkBroken(f"the other end belongs to user {uid}")
