"""One call, outgoing or incoming: the table of `call_table.py` put to work (RFC 3261 §13, §15).

Owns: the call's state, its dialog once there is one, and what the person hears of it. The INVITE transactions are
`invite_client.py`'s and `invite_server.py`'s, later offers `session_change.py`'s, its media `call_media.py`'s, what it
waits for at its end `call_ending.py`'s, what may be agreed `sdp/offer_answer.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import ConsentNeeded, Direction, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.sip.uri import SipUri
from softphone.ua.account import Account
from softphone.ua.call_ending import CallEnding
from softphone.ua.call_media import CallMedia
from softphone.ua.call_table import CALL_TABLE, CallState, CallStep, CallTrigger
from softphone.ua.commands import CallId
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
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
from softphone.ua.host import Host
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_client import Fork, InviteClient
from softphone.ua.invite_server import InviteServer
from softphone.ua.media_report import MediaReport
from softphone.ua.outcomes import flow_lost, no_answer, refused_answer, unencrypted
from softphone.ua.responses import expiry, reason_value, sdp_of
from softphone.ua.session_change import SessionChange

CONSENT_WITHIN = 60.0  # s the person has to agree to a clear call before it is ended
DECLINED = 603
# Early media may still run in these, for as long as a server likes; the person speaks to nobody.
_MICROPHONE_ENDED = frozenset({CallState.CANCELLING, CallState.AWAITING_CONSENT})


class Call:
    def __init__(
        self, host: Host, account: Account, call_id: CallId, remote: Party, session: OfferAnswerSession, now: float
    ) -> None:
        self._host, self.account = host, account
        self.id, self.remote = call_id, remote
        self.session = session
        self.state = CallState.WAITING_FLOW
        self.media = CallMedia(host, call_id)
        self.dialog: Dialog | None = None
        self.change: SessionChange | None = None
        self.client: InviteClient | None = None
        self.server: InviteServer | None = None
        self.consent: ConsentNeeded | None = None  # of an incoming offer without encryption
        self.failure: Failure | None = None
        self.muted = False
        self._left_behind = False  # what runs is an early dialog's that has sent us elsewhere
        self.announced_end = False  # the person has heard that it is over; only loose ends are left
        self._began, self._established_at = now, 0.0
        self._ended_by = EndedBy.LOCAL
        self._decline_status = DECLINED
        self._decline_headers: tuple[tuple[str, str], ...] = ()
        self._sdp: bytes | None = None  # our answer in 183 and 2xx
        self._ending = CallEnding(host, account, self)
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
            CallStep.DECLINE: lambda now: self._server.respond(
                self._decline_status, now, headers=self._decline_headers
            ),
            CallStep.TERMINATE_INVITE: lambda now: self._server.respond(487, now),
            CallStep.MEDIA_UNAVAILABLE: lambda now: self._server.respond(500, now),
            CallStep.CATCH_UP: self._catch_up,
            CallStep.BYE: lambda now: self._bye((), now),
            CallStep.BYE_AGAIN: self._ending.flow_ready,
            CallStep.AWAIT_ACK: lambda _: self._ending.await_ack(),
            CallStep.ACK_SETTLED: self._ack_settled,
            CallStep.STOP_MEDIA: self._stop_media,
            CallStep.BY_US: lambda _: self._ended_ordinarily(EndedBy.LOCAL),
            CallStep.BY_PEER: lambda _: self._ended_ordinarily(EndedBy.REMOTE),
            CallStep.BY_FAILURE: self._by_failure,
            CallStep.FINISH: self._announce_end,
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
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Call:
        """`headers` go into the INVITE besides: Replaces, Referred-By, Privacy."""
        call = cls(host, account, call_id, Party(str(target)), session, now)
        call.client = InviteClient(host, account, call, session, policy, target, headers)
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
        """The offer, if there is one, has been received by `session` and is acceptable.

        Raises RemoteProtocolError if the INVITE can make no dialog.
        """
        call = cls(host, account, call_id, remote, session, now)
        call.state = CallState.RINGING
        call.server = server
        call.dialog = Dialog.from_request(server.request, server.local_tag)
        call._deadline = now + expires if (expires := expiry(server.request)) else None
        server.respond(180, now)
        call._open_media(now)
        return call

    # The machine

    def trigger(self, trigger: CallTrigger, now: float, failure: Failure | None = None) -> None:
        """`failure` is why; it counts only if the trigger does."""
        if failure is not None and (self.state, trigger) in CALL_TABLE.rows:
            self.failure = failure
        self.state, steps = CALL_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    @property
    def over(self) -> bool:
        return self.state is CallState.TERMINATED

    def next_timer(self) -> float | None:
        times = (
            self._deadline,
            self._ending.next_timer(),
            self.server.next_timer() if self.server is not None else None,
            self.change.next_timer() if self.change is not None else None,
        )
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            failure = unencrypted(self._client_consent.reason) if self.state is CallState.AWAITING_CONSENT else None
            self.trigger(CallTrigger.TIMER, now, failure)
        if self.server is not None and self.server.handle_timer(now):
            self.trigger(CallTrigger.ACK_MISSING, now, no_answer("our acceptance of the call (no ACK)"))
        if self.change is not None:
            self.change.handle_timer(now)
        self._ending.handle_timer(now)

    @property
    def _client(self) -> InviteClient:
        assert self.client is not None
        return self.client

    @property
    def _server(self) -> InviteServer:
        assert self.server is not None
        return self.server

    @property
    def _client_consent(self) -> ConsentNeeded:
        assert self._client.consent is not None
        return self._client.consent

    @property
    def _silent(self) -> bool:
        """Who is on hold hears no microphone, nor does an early dialog that the person or the server has ended."""
        held = self.change is not None and self.change.wanted is Direction.SENDONLY
        return self.muted or held or self._left_behind or self.state in _MICROPHONE_ENDED

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        self._decline_status = status if 400 <= status <= 699 else DECLINED
        self._decline_headers = ()
        self.trigger(CallTrigger.DECLINE, now)

    def deflect(self, target: str, now: float) -> None:
        """To another address (302, RFC 3261 §21.3.3), as a person types it."""
        try:
            uri = parse_dial_target(target, self.account.domain)
        except OperationFailed as error:
            self._notify(error.failure)
            return
        self._decline_status, self._decline_headers = 302, (("Contact", f"<{uri}>"),)
        self.trigger(CallTrigger.DECLINE, now)

    def rekey(self, now: float) -> None:
        """New SRTP keys by a new offer (RFC 4568 §7.1.4)."""
        if self.change is not None and self.state is CallState.ESTABLISHED:
            self.change.renew_keys(now)

    def hang_up(self, now: float) -> None:
        self._decline_status, self._decline_headers = DECLINED, ()
        self.trigger(CallTrigger.HANG_UP, now)

    def answer(self, now: float, *, unencrypted: bool = False) -> None:
        if not self._may_answer(unencrypted):
            return
        self._began = now
        self.trigger(CallTrigger.ANSWER, now)

    def start_early_media(self, now: float) -> None:
        if self._may_answer(unencrypted=False):
            self.trigger(CallTrigger.EARLY_MEDIA, now)

    def _may_answer(self, unencrypted: bool) -> bool:
        if self.consent is None:
            return True
        if not unencrypted:
            self._notify(_consent_first(self.consent))
            return False
        self.session.agree_to_clear()
        self.consent = None
        return True

    def agree(self, now: float) -> None:
        if self.state is CallState.AWAITING_CONSENT:
            assert self._client.winner is not None
            self._client.winner.session.agree_to_clear()
        self.trigger(CallTrigger.AGREE, now)

    def hold(self, direction: Direction, now: float) -> None:
        if self.change is None:
            return
        if self.state is CallState.ESTABLISHED:
            self.change.want(direction, now)
        elif self.state is CallState.ACCEPTED:
            self.change.wanted = direction  # asked for once the ACK is here
        self.media.silence(self._silent)  # at once: how long the answer takes is the other side's choice

    def set_muted(self, muted: bool) -> None:
        if muted is not self.muted and not self.announced_end:
            self.muted = muted
            self.media.silence(self._silent)
            self._host.emit(MuteChanged(self.id, muted))

    def give_up_sending(self, now: float) -> None:
        """The flow goes for good."""
        self._ending.give_up_sending(now)

    def abandon(self, now: float) -> None:
        """The account goes: nothing more can be sent or heard for this call."""
        self._ending.abandon(now)

    # What the flow and the media do

    def flow_ready(self, now: float) -> None:
        self.trigger(CallTrigger.FLOW_READY, now)

    def flow_failed(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.FLOW_FAILED, now, failure)

    def media_opened(self, opened: MediaOpened, now: float) -> None:
        self.media.opened = opened
        if self.client is not None:
            self.client.media_opened(opened)
        else:
            self.session.set_local_address(opened.address, opened.rtp_port, opened.rtcp_port)
        self.trigger(CallTrigger.MEDIA_READY, now)

    def media_failed(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.MEDIA_FAILED, now, failure)

    def media_reported(self, report: MediaReport, final: bool, now: float) -> None:
        self.media.report = report
        if final:
            self._ending.reported(now)

    # InviteOwner: what the INVITE's client side saw

    def invite_trigger(self, trigger: CallTrigger, now: float) -> None:
        # What a cancelled INVITE got as its answer is no failure: the person has hung up.
        failure = None if self.state is CallState.CANCELLING else self._client.failure
        self.trigger(trigger, now, failure)

    def ringing(self, now: float) -> None:
        del now
        if self.state is CallState.PROCEEDING:
            self._host.emit(CallRinging(self.id))

    def early_media(self, fork: Fork, media: NegotiatedMedia, now: float) -> None:
        """With forks only the first early dialog is sent to (security.md "SDES")."""
        del fork, now
        if self.state is CallState.PROCEEDING and (self.media.running is None or self._left_behind):
            self._left_behind = False
            self._host.emit(EarlyMediaStarted(self.id))
            self.media.run(media, silent=self._silent)

    # ChangeOwner: what re-INVITEs did

    def media_changed(self, media: NegotiatedMedia, now: float) -> None:
        del now
        assert self.change is not None
        self.media.run(media, silent=self._silent)
        held_by_us = self.change.wanted is Direction.SENDONLY
        self._host.emit(HoldChanged(self.id, held_by_us, not media.direction.sends, media.direction))

    def change_refused(self, failure: Failure, now: float) -> None:
        del now
        self.media.silence(self._silent)
        self._notify(failure)

    def session_lost(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.FAILED, now, failure)

    # Requests within the dialog

    def receive_ack(self, request: Request, now: float) -> None:
        if self.state not in (CallState.ACCEPTED, CallState.HANGING_UP):
            if self.change is not None:
                self.change.receive_ack(request, now)
            return
        if cseq(request).number != self._server.cseq:
            return
        self._server.acknowledged()
        if self._server.offer or self.state is CallState.HANGING_UP:
            self.trigger(CallTrigger.ACK, now)
            return
        answer = sdp_of(request)
        result = self.session.receive_answer(answer) if answer else None  # we offered in the 2xx
        if isinstance(result, NegotiatedMedia):
            self.media.run(result, silent=self._silent)
            self.trigger(CallTrigger.ACK, now)
        else:
            self.trigger(CallTrigger.ACK_REFUSED, now, refused_answer(result))

    # EndingOwner

    def media_ended(self, now: float) -> None:
        self._announce_end(now)

    def all_ended(self, now: float) -> None:
        self.trigger(CallTrigger.ENDED, now)

    # Steps

    def _open_media(self, now: float) -> None:
        flow = self._host.flow(self.account.id)
        if flow is None:
            self.trigger(CallTrigger.FLOW_FAILED, now, flow_lost("before the call began"))
        else:
            self.media.open(flow)

    def _invite(self, now: float) -> None:
        self._client.send(now)

    def _cancel_invite(self, now: float) -> None:
        self.media.silence(self._silent)
        self._client.cancel(now)

    def _follow_redirect(self, now: float) -> None:
        self._client.follow(now)

    def _establish(self, now: float) -> None:
        self._deadline = None
        self._left_behind = False
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
            self.media.run(media, silent=self._silent)

    def _ask_consent(self, now: float) -> None:
        assert self._client.winner is not None
        self.dialog = self._client.winner.dialog
        self._deadline = now + CONSENT_WITHIN
        self.media.silence(self._silent)
        self._host.emit(ConsentRequested(self.id, self._client_consent.reason))

    def _offer_redirect(self, now: float) -> None:
        del now
        self._left_behind = True
        self.media.silence(self._silent)
        self._host.emit(RedirectOffered(self.id, str(self._client.redirect)))

    def _accept(self, now: float) -> None:
        if self.media.opened is None:
            return  # MEDIA_READY comes back here
        self._server.respond(200, now, body=self._answer_body())
        self.trigger(CallTrigger.AGREED, now)

    def _send_early(self, now: float) -> None:
        if self.media.opened is None or not self._server.offer:
            return
        self._server.respond(183, now, body=self._answer_body())
        assert self.session.negotiated is not None
        self.media.run(self.session.negotiated, silent=self._silent)

    def _answer_body(self) -> bytes:
        """Our SDP for 183 and 2xx: the answer, or our offer to an INVITE without one (RFC 3261 §13.2.1)."""
        if self._sdp is None:
            self._sdp = self.session.create_answer() if self._server.offer else self.session.create_offer()
        return self._sdp

    def _catch_up(self, now: float) -> None:
        assert self.change is not None
        self.change.want(self.change.wanted, now)

    def _hang_up_refused(self, now: float) -> None:
        text = self.failure.reason if self.failure is not None else "Media without encryption is refused"
        self._bye((("Reason", reason_value(488, text)),), now)

    def _bye(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        if self.client is not None and self.client.winner is not None:
            self.dialog = self.client.winner.dialog
        assert self.dialog is not None
        self._ending.bye(self.dialog, headers, now)

    def _ack_settled(self, now: float) -> None:
        self._server.acknowledged()
        self._ending.ack_settled(now)

    def _stop_media(self, now: float) -> None:
        self._deadline = None
        if self.change is not None:
            self.change.close(now)
        if self.media.stop():
            self._ending.await_report(now)
        else:
            self._announce_end(now)
        self._ending.finish_if_tied(now)

    def _ended_ordinarily(self, ended_by: EndedBy) -> None:
        self._ended_by, self.failure = ended_by, None

    def _by_failure(self, now: float) -> None:
        del now
        kind = self.failure.kind if self.failure is not None else FailureKind.REJECTED
        self._ended_by = _ENDED_BY.get(kind, EndedBy.REMOTE)

    # What the person hears

    def _notify(self, failure: Failure) -> None:
        if not self.announced_end:
            self._host.emit(CallNotice(self.id, failure))

    def _announce_end(self, now: float) -> None:
        if self.announced_end:
            return
        self.announced_end = True
        self._host.emit(
            CallEnded(
                self.id,
                self._ended_by,
                status=self.client.status if self.client is not None else self._server.status,
                failure=self.failure,
                duration_s=now - self._established_at if self._established_at else 0.0,
                report=self.media.report,
            )
        )


_ENDED_BY = {
    FailureKind.MEDIA_NOT_ENCRYPTED: EndedBy.POLICY,
    FailureKind.POLICY: EndedBy.POLICY,
    FailureKind.CONNECTION_LOST: EndedBy.NETWORK,
    FailureKind.SERVER_SILENT: EndedBy.NETWORK,
    FailureKind.AUDIO_DEVICE: EndedBy.LOCAL,
    FailureKind.NOT_ACCEPTABLE: EndedBy.POLICY,
}


def _consent_first(consent: ConsentNeeded) -> Failure:
    return unencrypted(consent.reason)
