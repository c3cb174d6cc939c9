"""Several calls at once: switching between them, and the conference of some (mix-minus is the media's)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.ua.commands import JoinConference, LeaveConference, SetMemberMuted, SwitchTo
from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent


class SeveralCalls:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    def command(self, command: SwitchTo | JoinConference | LeaveConference | SetMemberMuted, now: float) -> None:
        """What the person asks."""

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
