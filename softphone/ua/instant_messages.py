"""SIP MESSAGE in and out (RFC 3428)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.sip.message import Request
from softphone.ua.account import Account
from softphone.ua.commands import SendInstantMessage
from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class InstantMessages:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    def command(self, command: SendInstantMessage, now: float) -> None:
        """What the person asks."""

    def message(self, account: Account, key: str, request: Request, now: float) -> None:
        """MESSAGE, outside of a dialog."""

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
