"""What client and server transactions share: a state, a table, running timers (RFC 3261 §17).

Owns: performing a step of a table. Knows no message.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from softphone.sip.timers import Deadlines, Timer, Timers
from softphone.sip.transaction_outputs import LayerOutput, TransactionEnded
from softphone.sip.transaction_tables import (
    TIMER_INPUTS,
    BackOff,
    Do,
    Input,
    Start,
    StartAtT2,
    State,
    Stop,
    TransactionTable,
)

Emit = Callable[[LayerOutput], None]


class Transaction(ABC):
    """`name` is the branch or the key; TransactionEnded(name) is emitted when the machine terminates."""

    def __init__(self, name: str, flow_id: str, table: TransactionTable, timers: Timers, emit: Emit) -> None:
        self.name = name
        self.flow_id = flow_id
        self.state = table.initial
        self._table = table
        self._timers = timers
        self._deadlines = Deadlines(timers)
        self._emit = emit

    def start(self, now: float) -> None:
        """Does what the table says on entry; once, after construction."""
        for action in self._table.entry:
            self._perform(action, now)

    def flow_closed(self, now: float) -> None:
        self._step(Input.FLOW_CLOSED, now)

    def next_timer(self) -> float | None:
        return self._deadlines.next()

    def handle_timer(self, now: float) -> None:
        """Fires every timer that is due."""
        while (timer := self._deadlines.take_due(now)) is not None:
            self._fire(timer, now)

    def _step(self, given: Input, now: float) -> None:
        before = self.state
        self.state, actions = self._table.step(before, given)
        if self.state is not before:
            self._deadlines.keep_only(self._timers_of(self.state))
        at_once = [timer for action in actions if (timer := self._perform(action, now)) is not None]
        if self.state is State.TERMINATED and before is not State.TERMINATED:
            self._emit(TransactionEnded(self.name))
        for timer in at_once:
            self._step(TIMER_INPUTS[timer], now)

    def _timers_of(self, state: State) -> frozenset[Timer]:
        """A timer runs on only where the table has a row for it."""
        return frozenset(timer for timer, given in TIMER_INPUTS.items() if (state, given) in self._table.rows)

    def _perform(self, action: Do | Start | BackOff | StartAtT2 | Stop, now: float) -> Timer | None:
        """Does it; returns a started timer of zero, which fires as soon as the step is complete."""
        match action:
            case Start(timer):
                if self._timers.first(timer) == 0:
                    return timer
                self._deadlines.start(timer, now)
            case BackOff(timer):
                self._deadlines.back_off(timer, now)
            case StartAtT2(timer):
                self._deadlines.start_at_longest(timer, now)
            case Stop(timer):
                self._deadlines.stop(timer)
            case Do():
                self._do(action)
        return None

    def _fire(self, timer: Timer, now: float) -> None:
        self._step(TIMER_INPUTS[timer], now)

    @abstractmethod
    def _do(self, action: Do) -> None: ...
