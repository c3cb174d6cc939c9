"""Notices that the network has changed or the machine has woken, and says so once for each burst (security.md).

Owns: the watching, on one asyncio loop. Linux tells by netlink; elsewhere, and where netlink is missing, the addresses
that the machine would send from are compared every two seconds. Waking is noticed by the clocks. What follows from it
is the user agent's.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from softphone.engine.clock import Slumber
from softphone.engine.local_addresses import sources
from softphone.engine.netlink import Netlink

log = logging.getLogger(__name__)

COMPARE_S: Final = 2.0
SLUMBER_S: Final = 1.0
"""How often the clocks are looked at: waking is noticed at most so much later."""
SETTLED_S: Final = 0.3
"""A burst of changes is over when nothing has come for so long. Its first change is told at once, and the rest as one
at its end: a cable's address and route come after its carrier."""
LONGEST_BURST_S: Final = 2.0

OnChange = Callable[[bool], None]


class Watched(Protocol):
    """Something that tells by a readable descriptor that the network may have changed."""

    def fileno(self) -> int: ...

    def changed(self) -> bool: ...

    def close(self) -> None: ...


def open_netlink() -> Watched | None:
    """None where there is none: other systems, and a sandbox that forbids it."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return Netlink()
    except OSError as error:
        log.warning("no netlink (%s): the local addresses are compared every %.0f s", error, COMPARE_S)
        return None


class NetworkWatch:
    """`changed(woke)` is called on the loop that `start` was called on, until `close`."""

    def __init__(
        self,
        changed: OnChange,
        *,
        servers: Callable[[], Iterable[str]] = tuple,
        slumber: Slumber | None = None,
        netlink: Callable[[], Watched | None] = open_netlink,
    ) -> None:
        """`servers` gives the addresses that matter now, for the comparing: the path to each is watched."""
        self._changed, self._servers = changed, servers
        self._slumber = slumber or Slumber()
        self._open_netlink = netlink
        self._watched: Watched | None = None
        self._sources: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._burst_began: float | None = None
        self._more_came = False  # in this burst, after its first change was told

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watched = self._open_netlink()
        if self._watched is not None:
            self._loop.add_reader(self._watched.fileno(), self._told)
        else:
            self._sources = sources(self._servers())
            self._later("compare", COMPARE_S, self._compare)
        self._slumber.look(0.0)
        self._later("slumber", SLUMBER_S, self._look)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._watched is not None:
            self._loop.remove_reader(self._watched.fileno())
            self._watched.close()
            self._watched = None

    def _later(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = self._loop.call_later(seconds, work)

    # What is noticed

    def _told(self) -> None:
        assert self._watched is not None
        try:
            changed = self._watched.changed()
        except OSError as error:
            log.warning("netlink failed (%s): the local addresses are compared every %.0f s", error, COMPARE_S)
            self._loop.remove_reader(self._watched.fileno())
            self._watched.close()
            self._watched = None
            self._later("compare", COMPARE_S, self._compare)
            changed = True
        if changed:
            self._network_changed()

    def _compare(self) -> None:
        self._later("compare", COMPARE_S, self._compare)
        before, self._sources = self._sources, sources(self._servers())
        # A server that was not asked for before has no path that could have changed.
        if any(before.get(destination, source) != source for destination, source in self._sources.items()):
            self._network_changed()

    def _look(self) -> None:
        self._later("slumber", SLUMBER_S, self._look)
        slept = self._slumber.look(SLUMBER_S)
        if slept:
            log.info("awake again after %.0f s", slept)
            self._changed(True)

    # What is told

    def _network_changed(self) -> None:
        now = self._loop.time()
        if self._burst_began is None:
            self._burst_began, self._more_came = now, False
            log.info("the network has changed")
            self._later("settled", SETTLED_S, self._settled)
            self._changed(False)
        else:
            self._more_came = True
            left = self._burst_began + LONGEST_BURST_S - now
            self._later("settled", max(0.0, min(SETTLED_S, left)), self._settled)

    def _settled(self) -> None:
        self._burst_began = None
        if self._more_came:
            self._changed(False)
