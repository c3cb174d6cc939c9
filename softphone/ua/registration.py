"""REGISTER: binding our Contact, refreshing it, removing it (RFC 3261 §10.2, §21.4.17).

Owns: the registration's table and its timers. The flow is `flow_keeper.py`'s. Outbound, Path and GRUU (RFC 5626, 3327,
5627) have their place in `_request`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError, SoftphoneError, TransportFailed
from softphone.sip.header_values import Star, parse_contacts, parse_delta_seconds
from softphone.sip.message import Request, Response
from softphone.sip.state_table import StateTable, every
from softphone.sip.uri import SipUri, parse_uri, uris_equal
from softphone.ua.account import Account
from softphone.ua.backoff import BackOff
from softphone.ua.host import Host, contact_value, token
from softphone.ua.outcomes import flow_lost, no_answer, registration_failure
from softphone.ua.responses import SUPPORTED_EXTENSIONS, new_request, with_next_cseq

MAX_CHALLENGES = 6  # answers to challenges in one round: proxies, registrar, stale nonces
MAX_RETRY_AFTER = 3600  # s; a server that is sent away for longer is asked again all the same
MIN_EXPIRES = 5  # s; shorter grants are treated as this, so that a hostile registrar cannot make us spin


class RegistrationMachineState(Enum):
    IDLE = auto()
    REGISTERING = auto()
    REGISTERED = auto()
    WAITING = auto()  # for the retry time
    FAILED = auto()  # for the person
    UNREGISTERING = auto()


class RegistrationTrigger(Enum):
    REGISTER = auto()
    ACCEPTED = auto()
    REFUSED = auto()  # final, only the person can help
    FAILED = auto()  # may work later
    TIMER = auto()
    FLOW_LOST = auto()
    UNREGISTER = auto()


class RegistrationStep(Enum):
    SEND = auto()
    SEND_REMOVAL = auto()
    GRANTED = auto()
    REPORT_REFUSED = auto()
    RETRY_LATER = auto()
    REMOVED = auto()
    FORGET = auto()


S, T, A = RegistrationMachineState, RegistrationTrigger, RegistrationStep
REGISTRATION_TABLE: StateTable[RegistrationMachineState, RegistrationTrigger, RegistrationStep] = StateTable(
    name="registration",
    source="RFC 3261 §10.2",
    initial=S.IDLE,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.IDLE, T.REGISTER): (S.REGISTERING, (A.SEND,)),
        (S.WAITING, T.REGISTER): (S.REGISTERING, (A.SEND,)),
        (S.FAILED, T.REGISTER): (S.REGISTERING, (A.SEND,)),
        (S.REGISTERED, T.REGISTER): (S.REGISTERING, (A.SEND,)),
        (S.UNREGISTERING, T.REGISTER): (S.REGISTERING, (A.SEND,)),
        (S.REGISTERING, T.ACCEPTED): (S.REGISTERED, (A.GRANTED,)),
        (S.REGISTERING, T.REFUSED): (S.FAILED, (A.REPORT_REFUSED,)),
        (S.REGISTERING, T.FAILED): (S.WAITING, (A.RETRY_LATER,)),
        (S.REGISTERED, T.TIMER): (S.REGISTERING, (A.SEND,)),
        (S.WAITING, T.TIMER): (S.REGISTERING, (A.SEND,)),
        (S.REGISTERING, T.UNREGISTER): (S.UNREGISTERING, (A.SEND_REMOVAL,)),
        (S.REGISTERED, T.UNREGISTER): (S.UNREGISTERING, (A.SEND_REMOVAL,)),
        (S.WAITING, T.UNREGISTER): (S.IDLE, (A.REMOVED,)),
        (S.FAILED, T.UNREGISTER): (S.IDLE, (A.REMOVED,)),
        (S.IDLE, T.UNREGISTER): (S.IDLE, (A.REMOVED,)),
        (S.UNREGISTERING, T.ACCEPTED): (S.IDLE, (A.REMOVED,)),
        (S.UNREGISTERING, T.REFUSED): (S.IDLE, (A.REMOVED,)),
        (S.UNREGISTERING, T.FAILED): (S.IDLE, (A.REMOVED,)),
        (S.UNREGISTERING, T.FLOW_LOST): (S.IDLE, (A.REMOVED,)),
        (S.REGISTERING, T.FLOW_LOST): (S.IDLE, (A.FORGET,)),
        (S.REGISTERED, T.FLOW_LOST): (S.IDLE, (A.FORGET,)),
        (S.WAITING, T.FLOW_LOST): (S.IDLE, (A.FORGET,)),
    },
    ignored=every((S.IDLE,), T.ACCEPTED, T.REFUSED, T.FAILED, T.TIMER, T.FLOW_LOST)
    | every((S.REGISTERED,), T.ACCEPTED, T.REFUSED, T.FAILED)
    | every((S.WAITING,), T.ACCEPTED, T.REFUSED, T.FAILED)
    | every((S.FAILED,), T.ACCEPTED, T.REFUSED, T.FAILED, T.TIMER, T.FLOW_LOST)
    | every((S.REGISTERING,), T.REGISTER, T.TIMER)
    | every((S.UNREGISTERING,), T.UNREGISTER, T.TIMER),
)


class Registration:
    """Tells its owner through `changed(failure, retry_in_s, now)` after every step; the owner reads `state`."""

    def __init__(
        self, host: Host, account: Account, changed: Callable[[Failure | None, float | None, float], None]
    ) -> None:
        self._host = host
        self.account = account
        self._changed = changed
        self.state = RegistrationMachineState.IDLE
        self.expires: int | None = None  # s, granted
        self.status: int | None = None
        self._call_id = token(host.token_bytes, 12)
        self._from_tag = token(host.token_bytes)
        self._cseq = 0
        self._asked_expires = account.expires
        self._branch: str | None = None
        self._request: Request | None = None  # as sent, with credentials
        self._challenges = 0
        self._deadline: float | None = None
        self._bound: str | None = None  # the Contact that the registrar holds
        self._failure: Failure | None = None
        self._retry_after = 0.0
        self._back_off = BackOff(host.token_bytes)
        self._steps: dict[RegistrationStep, Callable[[float], None]] = {
            RegistrationStep.SEND: self._send,
            RegistrationStep.SEND_REMOVAL: self._send_removal,
            RegistrationStep.GRANTED: self._granted,
            RegistrationStep.REPORT_REFUSED: self._report_refused,
            RegistrationStep.RETRY_LATER: self._retry_later,
            RegistrationStep.REMOVED: self._removed,
            RegistrationStep.FORGET: self._forget,
        }

    def trigger(self, trigger: RegistrationTrigger, now: float) -> None:
        self.state, steps = REGISTRATION_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.trigger(RegistrationTrigger.TIMER, now)

    # ResponseHandler

    def response(self, branch: str, response: Response, now: float) -> None:
        if branch != self._branch or response.status < 200:
            return
        self.status = response.status
        match response.status:
            case 401 | 407:
                self._challenged(response, now)
            case 423:
                self._too_brief(response, now)
            case status if status < 300:
                self._accepted(response, now)
            case _:
                self._not_accepted(response, now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        silent = not isinstance(error, TransportFailed)
        self.status = None  # none was received; the failure carries the 408 or 503 that it is treated as (§8.1.3.1)
        server = str(self.account.server)
        self._failure = no_answer("the registration", server) if silent else flow_lost("while registering")
        self._retry_after = 0.0
        self.trigger(RegistrationTrigger.FAILED, now)

    # Steps

    def _send(self, now: float) -> None:
        self._challenges = 0
        self._deadline = None
        self._transmit(self._new_request(self._asked_expires), now)
        self._changed(None, None, now)

    def _send_removal(self, now: float) -> None:
        self._challenges = 0
        self._deadline = None
        self._transmit(self._new_request(0), now)

    def _granted(self, now: float) -> None:
        assert self.expires is not None
        self._back_off.reset()
        # Early enough for more attempts: ten minutes before the end of long grants, half-way of short ones.
        self._deadline = now + (self.expires - 600 if self.expires > 1200 else self.expires / 2)
        self._changed(None, None, now)

    def _report_refused(self, now: float) -> None:
        self.expires = None
        self._changed(self._failure, None, now)

    def _retry_later(self, now: float) -> None:
        self.expires = None
        delay = max(self._back_off.failed(now), self._retry_after)
        self._deadline = now + delay
        self._changed(self._failure, delay, now)

    def _removed(self, now: float) -> None:
        self._forget(now)
        self._bound = None
        self._changed(None, None, now)

    def _forget(self, now: float) -> None:
        del now
        self._deadline = self._branch = self._request = None
        self.expires = None

    # Requests

    def _new_request(self, expires: int) -> Request:
        """RFC 3261 §10.2; a binding of an earlier flow is removed by the same request, so that no call rings there."""
        flow = self._host.flow(self.account.id)
        assert flow is not None
        account = self.account
        contact = contact_value(account, flow)
        contacts: tuple[tuple[str, str], ...] = (("Contact", f"{contact};expires={expires}"),)
        if self._bound is not None and self._bound != contact:
            contacts += (("Contact", f"{self._bound};expires=0"),)
        self._cseq += 1
        supported = (("Supported", ", ".join(sorted(SUPPORTED_EXTENSIONS))),) if SUPPORTED_EXTENSIONS else ()
        address = str(SipUri("sip", account.domain, user=account.user))
        return new_request(
            "REGISTER",
            SipUri("sip", account.domain),
            from_=f"<{address}>;tag={self._from_tag}",
            to=f"<{address}>",
            call_id=self._call_id,
            cseq=self._cseq,
            headers=(*contacts, ("Expires", str(expires)), *supported),
        )

    def _transmit(self, request: Request, now: float) -> None:
        self._send_authorized(self._host.authorize(self.account.id, request), now)

    def _send_authorized(self, request: Request, now: float) -> None:
        self._request = request
        self._branch = self._host.send_request(self.account.id, request, self, now)

    # Responses

    def _challenged(self, response: Response, now: float) -> None:
        assert self._request is not None
        self._challenges += 1
        try:
            if self._challenges > MAX_CHALLENGES:
                raise OperationFailed(
                    Failure(
                        FailureKind.WRONG_CREDENTIALS,
                        f"The server {self.account.server} keeps asking for a password.",
                        "Check user name and password.",
                        status=response.status,
                    )
                )
            self._cseq += 1
            request = with_next_cseq(self._request, self._cseq)
            answered = self._host.answer_challenge(self.account.id, request, response)
        except OperationFailed as error:
            self._failure = error.failure
            self.trigger(RegistrationTrigger.REFUSED, now)
            return
        self._send_authorized(answered, now)

    def _too_brief(self, response: Response, now: float) -> None:
        """RFC 3261 §10.2.8: try again with at least Min-Expires."""
        minimum = _seconds(response.headers.get("Min-Expires"))
        self._challenges += 1
        useless = minimum is None or minimum <= self._asked_expires or self._challenges > MAX_CHALLENGES
        if minimum is None or useless or self.state is RegistrationMachineState.UNREGISTERING:
            self._not_accepted(response, now)
            return
        self._asked_expires = minimum
        self._transmit(self._new_request(minimum), now)

    def _accepted(self, response: Response, now: float) -> None:
        flow = self._host.flow(self.account.id)
        if self.state is RegistrationMachineState.REGISTERING and flow is not None:
            contact = contact_value(self.account, flow)
            granted = _granted_expires(response, contact, self._asked_expires)
            if granted == 0:
                self._failure, self._retry_after = _nothing_granted(self.account, response), 0.0
                self.trigger(RegistrationTrigger.FAILED, now)
                return
            self.expires = max(MIN_EXPIRES, granted)
            self._bound = contact
        self.trigger(RegistrationTrigger.ACCEPTED, now)

    def _not_accepted(self, response: Response, now: float) -> None:
        self._failure = registration_failure(response, str(self.account.server))
        self._retry_after = float(min(_seconds(response.headers.get("Retry-After")) or 0, MAX_RETRY_AFTER))
        final = response.status in (400, 403, 404, 405, 416, 420, 423, 604) or 300 <= response.status < 400
        self.trigger(RegistrationTrigger.REFUSED if final else RegistrationTrigger.FAILED, now)


def _nothing_granted(account: Account, response: Response) -> Failure:
    return Failure(
        FailureKind.REJECTED,
        f"The server {account.server} took the registration but keeps it for no time at all.",
        "Ask whoever runs the server why it grants no registration time.",
        status=response.status,
    )


def _seconds(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_delta_seconds(value.split(";")[0].split("(")[0].strip())
    except RemoteProtocolError:
        return None


def _granted_expires(response: Response, contact: str, asked: int) -> int:
    """The expiry of our binding: its `expires` parameter, else Expires, else what was asked (RFC 3261 §10.2.4)."""
    general = _seconds(response.headers.get("Expires"))
    default = asked if general is None else general
    try:
        contacts = parse_contacts(response.headers)
    except RemoteProtocolError:
        return default
    if isinstance(contacts, Star):
        return default
    ours = parse_uri(contact.strip("<>"))
    for entry in contacts:
        if uris_equal(entry.uri, ours):
            own = _seconds(entry.parameter("expires"))
            return default if own is None else own
    return default
