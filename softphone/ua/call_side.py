"""What the caller's side and the callee's side of a call see of the call itself: a narrow door (RFC 3261 §13).

Owns: that interface. `call_outgoing.py` and `call_incoming.py` are the two sides, `call.py` is the call.
"""

from __future__ import annotations

from typing import Protocol

from softphone.errors import Failure
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.account import Account
from softphone.ua.call_media import CallMedia
from softphone.ua.call_table import CallState, CallTrigger
from softphone.ua.commands import CallId
from softphone.ua.events import Party
from softphone.ua.host import Host
from softphone.ua.session_change import ChangeOwner

CONSENT_WITHIN = 60.0  # s the person has to agree to a clear call before it is ended
ANNOUNCE_WITHIN = 0.5  # s after which a call that was hung up before its answer is over for the person


class CallCore(ChangeOwner, Protocol):
    host: Host
    account: Account
    id: CallId
    remote: Party
    media: CallMedia

    @property
    def state(self) -> CallState: ...

    def trigger(self, trigger: CallTrigger, now: float, failure: Failure | None = None) -> None: ...

    def run(self, media: NegotiatedMedia) -> None:
        """This media is the call's now."""
        ...

    def silence(self) -> None:
        """The microphone as the call's state has it now."""
        ...

    def end_by(self, deadline: float | None) -> None:
        """At that time the table gets TIMER; None: no such time."""
        ...

    def notify(self, failure: Failure) -> None:
        """Tells the person, unless the call is over for him."""
        ...
