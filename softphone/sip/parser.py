"""From the octets of one message to a `Request` or `Response` (RFC 3261 §7, §25.1; RFC 4475 for what peers send).

Owns: start lines, header lines, folding, the body's length, and the check that the mandatory fields can be read.
Must not know where the octets came from (`framing` cuts a stream into messages) nor what happens to the message.

Any octets give a message or RemoteProtocolError, in time linear in their number. Strict on purpose, since what two
parsers read differently is how requests are smuggled: lines end with CRLF alone, the start line has single spaces,
mandatory fields stand exactly once. Header text is UTF-8; octets that are not become lone surrogates
("surrogateescape") so that a copied value leaves unchanged. `header_values` turns text for people into clean Unicode.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import (
    all_values,
    call_id,
    cseq,
    from_addr,
    parse_contacts,
    parse_content_type,
    parse_tokens,
    parse_via,
    route_set,
    to_addr,
    top_via,
)
from softphone.sip.limits import MAX_BODY, MAX_HEADER_BLOCK, MAX_HEADER_FIELDS, MAX_LINE_LENGTH
from softphone.sip.message import Headers, Message, Request, Response, expand_compact
from softphone.sip.tokens import LWS, display_text, is_token, read_digits
from softphone.sip.uri import OtherUri, SipUri, Uri, parse_uri

_STATUS_LINE = re.compile(r"SIP/(?P<version>[0-9]+\.[0-9]+) (?P<status>[0-9]{3})(?: (?P<reason>.*))?", re.IGNORECASE)
_SIP_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_HEADER_LINE = re.compile(r"(?P<name>[A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+:")
# Fields whose value must be one, since a second one would let two readers disagree (RFC 4475 §3.3.8, §3.3.9).
_SINGLE = frozenset({"from", "to", "call-id", "cseq", "content-length", "content-type", "max-forwards"})
_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")  # §8.2.6.2
_REASONS = {400: "Bad Request", 414: "Request-URI Too Long", 505: "Version Not Supported", 513: "Message Too Large"}
_UNREADABLE_URI = OtherUri("unreadable", "uri")


class MalformedRequest(RemoteProtocolError):
    """A request that cannot be processed, with what is needed to answer it with `status_hint`.

    `partial` is the request as far as it was read, or None unless top Via, From, To, Call-ID and CSeq can all be read
    from it by `header_values`; its URI is `unreadable:uri` where the request line failed. `answer` is a response made
    of copied lines only, for when `partial` is None too (RFC 4475 §3.3.1); None for ACK and without a Via.
    """

    def __init__(self, reason: str, status_hint: int, partial: Request | None, answer: Response | None) -> None:
        super().__init__(reason, status_hint)
        self.partial = partial
        self.answer = answer


def parse_message(data: bytes) -> Message:
    """One message; octets after the body's length are ignored (§18.3), CRLFs before the start line too (§7.5).

    Raises MalformedRequest for a request, RemoteProtocolError for a response or for what is neither.
    """
    start = _after_line_breaks(data)
    end = data.find(b"\r\n\r\n", start, start + MAX_HEADER_BLOCK + 4)
    if end < 0:
        too_large = len(data) - start > MAX_HEADER_BLOCK
        raise RemoteProtocolError("A message has no end of its header fields", 513 if too_large else 400)
    lines = data[start:end].decode("utf-8", "surrogateescape").split("\r\n")
    start_line = lines[0]
    if start_line[:4].upper() == "SIP/":
        return _parse_response(start_line, _parse_headers(lines), data[end + 4 :])
    method, _, rest = start_line.partition(" ")
    if not is_token(method):
        raise RemoteProtocolError("The first line is neither a request nor a response")
    return _parse_request(method, rest, lines, data[end + 4 :])


def check_request(request: Request) -> None:
    """The fields that every element reads can be read (§8.1.1, §8.2), CSeq names the method (RFC 4475 §3.1.2.17).

    After this, the accessors of `header_values` for Via, From, To, Call-ID, CSeq, Contact, Record-Route, Require and
    Content-Type raise nothing for this request. Raises RemoteProtocolError.
    """
    for value in all_values(request.headers.get_all("Via")):
        parse_via(value)
    for check in _REQUEST_CHECKS:
        check(request)
    if cseq(request).method != request.method:
        raise RemoteProtocolError("CSeq names another method than the request")
    content_type = request.headers.get("Content-Type")
    if content_type is not None:
        parse_content_type(content_type)
    if isinstance(request.uri, SipUri) and request.uri.headers:
        raise RemoteProtocolError("The request URI has headers")  # §19.1.1, RFC 4475 §3.1.2.11


def check_response(response: Response) -> None:
    """The fields by which a response finds its transaction and dialog can be read (§17.1.3, §12.1.2).

    Other fields are checked by who reads them: a foreign Contact must not cost us a registration.
    """
    for check in _RESPONSE_CHECKS:
        check(response)


_RESPONSE_CHECKS: tuple[Callable[[Message], object], ...] = (top_via, from_addr, to_addr, call_id, cseq)
_REQUEST_CHECKS: tuple[Callable[[Message], object], ...] = (
    *_RESPONSE_CHECKS,
    lambda message: parse_contacts(message.headers),
    lambda message: route_set(message, "Record-Route"),
    lambda message: parse_tokens(message.headers, "Require"),
)


def _after_line_breaks(data: bytes) -> int:
    start = 0
    while data.startswith(b"\r\n", start):
        start += 2
    return start


def _parse_response(start_line: str, headers: Headers, rest: bytes) -> Response:
    match = _STATUS_LINE.fullmatch(start_line)
    if match is None:
        raise RemoteProtocolError("A status line cannot be read")
    if match["version"] != "2.0":
        raise RemoteProtocolError("A response has another SIP version than 2.0", 505)
    status = int(match["status"])
    if not 100 <= status <= 699:
        raise RemoteProtocolError("A response has a status outside of 100 to 699")
    _check_single(headers)
    reason = display_text(match["reason"] or "")
    response = Response(status, reason, headers.without("Content-Length"), _body(headers, rest))
    check_response(response)
    return response


def _parse_request(method: str, rest: str, lines: list[str], after_headers: bytes) -> Request:
    request = Request(method, _UNREADABLE_URI)
    try:
        headers = _parse_headers(lines)
        request = request.with_headers(headers.without("Content-Length"))
        uri = _parse_request_line(rest)
        request = Request(method, uri, request.headers)
        _check_single(headers)
        request = Request(method, uri, request.headers, _body(headers, after_headers))
        check_request(request)
    except RemoteProtocolError as error:
        raise _malformed(request, error) from None
    return request


def _parse_request_line(rest: str) -> Uri:
    """`Request-URI SP SIP-Version` after the method; exactly one space each (§7.1, RFC 4475 §3.1.2.8 to 10)."""
    uri, _, version = rest.rpartition(" ")
    if _SIP_VERSION.fullmatch(version) is None or not uri or " " in uri:
        raise RemoteProtocolError("A request line cannot be read")
    if version[4:] != "2.0":
        raise RemoteProtocolError("Only SIP version 2.0 is supported", 505)
    return parse_uri(uri)


def _parse_headers(lines: list[str]) -> Headers:
    """Header lines after the start line, unfolded: a line that begins with white space continues (§7.3.1)."""
    fields: list[tuple[str, list[str]]] = []
    for line in lines[1:]:
        if "\r" in line or "\n" in line:
            raise RemoteProtocolError("A line break is not CRLF")
        if line[:1] in (" ", "\t"):
            if not fields:
                raise RemoteProtocolError("The first header line continues nothing")
            fields[-1][1].append(line.strip(LWS))
            continue
        match = _HEADER_LINE.match(line)
        if match is None:
            raise RemoteProtocolError("A header line has no name")
        fields.append((match["name"], [line[match.end() :].strip(LWS)]))
        if len(fields) > MAX_HEADER_FIELDS:
            raise RemoteProtocolError("There are too many header fields", 513)
    items = [(expand_compact(name), " ".join(parts).strip(LWS)) for name, parts in fields]
    if any(len(value) > MAX_LINE_LENGTH for _, value in items):
        raise RemoteProtocolError("A header field is too long", 513)
    if "\r" in lines[0] or "\n" in lines[0]:
        raise RemoteProtocolError("A line break is not CRLF")
    return Headers(items)


def _check_single(headers: Headers) -> None:
    seen: set[str] = set()
    for name, _ in headers:
        lower = name.lower()
        if lower in seen:
            raise RemoteProtocolError(f"{name} stands more than once")
        if lower in _SINGLE:
            seen.add(lower)


def _body(headers: Headers, rest: bytes) -> bytes:
    """§18.3: with Content-Length that many octets, which must be there; without it (a datagram) all."""
    value = headers.get("Content-Length")
    if value is None:
        if len(rest) > MAX_BODY:
            raise RemoteProtocolError("The body is too large", 513)
        return rest
    digits = read_digits(value, "Content-Length")
    if len(digits) > 9 or int(digits) > MAX_BODY:
        # Longer than what came is the sender's mistake, longer than we take is ours to refuse.
        raise RemoteProtocolError("The body is too large", 513)
    length = int(digits)
    if length > len(rest):
        raise RemoteProtocolError("The body is shorter than Content-Length says")
    return rest[:length]


def _malformed(request: Request, error: RemoteProtocolError) -> MalformedRequest:
    partial: Request | None = request
    try:
        _check_single(request.headers)
        for check in _RESPONSE_CHECKS:
            check(request)
    except RemoteProtocolError:
        partial = None
    return MalformedRequest(error.reason, error.status_hint, partial, _copied_answer(request, error))


def _copied_answer(request: Request, error: RemoteProtocolError) -> Response | None:
    lines = [(name, value) for name in _COPIED for value in request.headers.get_all(name)]
    if request.method == "ACK" or not any(name == "Via" for name, _ in lines):
        return None
    return Response(error.status_hint, _REASONS.get(error.status_hint, "Bad Request"), Headers(lines))
