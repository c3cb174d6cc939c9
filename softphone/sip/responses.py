"""Building responses (RFC 3261 §8.2.6): which fields are copied, the reason phrases, the To tag.

Owns: that, for the layer's own answers and for every user above it.
"""

from __future__ import annotations

from collections.abc import Iterable

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import to_addr
from softphone.sip.message import Headers, Request, Response

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 302: "Moved Temporarily",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout", 413: "Request Entity Too Large",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 469: "Bad Info Package",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip

_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")


def response_to(
    request: Request,
    status: int,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The fields of §8.2.6.2 are copied as they came, readable or not; a 100 copies Timestamp (§8.2.6.1), an answer
    that makes a dialog Record-Route (§12.1.1). `to_tag` is added where To has none. A body is SDP.
    """
    lines = [(name, value) for name in _COPIED for value in request.headers.get_all(name)]
    if status == 100:
        lines += [("Timestamp", value) for value in request.headers.get_all("Timestamp")]
    if request.method == "INVITE" and 100 < status < 300:
        lines += [("Record-Route", value) for value in request.headers.get_all("Record-Route")]
    lines += headers
    if body:
        lines.append(("Content-Type", "application/sdp"))
    response = Response(status, REASONS.get(status, "Unknown"), Headers(lines), body)
    return response if to_tag is None else with_to_tag(response, to_tag)


def needs_to_tag(response: Response) -> bool:
    """§8.2.6.2: every response but 100 has one. An unreadable To stays as it is."""
    try:
        return response.status > 100 and to_addr(response).tag is None
    except RemoteProtocolError:
        return False


def with_to_tag(response: Response, tag: str) -> Response:
    """With the tag, unless To has one or cannot be read."""
    if not needs_to_tag(response):
        return response
    return response.with_headers(
        Headers((name, f"{value};tag={tag}" if name == "To" else value) for name, value in response.headers)
    )
