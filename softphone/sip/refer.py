"""What REFER brings: Refer-To, Referred-By, and the status line in a NOTIFY's body.

Owns: these values (RFC 3515 §2, RFC 3892 §3, RFC 3420, RFC 4488). Raises RemoteProtocolError with one sentence, takes
one pass. Whether a target may be called is `ua/refer_target.py`'s.
"""

from __future__ import annotations

import re

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import NameAddr, all_values, parse_name_addr, parse_name_addrs
from softphone.sip.message import Message, Request
from softphone.sip.responses import REASONS
from softphone.sip.tokens import LWS, display_text

SIPFRAG = "message/sipfrag"
MAX_STATUS_LINE = 512  # octets of a sipfrag that are looked at for its end
_STATUS_LINE = re.compile(r"SIP/2\.0[ \t]++([1-6][0-9]{2})(?:[ \t]++(.*))?")


def refer_to(request: Request) -> NameAddr:
    """§2.4.2: none or more than one is 400."""
    values = all_values(request.headers.get_all("Refer-To"))
    if len(values) != 1:
        raise RemoteProtocolError("REFER needs one Refer-To")
    return parse_name_addr(values[0])


def referred_by(message: Message) -> NameAddr | None:
    """Who caused the request (RFC 3892); None without one that can be read: it is for display."""
    try:
        values = parse_name_addrs(message.headers.get_all("Referred-By"))
    except RemoteProtocolError:
        return None
    return values[0] if len(values) == 1 else None


def status_line(body: bytes) -> tuple[int, str] | None:
    """The status that a sipfrag begins with (RFC 3515 §2.4.5); None for an empty body."""
    if not body.strip():
        return None
    line = re.split(rb"[\r\n]", body.lstrip()[:MAX_STATUS_LINE], maxsplit=1)[0].decode("utf-8", "replace")
    found = _STATUS_LINE.fullmatch(line.rstrip(LWS))
    if found is None:
        raise RemoteProtocolError("The body of the NOTIFY begins with no SIP status")
    return int(found[1]), display_text(found[2] or "")


def sipfrag(status: int, reason: str = "") -> bytes:
    """The smallest sipfrag that tells a status (RFC 3515 §2.4.5)."""
    return f"SIP/2.0 {status} {reason or REASONS.get(status, 'Unknown')}\r\n".encode()


def without_subscription(message: Message) -> bool:
    """`Refer-Sub: false` (RFC 4488 §4): nothing will be told of how it goes."""
    value = (message.headers.get("Refer-Sub") or "").partition(";")[0]
    return value.strip(LWS).lower() == "false"
