"""The end of an engine: its loop outlives its connections, whatever the server does."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from softphone.engine import clock
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.core import EngineCore
from softphone.engine.ports import OnBytes, OnClosed
from softphone.policy.tls import TlsSettings
from softphone.ua.account import Account, ServerTarget
from softphone.ua.actions import OpenFlow
from softphone.ua.commands import AddAccount, Register
from softphone.ua.inputs import FlowDescription
from softphone.ua.user_agent import UserAgent


class SilentServer:
    """Opener and flow in one: takes everything, answers nothing; `polite` closes its side when we do."""

    description = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", "127.0.0.1", 4, "127.0.0.1", 5, "sip.test")

    def __init__(self, *, polite: bool) -> None:
        self.registered = asyncio.Event()
        self.calls: list[str] = []
        self._polite = polite
        self._gone = asyncio.Event()

    async def open(
        self, action: OpenFlow, settings: TlsSettings, on_bytes: OnBytes, on_closed: OnClosed
    ) -> SilentServer:
        del action, settings, on_bytes, on_closed
        return self

    def send(self, data: bytes) -> None:
        assert data.startswith(b"REGISTER ")
        self.registered.set()

    def close(self) -> None:
        self.calls.append("close")
        if self._polite:
            asyncio.get_running_loop().call_later(0.05, self._gone.set)

    def abort(self) -> None:
        self.calls.append("abort")
        self._gone.set()

    async def wait_closed(self) -> None:
        await self._gone.wait()
        self.calls.append("gone")


@pytest.mark.parametrize(("polite", "calls"), [(True, ["close", "gone"]), (False, ["close", "abort", "gone"])])
def test_a_closing_engine_waits_until_its_flows_are_gone(polite: bool, calls: list[str]) -> None:
    async def life() -> SilentServer:
        server = SilentServer(polite=polite)
        core = EngineCore(
            UserAgent(secrets.token_bytes),
            opener=server,
            tls_settings=lambda _: TlsSettings(),
            endpoint=lambda _: NullEndpoint(),
            publish=lambda _: None,
        )
        core.submit(AddAccount(Account(id="alice", user="alice", domain="sip.test", server=ServerTarget("sip.test"))))
        await asyncio.wait_for(server.registered.wait(), 5)
        await asyncio.wait_for(core.close(within=0.1), 5)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return server

    assert asyncio.run(life()).calls == calls


class Stumbling(UserAgent):
    """Fails at its first timer."""

    def __init__(self) -> None:
        super().__init__(secrets.token_bytes)
        self.fired = 0

    def next_timer(self) -> float | None:
        return clock.now() + 0.01 if self.fired < 2 else None

    def handle_timer(self, now: float) -> None:
        del now
        self.fired += 1
        if self.fired == 1:
            raise RuntimeError("a bug")


def test_an_error_of_ours_is_loud_and_the_timers_go_on() -> None:
    async def life() -> tuple[int, list[str]]:
        loud: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: loud.append(str(context["exception"])))
        agent = Stumbling()
        core = EngineCore(
            agent,
            opener=SilentServer(polite=True),
            tls_settings=lambda _: TlsSettings(),
            endpoint=lambda _: NullEndpoint(),
            publish=lambda _: None,
        )
        core.submit(Register("nobody"))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if agent.fired == 2:
                break
        await asyncio.wait_for(core.close(within=0.1), 5)
        return agent.fired, loud

    assert asyncio.run(life()) == (2, ["a bug"])
