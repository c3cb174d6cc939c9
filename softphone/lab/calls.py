"""What the lab remembers of each call: for the demo, the self-test and the tests to look at.

Owns: `LabCall`. Holds no secrets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from softphone.errors import Failure
from softphone.ua.commands import CallId
from softphone.ua.media_report import MediaReport


@dataclass(slots=True)
class LabCall:
    """One call as the lab saw it; filled as it goes on, complete once `ended`."""

    service: str
    remote: str  # the caller's, or for a call back the called address
    direction: str  # "incoming" or "outgoing", from the lab's side
    call_id: CallId = ""  # of the lab's user agent; "" for one that was refused at once
    sip_call_id: str = ""
    status: int | None = None  # of a call that was refused, by either side
    established: bool = False
    encrypted: bool | None = None  # None until the first authentic packet, or until clear media was agreed
    srtp_suite: str | None = None
    digits: str = ""
    failure: Failure | None = None
    report: MediaReport | None = None
    ended: bool = False
    notices: list[Failure] = field(default_factory=list)

    @property
    def plain_rtp_seen(self) -> int:
        """Packets on the lab's own sockets that did not authenticate."""
        return self.report.plain_rtp_seen if self.report is not None else 0
