"""The engine as a process of its own: its link, its life, its journal, from "ready" to the end.

Owns: tying those together on one loop. What the phone is, `app.py` builds and gives in.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from softphone.engine import clock
from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.journal import Journal
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkPlace
from softphone.engine.link.server import LinkHooks, LinkServer
from softphone.engine.process.hardening import favour_the_media_thread
from softphone.engine.process.life import EngineLife, LifeAct, LifeTimes
from softphone.engine.process.notice import NOTICE_S, NoticeEndpoint
from softphone.engine.process.spawn import READY, say_to_starter, start_window
from softphone.errors import Failure, FailureKind
from softphone.messages import AnyCommand, AnyEvent, EngineEnding
from softphone.state import AppState
from softphone.ua.actions import MediaId
from softphone.ua.commands import CallId, Command, EndOrphan, HangUp
from softphone.ua.events import CallNotice
from softphone.ua.open_dialog import OpenDialog

log = logging.getLogger(__name__)

WINDOW_LOST = Failure(
    FailureKind.WINDOW_LOST,
    "The call ends because the phone's window is gone and could not be opened again.",
    "Start the phone again.",
)


class PublishingPhone(Protocol):
    """The controller, as this process sees it."""

    @property
    def state(self) -> AppState: ...

    def submit(self, command: AnyCommand) -> None: ...

    def subscribe(self, listener: Callable[[AnyEvent, AppState], None]) -> Callable[[], None]: ...

    def publish(self, event: AnyEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class EngineParts:
    phone: PublishingPhone
    load: Callable[[], None]  # settings, accounts
    submit: Callable[[Command], None]  # to the user agent
    open_dialogs: Callable[[], tuple[OpenDialog, ...]]
    close: Callable[[], Awaitable[None]]  # BYE, un-REGISTER, flows closed


class NoticeEndpoints:
    """The calls' endpoints, wrapped so that the notice can take them over; the same one for calls that share one."""

    def __init__(self, endpoint: Callable[[], AudioEndpoint]) -> None:
        self._endpoint = endpoint
        self._open: list[tuple[AudioEndpoint, NoticeEndpoint]] = []

    def __call__(self, media_id: MediaId) -> AudioEndpoint:
        del media_id  # every call gets the devices of the settings
        return self.wrapped(self._endpoint())

    def wrapped(self, endpoint: AudioEndpoint) -> AudioEndpoint:
        for known, wrapped in self._open:
            if known is endpoint:
                return wrapped
        self._open.append((endpoint, NoticeEndpoint(endpoint)))
        return self._open[-1][1]

    def give_notice(self) -> None:
        for _, wrapped in self._open:
            wrapped.give_notice()

    def forget(self) -> None:
        """No call runs."""
        for _, wrapped in self._open:
            wrapped.forget_notice()


class EngineProcess:
    """Lives on the running loop; the caller holds the profile's lock."""

    def __init__(
        self,
        parts: EngineParts,
        place: LinkPlace,
        journal: Journal,
        endpoints: NoticeEndpoints,
        window_command: Sequence[str],
        times: LifeTimes,
    ) -> None:
        self._parts, self._journal, self._endpoints = parts, journal, endpoints
        self._window_command = window_command
        self._loop = asyncio.get_running_loop()
        self._life = EngineLife(times, clock.now())
        self._timer: asyncio.TimerHandle | None = None
        self._ending = asyncio.Event()
        hooks = LinkHooks(lambda: parts.phone.state, parts.phone.submit, self._attached, self._left)
        self._server = LinkServer(place, hooks)

    def quit(self) -> None:
        """End in order; the loop goes on until everything has been said."""
        self._ending.set()

    async def run(self) -> None:
        """From the journal of the last engine to the end of this one. Raises OSError if there can be no link."""
        phone = self._parts.phone
        unsubscribe = phone.subscribe(self._happened)
        orphans = self._journal.read()
        self._parts.load()
        for orphan in orphans:
            self._parts.submit(EndOrphan(orphan))
        await self._server.start()
        self._catch_signals()
        self._act(self._life.calls(0, clock.now()))
        say_to_starter(READY)
        favour_the_media_thread()
        log.info("ready")
        await self._ending.wait()
        log.info("ending")
        self._server.refuse_newcomers()
        await self._parts.close()
        unsubscribe()
        self._journal.write(())
        if self._timer is not None:
            self._timer.cancel()
        await self._server.close()

    # What happens

    def _happened(self, event: AnyEvent, state: AppState) -> None:
        now = clock.now()
        self._server.publish(event, now)
        self._journal.write(self._parts.open_dialogs())
        if not state.calls:
            self._endpoints.forget()
        self._act(self._life.calls(len(state.calls), now))

    def _attached(self, kind: FrontEndKind) -> None:
        log.info("a %s has attached", kind.value)
        self._act(self._life.attached(kind, clock.now()))

    def _left(self, kind: FrontEndKind) -> None:
        log.info("a %s has left", kind.value)
        self._act(self._life.left(kind, clock.now()))

    def _catch_signals(self) -> None:
        if sys.platform == "win32":
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._told_to_end)

    def _told_to_end(self) -> None:
        if not self._ending.is_set():
            self._parts.phone.publish(EngineEnding())
            self.quit()

    # What is done

    def _act(self, acts: list[LifeAct]) -> None:
        for act in acts:
            match act:
                case LifeAct.START_WINDOW:
                    self._start_window()
                case LifeAct.END_CALLS:
                    self._end_calls()
                case LifeAct.END_ENGINE:
                    log.info("no call and no front end")
                    self._told_to_end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._life.next_timer()
        if deadline is not None and not self._ending.is_set():
            self._timer = self._loop.call_later(max(0.0, deadline - clock.now()), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._act(self._life.handle_timer(clock.now()))

    def _start_window(self) -> None:
        if not self._window_command or self._ending.is_set():
            return
        log.warning("a call without a window: one is started")
        try:
            start_window(self._window_command)
        except OSError as error:
            log.warning("no window could be started: %s", error)

    def _end_calls(self) -> None:
        log.warning("a call without a window: it is ended")
        self._endpoints.give_notice()
        for call in self._parts.phone.state.calls:
            self._parts.phone.publish(CallNotice(call.id, WINDOW_LOST))
            self._loop.call_later(NOTICE_S, self._hang_up, call.id)

    def _hang_up(self, call_id: CallId) -> None:
        self._parts.phone.submit(HangUp(call_id))
