"""One call, outgoing or incoming: the table of `call_table.py` put to work (RFC 3261 §13, §15).

Owns: the call's state, its dialog once there is one, its media's life. The INVITE transactions are `invite_client.py`'s
and `invite_server.py`'s, later offers `session_change.py`'s, what may be agreed `sdp/offer_answer.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from softphone.errors import Failure, FailureKind, SoftphoneError
from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, NegotiatedMedia, Rejection
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri
from softphone.ua.account import Account
from softphone.ua.actions import OpenMedia, SetMuted, StartMedia, StopMedia, UpdateMedia
from softphone.ua.call_table import CALL_TABLE, CallState, CallStep, CallTrigger
from softphone.ua.commands import CallId
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallNotEncrypted,
    CallNotice,
    CallRinging,
    ConsentRequested,
    EarlyMediaStarted,
    EndedBy,
    HoldChanged,
    MuteChanged,
    Party,
    RedirectOffered,
)
from softphone.ua.host import Host, token
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_client import Fork, InviteClient
from softphone.ua.invite_server import InviteServer
from softphone.ua.media_report import MediaReport
from softphone.ua.outcomes import flow_lost, no_answer
from softphone.ua.responses import reason_value, with_next_cseq
from softphone.ua.session_change import SessionChange

CANCEL_PATIENCE = 32.0  # s after CANCEL without a final response (RFC 3261 §9.1: 64·T1)
CONSENT_WITHIN = 60.0  # s the person has to agree to a clear call before it is ended
REPORT_WITHIN = 2.0  # s to wait for the media's last report


class LooseEnd(Enum):
    """What an ending call still waits for."""

    BYE = auto()
    MEDIA = auto()


@dataclass(slots=True)
class CallMedia:
    """The call's media as far as the signalling knows it."""

    id: str
    opened: MediaOpened | None = None
    running: NegotiatedMedia | None = None
    report: MediaReport | None = None


class Call:
    def __init__(
        self, host: Host, account: Account, call_id: CallId, remote: Party, session: OfferAnswerSession, now: float
    ) -> None:
        self._host, self.account = host, account
        self.id, self.remote = call_id, remote
        self.session = session
        self.state = CallState.WAITING_FLOW
        self.media = CallMedia(token(host.token_bytes))
        self.dialog: Dialog | None = None
        self.change: SessionChange | None = None
        self.client: InviteClient | None = None
        self.server: InviteServer | None = None
        self.consent: ConsentNeeded | None = None  # of an incoming offer without encryption
        self.failure: Failure | None = None
        self.muted = False
        self._began, self._established_at = now, 0.0
        self._ended_by = EndedBy.LOCAL
        self._decline_status = 603
        self._announced_end = False
        self._sdp: bytes | None = None  # our answer in 183 and 2xx
        self._loose_ends: set[LooseEnd] = set()
        self._bye_branch: str | None = None
        self._bye_sent: Request | None = None
        self._deadline: float | None = None
        self._steps: dict[CallStep, Callable[[float], None]] = {
            CallStep.OPEN_MEDIA: self._open_media,
            CallStep.INVITE: self._invite,
            CallStep.CANCEL_INVITE: self._cancel_invite,
            CallStep.ESTABLISH: self._establish,
            CallStep.HANG_UP_REFUSED: self._hang_up_refused,
            CallStep.ASK_CONSENT: self._ask_consent,
            CallStep.OFFER_REDIRECT: self._offer_redirect,
            CallStep.FOLLOW_REDIRECT: self._follow_redirect,
            CallStep.ACCEPT: self._accept,
            CallStep.SEND_EARLY: self._send_early,
            CallStep.DECLINE: lambda now: self._server.respond(self._decline_status, now),
            CallStep.TERMINATE_INVITE: lambda now: self._server.respond(487, now),
            CallStep.MEDIA_UNAVAILABLE: lambda now: self._server.respond(500, now),
            CallStep.BYE: self._bye,
            CallStep.STOP_MEDIA: self._stop_media,
            CallStep.BY_US: lambda _: self._ended_ordinarily(EndedBy.LOCAL),
            CallStep.BY_PEER: lambda _: self._ended_ordinarily(EndedBy.REMOTE),
            CallStep.BY_FAILURE: self._by_failure,
            CallStep.FINISH: self._finish,
        }

    # Making one

    @classmethod
    def outgoing(
        cls,
        host: Host,
        account: Account,
        call_id: CallId,
        target: SipUri,
        session: OfferAnswerSession,
        policy: MediaPolicy,
        now: float,
    ) -> Call:
        call = cls(host, account, call_id, Party(str(target)), session, now)
        call.client = InviteClient(host, account, call, session, policy, target)
        return call

    @classmethod
    def incoming(
        cls,
        host: Host,
        account: Account,
        call_id: CallId,
        remote: Party,
        session: OfferAnswerSession,
        server: InviteServer,
        now: float,
    ) -> Call:
        """The offer, if there is one, has been received by `session` and is acceptable."""
        call = cls(host, account, call_id, remote, session, now)
        call.state = CallState.RINGING
        call.server = server
        call.dialog = Dialog.from_request(server.request, server.local_tag)
        server.respond(180, now)
        call._open_media(now)
        return call

    # The machine

    def trigger(self, trigger: CallTrigger, now: float) -> None:
        self.state, steps = CALL_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    @property
    def over(self) -> bool:
        return self.state is CallState.TERMINATED

    def next_timer(self) -> float | None:
        times = (
            self._deadline,
            self.server.next_timer() if self.server is not None else None,
            self.change.next_timer() if self.change is not None else None,
        )
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._timer(now)
        if self.server is not None and self.server.handle_timer(now):
            self.failure = no_answer("our acceptance of the call (no ACK)")
            self.trigger(CallTrigger.ACK_MISSING, now)
        if self.change is not None and not self.over:
            self.change.handle_timer(now)

    def _timer(self, now: float) -> None:
        if self.state is CallState.ENDING:
            self._untie(LooseEnd.MEDIA, now)
            return
        if self.state is CallState.AWAITING_CONSENT:
            self.failure = _unencrypted(self._client_consent().reason)
        self.trigger(CallTrigger.TIMER, now)

    @property
    def _client(self) -> InviteClient:
        assert self.client is not None
        return self.client

    @property
    def _server(self) -> InviteServer:
        assert self.server is not None
        return self.server

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        self._decline_status = status
        self.trigger(CallTrigger.DECLINE, now)

    def hang_up(self, now: float) -> None:
        self._decline_status = 603
        self.trigger(CallTrigger.HANG_UP, now)

    def answer(self, now: float, *, unencrypted: bool = False) -> None:
        if self.consent is not None and not unencrypted:
            self._host.emit(CallNotice(self.id, _unencrypted(self.consent.reason)))
            return
        if self.consent is not None:
            self.session.agree_to_clear()
            self.consent = None
        self.trigger(CallTrigger.ANSWER, now)

    def agree(self, now: float) -> None:
        if self.state is CallState.AWAITING_CONSENT:
            assert self._client.winner is not None
            self._client.winner.session.agree_to_clear()
        self.trigger(CallTrigger.AGREE, now)

    def hold(self, direction: Direction, now: float) -> None:
        if self.state is CallState.ESTABLISHED and self.change is not None:
            self.change.want(direction, now)

    def set_muted(self, muted: bool, now: float) -> None:
        del now
        if muted is not self.muted and self.state is not CallState.TERMINATED:
            self.muted = muted
            self._apply_mute()
            self._host.emit(MuteChanged(self.id, muted))

    def _apply_mute(self) -> None:
        if self.media.running is not None:
            holding = self.change is not None and self.change.wanted is Direction.SENDONLY
            self._host.emit(SetMuted(self.media.id, self.muted or holding))  # who is on hold hears no microphone

    def abandon(self, now: float) -> None:
        """The account goes: nothing more can be sent for this call."""
        self._loose_ends.clear()
        if self.state is CallState.ENDING:
            self.trigger(CallTrigger.ENDED, now)

    # What the media does

    def media_opened(self, opened: MediaOpened, now: float) -> None:
        self.media.opened = opened
        if self.client is not None:
            self.client.media_opened(opened)
        else:
            self.session.set_local_address(opened.address, opened.rtp_port, opened.rtcp_port)
        self.trigger(CallTrigger.MEDIA_READY, now)

    def media_failed(self, failure: Failure, now: float) -> None:
        self.failure = failure
        self.trigger(CallTrigger.MEDIA_FAILED, now)

    def media_reported(self, report: MediaReport, final: bool, now: float) -> None:
        self.media.report = report
        if final:
            self._untie(LooseEnd.MEDIA, now)

    # InviteOwner: what the INVITE's client side saw

    def invite_trigger(self, trigger: CallTrigger, now: float) -> None:
        if self._client.failure is not None:
            self.failure = self._client.failure
        self.trigger(trigger, now)

    def ringing(self, now: float) -> None:
        del now
        if self.state is CallState.PROCEEDING:
            self._host.emit(CallRinging(self.id))

    def early_media(self, fork: Fork, media: NegotiatedMedia, now: float) -> None:
        """With forks only the first early dialog is sent to (security.md "SDES")."""
        del fork, now
        if self.state is CallState.PROCEEDING and self.media.running is None:
            self._run(media)
            self._host.emit(EarlyMediaStarted(self.id))

    # ChangeOwner: what re-INVITEs did

    def media_changed(self, media: NegotiatedMedia, now: float) -> None:
        del now
        self._run(media)
        self._apply_mute()
        assert self.change is not None
        held_by_us = self.change.wanted is Direction.SENDONLY
        self._host.emit(HoldChanged(self.id, held_by_us, not media.direction.sends, media.direction))

    def change_refused(self, failure: Failure, now: float) -> None:
        del now
        self._host.emit(CallNotice(self.id, failure))

    def session_lost(self, failure: Failure, now: float) -> None:
        self.failure = failure
        self.trigger(CallTrigger.FAILED, now)

    # Requests within the dialog

    def receive_bye(self, now: float) -> None:
        self.trigger(CallTrigger.BYE, now)

    def receive_ack(self, request: Request, now: float) -> None:
        if self.state is not CallState.ACCEPTED:
            if self.change is not None:
                self.change.receive_ack(request, now)
            return
        if cseq(request).number != self._server.cseq:
            return
        self._server.acknowledged()
        if self._server.request.body:
            self.trigger(CallTrigger.ACK, now)
            return
        result = self.session.receive_answer(request.body) if request.body else None  # we offered in the 2xx
        if isinstance(result, NegotiatedMedia):
            self._run(result)
            self._say_if_clear(result)
            self.trigger(CallTrigger.ACK, now)
            return
        self.failure = (
            result.failure if isinstance(result, Rejection) else _unencrypted("The other side did not encrypt")
        )
        self.trigger(CallTrigger.ACK_REFUSED, now)

    # ResponseHandler of our BYE

    def response(self, branch: str, response: Response, now: float) -> None:
        if branch != self._bye_branch or response.status < 200:
            return
        if response.status in (401, 407) and LooseEnd.BYE in self._loose_ends and self.dialog is not None:
            self._bye_challenged(response, now)
            return
        self._untie(LooseEnd.BYE, now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        del error
        if branch == self._bye_branch:
            self._untie(LooseEnd.BYE, now)

    # Steps

    def _open_media(self, now: float) -> None:
        flow = self._host.flow(self.account.id)
        if flow is None:
            self.failure = flow_lost("before the call began")
            self.trigger(CallTrigger.FLOW_FAILED, now)
            return
        self._host.emit(OpenMedia(self.media.id, flow.id))

    def _invite(self, now: float) -> None:
        self._client.send(now)

    def _follow_redirect(self, now: float) -> None:
        self._client.follow(now)

    def _cancel_invite(self, now: float) -> None:
        self._deadline = now + CANCEL_PATIENCE
        self._client.cancel(now)

    def _establish(self, now: float) -> None:
        self._deadline = None
        self._established_at = now
        if self.client is not None:
            winner = self.client.winner
            assert winner is not None
            self.dialog, self.session = winner.dialog, winner.session
        assert self.dialog is not None
        self.change = SessionChange(
            self._host, self.account, self, self.dialog, self.session, we_called=self.client is not None
        )
        media = self.session.negotiated
        codec = media.format.name if media is not None else ""
        self._host.emit(CallEstablished(self.id, codec, setup_ms=(now - self._began) * 1000))
        if media is not None:  # None: we offered in the 2xx, the answer comes with the ACK
            self._run(media)
            self._say_if_clear(media)

    def _run(self, media: NegotiatedMedia) -> None:
        if self.media.running is None:
            self._host.emit(StartMedia(self.media.id, media))
            if self.muted:
                self._host.emit(SetMuted(self.media.id, True))
        elif self.media.running != media:
            self._host.emit(UpdateMedia(self.media.id, media))
        self.media.running = media

    def _say_if_clear(self, media: NegotiatedMedia) -> None:
        if isinstance(media.security, ClearMedia):
            self._host.emit(CallNotEncrypted(self.id, media.security.reason))

    def _client_consent(self) -> ConsentNeeded:
        assert self._client.consent is not None
        return self._client.consent

    def _ask_consent(self, now: float) -> None:
        winner = self._client.winner
        assert winner is not None
        self.dialog = winner.dialog
        self._deadline = now + CONSENT_WITHIN
        self._host.emit(ConsentRequested(self.id, self._client_consent().reason))

    def _offer_redirect(self, now: float) -> None:
        del now
        self._host.emit(RedirectOffered(self.id, str(self._client.redirect)))

    def _accept(self, now: float) -> None:
        if self.media.opened is None:
            return  # MEDIA_READY comes back here
        self._server.respond(200, now, body=self._answer_body())
        self.trigger(CallTrigger.AGREED, now)

    def _send_early(self, now: float) -> None:
        if self.media.opened is None or not self._server.request.body:
            return
        self._server.respond(183, now, body=self._answer_body())
        assert self.session.negotiated is not None
        self._run(self.session.negotiated)

    def _answer_body(self) -> bytes:
        """Our SDP for 183 and 2xx: the answer, or our offer to an INVITE without one (RFC 3261 §13.2.1)."""
        if self._sdp is None:
            self._sdp = self.session.create_answer() if self._server.request.body else self.session.create_offer()
        return self._sdp

    def _hang_up_refused(self, now: float) -> None:
        assert self._client.winner is not None
        self.dialog = self._client.winner.dialog
        text = self.failure.reason if self.failure is not None else "Media without encryption is refused"
        self._send_bye(now, (("Reason", reason_value(488, text)),))

    def _bye(self, now: float) -> None:
        if self.dialog is None and self.client is not None and self.client.winner is not None:
            self.dialog = self.client.winner.dialog
        self._send_bye(now, ())

    def _send_bye(self, now: float, headers: tuple[tuple[str, str], ...]) -> None:
        assert self.dialog is not None
        bye = self._host.authorize(self.account.id, self.dialog.request("BYE", headers=headers))
        self._bye_sent = bye
        self._loose_ends.add(LooseEnd.BYE)
        self._bye_branch = self._host.send_request(self.account.id, bye, self, now)
        if self._bye_branch is None:
            self._loose_ends.discard(LooseEnd.BYE)

    def _bye_challenged(self, response: Response, now: float) -> None:
        """One more try with credentials, then the dialog is over anyway (RFC 3261 §15.1.1)."""
        assert self.dialog is not None
        assert self._bye_sent is not None
        bye = with_next_cseq(self._bye_sent, self.dialog.next_cseq())
        try:
            answered = self._host.answer_challenge(self.account.id, bye, response)
        except SoftphoneError:
            self._untie(LooseEnd.BYE, now)
            return
        self._bye_sent = answered
        self._bye_branch = self._host.send_request(self.account.id, answered, self, now)
        if self._bye_branch is None:
            self._untie(LooseEnd.BYE, now)

    def _stop_media(self, now: float) -> None:
        self._host.emit(StopMedia(self.media.id))
        if self.media.running is not None:
            self._loose_ends.add(LooseEnd.MEDIA)
            self._deadline = now + REPORT_WITHIN
        else:
            self._deadline = None
            self._announce_end(now)
        self._ended_if_untied(now)

    def _untie(self, end: LooseEnd, now: float) -> None:
        if end not in self._loose_ends:
            return
        self._loose_ends.discard(end)
        if end is LooseEnd.MEDIA:
            self._deadline = None
            self._announce_end(now)
        self._ended_if_untied(now)

    def _ended_if_untied(self, now: float) -> None:
        if not self._loose_ends:
            self.trigger(CallTrigger.ENDED, now)

    def _ended_ordinarily(self, ended_by: EndedBy) -> None:
        self._ended_by, self.failure = ended_by, None

    def _by_failure(self, now: float) -> None:
        del now
        kind = self.failure.kind if self.failure is not None else FailureKind.REJECTED
        self._ended_by = _ENDED_BY.get(kind, EndedBy.REMOTE)

    def _announce_end(self, now: float) -> None:
        if self._announced_end:
            return
        self._announced_end = True
        self._host.emit(
            CallEnded(
                self.id,
                self._ended_by,
                status=self.client.status if self.client is not None else None,
                failure=self.failure,
                duration_s=now - self._established_at if self._established_at else 0.0,
                report=self.media.report,
            )
        )

    def _finish(self, now: float) -> None:
        self._deadline = None
        self._announce_end(now)


_ENDED_BY = {
    FailureKind.MEDIA_NOT_ENCRYPTED: EndedBy.POLICY,
    FailureKind.POLICY: EndedBy.POLICY,
    FailureKind.CONNECTION_LOST: EndedBy.NETWORK,
    FailureKind.SERVER_SILENT: EndedBy.NETWORK,
    FailureKind.AUDIO_DEVICE: EndedBy.LOCAL,
    FailureKind.NOT_ACCEPTABLE: EndedBy.POLICY,
}


def _unencrypted(reason: str) -> Failure:
    return Failure(
        FailureKind.MEDIA_NOT_ENCRYPTED,
        reason,
        "Answer unencrypted only if you accept that the call can be listened to; otherwise turn on SRTP on the PBX.",
    )
