"""What a feature beside the call itself looks like to the user agent: it hears what happened, it has timers.

A feature (transfers, conference, subscriptions …) is one file with one class. The user agent hands it its commands by
type, `incoming.py` its requests by method, and `saw` everything that was told to the person.
"""

from __future__ import annotations

from typing import Protocol

from softphone.ua.events import Event


class Usage(Protocol):
    def saw(self, event: Event, now: float) -> None:
        """After the event was emitted, in order; what it emits itself is seen, too."""
        ...

    def next_timer(self) -> float | None: ...

    def handle_timer(self, now: float) -> None: ...
