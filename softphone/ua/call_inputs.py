"""What a person asks of a call, and what its media tells of it: each command and input to its method.

Owns: that mapping, and the words for what is heard of a call without changing its state.
"""

from __future__ import annotations

from typing import assert_never

from softphone.errors import Failure, FailureKind
from softphone.policy.media import KeyExchange
from softphone.sdp.negotiated import ClearMedia, Direction, DtlsSrtpSecurity, SrtpSecurity
from softphone.ua.call import Call
from softphone.ua.call_table import CallTrigger
from softphone.ua.commands import (
    AgreeToUnencrypted,
    Answer,
    AnswerUnencrypted,
    Decline,
    Deflect,
    FollowRedirect,
    HangUp,
    Hold,
    Mute,
    Rekey,
    Resume,
    StartEarlyMedia,
    Unmute,
)
from softphone.ua.events import CallNotice, CallReported, CallSecured, DigitPressed
from softphone.ua.host import Host
from softphone.ua.inputs import (
    DigitReceived,
    KeysAging,
    MediaFailed,
    MediaFlowing,
    MediaOpened,
    MediaReported,
    MediaSecured,
    MediaTimedOut,
)

CallCommand = (
    Answer
    | AnswerUnencrypted
    | StartEarlyMedia
    | Decline
    | Deflect
    | HangUp
    | Hold
    | Resume
    | Rekey
    | Mute
    | Unmute
    | AgreeToUnencrypted
    | FollowRedirect
)
MediaInput = (
    MediaOpened | MediaFailed | MediaSecured | KeysAging | MediaFlowing | MediaTimedOut | DigitReceived | MediaReported
)


def command_call(call: Call, command: CallCommand, now: float) -> None:
    match command:
        case Answer():
            call.answer(now)
        case AnswerUnencrypted():
            call.answer(now, unencrypted=True)
        case StartEarlyMedia():
            call.start_early_media(now)
        case Decline(status=status):
            call.decline(status, now)
        case Deflect(target=target):
            call.deflect(target, now)
        case Rekey():
            call.rekey(now)
        case HangUp():
            call.hang_up(now)
        case Hold():
            call.hold(Direction.SENDONLY, now)
        case Resume():
            call.hold(Direction.SENDRECV, now)
        case Mute():
            call.set_muted(True)
        case Unmute():
            call.set_muted(False)
        case AgreeToUnencrypted():
            call.agree(now)
        case FollowRedirect():
            call.trigger(CallTrigger.FOLLOW, now)
        case _:
            assert_never(command)


def hear_media(host: Host, call: Call, given: MediaInput, now: float) -> None:
    """After CallEnded, the last event of a call, nothing more is said of it."""
    match given:
        case MediaOpened():
            call.media_opened(given, now)
        case MediaFailed(failure=failure):
            call.media_failed(failure, now)
        case MediaReported(report=report, final=final):
            if not (final or call.announced_end):
                host.emit(CallReported(call.id, report))
            call.media_reported(report, final, now)
        case _ if call.announced_end:
            pass
        case MediaSecured(srtp_suite=suite):
            call.media_heard()
            _say_secured(host, call, suite)
        case KeysAging():
            call.rekey(now)
        case MediaFlowing():
            call.media_heard()  # CallNotEncrypted has said what this media is
        case MediaTimedOut(silent_s=silent_s):
            host.emit(CallNotice(call.id, _silent_line(silent_s)))
        case DigitReceived(digit=digit):
            host.emit(DigitPressed(call.id, digit))
        case _:
            assert_never(given)


def _say_secured(host: Host, call: Call, agreed_suite: str) -> None:
    """`agreed_suite` is what a DTLS handshake agreed on; with SDES it stands in the negotiated key."""
    flow = host.flow(call.account.id)
    running = call.media.running
    if flow is None or running is None:
        return
    match running.security:
        case SrtpSecurity(send=send):
            host.emit(CallSecured(call.id, send.suite.name, flow.description))
        case DtlsSrtpSecurity():
            host.emit(CallSecured(call.id, agreed_suite, flow.description, KeyExchange.DTLS))
        case ClearMedia():
            pass  # CallNotEncrypted has said what this media is
        case _:
            assert_never(running.security)


def _silent_line(silent_s: float) -> Failure:
    return Failure(
        FailureKind.MEDIA_LOST,
        f"Nothing has been heard from the other side for {silent_s:.0f} seconds.",
        "Check the network; the call ends when one of you hangs up.",
    )
