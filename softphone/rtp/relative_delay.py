"""How much later than the fastest ones packets come, and from that how long to hold them back.

Owns: the delay of the fastest recent packet (the base), the histogram of the others' delay above it, spikes that come
again. Must not know: packets, sound. Times are in seconds; a transit is arrival minus timestamp, so that its zero
means nothing and its drift is the clocks'.
"""

from __future__ import annotations

from collections import deque
from math import inf

QUANTILE = 0.97  # of the packets are to come in time
MEMORY_S = 13.0  # after so long an arrival counts 1/e of a fresh one
BASE_WINDOW_S = 2.0  # the base is the smallest transit of one to two such windows
BUCKET_S = 0.005
BUCKETS = 80
SHORTEST_S = 0.010  # the target at a quiet line: less than a packet, for the output asks for half of one at a time
ASKING_S = 0.005  # the output asks in steps of one frame: from half a step before the target to half a step after it
SPIKE_S = 0.030  # so far beyond the quantile a packet is a spike
SPIKE_APART_S = 1.0  # packets of one spike are no further apart
SPIKE_MEMORY_S = 20.0
_HEAVY = 1e9  # weights are scaled down from here


class RelativeDelay:
    """Of one stream: `arrived` for every packet once, `target` is what the playout follows."""

    def __init__(self) -> None:
        self.target = SHORTEST_S  # above the base
        self._quantile = 0.0
        self._weights = [0.0] * BUCKETS
        self._total = 0.0
        self._weight = 1.0  # of the next arrival: it grows, in place of all others shrinking
        self._spikes: deque[tuple[float, float]] = deque(maxlen=4)  # (when last seen, height above the base)
        self.begin()

    def begin(self) -> None:
        """The transits' zero is another from now on; how the line behaves is not forgotten."""
        self.base = 0.0
        self._anchor = inf  # the base that the histogram counts from
        self._smallest = self._smallest_before = inf
        self._window_began = -inf

    def arrived(self, transit: float, now: float, span: float) -> None:
        """A packet of `span` seconds came at `now`."""
        self._follow_base(transit, now)
        relative = transit - self.base
        bucket = min(int(relative / BUCKET_S), BUCKETS - 1)
        self._weights[bucket] += self._weight * span
        self._total += self._weight * span
        self._weight *= 1.0 + span / MEMORY_S
        if self._weight > _HEAVY:
            self._rescale()
        self._quantile = self._find_quantile()
        if relative > self._quantile + SPIKE_S:
            self._spike(relative, now)
        self.target = min(max(SHORTEST_S, self._quantile + ASKING_S, self._recurring_spike(now)), BUCKETS * BUCKET_S)

    def _follow_base(self, transit: float, now: float) -> None:
        if now - self._window_began >= BASE_WINDOW_S:
            recent = now - self._window_began < 2 * BASE_WINDOW_S
            self._smallest_before = self._smallest if recent else inf
            self._smallest = inf
            self._window_began = now
        self._smallest = min(self._smallest, transit)
        self.base = min(self._smallest, self._smallest_before)
        if self.base <= self._anchor:
            self._anchor = self.base  # a faster way says nothing about the jitter seen before
        elif self.base - self._anchor >= BUCKET_S:
            self._shift(int((self.base - self._anchor) / BUCKET_S))

    def _shift(self, buckets: int) -> None:
        """The base rose: what was late against the old one is not late against the new one."""
        self._anchor += buckets * BUCKET_S
        moved = min(buckets, BUCKETS - 1)
        self._weights = [sum(self._weights[: moved + 1]), *self._weights[moved + 1 :], *([0.0] * moved)]
        spikes = [(when, height - buckets * BUCKET_S) for when, height in self._spikes]
        self._spikes = deque((spike for spike in spikes if spike[1] > SPIKE_S), maxlen=4)

    def _find_quantile(self) -> float:
        wanted, sum_ = QUANTILE * self._total, 0.0
        for bucket, weight in enumerate(self._weights):
            sum_ += weight
            if sum_ >= wanted:
                return (bucket + 1) * BUCKET_S
        return BUCKETS * BUCKET_S

    def _rescale(self) -> None:
        self._weights = [weight / self._weight for weight in self._weights]
        self._total = sum(self._weights)
        self._weight = 1.0

    def _spike(self, height: float, now: float) -> None:
        if self._spikes and now - self._spikes[-1][0] < SPIKE_APART_S:
            height = max(height, self._spikes.pop()[1])
        self._spikes.append((now, height))

    def _recurring_spike(self, now: float) -> float:
        """What would absorb spikes that came twice at least within the memory; 0 if there are none."""
        if len(self._spikes) < 2:
            return 0.0
        heights = sorted(height for when, height in self._spikes if now - when < SPIKE_MEMORY_S)
        return heights[-2] + ASKING_S if len(heights) > 1 else 0.0
