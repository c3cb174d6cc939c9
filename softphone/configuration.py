"""From settings to what the core may do: accounts with their policies, TLS settings. Nothing is weakened on the way.

Owns: the one place where settings become policy values. A combination that policy forbids is a failure with a remedy.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from softphone.codecs.records import CODEC_RECORDS
from softphone.engine.event_lines import EVENT_NAMES
from softphone.engine.hooks import Hook
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.media import MediaPolicy, effective_media_policy
from softphone.policy.origin import Origin
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsSettings
from softphone.storage.settings import AccountSettings, HookSettings, MediaSection, Settings, TlsSection
from softphone.ua.account import Account, ServerTarget


def media_policy(media: MediaSection, origin: Origin = Origin.USER) -> MediaPolicy:
    """Raises OperationFailed when the connection profile does not permit the value."""
    policy = effective_media_policy(
        encryption=media.encryption,
        profile=media.connection_profile,
        unencrypted_peer=media.unencrypted_peer,
        key_exchange=media.key_exchange,
        offered_suites=media.srtp_suites,
        accepted_suites=media.accepted_suites,
        origin=origin,
    )
    if isinstance(policy, Failure):
        raise OperationFailed(policy)
    return policy


def server_target(text: str) -> ServerTarget:
    """ "host", "host:port", "[v6]:port". Raises OperationFailed(USAGE)."""
    host, port_text = text.strip(), ""
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port_text = rest.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port_text = host.partition(":")
    bad_port = bool(port_text) and not (port_text.isdigit() and 0 < int(port_text) < 65536)
    if not host or bad_port or any(c.isspace() or c in "/@<>\"'" for c in host):
        raise OperationFailed(
            Failure(FailureKind.USAGE, f"“{text}” is not a server address.", "Write it as host or host:port.")
        )
    return ServerTarget(host, int(port_text) if port_text else None)


def check_codecs(names: tuple[str, ...]) -> None:
    """Raises OperationFailed (SETTINGS) for a list that is empty or names what this version does not have."""
    unknown = [name for name in names if name not in CODEC_RECORDS]
    if names and not unknown:
        return
    raise OperationFailed(
        Failure(
            FailureKind.SETTINGS,
            f"This version has no codec {unknown[0]}." if unknown else "No codec is named.",
            f"Use {' or '.join(CODEC_RECORDS)}.",
        )
    )


def check_pins(pins: tuple[str, ...]) -> None:
    """Raises OperationFailed (SETTINGS) for what is no SHA-256 fingerprint: such a pin would never match."""
    for pin in pins:
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", pin.replace(":", "").replace(" ", "")):
            raise OperationFailed(
                Failure(
                    FailureKind.SETTINGS,
                    f"“{pin}” is not the SHA-256 fingerprint of a certificate.",
                    "Write its 64 hexadecimal digits, with or without colons.",
                )
            )


MAX_HOOK_SECONDS = 300.0


@functools.lru_cache(maxsize=1)
def hooks(chosen: tuple[HookSettings, ...]) -> tuple[tuple[Hook, ...], tuple[Failure, ...]]:
    """Those that can be called, and why the others cannot: one wrong entry does not silence the rest."""
    usable, failures = [], []
    for entry in chosen:
        wrong = _wrong_hook(entry)
        if wrong is None:
            usable.append(Hook(frozenset(entry.events), entry.command, entry.timeout))
        else:
            failures.append(
                Failure(
                    FailureKind.SETTINGS,
                    f"A hook in the settings file cannot be used: {wrong}.",
                    "Correct it and start the phone again; “softphone events --list” names the events.",
                )
            )
    return tuple(usable), tuple(failures)


def _wrong_hook(entry: HookSettings) -> str | None:
    unknown = [name for name in entry.events if name not in EVENT_NAMES]
    if unknown or not entry.events:
        return f"there is no event “{unknown[0]}”" if unknown else "it names no event"
    if not entry.command or not entry.command[0]:
        return "it names no command"
    if not 0 < entry.timeout <= MAX_HOOK_SECONDS:
        return f"its timeout is not between 0 and {MAX_HOOK_SECONDS:g} seconds"
    return None


def account(settings: Settings, chosen: AccountSettings, password: Secret | None) -> Account:
    """Raises OperationFailed (SETTINGS, USAGE, POLICY)."""
    check_codecs(settings.media.codecs)
    check_pins(chosen.pins)
    return Account(
        id=chosen.name,
        user=chosen.user,
        domain=chosen.domain,
        server=server_target(chosen.server or chosen.domain),
        auth_user=chosen.auth_user,
        display_name=chosen.display_name,
        password=password,
        media_policy=media_policy(settings.media),
        codecs=settings.media.codecs,
        register=chosen.register,
        expires=chosen.expires,
    )


def tls_settings(tls: TlsSection, pins: tuple[str, ...] = (), client_key_password: Secret | None = None) -> TlsSettings:
    """`pins` are one account's own: a certificate trusted for one server proves nothing about another."""
    return TlsSettings(
        profile=tls.profile,
        ca_files=tuple(str(Path(name).expanduser()) for name in tls.ca_files),
        client_certificate=tls.client_certificate or None,
        client_key=tls.client_key or None,
        client_key_password=client_key_password,
        pins=pins,
        expected_name=tls.expected_name or None,
        strict_identity=tls.strict_identity,
    )
