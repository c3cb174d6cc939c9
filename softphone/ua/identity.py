"""Who calls: what the server vouches for, who asked not to be named, which stations a call has passed (RFC 3323, 3325).

Owns: reading P-Asserted-Identity, Remote-Party-ID, Privacy, Diversion (RFC 5806) and History-Info (RFC 7044), and what
our own calls say of us. Every message comes over the flow of the account, whose server is verified: that makes its
assertions worth something. None of these fields is needed for a call, so one that cannot be read counts as absent.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import NameAddr, all_values, from_addr, parse_name_addr, parse_reason_header, to_addr
from softphone.sip.message import Message, Request
from softphone.sip.refer import referred_by
from softphone.sip.uri import SipUri, TelUri, Uri
from softphone.ua.account import Account
from softphone.ua.events import CallerIdentity, Diversion, Party

MAX_PARTY_URI = 1024  # characters kept of an address; longer ones are nobody's
MAX_DISPLAY_NAME = 256  # characters kept of what a caller calls itself; fifty ended calls are kept with theirs
MAX_STATIONS = 10  # of a call's way that are read; more were never seen outside of loops
MAX_ASSERTED = 4  # RFC 3325 §9.1 allows two

ANONYMOUS = NameAddr(SipUri("sip", "anonymous.invalid", user="anonymous"), "Anonymous")  # RFC 3323 §4.1.1.3
_NOBODY = Party(str(ANONYMOUS.uri))
_HIDING = frozenset({"id", "user", "header", "full", "name", "uri"})  # RFC 3323 §4.2, RFC 3325 §9.3, draft of RPID
_PRIVACY_SEPARATOR = re.compile(r"[;,\s]+")
_INDEX = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){0,20}")

# Diversion's reasons (RFC 5806 §4) in people's words; others are unknown.
_REASONS = {
    "user-busy": "busy",
    "no-answer": "no-answer",
    "unavailable": "unavailable",
    "unconditional": "unconditional",
    "time-of-day": "time-of-day",
    "do-not-disturb": "do-not-disturb",
    "deflection": "deflection",
    "follow-me": "follow-me",
    "out-of-service": "out-of-service",
    "away": "away",
}
# The cause of a new target (RFC 4458 §2, RFC 7544 §7.2), and the status that an old one answered with.
_CAUSES = {
    302: "unconditional",
    408: "no-answer",
    480: "deflection",
    486: "busy",
    487: "deflection",
    503: "unavailable",
}
_STATUSES = {302: "unconditional", 408: "no-answer", 480: "unavailable", 486: "busy", 503: "unavailable", 600: "busy"}


def party_of(address: NameAddr) -> Party:
    return Party(str(address.uri)[:MAX_PARTY_URI], address.display_name[:MAX_DISPLAY_NAME])


# What arrives


@dataclass(frozen=True, slots=True)
class Station:
    """Who sent the call on, and why; `hidden` asked not to be shown."""

    address: NameAddr
    reason: str
    hidden: bool = False


def caller_identity(invite: Request) -> CallerIdentity:
    return CallerIdentity(
        asserted=asserted_party(invite, "calling"),
        anonymous=_is_anonymous(invite),
        diversions=tuple(
            Diversion(_NOBODY if station.hidden else party_of(station.address), station.reason)
            for station in stations(invite)
        ),
        referred_by=party_of(referrer) if (referrer := referred_by(invite)) is not None else None,
    )


def asserted_address(message: Message, role: str) -> NameAddr | None:
    """P-Asserted-Identity, else Remote-Party-ID that was screened; None if the server vouches for nobody.

    `role` is the other side's: "calling" or "called" (draft-ietf-sip-privacy-04 §5).
    """
    asserted = _addresses(message, "P-Asserted-Identity")[:MAX_ASSERTED]
    sip = next((address for address in asserted if isinstance(address.uri, SipUri)), None)
    if sip is not None or asserted:
        return sip or asserted[0]
    for address in _addresses(message, "Remote-Party-ID")[:MAX_ASSERTED]:
        screened = (address.parameter("screen") or "no").casefold() == "yes"
        if screened and (address.parameter("party") or role).casefold() == role:
            return address
    return None


def asserted_party(message: Message, role: str) -> Party | None:
    address = asserted_address(message, role)
    return party_of(address) if address is not None else None


def says_who_calls(invite: Request) -> bool:
    """Whether the server has said anything of the caller, be it unreadable or unscreened."""
    return any(invite.headers.get(name) is not None for name in ("P-Asserted-Identity", "Remote-Party-ID"))


def _is_anonymous(invite: Request) -> bool:
    if is_anonymous_uri(from_addr(invite).uri):
        return True
    wishes = [word.casefold() for line in invite.headers.get_all("Privacy") for word in _PRIVACY_SEPARATOR.split(line)]
    wishes += [
        (address.parameter("privacy") or "").casefold()
        for address in _addresses(invite, "Remote-Party-ID")
        if (address.parameter("party") or "calling").casefold() == "calling"
    ]
    return not _HIDING.isdisjoint(wishes)


def is_anonymous_uri(uri: Uri) -> bool:
    """RFC 3323 §4.1.1.3; some servers put their own name in the place of anonymous.invalid."""
    if not isinstance(uri, SipUri):
        return False
    return uri.host.casefold().rstrip(".") == "anonymous.invalid" or (uri.user or "").casefold() == "anonymous"


def stations(message: Message) -> tuple[Station, ...]:
    """Those that sent the call on, the latest first: Diversion, or History-Info where there is none of it."""
    diversions = _addresses(message, "Diversion")[:MAX_STATIONS]
    if diversions:
        return tuple(_diversion_station(address) for address in diversions)
    return _history_stations(_addresses(message, "History-Info")[-MAX_STATIONS:])


def _diversion_station(address: NameAddr) -> Station:
    reason = _REASONS.get((address.parameter("reason") or "").casefold(), "")
    hidden = (address.parameter("privacy") or "").casefold() in ("full", "name", "uri")
    return Station(address, reason, hidden)


def _history_stations(entries: tuple[NameAddr, ...]) -> tuple[Station, ...]:
    """RFC 7044 §5: an entry that another was mapped from, or that says with a Reason why it was left."""
    by_index = {index: entry for entry in entries if (index := _index(entry))}
    found: list[Station] = []
    for before, entry in itertools.pairwise(entries):
        cause, status = _cause_parameter(entry), _status(before)
        left = by_index.get(entry.parameter("mp") or "")
        if left is None and (cause is not None or status is not None):
            left = before
        if left is None or not isinstance(left.uri, SipUri):
            continue
        reason = _STATUSES.get(status or 0, "") if cause is None else _CAUSES.get(cause, "")
        hidden = any(name.casefold() == "privacy" and value.casefold() != "none" for name, value in left.uri.headers)
        found.append(Station(left, reason, hidden))
    return tuple(Station(_without_headers(s.address), s.reason, s.hidden) for s in reversed(found))


def _index(entry: NameAddr) -> str:
    index = entry.parameter("index") or ""
    return index if _INDEX.fullmatch(index) else ""


def _cause_parameter(entry: NameAddr) -> int | None:
    """The `cause` of the new target's URI (RFC 4458)."""
    text = entry.uri.parameter("cause") if isinstance(entry.uri, SipUri) else None
    return int(text) if text is not None and re.fullmatch(r"[0-9]{3}", text) else None


def _status(entry: NameAddr) -> int | None:
    """What this target answered with, by the Reason within its URI (RFC 7044 §5.2)."""
    if not isinstance(entry.uri, SipUri):
        return None
    for name, value in entry.uri.headers:
        if name.casefold() == "reason":
            try:
                reasons = parse_reason_header(value)
            except RemoteProtocolError:
                continue
            return next((r.cause for r in reasons if r.protocol.casefold() == "sip" and r.cause is not None), None)
    return None


def _without_headers(address: NameAddr) -> NameAddr:
    uri = address.uri
    assert isinstance(uri, SipUri)
    plain = SipUri(uri.scheme, uri.host, uri.user, None, uri.port)
    return NameAddr(plain, address.display_name)


def _addresses(message: Message, name: str) -> tuple[NameAddr, ...]:
    """Those that can be read and could be called."""
    try:
        values = all_values(message.headers.get_all(name))
    except RemoteProtocolError:
        return ()
    found = []
    for value in values:
        try:
            address = parse_name_addr(value)
        except RemoteProtocolError:
            continue
        if isinstance(address.uri, SipUri | TelUri):
            found.append(address)
    return tuple(found)


# What our own calls say


def own_address(account: Account) -> NameAddr:
    """The account's, as From and P-Preferred-Identity name it."""
    return NameAddr(SipUri("sip", account.domain, user=account.user), account.display_name)


def caller_address(account: Account) -> NameAddr:
    """From of a call: nobody's if the account hides who calls (RFC 3323 §4.1)."""
    return ANONYMOUS if account.hide_identity else own_address(account)


def privacy_headers(account: Account) -> tuple[tuple[str, str], ...]:
    """Of an INVITE that hides who calls: the server is told who we are, and to keep it (RFC 3325 §6, §9.3)."""
    if not account.hide_identity:
        return ()
    return (("Privacy", "id"), ("P-Preferred-Identity", str(own_address(account))))


def with_privacy(request: Request) -> Request:
    """A server asserts an identity for each request: who hides in From hides in every one of a dialog."""
    if request.headers.get("Privacy") is not None or not hides_caller(request):
        return request
    return request.with_headers(request.headers.added("Privacy", "id"))


def hides_caller(request: Request) -> bool:
    """Whether it is one of ours that says nobody's name in From."""
    return from_addr(request).uri == ANONYMOUS.uri


def without_unasked_credentials(request: Request) -> Request:
    """Of a request that hides who calls: credentials name the user, and a proxy passes on those it did not ask for.

    It asks at INVITE, and takes them out there. What a registrar once asked for goes to the other side, and so does
    what stands in later requests of a dialog, which proxies let pass unasked. One that does ask has its answer then.
    """
    if not hides_caller(request):
        return request
    headers = request.headers.without("Authorization")
    return request.with_headers(headers if to_addr(request).tag is None else headers.without("Proxy-Authorization"))
