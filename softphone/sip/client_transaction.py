"""Client transactions: a request of ours until its final response (RFC 3261 §17.1, RFC 6026 §7.2), and its CANCEL.

Owns: the request as sent, the ACK for a 300-699 response (§17.1.1.3), the CANCEL (§9.1) with its own transaction.
Matching responses is `transaction_layer.py`'s.
"""

from __future__ import annotations

from softphone.errors import LocalProtocolError, TransactionTimeout, TransportFailed
from softphone.sip.header_values import Via, cseq, top_via
from softphone.sip.message import Headers, Request, Response
from softphone.sip.timers import Timer, Timers
from softphone.sip.transaction import Emit, Transaction
from softphone.sip.transaction_outputs import LayerOutput, RequestFailed, ResponseArrived, SendMessage
from softphone.sip.transaction_tables import (
    CANCELLATION,
    CLIENT_INVITE,
    CLIENT_NON_INVITE,
    CancelDo,
    CancelInput,
    Do,
    Input,
)


class ClientTransaction(Transaction):
    """`request` carries our Via on top; `branch` is that Via's."""

    def __init__(self, request: Request, branch: str, flow_id: str, timers: Timers, emit: Emit) -> None:
        table = CLIENT_INVITE if request.method == "INVITE" else CLIENT_NON_INVITE
        super().__init__(branch, flow_id, table, timers, emit)
        self.request = request
        self.via: Via = top_via(request)
        self._response: Response | None = None  # the one in hand
        self._cancel_state = CANCELLATION.initial
        self._cancel_reason: str | None = None
        self._cancel: ClientTransaction | None = None

    def receive(self, response: Response, now: float) -> None:
        self._response = response
        self._step(_input_of(response), now)
        given = CancelInput.PROVISIONAL if response.status < 200 else CancelInput.FINAL
        self._step_cancellation(given, now)

    def receive_for_cancel(self, response: Response, now: float) -> None:
        """A response to our CANCEL: it ends the CANCEL's transaction and says nothing about the INVITE."""
        if self._cancel is not None:
            self._cancel.receive(response, now)

    def cancel(self, now: float, reason: str | None) -> None:
        """Asks for a CANCEL; it waits for the first provisional response. Only an INVITE has one (RFC 3261 §9.1)."""
        if self.request.method != "INVITE":
            raise LocalProtocolError(f"CANCEL of {self.request.method}")
        if reason is not None:
            self._cancel_reason = reason
        self._step_cancellation(CancelInput.ASKED, now)

    def next_timer(self) -> float | None:
        own = super().next_timer()
        inner = self._cancel.next_timer() if self._cancel is not None else None
        return min((deadline for deadline in (own, inner) if deadline is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._cancel is not None:
            self._cancel.handle_timer(now)
        super().handle_timer(now)

    def _fire(self, timer: Timer, now: float) -> None:
        if timer is Timer.CANCEL:
            self._step_cancellation(CancelInput.TIMER_CANCEL, now)
        else:
            super()._fire(timer, now)

    def _step_cancellation(self, given: CancelInput, now: float) -> None:
        self._cancel_state, actions = CANCELLATION.step(self._cancel_state, given)
        for action in actions:
            match action:
                case CancelDo.SEND_CANCEL:
                    cancel = cancel_for(self.request, self._cancel_reason)
                    self._cancel = ClientTransaction(cancel, self.name, self.flow_id, self._timers, self._emit_cancel)
                    self._cancel.start(now)
                case CancelDo.START_TIMER_CANCEL:
                    self._deadlines.start(Timer.CANCEL, now)
                case CancelDo.GIVE_UP:
                    self._step(Input.CANCEL_UNANSWERED, now)

    def _emit_cancel(self, output: LayerOutput) -> None:
        if isinstance(output, SendMessage):
            self._emit(output)

    def _do(self, action: Do) -> None:
        match action:
            case Do.SEND_REQUEST:
                self._send(self.request)
            case Do.SEND_ACK:
                assert self._response is not None
                self._send(ack_for(self.request, self._response))
            case Do.PASS_RESPONSE:
                assert self._response is not None
                self._emit(ResponseArrived(self.name, self._response))
            case Do.REPORT_TIMEOUT:
                error = TransactionTimeout(f"no final response to {self.request.method} in time")
                self._emit(RequestFailed(self.name, error))
            case Do.REPORT_TRANSPORT:
                lost = TransportFailed(f"the flow closed before the final response to {self.request.method}")
                self._emit(RequestFailed(self.name, lost))
            case _:
                raise LocalProtocolError(f"{action.name} in a client transaction")

    def _send(self, request: Request) -> None:
        self._emit(SendMessage(self.flow_id, request.to_bytes()))


def _input_of(response: Response) -> Input:
    if response.status < 200:
        return Input.RESPONSE_1XX
    return Input.RESPONSE_2XX if response.status < 300 else Input.RESPONSE_300_699


def ack_for(invite: Request, response: Response) -> Request:
    """The ACK for a 300-699 response: the INVITE's Via, Route and identity, the response's To (RFC 3261 §17.1.1.3)."""
    return _accompanying(invite, "ACK", to=response.headers.get_all("To"))


def cancel_for(invite: Request, reason: str | None = None) -> Request:
    """The CANCEL of a request (RFC 3261 §9.1); `reason` is a Reason header's value (RFC 3326)."""
    cancel = _accompanying(invite, "CANCEL", to=invite.headers.get_all("To"))
    return cancel if reason is None else cancel.with_headers(cancel.headers.added("Reason", reason))


def _accompanying(invite: Request, method: str, to: tuple[str, ...]) -> Request:
    """A request of the same branch, to the same place."""
    source = invite.headers
    lines = [("Via", str(top_via(invite)))]
    lines += [("Route", value) for value in source.get_all("Route")]
    lines += [("Max-Forwards", "70")]
    lines += [("From", value) for value in source.get_all("From")]
    lines += [("To", value) for value in to]
    lines += [("Call-ID", value) for value in source.get_all("Call-ID")]
    lines += [("CSeq", f"{cseq(invite).number} {method}")]
    return Request(method, invite.uri, Headers(lines))
