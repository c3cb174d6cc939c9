"""From what a person types to a request URI. Pure; refuses what would leave the secure flow."""

from __future__ import annotations

import re

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError
from softphone.sip.uri import OtherUri, SipUri, TelUri, parse_uri

_SEPARATORS = re.compile(r"[ ().\-/]")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_SCHEME = re.compile(r"(?i)^(sips?|tel|callto):")
MAX_TARGET_LENGTH = 1024  # characters; a longer one was not typed by a person


def _refused(kind: FailureKind, reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(kind, reason, remedy))


def parse_dial_target(typed: str, domain: str) -> SipUri:
    """Raises OperationFailed (USAGE, TRANSPORT_NOT_SECURE) with words for the person.

    `tel:` and plain numbers become `sip:number@domain;user=phone` (RFC 3261 §19.1.6).
    """
    text = typed.strip()
    if not text or len(text) > MAX_TARGET_LENGTH:
        raise _refused(FailureKind.USAGE, "There is no address to call.", "Type a SIP address or a number.")
    if text.lower().startswith("callto:"):
        text = text[len("callto:") :]
    if not _SCHEME.match(text):
        compact = _SEPARATORS.sub("", text)
        if _NUMBER.fullmatch(compact):
            text = f"sip:{compact.replace('#', '%23')}@{_host(domain)}"
        elif "@" in text:
            text = f"sip:{text}"
        else:
            text = f"sip:{text}@{_host(domain)}"
    try:
        uri = parse_uri(text)
    except RemoteProtocolError as error:
        raise _refused(
            FailureKind.USAGE, f"“{typed}” is not an address that can be called: {error.reason}.", "Check the address."
        ) from error
    match uri:
        case TelUri(number=number):
            return SipUri("sip", domain, user=_SEPARATORS.sub("", number), parameters=(("user", "phone"),))
        case SipUri():
            transport = (uri.parameter("transport") or "tls").lower()
            if transport != "tls":
                raise _refused(
                    FailureKind.TRANSPORT_NOT_SECURE,
                    f"The address asks for the unprotected transport {transport.upper()}.",
                    "Leave the transport out of the address: calls go over your account's TLS connection.",
                )
            if uri.headers:
                raise _refused(
                    FailureKind.USAGE,
                    "The address carries SIP headers, which are not sent.",
                    "Remove the part after “?”.",
                )
            return uri
        case OtherUri(scheme=scheme):
            raise _refused(
                FailureKind.USAGE, f"Addresses of the kind “{scheme}:” cannot be called.", "Use sip: or tel:."
            )


def _host(domain: str) -> str:
    return f"[{domain}]" if ":" in domain else domain
