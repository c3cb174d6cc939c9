"""The window's end of the link to the engine, in Qt's terms: one queued signal without arguments, one slot that drains.

Owns: the last AppState, and what becomes of running calls when the engine is lost. Must not know: how an engine is
started or reached (`engine/link/`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

from PySide6.QtCore import QObject, Qt, Signal, Slot

from softphone.engine.link.window_link import (
    EngineBack,
    EngineLost,
    EngineUnavailable,
    EventReceived,
    LinkItem,
    StateReceived,
)
from softphone.errors import Failure, FailureKind
from softphone.messages import AnyCommand, EngineEnding, WindowRaised
from softphone.state import MAX_RECENT, AppState, reduce
from softphone.ua.events import CallEnded, EndedBy


class Link(Protocol):
    """What `engine.link.window_link.WindowLink` does."""

    def start(self) -> None: ...

    def submit(self, command: AnyCommand) -> None: ...

    def take(self) -> list[LinkItem]: ...

    def close(self) -> None: ...


LinkFactory = Callable[[Callable[[], None]], Link]
"""Makes a link that calls the given `wake` from its own thread whenever there is something to take."""


class PhoneLink(QObject):
    """`changed` once for all that came together: a flood of events must not be drawn one by one. The rest as they
    happen. All signals are emitted in the GUI thread.
    """

    changed = Signal()
    attached = Signal()  # an engine answers: at the start and after each loss
    lost = Signal(str)  # why; another engine is being started
    unavailable = Signal(object)  # Failure: none could be started, it is tried again
    raised = Signal(str)  # a second start: the address to call, or ""
    ending = Signal()  # the engine ends in order
    _woken = Signal()

    def __init__(self, link_factory: LinkFactory, clock: Callable[[], float], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = AppState()
        self._clock = clock
        self._stale = False  # the state is newer than what `changed` told last
        self._woken.connect(self._drain, Qt.ConnectionType.QueuedConnection)
        self._link = link_factory(self._woken.emit)

    def start(self) -> None:
        self._link.start()

    def submit(self, command: AnyCommand) -> None:
        self._link.submit(command)

    def close(self) -> None:
        self._link.close()

    @Slot()
    def _drain(self) -> None:
        for item in self._link.take():
            self._take(item)
        self._tell()

    def _tell(self) -> None:
        if self._stale:
            self._stale = False
            self.changed.emit()

    def _take(self, item: LinkItem) -> None:
        match item:
            case StateReceived(state=state):
                self.state = _with_lost_calls(state, self.state)
                self._stale = True
                self._tell()
                self.attached.emit()
            case EventReceived(event=event, state=state):
                self.state = _with_lost_calls(state, self.state)
                if isinstance(event, WindowRaised):
                    self.raised.emit(event.dial)
                elif isinstance(event, EngineEnding):
                    self.ending.emit()
                self._stale = True
            case EngineLost(reason=reason):
                self._end_calls(reason)
                self.lost.emit(reason)
                self._stale = True
            case EngineUnavailable(failure=failure):
                self.unavailable.emit(failure)
            case EngineBack():
                pass  # the state that comes next says it
            case _:
                assert_never(item)

    def _end_calls(self, reason: str) -> None:
        """The engine that held them is gone; should it be there after all, the next state shows them again."""
        failure = Failure(
            FailureKind.ENGINE_FAILED,
            "The phone's engine stopped during this call.",
            "Call again; if it happens again, look into the engine's log.",
            (reason,),
        )
        for call in self.state.calls:
            ended = CallEnded(call.id, EndedBy.LOCAL, failure=failure, report=call.report)
            self.state = reduce(self.state, ended, self._clock())


def _with_lost_calls(state: AppState, before: AppState) -> AppState:
    """The engine's state, with the calls of this window's list that a former engine held."""
    known = {call.id for call in (*state.calls, *state.recent)}
    lost = [
        call
        for call in before.recent
        if call.id not in known
        and call.ended is not None
        and call.ended.failure is not None
        and call.ended.failure.kind is FailureKind.ENGINE_FAILED
    ]
    if not lost:
        return state
    recent = sorted((*state.recent, *lost), key=lambda call: call.ended_at or 0.0, reverse=True)
    return replace(state, recent=tuple(recent[:MAX_RECENT]))
