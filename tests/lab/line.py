"""A real phone at the lab: Application.own_phone over loopback TLS, with what it said on the way.

Owns: bringing both up, waiting with a time-out, taking both down.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from softphone.app import Application
from softphone.cli.phone_access import PhoneRequest
from softphone.controller import Phone
from softphone.engine import clock
from softphone.engine.audio.wav import read_wav
from softphone.engine.waiting import Inbox, Interrupted
from softphone.lab.lab import DIGESTS, LOOPBACK, Lab
from softphone.lab.services import SENTENCE
from softphone.messages import AnyEvent
from softphone.policy.media import ConnectionProfile, MediaEncryption, UnencryptedPeer
from softphone.policy.secret import Secret
from softphone.sound import AudioChoice, AudioKind
from softphone.storage.resource import resource_path
from softphone.storage.settings import AccountSettings, MediaSection, Settings, TlsSection
from softphone.ua.commands import Dial, HangUp
from softphone.ua.events import CallEnded, RegistrationChanged, RegistrationState

E = TypeVar("E")
PATIENCE = 10.0  # s for anything at all
MANDATORY = MediaSection()
DISABLED = MediaSection(encryption=MediaEncryption.DISABLED, connection_profile=ConnectionProfile.PRIVATE)
OPTIONAL = MediaSection(
    encryption=MediaEncryption.OPTIONAL,
    connection_profile=ConnectionProfile.PRIVATE,
    unencrypted_peer=UnencryptedPeer.ALLOW,
)


@dataclass
class Line:
    phone: Phone
    recording: Path
    inbox: Inbox[AnyEvent]
    seen: list[AnyEvent] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def until(self, kind: type[E]) -> E:
        """The next event of that kind that has not been waited for; fails with what came instead."""
        deadline = clock.now() + PATIENCE
        while True:
            event = await self.inbox.next(max(0.0, deadline - clock.now()))
            assert event is not None, f"no {kind.__name__} after {[type(e).__name__ for e in self.seen]}"
            assert not isinstance(event, Interrupted)
            self.seen.append(event)
            if isinstance(event, kind):
                return event

    def saw(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    def dial(self, target: str) -> str:
        call_id = f"call{next(self._numbers)}"
        self.phone.submit(Dial(call_id, target))
        return call_id

    async def hang_up(self, call_id: str) -> CallEnded:
        self.phone.submit(HangUp(call_id))
        return await self.until(CallEnded)

    async def spend(self, seconds: float) -> None:
        """Let the call go on for a while, whatever happens in it."""
        deadline = clock.now() + seconds
        while (left := deadline - clock.now()) > 0:
            event = await self.inbox.next(left)
            if event is not None and not isinstance(event, Interrupted):
                self.seen.append(event)

    def heard(self, rate: int = 16_000) -> NDArray[np.int16]:
        return read_wav(self.recording, rate)


def spoken(rate: int = 16_000) -> NDArray[np.int16]:
    return read_wav(resource_path(SENTENCE), rate)


@contextlib.asynccontextmanager
async def lab_running(pace: float = 0.1, digests: tuple[str, ...] = DIGESTS) -> AsyncIterator[Lab]:
    lab = Lab(pace=pace, digests=digests)
    await lab.start()
    try:
        yield lab
    finally:
        await lab.close()


@contextlib.asynccontextmanager
async def signed_in(
    lab: Lab, folder: Path, user: str = "alice", media: MediaSection = MANDATORY, password: str | None = None
) -> AsyncIterator[Line]:
    """A phone that plays the sentence into its call and records what it hears; its registration has been decided."""
    account = AccountSettings(name=user, user=user, domain=LOOPBACK, server=f"{LOOPBACK}:{lab.port}")
    settings = Settings(tls=TlsSection(ca_files=(str(lab.ca_file),)), media=media, accounts=(account,))
    recording = folder / f"{user}.wav"
    sound = AudioChoice(AudioKind.FILE, resource_path(SENTENCE), recording)
    secret = Secret(password if password is not None else lab.accounts[user])
    async with Application().own_phone(PhoneRequest(settings, {user: secret}, None, sound, None)) as phone:
        inbox: Inbox[AnyEvent] = Inbox()
        phone.subscribe(lambda event, _: inbox.put(event))
        line = Line(phone, recording, inbox)
        decided = (RegistrationState.REGISTERED, RegistrationState.FAILED, RegistrationState.WAITING)
        while phone.state.accounts[0].state not in decided:
            await line.until(RegistrationChanged)
        yield line
