"""One direction's quality now and over the whole call, from counts that are read once a second.

Owns: the window, the totals. Must not know: packets, where the counts come from. The estimate is `quality.py`'s.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from softphone.rtp.quality import CodecImpairment, Quality, burst_ratio, quality

WINDOW_S = 8
"""Seconds that "now" means: a few words, and more than a loss of one packet counts for."""
MIN_PACKETS = 10
"""Fewer in the window say nothing."""


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """Packets since the stream's start."""

    expected: int = 0
    lost: int = 0
    late: int = 0  # came, but after their time
    runs: int = 0  # that the lost ones came in; 0: not known

    def since(self, before: StreamCounts) -> StreamCounts:
        """A packet out of order makes a loss undone, so nothing is taken below 0."""
        return StreamCounts(
            max(0, self.expected - before.expected),
            max(0, self.lost - before.lost),
            max(0, self.late - before.late),
            max(0, self.runs - before.runs),
        )

    def plus(self, more: StreamCounts) -> StreamCounts:
        return StreamCounts(
            self.expected + more.expected, self.lost + more.lost, self.late + more.late, self.runs + more.runs
        )


class QualityMeter:
    """`read` it at even intervals; `now` and `whole` are None before there is enough to tell."""

    def __init__(self, codec: CodecImpairment, window: int = WINDOW_S) -> None:
        """`window`: how many readings back "now" begins."""
        self.codec = codec
        self.now: Quality | None = None
        self.whole: Quality | None = None
        self._window: deque[tuple[StreamCounts, float]] = deque([(StreamCounts(), 0.0)], maxlen=window + 1)
        self._delays = 0.0
        self._readings = 0

    def read(self, counts: StreamCounts, delay_ms: float, *, missing: int = 0, resting: bool = False) -> None:
        """`counts` are totals, `delay_ms` is mouth to ear at present.

        `missing` packets should have come by now and there is no later one to show that they are lost. `resting`:
        nobody speaks at the other end, so that no packets say nothing; the last estimate stays.
        """
        self._window.append((counts, delay_ms))
        recent = counts.since(self._window[0][0]).plus(StreamCounts(missing, missing))
        if recent.expected >= MIN_PACKETS:
            delays = [delay for _, delay in list(self._window)[1:]]
            self.now = self._rated(recent, sum(delays) / len(delays))
        elif not resting:
            self.now = None
        if recent.expected:
            self._delays += delay_ms
            self._readings += 1
        if counts.expected >= MIN_PACKETS and self._readings:
            self.whole = self._rated(counts, self._delays / self._readings)

    def _rated(self, counts: StreamCounts, delay_ms: float) -> Quality:
        loss = (counts.lost + counts.late) / counts.expected
        return quality(self.codec, loss, burst_ratio(counts.expected, counts.lost, counts.runs), delay_ms)
