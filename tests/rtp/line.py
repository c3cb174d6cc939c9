"""A simulated line and an output for jitter buffers: packets arrive when a rule says, frames are taken every 10 ms.

Owns: arrival times, the output's clock and its pretended time scaling (a period of 8 ms at a time), what was given.
No sound: `tests/dsp/test_time_scale.py` has that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from softphone.rtp.adaptive_jitter_buffer import AdaptiveJitterBuffer
from softphone.rtp.jitter_buffer import Frame, Idle, Missing
from softphone.rtp.packet import RtpPacket

RATE = 8000
TICK = 0.01
PERIOD_MS = 8.0
PAUSE_MS = 60.0  # between two changes, as the time scaler has it
Arrival = tuple[float, RtpPacket]


def packet(
    number: int, timestamp: int | None = None, ssrc: int = 1, marker: bool = False, span_ms: int = 20
) -> RtpPacket:
    """Its payload is its number, so that what plays can be told apart."""
    units = number * span_ms * RATE // 1000 if timestamp is None else timestamp
    return RtpPacket(0, number & 0xFFFF, units & 0xFFFF_FFFF, ssrc, number.to_bytes(4, "big", signed=True), marker)


def stream(numbers: Iterable[int], delay: Callable[[int], float | None], span: float = 0.02) -> Iterator[Arrival]:
    """Packets sent every `span` seconds that take `delay(number)` seconds; None: lost."""
    for number in numbers:
        late = delay(number)
        if late is not None:
            yield number * span + late, packet(number, span_ms=round(span * 1000))


@dataclass
class Output:
    """Takes from a buffer as the receiver does, in steps of 10 ms."""

    buffer: AdaptiveJitterBuffer
    span_ms: float = 20.0
    phase: float = 0.003
    played: list[int] = field(default_factory=list)
    sounded_at: dict[int, float] = field(default_factory=dict)
    concealed_ms: float = 0.0
    gaps: list[float] = field(default_factory=list)  # when a concealment or a silence was given after the start
    recoverable: int = 0
    shortened: int = 0
    lengthened: int = 0
    depths: list[float] = field(default_factory=list)
    _ready: float = 0.0
    _since_change: float = 0.0

    def run(self, arrivals: Iterable[Arrival], seconds: float, start: float = 0.0, pace: float = 1.0) -> Output:
        """`pace`: seconds of the true clock that one of the output's seconds lasts."""
        waiting = sorted(arrivals, key=lambda arrival: arrival[0])
        index = 0
        for tick in range(int(seconds / TICK)):
            now = start + self.phase + tick * TICK * pace
            while index < len(waiting) and waiting[index][0] <= now:
                self.buffer.put(waiting[index][1], waiting[index][0])
                index += 1
            self.tick(now)
        return self

    def tick(self, now: float) -> None:
        while self._ready < 9.999:
            self._ready += self._given(now, self._ready / 1000)
        self._ready -= 10
        self.depths.append(self.buffer.depth_ms)

    def _given(self, now: float, ahead: float) -> float:
        at = now + ahead
        answer = self.buffer.get(at, ahead)
        length = 10.0
        match answer:
            case Frame():
                number = int.from_bytes(answer.packet.payload, "big", signed=True)
                self.played.append(number)
                self.sounded_at[number] = at
                length = self.span_ms + self._change(answer.change_ms)
            case Missing():
                self.concealed_ms += answer.count * 10
                self.gaps.append(at)
                self.recoverable += answer.following is not None
                length = answer.count * 10.0
            case Idle():
                if self.played:
                    self.gaps.append(at)
        self._since_change += length
        return length

    def _change(self, wanted: float) -> float:
        if wanted == 0 or self._since_change < PAUSE_MS:
            return 0.0
        self._since_change = 0.0
        if wanted > 0:
            self.lengthened += 1
            return PERIOD_MS
        self.shortened += 1
        return -PERIOD_MS

    def delay_ms(self, number: int, span: float = 0.02) -> float:
        """From the packet's sending to its sounding."""
        return (self.sounded_at[number] - number * span) * 1000
