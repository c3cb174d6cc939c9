"""What is checked of a request before a method sees it, in the order of RFC 3261 §8.2. One table of checks."""

from __future__ import annotations

from softphone.sip.header_values import parse_content_type, parse_tokens, to_addr
from softphone.sip.message import Request, Response
from softphone.sip.uri import OtherUri
from softphone.ua.responses import ACCEPT, ALLOW, SUPPORTED_EXTENSIONS, response_to

METHODS = frozenset(ALLOW.split(", "))
# What a body of each method may be; a method without a row takes session descriptions.
CONTENT_TYPES: dict[str, tuple[str, ...]] = {
    "INFO": ("application/dtmf-relay", "application/dtmf"),
    "NOTIFY": ("message/sipfrag", "application/dialog-info+xml", "application/simple-message-summary"),
    "MESSAGE": ("text/plain",),
}


def method_not_allowed(request: Request) -> Response | None:
    """§8.2.1. Within a dialog an unknown method is answered the same way."""
    if request.method in METHODS:
        return None
    return response_to(request, 405, headers=(("Allow", ALLOW),))


def unsupported_scheme(request: Request) -> Response | None:
    """§8.2.2.1."""
    return response_to(request, 416) if isinstance(request.uri, OtherUri) else None


def unknown_dialog(request: Request) -> Response | None:
    """§12.2.2: a To tag that belongs to no dialog of ours (asked after the dialogs were searched)."""
    return response_to(request, 481) if to_addr(request).tag is not None else None


def bad_extension(request: Request) -> Response | None:
    """§8.2.2.3."""
    if request.method in ("ACK", "CANCEL"):
        return None
    required = parse_tokens(request.headers, "Require")
    unknown = [tag for tag in required if tag.lower() not in SUPPORTED_EXTENSIONS]
    return response_to(request, 420, headers=(("Unsupported", ", ".join(unknown)),)) if unknown else None


def unsupported_content(request: Request) -> Response | None:
    """§8.2.3: a body that must be understood and is of no type we take, or an encoding we do not know."""
    if not request.body:
        return None
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        return response_to(request, 415, headers=(("Accept-Encoding", "identity"),))
    disposition = (request.headers.get("Content-Disposition") or "").lower()
    if "handling=optional" in disposition.replace(" ", ""):
        return None
    content_type = request.headers.get("Content-Type")
    accepted = CONTENT_TYPES.get(request.method, (ACCEPT,))
    if content_type is not None and parse_content_type(content_type)[0] in accepted:
        return None
    return response_to(request, 415, headers=(("Accept", ", ".join(accepted)),))


OUT_OF_DIALOG_CHECKS = (method_not_allowed, unsupported_scheme, unknown_dialog, bad_extension, unsupported_content)
IN_DIALOG_CHECKS = (method_not_allowed, bad_extension, unsupported_content)
