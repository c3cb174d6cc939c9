"""Header fields of SIP's call extensions as typed values: RSeq and RAck (RFC 3262 §7), Session-Expires and Min-SE
(RFC 4028 §4, §5), and whether a message names an extension in Supported or Require.

Everything here raises RemoteProtocolError(400) with one sentence and takes one pass over its input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import CSeq, parse_cseq, parse_delta_seconds, parse_tokens
from softphone.sip.message import Headers, Message
from softphone.sip.tokens import LWS, find_parameter, parse_parameters, read_number

MAX_RSEQ = 2**32 - 1  # RFC 3262 §7.1
FIRST_RSEQ = 2**31 - 1  # the largest number to begin with (§3)

_RACK = re.compile(r"(?P<rseq>[0-9]++)[ \t]++(?P<cseq>[0-9]++[ \t]++[^ \t]++)")


class Refresher(Enum):
    """Who refreshes the session, by the role in the transaction that said so (RFC 4028 §4)."""

    UAC = "uac"
    UAS = "uas"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """`interval` in seconds; `refresher` None: not said."""

    interval: int
    refresher: Refresher | None = None

    def __str__(self) -> str:
        return f"{self.interval}" + (f";refresher={self.refresher.value}" if self.refresher is not None else "")


@dataclass(frozen=True, slots=True)
class RAck:
    """Which provisional response a PRACK acknowledges: its RSeq, and the CSeq of its request."""

    rseq: int
    cseq: CSeq

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq}"


def has_option(headers: Headers, field: str, tag: str) -> bool:
    """Whether `field` (Supported, Require) names the extension; option tags compare without case (RFC 3261 §7.3.1)."""
    return any(token.lower() == tag for token in parse_tokens(headers, field))


def allowed_methods(message: Message) -> frozenset[str] | None:
    """What the sender's Allow names (RFC 3261 §20.5); None without one, or when it cannot be read."""
    if "Allow" not in message.headers:
        return None
    try:
        return frozenset(parse_tokens(message.headers, "Allow"))
    except RemoteProtocolError:
        return None


def parse_rseq(headers: Headers) -> int | None:
    """RFC 3262 §7.1; None without the field."""
    value = headers.get("RSeq")
    return None if value is None else read_number(value.strip(LWS), "RSeq", MAX_RSEQ)


def parse_rack(headers: Headers) -> RAck:
    """RFC 3262 §7.2. Raises RemoteProtocolError also without the field, which every PRACK has."""
    match = _RACK.fullmatch((headers.get("RAck") or "").strip(LWS))
    if match is None:
        raise RemoteProtocolError("RAck cannot be read")
    return RAck(read_number(match["rseq"], "RAck", MAX_RSEQ), parse_cseq(match["cseq"]))


def parse_session_expires(headers: Headers) -> SessionExpires | None:
    """RFC 4028 §4; None without the field. A refresher that is neither of the two counts as not said."""
    value = headers.get("Session-Expires")
    if value is None:
        return None
    seconds, semicolon, tail = value.partition(";")
    said = (find_parameter(parse_parameters(semicolon + tail), "refresher") or "").lower()
    refresher = next((known for known in Refresher if known.value == said), None)
    return SessionExpires(parse_delta_seconds(seconds), refresher)


def parse_min_se(headers: Headers) -> int | None:
    """RFC 4028 §5, in seconds; None without the field. Parameters mean nothing."""
    value = headers.get("Min-SE")
    return None if value is None else parse_delta_seconds(value.partition(";")[0])
