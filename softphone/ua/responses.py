"""What this user agent says of itself in its messages, and the requests it starts (RFC 3261 §8.1.1, §20.5)."""

from __future__ import annotations

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import parse_content_type, quote
from softphone.sip.message import Headers, Message, Request
from softphone.sip.responses import response_to
from softphone.sip.uri import Uri
from softphone.ua.account import Account
from softphone.ua.host import USER_AGENT

__all__ = [
    "ACCEPT",
    "ALLOW",
    "ALLOW_EVENTS",
    "SUPPORTED_EXTENSIONS",
    "capabilities",
    "new_request",
    "reason_value",
    "response_to",
    "sdp_of",
    "warning_399",
    "with_next_cseq",
    "with_supported",
]

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY, MESSAGE"
ACCEPT = "application/sdp"
ALLOW_EVENTS = "refer"  # the packages that we notify of (RFC 6665 §4.4.4)
SUPPORTED_EXTENSIONS: frozenset[str] = frozenset({"100rel", "from-change", "gruu", "outbound", "replaces", "timer"})


def capabilities(account: Account) -> tuple[tuple[str, str], ...]:
    """What messages that make or change a session say of us (RFC 3261 §13.2.1, §20.5, RFC 6665 §4.4.4)."""
    return (("Allow", ALLOW), ("Allow-Events", ALLOW_EVENTS), ("Supported", _supported(account)))


def with_supported(request: Request, account: Account) -> Request:
    """Every request of ours says what we can, whether or not it asks for it (RFC 3261 §8.1.1.9, RFC 4028 §7.1)."""
    if "Supported" in request.headers:
        return request
    return request.with_headers(request.headers.added("Supported", _supported(account)))


def _supported(account: Account) -> str:
    off = frozenset() if account.reliable_provisionals else frozenset({"100rel"})
    return ", ".join(sorted(SUPPORTED_EXTENSIONS - off))


def sdp_of(message: Message) -> bytes:
    """Its session description; b"" without one: another body is optional to understand, or was refused (§8.2.3)."""
    value = message.headers.get("Content-Type")
    try:
        is_sdp = value is not None and parse_content_type(value)[0] == ACCEPT
    except RemoteProtocolError:  # of a response; requests have been checked
        is_sdp = False
    return message.body if is_sdp else b""


def warning_399(text: str) -> tuple[str, str]:
    """Warning 399 (RFC 3261 §20.43) with a sentence for the peer's administrator."""
    return ("Warning", f"399 softphone {quote(text)}")


def reason_value(status: int, text: str) -> str:
    """The Reason header's value (RFC 3326)."""
    return f"SIP;cause={status};text={quote(text)}"


def new_request(
    method: str,
    uri: Uri,
    *,
    from_: str,
    to: str,
    call_id: str,
    cseq: int,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Request:
    lines = [
        ("Max-Forwards", "70"),
        ("From", from_),
        ("To", to),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        *headers,
        ("User-Agent", USER_AGENT),
    ]
    if body:
        lines.append(("Content-Type", "application/sdp"))
    return Request(method, uri, Headers(lines), body)


def with_next_cseq(request: Request, cseq: int) -> Request:
    """The same request as a new transaction: higher CSeq, no Via of the old one (RFC 3261 §8.1.3.5, §22.2)."""
    headers = request.headers.without("Via").replaced("CSeq", f"{cseq} {request.method}")
    return request.with_headers(headers)
