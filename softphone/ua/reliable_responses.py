"""Reliable provisional responses sent (RFC 3262 §3): numbered, one after the other, repeated until their PRACK.

Owns: the RSeq numbers, the queue, the times of repetition. Which responses are sent is `call_incoming.py`'s.
"""

from __future__ import annotations

from collections import deque

from softphone.sip.extension_headers import FIRST_RSEQ, RAck, has_option
from softphone.sip.header_values import cseq
from softphone.sip.message import Request, Response
from softphone.ua.host import Host
from softphone.ua.responses import sdp_of

T1 = 0.5  # s, RFC 3261 table 4
PRACK_WITHIN = 64 * T1
MAX_WAITING = 8  # responses that wait for the PRACK of the one before; a call has three or four in all


class ReliableResponses:
    def __init__(self, host: Host, key: str, invite: Request) -> None:
        """Raises RemoteProtocolError if Supported or Require cannot be read."""
        self._host, self._key = host, key
        self.required = has_option(invite.headers, "Require", "100rel")
        self.supported = self.required or has_option(invite.headers, "Supported", "100rel")
        self._invite_cseq = cseq(invite)
        self._next = int.from_bytes(host.token_bytes(4), "big") % FIRST_RSEQ + 1
        self._waiting: deque[Response] = deque()
        self._sent: tuple[int, Response] | None = None  # the one without its PRACK
        self._interval = T1
        self._resend_at: float | None = None
        self._give_up_at = 0.0

    @property
    def awaits_prack_of_sdp(self) -> bool:
        """Until then no 2xx may be sent (§3)."""
        open_ones = [*self._waiting, *([self._sent[1]] if self._sent is not None else [])]
        return any(sdp_of(response) for response in open_ones)

    def send(self, response: Response, now: float) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(response)
        if self._sent is None:
            self._send_next(now)

    def acknowledge(self, rack: RAck) -> Response | None:
        """The response that this RAck names, which is repeated no more; None: there is no such one (481)."""
        if self._sent is None or (rack.rseq, rack.cseq) != (self._sent[0], self._invite_cseq):
            return None
        _, response = self._sent
        self._sent = self._resend_at = None
        return response

    def go_on(self, now: float) -> None:
        """After a PRACK was answered: the next one."""
        if self._sent is None:
            self._send_next(now)

    def stop(self) -> None:
        """A final response was sent: nothing is repeated any more; a PRACK on its way still finds its response."""
        self._waiting.clear()
        self._resend_at = None

    def next_timer(self) -> float | None:
        return self._resend_at

    def handle_timer(self, now: float) -> bool:
        """True once no PRACK came within 64·T1: the INVITE must be refused (§3)."""
        if self._resend_at is None or now < self._resend_at:
            return False
        if now >= self._give_up_at:
            self.stop()
            return True
        assert self._sent is not None
        self._host.respond(self._key, self._sent[1], now)
        self._interval *= 2
        self._resend_at = min(now + self._interval, self._give_up_at)
        return False

    def _send_next(self, now: float) -> None:
        if not self._waiting:
            return
        response = self._waiting.popleft()
        headers = response.headers.added("Require", "100rel").added("RSeq", str(self._next))
        self._sent = (self._next, response.with_headers(headers))
        self._next += 1
        self._interval = T1
        self._resend_at, self._give_up_at = now + T1, now + PRACK_WITHIN
        self._host.respond(self._key, self._sent[1], now)
