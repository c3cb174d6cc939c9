"""The packet index and the replay list of one stream (RFC 3711 §3.3.1, §3.3.2, Appendix A).

Owns: the roll-over counter, the window. An index is noted only after its packet has authenticated.
"""

from __future__ import annotations

from softphone.errors import RemoteProtocolError

# Packets behind the newest that are still taken, per SSRC: 2.5 s of 20 ms frames (RFC 3711 §3.3.2: 64 at least).
REPLAY_WINDOW = 128
_HALF = 1 << 15
_MASK = (1 << REPLAY_WINDOW) - 1


class Replayed(RemoteProtocolError):
    """The packet's index was received before or is older than the replay window (RFC 3711 §3.3.2)."""


class ReplayWindow:
    """Which of the latest indices were taken."""

    __slots__ = ("_taken", "highest")

    def __init__(self) -> None:
        self.highest = -1  # -1: none yet
        self._taken = 0  # bit n: highest - n

    def check(self, index: int) -> None:
        """Raises Replayed."""
        behind = self.highest - index
        if behind >= REPLAY_WINDOW or (behind >= 0 and self._taken >> behind & 1):
            raise Replayed("SRTP: the packet was received before or is too old")

    def note(self, index: int) -> None:
        """An index that `check` has let pass."""
        ahead = index - self.highest
        if ahead > 0:
            self._taken = 1 if self.highest < 0 or ahead >= REPLAY_WINDOW else (self._taken << ahead | 1) & _MASK
            self.highest = index
        else:
            self._taken |= 1 << -ahead

    def index_of(self, sequence_number: int) -> int:
        """RFC 3711 §3.3.1: the index that is nearest to the highest so far. Raises Replayed if there is none."""
        if self.highest < 0:
            return sequence_number
        roll_over, last = divmod(self.highest, 1 << 16)
        if last < _HALF and sequence_number - last > _HALF:
            roll_over -= 1
        elif last >= _HALF and last - _HALF > sequence_number:
            roll_over += 1
        if not 0 <= roll_over < 1 << 32:
            raise Replayed("SRTP: the packet is older than the first one, or behind the last that can be")
        return roll_over << 16 | sequence_number
