"""From negotiated security to the object that protects or opens packets.

Owns: that choice, made by type. Must not know: sockets, audio. SRTP and clear media are different classes; there is no
path from one to the other (security.md).
"""

from __future__ import annotations

from typing import assert_never

from softphone.sdp.negotiated import ClearMedia, MediaSecurity, SrtpSecurity
from softphone.srtp.context import (
    ClearReceiver,
    ClearSender,
    MediaReceiver,
    MediaSender,
    SrtpReceiver,
    SrtpSender,
)


def sending_context(security: MediaSecurity) -> MediaSender:
    """A new context; for SRTP it must be used with an SSRC that this key has not seen."""
    match security:
        case SrtpSecurity():
            return SrtpSender(security.send.suite, security.send.material)
        case ClearMedia():
            return ClearSender()
        case _:
            assert_never(security)


def receiving_context(security: MediaSecurity) -> MediaReceiver:
    match security:
        case SrtpSecurity():
            return SrtpReceiver(security.receive.suite, security.receive.material)
        case ClearMedia():
            return ClearReceiver()
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
            return old.receive == new.receive
        case ClearMedia(), ClearMedia():
            return True
        case _:
            return False
