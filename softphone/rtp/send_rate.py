"""How many bits a second a call sends, by what the peer's reports say of the line (RFC 3550 §6.4).

Owns: when to send less and when to try more. Must not know: codecs, packets, clocks.

Loss has two causes. A line that is too narrow queues before it loses, or loses as much as is too much: then less must
be sent, at once. A line that loses anyway (radio) loses the same whatever is sent: then more bits make speech better,
for there is more redundancy in them (docs/media.md has the figures). What cannot be seen is tried: fewer bits for one
report, and if that loses half as much, or a far greater part of it arrives, the line was too narrow.
"""

from __future__ import annotations

from collections import deque

STEPS = (12_000, 16_000, 20_000, 24_000, 32_000, 40_000, 48_000)
"""bit/s. Below the least Opus leaves wideband; above the most nobody hears a difference in speech."""
START = 48_000
HEADERS = 20_000  # bit/s beside the payload of 50 packets a second
UP_S = 10.0  # at least between two steps up
MOST_PATIENCE_S = 160.0
PROBE_AGAIN_S = 60.0  # after fewer bits did not help
QUEUE_MS = 50.0  # so much longer than the shortest way there and back, something queues
LONG_QUEUE_MS = 150.0
SOME_LOSS, MUCH_LOSS = 0.02, 0.08
TRY_AFTER = 3  # reports of much loss in a row: fewer bits cost speech if the line loses anyway
QUEUED = 2  # reports of a queue and loss in a row: one is a busy moment of some machine
NEW_LOSS = 0.05  # and half as much again as before a step up: it was one too many
_REMEMBERED = 24  # reports, some two minutes


class SendRate:
    """Of one stream; tell it every report with `reported`, and send with `bit_rate`."""

    def __init__(self, most: int, start: int = START) -> None:
        """`most` bit/s is the peer's bound, and ours if that is lower."""
        self._steps = tuple(step for step in STEPS if step < most) + ((most,) if most < STEPS[-1] else STEPS[-1:])
        self._place = max(place for place, step in enumerate(self._steps) if step <= start or place == 0)
        self._ways: deque[float] = deque(maxlen=_REMEMBERED)
        self._losses: deque[float] = deque(maxlen=TRY_AFTER)
        self._lossy = 0  # reports in a row
        self._queued = 0  # reports in a row
        self._tried: tuple[float, float | None, int] | None = None  # loss, way, step before fewer bits were tried
        self._not_again_before = 0.0
        self._up_at: float | None = None
        self._went_up_at = float("-inf")
        self._loss_before_up = 0.0
        self._patience = UP_S

    @property
    def bit_rate(self) -> int:
        return self._steps[self._place]

    def reported(self, loss: float, rtt_ms: float | None, now: float) -> int:
        """`loss` as a part of 1 since the report before, `rtt_ms` if it is known; the rate from now on."""
        queue_ms = self._queue(rtt_ms)
        self._losses.append(loss)
        self._lossy = self._lossy + 1 if loss > MUCH_LOSS else 0
        self._queued = self._queued + 1 if queue_ms > QUEUE_MS and loss > SOME_LOSS else 0
        if self._up_at is None:
            self._up_at = now + UP_S
        anyway = now < self._not_again_before  # as far as is known, the line loses whatever is sent
        if self._tried is not None:
            self._judge(loss, rtt_ms, now)
        elif queue_ms > LONG_QUEUE_MS or self._queued >= QUEUED:
            self._retreat(2, now)
        elif now - self._went_up_at < 2 * UP_S and loss > 1.5 * self._loss_before_up + NEW_LOSS:
            self._retreat(1, now)
        elif self._lossy >= TRY_AFTER and self._place and not anyway:
            way = min(list(self._ways)[-TRY_AFTER:], default=None)
            self._tried = (sum(self._losses) / TRY_AFTER, way, self._place)
            self._place = max(0, self._place - 2)
        elif now >= self._up_at and queue_ms <= QUEUE_MS and (anyway or not self._lossy):
            self._go_up(loss, now)
        return self.bit_rate

    def _go_up(self, loss: float, now: float) -> None:
        if self._place + 1 < len(self._steps):
            self._place += 1
            self._loss_before_up = loss
            self._went_up_at, self._up_at = now, now + self._patience

    def _judge(self, loss: float, rtt_ms: float | None, now: float) -> None:
        """Fewer bits were tried. They stay if hardly less arrives than before, or faster: the line was too narrow."""
        assert self._tried is not None
        (before, way_before, place), self._tried = self._tried, None
        fewer = (self._steps[place] + HEADERS) / (self._steps[self._place] + HEADERS)
        arrives_more = (1 - loss) / max(1e-3, 1 - before)
        faster_ms = 0.0 if way_before is None or rtt_ms is None else way_before - rtt_ms
        if loss < before / 2 or arrives_more > (1 + fewer) / 2 or faster_ms > QUEUE_MS:
            self._retreat(0, now)
            self._lossy = TRY_AFTER  # if it still loses much, still fewer are tried at once
        else:
            self._place = place
            self._not_again_before = now + PROBE_AGAIN_S
            self._up_at = now

    def _retreat(self, steps: int, now: float) -> None:
        """The line is too narrow. If more was tried just before, the next try is to come later than this one did."""
        if now - self._went_up_at < 2 * UP_S:
            self._patience = min(2 * self._patience, MOST_PATIENCE_S)
        self._place = max(0, self._place - steps)
        self._up_at = now + 2 * self._patience

    def _queue(self, rtt_ms: float | None) -> float:
        if rtt_ms is None:
            return 0.0
        self._ways.append(rtt_ms)
        return rtt_ms - min(self._ways)
