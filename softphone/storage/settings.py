"""The settings file: TOML, validated as a whole or refused as a whole, unknown keys kept, written atomically.

Owns: the file's shape and its numbered migrations. A broken file is kept as it is, reported, and never overwritten.
Holds no secrets.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.audio import Processing
from softphone.policy.media import (
    DEFAULT_ACCEPTED_SUITES,
    DEFAULT_SUITES,
    ConnectionProfile,
    KeyExchange,
    MediaEncryption,
    UnencryptedPeer,
)
from softphone.policy.recording import RecordingFormat
from softphone.policy.tls import TlsProfile
from softphone.ua.account import DigitsMode, DoNotDisturb, WatchedLine

SETTINGS_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AccountMedia:
    """An account's own choice in the place of `[media]`'s."""

    encryption: MediaEncryption = MediaEncryption.MANDATORY
    connection_profile: ConnectionProfile = ConnectionProfile.PUBLIC
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    name: str
    user: str
    domain: str
    server: str = ""  # "host" or "host:port"; "" means the domain
    auth_user: str = ""
    display_name: str = ""
    register: bool = True
    expires: int = 3600
    pins: tuple[str, ...] = ()  # SHA-256 of this account's server's certificate, hex; no other server may show it
    codecs: tuple[str, ...] = ()  # empty: `media.codecs`
    media: AccountMedia | None = None  # None: as [media] says
    call_waiting: bool = True
    max_calls: int = 8
    do_not_disturb: DoNotDisturb = DoNotDisturb.OFF
    forward_always: str = ""
    forward_busy: str = ""
    forward_no_answer: str = ""
    forward_after: int = 20  # s of ringing before `forward_no_answer`
    deny: tuple[str, ...] = ()
    deny_anonymous: bool = False
    auto_answer_from: tuple[str, ...] = ()
    digits: DigitsMode = DigitsMode.AUTO
    hide_identity: bool = False
    message_waiting: bool = True
    voicemail: str = ""
    watched: tuple[WatchedLine, ...] = ()
    session_expires: int = 1800  # s
    reliable_provisionals: bool = True
    outbound: bool = True
    rtcp_mux: bool = True
    ringtone: str = ""  # a sound file; "": `audio.ringtone`


@dataclass(frozen=True, kw_only=True)
class MediaSection:
    encryption: MediaEncryption = MediaEncryption.MANDATORY
    connection_profile: ConnectionProfile = ConnectionProfile.PUBLIC
    unencrypted_peer: UnencryptedPeer = UnencryptedPeer.ASK
    key_exchange: KeyExchange = KeyExchange.SDES
    accepted_key_exchanges: tuple[KeyExchange, ...] = (KeyExchange.SDES, KeyExchange.DTLS)
    srtp_suites: tuple[str, ...] = DEFAULT_SUITES
    accepted_suites: tuple[str, ...] = DEFAULT_ACCEPTED_SUITES
    codecs: tuple[str, ...] = ()  # empty: all for voice that this machine has, best first
    ptime: int = 20  # ms of a packet, asked for: 10, 20, 30, 40 or 60
    dtx: bool = False  # ask others to send nothing while nobody speaks there (Opus)


@dataclass(frozen=True, kw_only=True)
class TlsSection:
    profile: TlsProfile = TlsProfile.GATEWAY
    ca_files: tuple[str, ...] = ()
    client_certificate: str = ""
    client_key: str = ""
    expected_name: str = ""
    strict_identity: bool = False


@dataclass(frozen=True, kw_only=True)
class AudioSection:
    microphone: str = ""  # device id; "" follows the system
    speaker: str = ""
    ringer: str = ""  # where the phone rings; "": on the speaker
    echo_cancellation: Processing = Processing.AUTO
    double_talk: Processing = Processing.AUTO
    noise_suppression: Processing = Processing.AUTO
    high_pass: Processing = Processing.ON
    gain_control: Processing = Processing.OFF
    ringtone: str = ""  # a sound file; "": the built-in one
    country: str = ""  # whose tones are played; "": as the system's language


@dataclass(frozen=True, kw_only=True)
class RecordingSection:
    permitted: bool = True
    format: RecordingFormat = RecordingFormat.FLAC
    folder: str = ""  # "": the profile's own
    announce: bool = True  # the other side hears a beep
    keep_days: int = 0  # 0: until they are deleted by hand


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """A program of the person's own that is called for events; nothing is called unless it stands here."""

    events: tuple[str, ...]  # as `softphone events` names them
    command: tuple[str, ...]  # program and arguments; no shell
    timeout: float = 10.0  # s


@dataclass(frozen=True, kw_only=True)
class Settings:
    version: int = SETTINGS_VERSION
    default_account: str = ""  # name of the account that calls go out with; "": the first one
    media: MediaSection = field(default_factory=MediaSection)
    tls: TlsSection = field(default_factory=TlsSection)
    audio: AudioSection = field(default_factory=AudioSection)
    recording: RecordingSection = field(default_factory=RecordingSection)
    accounts: tuple[AccountSettings, ...] = ()
    hooks: tuple[HookSettings, ...] = ()


# Numbered: migration n turns a document of version n into one of version n + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], None]] = {}


def _broken(path: Path, what: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.SETTINGS,
            f"The settings file {path} cannot be used: {what}.",
            "Correct the file or move it away; it has been left as it is.",
        )
    )


class SettingsFile:
    """One settings file. `load` raises OperationFailed(SETTINGS); after that `save` refuses too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document: tomlkit.TOMLDocument | None = None

    def load(self) -> Settings:
        """Defaults if there is no file."""
        self._document = None
        try:
            text = self.path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            self._document = tomlkit.document()
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            raise _broken(self.path, str(error)) from error
        try:
            document = tomlkit.parse(text)
            plain = document.unwrap()
            self._migrate(plain)
            settings = msgspec.convert(plain, Settings)
        except (TOMLKitError, msgspec.ValidationError) as error:
            raise _broken(self.path, str(error)) from error
        names = [account.name for account in settings.accounts]
        if len(set(names)) != len(names):
            raise _broken(self.path, "two accounts have the same name")
        if settings.default_account and settings.default_account not in names:
            raise _broken(
                self.path, f"default_account names “{settings.default_account}”, and there is no such account"
            )
        self._document = document
        return settings

    def _migrate(self, plain: dict[str, Any]) -> None:
        version = plain.get("version", SETTINGS_VERSION)
        if not isinstance(version, int) or version > SETTINGS_VERSION:
            raise _broken(self.path, f"it was written by a newer version of the program (version {version})")
        for number in range(version, SETTINGS_VERSION):
            if number not in MIGRATIONS:
                raise _broken(self.path, f"there never was a version {version} of it")
            MIGRATIONS[number](plain)
        plain["version"] = SETTINGS_VERSION

    def save(self, settings: Settings) -> None:
        """Writes what differs from the defaults or stands in the file already; keys it does not know stay."""
        if self._document is None:
            raise _broken(self.path, "it was not read successfully, so nothing is written")
        document = self._document
        document["version"] = SETTINGS_VERSION
        if settings.default_account or "default_account" in document:
            document["default_account"] = settings.default_account
        for name in ("media", "tls", "audio", "recording"):
            _merge_section(document, name, getattr(settings, name))
        _merge_accounts(document, settings.accounts)
        _write_atomically(self.path, tomlkit.dumps(document))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _merge_section(document: tomlkit.TOMLDocument, name: str, section: Any) -> None:
    values = _plain(section)
    defaults = _plain(type(section)())
    existing = document.get(name)
    table: Any = existing if existing is not None else tomlkit.table()
    for key, value in values.items():
        if key in table or value != defaults[key]:
            table[key] = value
    if existing is None and len(table):
        document[name] = table


def _merge_accounts(document: tomlkit.TOMLDocument, accounts: tuple[AccountSettings, ...]) -> None:
    old = {entry.get("name"): entry for entry in document.get("accounts", [])}
    tables = tomlkit.aot()
    for account in accounts:
        defaults = _plain(AccountSettings(name="", user="", domain=""))
        table = tomlkit.table()
        table.update(old.get(account.name, {}))
        for key, value in _plain(account).items():
            if value is None:
                table.pop(key, None)  # TOML has no null
            elif key in table or value != defaults[key]:
                table[key] = {**table[key], **value} if isinstance(value, dict) and key in table else value
        tables.append(table)
    if accounts:
        document["accounts"] = tables
    elif "accounts" in document:
        del document["accounts"]


def _write_atomically(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, whole, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
