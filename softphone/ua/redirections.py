"""Where an INVITE may go after 3xx (RFC 3261 §8.1.3.4): the contacts by preference, each once, never to less security.

Owns: the targets that are left, those that were tried, and how often a call may be sent on.
"""

from __future__ import annotations

from dataclasses import replace

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import NameAddr, Star, parse_contacts
from softphone.sip.message import Response
from softphone.sip.uri import SipUri, Uri, is_sips

MAX_REDIRECTIONS = 8  # targets of one call, the first one not counted: two servers cannot send it to and fro for ever


class Redirections:
    def __init__(self, target: SipUri) -> None:
        self._tried: list[Uri] = [_bare(target)]
        self._waiting: list[SipUri] = []

    def add(self, response: Response, former: Uri) -> None:
        """The contacts of a 3xx from `former`; those of a later one are tried before what is left of an earlier."""
        try:
            contacts = parse_contacts(response.headers)
        except RemoteProtocolError:
            return
        if isinstance(contacts, Star):
            return
        # A server that redirects does not write our headers (§19.1.5).
        usable = [_bare(c.uri) for c in sorted(contacts, key=_preference, reverse=True) if is_secure(c.uri, former)]
        self._waiting = [uri for uri in usable if isinstance(uri, SipUri)] + self._waiting
        del self._waiting[MAX_REDIRECTIONS:]

    def next(self) -> SipUri | None:
        """The next target, which is tried from now on; None if none is left."""
        while self._waiting and len(self._tried) <= MAX_REDIRECTIONS:
            target = self._waiting.pop(0)
            if target not in self._tried:
                self._tried.append(target)
                return target
        return None


def is_secure(uri: Uri, former: Uri) -> bool:
    """Never to another transport, and never from `sips:` to `sip:` (security.md "flow")."""
    if not isinstance(uri, SipUri):
        return False
    if (uri.parameter("transport") or "tls").lower() != "tls":
        return False
    return is_sips(uri) or not is_sips(former)


def _bare(uri: Uri) -> Uri:
    return replace(uri, headers=()) if isinstance(uri, SipUri) else uri


def _preference(contact: NameAddr) -> float:
    """Its q-value (§20.10), 1 without one; what is no q-value is liked least."""
    value = contact.parameter("q")
    if value is None:
        return 1.0
    whole, _, fraction = value.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 4 or whole not in ("0", "1", ""):
        return -1.0
    return min(float(value), 1.0)
