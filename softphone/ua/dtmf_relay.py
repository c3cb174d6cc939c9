"""A digit as the body of INFO: application/dtmf-relay and application/dtmf. No RFC has them; this is what is in use.

Owns: writing the one and reading both. `Signal=5`, `Duration=160` in lines; or the digit alone.
"""

from __future__ import annotations

import re

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import parse_content_type
from softphone.sip.message import Message

DTMF_RELAY = "application/dtmf-relay"
DTMF = "application/dtmf"
MAX_BODY = 512  # octets; one digit takes thirty

# Possessive, and bounded by MAX_BODY: one pass.
_SIGNAL = re.compile(rb"(?im)^[ \t]*+signal[ \t]*+[=:][ \t]*+(?P<signal>[0-9]{1,2}|[*#A-D])[ \t]*+\r?+$")
_ALONE = re.compile(rb"(?i)\s*+(?:d[ \t]*+=[ \t]*+)?+(?P<signal>[0-9]{1,2}|[*#A-D])\s*+")
_NUMBERED = {10: "*", 11: "#", 12: "A", 13: "B", 14: "C", 15: "D"}  # as telephone-events are (RFC 4733 §3.2)


def dtmf_relay(digit: str, milliseconds: int) -> bytes:
    return f"Signal={digit}\r\nDuration={milliseconds}\r\n".encode("ascii")


def digit_of(message: Message) -> str | None:
    """None for what is no digit: a hook flash (16), or what cannot be read."""
    body = message.body
    if len(body) > MAX_BODY:
        return None
    try:
        kind = parse_content_type(message.headers.get("Content-Type") or "")[0]
    except RemoteProtocolError:
        return None
    found = _SIGNAL.search(body) if kind == DTMF_RELAY else _ALONE.fullmatch(body) if kind == DTMF else None
    if found is None:
        return None
    signal = found["signal"].decode("ascii").upper()
    if not signal.isdigit() or len(signal) == 1:
        return signal
    return _NUMBERED.get(int(signal))
