"""The DTLS associations of one call: which one gives the keys, and how long the others are waited for.

Owns: when a handshake begins and ends (RFC 5763 §5, §6.6), from whom its datagrams are taken, how many, and for how
long. Must not know: sockets, sound. Driven by one thread with its `now` (monotonic seconds).

A new fingerprint, role or tls-id makes the handshake necessary: without it there are no keys. A peer that only moves to
another address, or that begins a handshake by itself, gets one beside the running association, which goes on until the
new one has proved the same fingerprint.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from softphone.engine.media.dtls_association import (
    DtlsAssociation,
    DtlsCertificate,
    FingerprintMismatch,
    client_random,
    handshake_timed_out,
    is_client_hello,
)
from softphone.engine.media.sockets import Address
from softphone.errors import Failure, OperationFailed
from softphone.sdp.negotiated import DtlsSrtpSecurity, SrtpSecurity

_log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""From offer and answer to keys; after that the call ends."""
DATAGRAMS_A_SECOND = 100
"""More are not looked at: a flood of handshakes costs no more than this."""
MAX_ATTEMPTS = 8
"""Associations beside the one that signalling asked for, and restarts of it, in one call."""
STRANGERS_TOLERATED = 3
"""Handshakes that others than the described address may spoil before only that one is listened to."""
_QUIET_S = 0.3  # after a spoilt handshake, for answers to its ClientHello that are still on their way
_RETRANSMISSION_CHECK_S = 0.05


class DtlsKeying:
    """`srtp` are the keys in force; None while a handshake is necessary and not done."""

    def __init__(self, media_id: str, certificate: DtlsCertificate, send: Callable[[bytes, Address], None]) -> None:
        self._media_id = media_id
        self._certificate = certificate
        self._send_to = send
        self.srtp: SrtpSecurity | None = None
        self._security: DtlsSrtpSecurity | None = None
        self._stream = 0  # of which early dialog
        self._peer: Address = ("", 0)  # as described
        self._reply_to: Address = ("", 0)  # where datagrams of the handshake come from
        self._peer_heard = False  # from the described address: others are not listened to any more
        self._strangers_fed = False  # the current association knows datagrams from elsewhere
        self._hello = b""  # the client's random that the current association answers
        self._current: DtlsAssociation | None = None
        self._beside: DtlsAssociation | None = None  # may take the place of the current one, which has keys
        self._deadline: float | None = None  # of the one that is in its handshake
        self._suspicion: Failure | None = None  # a stranger's certificate
        self._attempts = 0
        self._window, self._taken = 0.0, 0  # of DATAGRAMS_A_SECOND
        self._quiet_until = 0.0  # then the handshake begins again
        self._next_check = 0.0

    def agree(self, security: DtlsSrtpSecurity, peer: Address, stream: int, now: float) -> None:
        """An offer and its answer. Another `stream` is another fork.

        Raises OperationFailed if the handshake cannot even begin.
        """
        moved = peer != self._peer
        if moved:
            self._peer = self._reply_to = peer
            self._peer_heard = False
        if (security, stream) != (self._security, self._stream):
            self._security, self._stream = security, stream
            self.srtp = self._beside = self._suspicion = None
            self._attempts, self._strangers_fed, self._hello, self._quiet_until = 0, False, b"", 0.0
            self._current = self._begin(security, now)
        elif moved and self.srtp is not None and security.active:
            self._beside = self._begin(security, now)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """A DTLS datagram. Raises OperationFailed when the call cannot have keys."""
        if self._security is None or not self._admitted(source, now):
            return
        assert self._security is not None
        first_of_peer = source == self._peer and not self._peer_heard and not self._security.active
        self._peer_heard = self._peer_heard or source == self._peer
        self._reply_to = source
        if self.srtp is None and self._begins_anew(data, first_of_peer, source):
            self._restart(now)
        association = self._addressee(data, now)
        if association is None:
            return
        if association is self._current:
            self._strangers_fed |= source != self._peer
            if not self._hello and is_client_hello(data):
                self._hello = client_random(data)
        try:
            association.receive(data)
        except OperationFailed as error:
            self._give_up(association, error, source, now)
            return
        if association.srtp is not None and association.srtp is not self.srtp:
            self.srtp = association.srtp
            self._current, self._beside, self._deadline = association, None, None

    def tick(self, now: float) -> None:
        """Retransmissions and the time-out. Raises OperationFailed when the call cannot have keys."""
        if self._deadline is None or now < self._next_check:
            return
        self._next_check = now + _RETRANSMISSION_CHECK_S
        if self._quiet_until:
            if now >= self._quiet_until:
                self._quiet_until = 0.0
                self._restart(now)
            return
        association = self._beside or self._current
        assert association is not None, "a deadline is of an association"
        if now >= self._deadline:
            self._deadline = None
            if association is self._current:
                raise OperationFailed(self._suspicion or handshake_timed_out(HANDSHAKE_S))
            self._beside = None
            return
        try:
            association.retransmit_if_due()
        except OperationFailed as error:
            self._give_up(association, error, self._peer, now)

    def _begin(self, security: DtlsSrtpSecurity, now: float) -> DtlsAssociation:
        self._deadline = now + HANDSHAKE_S
        association = DtlsAssociation(self._certificate, security, self._send)
        association.begin()
        return association

    def _send(self, datagram: bytes) -> None:
        self._send_to(datagram, self._reply_to)

    def _admitted(self, source: Address, now: float) -> bool:
        """From the described address; until that is heard from others too, which a NAT or a second interface may have
        put in its place, but not from those who spoil handshakes.
        """
        if now - self._window >= 1.0:
            self._window, self._taken = now, 0
        if self._taken >= DATAGRAMS_A_SECOND:
            return False
        if source != self._peer and (self._peer_heard or self._attempts >= STRANGERS_TOLERATED):
            return False
        if now < self._quiet_until:
            return False
        self._taken += 1
        return True

    def _addressee(self, data: bytes, now: float) -> DtlsAssociation | None:
        assert self._security is not None
        if self.srtp is None:
            return self._current
        if self._beside is None and not self._security.active and is_client_hello(data):
            self._attempts += 1
            if self._attempts > MAX_ATTEMPTS:
                return None
            self._beside = self._begin(self._security, now)
        return self._beside or self._current

    def _give_up(self, association: DtlsAssociation, error: OperationFailed, source: Address, now: float) -> None:
        """What fails beside running keys is let go. A stranger's failure is not the peer's: we begin again."""
        if association is not self._current:
            _log.warning("%s: a second DTLS handshake failed: %s", self._media_id, error.failure.reason)
            self._beside = self._deadline = None
            return
        certain = isinstance(error, FingerprintMismatch) or self._attempts == 0 or self._attempts >= MAX_ATTEMPTS
        if source == self._peer and certain:
            raise error
        _log.warning("%s: a DTLS handshake from %s port %d failed: %s", self._media_id, *source, error.failure.reason)
        self._suspicion = error.failure
        self._reply_to = self._peer
        assert self._security is not None
        if self._security.active:
            self._quiet_until = now + _QUIET_S
        else:
            self._restart(now)

    def _begins_anew(self, data: bytes, first_of_peer: bool, source: Address) -> bool:
        """Whether the handshake so far was with somebody else, or the peer has begun another one."""
        if first_of_peer and self._strangers_fed:
            return True
        again = is_client_hello(data) and bool(self._hello) and client_random(data) != self._hello
        return again and source == self._peer and self._attempts < MAX_ATTEMPTS

    def _restart(self, now: float) -> None:
        """The time that the peer has for it does not begin again."""
        assert self._security is not None
        self._attempts += 1
        deadline = self._deadline
        self._strangers_fed, self._hello = False, b""
        self._current = self._begin(self._security, now)
        self._deadline = deadline
