"""The composition root: the one place where the parts are built and tied together, by constructor injection."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from softphone.cli import main as command_line
from softphone.cli.phone_access import PhoneRequest
from softphone.controller import Controller, Phone
from softphone.engine.connector import FlowOpener
from softphone.engine.core import EngineCore
from softphone.engine.trace import Trace
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.connection import OnCall
from softphone.lab.lab import LOOPBACK, Lab
from softphone.messages import AudioDeviceView, Noticed
from softphone.sound import AudioChoice, Sound
from softphone.storage.settings import AudioSection
from softphone.ua.user_agent import UserAgent


class Application:
    """Implements the command line's `Composition`."""

    @contextlib.asynccontextmanager
    async def own_phone(self, request: PhoneRequest) -> AsyncIterator[Phone]:
        loop = asyncio.get_running_loop()

        def notice(failure: Failure) -> None:
            loop.call_soon_threadsafe(controller.publish, Noticed(failure))

        sound = Sound(
            request.audio,
            lambda: controller.settings.audio,
            notice,
        )
        controller = Controller(settings_file=None, passwords=None, list_devices=lambda: (), quit_engine=lambda: None)
        with contextlib.ExitStack() as stack:
            stack.callback(sound.close)
            trace = Trace(stack.enter_context(_trace_file(request.trace))) if request.trace is not None else None
            core = EngineCore(
                UserAgent(secrets.token_bytes),
                opener=FlowOpener(),
                tls_settings=lambda account_id: replace(
                    controller.tls_settings(account_id), client_key_password=request.client_key_password
                ),
                endpoint=lambda media_id: sound.endpoint(),  # noqa: ARG005 - every call gets the same choice
                publish=controller.publish,
                trace=trace,
            )
            controller.connect(core.submit)
            try:
                sound.check()
                controller.use(request.settings, request.passwords)
                yield controller
            finally:
                await core.close()

    @contextlib.asynccontextmanager
    async def lab(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        accounts: Mapping[str, str] | None = None,
        names: tuple[str, ...] = (),
        on_call: OnCall | None = None,
    ) -> AsyncIterator[Lab]:
        lab = Lab(host=host, port=port, accounts=accounts, names=names, on_call=on_call)
        await lab.start()
        try:
            yield lab
        finally:
            await lab.close()

    def list_devices(self) -> tuple[AudioDeviceView, ...]:
        sound = Sound(AudioChoice(), AudioSection, notice=_unheard)
        try:
            return sound.list_devices()
        finally:
            sound.close()


def _unheard(failure: Failure) -> None:
    """Devices are only listed: nothing is open that could fail later."""


def _trace_file(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise OperationFailed(
            Failure(
                FailureKind.USAGE,
                f"The trace file {path} cannot be written: {error.strerror}.",
                "Name a file in a folder that exists and that you may write to.",
            )
        ) from error


def main(arguments: list[str]) -> int:
    return command_line.main(arguments, Application())
