"""INVITE answered: provisional and final responses, the 2xx repeated until its ACK (RFC 3261 §13.3.1).

Owns: one INVITE server transaction's key, the local tag, and the times at which a response is said again. Used for
the first INVITE and for re-INVITEs.
"""

from __future__ import annotations

from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.ua.account import Account
from softphone.ua.host import Host, contact_value
from softphone.ua.responses import ALLOW, response_to, sdp_of

T1, T2 = 0.5, 4.0  # s, RFC 3261 table 4
ACK_WITHIN = 64 * T1
STILL_RINGING = 60.0  # s after which a provisional response is repeated, so that no proxy gives up (§13.3.1.1)


class InviteServer:
    def __init__(self, host: Host, account: Account, key: str, request: Request, local_tag: str) -> None:
        self._host, self._account = host, account
        self.key, self.request, self.local_tag = key, request, local_tag
        self.status: int | None = None  # the final one, once it is sent
        self.offer = sdp_of(request)  # b"": our 2xx carries the offer, its ACK the answer
        self._provisional: Response | None = None
        self._success: Response | None = None
        self._interval = T1
        self._resend_at: float | None = None
        self._give_up_at: float | None = None

    @property
    def cseq(self) -> int:
        return cseq(self.request).number

    def respond(self, status: int, now: float, *, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> None:
        if 100 < status < 300:
            flow = self._host.flow(self._account.id)
            contact = (("Contact", contact_value(self._account, flow)),) if flow is not None else ()
            headers = (*contact, ("Allow", ALLOW), *headers)
        response = response_to(self.request, status, to_tag=self.local_tag, headers=headers, body=body)
        self._provisional = response if status < 200 else None
        self._resend_at = now + STILL_RINGING if status < 200 else None
        if 200 <= status < 300:
            self._success = response
            self._interval = T1
            self._resend_at, self._give_up_at = now + T1, now + ACK_WITHIN
        if status >= 200:
            self.status = status
        self._host.respond(self.key, response, now)

    @property
    def awaits_ack(self) -> bool:
        return self._success is not None

    def acknowledged(self) -> None:
        self._success = self._resend_at = self._give_up_at = None

    def next_timer(self) -> float | None:
        return self._resend_at

    def handle_timer(self, now: float) -> bool:
        """Repeats the provisional response or the 2xx if it is time.

        True once no ACK came within 64·T1: the session must be ended (§13.3.1.4).
        """
        if self._resend_at is None or now < self._resend_at:
            return False
        if self._provisional is not None:
            self._host.respond(self.key, self._provisional, now)
            self._resend_at = now + STILL_RINGING
            return False
        assert self._success is not None
        assert self._give_up_at is not None
        if now >= self._give_up_at:
            self.acknowledged()
            return True
        self._host.respond(self.key, self._success, now)
        self._interval = min(2 * self._interval, T2)
        self._resend_at = min(now + self._interval, self._give_up_at)
        return False
