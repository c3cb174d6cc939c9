"""The queue between a device's callback and the media thread: bounded in time, never locked.

Owns: `BlockQueue`. Must not know: devices, threads. One side puts, the other takes; both rest on `deque.append` and
`deque.popleft` being atomic, so that neither side ever waits for the other.
"""

from __future__ import annotations

from collections import deque


class BlockQueue:
    """Blocks of 10 ms, oldest first, at most `limit` of them: a backlog at the start or after a stall is dropped.

    Where the two clocks drift, blocks pile up slowly: when at least `surplus` blocks were left over at every take
    for `_OBSERVED` takes (2 s), one is dropped. The other way a take finds nothing and counts as missing.
    """

    _OBSERVED = 200

    def __init__(self, limit: int, surplus: int) -> None:
        self._blocks: deque[bytes] = deque(maxlen=limit)
        self._surplus = surplus
        self._fewest = limit
        self._takes = 0
        self.dropped = 0
        self.missing = 0
        self.arrived = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def put(self, block: bytes) -> None:
        """Append; the oldest block is dropped where the queue is full."""
        blocks = self._blocks
        if len(blocks) == blocks.maxlen:
            self.dropped += 1
        blocks.append(block)
        self.arrived += 1

    @property
    def passed(self) -> int:
        """How many blocks have left, taken or dropped: the number of the one taken last, the first being 1.

        One too few for an instant while the other side puts.
        """
        return self.arrived - len(self._blocks)

    def take(self) -> bytes | None:
        """The oldest block, or None."""
        try:
            block = self._blocks.popleft()
        except IndexError:
            self.missing += 1
            self._observe(0)
            return None
        self._observe(len(self._blocks))
        return block

    def clear(self) -> None:
        self._blocks.clear()

    def _observe(self, left: int) -> None:
        self._fewest = min(self._fewest, left)
        self._takes += 1
        if self._takes < self._OBSERVED:
            return
        if self._fewest >= self._surplus and self._blocks:
            self._blocks.popleft()
            self.dropped += 1
        self._takes = 0
        self._fewest = self._blocks.maxlen or 0
