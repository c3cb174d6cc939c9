"""Dialogs (RFC 3261 §12): what two user agents remember of each other between transactions.

Owns: the dialog's identifier, CSeq numbers, route set and remote target; the table of its life; building requests
inside it (§12.2.1.1), judging those that arrive (§12.2.2). Knows no transaction, no session and no time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import NameAddr, call_id, contact_uri, cseq, from_addr, route_set, to_addr
from softphone.sip.message import Headers, Message, Request, Response
from softphone.sip.state_table import StateTable, every
from softphone.sip.uri import SipUri, Uri, is_sips

MAX_FORWARDS = 70  # RFC 3261 §8.1.1.6

# RFC 3261 §12.2, RFC 3311 §5.1, RFC 6665 §4.4.1, RFC 3515: requests that move the remote target.
TARGET_REFRESH_METHODS = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})


class DialogState(Enum):
    EARLY = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class DialogInput(Enum):
    SUCCESS = auto()  # a 2xx to the INVITE, received or sent
    REFUSED = auto()  # a 300-699 to the INVITE that made the dialog, received or sent
    ENDED = auto()  # BYE sent or received, or a 408 or 481 inside the dialog (§12.2.1.2)


class DialogDo(Enum):
    COMPUTE_ROUTE_SET_AGAIN = auto()


DIALOG: StateTable[DialogState, DialogInput, DialogDo] = StateTable(
    name="dialog",
    source="RFC 3261 §12, §13.2.2.4",
    initial=DialogState.EARLY,
    states=tuple(DialogState),
    inputs=tuple(DialogInput),
    rows={
        (DialogState.EARLY, DialogInput.SUCCESS): (DialogState.CONFIRMED, (DialogDo.COMPUTE_ROUTE_SET_AGAIN,)),
        (DialogState.EARLY, DialogInput.REFUSED): (DialogState.TERMINATED, ()),
        (DialogState.EARLY, DialogInput.ENDED): (DialogState.TERMINATED, ()),
        (DialogState.CONFIRMED, DialogInput.ENDED): (DialogState.TERMINATED, ()),
    },
    ignored=(
        every((DialogState.CONFIRMED,), DialogInput.SUCCESS, DialogInput.REFUSED)
        | every((DialogState.TERMINATED,), *DialogInput)
    ),
)


class Role(Enum):
    """Which end made the dialog: the route set of a UAC comes from responses, that of a UAS from the request."""

    UAC = auto()
    UAS = auto()


@dataclass(frozen=True, slots=True)
class DialogId:
    """`remote_tag` is "" for a peer of RFC 2543 that sends none (§12.1.1, §12.1.2)."""

    call_id: str
    local_tag: str
    remote_tag: str


class Dialog:
    """One dialog, seen from one end. Made by `from_response` or `from_request`.

    A terminated dialog still builds requests: a BYE that is challenged has to be sent once more.
    """

    def __init__(
        self,
        role: Role,
        dialog_id: DialogId,
        *,
        local: NameAddr,
        remote: NameAddr,
        remote_target: Uri,
        routes: tuple[NameAddr, ...],
        local_cseq: int | None,
        remote_cseq: int | None,
        secure: bool,
    ) -> None:
        self.role = role
        self.id = dialog_id
        self.state = DIALOG.initial
        self.local_uri = local  # with our tag
        self.remote_uri = remote  # with the peer's tag, if it has one
        self.remote_target = _upgraded(remote_target, secure)
        self.route_set = routes
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.secure = secure  # made by a request to a sips URI: the target is never sip (§12.1.1)

    def __repr__(self) -> str:
        return f"Dialog({self.role.name}, {self.state.name}, {self.id})"

    @classmethod
    def from_response(cls, request: Request, response: Response) -> Dialog:
        """The UAC's dialog from a provisional response with To tag or a 2xx (§12.1.2).

        A response without Contact leaves the Request-URI as the target, so that even such a peer's 2xx can be
        acknowledged and ended. Raises RemoteProtocolError if no dialog can be made of it.
        """
        remote = to_addr(response)
        if response.status < 200 and remote.tag is None:
            raise RemoteProtocolError("a provisional response without To tag makes no dialog")
        if response.status >= 300:
            raise RemoteProtocolError(f"a {response.status} response makes no dialog")
        local = from_addr(request)
        dialog = cls(
            Role.UAC,
            DialogId(call_id(request), local.tag or "", remote.tag or ""),
            local=local,
            remote=remote,
            remote_target=contact_uri(response) or request.uri,
            routes=tuple(reversed(route_set(response, "Record-Route"))),
            local_cseq=cseq(request).number,
            remote_cseq=None,
            secure=is_sips(request.uri),
        )
        if response.status >= 200:
            dialog.confirm(response)
        return dialog

    @classmethod
    def from_request(cls, request: Request, local_tag: str) -> Dialog:
        """The UAS's dialog from a request outside any dialog (§12.1.1).

        Raises RemoteProtocolError (400) for a request without a Contact that could be reached.
        """
        remote = from_addr(request)
        target = contact_uri(request)
        if target is None:
            raise RemoteProtocolError("a request that makes a dialog needs a Contact")
        return cls(
            Role.UAS,
            DialogId(call_id(request), local_tag, remote.tag or ""),
            local=to_addr(request).with_parameter("tag", local_tag),
            remote=remote,
            remote_target=target,
            routes=route_set(request, "Record-Route"),
            local_cseq=None,
            remote_cseq=cseq(request).number,
            secure=is_sips(request.uri),
        )

    def confirm(self, response: Response) -> None:
        """A 2xx to the INVITE was received (UAC: route set and target are taken from it, §13.2.2.4) or sent (UAS)."""
        self.state, actions = DIALOG.step(self.state, DialogInput.SUCCESS)
        if self.role is Role.UAC and DialogDo.COMPUTE_ROUTE_SET_AGAIN in actions:
            self.route_set = tuple(reversed(route_set(response, "Record-Route")))
            self._move_target(response)

    def refuse(self) -> None:
        """The INVITE that made the dialog got a 300-699: an early dialog is over, a confirmed one is not touched."""
        self.state, _ = DIALOG.step(self.state, DialogInput.REFUSED)

    def terminate(self) -> None:
        """BYE was sent or received, or a request inside the dialog got 408 or 481."""
        self.state, _ = DIALOG.step(self.state, DialogInput.ENDED)

    def request(
        self, method: str, contact: str | None = None, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """A new request inside the dialog with the next CSeq (§12.2.1.1); Content-Type is the caller's to add.

        `contact` is a whole header value ("<sip:…>"). ACK is made by `ack`, CANCEL by the transaction layer.
        """
        number = self.next_cseq()
        lines = list(headers) if contact is None else [("Contact", contact), *headers]
        return self._request(method, number, lines, body)

    def next_cseq(self) -> int:
        """The CSeq number of the next request, used up; also for one that is sent again with credentials (§22.2)."""
        self.local_cseq = 1 if self.local_cseq is None else self.local_cseq + 1
        return self.local_cseq

    def ack(
        self,
        invite_cseq: int,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Request:
        """The ACK for a 2xx to the INVITE of that CSeq (§13.2.2.4); `headers` for the INVITE's credentials."""
        lines = [*headers, ("Content-Type", content_type)] if body else list(headers)
        return self._request("ACK", invite_cseq, lines, body)

    def receive(self, request: Request) -> None:
        """Judges a request inside the dialog by its CSeq and takes over its target (§12.2.2).

        Raises RemoteProtocolError (500) if it is older than one already seen. ACK and CANCEL carry the number of
        their INVITE and are not judged.
        """
        if request.method in ("ACK", "CANCEL"):
            return
        number = cseq(request).number
        if self.remote_cseq is not None and number < self.remote_cseq:
            raise RemoteProtocolError(f"CSeq {number} after {self.remote_cseq}", 500)
        self.remote_cseq = number
        if request.method not in ("INVITE", "UPDATE"):  # these move it once they are accepted (RFC 6141 §3)
            self.refresh_target(request)

    def refresh_target(self, message: Message) -> None:
        """Takes over the Contact of a target refresh request or of a 2xx to one (§12.2.1.2, §12.2.2)."""
        if isinstance(message, Response) and not 200 <= message.status < 300:
            return
        if cseq(message).method in TARGET_REFRESH_METHODS:
            self._move_target(message)

    def _move_target(self, message: Message) -> None:
        target = contact_uri(message)
        if target is not None:
            self.remote_target = _upgraded(target, self.secure)

    def _request(self, method: str, number: int, headers: list[tuple[str, str]], body: bytes) -> Request:
        uri, routes = self._next_hop()
        lines = [("Route", route) for route in routes]
        lines += [
            ("Max-Forwards", str(MAX_FORWARDS)),
            ("From", str(self.local_uri)),
            ("To", str(self.remote_uri)),
            ("Call-ID", self.id.call_id),
            ("CSeq", f"{number} {method}"),
            *headers,
        ]
        return Request(method, uri, Headers(lines), body)

    def _next_hop(self) -> tuple[Uri, list[str]]:
        """Request-URI and Route values: loose routing, or strict routing if the first route has no `lr`."""
        target = _as_request_uri(self.remote_target)
        if not self.route_set:
            return target, []
        first = self.route_set[0].uri
        if isinstance(first, SipUri) and first.parameter("lr") is None:
            return _as_request_uri(first), [*map(str, self.route_set[1:]), f"<{target}>"]
        return target, [str(route) for route in self.route_set]


def asks_for_sips(request: Request) -> bool:
    """Whether our Contact in the answer must be a sips URI (§12.1.1): the request is to one, or the way back is.

    Raises RemoteProtocolError if the way back cannot be read.
    """
    routes = route_set(request, "Record-Route")
    back = routes[0].uri if routes else contact_uri(request)
    return is_sips(request.uri) or (back is not None and is_sips(back))


def _upgraded(target: Uri, secure: bool) -> Uri:
    """In a secure dialog a sip target is reached as sips: what was asked for is never lowered (§12.1.1)."""
    if secure and isinstance(target, SipUri) and target.scheme == "sip":
        return replace(target, scheme="sips")
    return target


def _as_request_uri(uri: Uri) -> Uri:
    """Without the parts that a Request-URI must not have (§19.1.1): headers and the `method` parameter."""
    if not isinstance(uri, SipUri):
        return uri
    parameters = tuple(entry for entry in uri.parameters if entry[0].lower() != "method")
    return replace(uri, headers=(), parameters=parameters)
