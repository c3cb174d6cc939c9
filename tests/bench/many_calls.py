"""One engine with many accounts and calls at once, and what that costs: run as a process of its own against a lab.

    python -m tests.bench.many_calls --lab 127.0.0.1:5061 --ca ca.crt --accounts-file accounts --calls 30 --seconds 20

Owns: the phone of `test_many_calls.py` and its figures, printed as one line of JSON. The engine is the product's own:
user agent, TLS flows, the media thread with its sockets. Every call hears the lab's sentence and sends our microphone;
`--active` of them are talked in, the others on hold, as a person would have them.
"""

from __future__ import annotations

import softphone.tls_environment  # noqa: F401 - before the first use of OpenSSL, which hashlib is

# isort: split
import argparse
import asyncio
import cProfile
import json
import os
import pstats
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from softphone.engine.connector import FlowOpener
from softphone.engine.core import EngineCore
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.ports import Post
from softphone.engine.process.hardening import favour_the_media_thread
from softphone.engine.waiting import run
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsSettings
from softphone.ua.account import Account, ServerTarget
from softphone.ua.commands import AddAccount, Dial, HangUp, Resume
from softphone.ua.events import CallEnded, CallSecured, Event, HoldChanged, RegistrationChanged, RegistrationState
from softphone.ua.media_report import MediaReport
from softphone.ua.user_agent import UserAgent

E = TypeVar("E")
PATIENCE_S = 60.0
MICROPHONES: dict[str, Callable[[], AudioEndpoint]] = {"null": NullEndpoint, "tone": ToneEndpoint}


@dataclass
class Figures:
    accounts: int
    calls: int
    active: int
    microphone: str
    seconds: float = 0.0
    memory_registered_mib: float = 0.0
    memory_in_calls_mib: float = 0.0
    cpu_percent: float = 0.0  # of one core, the whole process
    ticks: int = 0
    late_ticks: int = 0
    skipped_ticks: int = 0
    worst_late_ms: float = 0.0
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    lost_there: int = 0  # of ours, as the lab reported
    concealed_ms: float = 0.0
    auth_failures: int = 0
    established: int = 0
    encrypted: int = 0
    failures: list[str] = field(default_factory=list)


class Crowd:
    def __init__(self, figures: Figures, lab: ServerTarget, ca: Path, users: dict[str, str]) -> None:
        self.figures = figures
        self.users = dict(list(users.items())[: figures.accounts])
        self._lab, self._ca = lab, ca
        self.events: list[Event] = []
        self._media: MediaEngine | None = None
        endpoint = MICROPHONES[figures.microphone]()
        self._core = EngineCore(
            UserAgent(secrets.token_bytes),
            opener=FlowOpener(),
            tls_settings=lambda _: TlsSettings(ca_files=(str(ca),)),
            endpoint=lambda _: endpoint,
            publish=self.events.append,
            media=self._made,
        )

    def _made(self, post: Post) -> MediaEngine:
        self._media = MediaEngine(post)
        return self._media

    @property
    def media(self) -> MediaEngine:
        assert self._media is not None
        return self._media

    async def live(self, seconds: float) -> None:
        try:
            await self._register()
            favour_the_media_thread()
            self.figures.memory_registered_mib = resident_mib()
            calls = await self._dial()
            await self._measure(calls, seconds)
            for call_id in calls:
                self._core.submit(HangUp(call_id))
            await self._until(lambda: len(self._of(CallEnded)) >= len(calls), "the end of all calls")
            self._add_up()
        finally:
            await self._core.close()

    async def _register(self) -> None:
        for user, password in self.users.items():
            account = Account(user, user, self._lab.host, self._lab, password=Secret(password), message_waiting=False)
            self._core.submit(AddAccount(account))
        await self._until(lambda: len(self._registered()) == len(self.users), "all registrations")

    def _registered(self) -> set[str]:
        granted = (e for e in self._of(RegistrationChanged) if e.state is RegistrationState.REGISTERED)
        return {event.account_id for event in granted}

    async def _dial(self) -> list[str]:
        names = list(self.users)
        calls = [f"call{number}" for number in range(self.figures.calls)]
        for number, call_id in enumerate(calls):
            self._core.submit(Dial(call_id, "speech", names[number % len(names)]))
            await self._until(partial(self._settled, number + 1), "a call")
        for call_id in calls[: self.figures.active]:  # dialling the next has put each on hold
            self._core.submit(Resume(call_id))
        await self._until(lambda: len(self._talking(calls)) == self.figures.active, "holds and resumptions")
        return calls

    def _settled(self, calls: int) -> bool:
        return len(self._of(CallSecured)) + len(self._of(CallEnded)) >= calls

    def _talking(self, calls: list[str]) -> set[str]:
        held = {event.call_id: event.held_by_us for event in self._of(HoldChanged)}
        return {call_id for call_id in calls if not held.get(call_id, False)}

    async def _measure(self, calls: list[str], seconds: float) -> None:
        await asyncio.sleep(2)
        ticks, cpu, began = self.media.statistics, time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        figures, after = self.figures, self.media.statistics
        figures.seconds = time.monotonic() - began
        figures.cpu_percent = 100 * (time.process_time() - cpu) / figures.seconds
        figures.ticks, figures.late_ticks = after.ticks - ticks.ticks, after.late - ticks.late
        figures.skipped_ticks = after.skipped - ticks.skipped
        figures.worst_late_ms = after.worst_late_ms
        figures.memory_in_calls_mib = resident_mib()
        figures.established = len(calls) - len(self._of(CallEnded))
        figures.encrypted = len({event.call_id for event in self._of(CallSecured)})

    def _add_up(self) -> None:
        figures = self.figures
        for event in self._of(CallEnded):
            report = event.report or MediaReport()
            figures.packets_sent += report.rtp_sent
            figures.packets_received += report.rtp_received
            figures.packets_lost += report.lost
            figures.lost_there += report.remote_lost or 0
            figures.concealed_ms += report.concealed_ms
            figures.auth_failures += report.auth_failures
            if event.failure is not None:
                figures.failures.append(event.failure.reason)

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_S:g} s for {what}; last: {self.events[-5:]}")
            await asyncio.sleep(0.01)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lab", required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--accounts-file", type=Path, required=True)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--active", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--microphone", choices=sorted(MICROPHONES), default="null")
    parser.add_argument("--profile", action="store_true", help="the media thread's costliest functions to stderr")
    given = parser.parse_args()
    host, _, port = given.lab.rpartition(":")
    users = dict(line.split(":", 1) for line in given.accounts_file.read_text().split())
    active = given.calls if given.active is None else given.active
    figures = Figures(given.accounts, given.calls, active, given.microphone)
    profile = _profiled() if given.profile else None

    async def live() -> None:
        await Crowd(figures, ServerTarget(host, int(port)), given.ca, users).live(given.seconds)

    run(live())
    print(json.dumps(figures.__dict__))
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


def _profiled() -> cProfile.Profile:
    profile, running = cProfile.Profile(), MediaEngine._run

    def profiled(engine: MediaEngine) -> None:
        profile.enable()
        try:
            running(engine)
        finally:
            profile.disable()

    MediaEngine._run = profiled  # type: ignore[method-assign,assignment]
    return profile


if __name__ == "__main__":
    main()
