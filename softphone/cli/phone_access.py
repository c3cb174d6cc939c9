"""What the command line needs from the composition root, and how a command waits for events.

Owns: the port `Composition` that `app.py` fills. Must not know: how an engine is built.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from softphone.controller import Phone
from softphone.engine.link.place import LinkForm
from softphone.engine.process.life import LifeTimes
from softphone.engine.waiting import Inbox
from softphone.lab.connection import OnCall
from softphone.lab.lab import DIGESTS, LOOPBACK, Lab
from softphone.messages import AnyEvent, AudioDeviceView
from softphone.policy.secret import Secret
from softphone.sound import AudioChoice, Sound
from softphone.storage.profile import Profile
from softphone.storage.settings import AudioSection, Settings


class EngineKind(enum.Enum):
    OWN = "own"
    ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class PhoneRequest:
    """What a command wants: an engine of its own with these settings, or the running phone."""

    settings: Settings
    passwords: dict[str, Secret]
    client_key_password: Secret | None
    audio: AudioChoice
    trace: Path | None
    engine: EngineKind = EngineKind.OWN


class PhoneSource(Protocol):
    """Where a command gets its phone from."""

    def own_phone(self, request: PhoneRequest) -> AbstractAsyncContextManager[Phone]:
        """An engine inside this process; ends calls and unregisters when left. Raises OperationFailed."""
        ...


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """The engine's own process: whose it is, how it is reached, what it sounds through, how long it lives alone."""

    profile: Profile
    form: LinkForm
    audio: AudioChoice
    times: LifeTimes
    window_command: tuple[str, ...]
    log_level: str


class Composition(PhoneSource, Protocol):
    def lab(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        accounts: Mapping[str, str] | None = None,
        names: tuple[str, ...] = (),
        digests: tuple[str, ...] = DIGESTS,
        on_call: OnCall | None = None,
    ) -> AbstractAsyncContextManager[Lab]:
        """The built-in lab inside this process, started; closed when left. Raises OperationFailed."""
        ...

    def list_devices(self) -> tuple[AudioDeviceView, ...]: ...

    def sound(self, audio: AudioSection) -> AbstractContextManager[Sound]:
        """The sound system with these devices chosen; given back when left."""
        ...

    def open_window(self, *, lab: bool, dial: str) -> int:
        """The window's process until it is closed; its exit code."""
        ...

    def run_engine(self, request: EngineRequest) -> int:
        """The engine's process until it ends; its exit code."""
        ...


@asynccontextmanager
async def events_of(phone: Phone, also: Callable[[AnyEvent], None] | None = None) -> AsyncIterator[Inbox[AnyEvent]]:
    """Every event from now on, and interrupts; `also` sees each event first (progress on a terminal)."""
    inbox: Inbox[AnyEvent] = Inbox()
    inbox.catch_interrupts()

    def listen(event: AnyEvent, _: object) -> None:
        if also is not None:
            also(event)
        inbox.put(event)

    unsubscribe = phone.subscribe(listen)
    try:
        yield inbox
    finally:
        unsubscribe()
