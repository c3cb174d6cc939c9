"""Call transfer, both roles (RFC 3515, RFC 3891, RFC 3892, RFC 5589)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.sip.message import Request
from softphone.ua.account import Account
from softphone.ua.call import Call
from softphone.ua.commands import AcceptTransfer, RefuseTransfer, Transfer, TransferTo
from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class Transfers:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    def command(self, command: Transfer | TransferTo | AcceptTransfer | RefuseTransfer, now: float) -> None:
        """What the person asks."""

    def refer(self, call: Call, key: str, request: Request, now: float) -> None:
        """REFER within a call."""

    def refer_outside(self, account: Account, key: str, request: Request, now: float) -> None:
        """REFER outside any dialog: refused with 603."""

    def notify(self, call: Call, key: str, request: Request, now: float) -> None:
        """NOTIFY within a call: how far a transfer is."""

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
