"""One call, outgoing or incoming: the table of `call_table.py` put to work (RFC 3261 §13, §15).

Owns: the call's state and what the person hears of it. What only a caller does is `call_outgoing.py`'s, what only a
callee does `call_incoming.py`'s, later offers `session_change.py`'s, its media `call_media.py`'s, what it waits for at
its end `call_ending.py`'s, what may be agreed `sdp/offer_answer.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import Failure, FailureKind
from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import ConsentNeeded, Direction, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.message import Request
from softphone.sip.uri import SipUri
from softphone.ua.account import Account
from softphone.ua.call_ending import CallEnding
from softphone.ua.call_incoming import DECLINED, CalleeSide
from softphone.ua.call_media import CallMedia
from softphone.ua.call_outgoing import CallerSide
from softphone.ua.call_table import CALL_TABLE, CallState, CallStep, CallTrigger
from softphone.ua.commands import CallId
from softphone.ua.events import CallEnded, CallEstablished, CallNotice, EndedBy, HoldChanged, MuteChanged, Party
from softphone.ua.host import Host
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_client import InviteClient
from softphone.ua.invite_server import InviteServer
from softphone.ua.media_report import MediaReport
from softphone.ua.outcomes import flow_lost, unencrypted
from softphone.ua.responses import reason_value
from softphone.ua.session_change import SessionChange

# Early media may still run in these, for as long as a server likes; the person speaks to nobody.
_MICROPHONE_ENDED = frozenset({CallState.CANCELLING, CallState.AWAITING_CONSENT})
_BEFORE_THE_ACK = (CallState.ACCEPTED, CallState.HANGING_UP)


class Call:
    """Made by `outgoing` or `incoming`. Implements `CallCore` for its sides."""

    def __init__(
        self, host: Host, account: Account, call_id: CallId, remote: Party, session: OfferAnswerSession, now: float
    ) -> None:
        self.host, self.account = host, account
        self.id, self.remote = call_id, remote
        self.session = session
        self.state = CallState.WAITING_FLOW
        self.media = CallMedia(host, call_id)
        self.caller: CallerSide | None = None
        self.callee: CalleeSide | None = None
        self.change: SessionChange | None = None
        self.failure: Failure | None = None
        self.muted = False
        self.announced_end = False  # the person has heard that it is over; only loose ends are left
        self._began, self._established_at = now, 0.0
        self._ended_by = EndedBy.LOCAL
        self._ending = CallEnding(host, account, self)
        self._deadline: float | None = None
        self._steps: dict[CallStep, Callable[[float], None]] = {
            CallStep.OPEN_MEDIA: self._open_media,
            CallStep.ESTABLISH: self._establish,
            CallStep.HANG_UP_REFUSED: self._hang_up_refused,
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
        call.caller = CallerSide(call, session, policy, target, headers)
        call._steps |= call.caller.steps
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
        call.callee = CalleeSide(call, session, server)
        call._steps |= call.callee.steps
        call.callee.begin(now)
        call._open_media(now)
        return call

    # What others look at

    @property
    def dialog(self) -> Dialog | None:
        """The dialog, once one is made that can be the call's."""
        side = self.caller or self.callee
        return side.dialog if side is not None else None

    @property
    def client(self) -> InviteClient | None:
        return self.caller.client if self.caller is not None else None

    @property
    def server(self) -> InviteServer | None:
        return self.callee.server if self.callee is not None else None

    @property
    def consent(self) -> ConsentNeeded | None:
        """Of an incoming offer without encryption."""
        return self.callee.consent if self.callee is not None else None

    @property
    def over(self) -> bool:
        return self.state is CallState.TERMINATED

    # The machine

    def trigger(self, trigger: CallTrigger, now: float, failure: Failure | None = None) -> None:
        """`failure` is why; it counts only if the trigger does."""
        if failure is not None and (self.state, trigger) in CALL_TABLE.rows:
            self.failure = failure
        self.state, steps = CALL_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    def next_timer(self) -> float | None:
        times = (
            self._deadline,
            self._ending.next_timer(),
            self.callee.next_timer() if self.callee is not None else None,
            self.change.next_timer() if self.change is not None else None,
        )
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            consent = self.caller.consent if self.caller and self.state is CallState.AWAITING_CONSENT else None
            self.trigger(CallTrigger.TIMER, now, unencrypted(consent.reason) if consent is not None else None)
        if self.callee is not None:
            self.callee.handle_timer(now)
        if self.change is not None:
            self.change.handle_timer(now)
        self._ending.handle_timer(now)

    # CallCore: what the two sides ask

    def end_by(self, deadline: float | None) -> None:
        self._deadline = deadline

    def run(self, media: NegotiatedMedia) -> None:
        self.media.run(media, silent=self._silent)

    def silence(self) -> None:
        self.media.silence(self._silent)

    def notify(self, failure: Failure) -> None:
        if not self.announced_end:
            self.host.emit(CallNotice(self.id, failure))

    @property
    def _silent(self) -> bool:
        """Who is on hold hears no microphone, nor does an early dialog that the person or the server has ended."""
        held = self.change is not None and self.change.wanted is Direction.SENDONLY
        left_behind = self.caller is not None and self.caller.left_behind
        return self.muted or held or left_behind or self.state in _MICROPHONE_ENDED

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        if self.callee is not None:
            self.callee.decline(status, now)

    def deflect(self, target: str, now: float) -> None:
        """To another address (302, RFC 3261 §21.3.3), as a person types it."""
        if self.callee is not None:
            self.callee.deflect(target, now)

    def rekey(self, now: float) -> None:
        """New SRTP keys by a new offer (RFC 4568 §7.1.4)."""
        if self.change is not None and self.state is CallState.ESTABLISHED:
            self.change.renew_keys(now)

    def hang_up(self, now: float) -> None:
        if self.callee is not None:
            self.callee.decline_with(DECLINED)
        self.trigger(CallTrigger.HANG_UP, now)

    def answer(self, now: float, *, unencrypted: bool = False) -> None:
        if self.callee is not None and self.callee.may_answer(agreed=unencrypted):
            self._began = now
            self.trigger(CallTrigger.ANSWER, now)

    def start_early_media(self, now: float) -> None:
        if self.callee is not None and self.callee.may_answer(agreed=False):
            self.trigger(CallTrigger.EARLY_MEDIA, now)

    def agree(self, now: float) -> None:
        if self.caller is not None and self.state is CallState.AWAITING_CONSENT:
            self.caller.agree()
        self.trigger(CallTrigger.AGREE, now)

    def hold(self, direction: Direction, now: float) -> None:
        if self.change is None:
            return
        if self.state is CallState.ESTABLISHED:
            self.change.want(direction, now)
        elif self.state is CallState.ACCEPTED:
            self.change.wanted = direction  # asked for once the ACK is here
        self.silence()  # at once: how long the answer takes is the other side's choice

    def set_muted(self, muted: bool) -> None:
        if muted is not self.muted and not self.announced_end:
            self.muted = muted
            self.silence()
            self.host.emit(MuteChanged(self.id, muted))

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
        side = self.caller or self.callee
        assert side is not None
        side.media_opened(opened)
        self.trigger(CallTrigger.MEDIA_READY, now)

    def media_failed(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.MEDIA_FAILED, now, failure)

    def media_reported(self, report: MediaReport, final: bool, now: float) -> None:
        self.media.report = report
        if final:
            self._ending.reported(now)

    # ChangeOwner: what re-INVITEs did

    def media_changed(self, media: NegotiatedMedia, now: float) -> None:
        del now
        assert self.change is not None
        self.run(media)
        held_by_us = self.change.wanted is Direction.SENDONLY
        self.host.emit(HoldChanged(self.id, held_by_us, not media.direction.sends, media.direction))

    def change_refused(self, failure: Failure, now: float) -> None:
        del now
        self.silence()
        self.notify(failure)

    def session_lost(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.FAILED, now, failure)

    # Requests within the dialog

    def receive_ack(self, request: Request, now: float) -> None:
        if self.callee is not None and self.state in _BEFORE_THE_ACK:
            self.callee.receive_ack(request, now)
        elif self.change is not None:
            self.change.receive_ack(request, now)

    # EndingOwner

    def media_ended(self, now: float) -> None:
        self._announce_end(now)

    def all_ended(self, now: float) -> None:
        self.trigger(CallTrigger.ENDED, now)

    # Steps

    def _open_media(self, now: float) -> None:
        flow = self.host.flow(self.account.id)
        if flow is None:
            self.trigger(CallTrigger.FLOW_FAILED, now, flow_lost("before the call began"))
        else:
            self.media.open(flow)

    def _establish(self, now: float) -> None:
        self._deadline = None
        self._established_at = now
        side = self.caller or self.callee
        assert side is not None
        dialog, self.session = side.established()
        self.change = SessionChange(
            self.host, self.account, self, dialog, self.session, we_called=self.caller is not None
        )
        media = self.session.negotiated
        codec = media.format.name if media is not None else ""
        self.host.emit(CallEstablished(self.id, codec, setup_ms=(now - self._began) * 1000))
        if media is not None:  # None: we offered in the 2xx, the answer comes with the ACK
            self.run(media)

    def _catch_up(self, now: float) -> None:
        assert self.change is not None
        self.change.want(self.change.wanted, now)

    def _hang_up_refused(self, now: float) -> None:
        text = self.failure.reason if self.failure is not None else "Media without encryption is refused"
        self._bye((("Reason", reason_value(488, text)),), now)

    def _bye(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        assert self.dialog is not None
        self._ending.bye(self.dialog, headers, now)

    def _ack_settled(self, now: float) -> None:
        if self.server is not None:
            self.server.acknowledged()
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

    def _announce_end(self, now: float) -> None:
        if self.announced_end:
            return
        self.announced_end = True
        side = self.client or self.server
        self.host.emit(
            CallEnded(
                self.id,
                self._ended_by,
                status=side.status if side is not None else None,
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
