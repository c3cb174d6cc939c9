"""Subscriptions (RFC 6665): message waiting (RFC 3842) and watched lines (RFC 4235)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.sip.message import Request
from softphone.ua.account import Account
from softphone.ua.commands import PickUp
from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class Subscriptions:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    def command(self, command: PickUp, now: float) -> None:
        """What the person asks."""

    def takes(self, account: Account, request: Request) -> bool:
        """Whether the request belongs to the dialog of a subscription of ours."""
        del account, request
        return False

    def notify(self, account: Account, key: str, request: Request, now: float) -> None:
        """NOTIFY, in a subscription of ours or unsolicited."""

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
