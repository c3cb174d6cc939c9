"""INVITE answered: provisional and final responses, the 2xx repeated until its ACK (RFC 3261 §13.3.1).

Owns: one INVITE server transaction's key, the local tag, and the times at which a response is said again. Reliable
provisional responses are `reliable_responses.py`'s. Used for the first INVITE and for re-INVITEs.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.dialog import asks_for_sips
from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.ua.account import Account
from softphone.ua.host import Host, contact_field
from softphone.ua.reliable_responses import ReliableResponses
from softphone.ua.responses import capabilities, response_to, sdp_of

T1, T2 = 0.5, 4.0  # s, RFC 3261 table 4
ACK_WITHIN = 64 * T1
STILL_RINGING = 60.0  # s after which a provisional response is repeated, so that no proxy gives up (§13.3.1.1)


class Missing(Enum):
    """What did not come within 64·T1."""

    ACK = auto()  # the session must be ended (§13.3.1.4)
    PRACK = auto()  # the INVITE must be refused (RFC 3262 §3)


class InviteServer:
    """Raises RemoteProtocolError if Supported, Require, Record-Route or Contact cannot be read."""

    def __init__(self, host: Host, account: Account, key: str, request: Request, local_tag: str) -> None:
        self._host, self._account = host, account
        self.key, self.request, self.local_tag = key, request, local_tag
        self.status: int | None = None  # the final one, once it is sent
        self.offer = sdp_of(request)  # b"": our 2xx carries the offer, its ACK the answer
        self._secure = asks_for_sips(request)
        self.reliable = ReliableResponses(host, key, request)
        self._provisional: Response | None = None
        self._success: Response | None = None
        self._interval = T1
        self._resend_at: float | None = None
        self._give_up_at: float | None = None

    @property
    def cseq(self) -> int:
        return cseq(self.request).number

    def respond(self, status: int, now: float, *, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """A provisional response is reliable if it must be, or if it carries SDP and may be (RFC 3262 §3)."""
        if 100 < status < 300:
            contact = contact_field(self._account, self._host.flow(self._account.id), secure=self._secure)
            headers = (*contact, *capabilities(self._account), *headers)
        response = response_to(self.request, status, to_tag=self.local_tag, headers=headers, body=body)
        if status < 200:
            self._progress(response, now)
            return
        self.reliable.stop()
        self._provisional = self._resend_at = None
        if status < 300:
            self._success = response
            self._interval = T1
            self._resend_at, self._give_up_at = now + T1, now + ACK_WITHIN
        self.status = status
        self._host.respond(self.key, response, now)

    def _progress(self, response: Response, now: float) -> None:
        self._provisional = response
        self._resend_at = now + STILL_RINGING
        if self.sends_reliably(response.body):
            self.reliable.send(response, now)
        else:
            self._host.respond(self.key, response, now)

    def sends_reliably(self, body: bytes) -> bool:
        """Whether a provisional response with this body is one that gets a PRACK."""
        chosen = self.reliable.supported and self._account.reliable_provisionals and body != b""
        return self.reliable.required or chosen

    @property
    def awaits_ack(self) -> bool:
        return self._success is not None

    def acknowledged(self) -> None:
        self._success = self._resend_at = self._give_up_at = None

    def next_timer(self) -> float | None:
        return min((t for t in (self._resend_at, self.reliable.next_timer()) if t is not None), default=None)

    def handle_timer(self, now: float) -> Missing | None:
        """Repeats the provisional response or the 2xx if it is time."""
        if self.reliable.handle_timer(now):
            return Missing.PRACK
        if self._resend_at is None or now < self._resend_at:
            return None
        if self._provisional is not None:
            self._still_ringing(self._provisional, now)
            return None
        assert self._success is not None
        assert self._give_up_at is not None
        if now >= self._give_up_at:
            self.acknowledged()
            return Missing.ACK
        self._host.respond(self.key, self._success, now)
        self._interval = min(2 * self._interval, T2)
        self._resend_at = min(now + self._interval, self._give_up_at)
        return None

    def _still_ringing(self, response: Response, now: float) -> None:
        """Only a new one keeps proxies patient where each must be reliable; its SDP has been said (RFC 3262 §3)."""
        if self.sends_reliably(response.body):
            plain = response.with_headers(response.headers.without("Content-Type"))
            response = Response(plain.status, plain.reason, plain.headers, b"")
        self._progress(response, now)
