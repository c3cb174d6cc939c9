"""Requests that arrive: checked in the order of RFC 3261 §8.2, then given to a dialog or made into a call.

Owns: the way from a server transaction to a call, and the answers that need none (OPTIONS, 404, 481, 486, 488 …).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind, RemoteProtocolError
from softphone.sdp.negotiated import ConsentNeeded, NegotiatedMedia, Rejection
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.header_values import from_addr, to_addr
from softphone.sip.message import Request, Response
from softphone.sip.parser import MalformedRequest
from softphone.ua.account import Account
from softphone.ua.actions import FlowId, SendBytes
from softphone.ua.call import Call
from softphone.ua.call_requests import dialog_of, receive_ack, receive_invite, receive_prack, receive_update
from softphone.ua.call_table import CallTrigger
from softphone.ua.events import CallRefused, IncomingCall
from softphone.ua.host import token
from softphone.ua.identity import caller_identity, party_of
from softphone.ua.invite_server import InviteServer
from softphone.ua.outcomes import unencrypted_reason
from softphone.ua.request_checks import IN_DIALOG_CHECKS, OUT_OF_DIALOG_CHECKS
from softphone.ua.responses import ACCEPT, capabilities, response_to, warning_399
from softphone.ua.rules import Rules
from softphone.ua.session_timer import interval_refusal

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class IncomingRequests:
    def __init__(self, agent: UserAgent, rules: Rules) -> None:
        self._agent, self._rules = agent, rules
        # By method, after the checks; METHODS (`ALLOW`) says which are let through.
        self._within: dict[str, Callable[[Call, str, Request, float], None]] = {
            "INVITE": receive_invite,
            "BYE": self._bye,
            "PRACK": receive_prack,
            "UPDATE": receive_update,
            "OPTIONS": lambda call, key, request, now: self._agent.respond(
                key, self._options(call.account, request), now
            ),
            "REFER": agent.transfers.refer,
            "NOTIFY": agent.transfers.notify,
            "INFO": agent.digits.info,
            "MESSAGE": lambda call, key, request, now: agent.instant_messages.message(call.account, key, request, now),
        }
        self._outside: dict[str, Callable[[Account, str, Request, float], None]] = {
            "INVITE": self._invite,
            "OPTIONS": lambda account, key, request, now: self._agent.respond(
                key, self._options(account, request), now
            ),
            "REFER": agent.transfers.refer_outside,
            "NOTIFY": agent.subscriptions.notify,
            "MESSAGE": agent.instant_messages.message,
        }

    def request(self, key: str, request: Request, flow_id: FlowId, now: float) -> None:
        account = self._agent.account_of_flow(flow_id)
        if account is None:
            return
        try:
            call = self._call_of(account, request)
            if call is not None:
                self._within_dialog(call, key, request, now)
            elif self._agent.subscriptions.takes(account, request):
                self._agent.subscriptions.notify(account, key, request, now)
            else:
                self._outside_dialog(account, key, request, now)
        except RemoteProtocolError as error:
            refusal = response_to(request, error.status_hint, headers=(warning_399(error.reason),))
            self._agent.respond(key, refusal, now)

    def ack(self, request: Request, flow_id: FlowId, now: float) -> None:
        account = self._agent.account_of_flow(flow_id)
        if account is None:
            return
        try:
            call = self._call_of(account, request)
            if call is not None:
                receive_ack(call, request, now)
        except RemoteProtocolError:
            return  # an ACK is never answered (RFC 3261 §17)

    def cancelled(self, key: str, now: float) -> None:
        for call in list(self._agent.calls.values()):
            if call.server is not None and call.server.key == key:
                call.trigger(CallTrigger.CANCEL, now)

    def answer_malformed(self, error: MalformedRequest, flow_id: FlowId) -> None:
        """400 without a transaction: what is too broken to keep state for is answered statelessly (RFC 3261 §8.2.7)."""
        response = error.answer
        if error.partial is not None and error.partial.method != "ACK":
            response = response_to(error.partial, error.status_hint, to_tag=token(self._agent.token_bytes))
        if response is not None:
            self._agent.emit(SendBytes(flow_id, response.to_bytes()))

    # Within a dialog

    def _call_of(self, account: Account, request: Request) -> Call | None:
        """Among the account's own: its server has no say in the calls of another one."""
        if to_addr(request).tag is None:
            return None
        known = (call for call in self._agent.calls.values() if call.account.id == account.id)
        return next((call for call in known if dialog_of(call, request) is not None), None)

    def _within_dialog(self, call: Call, key: str, request: Request, now: float) -> None:
        for check in IN_DIALOG_CHECKS:
            refusal = check(request)
            if refusal is not None:
                self._agent.respond(key, refusal, now)
                return
        dialog = dialog_of(call, request)
        assert dialog is not None
        dialog.receive(request)
        self._agent.connected_line.requested(call, dialog, request)
        handler = self._within.get(request.method)
        if handler is None:
            self._agent.respond(key, response_to(request, 481), now)
        else:
            handler(call, key, request, now)

    def _bye(self, call: Call, key: str, request: Request, now: float) -> None:
        self._agent.respond(key, response_to(request, 200), now)
        self._agent.transfers.peer_hangs_up(call, now)
        call.trigger(CallTrigger.BYE, now)

    # Outside a dialog

    def _outside_dialog(self, account: Account, key: str, request: Request, now: float) -> None:
        answer = self._rules.intercept(request, now)
        if answer is None:
            answer = next((refusal for check in OUT_OF_DIALOG_CHECKS if (refusal := check(request)) is not None), None)
        if answer is None and not self._rules.serves(account, request.uri):
            answer = response_to(request, 404)
        if answer is not None:
            self._agent.respond(key, answer, now)
            return
        handler = self._outside.get(request.method)
        if handler is None:  # BYE and the like without a dialog
            self._agent.respond(key, response_to(request, 481), now)
        else:
            handler(account, key, request, now)

    def _options(self, account: Account, request: Request) -> Response:
        """RFC 3261 §11.2: what an INVITE would get, and what we can do."""
        busy = to_addr(request).tag is None and self._rules.busy(account, self._agent.running_calls)
        return response_to(
            request,
            486 if busy else 200,
            to_tag=token(self._agent.token_bytes),
            headers=(
                *capabilities(account),
                ("Accept", ACCEPT),
                ("Accept-Encoding", "identity"),
                ("Accept-Language", "en"),
            ),
        )

    def _invite(self, account: Account, key: str, request: Request, now: float) -> None:
        tag = token(self._agent.token_bytes)
        if self._agent.shutting_down:
            self._agent.respond(key, response_to(request, 480, to_tag=tag), now)
            return
        if interval_headers := interval_refusal(request):
            self._agent.respond(key, response_to(request, 422, to_tag=tag, headers=interval_headers), now)
            return
        if "Replaces" in request.headers:  # nobody is rung, so of all rules only denying applies
            self._agent.transfers.replacements.invite(account, key, request, now)
            return
        remote, identity = party_of(from_addr(request)), caller_identity(request)
        call_id_ = token(self._agent.token_bytes)
        turned = self._agent.screening.turned(account, request, identity)
        if turned is not None:
            self._agent.respond(key, response_to(request, turned.status, to_tag=tag, headers=turned.headers), now)
            self._agent.emit(turned.event(call_id_, account, remote))
            return
        policy = self._rules.media_policy(account, request.uri)
        session = account.offer_answer(policy, self._agent.token_bytes)
        server = InviteServer(self._agent, account, key, request, tag)
        verdict = self._verdict(session, server.offer)
        if isinstance(verdict, Rejection):
            server.respond(verdict.status, now, headers=(warning_399(verdict.warning),))
            self._agent.emit(CallRefused(call_id_, account.id, remote, verdict.failure))
            return
        call = Call.incoming(self._agent, account, call_id_, remote, session, server, now)
        assert call.callee is not None
        call.callee.consent = verdict if isinstance(verdict, ConsentNeeded) else None
        screening = self._agent.screening
        waiting, answer_after = screening.waits(account), screening.answers_itself_after(account, request, verdict)
        self._agent.calls[call.id] = call
        self._agent.emit(
            IncomingCall(
                call.id,
                account.id,
                remote,
                called=str(request.uri),
                unencrypted=unencrypted_reason(verdict),
                needs_consent=call.consent is not None,
                identity=identity,
                waiting=waiting,
                auto_answered=answer_after is not None,
            )
        )
        screening.rings(call, answer_after, now)

    def _verdict(self, session: OfferAnswerSession, offer: bytes) -> NegotiatedMedia | ConsentNeeded | Rejection | None:
        """What the offer comes to; None for an INVITE without one (we offer in the 2xx)."""
        if not offer:
            return None
        try:
            return session.receive_offer(offer)
        except RemoteProtocolError as error:
            failure = Failure(
                FailureKind.PROTOCOL,
                f"A call came whose description (SDP) cannot be read: {error.reason}.",
                "Report it with a trace to whoever runs the server.",
            )
            return Rejection(error.status_hint, failure, error.reason)
