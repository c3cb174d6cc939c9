"""Times that the other side names in a message, in seconds: what cannot be read is as if it were not there.

Owns: that leniency. The grammar is `sip/header_values.py`'s; what refuses a message with such a field is not read here.
"""

from __future__ import annotations

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import parse_delta_seconds, parse_retry_after
from softphone.sip.message import Message

MAX_RETRY_AFTER = 3600  # s; a server that wants to be left alone for longer is asked again all the same


def seconds(value: str | None) -> int | None:
    """Delta-seconds of a header field or a parameter (RFC 3261 §25.1)."""
    try:
        return None if value is None else parse_delta_seconds(value)
    except RemoteProtocolError:
        return None


def expiry(message: Message) -> int | None:
    """Expires: how long a registration or subscription is granted, or an invitation stands (§13.3.1, §20.19)."""
    return seconds(message.headers.get("Expires"))


def retry_after(message: Message) -> int | None:
    """Retry-After (§20.33), as it stands: whoever waits has a limit of his own."""
    value = message.headers.get("Retry-After")
    try:
        return None if value is None else parse_retry_after(value).seconds
    except RemoteProtocolError:
        return None
