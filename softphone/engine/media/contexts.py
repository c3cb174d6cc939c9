"""From negotiated security to the object that protects or opens packets.

Owns: that choice, made by type. Must not know: sockets, audio. SRTP and clear media are different classes; there is no
path from one to the other (security.md).
"""

from __future__ import annotations

from typing import assert_never

from softphone.errors import LocalProtocolError
from softphone.sdp.negotiated import ClearMedia, DtlsSrtpSecurity, MediaSecurity, SrtpSecurity
from softphone.srtp.context import (
    LIBSRTP_SUITES,
    ClearReceiver,
    ClearSender,
    MediaReceiver,
    MediaSender,
    SrtpReceiver,
    SrtpSender,
)
from softphone.srtp.own_context import OwnSrtpReceiver, OwnSrtpSender


def sending_context(security: MediaSecurity) -> MediaSender:
    """A new context; for SRTP it must be used with an SSRC that this key has not seen."""
    match security:
        case SrtpSecurity():
            send = security.send
            if send.mki or send.suite.name not in LIBSRTP_SUITES:
                return OwnSrtpSender(send)
            return SrtpSender(send.suite, send.material, send.lifetime)
        case ClearMedia():
            return ClearSender()
        case DtlsSrtpSecurity():
            raise _no_keys_yet()
        case _:
            assert_never(security)


def receiving_context(security: MediaSecurity) -> MediaReceiver:
    match security:
        case SrtpSecurity():
            receive = security.receive
            if receive.mki or receive.suite.name not in LIBSRTP_SUITES:
                return OwnSrtpReceiver((receive, *security.further))
            return SrtpReceiver(receive.suite, receive.material, receive.lifetime)
        case ClearMedia():
            return ClearReceiver()
        case DtlsSrtpSecurity():
            raise _no_keys_yet()
        case _:
            assert_never(security)


def same_sending_key(old: MediaSecurity, new: MediaSecurity) -> bool:
    """Whether the sending context and its roll-over counter go on."""
    match old, new:
        case SrtpSecurity(), SrtpSecurity():
            return old.send == new.send
        case ClearMedia(), ClearMedia():
            return True
        case _:
            return False


def same_receiving_key(old: MediaSecurity, new: MediaSecurity) -> bool:
    match old, new:
        case SrtpSecurity(), SrtpSecurity():
            return (old.receive, old.further) == (new.receive, new.further)
        case ClearMedia(), ClearMedia():
            return True
        case _:
            return False


def _no_keys_yet() -> LocalProtocolError:
    """What a handshake is to agree on is no key: `keyed_session.py` waits for it."""
    return LocalProtocolError("media with DTLS-SRTP was started before its handshake")
