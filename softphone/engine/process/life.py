"""When the engine starts a window, ends calls that nobody can see, and ends itself (architecture.md "Processes").

Owns: those rules and their times, as a machine: time is an argument, what is to be done comes out as values.
A microphone stays open only while somebody can see that it is: a call needs a window. A tool is no window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from softphone.engine.link.greeting import FrontEndKind


@dataclass(frozen=True, slots=True)
class LifeTimes:
    """Seconds, but for `windows_per_minute`."""

    call_alone: float = 30.0  # a call without a window, until it is ended
    idle: float = 60.0  # no call and no front end, until the engine ends
    windows_per_minute: int = 3  # that are started, at most
    window_patience: float = 10.0  # for a started window to attach before another is tried


class LifeAct(Enum):
    START_WINDOW = auto()
    END_CALLS = auto()  # with a notice
    END_ENGINE = auto()


class EngineLife:
    def __init__(self, times: LifeTimes, now: float) -> None:
        self._times = times
        self._windows = self._tools = self._calls = 0
        self._started: deque[float] = deque()  # moments at which windows were started
        self._next_window: float | None = None
        self._unseen_until: float | None = None
        self._idle_until: float | None = now + times.idle

    def attached(self, kind: FrontEndKind, now: float) -> list[LifeAct]:
        self._count(kind, 1)
        return self._judge(now)

    def left(self, kind: FrontEndKind, now: float) -> list[LifeAct]:
        self._count(kind, -1)
        return self._judge(now)

    def calls(self, running: int, now: float) -> list[LifeAct]:
        """How many calls run now, ringing ones included."""
        self._calls = running
        return self._judge(now)

    def next_timer(self) -> float | None:
        return min(
            (t for t in (self._next_window, self._unseen_until, self._idle_until) if t is not None), default=None
        )

    def handle_timer(self, now: float) -> list[LifeAct]:
        acts = []
        if self._unseen_until is not None and now >= self._unseen_until:
            self._unseen_until = now + self._times.call_alone  # should the calls not end
            acts.append(LifeAct.END_CALLS)
        if self._idle_until is not None and now >= self._idle_until:
            self._idle_until = now + self._times.idle  # should the engine not end
            return [LifeAct.END_ENGINE]
        return acts + self._judge(now)

    def _count(self, kind: FrontEndKind, change: int) -> None:
        if kind is FrontEndKind.WINDOW:
            self._windows += change
        else:
            self._tools += change

    def _judge(self, now: float) -> list[LifeAct]:
        unseen = self._calls > 0 and self._windows == 0
        idle = self._calls == 0 and self._windows + self._tools == 0
        if not unseen:
            self._unseen_until = self._next_window = None
        elif self._unseen_until is None:
            self._unseen_until = now + self._times.call_alone
            self._next_window = now
        if not idle:
            self._idle_until = None
        elif self._idle_until is None:
            self._idle_until = now + self._times.idle
        return self._window_due(now)

    def _window_due(self, now: float) -> list[LifeAct]:
        if self._next_window is None or now < self._next_window:
            return []
        while self._started and now - self._started[0] >= 60:
            self._started.popleft()
        if len(self._started) >= self._times.windows_per_minute:
            self._next_window = self._started[0] + 60 if self._started else None
            return []
        self._started.append(now)
        self._next_window = now + self._times.window_patience
        return [LifeAct.START_WINDOW]
