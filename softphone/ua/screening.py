"""What an account's rules do with an incoming call: deny, do not disturb, forward, busy, answer by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class Screening:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
