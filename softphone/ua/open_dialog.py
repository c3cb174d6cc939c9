"""What must be known to end a dialog from another process: no keys, no session (RFC 3261 §12, §15).

Owns: that value. The engine keeps it in its journal; `orphans.py` sends the BYE.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.ua.account import AccountId

CSEQ_ROOM = 1000
"""A dialog goes on after it was written down: the BYE of another process leaves room for its requests (§12.2.2)."""


@dataclass(frozen=True, slots=True)
class OpenDialog:
    call_id: str  # ours, not the SIP Call-ID
    account_id: AccountId
    remote_uri: str
    remote_display_name: str
    incoming: bool
    sip_call_id: str
    local: str  # From, with our tag
    remote: str  # To, with the peer's tag
    remote_target: str
    routes: tuple[str, ...]
    cseq: int  # the last number we used
    secure: bool = False  # made by a request to a sips URI
