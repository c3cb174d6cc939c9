"""Building responses as a UAS (RFC 3261 §8.2.6) and the requests a UA starts (§8.1.1)."""

from __future__ import annotations

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import parse_content_type, quote, to_addr
from softphone.sip.message import Headers, Message, Request, Response
from softphone.sip.uri import Uri
from softphone.ua.host import USER_AGENT

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS"
ACCEPT = "application/sdp"
SUPPORTED_EXTENSIONS: frozenset[str] = frozenset()

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 302: "Moved Temporarily",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout", 415: "Unsupported Media Type",
    416: "Unsupported URI Scheme", 420: "Bad Extension", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
    501: "Not Implemented", 503: "Service Unavailable", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip

_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")


def response_to(
    request: Request,
    status: int,
    *,
    to_tag: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Response:
    """A response with the fields that §8.2.6.2 says to copy; Record-Route too where it makes a dialog (§12.1.1)."""
    lines: list[tuple[str, str]] = []
    for name in _COPIED:
        lines.extend((name, value) for value in request.headers.get_all(name))
    if to_tag is not None and to_addr(request).tag is None:
        lines = [(name, f"{value};tag={to_tag}" if name == "To" else value) for name, value in lines]
    if request.method == "INVITE" and 100 < status < 300:
        lines.extend(("Record-Route", value) for value in request.headers.get_all("Record-Route"))
    lines.extend(headers)
    if status > 100:
        lines.append(("Server", USER_AGENT))
    if body:
        lines.append(("Content-Type", "application/sdp"))
    return Response(status, REASONS.get(status, "Unknown"), Headers(lines), body)


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
