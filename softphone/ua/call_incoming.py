"""The callee's side of a call: ringing, early media, answer, refusal, and the ACK (RFC 3261 §13.3).

Owns: those steps of the call's table, our SDP in the INVITE's responses, and what the person must agree to first.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.errors import OperationFailed
from softphone.sdp.negotiated import ConsentNeeded, NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.dialog import Dialog
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua.call_side import CallCore
from softphone.ua.call_table import CallState, CallStep, CallTrigger
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.inputs import MediaOpened
from softphone.ua.invite_server import InviteServer
from softphone.ua.outcomes import no_answer, refused_answer, unencrypted
from softphone.ua.responses import expiry, sdp_of

DECLINED = 603


class CalleeSide:
    """Raises RemoteProtocolError if the INVITE can make no dialog."""

    def __init__(self, call: CallCore, session: OfferAnswerSession, server: InviteServer) -> None:
        self._call, self._session = call, session
        self.server = server
        self.dialog = Dialog.from_request(server.request, server.local_tag)
        self.consent: ConsentNeeded | None = None  # of an offer without encryption
        self._decline_status = DECLINED
        self._decline_headers: tuple[tuple[str, str], ...] = ()
        self._sdp: bytes | None = None  # our answer in 183 and 2xx
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
        self.server.respond(180, now)

    def media_opened(self, opened: MediaOpened) -> None:
        self._session.set_local_address(opened.address, opened.rtp_port, opened.rtcp_port)

    def established(self) -> tuple[Dialog, OfferAnswerSession]:
        return self.dialog, self._session

    # What the person asks

    def decline(self, status: int, now: float) -> None:
        self.decline_with(status if 400 <= status <= 699 else DECLINED)
        self._call.trigger(CallTrigger.DECLINE, now)

    def decline_with(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """What a refusal will say, once there is one."""
        self._decline_status, self._decline_headers = status, headers

    def deflect(self, target: str, now: float) -> None:
        """To another address (302, RFC 3261 §21.3.3), as a person types it."""
        try:
            uri = parse_dial_target(target, self._call.account.domain)
        except OperationFailed as error:
            self._call.notify(error.failure)
            return
        self.decline_with(302, (("Contact", f"<{uri}>"),))
        self._call.trigger(CallTrigger.DECLINE, now)

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

    # Time and the ACK

    def next_timer(self) -> float | None:
        return self.server.next_timer()

    def handle_timer(self, now: float) -> None:
        if self.server.handle_timer(now):
            self._call.trigger(CallTrigger.ACK_MISSING, now, no_answer("our acceptance of the call (no ACK)"))

    def receive_ack(self, request: Request, now: float) -> None:
        if cseq(request).number != self.server.cseq:
            return
        self.server.acknowledged()
        if self.server.offer or self._call.state is CallState.HANGING_UP:
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
        if self._call.media.opened is None:
            return  # MEDIA_READY comes back here
        self.server.respond(200, now, body=self._body())
        self._call.trigger(CallTrigger.AGREED, now)

    def _send_early(self, now: float) -> None:
        if self._call.media.opened is None or not self.server.offer:
            return
        self.server.respond(183, now, body=self._body())
        assert self._session.negotiated is not None
        self._call.run(self._session.negotiated)

    def _body(self) -> bytes:
        """Our SDP for 183 and 2xx: the answer, or our offer to an INVITE without one (RFC 3261 §13.2.1)."""
        if self._sdp is None:
            self._sdp = self._session.create_answer() if self.server.offer else self._session.create_offer()
        return self._sdp
