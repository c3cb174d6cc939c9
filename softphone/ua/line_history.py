"""What a call's line was like over time, to be drawn: series of bounded length, one value a second at first.

Owns: which figures are kept, how old ones are thinned out. The last five minutes stay as they were reported; what is
older is averaged over ever longer spans, so that a call of any length has at most 600 points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from softphone.ua.media_report import MediaReport

RECENT = 360  # reports, one a second
AT_ONCE = 60  # of them age together
COARSE = 240  # points before them
KEPT = 120  # points of a call that has ended

Value = float | None
Series = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class LineHistory:
    """All series are of one length, oldest first. None: not known at that time, or nothing was due (on hold)."""

    at: tuple[float, ...] = ()  # s of the engine's clock
    mos: Series = ()  # of what we hear
    mos_remote: Series = ()  # of what the peer hears
    loss: Series = ()  # %, of what we hear: lost and late
    loss_remote: Series = ()  # %, of what we send, as the peer reports
    jitter_ms: Series = ()
    rtt_ms: Series = ()
    delay_ms: Series = ()  # of the jitter buffer
    target_ms: Series = ()
    depth_ms: Series = ()
    microphone_db: Series = ()
    speaker_db: Series = ()
    coarse: int = 0  # so many points at the beginning are averages
    span: int = 1  # of so many reports each
    filled: int = 0  # reports in the last of them

    def __len__(self) -> int:
        return len(self.at)

    def with_report(self, report: MediaReport, now: float) -> LineHistory:
        # Each second of each call: this is half as much work as unpacking.
        values = {name: getattr(self, name) + (value(report, now),) for name, value in _VALUES.items()}  # noqa: RUF005
        grown = replace(self, **values)
        return grown._aged() if len(grown) - grown.coarse > RECENT else grown

    def thinned(self, most: int = KEPT) -> LineHistory:
        """At most so many points over the whole time."""
        thin = self
        while len(thin) > most:
            thin = thin._with(lambda _, series: _pairs(series))
        return replace(thin, coarse=len(thin), span=1, filled=1)

    def _aged(self) -> LineHistory:
        """The oldest of the recent reports join the averages: many at once, for that costs much more than one."""
        coarse, span, filled = self.coarse, self.span, self.filled
        columns = {name: list(getattr(self, name)) for name in SERIES}
        averages = {name: column[:coarse] for name, column in columns.items()}
        for point in range(coarse, coarse + AT_ONCE):
            if coarse == COARSE and filled == span:
                averages = {name: list(_pairs(tuple(column))) for name, column in averages.items()}
                coarse, span, filled = COARSE // 2, 2 * span, 2 * span
            joins = coarse > 0 and filled < span
            for name, column in averages.items():
                value = columns[name][point]
                if joins:
                    column[-1] = _mean(column[-1], value, filled)
                else:
                    column.append(value)
            coarse, filled = (coarse, filled + 1) if joins else (coarse + 1, 1)
        rest = self.coarse + AT_ONCE
        series = {name: (*averages[name], *columns[name][rest:]) for name in SERIES}
        return replace(self, **series, coarse=coarse, span=span, filled=filled)

    def _with(self, change: Callable[[str, Any], Any]) -> LineHistory:
        return replace(self, **{name: change(name, getattr(self, name)) for name in SERIES})


SERIES = tuple(field.name for field in fields(LineHistory) if field.name not in ("coarse", "span", "filled"))


def _mean(one: Value, other: Value, weight: int = 1) -> Value:
    """`one` stands for `weight` reports."""
    if one is None or other is None:
        return other if one is None else one
    return round((one * weight + other) / (weight + 1), 2)


def _pairs(series: Series) -> Series:
    halved = tuple(_mean(a, b) for a, b in zip(series[::2], series[1::2], strict=False))
    return (*halved, series[-1]) if len(series) % 2 else halved


def _rounded(value: float | None, digits: int = 1) -> Value:
    return None if value is None else round(value, digits)


# Rounded, as all of them cross the link to a window that opens in mid call.
_VALUES: dict[str, Callable[[MediaReport, float], Value]] = {
    "at": lambda _, now: round(now, 1),
    "mos": lambda r, _: None if r.quality.heard_now is None else round(r.quality.heard_now.mos, 2),
    "mos_remote": lambda r, _: None if r.quality.said_now is None else round(r.quality.said_now.mos, 2),
    "loss": lambda r, _: None if r.quality.heard_now is None else round(r.quality.heard_now.loss * 100, 1),
    "loss_remote": lambda r, _: None if r.quality.said_now is None else round(r.quality.said_now.loss * 100, 1),
    "jitter_ms": lambda r, _: _rounded(r.jitter_ms),
    "rtt_ms": lambda r, _: _rounded(r.rtt_ms),
    "delay_ms": lambda r, _: round(r.playout.delay_ms, 1),
    "target_ms": lambda r, _: round(r.playout.target_ms, 1),
    "depth_ms": lambda r, _: round(r.playout.depth_ms, 1),
    "microphone_db": lambda r, _: _rounded(r.microphone_level_db, 0),
    "speaker_db": lambda r, _: _rounded(r.speaker_level_db, 0),
}
