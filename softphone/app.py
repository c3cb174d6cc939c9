"""The composition root: the one place where the parts are built and tied together, by constructor injection."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from softphone import configuration
from softphone.cli import main as command_line
from softphone.cli.phone_access import EngineRequest, PhoneRequest
from softphone.controller import Controller, Phone
from softphone.engine import clock
from softphone.engine.audio.device_tester import DeviceTester
from softphone.engine.connector import FlowOpener
from softphone.engine.core import EngineCore
from softphone.engine.hooks import Hooks
from softphone.engine.journal import Journal
from softphone.engine.link.failures import engine_unreachable
from softphone.engine.link.place import LinkPlace
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.network_watch import NetworkWatch
from softphone.engine.ports import Media, Post
from softphone.engine.process.engine_log import log_to_stderr
from softphone.engine.process.engine_process import EngineParts, EngineProcess, NoticeEndpoints
from softphone.engine.process.hardening import forbid_core_dumps
from softphone.engine.process.lock import EngineLock
from softphone.engine.process.spawn import FAILED, HELD, say_to_starter
from softphone.engine.punctuality import allow_punctual_threads
from softphone.engine.recording.recorder import Recorder, RecorderSettings
from softphone.engine.tone_sample import ToneSample
from softphone.engine.tones import Tones
from softphone.engine.trace import Trace
from softphone.engine.waiting import run
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.connection import OnCall
from softphone.lab.lab import DIGESTS, LOOPBACK, Lab
from softphone.messages import (
    AccountForgotten,
    AccountKnown,
    AnyEvent,
    AppEvent,
    AudioDeviceView,
    DevicesChanged,
    Noticed,
    SettingsChanged,
)
from softphone.policy.recording import RecordingOptions
from softphone.recordings import RecordingsDesk, library
from softphone.sound import AudioChoice, Sound
from softphone.state import AppState
from softphone.storage.instance import instance_id, new_instance_id
from softphone.storage.recording_key import RecordingKey
from softphone.storage.settings import AudioSection, SettingsFile
from softphone.storage.unhurried_secrets import UnhurriedPasswordStore
from softphone.ua.inputs import Input, MediaReported
from softphone.ua.user_agent import UserAgent
from softphone.window_process import WindowStart, open_window


class Application:
    """Implements the command line's `Composition`."""

    @contextlib.asynccontextmanager
    async def own_phone(self, request: PhoneRequest) -> AsyncIterator[Phone]:
        forbid_core_dumps()  # this process is the engine then
        allow_punctual_threads()
        loop = asyncio.get_running_loop()

        def notice(failure: Failure) -> None:
            loop.call_soon_threadsafe(controller.publish, Noticed(failure))

        sound = Sound(
            request.audio,
            lambda: controller.settings.audio,
            notice,
        )
        controller = Controller(
            settings_file=None,
            passwords=None,
            list_devices=lambda: (),
            quit_engine=lambda: None,
            instance_id=new_instance_id(),
        )
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
                media=_media(sound),
                speaker=sound.speaker,
                ringer=sound.ringer,
                tones=Tones(lambda failure: controller.publish(Noticed(failure))),
            )
            controller.connect(core.submit)
            _follow_tones(controller, core.tones)
            watch = _watch_network(core)
            try:
                sound.check()
                controller.use(request.settings, request.passwords)
                yield controller
            finally:
                watch.close()
                await core.close()

    @contextlib.asynccontextmanager
    async def lab(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        accounts: Mapping[str, str] | None = None,
        names: tuple[str, ...] = (),
        digests: tuple[str, ...] = DIGESTS,
        on_call: OnCall | None = None,
    ) -> AsyncIterator[Lab]:
        lab = Lab(host=host, port=port, accounts=accounts, names=names, digests=digests, on_call=on_call)
        await lab.start()
        try:
            yield lab
        finally:
            await lab.close()

    def run_engine(self, request: EngineRequest) -> int:
        """The engine's own process (architecture.md "Processes and threads"): 0 also if another one has the lock."""
        forbid_core_dumps()
        allow_punctual_threads()
        log_to_stderr(request.profile.engine_log, request.log_level)
        place = LinkPlace(request.profile.runtime, request.form)
        lock = EngineLock(place.lock_file)
        try:
            place.make()
            if not lock.acquire():
                say_to_starter(HELD)
                return 0
            run(self._engine(request, place))
        except OperationFailed as error:
            say_to_starter(FAILED, error.failure)
            return int(error.failure.group)
        except OSError as error:
            say_to_starter(FAILED, engine_unreachable(str(error)))
            return 1
        finally:
            lock.release()
        return 0

    async def _engine(self, request: EngineRequest, place: LinkPlace) -> None:
        loop = asyncio.get_running_loop()

        def notice(failure: Failure) -> None:
            if not loop.is_closed():  # the keyring's thread may be late
                loop.call_soon_threadsafe(controller.publish, Noticed(failure))

        instance, unkept = _instance(request.profile.instance_file)

        def publish_later(event: AppEvent) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(controller.publish, event)

        def devices_changed(devices: tuple[AudioDeviceView, ...]) -> None:
            publish_later(DevicesChanged(devices))

        sound = Sound(request.audio, lambda: controller.settings.audio, notice, devices_changed)
        endpoints = NoticeEndpoints(sound.endpoint)
        tester = DeviceTester(sound.tested_devices, publish_later)

        def recording_options() -> RecordingOptions:
            return controller.recording_options()

        key, folder = RecordingKey(), request.profile.recordings
        desk = RecordingsDesk(library(recording_options, folder, key), recording_options, publish_later)
        controller = Controller(
            settings_file=SettingsFile(request.profile.settings_file),
            passwords=UnhurriedPasswordStore(notice),
            list_devices=lambda: _devices_or_notice(sound, notice),
            quit_engine=lambda: process.quit(),  # noqa: PLW0108 - made below
            instance_id=instance,
            play_sample=lambda command: sample.command(command),  # noqa: PLW0108 - made below
            device_tester=tester,
            recordings=desk.command,
        )
        core = EngineCore(
            UserAgent(secrets.token_bytes),
            opener=FlowOpener(),
            tls_settings=controller.tls_settings,
            endpoint=endpoints,
            publish=controller.publish,
            media=_media(sound),
            speaker=lambda: endpoints.wrapped(speaker) if (speaker := sound.speaker()) is not None else None,
            ringer=lambda: endpoints.wrapped(ringer) if (ringer := sound.ringer()) is not None else None,
            recorder=Recorder(RecorderSettings(recording_options, folder, key)),
            tones=Tones(lambda failure: controller.publish(Noticed(failure))),
        )
        controller.connect(core.submit)
        _follow_tones(controller, core.tones)
        sample = ToneSample(core, controller.publish)
        hooks = Hooks(lambda: configuration.hooks(controller.settings.hooks)[0], notice)
        controller.subscribe(lambda event, _state: hooks.happened(event, clock.now()))
        controller.subscribe(lambda event, _state: _follow_devices(sound, event))

        def load() -> None:
            controller.load()
            core.tones.prepare()
            if unkept is not None:
                controller.publish(Noticed(unkept))
            for failure in configuration.hooks(controller.settings.hooks)[1]:
                controller.publish(Noticed(failure))
            desk.keep_to_the_days()

        parts = EngineParts(controller, load, core.submit, lambda: core.agent.open_dialogs, core.close)
        journal = Journal(request.profile.journal_file)
        process = EngineProcess(parts, place, journal, endpoints, request.window_command, request.times)
        watch = _watch_network(core)
        try:
            await process.run()
        finally:
            watch.close()
            sample.close()
            tester.close()
            desk.close()
            await core.close()
            sound.close()
            hooks.close()

    def open_window(self, *, lab: bool, dial: str) -> int:
        return open_window(WindowStart(lab, dial))

    def list_devices(self) -> tuple[AudioDeviceView, ...]:
        with self.sound(AudioSection()) as sound:
            return sound.list_devices()

    @contextlib.contextmanager
    def sound(self, audio: AudioSection) -> Iterator[Sound]:
        sound = Sound(AudioChoice(), lambda: audio, notice=_unheard)
        try:
            yield sound
        finally:
            sound.close()


def _media(sound: Sound) -> Callable[[Post], Media]:
    """The media thread; what it reports of a call tells of the microphone, too."""

    def made(post: Post) -> Media:
        def told(what: Input) -> None:
            if isinstance(what, MediaReported):
                what = replace(what, report=replace(what.report, microphone=sound.microphone()))
            post(what)

        return MediaEngine(told)

    return made


def _follow_tones(controller: Controller, tones: Tones) -> None:
    """The country and the ring tones are in force as soon as the settings say so."""

    def changed(event: AnyEvent, _state: AppState) -> None:
        if isinstance(event, SettingsChanged | AccountKnown | AccountForgotten):
            audio, accounts = controller.settings.audio, controller.settings.accounts
            tones.use(audio.country, audio.ringtone, [account.ringtone for account in accounts])

    controller.subscribe(changed)


def _instance(path: Path) -> tuple[str, Failure | None]:
    """This phone's name to registrars; one for this run, and why, if it cannot be kept."""
    try:
        return instance_id(path), None
    except OperationFailed as error:
        return new_instance_id(), error.failure


def _follow_devices(sound: Sound, event: AnyEvent) -> None:
    if isinstance(event, SettingsChanged):
        sound.settings_changed()


def _watch_network(core: EngineCore) -> NetworkWatch:
    watch = NetworkWatch(core.network_changed, servers=lambda: core.servers)
    watch.start()
    return watch


def _devices_or_notice(sound: Sound, notice: Callable[[Failure], None]) -> tuple[AudioDeviceView, ...]:
    """A machine without sound has a phone all the same, that says what is missing."""
    try:
        return sound.list_devices()
    except OperationFailed as error:
        notice(error.failure)
        return ()


def _unheard(failure: Failure) -> None:
    """Devices are listed, or tested, and the test has ears of its own."""


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
