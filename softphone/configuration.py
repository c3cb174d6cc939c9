"""From settings to what the core may do: accounts with their policies, TLS settings. Nothing is weakened on the way.

Owns: the one place where settings become policy values. A combination that policy forbids is a failure with a remedy.
"""

from __future__ import annotations

import functools
import re
from dataclasses import fields, replace
from pathlib import Path

from softphone.codecs.records import CODEC_RECORDS, PTIMES
from softphone.dsp.tone_plan import PLANS, knows_country
from softphone.engine.event_lines import EVENT_NAMES
from softphone.engine.hooks import Hook
from softphone.engine.media.codec_libraries import missing_library
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AccountOptions, MediaSettings
from softphone.policy.audio import AudioOptions
from softphone.policy.media import MediaPolicy, effective_media_policy
from softphone.policy.origin import Origin
from softphone.policy.recording import KEEP_DAYS, RecordingOptions
from softphone.policy.secret import Secret
from softphone.policy.tls import TlsSettings
from softphone.storage.settings import (
    AccountMedia,
    AccountSettings,
    AudioSection,
    HookSettings,
    MediaSection,
    RecordingSection,
    Settings,
    TlsSection,
)
from softphone.ua.account import Account, CallRules, Forwarding, ServerTarget
from softphone.ua.caller_patterns import caller_patterns
from softphone.ua.dial_target import parse_dial_target


def media_policy(media: MediaSection, origin: Origin = Origin.USER) -> MediaPolicy:
    """Raises OperationFailed when the connection profile does not permit the value."""
    policy = effective_media_policy(
        encryption=media.encryption,
        profile=media.connection_profile,
        unencrypted_peer=media.unencrypted_peer,
        key_exchange=media.key_exchange,
        accepted_key_exchanges=media.accepted_key_exchanges,
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
    """Raises OperationFailed (SETTINGS) for a list that is empty or names what is not here. Nothing is left out."""
    unknown = [name for name in names if name not in CODEC_RECORDS]
    if unknown or not any(CODEC_RECORDS[name].voice for name in names):
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                f"This version has no codec {unknown[0]}." if unknown else "No codec for voice is named.",
                f"Use {', '.join(CODEC_RECORDS)}; CN only beside a codec.",
            )
        )
    for name in names:
        needed = missing_library(name)
        if needed is not None:
            raise OperationFailed(
                Failure(
                    FailureKind.SETTINGS,
                    f"The codec {name} cannot be used here: {needed.library} is not installed.",
                    needed.remedy,
                )
            )


def usable_codecs() -> tuple[str, ...]:
    """All for voice that this machine has, best first: what is taken where the settings name none."""
    return tuple(name for name, record in CODEC_RECORDS.items() if record.voice and missing_library(name) is None)


def missing_codecs(settings: Settings) -> tuple[Failure, ...]:
    """What calls must do without on this machine although nobody decided so: said once, at the start."""
    if settings.media.codecs:
        return ()
    missing = {name: missing_library(name) for name, record in CODEC_RECORDS.items() if record.voice}
    return tuple(
        Failure(
            FailureKind.SETTINGS,
            f"Calls do without the codec {name}: {needed.library} is not installed.",
            needed.remedy,
        )
        for name, needed in missing.items()
        if needed is not None
    )


def check_ptime(ptime: int) -> None:
    """Raises OperationFailed (SETTINGS) for a packet length that cannot be asked for."""
    if ptime not in PTIMES:
        raise _unusable(
            f"ptime is {ptime}.", f"Choose {', '.join(map(str, PTIMES[:-1]))} or {PTIMES[-1]} milliseconds."
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


# Accounts

MAX_CALLS = 30  # at once in the whole phone
NO_ANSWER_SECONDS = (1, 300)  # before a call that nobody answers is sent on
SESSION_SECONDS = (90, 86400)  # RFC 4028 §4 forbids less
MAX_WATCHED = 100  # lines of one account
_DIALLED_CODE = re.compile(r"[0-9*#A-Za-z+._-]{0,32}")


def media_section(settings: Settings, chosen: AccountSettings) -> MediaSection:
    """What holds for this account: its own choices over those for all."""
    section = settings.media
    own = chosen.media
    if own is not None:
        section = replace(
            section,
            encryption=own.encryption,
            connection_profile=own.connection_profile,
            unencrypted_peer=own.unencrypted_peer,
        )
    return replace(section, codecs=chosen.codecs or section.codecs or usable_codecs())


def check_audio(audio: AudioSection | AudioOptions) -> None:
    """Raises OperationFailed (SETTINGS) for a country whose tones are not known. Nothing else stands in for it."""
    if audio.country and not knows_country(audio.country):
        raise _unusable(
            f"The tones of the country “{audio.country[:20]}” are not known here.",
            f"Choose one of {', '.join(sorted(PLANS))}, or none to follow the system.",
        )


def unusable_audio(audio: AudioSection) -> tuple[Failure, ...]:
    """What a settings file asks of the tones and cannot have: said once, at the start."""
    try:
        check_audio(audio)
    except OperationFailed as error:
        return (error.failure,)
    return ()


def audio_options(audio: AudioSection) -> AudioOptions:
    return AudioOptions(**{field.name: getattr(audio, field.name) for field in fields(AudioOptions)})


def with_audio_options(settings: Settings, options: AudioOptions) -> Settings:
    """Raises OperationFailed (SETTINGS)."""
    check_audio(options)
    chosen = {field.name: getattr(options, field.name) for field in fields(AudioOptions)}
    return replace(settings, audio=replace(settings.audio, **chosen))


def recording_options(section: RecordingSection, origin: Origin = Origin.USER) -> RecordingOptions:
    """Raises OperationFailed (SETTINGS): nothing is recorded by settings that do not mean what they say."""
    options = shown_recording_options(section, origin)
    _check_number("recording.keep_days", section.keep_days, KEEP_DAYS)
    if section.folder and not Path(section.folder).expanduser().is_absolute():
        raise _unusable(
            f"recording.folder is “{section.folder}”, which depends on where the phone was started.",
            "Write the whole path, or one that begins with ~.",
        )
    return options


def shown_recording_options(section: RecordingSection, origin: Origin = Origin.USER) -> RecordingOptions:
    """As they were written, usable or not."""
    return RecordingOptions(
        section.permitted, section.format, section.folder, section.announce, section.keep_days, origin
    )


def account_options(chosen: AccountSettings) -> AccountOptions:
    """What a person chooses of it, as the window and scripts know it."""
    own = chosen.media
    return AccountOptions(
        rules=CallRules(
            call_waiting=chosen.call_waiting,
            max_calls=chosen.max_calls,
            do_not_disturb=chosen.do_not_disturb,
            forwarding=Forwarding(
                chosen.forward_always, chosen.forward_busy, chosen.forward_no_answer, chosen.forward_after
            ),
            deny=chosen.deny,
            deny_anonymous=chosen.deny_anonymous,
            auto_answer_from=chosen.auto_answer_from,
        ),
        digits=chosen.digits,
        hide_identity=chosen.hide_identity,
        message_waiting=chosen.message_waiting,
        voicemail=chosen.voicemail,
        watched=chosen.watched,
        codecs=chosen.codecs,
        media=MediaSettings(own.encryption, own.connection_profile, own.unencrypted_peer) if own is not None else None,
        ringtone=chosen.ringtone,
    )


def with_account_options(chosen: AccountSettings, options: AccountOptions) -> AccountSettings:
    """The inverse of `account_options`; what is no option stays as it is."""
    rules, forwarding, own = options.rules, options.rules.forwarding, options.media
    return replace(
        chosen,
        call_waiting=rules.call_waiting,
        max_calls=rules.max_calls,
        do_not_disturb=rules.do_not_disturb,
        forward_always=forwarding.always,
        forward_busy=forwarding.busy,
        forward_no_answer=forwarding.no_answer,
        forward_after=forwarding.no_answer_s,
        deny=rules.deny,
        deny_anonymous=rules.deny_anonymous,
        auto_answer_from=rules.auto_answer_from,
        digits=options.digits,
        hide_identity=options.hide_identity,
        message_waiting=options.message_waiting,
        voicemail=options.voicemail,
        watched=options.watched,
        codecs=options.codecs,
        ringtone=options.ringtone,
        media=None
        if own is None
        else AccountMedia(
            encryption=own.encryption, connection_profile=own.profile, unencrypted_peer=own.unencrypted_peer
        ),
    )


def check_account_options(chosen: AccountSettings) -> None:
    """Raises OperationFailed (SETTINGS) for a rule that could not do what it says when a call comes."""
    _check_number("max_calls", chosen.max_calls, (1, MAX_CALLS))
    _check_number("forward_after", chosen.forward_after, NO_ANSWER_SECONDS)
    if chosen.session_expires:
        _check_number("session_expires", chosen.session_expires, SESSION_SECONDS)
    for patterns in (chosen.deny, chosen.auto_answer_from):
        caller_patterns(patterns)
    if len(chosen.watched) > MAX_WATCHED or len({line.uri for line in chosen.watched}) != len(chosen.watched):
        raise _unusable(
            f"The account {chosen.name} watches a line twice, or more than {MAX_WATCHED} lines.", "Take some out."
        )
    forwards = (chosen.forward_always, chosen.forward_busy, chosen.forward_no_answer)
    for address in (*forwards, chosen.voicemail, *(line.uri for line in chosen.watched)):
        if address:
            _check_address(address, chosen.domain)
    for line in chosen.watched:
        if not line.uri or not _DIALLED_CODE.fullmatch(line.pickup_code):
            raise _unusable(
                f"The watched line “{line.uri}” has no address, or a pickup code that cannot be dialled.",
                "Give its address, and a code of digits, * and #.",
            )


def _check_number(key: str, value: int, between: tuple[int, int]) -> None:
    if not between[0] <= value <= between[1]:
        raise _unusable(f"{key} is {value}.", f"Choose a number from {between[0]} to {between[1]}.")


def _check_address(address: str, domain: str) -> None:
    try:
        parse_dial_target(address, domain)
    except OperationFailed as error:
        raise _unusable(error.failure.reason, error.failure.remedy) from error


def _unusable(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.SETTINGS, reason, remedy))


def account(settings: Settings, chosen: AccountSettings, password: Secret | None, instance_id: str = "") -> Account:
    """Raises OperationFailed (SETTINGS, USAGE, POLICY)."""
    media = media_section(settings, chosen)
    check_codecs(media.codecs)
    check_ptime(media.ptime)
    check_pins(chosen.pins)
    check_account_options(chosen)
    options = account_options(chosen)
    return Account(
        id=chosen.name,
        user=chosen.user,
        domain=chosen.domain,
        server=server_target(chosen.server or chosen.domain),
        auth_user=chosen.auth_user,
        display_name=chosen.display_name,
        password=password,
        media_policy=media_policy(media),
        codecs=media.codecs,
        ptime=media.ptime,
        dtx=media.dtx,
        register=chosen.register,
        expires=chosen.expires,
        rules=options.rules,
        digits=chosen.digits,
        hide_identity=chosen.hide_identity,
        message_waiting=chosen.message_waiting,
        voicemail=chosen.voicemail,
        watched=chosen.watched,
        session_expires=chosen.session_expires,
        reliable_provisionals=chosen.reliable_provisionals,
        outbound=chosen.outbound,
        instance_id=instance_id,
        rtcp_mux=chosen.rtcp_mux,
        ringtone=chosen.ringtone,
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
