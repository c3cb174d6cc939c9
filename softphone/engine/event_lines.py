"""An event as a plain object for scripts: `{"event": "incoming-call", …fields…, "at": seconds}`.

Owns: the names (the event's class in kebab-case). The fields are those that cross the link, which lets no secret out.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from softphone.engine.link.codec import EVENTS, members
from softphone.messages import AnyEvent

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def event_name(kind: type[Any]) -> str:
    return _WORD.sub("-", kind.__name__).lower()


EVENT_NAMES: frozenset[str] = frozenset(event_name(kind) for kind in members(AnyEvent))


def event_object(event: AnyEvent, at: float | None = None) -> dict[str, Any]:
    """`at` is a reading of the engine's clock in seconds, which goes on while the machine sleeps."""
    body = msgspec.json.decode(EVENTS.encode(event))["body"]
    return {"event": event_name(type(event)), **body, **({} if at is None else {"at": round(at, 3)})}
