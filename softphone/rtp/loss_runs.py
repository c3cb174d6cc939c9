"""How many runs the losses of a stream come in: what tells bursts from scattered loss (ITU-T G.107 §7.5).

Owns: the gaps in the sequence numbers, as long as a packet out of order may still close them. Costs nothing while
packets come in order. Must not know: packets, time.
"""

from __future__ import annotations

from collections import deque

MAX_OPEN = 64
"""Gaps that may still be closed: more do not fit between the packets by which one may be out of order."""


class LossRuns:
    """Of one stream, with sequence numbers that are extended by their cycles (RFC 3550 A.1)."""

    def __init__(self) -> None:
        self._settled = 0
        self._open: deque[tuple[int, int]] = deque()  # first and last of each gap, oldest first

    @property
    def runs(self) -> int:
        return self._settled + len(self._open)

    def gap(self, first: int, count: int) -> None:
        """`count` packets from `first` on did not come before later ones."""
        self._open.append((first, first + count - 1))
        self._limit()

    def came(self, sequence: int) -> None:
        """A packet came out of order: it may close a gap, shorten it, or make two of it."""
        for place in range(len(self._open) - 1, -1, -1):
            first, last = self._open[place]
            if first <= sequence <= last:
                del self._open[place]
                for piece in ((sequence + 1, last), (first, sequence - 1)):
                    if piece[0] <= piece[1]:
                        self._open.insert(place, piece)
                self._limit()
                return

    def settle(self) -> None:
        """The numbers begin anew: what is missing of the old ones stays lost."""
        self._settled += len(self._open)
        self._open.clear()

    def _limit(self) -> None:
        while len(self._open) > MAX_OPEN:
            self._open.popleft()
            self._settled += 1
