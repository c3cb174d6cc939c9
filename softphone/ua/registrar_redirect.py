"""Where a 3xx to REGISTER sends us, and whether we go there (RFC 3261 §8.1.3.4, §21.3; security.md "flow").

Owns: that choice and the words for a refusal. The new flow is verified for the new host's name like the first one; one
server may send us to one other, so that no two can send us to and fro.
"""

from __future__ import annotations

from dataclasses import replace

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError
from softphone.sip.header_values import Star, parse_contacts
from softphone.sip.message import Response
from softphone.sip.uri import SipUri, Uri
from softphone.ua.account import ServerTarget
from softphone.ua.foreign_text import quoted
from softphone.ua.host import Redirect
from softphone.ua.outcomes import registration_failure

FOLLOWED = frozenset({300, 301, 302, 305})
MAX_NAMED = 3  # addresses quoted in a refusal
MAX_QUOTED = 200  # characters of each


def redirect_of(response: Response, server: str, came_by: Redirect | None) -> Redirect:
    """The first address that asks for TLS. Raises OperationFailed if there is none, or if a redirect led here."""
    refusal = registration_failure(response, server)
    if came_by is not None:
        raise OperationFailed(
            replace(
                refusal,
                reason=f"The server {server} sent the phone to {came_by.server}, and that one sends it on.",
                remedy="Ask whoever runs the servers to send phones to the right one at once.",
            )
        )
    named = _contacts(response)
    chosen = next((uri for uri in named if isinstance(uri, SipUri) and _asks_for_tls(uri)), None)
    if chosen is None:
        raise OperationFailed(_refused(refusal, server, named))
    # RFC 3261 §10.2: the Request-URI of a REGISTER has no user part; §21.3.4: a proxy leaves it as it is.
    proxied = response.status == 305
    uri = None if proxied else SipUri("sip", chosen.host, port=chosen.port)
    return Redirect(ServerTarget(chosen.host, chosen.port), uri)


def _contacts(response: Response) -> tuple[Uri, ...]:
    try:
        contacts = parse_contacts(response.headers)
    except RemoteProtocolError:
        return ()
    return () if isinstance(contacts, Star) else tuple(entry.uri for entry in contacts)


def _asks_for_tls(uri: SipUri) -> bool:
    """`maddr` would lead to an address that the certificate's name does not stand for (RFC 3261 §19.1.1)."""
    if uri.parameter("maddr") is not None:
        return False
    transport = (uri.parameter("transport") or "").lower()
    return transport in (("", "tls", "tcp") if uri.scheme == "sips" else ("tls",))  # sips over tcp is TLS (§26.2.2)


def _refused(refusal: Failure, server: str, named: tuple[Uri, ...]) -> Failure:
    if not named:
        return replace(
            refusal,
            reason=f"The server {server} sends the phone elsewhere without saying where ({refusal.status}).",
            remedy="Ask whoever runs the server to check its redirection.",
        )
    texts = (quoted(str(uri), MAX_QUOTED) for uri in named[:MAX_NAMED])
    return replace(
        refusal,
        kind=FailureKind.TRANSPORT_NOT_SECURE,
        reason=f"The server {server} sends the phone to an address that is not reached over TLS.",
        remedy="Ask whoever runs the server to name the other one with sips: or with transport=tls.",
        evidence=(*refusal.evidence, *(f"Contact: {text}" for text in texts)),
    )
