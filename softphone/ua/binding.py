"""What a registrar gives with a registration: time, outbound, GRUUs, Service-Route (RFC 3261 §10.2.4, 5626, 3608).

Owns: reading the 200 to REGISTER, and what follows for later requests: the Contact of a dialog is `host.contact_value`,
the preloaded Route is here (RFC 3608 §6.1). Of many bindings of one address-of-record only ours counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import (
    NameAddr,
    parse_name_addr,
    parse_tokens,
    route_set,
    split_values,
    to_addr,
)
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, parse_uri, uris_equal
from softphone.ua.account import Account
from softphone.ua.server_times import expiry, seconds

MAX_CONTACTS = 256  # bindings read of one answer: more devices of one address than that hide ours
MAX_SERVICE_ROUTE = 16  # proxies between us and the person's own; a request must stay of a size that servers take
REG_ID = "1"  # RFC 5626 §4.2: the number of our flow; there is one


@dataclass(frozen=True, slots=True)
class Binding:
    """What holds for the requests that follow, for as long as the flow and the registration last."""

    outbound: bool = False  # RFC 5626 §4.2.1: the registrar knows us by instance and flow
    public_gruu: str = ""  # URIs (RFC 5627 §3.1.1); "": none
    temporary_gruu: str = ""  # of those, one that does not tell who we are
    service_route: tuple[str, ...] = ()  # name-addrs in order (RFC 3608)
    flow_timer: int | None = None  # s between keep-alives, as the server wants it (RFC 5626 §4.4)

    @property
    def without_flow(self) -> Binding:
        """What outlives the flow: a GRUU belongs to the instance, the rest to the way that the registration took."""
        return Binding(public_gruu=self.public_gruu, temporary_gruu=self.temporary_gruu)


@dataclass(frozen=True, slots=True)
class Grant:
    expires: int  # s
    binding: Binding


def instance_parameters(account: Account) -> str:
    """Of our Contact in REGISTER (RFC 5626 §4.1); "" if the account is not to be known by its instance."""
    if not (account.outbound and account.instance_id):
        return ""
    return f';+sip.instance="<{account.instance_id}>"'


def read_grant(response: Response, account: Account, contact: str, asked: int) -> Grant:
    """What a 2xx to REGISTER grants; `contact` is ours as sent, `asked` the time in seconds that it asked for.

    Raises RemoteProtocolError for a Service-Route that cannot be used: without it every call would go astray.
    """
    ours = _our_contact(response, account, contact)
    general = expiry(response)
    own = seconds(ours.parameter("expires")) if ours is not None else None
    expires = next(time for time in (own, general, asked) if time is not None)
    known = ours is not None and bool(instance_parameters(account))
    binding = Binding(
        outbound=known and "outbound" in _required(response),
        public_gruu=_gruu(ours, "pub-gruu") if known and ours is not None else "",
        temporary_gruu=_gruu(ours, "temp-gruu") if known and ours is not None else "",
        service_route=_service_route(response),
        flow_timer=seconds(response.headers.get("Flow-Timer")) or None,
    )
    return Grant(expires, binding)


def with_service_route(request: Request, routes: tuple[str, ...]) -> Request:
    """A request outside dialogs goes through the home proxies that the registrar named (RFC 3608 §6.1)."""
    if not routes or request.method == "REGISTER" or "Route" in request.headers or to_addr(request).tag is not None:
        return request
    headers = request.headers
    for route in reversed(routes):
        headers = headers.prepended("Route", route)
    return request.with_headers(headers)


def _our_contact(response: Response, account: Account, contact: str) -> NameAddr | None:
    """By its URI, else by instance and flow: the registrar may show the address from which it saw us."""
    ours = parse_uri(contact.strip("<>"))
    same_instance: NameAddr | None = None
    for entry in _contacts(response):
        if uris_equal(entry.uri, ours):
            return entry
        if same_instance is None and _is_our_instance(entry, account):
            same_instance = entry
    return same_instance


def _is_our_instance(entry: NameAddr, account: Account) -> bool:
    instance = (entry.parameter("+sip.instance") or "").strip("<>").lower()
    return bool(instance) and instance == account.instance_id.lower() and entry.parameter("reg-id") == REG_ID


def _contacts(response: Response) -> Iterator[NameAddr]:
    """Those that can be read: another device's nonsense does not touch our binding."""
    left = MAX_CONTACTS
    for line in response.headers.get_all("Contact"):
        try:
            values = split_values(line)
        except RemoteProtocolError:
            continue
        for value in values[:left]:
            left -= 1
            try:
                yield parse_name_addr(value)
            except RemoteProtocolError:
                continue


def _required(response: Response) -> tuple[str, ...]:
    try:
        return tuple(tag.lower() for tag in parse_tokens(response.headers, "Require"))
    except RemoteProtocolError:
        return ()


def _gruu(ours: NameAddr, name: str) -> str:
    """A GRUU has the parameter `gr`, and one that is to be reached without TLS is no address for us to give."""
    try:
        uri = parse_uri(ours.parameter(name) or "")
    except RemoteProtocolError:
        return ""
    if not isinstance(uri, SipUri) or uri.parameter("gr") is None:
        return ""
    return str(replace(uri, headers=())) if (uri.parameter("transport") or "tls").lower() == "tls" else ""


def _service_route(response: Response) -> tuple[str, ...]:
    routes = route_set(response, "Service-Route")
    if len(routes) > MAX_SERVICE_ROUTE:
        raise RemoteProtocolError(f"its Service-Route names more than {MAX_SERVICE_ROUTE} servers")
    for route in routes:
        if not isinstance(route.uri, SipUri) or route.uri.parameter("lr") is None:
            raise RemoteProtocolError("its Service-Route names what is no loose router")
    return tuple(str(route) for route in routes)
