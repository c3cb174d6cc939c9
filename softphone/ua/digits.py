"""Digits: telephone-event (RFC 4733), SIP INFO (RFC 6086), tones; a queue with pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softphone.sip.message import Request
from softphone.ua.actions import SendTelephoneEvents
from softphone.ua.call import Call
from softphone.ua.commands import SendDigits
from softphone.ua.events import Event

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

DIGITS = frozenset("0123456789*#ABCD")
MAX_DIGITS = 100  # of one SendDigits


class Digits:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent

    def command(self, command: SendDigits, now: float) -> None:
        """What the person asks."""
        del now
        call = self._agent.calls.get(command.call_id)
        digits = command.digits.upper()
        if call is None or not digits or not set(digits) <= DIGITS or len(digits) > MAX_DIGITS:
            return
        if call.media.running is not None:
            self._agent.emit(SendTelephoneEvents(call.media.id, digits))

    def info(self, call: Call, key: str, request: Request, now: float) -> None:
        """INFO within a call."""

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """Nothing yet."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing yet."""
