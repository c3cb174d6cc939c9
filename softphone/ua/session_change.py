"""Re-INVITE both ways: hold, resume, the peer's changes, glare (RFC 3261 §14, RFC 3264 §8.4, RFC 6337).

Owns: the table of one dialog's session modification. The rule that encryption never ends is `sdp/offer_answer.py`'s;
here it becomes 488 with a Warning and a notice, or the end of the call.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError, SoftphoneError, TransportFailed
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, NegotiatedMedia, Rejection
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.sip.state_table import StateTable, every
from softphone.ua.account import Account
from softphone.ua.backoff import random_fraction
from softphone.ua.host import Host, contact_value, credentials_of
from softphone.ua.invite_server import InviteServer
from softphone.ua.outcomes import call_failure, flow_lost, no_answer, refused_answer
from softphone.ua.responses import ALLOW, response_to, sdp_of, warning_399, with_next_cseq

MAX_CHALLENGES = 6
OFFER_WITHIN = 60.0  # s until a re-INVITE without final response is cancelled: nobody rings at a change


class ChangeState(Enum):
    STABLE = auto()
    OFFERED = auto()  # our re-INVITE is on its way
    GLARE = auto()  # 491; waiting before the next try (§14.1)
    ANSWERED = auto()  # their re-INVITE has our 2xx, its ACK is to come
    CLOSED = auto()  # the call is over


class ChangeTrigger(Enum):
    WANTED = auto()
    AGREED = auto()
    REFUSED = auto()  # non-2xx: the old session goes on
    PENDING = auto()  # 491
    LOST = auto()  # the dialog is gone, or the answer cannot be taken
    TIMER = auto()
    OFFER_TAKEN = auto()
    ACK = auto()
    CALL_OVER = auto()


class ChangeStep(Enum):
    OFFER = auto()
    APPLY = auto()
    REVERT = auto()
    WAIT = auto()
    END_CALL = auto()
    CATCH_UP = auto()  # something was wanted meanwhile
    CANCEL = auto()
    FORGET = auto()


S, T, A = ChangeState, ChangeTrigger, ChangeStep
CHANGE_TABLE: StateTable[ChangeState, ChangeTrigger, ChangeStep] = StateTable(
    name="session change",
    source="RFC 3261 §14, RFC 3264 §8",
    initial=S.STABLE,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.STABLE, T.WANTED): (S.OFFERED, (A.OFFER,)),
        (S.STABLE, T.OFFER_TAKEN): (S.ANSWERED, ()),
        (S.OFFERED, T.AGREED): (S.STABLE, (A.APPLY, A.CATCH_UP)),
        (S.OFFERED, T.REFUSED): (S.STABLE, (A.REVERT,)),
        (S.OFFERED, T.PENDING): (S.GLARE, (A.WAIT,)),
        (S.OFFERED, T.LOST): (S.STABLE, (A.END_CALL,)),
        (S.OFFERED, T.TIMER): (S.OFFERED, (A.CANCEL,)),
        (S.GLARE, T.TIMER): (S.STABLE, (A.CATCH_UP,)),
        (S.GLARE, T.OFFER_TAKEN): (S.ANSWERED, ()),
        (S.ANSWERED, T.ACK): (S.STABLE, (A.CATCH_UP,)),
        (S.ANSWERED, T.LOST): (S.STABLE, (A.END_CALL,)),
        **{(s, T.CALL_OVER): (S.CLOSED, (A.FORGET,)) for s in S if s is not S.CLOSED},
    },
    ignored=every((S.STABLE,), T.AGREED, T.REFUSED, T.PENDING, T.LOST, T.TIMER, T.ACK)
    | every((S.OFFERED,), T.WANTED, T.ACK, T.OFFER_TAKEN)
    | every((S.GLARE,), T.WANTED, T.AGREED, T.REFUSED, T.PENDING, T.LOST, T.ACK)
    | every((S.ANSWERED,), T.WANTED, T.AGREED, T.REFUSED, T.PENDING, T.TIMER, T.OFFER_TAKEN)
    | every((S.CLOSED,), *ChangeTrigger),
)


class ChangeOwner(Protocol):
    """The call, as the session's modification sees it."""

    def media_changed(self, media: NegotiatedMedia, now: float) -> None: ...

    def change_refused(self, failure: Failure, now: float) -> None: ...

    def session_lost(self, failure: Failure, now: float) -> None: ...


class SessionChange:
    def __init__(
        self,
        host: Host,
        account: Account,
        owner: ChangeOwner,
        dialog: Dialog,
        session: OfferAnswerSession,
        we_called: bool,
    ) -> None:
        self._host, self._account, self._owner = host, account, owner
        self._dialog, self._session = dialog, session
        self._we_called = we_called
        self.state = ChangeState.STABLE
        self.wanted = Direction.SENDRECV  # what we want; SENDONLY is hold
        self._offered = Direction.SENDRECV  # what our last offer or answer asked for
        self._agreed = Direction.SENDRECV  # what we had asked for in the exchange that is in force
        self._renewed = False  # the next offer brings new keys
        self._failure: Failure | None = None
        self._sent: Request | None = None  # with credentials
        self._branch: str | None = None
        self._challenges = 0
        self._acks: dict[int, Request] = {}  # by CSeq, for retransmitted 2xx
        self._server: InviteServer | None = None
        self._deadline: float | None = None  # of GLARE and OFFERED
        self._steps: dict[ChangeStep, Callable[[float], None]] = {
            ChangeStep.OFFER: self._offer,
            ChangeStep.APPLY: self._apply,
            ChangeStep.REVERT: self._revert,
            ChangeStep.WAIT: self._wait,
            ChangeStep.END_CALL: self._end_call,
            ChangeStep.CATCH_UP: self._catch_up,
            ChangeStep.CANCEL: self._cancel,
            ChangeStep.FORGET: self._forget,
        }

    def want(self, direction: Direction, now: float) -> None:
        self.wanted = direction
        if direction is not self._offered:
            self._trigger(ChangeTrigger.WANTED, now)

    def renew_keys(self, now: float) -> None:
        """An offer with new keys for what runs already (RFC 4568 §7.1.4)."""
        self._renewed = True
        self._trigger(ChangeTrigger.WANTED, now)

    def close(self, now: float) -> None:
        """The call is over: a late 2xx is still acknowledged, and that is all."""
        self._trigger(ChangeTrigger.CALL_OVER, now)

    def _trigger(self, trigger: ChangeTrigger, now: float) -> None:
        self.state, steps = CHANGE_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    # Timers

    def next_timer(self) -> float | None:
        server = self._server.next_timer() if self._server is not None else None
        return min((t for t in (self._deadline, server) if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._trigger(ChangeTrigger.TIMER, now)
        if self._server is not None and self._server.handle_timer(now):
            self._server = None
            self._failure = no_answer("the change of the call (no ACK)")
            self._trigger(ChangeTrigger.LOST, now)

    # Our re-INVITE

    def _offer(self, now: float) -> None:
        flow = self._host.flow(self._account.id)
        if flow is None:
            self._failure = flow_lost("so the call could not be changed")
            self._trigger(ChangeTrigger.REFUSED, now)
            return
        self._offered = self.wanted
        self._challenges = 0
        self._deadline = now + OFFER_WITHIN
        request = self._dialog.request(
            "INVITE",
            contact=contact_value(self._account, flow),
            headers=(("Allow", ALLOW), ("Content-Type", "application/sdp")),
            body=self._session.create_offer(self.wanted, new_keys=self._renewed),
        )
        self._renewed = False
        self._send(self._host.authorize(self._account.id, request), now)

    def _send(self, request: Request, now: float) -> None:
        self._sent = request
        self._branch = self._host.send_request(self._account.id, request, self, now)
        if self._branch is None:
            self._failure = flow_lost("so the call could not be changed")
            self._trigger(ChangeTrigger.REFUSED, now)

    def response(self, branch: str, response: Response, now: float) -> None:
        if 200 <= response.status < 300:
            self._success(branch, response, now)
        elif branch == self._branch and response.status >= 300 and self.state is ChangeState.OFFERED:
            match response.status:
                case 401 | 407:
                    self._challenged(response, now)
                case 491:
                    self._session.cancel_offer()
                    self._trigger(ChangeTrigger.PENDING, now)
                case 408 | 481:
                    self._session.cancel_offer()
                    self._failure = call_failure(response)
                    self._trigger(ChangeTrigger.LOST, now)
                case _:
                    self._failure = call_failure(response)
                    self._trigger(ChangeTrigger.REFUSED, now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch or self.state is not ChangeState.OFFERED:
            return
        if isinstance(error, TransportFailed):
            self._failure = flow_lost("so the call could not be changed")
            self._trigger(ChangeTrigger.REFUSED, now)
        else:
            self._session.cancel_offer()
            self._failure = no_answer("the change of the call")
            self._trigger(ChangeTrigger.LOST, now)

    def _success(self, branch: str, response: Response, now: float) -> None:
        number = cseq(response).number
        if number in self._acks:
            self._host.send_ack(self._account.id, self._acks[number])
            return
        failure = self._refresh_target(response)
        ack = self._dialog.ack(number, headers=credentials_of(self._sent))
        self._acks = {number: ack}  # only the latest can be asked for again
        self._host.send_ack(self._account.id, ack)
        if branch != self._branch or self.state is not ChangeState.OFFERED:
            return
        answer = sdp_of(response)
        result = self._session.receive_answer(answer) if answer else None
        if failure is None and isinstance(result, NegotiatedMedia):
            self._trigger(ChangeTrigger.AGREED, now)
            return
        self._failure = failure or refused_answer(result if not isinstance(result, NegotiatedMedia) else None)
        self._trigger(ChangeTrigger.LOST, now)

    def _refresh_target(self, response: Response) -> Failure | None:
        try:
            self._dialog.refresh_target(response)
        except RemoteProtocolError as error:
            return Failure(
                FailureKind.PROTOCOL,
                f"The other side's answer to a change of the call cannot be read: {error.reason}.",
                "Report it with a trace to whoever runs the server.",
            )
        return None

    def _challenged(self, response: Response, now: float) -> None:
        assert self._sent is not None
        self._challenges += 1
        try:
            if self._challenges > MAX_CHALLENGES:
                raise OperationFailed(call_failure(response))
            again = with_next_cseq(self._sent, self._dialog.next_cseq())
            answered = self._host.answer_challenge(self._account.id, again, response)
        except OperationFailed as error:
            self._failure = error.failure
            self._trigger(ChangeTrigger.REFUSED, now)
            return
        self._send(answered, now)

    # Their re-INVITE

    def receive_invite(self, key: str, request: Request, now: float) -> None:
        """RFC 3261 §14.2; the dialog has checked the CSeq."""
        if self.state is ChangeState.OFFERED:
            self._host.respond(key, response_to(request, 491), now)
            return
        if self.state is ChangeState.ANSWERED:
            delay = str(int(random_fraction(self._host.token_bytes) * 10))
            self._host.respond(key, response_to(request, 500, headers=(("Retry-After", delay),)), now)
            return
        server = InviteServer(self._host, self._account, key, request, "")
        body = self._answer_body(server, now)
        if body is None:
            return
        self._dialog.refresh_target(request)
        self._deadline = None
        self._offered = self._agreed = self.wanted
        self._server = server
        self._trigger(ChangeTrigger.OFFER_TAKEN, now)
        server.respond(200, now, body=body)
        if server.offer and self._session.negotiated is not None:
            self._owner.media_changed(self._session.negotiated, now)

    def _answer_body(self, server: InviteServer, now: float) -> bytes | None:
        """The SDP for our 2xx, or None when the offer was refused (and answered so)."""
        if not server.offer:
            return self._session.create_offer(self.wanted)
        before = self._session.negotiated
        try:
            result = self._session.receive_offer(server.offer)
        except RemoteProtocolError as error:
            server.respond(error.status_hint, now, headers=(warning_399(error.reason),))
            return None
        if isinstance(result, ConsentNeeded) and before is not None and isinstance(before.security, ClearMedia):
            result = self._session.agree_to_clear()  # the person has agreed for this call already
        match result:
            case NegotiatedMedia():
                return self._session.create_answer(self.wanted)
            case ConsentNeeded(reason=reason):
                self._session.cancel_offer()
                server.respond(488, now, headers=(warning_399(reason),))
                refused = Failure(FailureKind.MEDIA_NOT_ENCRYPTED, reason, "The call goes on as it was.")
                self._owner.change_refused(refused, now)
            case Rejection(status=status, failure=failure, warning=warning):
                server.respond(status, now, headers=(warning_399(warning),))
                self._owner.change_refused(failure, now)
        return None

    def receive_ack(self, request: Request, now: float) -> None:
        server = self._server
        if server is None or cseq(request).number != server.cseq or not server.awaits_ack:
            return
        server.acknowledged()
        self._server = None
        if not server.offer:  # our 2xx held the offer, this ACK the answer
            answer = sdp_of(request)
            result = self._session.receive_answer(answer) if answer else None
            if not isinstance(result, NegotiatedMedia):
                self._failure = refused_answer(result)
                self._trigger(ChangeTrigger.LOST, now)
                return
            self._owner.media_changed(result, now)
        self._trigger(ChangeTrigger.ACK, now)

    # Steps

    def _apply(self, now: float) -> None:
        assert self._session.negotiated is not None
        self._deadline = None
        self._agreed = self._offered
        self._owner.media_changed(self._session.negotiated, now)

    def _revert(self, now: float) -> None:
        assert self._failure is not None
        self._deadline = None
        self._session.cancel_offer()
        # What is running is what we want until somebody asks again.
        self.wanted = self._offered = self._agreed
        self._owner.change_refused(self._failure, now)

    def _wait(self, now: float) -> None:
        """§14.1: the Call-ID's owner waits 2.1–4 s, the other 0–2 s."""
        fraction = random_fraction(self._host.token_bytes)
        self._offered = self._agreed
        self._deadline = now + (2.1 + 1.9 * fraction if self._we_called else 2.0 * fraction)

    def _end_call(self, now: float) -> None:
        assert self._failure is not None
        self._deadline = None
        self._owner.session_lost(self._failure, now)

    def _catch_up(self, now: float) -> None:
        if self.wanted is not self._offered:
            self._trigger(ChangeTrigger.WANTED, now)

    def _cancel(self, now: float) -> None:
        if self._branch is not None:
            self._host.cancel(self._branch, now)

    def _forget(self, now: float) -> None:
        del now
        self._deadline = self._server = None
