"""What the machines inside the user agent may ask of it: send, answer, emit. A narrow door for their tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from softphone.errors import Failure, SoftphoneError
from softphone.sip.message import Request, Response
from softphone.sip.uri import Parameters, SipUri
from softphone.ua.account import Account, AccountId, ServerTarget
from softphone.ua.actions import Action, FlowId
from softphone.ua.binding import Binding
from softphone.ua.events import Event
from softphone.ua.identity import hides_caller
from softphone.ua.inputs import FlowDescription

TokenBytes = Callable[[int], bytes]
USER_AGENT = "Softphone"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a registrar has sent us."""

    server: ServerTarget
    request_uri: SipUri | None  # of REGISTER there; None: as ever


@dataclass(frozen=True, slots=True)
class OpenedFlow:
    id: FlowId
    description: FlowDescription
    binding: Binding = field(default_factory=Binding)  # of the registration over it
    redirect: Redirect | None = None  # that led here

    @property
    def sent_by(self) -> str:
        """Via's sent-by and Contact's hostport: the address that this flow has on our side."""
        address = self.description.local_address
        host = f"[{address}]" if ":" in address else address
        return f"{host}:{self.description.local_port}"


class ResponseHandler(Protocol):
    """Who sent a request hears its end: responses, or the error that took their place (RFC 3261 §8.1.3.1)."""

    def response(self, branch: str, response: Response, now: float) -> None: ...

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None: ...


class Host(Protocol):
    token_bytes: TokenBytes

    def account(self, account_id: AccountId) -> Account: ...

    def flow(self, account_id: AccountId) -> OpenedFlow | None: ...

    def send_request(self, account_id: AccountId, request: Request, handler: ResponseHandler, now: float) -> str | None:
        """Starts a client transaction on the account's flow; None (and nothing sent) without a flow."""
        ...

    def send_ack(self, account_id: AccountId, ack: Request) -> None: ...

    def cancel(self, branch: str, now: float, reason: str | None = None) -> None: ...

    def respond(self, key: str, response: Response, now: float) -> None: ...

    def authorize(self, account_id: AccountId, request: Request) -> Request:
        """With credentials for challenges already known, if any."""
        ...

    def answer_challenge(self, account_id: AccountId, request: Request, response: Response) -> Request:
        """The request with credentials for a 401 or 407. Raises OperationFailed of an authentication kind."""
        ...

    def flow_abandoned(self, flow_id: FlowId, now: float) -> None:
        """We have closed the flow, so no FlowClosed will come: what was under way on it has failed."""
        ...

    def next_server(self, account_id: AccountId, failure: Failure, now: float, wait_s: float = 0.0) -> bool:
        """The account's server does not serve a call (RFC 3263 §4.3): True if the next of its name is connected to.

        `wait_s`: how long it wants to be left alone. Not while another call depends on the flow.
        """
        ...

    def emit(self, item: Action | Event) -> None: ...


def token(token_bytes: TokenBytes, octets: int = 8) -> str:
    """A random identifier for tags, Call-IDs, media ids; 64 bits by default (RFC 3261 §19.3 wants 32)."""
    return token_bytes(octets).hex()


def contact_value(account: Account, flow: OpenedFlow, *, secure: bool) -> str:
    """Our Contact in a dialog: the GRUU, if there is one (RFC 5627 §4.3), else our address on this flow.

    It does not name an account that hides who calls (RFC 3323 §4.1.1.3, RFC 5627 §3.1.2). `secure`: a sips URI, as
    whoever calls or is called by sips must be told (RFC 3261 §8.1.1.8, §12.1.1).
    """
    hidden = account.hide_identity
    gruu = flow.binding.temporary_gruu if hidden else flow.binding.public_gruu
    user = "anonymous" if hidden else account.user
    value = gruu or str(_address(user, flow, outbound=flow.binding.outbound))
    return f"<sips:{value.partition(':')[2]}>" if secure else f"<{value}>"


def contact_field(account: Account, flow: OpenedFlow | None, *, secure: bool) -> tuple[tuple[str, str], ...]:
    """The same for a response, which is sent, and lost, without a flow, too."""
    return () if flow is None else (("Contact", contact_value(account, flow, secure=secure)),)


def registered_contact(account: Account, flow: OpenedFlow) -> str:
    """Our Contact in REGISTER."""
    return f"<{_address(account.user, flow)}>"


def _address(user: str, flow: OpenedFlow, *, outbound: bool = False) -> SipUri:
    """Reachable over this flow only (RFC 3261 §8.1.1.8); `ob`: a dialog comes over it, too (RFC 5626 §4.3)."""
    host, _, port = flow.sent_by.rpartition(":")
    parameters: Parameters = (("transport", "tls"), ("ob", None)) if outbound else (("transport", "tls"),)
    return SipUri("sip", host.strip("[]"), user=user or None, port=int(port), parameters=parameters)


def credentials_of(request: Request | None) -> tuple[tuple[str, str], ...]:
    """The credentials an INVITE was sent with: its ACK carries the same (RFC 3261 §22.1).

    Not if the call hides who calls: an ACK cannot be challenged, so proxies let it pass, and the other side would read
    the user's name in it.
    """
    if request is None or hides_caller(request):
        return ()
    names = ("Authorization", "Proxy-Authorization")
    return tuple((name, value) for name in names for value in request.headers.get_all(name))
