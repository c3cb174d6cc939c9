"""A caller who asks that the phone answer by itself (intercoms, paging), and whether he may.

Owns: the header fields that ask for it, and whose word is believed. Addresses in these fields are never fetched.

Trust: it opens a microphone, so only what the server vouches for counts (P-Asserted-Identity, or Remote-Party-ID with
screen=yes). If the server says nothing of the caller, From counts for addresses of the account's own domain, which a
server must not let others use; said but unreadable or unscreened is no. A pattern without a domain means the
account's domain.
"""

from __future__ import annotations

import re

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import all_values, from_addr
from softphone.sip.message import Request
from softphone.sip.uri import SipUri, Uri
from softphone.ua.account import Account
from softphone.ua.caller_patterns import caller_patterns
from softphone.ua.identity import asserted_address, is_anonymous_uri, says_who_calls

MAX_DELAY = 60  # s; who asks for more is rung as any other

# After the address in brackets, which is dropped unread: `Call-Info: <…>;answer-after=0` and `Alert-Info` with
# `info=alert-autoanswer` (Yealink, Grandstream), `info=Auto Answer` and `Ring Answer` (Polycom, Cisco).
_ANSWER_AFTER = re.compile(r"(?i)(?:^|;)[ \t]*+answer-after[ \t]*+=[ \t]*+\"?(?P<seconds>[0-9]{1,3})\"?[ \t]*+(?=;|$)")
_AUTO_ANSWER = re.compile(
    r"(?i)(?:^|;)[ \t]*+(?:info[ \t]*+=[ \t]*+)?+"
    r"\"?(?:alert-auto-?answer|auto[ -]?answer|ring[ -]?answer)\"?[ \t]*+(?=;|$)"
)
_DELAY = re.compile(r"(?i);[ \t]*+delay[ \t]*+=[ \t]*+(?P<seconds>[0-9]{1,3})[ \t]*+(?=;|$)")


def asked_delay(invite: Request) -> int | None:
    """After how many seconds the phone is to answer by itself; None: nobody asked for it."""
    for value in _values(invite, "Call-Info"):
        if (found := _ANSWER_AFTER.search(value)) is not None:
            return _bounded(found["seconds"])
    for value in _values(invite, "Alert-Info"):
        if (found := _ANSWER_AFTER.search(value)) is not None:
            return _bounded(found["seconds"])
        if _AUTO_ANSWER.search(value) is not None:
            delay = _DELAY.search(value)
            return _bounded(delay["seconds"]) if delay is not None else 0
    return None


def may_ask(account: Account, invite: Request) -> bool:
    address = _believed(account, invite)
    if address is None or is_anonymous_uri(address):
        return False
    foreign = isinstance(address, SipUri) and not _of_domain(account, address)
    return any(
        pattern.fits(address) and (bool(pattern.domain) or not foreign)
        for pattern in caller_patterns(account.rules.auto_answer_from)
    )


def _believed(account: Account, invite: Request) -> Uri | None:
    asserted = asserted_address(invite, "calling")
    if asserted is not None:
        return asserted.uri
    if says_who_calls(invite):
        return None
    caller = from_addr(invite).uri
    return caller if isinstance(caller, SipUri) and _of_domain(account, caller) else None


def _of_domain(account: Account, uri: SipUri) -> bool:
    return uri.host.casefold().rstrip(".") == account.domain.casefold().rstrip(".")


def _values(invite: Request, name: str) -> tuple[str, ...]:
    """What stands beside the addresses; nothing of a field that cannot be read."""
    try:
        values = all_values(invite.headers.get_all(name))
    except RemoteProtocolError:
        return ()
    return tuple(value.partition(">")[2] if value.startswith("<") else value for value in values)


def _bounded(seconds: str) -> int | None:
    return int(seconds) if int(seconds) <= MAX_DELAY else None
