"""Where a REFER sends us: whether that may be called, and with which headers (RFC 3515 §2.1, RFC 5589 §6, §7).

Owns: what is taken of Refer-To. Replaces is the only header of its URI that goes into the new INVITE: a peer that could
write others would write our From, our credentials' realm or a Route (RFC 3261 §19.1.5). A transport other than TLS, a
scheme that is no telephone's and a method other than INVITE are refused, with the reason in a Warning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from softphone.errors import OperationFailed, RemoteProtocolError
from softphone.sip.header_values import NameAddr
from softphone.sip.message import Request
from softphone.sip.refer import refer_to, referred_by
from softphone.sip.replaces import Replaces, parse_replaces
from softphone.sip.uri import OtherUri, SipUri
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.events import Party
from softphone.ua.identity import party_of

MAX_REFERRED_BY = 1024  # characters; a longer one is neither shown nor passed on


@dataclass(frozen=True, slots=True)
class ReferTarget:
    uri: SipUri  # without headers
    replaces: Replaces | None = None
    referred_by: NameAddr | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Of the new INVITE (RFC 3892 §2.2, RFC 5589 §7.1)."""
        lines = () if self.replaces is None else self.replaces.headers
        return lines if self.referred_by is None else (*lines, ("Referred-By", str(self.referred_by)))

    @property
    def referrer(self) -> Party | None:
        return party_of(self.referred_by) if self.referred_by is not None else None


def refer_target(request: Request, domain: str) -> ReferTarget:
    """Raises RemoteProtocolError (400, or 603 for what is not called) with the reason."""
    named = refer_to(request).uri
    replaces: Replaces | None = None
    if isinstance(named, OtherUri):
        raise RemoteProtocolError(f"Addresses of the kind “{named.scheme[:32]}:” cannot be called", 603)
    if isinstance(named, SipUri):
        values = [value for name, value in named.headers if name.lower() == "replaces"]
        if len(values) > 1:
            raise RemoteProtocolError("Refer-To has more than one Replaces")
        replaces = parse_replaces(values[0]) if values else None
        method = named.parameter("method")
        if method is not None and method.upper() != "INVITE":
            raise RemoteProtocolError(f"Refer-To asks for {method[:32]}, and only calls are made", 603)
        kept = tuple(entry for entry in named.parameters if entry[0].lower() != "method")
        named = replace(named, headers=(), parameters=kept)
    try:
        target = parse_dial_target(str(named), domain)
    except OperationFailed as error:
        raise RemoteProtocolError(error.failure.reason, 603) from error
    return ReferTarget(target, replaces, _passed_on(referred_by(request)))


def _passed_on(value: NameAddr | None) -> NameAddr | None:
    """Without its `cid`: the signed body that it names is not passed on with it (RFC 3892 §2.2)."""
    if value is None or len(str(value)) > MAX_REFERRED_BY:
        return None
    return replace(value, parameters=())
