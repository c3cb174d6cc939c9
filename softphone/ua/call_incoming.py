"""The callee's side of a call: ringing, early media, answer, refusal, PRACK and ACK (RFC 3261 §13.3, RFC 3262 §3, §5).

Owns: those steps of the call's table, our SDP in the INVITE's responses, and what the person must agree to first.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import OperationFailed
from softphone.sdp.negotiated import ConsentNeeded, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.extension_headers import parse_rack
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua.call_side import CallCore
from softphone.ua.call_table import CallState, CallStep, CallTrigger
from softphone.ua.events import CallDeflected
from softphone.ua.forwarding import redirection
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_server import InviteServer, Missing
from softphone.ua.offer_within import OfferRefused
from softphone.ua.outcomes import no_answer, refused_answer, unencrypted
from softphone.ua.responses import response_to, sdp_of
from softphone.ua.server_times import expiry
from softphone.ua.session_change import SessionChange
from softphone.ua.session_timer import SessionTimer

DECLINED = 603
_UNANSWERED = frozenset({CallState.RINGING, CallState.EARLY, CallState.ANSWERING})


class CalleeSide:
    """Raises RemoteProtocolError if the INVITE can make no dialog."""

    def __init__(self, call: CallCore, session: OfferAnswerSession, server: InviteServer) -> None:
        self._call, self._session = call, session
        self.server = server
        self.dialog = Dialog.from_request(server.request, server.local_tag)
        self.change = SessionChange(
            call.host, call.account, call, self.dialog, session, SessionTimer(call.account.session_expires), False
        )
        self.change.learn(server.request)
        self.consent: ConsentNeeded | None = None  # of an offer without encryption
        self._decline_status = DECLINED
        self._decline_headers: tuple[tuple[str, str], ...] = ()
        self._sdp: bytes | None = None  # our answer, or our offer, in 18x and 2xx
        self._said_reliably = False  # a reliable 18x carried it: the 2xx does not say it again
        self._rings_later = False  # a 180 that must be reliable carries our offer, which waits for the media sockets
        self.steps: dict[CallStep, Callable[[float], None]] = {
            CallStep.ACCEPT: self._accept,
            CallStep.SEND_EARLY: self._send_early,
            CallStep.DECLINE: lambda now: server.respond(self._decline_status, now, headers=self._decline_headers),
            CallStep.TERMINATE_INVITE: lambda now: server.respond(487, now),
            CallStep.MEDIA_UNAVAILABLE: lambda now: server.respond(500, now),
        }

    def begin(self, now: float) -> None:
        """It rings, for as long as the invitation says."""
        expires = expiry(self.server.request)
        self._call.end_by(now + expires if expires else None)
        self._rings_later = self.server.reliable.required and not self.server.offer
        if not self._rings_later:
            self.server.respond(180, now)

    def media_opened(self, opened: MediaOpened, now: float) -> None:
        self._session.set_local_address(opened.address, opened.rtp_port, opened.rtcp_port, opened.dtls_fingerprint)
        if self._rings_later:  # the first reliable response to an INVITE without offer has ours (RFC 3261 §13.2.1)
            self._rings_later = False
            self._progress(180, now)

    def established(self) -> tuple[SessionChange, OfferAnswerSession]:
        return self.change, self._session

    def change_of(self, local_tag: str, remote_tag: str) -> SessionChange | None:
        known = self.dialog.id
        return self.change if (known.local_tag, known.remote_tag) == (local_tag, remote_tag) else None

    def over(self, now: float) -> None:
        self.change.close(now)

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        self.decline_with(status if 400 <= status <= 699 else DECLINED)
        self._call.trigger(CallTrigger.DECLINE, now)

    def decline_with(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """What a refusal will say, once there is one."""
        self._decline_status, self._decline_headers = status, headers

    def deflect(self, target: str, why: str, now: float) -> None:
        """To another address (302), as a person types it."""
        if self.server.status is not None:
            return  # answered or refused already
        call = self._call
        try:
            headers = redirection(call.account, self.server.request, target, why)
        except OperationFailed as error:
            call.notify(error.failure)
            return
        self.decline_with(302, headers)
        call.host.emit(CallDeflected(call.id, call.account.id, call.remote, why, target))
        call.trigger(CallTrigger.DECLINE, now)

    def may_answer(self, *, agreed: bool) -> bool:
        """False, and the person hears why, if nobody has agreed to a call without encryption."""
        if self.consent is None:
            return True
        if not agreed:
            self._call.notify(unencrypted(self.consent.reason))
            return False
        self._session.agree_to_clear()
        self.consent = None
        return True

    # Time, PRACK and ACK

    def next_timer(self) -> float | None:
        return self.server.next_timer()

    def handle_timer(self, now: float) -> None:
        match self.server.handle_timer(now):
            case Missing.ACK:
                self._call.trigger(CallTrigger.ACK_MISSING, now, no_answer("our acceptance of the call (no ACK)"))
            case Missing.PRACK:
                self.decline_with(504)
                self._call.trigger(CallTrigger.FAILED, now, no_answer("that it rings here (no PRACK)"))
            case None:
                pass

    def receive_prack(self, key: str, request: Request, now: float) -> None:
        """RFC 3262 §3, §5. Raises RemoteProtocolError if its RAck cannot be read."""
        response = self.server.reliable.acknowledge(parse_rack(request.headers))
        if response is None:
            self._call.host.respond(key, response_to(request, 481), now)
            return
        sdp, said = sdp_of(request), sdp_of(response)
        if said and not self.server.offer:  # our offer; this is its answer
            self._call.host.respond(key, response_to(request, 200), now)
            self._take_answer(sdp, now)
        else:
            self.change.complete = self.change.complete or bool(said)
            self._answer_prack(key, request, sdp, now)
        if self._call.state in _UNANSWERED:
            self.server.reliable.go_on(now)
            self._call.trigger(CallTrigger.PRACKED, now)

    def _answer_prack(self, key: str, request: Request, offer: bytes, now: float) -> None:
        """It has acknowledged the response, whatever comes of an offer within it."""
        answer = self.change.receive_offer_in_prack(offer, now) if offer else b""
        if isinstance(answer, OfferRefused):
            self._call.host.respond(key, response_to(request, answer.status, headers=answer.headers), now)
        else:
            self._call.host.respond(key, response_to(request, 200, body=answer), now)

    def _take_answer(self, answer: bytes, now: float) -> None:
        result = self._session.receive_answer(answer) if answer else None
        if isinstance(result, NegotiatedMedia):
            self.change.complete = True
            if self._call.state is CallState.EARLY:
                self._call.run(result)
            return
        self.decline_with(488)
        self._call.trigger(CallTrigger.FAILED, now, refused_answer(result))

    def receive_ack(self, request: Request, now: float) -> None:
        if cseq(request).number != self.server.cseq:
            return
        self.server.acknowledged()
        if self.server.offer or self._said_reliably or self._call.state is CallState.HANGING_UP:
            self._call.trigger(CallTrigger.ACK, now)
            return
        answer = sdp_of(request)
        result = self._session.receive_answer(answer) if answer else None  # we offered in the 2xx
        if isinstance(result, NegotiatedMedia):
            self._call.run(result)
            self._call.trigger(CallTrigger.ACK, now)
        else:
            self._call.trigger(CallTrigger.ACK_REFUSED, now, refused_answer(result))

    # Steps

    def _accept(self, now: float) -> None:
        if self._call.media.opened is None or self.server.reliable.awaits_prack_of_sdp:
            return  # MEDIA_READY or PRACKED comes back here
        body = b"" if self._said_reliably else self._body()
        self.server.respond(200, now, body=body, headers=self.change.timer.answer_headers(self.server.request, now))
        self._call.trigger(CallTrigger.AGREED, now)

    def _send_early(self, now: float) -> None:
        """Without an offer of theirs there is media once a PRACK has answered ours."""
        if self._call.media.opened is None:
            return
        if self._said_reliably or self._sdp is not None:
            if self._session.negotiated is not None:
                self._call.run(self._session.negotiated)
            return
        if self.server.offer or self.server.reliable.supported:
            self._progress(183, now)
            if self._session.negotiated is not None:
                self._call.run(self._session.negotiated)

    def _progress(self, status: int, now: float) -> None:
        """18x with our SDP."""
        body = self._body()
        self._said_reliably = self.server.sends_reliably(body)
        self.server.respond(status, now, body=body)

    def _body(self) -> bytes:
        """Our SDP for 183 and 2xx: the answer, or our offer to an INVITE without one (RFC 3261 §13.2.1)."""
        if self._sdp is None:
            self._sdp = self._session.create_answer() if self.server.offer else self._session.create_offer()
        return self._sdp
