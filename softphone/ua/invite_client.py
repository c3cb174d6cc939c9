"""INVITE sent: credentials, provisional responses, forks, the 2xx that wins (RFC 3261 §13.2, §13.3; RFC 3960 §3).

Owns: the INVITE's client transaction, the early dialogs by to-tag, and the ACK of each 2xx. Tells the call which
trigger happened; the call decides. Used for the first INVITE only: re-INVITEs are `session_change.py`. The order of
reliable responses is `reliable_receipt.py`'s, the targets of 3xx are `redirections.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError, SoftphoneError, TransportFailed
from softphone.policy.media import MediaEncryption, MediaPolicy
from softphone.sdp.negotiated import ConsentNeeded, NegotiatedMedia, Rejection
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq, to_addr
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, Uri, is_sips
from softphone.ua.account import Account
from softphone.ua.call_ending import CallEnding
from softphone.ua.call_table import CallTrigger
from softphone.ua.host import Host, contact_value, credentials_of, token
from softphone.ua.identity import caller_address, privacy_headers
from softphone.ua.inputs import MediaOpened
from softphone.ua.outcomes import call_failure, flow_lost, no_answer
from softphone.ua.redirections import Redirections
from softphone.ua.reliable_receipt import ReliableReceipt, is_reliable
from softphone.ua.requester import MAX_CHALLENGES
from softphone.ua.responses import capabilities, new_request, reason_value, sdp_of, with_next_cseq
from softphone.ua.server_times import MAX_RETRY_AFTER, retry_after
from softphone.ua.session_change import ChangeOwner, SessionChange
from softphone.ua.session_timer import SessionTimer

MAX_FORKS = 16  # early dialogs kept of one INVITE; further ones are not followed (named bound on a peer's memory use)
MAX_SURPLUS = 128  # unanswered BYEs to dialogs that are not the call's; a 2xx that would need one more is not heard


@dataclass(slots=True)
class Fork:
    """One dialog that the INVITE created, early or confirmed, and its offer/answer."""

    dialog: Dialog
    session: OfferAnswerSession
    change: SessionChange
    receipt: ReliableReceipt
    answer: NegotiatedMedia | ConsentNeeded | Rejection | None = None  # of its 183 or 2xx
    settled: bool = False  # that answer came reliably: no later one counts (RFC 3261 §13.2.1)
    ack: Request | None = None


class InviteOwner(Protocol):
    """The call, as the INVITE's client side sees it."""

    def invite_trigger(self, trigger: CallTrigger, now: float) -> None: ...

    def ringing(self, now: float) -> None: ...

    def early_media(self, fork: Fork, media: NegotiatedMedia, now: float) -> None: ...


class InviteClient:
    def __init__(
        self,
        host: Host,
        account: Account,
        owner: InviteOwner,
        changes: ChangeOwner,
        session: OfferAnswerSession,
        policy: MediaPolicy,
        target: SipUri,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._policy = policy
        self._headers = headers
        self._host, self._account, self._owner, self._changes = host, account, owner, changes
        self._timer = SessionTimer(account.session_expires)
        self._redirections = Redirections(target)
        self._session = session
        self.target: Uri = target
        self._to = f"<{target}>"  # stays when a redirection is followed (RFC 3261 §8.1.3.4)
        self._local_address = ("", 0, 0, "")
        self._call_id = token(host.token_bytes, 12)
        self._from_tag = token(host.token_bytes)
        self._cseq = int.from_bytes(host.token_bytes(2), "big") + 1
        self._branch: str | None = None
        self._sent: Request | None = None  # with credentials
        self._challenges = 0
        self._heard = 0  # the highest provisional status of the INVITE under way
        self._cancelled = False
        self._last_offer = b""
        self._forks: dict[str, Fork] = {}
        self.winner: Fork | None = None
        self.failure: Failure | None = None  # why, with REFUSED, REJECTED and FAILED
        self.status: int | None = None
        self.consent: ConsentNeeded | None = None
        self._encrypted = False  # some media was: nobody else answers in clear unasked
        self._surplus = _Surplus()
        self.redirect: SipUri | None = None

    @property
    def call_id(self) -> str:
        return self._call_id

    def media_opened(self, opened: MediaOpened) -> None:
        self._local_address = (opened.address, opened.rtp_port, opened.rtcp_port, opened.dtls_fingerprint)
        self._session.set_local_address(*self._local_address)

    def send(self, now: float) -> None:
        flow = self._host.flow(self._account.id)
        if flow is None:
            self._fail(flow_lost("before the call was sent"), CallTrigger.FAILED, now)
            return
        account = self._account
        self._cseq += 1
        said = (("Contact", contact_value(account, flow, secure=is_sips(self.target))), *capabilities(account))
        request = new_request(
            "INVITE",
            self.target,
            from_=str(caller_address(account).with_parameter("tag", self._from_tag)),
            to=self._to,
            call_id=self._call_id,
            cseq=self._cseq,
            headers=(*said, *self._timer.request_headers(), *privacy_headers(account), *self._headers),
            body=self._offer(),
        )
        self._transmit(self._host.authorize(account.id, request), now)

    def follow(self, now: float) -> None:
        """3xx, with the person's consent: the new target, a new offer with new keys (security.md "SDES")."""
        assert self.redirect is not None
        self.target, self.redirect = self.redirect, None
        self.begin_again(now)
        self.send(now)

    def begin_again(self, now: float) -> None:
        """Another target or another server: a new offer with new keys (security.md "SDES")."""
        del now
        self._session = self._account.offer_answer(self._policy, self._host.token_bytes)
        self._session.set_local_address(*self._local_address)
        if self._encrypted:
            self._session.ask_before_clear()
        self._forks.clear()
        self._challenges = 0
        self._last_offer = b""

    def _offer(self) -> bytes:
        """The same one when the INVITE is sent once more."""
        self._last_offer = self._last_offer or self._session.create_offer()
        return self._last_offer

    def cancel(self, now: float) -> None:
        self._cancelled = True
        if self._branch is not None:
            self._host.cancel(self._branch, now)

    # ResponseHandler

    def response(self, branch: str, response: Response, now: float) -> None:
        if branch != self._branch:
            return  # of an INVITE that got 3xx, 401 or 407: its transaction lets no 2xx through
        if response.status < 200:
            self._heard = max(self._heard, response.status)
        match response.status:
            case 100:
                self._owner.invite_trigger(CallTrigger.PROVISIONAL, now)
            case status if status < 200:
                self._provisional(response, now)
            case status if status < 300:
                self._success(response, now)
            case 401 | 407:
                self._challenged(response, now)
            case 422 if self._timer.too_small(response):
                self.send(now)  # RFC 4028 §7.3
            case 503 if self._goes_elsewhere(call_failure(response), now, retry_after(response) or 0):
                pass
            case status if status < 400:
                self._redirections.add(response, self.target)
                self._refused(response, call_failure(response), now)
            case _:
                failure = call_failure(response, offered_srtp_only=self._policy.encryption is MediaEncryption.MANDATORY)
                self._refused(response, failure, now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        lost = isinstance(error, TransportFailed)
        failure = flow_lost("during the call's set-up") if lost else no_answer("the call")
        if self._heard == 0 and self._goes_elsewhere(failure, now):
            return
        self.status = 503 if lost else 408
        self._fail(failure, CallTrigger.FAILED, now)

    # Within

    def _goes_elsewhere(self, failure: Failure, now: float, wait_s: int = 0) -> bool:
        """RFC 3263 §4.3, as long as nobody has rung: who has would ring twice."""
        if self._cancelled or self._heard > 100:
            return False
        if not self._host.next_server(self._account.id, failure, now, min(wait_s, MAX_RETRY_AFTER)):
            return False
        self._owner.invite_trigger(CallTrigger.ELSEWHERE, now)
        return True

    def _transmit(self, request: Request, now: float) -> None:
        self._sent, self._heard = request, 0
        self._branch = self._host.send_request(self._account.id, request, self, now)
        if self._branch is None:
            self._fail(flow_lost("before the call was sent"), CallTrigger.FAILED, now)

    def _fail(self, failure: Failure, trigger: CallTrigger, now: float) -> None:
        self.failure = failure
        self._owner.invite_trigger(trigger, now)

    def _challenged(self, response: Response, now: float) -> None:
        assert self._sent is not None
        self.status = response.status
        self._challenges += 1
        try:
            if self._challenges > MAX_CHALLENGES:
                raise OperationFailed(call_failure(response))
            self._cseq += 1
            answered = self._host.answer_challenge(self._account.id, with_next_cseq(self._sent, self._cseq), response)
        except OperationFailed as error:
            self._fail(error.failure, CallTrigger.REJECTED, now)
            return
        self._transmit(answered, now)

    def _refused(self, response: Response, failure: Failure, now: float) -> None:
        """3xx, or a refusal by one of several targets: the next one is offered to the person; 6xx speaks for all."""
        self.status, self.failure = response.status, failure
        self.redirect = self._redirections.next() if response.status < 600 else None
        self._owner.invite_trigger(CallTrigger.REJECTED if self.redirect is None else CallTrigger.REDIRECT, now)

    # Dialogs

    def was_encrypted(self) -> None:
        """Media of one of its dialogs: neither in another one nor after a 3xx does the call become clear unasked."""
        self._encrypted = True
        for session in (self._session, *(fork.session for fork in self._forks.values())):
            session.ask_before_clear()

    def early_dialog(self, local_tag: str, remote_tag: str) -> SessionChange | None:
        """That of a fork without final response, while no other one has won."""
        fork = self._forks.get(remote_tag) if self.winner is None else None
        return fork.change if fork is not None and fork.dialog.id.local_tag == local_tag else None

    def close(self, now: float) -> None:
        """Nothing is wanted of the early dialogs any more."""
        for fork in self._early_forks():
            fork.change.close(now)

    def next_timer(self) -> float | None:
        times = (fork.change.next_timer() for fork in self._early_forks())
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for fork in self._early_forks():
            fork.change.handle_timer(now)

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        """All that the INVITE has made so far, early or confirmed."""
        return tuple(fork.dialog for fork in self._forks.values())

    def _early_forks(self) -> list[Fork]:
        return list(self._forks.values()) if self.winner is None else []

    def _fork(self, response: Response) -> Fork | None:
        """The early dialog of a provisional response; None if it makes none, or one too many."""
        tag = to_addr(response).tag
        if tag is None:
            return None
        if tag not in self._forks and len(self._forks) < MAX_FORKS:
            try:
                self._forks[tag] = self._new_fork(response)
            except RemoteProtocolError:
                return None  # its Contact or Record-Route cannot be read: the 2xx decides
        return self._forks.get(tag)

    def _answered_fork(self, response: Response) -> Fork:
        """The dialog of a 2xx: each one must be acknowledged, however many there are (§13.2.2.4)."""
        tag = to_addr(response).tag or ""
        if tag not in self._forks:
            unanswered = next((known for known, fork in self._forks.items() if fork.ack is None), None)
            if len(self._forks) >= MAX_FORKS and unanswered is not None:
                del self._forks[unanswered]
            fork = self._new_fork(response)
            if len(self._forks) >= MAX_FORKS:
                return fork  # acknowledged and ended anew at each retransmission
            self._forks[tag] = fork
        return self._forks[tag]

    def _new_fork(self, response: Response) -> Fork:
        assert self._sent is not None
        dialog = Dialog.from_response(self._sent, response)
        # The first dialog has the session of the offer itself; only further ones share its send key.
        session = self._session.forked() if self._forks else self._session
        if self._encrypted:
            session.ask_before_clear()
        return self._fork_of(dialog, session)

    def _fork_of(self, dialog: Dialog, session: OfferAnswerSession) -> Fork:
        timer = self._timer.of_another_dialog()
        change = SessionChange(self._host, self._account, self._changes, dialog, session, timer, we_called=True)
        return Fork(dialog, session, change, ReliableReceipt(self._host, self._account, dialog))

    def _provisional(self, response: Response, now: float) -> None:
        self._owner.invite_trigger(CallTrigger.PROVISIONAL, now)
        try:
            reliable = is_reliable(response)
            fork = self._fork(response)
        except RemoteProtocolError:
            return  # it cannot be acknowledged, nor can it be told from one that needs no PRACK
        if reliable:
            if fork is None or not fork.receipt.takes(response):
                return
            fork.receipt.acknowledge(response, now)
        if fork is not None:
            fork.change.learn(response)
            self._early_answer(fork, response, reliable, now)
        if response.status == 180:
            self._owner.ringing(now)

    def _early_answer(self, fork: Fork, response: Response, reliable: bool, now: float) -> None:
        answer = sdp_of(response)
        if not answer or fork.settled or (fork.answer is not None and not reliable):
            return
        fork.answer = fork.session.receive_answer(answer)
        fork.settled = reliable
        fork.change.complete = reliable and isinstance(fork.answer, NegotiatedMedia)
        # No early media in clear under "ask", none at all that we would refuse: the 2xx decides.
        if isinstance(fork.answer, NegotiatedMedia):
            self._owner.early_media(fork, fork.answer, now)

    def _success(self, response: Response, now: float) -> None:
        if self._surplus.dialogs >= MAX_SURPLUS and (to_addr(response).tag or "") not in self._forks:
            return
        try:
            fork = self._answered_fork(response)
            retransmitted = fork.ack is not None
            if not retransmitted:
                fork.dialog.confirm(response)
        except RemoteProtocolError as error:
            self._end_unreadable(response, error, now)
            return
        if retransmitted:  # §13.2.2.4
            assert fork.ack is not None
            self._host.send_ack(self._account.id, fork.ack)
            return
        fork.change.learn(response)
        self._acknowledge(fork, response)
        if self.winner is not None:
            self._hang_up_fork(fork, now, reason_value(200, "Call answered elsewhere"))
            return
        self.winner = fork
        self.status = response.status
        fork.change.timer.answered(response, now)
        self._owner.invite_trigger(self._judge(fork, response), now)

    def _end_unreadable(self, response: Response, error: RemoteProtocolError, now: float) -> None:
        """A 2xx whose Contact or Record-Route cannot be read: it is acknowledged and ended over the flow, as it can."""
        assert self._sent is not None
        readable = response.with_headers(response.headers.without("Contact").without("Record-Route"))
        fork = self._fork_of(Dialog.from_response(self._sent, readable), self._session)
        self._acknowledge(fork, readable)
        self._hang_up_fork(fork, now, reason_value(400, error.reason))
        if self.winner is None:
            self.winner = fork  # what other forks answer is ended too
            self.status = response.status
            failure = Failure(
                FailureKind.PROTOCOL,
                f"The other side's answer to the call cannot be read: {error.reason}.",
                "Report it with a trace to whoever runs the server.",
                status=response.status,
            )
            self._fail(failure, CallTrigger.REJECTED, now)

    def _acknowledge(self, fork: Fork, response: Response) -> None:
        fork.ack = fork.dialog.ack(cseq(response).number, headers=credentials_of(self._sent))
        self._host.send_ack(self._account.id, fork.ack)

    def _judge(self, fork: Fork, response: Response) -> CallTrigger:
        """What the answer comes to: that of the 2xx, else that of this fork's 183 (RFC 3261 §13.2.1)."""
        answer = sdp_of(response)
        if answer and not fork.settled:
            fork.answer = fork.session.receive_answer(answer)
        match fork.answer:
            case NegotiatedMedia():
                return CallTrigger.AGREED
            case ConsentNeeded():
                self.consent = fork.answer
                return CallTrigger.CONSENT_NEEDED
            case Rejection(failure=failure):
                self.failure = failure
            case None:
                self.failure = Failure(
                    FailureKind.NOT_ACCEPTABLE,
                    "The other side answered without saying where its voice goes (no SDP).",
                    "Report it with a trace to whoever runs the server.",
                )
        return CallTrigger.REFUSED

    def _hang_up_fork(self, fork: Fork, now: float, reason: str) -> None:
        """Ends a dialog that is not the call's (RFC 3261 §13.2.2.4)."""
        self._surplus.dialogs += 1
        CallEnding(self._host, self._account, self._surplus).bye(fork.dialog, (("Reason", reason),), now)


class _Surplus:
    """How many dialogs that are not the call's wait for the answer to their BYE; nothing else depends on their end."""

    def __init__(self) -> None:
        self.dialogs = 0

    def media_ended(self, now: float) -> None:
        """They had none."""

    def all_ended(self, now: float) -> None:
        """A BYE is answered, or given up."""
        del now
        self.dialogs -= 1
