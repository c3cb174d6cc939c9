"""Changes of a running session both ways: hold, resume, new keys, a new address, refreshes, glare.

Owns: what is wanted and not yet agreed, and `change_table.py` put to work (RFC 3261 §14, RFC 3311, RFC 4028 §7, §9,
RFC 6337). Our requests are `change_client.py`'s, the judgement of their offers `offer_within.py`'s, the time of a
refresh `session_timer.py`'s. In an early dialog only UPDATE may change a session, and only once its first offer has
been answered reliably (RFC 3311 §5.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softphone.errors import Failure, FailureKind
from softphone.sdp.negotiated import Direction, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.extension_headers import allowed_methods
from softphone.sip.header_values import cseq
from softphone.sip.message import Message, Request, Response
from softphone.ua.account import Account
from softphone.ua.backoff import random_fraction
from softphone.ua.change_client import ChangeClient
from softphone.ua.change_table import CHANGE_TABLE, ChangeState, ChangeStep, ChangeTrigger
from softphone.ua.host import Host, contact_field
from softphone.ua.invite_server import InviteServer
from softphone.ua.offer_within import OfferRefused, answer_offer, crossing, later
from softphone.ua.outcomes import no_answer, refused_answer
from softphone.ua.responses import capabilities, response_to, sdp_of
from softphone.ua.server_times import retry_after
from softphone.ua.session_timer import SessionTimer, TimerStep, interval_refusal

OFFER_WITHIN = 60.0  # s until a re-INVITE without final response is cancelled: nobody rings at a change
MAX_TRIES = 10  # of one change that meets 491 or 500 each time
MAX_RETRY_AFTER = 10  # s of a 500 that is waited for (RFC 3261 §14.2 asks for no more)


@dataclass(slots=True)
class Wishes:
    """What the next request is to bring, besides the direction."""

    keys: bool = False  # new ones of ours (RFC 4568 §7.1.4)
    offer: bool = False  # our description as it is now: the local address has changed
    refresh: bool = False  # the session timer's: any request does (RFC 4028 §7.4)

    @property
    def any(self) -> bool:
        return self.keys or self.offer or self.refresh

    def add(self, other: Wishes) -> None:
        self.keys |= other.keys
        self.offer |= other.offer
        self.refresh |= other.refresh


class ChangeOwner(Protocol):
    """The call, as the session's modification sees it."""

    def media_changed(self, change: SessionChange, media: NegotiatedMedia, now: float) -> None: ...

    def change_refused(self, change: SessionChange, failure: Failure, now: float) -> None: ...

    def session_lost(self, change: SessionChange, failure: Failure, now: float) -> None: ...


class SessionChange:
    """Implements ChangeRequester for its client."""

    def __init__(
        self,
        host: Host,
        account: Account,
        owner: ChangeOwner,
        dialog: Dialog,
        session: OfferAnswerSession,
        timer: SessionTimer,
        we_called: bool,
    ) -> None:
        self._host, self._account, self._owner = host, account, owner
        self.dialog, self._session = dialog, session
        self._we_called = we_called
        self.timer = timer
        self.state = ChangeState.STABLE
        self.confirmed = False  # else the dialog is early
        self.complete = False  # the first offer has its answer, reliably
        self.peer_allows: frozenset[str] = frozenset()  # by its last Allow
        self.wanted = Direction.SENDRECV  # what we want; SENDONLY is hold
        self._offered = Direction.SENDRECV  # what our last offer or answer asked for
        self._agreed = Direction.SENDRECV  # what we had asked for in the exchange that is in force
        self._wishes = Wishes()
        self._carried = Wishes()  # what the request under way brings
        self._method = "INVITE"  # of the request under way
        self._with_offer = False  # it has one
        self._tries = 0
        self._retry_after: int | None = None  # s, of the 500 that came last
        self._failure: Failure | None = None
        self._client = ChangeClient(host, account, dialog, self)
        self._server: InviteServer | None = None
        self._deadline: float | None = None  # of GLARE and OFFERED
        self._steps: dict[ChangeStep, Callable[[float], None]] = {
            ChangeStep.OFFER: self._offer,
            ChangeStep.APPLY: self._apply,
            ChangeStep.REVERT: self._revert,
            ChangeStep.WAIT: self._wait,
            ChangeStep.END_CALL: self._end_call,
            ChangeStep.CATCH_UP: self.catch_up,
            ChangeStep.CANCEL: self._client.cancel,
            ChangeStep.FORGET: self._forget,
        }

    # What is wanted

    def want(self, direction: Direction, now: float) -> None:
        self.wanted = direction
        self.catch_up(now)

    def renew_keys(self, now: float) -> None:
        """An offer with new keys for what runs already (RFC 4568 §7.1.4)."""
        self._wishes.keys = True
        self.catch_up(now)

    def refresh(self, now: float) -> None:
        """A re-INVITE with our present Contact and local address, the direction unchanged (RFC 3261 §14, §12.2.1)."""
        self._wishes.offer = True
        self.catch_up(now)

    def catch_up(self, now: float) -> None:
        """Asks for what is wanted and not agreed, if it may be asked for now; else it stays wanted."""
        if (self.wanted is not self._offered or self._wishes.any) and self._may_ask:
            self._trigger(ChangeTrigger.WANTED, now)

    def confirm(self, now: float) -> None:
        """The dialog is early no more (RFC 3261 §13.2.2.4, §13.3.1.4)."""
        self.confirmed = self.complete = True
        self.catch_up(now)

    def close(self, now: float) -> None:
        """The call is over: a late 2xx is still acknowledged, and that is all."""
        self._trigger(ChangeTrigger.CALL_OVER, now)

    def learn(self, message: Message) -> None:
        """What the peer's Allow says it takes."""
        allowed = allowed_methods(message)
        if allowed is not None:
            self.peer_allows = allowed

    @property
    def _may_ask(self) -> bool:
        return self.confirmed or (self.complete and "UPDATE" in self.peer_allows)

    def _trigger(self, trigger: ChangeTrigger, now: float) -> None:
        self.state, steps = CHANGE_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    # Time

    def next_timer(self) -> float | None:
        server = self._server.next_timer() if self._server is not None else None
        return min((t for t in (self._deadline, server, self.timer.next_timer()) if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._trigger(ChangeTrigger.TIMER, now)
        if self._server is not None and self._server.handle_timer(now):
            self._server = None
            self._failure = no_answer("the change of the call (no ACK)")
            self._trigger(ChangeTrigger.LOST, now)
        match self.timer.handle_timer(now):
            case TimerStep.REFRESH:
                self._wishes.refresh = True
                self.catch_up(now)
            case TimerStep.GIVE_UP:
                self._owner.session_lost(self, _session_expired(self.timer.interval), now)
            case _:
                pass

    # Our request

    def _offer(self, now: float) -> None:
        only_refresh = self.wanted is self._offered and not (self._wishes.keys or self._wishes.offer)
        by_update = not self.confirmed or (only_refresh and "UPDATE" in self.peer_allows)
        self._method = "UPDATE" if by_update else "INVITE"
        self._with_offer = not (by_update and only_refresh)
        self._carried, self._wishes = self._wishes, Wishes()
        self._offered = self.wanted
        body = self._session.create_offer(self.wanted, new_keys=self._carried.keys) if self._with_offer else b""
        self._deadline = now + OFFER_WITHIN if self._method == "INVITE" else None
        self._client.send(self._method, self.timer.request_headers() if self.confirmed else (), body, now)

    def change_accepted(self, response: Response, failure: Failure | None, now: float) -> None:
        if self.state is not ChangeState.OFFERED:
            return
        self.learn(response)
        if self.confirmed:
            self.timer.answered(response, now)
        if self._with_offer:
            answer = sdp_of(response)
            result = self._session.receive_answer(answer) if answer else None
            if not isinstance(result, NegotiatedMedia):
                failure = failure or refused_answer(result)
        if failure is None:
            self._trigger(ChangeTrigger.AGREED, now)
            return
        self._failure = failure
        self._trigger(ChangeTrigger.LOST, now)

    def change_rejected(self, response: Response, failure: Failure, now: float) -> None:
        if self.state is not ChangeState.OFFERED:
            return
        self._session_as_it_was()
        self._failure = failure
        self._trigger(self._meaning(response), now)

    def change_unsent(self, failure: Failure, now: float) -> None:
        """What nobody asked for in person stays wanted: it goes over the next flow."""
        kept = Wishes(offer=self._carried.offer, refresh=self._carried.refresh)
        self._carried.offer = self._carried.refresh = False
        self._session_as_it_was()
        self._failure = failure
        self._trigger(ChangeTrigger.REFUSED, now)
        self._wishes.add(kept)

    def change_unanswered(self, failure: Failure, now: float) -> None:
        self._session_as_it_was()
        self._failure = failure
        self._trigger(ChangeTrigger.LOST, now)

    def _session_as_it_was(self) -> None:
        if self._with_offer:
            self._session.cancel_offer()

    def _meaning(self, response: Response) -> ChangeTrigger:
        """What a refusal leads to; a change that is to be tried again is wanted as before."""
        self._retry_after = retry_after(response) if response.status == 500 else None
        again = self._tries < MAX_TRIES
        match response.status:
            case 408 | 481:
                return ChangeTrigger.LOST
            case 422 if self.timer.too_small(response):
                trigger = ChangeTrigger.AGAIN
            case 405 | 501 if self._method == "UPDATE":
                self.peer_allows -= {"UPDATE"}
                if not self.confirmed:
                    return ChangeTrigger.REFUSED
                trigger = ChangeTrigger.AGAIN
            case 491 if again:
                trigger = ChangeTrigger.PENDING
            case 500 if again and self._retry_after is not None and self._retry_after <= MAX_RETRY_AFTER:
                trigger = ChangeTrigger.PENDING
            case _:
                return ChangeTrigger.REFUSED
        self._tries += 1
        self._wishes.add(self._carried)
        self._offered = self._agreed
        return trigger

    # Their requests

    def receive_invite(self, key: str, request: Request, now: float) -> None:
        """RFC 3261 §14.2; the dialog has checked the CSeq. A refused one moves no target (RFC 6141 §3)."""
        if self.state is ChangeState.OFFERED:
            self._host.respond(key, response_to(request, 491), now)
            return
        if self.state is ChangeState.ANSWERED:
            self._refuse(key, request, later(self._host.token_bytes), now)
            return
        refusal = self._refused_interval(request)
        server = InviteServer(self._host, self._account, key, request, "")
        if refusal is None and server.offer:
            refusal = crossing(self._session, self._host.token_bytes)
        if refusal is not None:
            self._refuse(key, request, refusal, now)
            return
        if server.offer:
            body = answer_offer(self._session, server.offer, self.wanted)
            if isinstance(body, OfferRefused):
                self._refuse(key, request, body, now)
                return
        else:
            body = self._session.create_offer(self.wanted)
        self.dialog.refresh_target(request)
        self.learn(request)
        self._deadline = None
        self._offered = self._agreed = self.wanted
        self._server = server
        self._trigger(ChangeTrigger.OFFER_TAKEN, now)
        server.respond(200, now, body=body, headers=self.timer.answer_headers(request, now))
        if server.offer and self._session.negotiated is not None:
            self._owner.media_changed(self, self._session.negotiated, now)

    def receive_update(self, key: str, request: Request, now: float) -> None:
        """RFC 3311 §5.2: answered at once, with an offer or without."""
        offer = sdp_of(request)
        refusal = self._refused_interval(request)
        if refusal is None and offer:
            refusal = crossing(self._session, self._host.token_bytes)
            if refusal is None and not self.complete:
                refusal = later(self._host.token_bytes)
        body: bytes | OfferRefused = b""
        if refusal is None and offer:
            body = answer_offer(self._session, offer, self.wanted)
        if isinstance(body, OfferRefused):
            refusal = body
        if refusal is not None:
            self._refuse(key, request, refusal, now)
            return
        assert isinstance(body, bytes)
        self.dialog.refresh_target(request)
        self.learn(request)
        self._host.respond(key, self._accepted(request, body, now), now)
        if offer and self._session.negotiated is not None:
            if self.state is not ChangeState.OFFERED:
                self._offered = self._agreed = self.wanted
            self._owner.media_changed(self, self._session.negotiated, now)

    def receive_offer_in_prack(self, offer: bytes, now: float) -> bytes | OfferRefused:
        """RFC 3262 §5: the PRACK's 200 carries the answer."""
        refusal = crossing(self._session, self._host.token_bytes)
        answer = refusal or answer_offer(self._session, offer, self.wanted)
        if isinstance(answer, bytes) and self._session.negotiated is not None:
            self._owner.media_changed(self, self._session.negotiated, now)
        return answer

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
            self._owner.media_changed(self, result, now)
        self._trigger(ChangeTrigger.ACK, now)

    def _refused_interval(self, request: Request) -> OfferRefused | None:
        lines = interval_refusal(request)
        return OfferRefused(422, lines) if lines else None

    def _refuse(self, key: str, request: Request, refused: OfferRefused, now: float) -> None:
        self._host.respond(key, response_to(request, refused.status, headers=refused.headers), now)
        if refused.failure is not None:
            self._owner.change_refused(self, refused.failure, now)

    def _accepted(self, request: Request, body: bytes, now: float) -> Response:
        contact = contact_field(self._account, self._host.flow(self._account.id), secure=self.dialog.secure)
        timing = self.timer.answer_headers(request, now) if self.confirmed else ()
        headers = (*contact, *capabilities(self._account), *timing)
        return response_to(request, 200, headers=headers, body=body)

    # Steps

    def _apply(self, now: float) -> None:
        self._deadline = None
        self._tries = 0
        if self._with_offer:
            assert self._session.negotiated is not None
            self._agreed = self._offered
            self._owner.media_changed(self, self._session.negotiated, now)

    def _revert(self, now: float) -> None:
        assert self._failure is not None
        self._deadline = None
        self._tries = 0
        asked_for = self._offered is not self._agreed or self._carried.keys or self._carried.offer
        # What is running is what we want until somebody asks again.
        self.wanted = self._offered = self._agreed
        if asked_for:  # of a refresh nobody knows; it is tried again until the session's time is over
            self._owner.change_refused(self, self._failure, now)

    def _wait(self, now: float) -> None:
        """§14.1: the Call-ID's owner waits 2.1–4 s, the other 0–2 s; or as long as Retry-After says."""
        fraction = random_fraction(self._host.token_bytes)
        delay = 2.1 + 1.9 * fraction if self._we_called else 2.0 * fraction
        self._deadline = now + (delay if self._retry_after is None else self._retry_after)

    def _end_call(self, now: float) -> None:
        assert self._failure is not None
        self._deadline = None
        self._owner.session_lost(self, self._failure, now)

    def _forget(self, now: float) -> None:
        del now
        self._deadline = self._server = None
        self._client.forget()
        self.timer.stop()


def _session_expired(interval: int) -> Failure:
    return Failure(
        FailureKind.SERVER_SILENT,
        f"The other side has not confirmed the call for {interval // 60} minutes, so it is taken to be gone.",
        "Call again; if it happens in every call, ask whoever runs the server about session timers (RFC 4028).",
        status=408,
    )
