"""Two layers joined in memory: a line that delivers, loses, doubles and delays, and keeps a log in plain words."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

from softphone.sip.parser import parse_message
from softphone.sip.transaction_layer import LayerOutput
from tests.sip.playbook import FLOW, Play, in_words

LATENCY = 0.01  # s

# What becomes of one message: the delays with which it arrives. () is lost, two entries are a duplicate.
Fate = tuple[float, ...]
React = Callable[[Play, LayerOutput, float], None]


def nothing(play: Play, output: LayerOutput, now: float) -> None:
    """A user that only listens."""


class Line:
    """`react` of each side is called for every output and may answer at once."""

    def __init__(self, left: Play, right: Play, fates: Iterator[Fate] | None = None) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.sides = {"left": left, "right": right}
        self.react: dict[str, React] = {"left": nothing, "right": nothing}
        self._fates = fates if fates is not None else iter(())
        self._count = itertools.count()
        self._on_the_way: list[tuple[float, int, str, bytes]] = []
        self._later: list[tuple[float, int, Callable[[float], None]]] = []

    def at(self, time: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._later, (time, next(self._count), act))

    def run(self, until: float) -> None:
        """Lets everything happen in the order of time."""
        self._pump()
        while (time := self._next_time()) is not None and time <= until:
            self.now = max(self.now, time)
            while self._later and self._later[0][0] <= self.now:
                heapq.heappop(self._later)[2](self.now)
                self._pump()
            while self._on_the_way and self._on_the_way[0][0] <= self.now:
                _, _, side, data = heapq.heappop(self._on_the_way)
                self.sides[side].layer.receive(parse_message(data), FLOW, "192.0.2.1", 5061, self.now)
                self._pump()
            for play in self.sides.values():
                play.layer.handle_timer(self.now)
                self._pump()
        self.now = until

    def said(self, side: str) -> list[str]:
        """What one side heard from its layer, without times and without what was sent."""
        return [
            line.split(" ", 2)[2]
            for line in self.log
            if line.split(" ", 2)[1] == side and not line.split(" ", 2)[2].startswith("send")
        ]

    def on_the_wire(self) -> list[str]:
        """Everything that was sent: "left INVITE", "right 180", …"""
        return [f"{line.split()[1]} {line.split()[3]}" for line in self.log if line.split(" ", 2)[2].startswith("send")]

    def _next_time(self) -> float | None:
        times = [self._on_the_way[0][0]] if self._on_the_way else []
        times += [self._later[0][0]] if self._later else []
        times += [t for play in self.sides.values() if (t := play.layer.next_timer()) is not None]
        return min(times, default=None)

    def _pump(self) -> None:
        """Until neither side has anything more to say."""
        busy = True
        while busy:
            busy = False
            for name, play in self.sides.items():
                seen = len(play.outputs)
                play.heard()
                for output in play.outputs[seen:]:
                    busy = True
                    self.log.append(f"{self.now:g} {name} {in_words(output)}")
                    self.react[name](play, output, self.now)
                self._post(name, play)

    def _post(self, sender: str, play: Play) -> None:
        receiver = "right" if sender == "left" else "left"
        for _, data in play.sending:
            for delay in next(self._fates, (LATENCY,)):
                heapq.heappush(self._on_the_way, (self.now + delay, next(self._count), receiver, data))
        play.sending.clear()
