"""Hold of one call: what the person wants, what the other side agreed to, and what holds when it refuses.

Owns: whether the call is aside, that is: another one is talked in, or the other side would not be held. A hold is asked
of the other side (RFC 3264 §8.4). A call that is aside is silent here both ways whatever the other side says: two calls
never share a microphone unless somebody wants that, and whoever has held a call is not heard in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.sdp.negotiated import Direction
from softphone.ua.events import HoldChanged

if TYPE_CHECKING:
    from softphone.ua.call import Call
    from softphone.ua.session_change import SessionChange


class CallHold:
    def __init__(self, call: Call) -> None:
        self._call = call
        self.aside = False
        self._asked = Direction.SENDRECV  # by the person, last
        self._said = False  # what the person was told last

    @property
    def by_us(self) -> bool:
        """Wanted by the person, agreed or on its way; or aside."""
        change = self._call.present
        return self.aside or (change is not None and change.wanted is Direction.SENDONLY)

    def want(self, change: SessionChange, direction: Direction, now: float) -> None:
        """SENDONLY is hold. SENDRECV takes the call up again if it was aside."""
        self._asked = direction
        was_refused = self.aside and change.wanted is Direction.SENDRECV
        if direction is Direction.SENDRECV:
            self.set_aside(False)
        change.want(direction, now)
        self._call.silence()  # at once: how long the answer takes is the other side's choice
        if was_refused and self._said is not self.by_us:
            self.say()  # nothing is to be agreed, so nothing else says it

    def set_aside(self, aside: bool) -> None:
        self.aside = aside
        self._call.media.set_aside(aside)
        self._call.silence()

    def refused(self) -> None:
        """The other side refuses a change, maybe the hold or its end; or its connection is lost."""
        if self._asked is Direction.SENDONLY and not self.by_us:
            self.set_aside(True)
        self._call.silence()
        if self._said is not self.by_us:
            self.say()

    def say(self) -> None:
        media = self._call.media.running
        if media is not None and not self._call.announced_end:
            self._said = self.by_us
            held_by_peer = not media.direction.sends
            self._call.host.emit(HoldChanged(self._call.id, self._said, held_by_peer, media.direction))
