"""What the window says about accounts, calls and locks, from the values of AppState. No widgets here.

Texts of the policy and of failures come as they are; everything else goes through the translation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import assert_never

from PySide6.QtCore import QCoreApplication, QLocale

from softphone.errors import Failure
from softphone.state import (
    AccountView,
    CallDirection,
    CallPhase,
    CallSecurity,
    CallView,
    Encryption,
    LineView,
    MessageView,
    MessageWaiting,
)
from softphone.ua.events import DeliveryState, LineState, Party, RegistrationState
from softphone.ua.media_report import MediaReport
from softphone.ui.texts import foreign


def _tr(text: str) -> str:
    return QCoreApplication.translate("words", text)


def address(uri: str) -> str:
    """An address as people write it: without the scheme, where that says nothing."""
    return foreign(uri.removeprefix("sip:"))


def name(party: Party) -> str:
    """What the other side calls itself, else the part of its address before the “@”."""
    return foreign(party.display_name.strip()) or address(party.uri).partition("@")[0]


def sentence(failure: Failure) -> str:
    return f"{failure.reason} {failure.remedy}".strip()


# Registration


def registration(account: AccountView) -> str:
    match account.state:
        case RegistrationState.OFFLINE:
            return _tr("Offline")
        case RegistrationState.CONNECTING:
            return _tr("Connecting to %s …") % foreign(account.server)
        case RegistrationState.REGISTERING:
            return _tr("Signing in …")
        case RegistrationState.REGISTERED:
            secured = f" · {account.flow.tls_version}" if account.flow else ""
            return _tr("Ready for calls") + secured
        case RegistrationState.WAITING if account.retry_in_s is not None:
            return _tr("Not connected, tries again within %s") % span(account.retry_in_s)
        case RegistrationState.WAITING:
            return _tr("Not connected, tries again")
        case RegistrationState.FAILED:
            return _tr("Not signed in")
        case _:
            assert_never(account.state)


def span(seconds: float) -> str:
    whole = max(1, round(seconds))
    return _tr("%d s") % whole if whole < 120 else _tr("%d min") % round(whole / 60)


# Calls


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours from the first."""
    whole = max(0, int(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"


def call_state(call: CallView) -> str:
    match call.phase:
        case CallPhase.DIALING:
            return _tr("Calling …")
        case CallPhase.RINGING:
            return _tr("Ringing …")
        case CallPhase.INCOMING:
            return _tr("Incoming call")
        case CallPhase.REDIRECTED:
            return _tr("Diverted: your decision")
        case CallPhase.CONSENT:
            return _tr("Answered without encryption: your decision")
        case CallPhase.ACTIVE:
            return _active(call)
        case CallPhase.ENDED:
            return _ended(call)
        case _:
            assert_never(call.phase)


def _active(call: CallView) -> str:
    if call.held_by_us and call.held_by_peer:
        return _tr("On hold, by both sides")
    if call.held_by_us:
        return _tr("On hold")
    if call.held_by_peer:
        return _tr("The other side holds the call")
    return _tr("In call, microphone muted") if call.muted else _tr("In call")


def identity(call: CallView) -> str:
    """Whom the server vouches for if that is somebody else, who sent the call on, and that it was answered by rule."""
    said = call.identity
    lines = []
    if said.asserted is not None and said.asserted.uri != call.remote.uri:
        lines.append(_tr("Your server says that it is %s") % party(said.asserted))
    if said.anonymous:
        lines.append(_tr("The caller does not want to be named"))
    if said.diversions:
        lines.append(_tr("Sent on by %s") % party(said.diversions[0].party))
    if call.auto_answered:
        lines.append(_tr("Answered by itself, as your settings say"))
    if call.in_conference:
        lines.append(_tr("In the conference, heard by nobody") if call.member_muted else _tr("In the conference"))
    if call.transfer is not None and not call.transfer.wants_answer:
        lines.append(_tr("Transfer to %s is under way") % address(call.transfer.target))
    return "\n".join(lines)


def party(of: Party) -> str:
    """Name and address."""
    return f"{name(of)} ({address(of.uri)})" if of.display_name.strip() else address(of.uri)


def line_state(line: LineView) -> str:
    """A watched line in one or two words."""
    match line.state:
        case LineState.UNKNOWN:
            return _tr("not known")
        case LineState.IDLE:
            return _tr("free")
        case LineState.RINGING:
            return _tr("rings")
        case LineState.BUSY:
            return _tr("in a call")
        case _:
            assert_never(line.state)


def message_waiting(waiting: MessageWaiting) -> str:
    """“2 new voice messages”; "" if there are none."""
    if not waiting.waiting:
        return ""
    if waiting.new is None:
        return _tr("New voice messages")
    return _tr("1 new voice message") if waiting.new == 1 else _tr("%d new voice messages") % waiting.new


def delivery(message: MessageView) -> str:
    match message.state:
        case None | DeliveryState.DELIVERED:
            return ""
        case DeliveryState.SENDING:
            return _tr("on its way")
        case DeliveryState.ACCEPTED:
            return _tr("taken by the server")
        case DeliveryState.FAILED:
            return _tr("not delivered: %s") % (sentence(message.failure) if message.failure else "")
        case _:
            assert_never(message.state)


def _ended(call: CallView) -> str:
    if call.established_at is not None:
        return _tr("Call ended after %s") % duration((call.ended_at or 0.0) - call.established_at)
    if call.ended is not None and call.ended.failure is not None:
        return _tr("Call not established")
    if call.deflected is not None:
        target = address(call.deflected.target)
        return _tr("Sent on to %s") % target if target else _tr("Turned away by your settings")
    return _tr("Missed call") if call.direction is CallDirection.INCOMING else _tr("Call ended")


# The lock


def lock_headline(security: CallSecurity, phase: CallPhase) -> str:
    match security.encryption:
        case Encryption.SRTP:
            return _tr("Encrypted to your server")
        case Encryption.NONE:
            return _tr("Not encrypted")
        case Encryption.PENDING:
            return {
                CallPhase.INCOMING: _tr("Will be encrypted to your server"),
                CallPhase.ACTIVE: _tr("Waiting for the first encrypted packet"),
                CallPhase.ENDED: _tr("No sound arrived"),
            }.get(phase, _tr("Encryption is not agreed yet"))
        case _:
            assert_never(security.encryption)


def lock_details(security: CallSecurity, account: AccountView | None) -> str:
    """“TLSv1.3 TLS_AES_256_GCM_SHA384” and below it “SRTP AEAD_AES_256_GCM”, or why not."""
    if security.encryption is Encryption.NONE:
        return security.reason or ""
    flow = account.flow if account is not None else None
    version = security.tls_version or (flow.tls_version if flow else None)
    cipher = security.tls_cipher or (flow.tls_cipher if flow else None)
    signalling = f"{version} {cipher}" if version and cipher else ""
    return "\n".join(text for text in (signalling, security.srtp_suite and f"SRTP {security.srtp_suite}") if text)


# The line


def line_quality(report: MediaReport | None) -> str:
    """One small line of numbers; "" before there are any."""
    if report is None or not (report.rtp_sent or report.rtp_received):
        return ""
    locale = QLocale()
    parts = [
        _tr("sent %s, received %s packets") % (locale.toString(report.rtp_sent), locale.toString(report.rtp_received)),
        _tr("lost %s") % _share(report.lost, report.rtp_received + report.lost),
    ]
    if report.jitter_ms is not None:
        parts.append(_tr("jitter %s ms") % locale.toString(float(report.jitter_ms), "f", 1))
    if report.rtt_ms is not None:
        parts.append(_tr("round trip %s ms") % locale.toString(float(report.rtt_ms), "f", 0))
    text = " · ".join(parts)
    return text[0].upper() + text[1:]


def _share(part: int, whole: int) -> str:
    percent = 100.0 * max(0, part) / whole if whole > 0 else 0.0
    return QLocale().toString(percent, "f", 1) + " %"


# How many, said of one packet, said of more.
_COUNTED: tuple[tuple[Callable[[MediaReport], int], str, str], ...] = (
    (
        lambda report: report.auth_failures,
        "1 packet was not authentic and was not played.",
        "%d packets were not authentic and were not played.",
    ),
    (
        lambda report: report.replays,
        "1 packet was a repetition and was not played.",
        "%d packets were repetitions and were not played.",
    ),
    (
        lambda report: report.plain_rtp_seen,
        "1 packet was not encrypted and was not played.",
        "%d packets were not encrypted and were not played.",
    ),
)


def line_warnings(report: MediaReport | None) -> str:
    """What was received and never played, in words (security.md "SDES")."""
    if report is None:
        return ""
    counts = ((count(report), one, more) for count, one, more in _COUNTED)
    return " ".join(_tr(one) if n == 1 else _tr(more) % n for n, one, more in counts if n)


# The list of past calls


def recent(call: CallView, now: float) -> str:
    """One past call in two lines: who; how, when, how long."""
    outgoing = call.direction is CallDirection.OUTGOING
    facts = [_tr("Outgoing") if outgoing else _tr("Incoming") if call.established_at is not None else _tr("Missed")]
    if call.ended is not None and call.ended.failure is not None and call.established_at is None:
        facts[0] = _tr("Not established") if outgoing else _tr("Refused")
    if call.deflected is not None:
        target = address(call.deflected.target)
        facts[0] = _tr("Sent on to %s") % target if target else _tr("Turned away")
    if call.ended_at is not None:
        facts.append(time.strftime("%H:%M", time.localtime(time.time() - max(0.0, now - call.ended_at))))
    if call.established_at is not None and call.ended_at is not None:
        facts.append(duration(call.ended_at - call.established_at))
    if call.security.encryption is Encryption.NONE:
        facts.append(_tr("Not encrypted"))
    return f"{name(call.remote)}\n{' · '.join(facts)}"
