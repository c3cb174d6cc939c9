"""How long a master key may be used: the count of packets under it (RFC 3711 §9.2; RFC 4568 §6.1).

Owns: the limits, the count, the failure at its end. Must not know: how packets are protected.
"""

from __future__ import annotations

from softphone.errors import Failure, FailureKind, OperationFailed

MAX_SRTP_PACKETS = 2**48
MAX_SRTCP_PACKETS = 2**31
"""Under one master key, whatever was agreed: RFC 3711 §9.2, RFC 6188 §2, RFC 7714 §12 (all suites alike)."""
_AGING = 0.75  # of its life: then a new key is asked for


class KeyLifetimeEnded(OperationFailed):
    """The key may not be used any more (RFC 3711 §9.2), and no new one was agreed on in time."""

    def __init__(self) -> None:
        super().__init__(
            Failure(
                FailureKind.POLICY,
                "The call's encryption key has reached the end of its life, and the other side agreed on no new one.",
                "Call again; if calls end so after the same time, allow new keys in a call (re-INVITE) on the PBX.",
            )
        )


class KeyUse:
    """How much of one master key is used up."""

    __slots__ = ("_rtcp", "_rtcp_limit", "_rtp", "_rtp_limit")

    def __init__(self, lifetime: int | None = None) -> None:
        self._rtp = self._rtcp = 0
        self._rtp_limit = min(lifetime or MAX_SRTP_PACKETS, MAX_SRTP_PACKETS)
        self._rtcp_limit = min(lifetime or MAX_SRTCP_PACKETS, MAX_SRTCP_PACKETS)

    def count_rtp(self) -> None:
        """One more packet. Raises KeyLifetimeEnded instead of the first that is too many."""
        if self._rtp >= self._rtp_limit:
            raise KeyLifetimeEnded
        self._rtp += 1

    def count_rtcp(self) -> None:
        """As `count_rtp`."""
        if self._rtcp >= self._rtcp_limit:
            raise KeyLifetimeEnded
        self._rtcp += 1

    @property
    def aging(self) -> bool:
        """It is time to agree on a new key."""
        return self._rtp >= self._rtp_limit * _AGING or self._rtcp >= self._rtcp_limit * _AGING
