"""The caller's side of a call: INVITE, CANCEL, early media, redirection, consent to a clear answer (RFC 3261 §13.2).

Owns: those steps of the call's table, what the INVITE's client side (`invite_client.py`) tells, and which early dialog
is sent to: the first one whose media was agreed.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import ConsentNeeded, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.uri import SipUri
from softphone.ua.call_side import ANNOUNCE_WITHIN, CONSENT_WITHIN, CallCore
from softphone.ua.call_table import CallState, CallStep, CallTrigger
from softphone.ua.events import CallRinging, ConsentRequested, EarlyMediaStarted, RedirectOffered
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_client import Fork, InviteClient
from softphone.ua.ringback import Ringback, RingbackTrigger
from softphone.ua.session_change import SessionChange


class CallerSide:
    def __init__(
        self,
        call: CallCore,
        session: OfferAnswerSession,
        policy: MediaPolicy,
        target: SipUri,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        self._call = call
        self.client = InviteClient(call.host, call.account, self, call, session, policy, target, headers)
        self.ringback = Ringback(call.host, call.id)
        self.early: Fork | None = None  # whose media runs before the answer
        self.left_behind = False  # what runs is an early dialog's that has sent us elsewhere
        self.steps: dict[CallStep, Callable[[float], None]] = {
            CallStep.INVITE: self.client.send,
            CallStep.CANCEL_INVITE: self._cancel,
            CallStep.ASK_CONSENT: self._ask_consent,
            CallStep.OFFER_REDIRECT: self._offer_redirect,
            CallStep.FOLLOW_REDIRECT: self.client.follow,
            CallStep.BEGIN_AGAIN: self.client.begin_again,
        }

    @property
    def dialog(self) -> Dialog | None:
        """That of the 2xx, whatever came of its media."""
        return self.client.winner.dialog if self.client.winner is not None else None

    @property
    def consent(self) -> ConsentNeeded:
        assert self.client.consent is not None
        return self.client.consent

    def media_opened(self, opened: MediaOpened, now: float) -> None:
        del now
        self.client.media_opened(opened)

    def agree(self) -> None:
        """The person takes the answer as it is: without encryption."""
        assert self.client.winner is not None
        self.client.winner.session.agree_to_clear()

    def established(self) -> tuple[SessionChange, OfferAnswerSession]:
        """The winner's; what the person wanted of early media stays wanted of another dialog."""
        winner = self.client.winner
        assert winner is not None
        self.ringback.saw(RingbackTrigger.OVER)
        if self.early is not None and self.early is not winner:
            self._call.media.turn_to_another_dialog()
            winner.change.wanted = self.early.change.wanted
        self.left_behind = False
        return winner.change, winner.session

    @property
    def change(self) -> SessionChange | None:
        """Of the early dialog whose media runs."""
        return self.early.change if self.early is not None and not self.left_behind else None

    def change_of(self, local_tag: str, remote_tag: str) -> SessionChange | None:
        return self.client.early_dialog(local_tag, remote_tag)

    def over(self, now: float) -> None:
        self.ringback.saw(RingbackTrigger.OVER)
        self.client.close(now)

    def next_timer(self) -> float | None:
        return self.client.next_timer()

    def handle_timer(self, now: float) -> None:
        self.client.handle_timer(now)

    # InviteOwner: what the INVITE's client side saw

    def invite_trigger(self, trigger: CallTrigger, now: float) -> None:
        # What a cancelled INVITE got as its answer is no failure: the person has hung up.
        failure = None if self._call.state is CallState.CANCELLING else self.client.failure
        self._call.trigger(trigger, now, failure)

    def ringing(self, now: float) -> None:
        del now
        if self._call.state is CallState.PROCEEDING:
            self._call.host.emit(CallRinging(self._call.id))
            self.ringback.saw(RingbackTrigger.RINGING)

    def early_media(self, fork: Fork, media: NegotiatedMedia, now: float) -> None:
        """With forks only the first early dialog is sent to (security.md "SDES")."""
        del now
        running = self._call.media.running
        if self._call.state is CallState.PROCEEDING and (running is None or self.left_behind):
            self.left_behind = False
            self.early = fork
            self._call.host.emit(EarlyMediaStarted(self._call.id))
            self._call.run(media)
        elif self.early is fork and not self.left_behind:
            self._call.run(media)  # said again, reliably

    # Steps

    def _cancel(self, now: float) -> None:
        self.ringback.saw(RingbackTrigger.OVER)
        self._call.silence()
        self._call.end_by(now + ANNOUNCE_WITHIN)
        self.client.cancel(now)

    def _ask_consent(self, now: float) -> None:
        self.ringback.saw(RingbackTrigger.OVER)
        self._call.end_by(now + CONSENT_WITHIN)
        self._call.silence()
        self._call.host.emit(ConsentRequested(self._call.id, self.consent.reason))

    def _offer_redirect(self, now: float) -> None:
        del now
        self.left_behind = True
        self.ringback.saw(RingbackTrigger.LEFT_BEHIND)
        self._call.silence()
        self._call.host.emit(RedirectOffered(self._call.id, str(self.client.redirect)))
