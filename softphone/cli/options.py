"""The common options of cli.md, and how they become settings: the file's, with what was said on the line put over it.

Owns: the option table, where a password may come from, and the rule when a command attaches to the running phone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from softphone import configuration
from softphone.cli.phone_access import PhoneRequest
from softphone.engine.audio.device_test import SPEAK_S
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.media import ConnectionProfile, KeyExchange, MediaEncryption
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsProfile
from softphone.sound import AudioChoice, AudioKind
from softphone.storage.profile import user_profile
from softphone.storage.secrets import PasswordStore
from softphone.storage.settings import AccountSettings, AudioSection, MediaSection, Settings, SettingsFile

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False)
# A command with one of these runs an engine of its own (cli.md).
OWN_ENGINE_OPTIONS = (
    "config",
    "server",
    "user",
    "ca",
    "client_cert",
    "tls_profile",
    "media_encryption",
    "key_exchange",
    "connection_profile",
    "audio",
)


def _values(kind: type[Any]) -> click.Choice[str]:
    return click.Choice([member.value for member in kind])


ACCOUNT_OPTIONS = (
    click.option("--config", type=_FILE, help="Settings file (TOML), the same that the window edits."),
    click.option("--account", "account_name", help="Name of the account in the settings; else the default one."),
    click.option("--server", help="Server as HOST or HOST:PORT; an account without a settings file."),
    click.option("--user", help="User name of the account."),
    click.option("--auth-user", default="", help="User name for authentication, if it is another one."),
    click.option("--domain", help="Domain of the address; the server's host if not given."),
    click.option("--password-file", type=_FILE, help="File whose first line is the password."),
    click.option("--ca", multiple=True, type=_FILE, help="CA file to trust too (repeatable)."),
    click.option("--tls-profile", type=_values(TlsProfile), help="TLS versions and suites."),
    click.option("--client-cert", type=_FILE, help="Client certificate (PEM or PKCS#12)."),
    click.option("--client-key", type=_FILE, help="Key of the client certificate."),
    click.option("--client-key-password-file", type=_FILE, help="File whose first line is that key's password."),
    click.option("--pin", help="SHA-256 fingerprint of the server's certificate that you have verified."),
    click.option("--trace", type=_FILE, help="Write a redacted SIP trace to this file."),
    click.option("--attach/--no-attach", default=None, help="Use the running phone, or never."),
    click.option(
        "--timeout",
        type=click.FloatRange(0, 3600, min_open=True),
        default=30.0,
        show_default=True,
        help="Seconds to wait for the server.",
    ),
)
MEDIA_OPTIONS = (
    click.option("--media-encryption", type=_values(MediaEncryption), help="Media encryption policy."),
    click.option(
        "--connection-profile", type=_values(ConnectionProfile), help="What lies between here and the server."
    ),
    click.option("--key-exchange", type=_values(KeyExchange), help="How SRTP keys are agreed."),
    click.option("--srtp-suites", help="SRTP suites to offer, comma-separated, best first."),
    click.option("--codecs", help="Codecs to offer, comma-separated, best first."),
    click.option("--audio", type=_values(AudioKind), help="Sound card, nothing, or files.  [default: device]"),
    click.option("--play", type=_FILE, help="WAV file to play into the call (with --audio file)."),
    click.option("--record", type=_FILE, help="WAV file to record what is heard (with --audio file)."),
)

DEVICE_OPTIONS = (
    click.option("--test", is_flag=True, help="Test microphone and speaker, and whether one hears the other."),
    click.option(
        "--seconds",
        type=click.FloatRange(1, 60),
        default=SPEAK_S,
        show_default=True,
        help="Time to speak into the microphone (with --test).",
    ),
    click.option("--microphone", help="Test this one, by name or id; else that of the settings (with --test)."),
    click.option("--speaker", help="Test this one, by name or id; else that of the settings (with --test)."),
    click.option("--config", type=_FILE, help="Settings file (TOML), the same that the window edits."),
)


def with_options(*groups: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """Adds whole groups of options to a command."""

    def decorate(command: F) -> F:
        for group in reversed(groups):
            for option in reversed(group):
                command = option(command)
        return command

    return decorate


def usage(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.USAGE, reason, remedy))


def attaches(options: dict[str, Any], running: bool) -> bool:
    """The rule of cli.md. Raises OperationFailed where `--attach` contradicts an option."""
    named = [name for name in OWN_ENGINE_OPTIONS if options.get(name)]
    forced = options.get("attach")
    if forced and named:
        listed = ", ".join("--" + name.replace("_", "-") for name in named)
        raise usage(f"--attach cannot be used together with {listed}.", "Leave one of them out.")
    if forced is not None:
        return bool(forced)
    return not named and running


def phone_request(options: dict[str, Any]) -> PhoneRequest:
    """Raises OperationFailed (USAGE, SETTINGS, STORAGE, POLICY, NO_CREDENTIALS)."""
    settings = _settings(options)
    chosen = _account(settings, options)
    if options.get("pin"):
        chosen = replace(chosen, pins=(*chosen.pins, options["pin"]))
    # What is said on the line stands above the account's own choices, and those above the general ones.
    media = _media(configuration.media_section(settings, chosen), options)
    # Nobody is here for a second call: it hears busy.
    chosen = replace(chosen, media=None, codecs=(), call_waiting=False)
    settings = replace(settings, media=media, accounts=(chosen,), default_account="")
    configuration.account(settings, chosen, None)  # refused here, before anything is connected
    password = _password(chosen, options)
    return PhoneRequest(
        settings=settings,
        passwords={chosen.name: password} if password is not None else {},
        client_key_password=_first_line(options.get("client_key_password_file")),
        audio=_audio(options),
        trace=options.get("trace"),
    )


def chosen_devices(options: dict[str, Any]) -> AudioSection:
    """The settings' sound with the devices that were named. Raises OperationFailed (USAGE, SETTINGS, STORAGE)."""
    audio = _settings(options).audio
    named = {kind: options[kind] for kind in ("microphone", "speaker") if options.get(kind)}
    return replace(audio, **named)


def _settings(options: dict[str, Any]) -> Settings:
    config = options.get("config")
    if config is not None and not config.exists():
        raise usage(f"There is no settings file {config}.", "Check the name after --config.")
    given_on_the_line = options.get("server") or options.get("user")
    path = config or user_profile().settings_file
    settings = Settings() if given_on_the_line and config is None else SettingsFile(path).load()
    tls = settings.tls
    if options.get("ca"):
        tls = replace(tls, ca_files=(*tls.ca_files, *(str(name) for name in options["ca"])))
    if options.get("tls_profile"):
        tls = replace(tls, profile=TlsProfile(options["tls_profile"]))
    if options.get("client_key") and not options.get("client_cert"):
        raise usage("--client-key needs --client-cert.", "Name the certificate, too.")
    if options.get("client_cert"):
        tls = replace(
            tls, client_certificate=str(options["client_cert"]), client_key=str(options.get("client_key") or "")
        )
    return replace(settings, tls=tls)


def _media(media: MediaSection, options: dict[str, Any]) -> MediaSection:
    if options.get("media_encryption"):
        media = replace(media, encryption=MediaEncryption(options["media_encryption"]))
    if options.get("connection_profile"):
        media = replace(media, connection_profile=ConnectionProfile(options["connection_profile"]))
    if options.get("key_exchange"):
        media = replace(media, key_exchange=KeyExchange(options["key_exchange"]))
    if options.get("srtp_suites"):
        offered = _listed(options["srtp_suites"])
        media = replace(media, srtp_suites=offered, accepted_suites=offered)
    if options.get("codecs"):
        media = replace(media, codecs=tuple(name.upper() for name in _listed(options["codecs"])))
    return media


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _account(settings: Settings, options: dict[str, Any]) -> AccountSettings:
    server, user = options.get("server"), options.get("user")
    if user and not server and not options.get("domain"):
        raise usage("--user needs --server or --domain.", "Name the server, too.")
    if server and not user:
        raise usage("--server needs --user.", "Name the user, too.")
    if user:
        domain = options.get("domain") or configuration.server_target(server or "").host
        return AccountSettings(
            name=f"{user}@{domain}",
            user=user,
            domain=domain,
            server=server or "",
            auth_user=options.get("auth_user", ""),
        )
    name = options.get("account_name") or settings.default_account or None
    matching = [a for a in settings.accounts if name is None or a.name == name]
    if not matching:
        raise usage(
            f"There is no account named {name}." if name else "There is no account.",
            "Sign in once in the window, or give --server and --user.",
        )
    return matching[0]


def _password(account: AccountSettings, options: dict[str, Any]) -> Secret | None:
    """--password-file, then SOFTPHONE_PASSWORD (gone from the environment after), the keyring, a prompt (cli.md)."""
    from_environment = os.environ.pop("SOFTPHONE_PASSWORD", None)
    if options.get("password_file") is not None:
        return _first_line(options["password_file"])
    if from_environment is not None:
        return Secret(from_environment)
    if not options.get("server"):
        stored = PasswordStore().get(f"{account.user}@{account.domain}")
        if stored is not None:
            return stored
    if sys.stdin.isatty() and sys.stderr.isatty():
        return Secret(click.prompt(f"Password of {account.user}@{account.domain}", hide_input=True, err=True))
    return None


def _first_line(path: Path | None) -> Secret | None:
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"The password file {path} cannot be read: {error}.", "Check its name and permissions.") from error
    if not lines or not lines[0]:
        raise usage(f"The password file {path} is empty.", "Write the password into its first line.")
    return Secret(lines[0])


def _audio(options: dict[str, Any]) -> AudioChoice:
    kind = AudioKind(options.get("audio") or "device")
    play, record = options.get("play"), options.get("record")
    if (play or record) and kind is not AudioKind.FILE:
        raise usage("--play and --record need --audio file.", "Add --audio file.")
    if play is not None and not play.exists():
        raise usage(f"There is no file {play} to play.", "Check the name after --play.")
    if record is not None and not (record.parent.is_dir() and os.access(record.parent, os.W_OK)):
        raise usage(f"{record} cannot be written.", "Name a file in a folder that exists and that you may write to.")
    return AudioChoice(kind, play, record)
