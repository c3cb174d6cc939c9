"""What Linux tells of links, addresses and routes (rtnetlink(7)): read, compared with what was known, nothing decided.

Owns: the netlink socket and the state that its messages add up to. Only what can move a flow counts as a change: a
link that gets or loses its carrier, an address of more than link scope, a unicast route. What is said again without
being new (a router's advertisement every few minutes) and what belongs to a container's cable is none. No root needed.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

# linux/rtnetlink.h, linux/netlink.h: the kernel's promise to programs, the same on every architecture.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_UNUSABLE = 0x40 | 0x08  # TENTATIVE, DADFAILED: nothing can be sent from it
_RT_SCOPE_LINK = 253
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_RTN_UNICAST, _RT_TABLE_LOCAL, _RTM_F_CLONED = 1, 255, 0x200
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_IFINFO: Final = struct.Struct("=BxHiII")  # family, hardware type, index, flags, change
_IFADDR: Final = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_RTMSG: Final = struct.Struct("=BBBBBBBBI")  # family, dst, src, tos, table, protocol, scope, type, flags
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_LARGEST: Final = 64 * 1024
_DUMP_WITHIN_S: Final = 1.0

_Attributes = dict[int, bytes]


class NetworkState:
    """Links with carrier, usable addresses and routes, as the messages so far have it."""

    def __init__(self) -> None:
        self._carrier: dict[int, bool] = {}
        self._loopback: set[int] = set()
        self._addresses: set[tuple[object, ...]] = set()  # (link's index, octets)
        self._routes: set[tuple[object, ...]] = set()

    def take(self, data: bytes) -> bool:
        """One datagram of the kernel's: whether anything changed that can move a flow. Unreadable rest is left out."""
        changed = False
        for kind, body in _messages(data):
            with contextlib.suppress(struct.error):
                changed = self._take_message(kind, body) or changed
        return changed

    def _take_message(self, kind: int, body: bytes) -> bool:
        if kind in (_NEWLINK, _DELLINK):
            return self._link(body, there=kind == _NEWLINK)
        if kind in (_NEWADDR, _DELADDR):
            return self._address(body, there=kind == _NEWADDR)
        if kind in (_NEWROUTE, _DELROUTE):
            return self._route(body, there=kind == _NEWROUTE)
        return False

    def _link(self, body: bytes, *, there: bool) -> bool:
        """A change only where an address of ours is: a container's cable comes and goes without one."""
        _, _, index, flags, _ = _IFINFO.unpack_from(body)
        if flags & _IFF_LOOPBACK:
            self._loopback.add(index)
            return False
        before = self._carrier.get(index)
        carrier = there and flags & (_IFF_UP | _IFF_LOWER_UP) == _IFF_UP | _IFF_LOWER_UP
        if there:
            self._carrier[index] = carrier
        else:
            self._carrier.pop(index, None)
        return before is not None and before != carrier and any(at[0] == index for at in self._addresses)

    def _address(self, body: bytes, *, there: bool) -> bool:
        _, _, flags, scope, index = _IFADDR.unpack_from(body)
        attributes = _attributes(body[_IFADDR.size :])
        if _IFA_FLAGS in attributes:
            (flags,) = struct.unpack_from("=I", attributes[_IFA_FLAGS])
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if address is None or scope >= _RT_SCOPE_LINK or index in self._loopback:
            return False
        return _keep(self._addresses, (index, address), there=there and not flags & _IFA_F_UNUSABLE)

    def _route(self, body: bytes, *, there: bool) -> bool:
        family, length, _, _, table, _, _, kind, flags = _RTMSG.unpack_from(body)
        if kind != _RTN_UNICAST or table == _RT_TABLE_LOCAL or flags & _RTM_F_CLONED:
            return False
        attributes = _attributes(body[_RTMSG.size :])
        destination = attributes.get(_RTA_DST, b"")
        if family == socket.AF_INET6 and destination[:1] in (b"\xfe", b"\xff"):
            return False  # link-local, and multicast: every cable has them
        parts = tuple(attributes.get(part, b"") for part in (_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY))
        return _keep(self._routes, (family, table, length, destination, *parts), there=there)


class Netlink:
    """The socket, in the network namespace of the thread that opens it. Raises OSError where there is none."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        try:
            self._socket.bind((0, _GROUPS))
            self._learn()
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def changed(self) -> bool:
        """Takes in what has come: whether anything changed. What was too much to be kept for us counts as a change."""
        changed = False
        while True:
            try:
                data, (sender, _) = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._learn()
                return True
            if sender == 0:  # the kernel; anybody may write to a netlink socket
                changed = self._state.take(data) or changed

    def _learn(self) -> None:
        """What there is now: links first, since addresses of the loopback are known by its link. Takes microseconds."""
        self._state = NetworkState()
        for request, body in ((_GETLINK, _IFINFO.size), (_GETADDR, _IFADDR.size), (_GETROUTE, _RTMSG.size)):
            header = _HEADER.pack(_HEADER.size + body, request, _REQUEST_DUMP, request, 0)
            self._socket.sendto(header + bytes(body), (0, 0))
            self._take_dump()
        self._socket.setblocking(False)

    def _take_dump(self) -> None:
        deadline = time.monotonic() + _DUMP_WITHIN_S
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            data, (sender, _) = self._socket.recvfrom(_LARGEST)
            if sender != 0:
                continue
            self._state.take(data)
            if any(kind in (_NLMSG_DONE, _NLMSG_ERROR) for kind, _ in _messages(data)):
                return


def _keep(known: set[tuple[object, ...]], item: tuple[object, ...], *, there: bool) -> bool:
    """Add or remove: whether that was a change."""
    if there is (item in known):
        return False
    if there:
        known.add(item)
    else:
        known.remove(item)
    return True


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message of one datagram (netlink(7))."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> _Attributes:
    """Type and value of each attribute (struct rtattr); the flags in the type's upper bits are left out."""
    found: _Attributes = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            break
        found[kind & 0x3FFF] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found
