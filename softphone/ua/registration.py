"""REGISTER: binding our Contact, refreshing it, removing it (RFC 3261 §10.2, §21.4.17; RFC 5626 §4.2, 5627 §4.2).

Owns: the registration's table and its timers, and what a refusal asks for (`Remedy`). The flow is `flow_keeper.py`'s,
what a 200 grants is read by `binding.py`, where a 3xx leads by `registrar_redirect.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError, SoftphoneError, TransportFailed
from softphone.sip.message import Request, Response
from softphone.sip.state_table import StateTable, every
from softphone.sip.uri import SipUri
from softphone.ua.account import Account
from softphone.ua.backoff import BackOff
from softphone.ua.binding import REG_ID, Binding, instance_parameters, read_grant
from softphone.ua.host import Host, OpenedFlow, Redirect, registered_contact, token
from softphone.ua.outcomes import flow_lost, no_answer, registration_failure
from softphone.ua.registrar_redirect import FOLLOWED, redirect_of
from softphone.ua.requester import MAX_CHALLENGES
from softphone.ua.responses import SUPPORTED_EXTENSIONS, new_request, with_next_cseq
from softphone.ua.server_times import MAX_RETRY_AFTER, retry_after, seconds

MIN_EXPIRES = 5  # s; shorter grants are treated as this, so that a hostile registrar cannot make us spin
ANSWER_WITHIN = 10.0  # s for an answer while the server's name leads to other addresses, too; else Timer F's 32 s


class Remedy(Enum):
    """What a failure asks for."""

    WAIT = auto()  # and ask again on the same flow
    ANOTHER_FLOW = auto()  # this one is worth nothing
    ANOTHER_SERVER = auto()  # if there is one (RFC 3263 §4.3)


_REMEDIES = {
    408: Remedy.ANOTHER_FLOW,  # the same as no answer (RFC 3261 §8.1.3.1)
    430: Remedy.ANOTHER_FLOW,  # Flow Failed (RFC 5626 §4.3)
    503: Remedy.ANOTHER_SERVER,
}
_FINAL = frozenset({400, 403, 404, 405, 416, 420, 423, 439, 604})  # only the person can help
_NO_OUTBOUND = 439  # First Hop Lacks Outbound Support (RFC 5626 §4.2.1)


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
    REDIRECTED = auto()
    TIMER = auto()
    FLOW_LOST = auto()
    UNREGISTER = auto()


class RegistrationStep(Enum):
    SEND = auto()
    SEND_REMOVAL = auto()
    GRANTED = auto()
    REPORT_REFUSED = auto()
    UNANSWERED = auto()
    RETRY_LATER = auto()
    GO_ELSEWHERE = auto()
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
        (S.REGISTERING, T.REDIRECTED): (S.IDLE, (A.GO_ELSEWHERE,)),
        (S.REGISTERING, T.TIMER): (S.WAITING, (A.UNANSWERED, A.RETRY_LATER)),
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
    ignored=every((S.IDLE,), T.ACCEPTED, T.REFUSED, T.FAILED, T.REDIRECTED, T.TIMER, T.FLOW_LOST)
    | every((S.REGISTERED, S.WAITING), T.ACCEPTED, T.REFUSED, T.FAILED, T.REDIRECTED)
    | every((S.FAILED,), T.ACCEPTED, T.REFUSED, T.FAILED, T.REDIRECTED, T.TIMER, T.FLOW_LOST)
    | every((S.REGISTERING,), T.REGISTER)
    | every((S.UNREGISTERING,), T.REDIRECTED, T.UNREGISTER, T.TIMER),
)


class Registration:
    """Tells its owner through `changed(failure, retry_in_s, now)` after every step; the owner reads the rest."""

    def __init__(
        self, host: Host, account: Account, changed: Callable[[Failure | None, float | None, float], None]
    ) -> None:
        self._host = host
        self.account = account
        self._changed = changed
        self.state = RegistrationMachineState.IDLE
        self.expires: int | None = None  # s, granted
        self.status: int | None = None
        self.binding = Binding()
        self.remedy: Remedy | Redirect = Remedy.WAIT  # of the last failure
        self.retry_after = 0.0  # s that the server wants to be left alone, as of the last failure
        self._call_id = token(host.token_bytes, 12)
        self._from_tag = token(host.token_bytes)
        self._cseq = 0
        self._asked_expires = account.expires
        self._branch: str | None = None
        self._request: Request | None = None  # as sent, with credentials
        self._challenges = 0
        self._deadline: float | None = None
        self._bound: str | None = None  # the Contact that the registrar holds
        self._asks_outbound = True  # until the first hop of this flow turns out to know nothing of it
        self._failure: Failure | None = None
        self._back_off = BackOff(host.token_bytes)
        self._steps: dict[RegistrationStep, Callable[[float], None]] = {
            RegistrationStep.SEND: self._send,
            RegistrationStep.SEND_REMOVAL: self._send_removal,
            RegistrationStep.GRANTED: self._granted,
            RegistrationStep.REPORT_REFUSED: self._report_refused,
            RegistrationStep.UNANSWERED: self._unanswered,
            RegistrationStep.RETRY_LATER: self._retry_later,
            RegistrationStep.GO_ELSEWHERE: self._go_elsewhere,
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
        registering = self.state is RegistrationMachineState.REGISTERING
        match response.status:
            case 401 | 407:
                self._challenged(response, now)
            case 423:
                self._too_brief(response, now)
            case status if status < 300:
                self._accepted(response, now)
            case status if status in FOLLOWED and registering:
                self._redirected(response, now)
            case status if status == _NO_OUTBOUND and registering and self._asks_outbound:
                self._asks_outbound = False
                self._transmit(self._new_request(self._asked_expires), now)
            case _:
                self._not_accepted(response, now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        self.status = None  # none was received; the failure carries the 408 or 503 that it is treated as (§8.1.3.1)
        if isinstance(error, TransportFailed):
            self._fail(flow_lost("while registering"), now)  # the flow's owner hears of it, too
        else:
            self._fail(self._silence(), now, Remedy.ANOTHER_FLOW)

    # Steps

    def _send(self, now: float) -> None:
        self._challenges = 0
        self._deadline = None
        self.remedy = Remedy.WAIT
        self._transmit(self._new_request(self._asked_expires), now)
        self._changed(None, None, now)

    def _send_removal(self, now: float) -> None:
        self._challenges = 0
        self._deadline = None
        self.remedy = Remedy.WAIT
        self._transmit(self._new_request(0), now)

    def _granted(self, now: float) -> None:
        assert self.expires is not None
        self._back_off.reset()
        # Early enough for more attempts: ten minutes before the end of long grants, half-way of short ones.
        self._deadline = now + (self.expires - 600 if self.expires > 1200 else self.expires / 2)
        self._changed(None, None, now)

    def _report_refused(self, now: float) -> None:
        self.expires = self._deadline = None
        self._changed(self._failure, None, now)

    def _unanswered(self, now: float) -> None:
        del now
        self._branch, self.status = None, None
        self._failure, self.remedy, self.retry_after = self._silence(), Remedy.ANOTHER_FLOW, 0.0

    def _retry_later(self, now: float) -> None:
        self.expires = None
        delay = max(self._back_off.failed(now), self.retry_after)
        self._deadline = now + delay
        self._changed(self._failure, delay, now)

    def _go_elsewhere(self, now: float) -> None:
        self._deadline = None
        self._changed(self._failure, None, now)

    def _removed(self, now: float) -> None:
        self._forget(now)
        self._bound = None
        self.binding = Binding()
        self._changed(None, None, now)

    def _forget(self, now: float) -> None:
        del now
        self._deadline = self._branch = self._request = None
        self.expires = None
        self._asks_outbound = True
        self.remedy = Remedy.WAIT

    # Requests

    def _new_request(self, expires: int) -> Request:
        """RFC 3261 §10.2; a binding of an earlier flow is removed by the same request, so that no call rings there.

        Where the registrar knows flows it replaces the binding itself (RFC 5626 §6).
        """
        flow = self._flow()
        account = self.account
        contact, instance = registered_contact(account, flow), instance_parameters(account)
        outbound = bool(instance) and self._asks_outbound
        reg_id = f";reg-id={REG_ID}" if outbound else ""
        contacts: tuple[tuple[str, str], ...] = (("Contact", f"{contact}{instance}{reg_id};expires={expires}"),)
        if self._bound is not None and self._bound != contact and not (outbound and self.binding.outbound):
            contacts += (("Contact", f"{self._bound};expires=0"),)
        self._cseq += 1
        extensions = {*(SUPPORTED_EXTENSIONS - {"outbound"}), "path", *(("outbound",) if outbound else ())}
        address = str(SipUri("sip", account.domain, user=account.user))
        redirected = flow.redirect.request_uri if flow.redirect is not None else None
        return new_request(
            "REGISTER",
            redirected or SipUri("sip", account.domain),
            from_=f"<{address}>;tag={self._from_tag}",
            to=f"<{address}>",
            call_id=self._call_id,
            cseq=self._cseq,
            headers=(*contacts, ("Expires", str(expires)), ("Supported", ", ".join(sorted(extensions)))),
        )

    def _transmit(self, request: Request, now: float) -> None:
        self._send_authorized(self._host.authorize(self.account.id, request), now)

    def _send_authorized(self, request: Request, now: float) -> None:
        self._request = request
        self._branch = self._host.send_request(self.account.id, request, self, now)
        if self.state is RegistrationMachineState.REGISTERING and self._flow().description.endpoints > 1:
            self._deadline = now + ANSWER_WITHIN

    def _flow(self) -> OpenedFlow:
        flow = self._host.flow(self.account.id)
        assert flow is not None
        return flow

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
            self._refuse(error.failure, now)
            return
        self._send_authorized(answered, now)

    def _too_brief(self, response: Response, now: float) -> None:
        """RFC 3261 §10.2.8: try again with at least Min-Expires."""
        minimum = seconds(response.headers.get("Min-Expires"))
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
            contact = registered_contact(self.account, flow)
            try:
                grant = read_grant(response, self.account, contact, self._asked_expires)
            except RemoteProtocolError as error:
                self._fail(_unusable(self.account, response, error.reason), now)
                return
            if grant.expires == 0:
                self._fail(_nothing_granted(self.account, response), now)
                return
            self.expires = max(MIN_EXPIRES, grant.expires)
            self._bound, self.binding = contact, grant.binding
        self.trigger(RegistrationTrigger.ACCEPTED, now)

    def _redirected(self, response: Response, now: float) -> None:
        try:
            self.remedy = redirect_of(response, str(self.account.server), self._flow().redirect)
        except OperationFailed as error:
            self._refuse(error.failure, now)
            return
        self._failure, self.retry_after = registration_failure(response, str(self.account.server)), 0.0
        self.trigger(RegistrationTrigger.REDIRECTED, now)

    def _not_accepted(self, response: Response, now: float) -> None:
        failure = registration_failure(response, str(self.account.server))
        if response.status in _FINAL or 300 <= response.status < 400:
            self._refuse(failure, now)
        else:
            wanted = min(retry_after(response) or 0, MAX_RETRY_AFTER)
            self._fail(failure, now, _REMEDIES.get(response.status, Remedy.WAIT), float(wanted))

    def _refuse(self, failure: Failure, now: float) -> None:
        self._failure = failure
        self.trigger(RegistrationTrigger.REFUSED, now)

    def _fail(self, failure: Failure, now: float, remedy: Remedy = Remedy.WAIT, retry_after: float = 0.0) -> None:
        self._failure, self.remedy, self.retry_after = failure, remedy, retry_after
        self.trigger(RegistrationTrigger.FAILED, now)

    def _silence(self) -> Failure:
        return no_answer("the registration", str(self.account.server))


def _nothing_granted(account: Account, response: Response) -> Failure:
    return Failure(
        FailureKind.REJECTED,
        f"The server {account.server} took the registration but keeps it for no time at all.",
        "Ask whoever runs the server why it grants no registration time.",
        status=response.status,
    )


def _unusable(account: Account, response: Response, why: str) -> Failure:
    return Failure(
        FailureKind.PROTOCOL,
        f"The server {account.server} took the registration, but calls cannot go the way that it names: {why}.",
        "Report it with a trace to whoever runs the server.",
        status=response.status,
    )
