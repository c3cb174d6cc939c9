"""Header fields of event notification: Event and Subscription-State (RFC 6665 §8.2.1, §8.2.3).

Owns: reading them. What a subscriber does with them is `ua/subscription.py`'s. Raises RemoteProtocolError(400).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import parse_delta_seconds
from softphone.sip.message import Message
from softphone.sip.tokens import LWS, find_parameter, is_token, parse_parameters
from softphone.sip.uri import Parameters


@dataclass(frozen=True, slots=True)
class EventValue:
    """§8.2.1: the package's name, and the `id` that tells two subscriptions of one dialog apart."""

    package: str
    id: str = ""


class Substate(Enum):
    """§8.2.3 substate-value."""

    ACTIVE = "active"
    PENDING = "pending"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class SubscriptionStateValue:
    """§8.2.3. `expires` and `retry_after` in seconds; `reason` as sent, in lower case."""

    substate: Substate
    reason: str = ""
    expires: int | None = None
    retry_after: int | None = None


def event_of(message: Message) -> EventValue | None:
    """None without the field."""
    value = message.headers.get("Event")
    if value is None:
        return None
    package, parameters = _token_with_parameters(value, "Event")
    return EventValue(package, find_parameter(parameters, "id") or "")


def subscription_state_of(message: Message) -> SubscriptionStateValue | None:
    """None without the field; a substate that RFC 6665 does not name is refused."""
    value = message.headers.get("Subscription-State")
    if value is None:
        return None
    name, parameters = _token_with_parameters(value, "Subscription-State")
    try:
        substate = Substate(name.lower())
    except ValueError as error:
        raise RemoteProtocolError("Subscription-State is none that is known") from error
    return SubscriptionStateValue(
        substate,
        (find_parameter(parameters, "reason") or "").lower(),
        _seconds(parameters, "expires"),
        _seconds(parameters, "retry-after"),
    )


def _token_with_parameters(value: str, field: str) -> tuple[str, Parameters]:
    name, semicolon, tail = value.partition(";")
    name = name.strip(LWS)
    if not is_token(name):
        raise RemoteProtocolError(f"{field} cannot be read")
    return name, parse_parameters(semicolon + tail)


def _seconds(parameters: Parameters, name: str) -> int | None:
    value = find_parameter(parameters, name)
    return None if value is None else parse_delta_seconds(value)
