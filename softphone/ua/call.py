"""One call, outgoing or incoming: the table of `call_table.py` put to work (RFC 3261 §13, §15).

Owns: the call's state, and who does what in it. How it went is `call_outcome.py`'s, what only a caller does
`call_outgoing.py`'s, what only a callee does `call_incoming.py`'s, later offers `session_change.py`'s, its media
`call_media.py`'s, what it waits for at its end `call_ending.py`'s, what may be agreed `sdp/offer_answer.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import Failure
from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.uri import SipUri
from softphone.ua.account import Account
from softphone.ua.call_ending import CallEnding
from softphone.ua.call_hold import CallHold
from softphone.ua.call_incoming import DECLINED, CalleeSide
from softphone.ua.call_media import CallMedia
from softphone.ua.call_outcome import CallOutcome
from softphone.ua.call_outgoing import CallerSide
from softphone.ua.call_table import CALL_TABLE, CallState, CallStep, CallTrigger
from softphone.ua.commands import CallId
from softphone.ua.events import CallNotice, EndedBy, MuteChanged, Party
from softphone.ua.host import Host
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_client import InviteClient
from softphone.ua.invite_server import InviteServer
from softphone.ua.media_report import MediaReport
from softphone.ua.outcomes import flow_lost, unencrypted
from softphone.ua.ringback import RingbackTrigger
from softphone.ua.session_change import SessionChange

# Early media may still run in these, for as long as a server likes; the person speaks to nobody.
_MICROPHONE_ENDED = frozenset({CallState.CANCELLING, CallState.AWAITING_CONSENT})
_ANSWERED = frozenset({CallState.ACCEPTED, CallState.ESTABLISHED})
_CHANGEABLE = _ANSWERED | {CallState.PROCEEDING, CallState.EARLY}


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
        self.outcome = CallOutcome(host, call_id, now)
        self.muted = False
        self.held = CallHold(self)
        self._ending = CallEnding(host, account, self)
        self._deadline: float | None = None
        self._steps: dict[CallStep, Callable[[float], None]] = {
            CallStep.OPEN_MEDIA: self._open_media,
            CallStep.ESTABLISH: self._establish,
            CallStep.HANG_UP_REFUSED: lambda now: self._bye(self.outcome.refusal_headers, now),
            CallStep.CATCH_UP: self._catch_up,
            CallStep.BYE: lambda now: self._bye(self.outcome.bye_headers, now),
            CallStep.BYE_AGAIN: self._ending.flow_ready,
            CallStep.AWAIT_ACK: lambda _: self._ending.await_ack(),
            CallStep.ACK_SETTLED: self._ack_settled,
            CallStep.STOP_MEDIA: self._stop_media,
            CallStep.BY_US: lambda _: self.outcome.ordinarily(EndedBy.LOCAL),
            CallStep.BY_PEER: lambda _: self.outcome.ordinarily(EndedBy.REMOTE),
            CallStep.BY_FAILURE: lambda _: self.outcome.by_failure(),
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
    def sip_call_id(self) -> str | None:
        if self.client is not None:
            return self.client.call_id
        return self.dialog.id.call_id if self.dialog is not None else None

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
    def announced_end(self) -> bool:
        """The person has heard that it is over; only loose ends are left."""
        return self.outcome.announced

    @property
    def over(self) -> bool:
        return self.state is CallState.TERMINATED

    # The machine

    def trigger(self, trigger: CallTrigger, now: float, failure: Failure | None = None) -> None:
        """`failure` is why; it counts only if the trigger does."""
        if failure is not None and (self.state, trigger) in CALL_TABLE.rows:
            self.outcome.failure = failure
        self.state, steps = CALL_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    def next_timer(self) -> float | None:
        side = self.caller or self.callee
        times = (
            self._deadline,
            self._ending.next_timer(),
            side.next_timer() if side is not None else None,
            self.present.next_timer() if self.present is not None else None,
        )
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            consent = self.caller.consent if self.caller and self.state is CallState.AWAITING_CONSENT else None
            self.trigger(CallTrigger.TIMER, now, unencrypted(consent.reason) if consent is not None else None)
        side = self.caller or self.callee
        if side is not None:
            side.handle_timer(now)
        if self.present is not None:
            self.present.handle_timer(now)
        self._ending.handle_timer(now)

    # CallCore: what the two sides ask

    def end_by(self, deadline: float | None) -> None:
        self._deadline = deadline

    def run(self, media: NegotiatedMedia) -> None:
        if self.client is not None and not isinstance(media.security, ClearMedia):
            self.client.was_encrypted()
        self.media.run(media, silent=self._silent)

    def silence(self) -> None:
        self.media.silence(self._silent)

    def notify(self, failure: Failure) -> None:
        if not self.announced_end:
            self.host.emit(CallNotice(self.id, failure))

    @property
    def _silent(self) -> bool:
        """Who is on hold hears no microphone, nor does an early dialog that the person or the server has ended."""
        left_behind = self.caller is not None and self.caller.left_behind
        return self.muted or self.held.by_us or left_behind or self.state in _MICROPHONE_ENDED

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        if self.callee is not None:
            self.callee.decline(status, now)

    def deflect(self, target: str, now: float, why: str = "deflected") -> None:
        """To another address (302, RFC 3261 §21.3.3), as a person types it; `why` in CallDeflected's words."""
        if self.callee is not None:
            self.callee.deflect(target, why, now)

    @property
    def present(self) -> SessionChange | None:
        """Of the dialog that is talked in, be it early."""
        side = self.caller or self.callee
        return self.change or (side.change if side is not None else None)

    def rekey(self, now: float) -> None:
        """New SRTP keys by a new offer (RFC 4568 §7.1.4)."""
        if self.present is not None and self.state in _CHANGEABLE:
            self.present.renew_keys(now)

    def hang_up(self, now: float) -> None:
        if self.callee is not None:
            self.callee.decline_with(DECLINED)
        self.trigger(CallTrigger.HANG_UP, now)

    def answer(self, now: float, *, unencrypted: bool = False) -> None:
        if self.callee is not None and self.callee.may_answer(agreed=unencrypted):
            self.outcome.begin(now)
            self.trigger(CallTrigger.ANSWER, now)

    def start_early_media(self, now: float) -> None:
        if self.callee is not None and self.callee.may_answer(agreed=False):
            self.trigger(CallTrigger.EARLY_MEDIA, now)

    def agree(self, now: float) -> None:
        if self.caller is not None and self.state is CallState.AWAITING_CONSENT:
            self.caller.agree()
        self.trigger(CallTrigger.AGREE, now)

    def hold(self, direction: Direction, now: float) -> None:
        """Also of early media, where the other side takes UPDATE; else it is asked for once the call is answered."""
        if self.present is not None and self.state in _CHANGEABLE:
            self.held.want(self.present, direction, now)

    def put_aside(self, now: float) -> None:
        """Another call is talked in: silent here from now on, and on hold if it is answered."""
        if self.held.aside:
            return  # the other side may have refused the hold; it is not asked twice
        self.held.set_aside(True)
        if self.state in _ANSWERED:
            self.hold(Direction.SENDONLY, now)

    def take_up(self, now: float) -> None:
        """This one is talked in."""
        self.hold(Direction.SENDRECV, now)
        self.held.set_aside(False)

    def move(self, now: float) -> None:
        """The account has a new flow: the other side learns our new Contact, and our media address if it is another.

        Keys stay, and so do roll-over counters.
        """
        flow, opened = self.host.flow(self.account.id), self.media.opened
        if flow is None or opened is None or self.change is None or self.state not in _ANSWERED:
            return
        if opened.address != flow.description.local_address:
            self.media.rebind(flow)  # MediaOpened goes on from here
        else:
            self.change.refresh(now)

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
        """The second time it is where `move` asked for, or on another server's flow."""
        moved = self.media.opened is not None and self.state is not CallState.OPENING_MEDIA
        self.media.opened = opened
        if moved:
            self.session.set_local_address(opened.address, opened.rtp_port, opened.rtcp_port, opened.dtls_fingerprint)
            if self.change is not None:
                self.change.refresh(now)
            return
        side = self.caller or self.callee
        assert side is not None
        side.media_opened(opened, now)
        self.trigger(CallTrigger.MEDIA_READY, now)

    def media_heard(self) -> None:
        """The first packet of the other side has come."""
        if self.caller is not None:
            self.caller.ringback.saw(RingbackTrigger.MEDIA)

    def media_failed(self, failure: Failure, now: float) -> None:
        self.trigger(CallTrigger.MEDIA_FAILED, now, failure)

    def media_reported(self, report: MediaReport, final: bool, now: float) -> None:
        self.media.report = report
        if final:
            self._ending.reported(now)

    # ChangeOwner: what re-INVITEs, UPDATEs and the session timer did

    def media_changed(self, change: SessionChange, media: NegotiatedMedia, now: float) -> None:
        del now
        if change is not self.present or (self.change is None and self.media.running is None):
            return  # an early dialog that is not talked in: its answer decides
        self.run(media)
        self.held.say()

    def change_refused(self, change: SessionChange, failure: Failure, now: float) -> None:
        del now
        if change is self.present:
            self.held.refused()
            self.notify(failure)

    def session_lost(self, change: SessionChange, failure: Failure, now: float) -> None:
        """An early dialog of an INVITE of ours may go: the INVITE's own end decides."""
        if change is self.change or (self.callee is not None and change is self.callee.change):
            self.outcome.lose(failure)
            self.trigger(CallTrigger.FAILED, now, failure)

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
        side = self.caller or self.callee
        assert side is not None
        self.change, self.session = side.established()
        media = self.session.negotiated
        codec = media.format.name if media is not None else ""
        self.outcome.established(codec, now)
        if media is not None:  # None: we offered in the 2xx, the answer comes with the ACK
            self.run(media)
        if self.caller is not None:
            self.change.confirm(now)

    def _catch_up(self, now: float) -> None:
        """The ACK is here."""
        assert self.change is not None
        self.change.confirm(now)

    def _bye(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        assert self.dialog is not None
        self._ending.bye(self.dialog, headers, now)

    def _ack_settled(self, now: float) -> None:
        if self.server is not None:
            self.server.acknowledged()
        self._ending.ack_settled(now)

    def _stop_media(self, now: float) -> None:
        self._deadline = None
        side = self.caller or self.callee
        assert side is not None
        side.over(now)
        if self.change is not None:
            self.change.close(now)
        if self.media.stop():
            self._ending.await_report(now)
        elif not self._ending.awaits_report:
            self._announce_end(now)
        self._ending.finish_if_tied(now)

    def _announce_end(self, now: float) -> None:
        side = self.client or self.server
        self.outcome.announce(side.status if side is not None else None, self.media.report, now)
