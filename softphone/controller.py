"""The facade that front ends talk to: commands in, events and the frozen AppState out.

Owns: which command is the user agent's and which the program's (signing in, settings, devices), and the one AppState.
Runs on the engine's loop. A window or a script in another process has a proxy with the same three methods.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from softphone import configuration
from softphone.engine import clock
from softphone.engine.audio.device_tester import DeviceTester
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import (
    AccountForgotten,
    AccountKnown,
    AccountOptions,
    AnyCommand,
    AnyEvent,
    AppCommand,
    AudioDeviceView,
    ChangeAccountOptions,
    ChangeAudioOptions,
    ChangeMediaSettings,
    ChangeRecordingOptions,
    ChooseDefaultAccount,
    ChooseDevices,
    DeleteRecording,
    DevicesChanged,
    EngineEnding,
    ExportRecording,
    ListRecordings,
    MediaSettings,
    Noticed,
    PinCertificate,
    PlaySample,
    PressKey,
    Quit,
    RaiseWindow,
    SettingsChanged,
    SettingsView,
    SignIn,
    SignOut,
    StartDeviceTest,
    StopDeviceTest,
    StopSample,
    WindowRaised,
)
from softphone.policy.origin import Origin
from softphone.policy.recording import RecordingOptions
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsSettings
from softphone.recordings import RecordingsCommand
from softphone.state import AppState, reduce
from softphone.storage.secrets import PasswordStore
from softphone.storage.settings import AccountSettings, Settings, SettingsFile
from softphone.ua.account import AccountId
from softphone.ua.commands import AddAccount, Command, Dial, Register, RemoveAccount, SendInstantMessage
from softphone.ua.device_report import DeviceTestStep
from softphone.ua.events import RegistrationChanged, RegistrationState

log = logging.getLogger(__name__)

Listener = Callable[[AnyEvent, AppState], None]


class Phone(Protocol):
    """What every front end sees, in the engine's process or at the other end of the link."""

    @property
    def state(self) -> AppState: ...

    def submit(self, command: AnyCommand) -> None: ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener(event, state after it)`; returns the call that ends it."""
        ...


class Controller:
    """Implements Phone next to the engine."""

    def __init__(
        self,
        *,
        settings_file: SettingsFile | None,
        passwords: PasswordStore | None,
        list_devices: Callable[[], tuple[AudioDeviceView, ...]],
        quit_engine: Callable[[], None],
        instance_id: str = "",
        device_tester: DeviceTester | None = None,
        play_sample: Callable[[PlaySample | StopSample | PressKey], None] | None = None,
        recordings: Callable[[RecordingsCommand], None] | None = None,
    ) -> None:
        """Without a settings file nothing is loaded or saved (a script's own engine).

        `instance_id` names this phone to registrars (RFC 5626 §4.1).
        """
        self._instance_id = instance_id
        self._file, self._passwords = settings_file, passwords
        self._list_devices, self._quit_engine = list_devices, quit_engine
        self._device_tester, self._play_sample = device_tester, play_sample
        self._recordings = recordings
        self._submit: Callable[[Command], None] = _not_connected
        self._listeners: list[Listener] = []
        self._state = AppState()
        self._settings = Settings()
        self._problem: Failure | None = None
        self._session_passwords: dict[AccountId, Secret] = {}  # typed or read in this run

    def connect(self, submit: Callable[[Command], None]) -> None:
        """Where the user agent's commands go; the composition root ties the two together."""
        self._submit = submit

    @property
    def state(self) -> AppState:
        return self._state

    @property
    def settings(self) -> Settings:
        return self._settings

    def recording_options(self) -> RecordingOptions:
        """Of this moment, from any thread. Raises OperationFailed (SETTINGS), also where the file cannot be read."""
        if self._problem is not None:  # it may forbid recording
            raise OperationFailed(self._problem)
        return configuration.recording_options(self._settings.recording)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def publish(self, event: AnyEvent) -> None:
        self._state = reduce(self._state, event, clock.now())
        if self._device_tester is not None and self._state.calls:
            self._device_tester.stop()  # a call comes first
        for listener in list(self._listeners):
            try:
                listener(event, self._state)
            except Exception:  # a front end's fault must not end a call
                log.exception("a listener failed")

    # At the start

    def load(self) -> None:
        """Settings, devices, and every account of the settings file, registered with its password from the keyring."""
        if self._file is not None:
            try:
                self._settings = self._file.load()
            except OperationFailed as error:
                self._problem = error.failure
                self.publish(Noticed(error.failure))
        self._publish_settings()
        unusable = (*self._unusable_recording(), *configuration.unusable_audio(self._settings.audio))
        for failure in (*configuration.missing_codecs(self._settings), *unusable):
            self.publish(Noticed(failure))
        self.publish(DevicesChanged(self._list_devices()))
        for account in self._settings.accounts:
            self._start_account(account, self._password_of(account))

    def _unusable_recording(self) -> tuple[Failure, ...]:
        try:
            configuration.recording_options(self._settings.recording)
        except OperationFailed as error:
            return (error.failure,)
        return ()

    def use(self, settings: Settings, passwords: dict[str, Secret]) -> None:
        """A script's settings, not saved anywhere."""
        self._settings = settings
        self._publish_settings()
        for account in settings.accounts:
            self._start_account(account, passwords.get(account.name))

    def tls_settings(self, account_id: AccountId) -> TlsSettings:
        account = self._account(account_id)
        return configuration.tls_settings(self._settings.tls, account.pins if account is not None else ())

    # Commands

    def submit(self, command: AnyCommand) -> None:
        if not isinstance(command, AppCommand):
            self._submit(self._with_account(command))
            return
        try:
            self._app_command(command)
        except OperationFailed as error:
            self.publish(Noticed(error.failure))

    def _with_account(self, command: Command) -> Command:
        """What is to go out with no particular account goes out with the default one."""
        if isinstance(command, Dial | SendInstantMessage) and command.account_id is None:
            return replace(command, account_id=self._default_account)
        return command

    @property
    def _default_account(self) -> AccountId | None:
        first = self._settings.accounts[0].name if self._settings.accounts else None
        return self._settings.default_account or first

    def _app_command(self, command: AppCommand) -> None:
        match command:
            case SignIn():
                self._sign_in(command)
            case SignOut(account_id=account_id):
                self._sign_out(account_id)
            case ChangeMediaSettings(settings=media):
                self._change_media(media)
            case ChangeAccountOptions(account_id=account_id, options=options):
                self._change_options(account_id, options)
            case ChooseDefaultAccount(account_id=account_id):
                self._choose_default(account_id)
            case ChooseDevices(microphone=microphone, speaker=speaker, ringer=ringer):
                audio = replace(self._settings.audio, microphone=microphone, speaker=speaker, ringer=ringer)
                self._save(replace(self._settings, audio=audio))
            case ChangeAudioOptions(options=options):
                self._save(configuration.with_audio_options(self._settings, options))
            case PlaySample() | StopSample() | PressKey():
                if self._play_sample is not None:
                    self._play_sample(command)
            case StartDeviceTest(step=step):
                self._test_devices(step)
            case StopDeviceTest():
                if self._device_tester is not None:
                    self._device_tester.stop()
            case ListRecordings() | ExportRecording() | DeleteRecording():
                if self._recordings is not None:
                    self._recordings(command)
            case ChangeRecordingOptions(format=kind, announce=announce):
                section = replace(self._settings.recording, format=kind, announce=announce)
                self._save(replace(self._settings, recording=section))
            case PinCertificate(account_id=account_id, sha256=sha256):
                self._pin(account_id, sha256)
            case Quit():
                self.publish(EngineEnding())
                self._quit_engine()
            case RaiseWindow(dial=dial):
                self.publish(WindowRaised(dial))

    def _test_devices(self, step: DeviceTestStep) -> None:
        if self._device_tester is None:
            raise OperationFailed(
                Failure(FailureKind.USAGE, "This engine tests no devices.", "Use “softphone devices --test”.")
            )
        self._device_tester.start(step, in_call=bool(self._state.calls))

    def _sign_in(self, command: SignIn) -> None:
        old = self._account(command.account_id)
        same_server = old is not None and (old.server, old.domain) == (command.server, command.domain)
        account = replace(  # what a person chose for this account stays
            old or AccountSettings(name=command.account_id, user="", domain=""),
            user=command.user,
            domain=command.domain,
            server=command.server,
            auth_user=command.auth_user,
            display_name=command.display_name,
            pins=old.pins if old is not None and same_server else (),
        )
        configuration.account(self._settings, account, None)  # refuses what cannot be used, before anything is saved
        tls, accounts = self._settings.tls, self._settings.accounts
        added = tuple(name for name in command.ca_files if name not in tls.ca_files)
        self._save(
            replace(
                self._settings,
                tls=replace(tls, ca_files=(*tls.ca_files, *added)),
                accounts=tuple(account if a is old else a for a in accounts)
                if old is not None
                else (*accounts, account),
            )
        )
        if command.remember_password and self._passwords is not None:
            try:
                self._passwords.set(_keyring_name(account), command.password)
            except OperationFailed as error:  # signed in all the same, and the person knows why it is not remembered
                self.publish(Noticed(error.failure))
        self._start_account(account, command.password)

    def _sign_out(self, account_id: AccountId) -> None:
        account = next((a for a in self._settings.accounts if a.name == account_id), None)
        if account is None:
            return
        self._submit(RemoveAccount(account_id))
        self.publish(AccountForgotten(account_id))
        others = tuple(a for a in self._settings.accounts if a is not account)
        default = self._settings.default_account
        self._save(replace(self._settings, accounts=others, default_account="" if default == account_id else default))
        if self._passwords is not None:
            self._passwords.delete(_keyring_name(account))

    def _change_media(self, media: MediaSettings) -> None:
        section = replace(
            self._settings.media,
            encryption=media.encryption,
            connection_profile=media.profile,
            unencrypted_peer=media.unencrypted_peer,
        )
        try:
            configuration.media_policy(section)
        except OperationFailed:
            self._publish_settings()  # so that a pane shows again what is in force
            raise
        self._save(replace(self._settings, media=section))
        for account in self._settings.accounts:
            self._start_account(account, self._password_of(account))

    def _change_options(self, account_id: AccountId, options: AccountOptions) -> None:
        account = self._known(account_id)
        changed = configuration.with_account_options(account, options)
        try:
            configuration.account(self._settings, changed, None)
        except OperationFailed:
            self._publish_account(account)  # so that a pane shows again what is in force
            raise
        self._save_account(account, changed)
        self._start_account(changed, self._password_of(changed))

    def _choose_default(self, account_id: AccountId) -> None:
        self._save(replace(self._settings, default_account=self._known(account_id).name))

    def _pin(self, account_id: AccountId, sha256: str) -> None:
        account = self._account(account_id)
        if account is None:
            return
        pin = sha256.replace(":", "").lower()
        configuration.check_pins((pin,))  # before it is saved: a bad one would block the account
        pinned = replace(account, pins=(*(p for p in account.pins if p != pin), pin))
        self._save_account(account, pinned)
        self._start_account(pinned, self._password_of(pinned))
        self._submit(Register(account_id))  # at once, not when the back-off is over

    # Within

    def _account(self, account_id: AccountId) -> AccountSettings | None:
        return next((account for account in self._settings.accounts if account.name == account_id), None)

    def _known(self, account_id: AccountId) -> AccountSettings:
        """Raises OperationFailed (USAGE)."""
        account = self._account(account_id)
        if account is None:
            raise OperationFailed(
                Failure(FailureKind.USAGE, f"There is no account {account_id}.", "Choose one of those that are set up.")
            )
        return account

    def _save_account(self, old: AccountSettings, new: AccountSettings) -> None:
        accounts = tuple(new if account is old else account for account in self._settings.accounts)
        self._save(replace(self._settings, accounts=accounts))

    def _publish_account(self, chosen: AccountSettings) -> None:
        self.publish(
            AccountKnown(
                chosen.name,
                f"sip:{chosen.user}@{chosen.domain}",
                chosen.display_name,
                chosen.server or chosen.domain,
                configuration.account_options(chosen),
            )
        )

    def _start_account(self, chosen: AccountSettings, password: Secret | None) -> None:
        self._publish_account(chosen)
        try:
            account = configuration.account(self._settings, chosen, password, self._instance_id)
        except OperationFailed as error:
            self.publish(RegistrationChanged(chosen.name, RegistrationState.FAILED, failure=error.failure))
            return
        if password is not None:
            self._session_passwords[chosen.name] = password
        self._submit(AddAccount(account))

    def _password_of(self, account: AccountSettings) -> Secret | None:
        held = self._session_passwords.get(account.name)
        if held is not None or self._passwords is None:
            return held
        try:
            return self._passwords.get(_keyring_name(account))
        except OperationFailed as error:
            self.publish(Noticed(error.failure))
            return None

    def _save(self, settings: Settings) -> None:
        """In force only once it is saved: what the file says is what the program does."""
        if self._problem is not None:
            raise OperationFailed(self._problem)
        if self._file is not None:
            try:
                self._file.save(settings)
            except OSError as error:
                raise OperationFailed(
                    Failure(
                        FailureKind.STORAGE,
                        f"The settings could not be saved: {error.strerror}.",
                        "Check the disk and the folder's permissions.",
                    )
                ) from error
        self._settings = settings
        self._publish_settings()

    def _publish_settings(self) -> None:
        media, audio = self._settings.media, self._settings.audio
        self.publish(
            SettingsChanged(
                SettingsView(
                    media=MediaSettings(media.encryption, media.connection_profile, media.unencrypted_peer),
                    media_origin=Origin.USER,
                    tls_profile=self._settings.tls.profile,
                    ca_files=self._settings.tls.ca_files,
                    microphone=audio.microphone,
                    speaker=audio.speaker,
                    ringer=audio.ringer,
                    audio=configuration.audio_options(audio),
                    recording=configuration.shown_recording_options(self._settings.recording),
                    settings_file=str(self._file.path) if self._file is not None else "",
                    default_account=self._settings.default_account,
                    problem=self._problem,
                )
            )
        )


def _keyring_name(account: AccountSettings) -> str:
    return f"{account.user}@{account.domain}"


def _not_connected(command: Command) -> None:
    raise RuntimeError(f"no engine is connected for {type(command).__name__}")
