"""The words of the link as JSON and back: registered dataclasses only, converted strictly.

Owns: which words cross, in which direction, and the version that both ends must share. A message is
{"type": name, "body": {...}}; an event has "at" besides, the engine's clock when it happened.
Any octets give a value or LinkBroken. A secret crosses inwards only: outwards its presence is an error of ours.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import re
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from softphone.engine.link.failures import LinkBroken
from softphone.engine.link.greeting import LINK_VERSION, Hello, Refused, Welcome
from softphone.errors import LocalProtocolError
from softphone.messages import AnyCommand, AnyEvent
from softphone.policy.secret import Secret, SecretBytes
from softphone.ua.commands import AddAccount, EndOrphan, RemoveAccount, Shutdown

NOT_FROM_OUTSIDE = frozenset({AddAccount, RemoveAccount, Shutdown, EndOrphan})
"""The controller's own words to the user agent: a front end that could say them would go round settings and policy
(an account brings its media policy). Front ends say SignIn, SignOut and Quit."""

Inward: TypeAlias = AnyCommand | Hello
Outward: TypeAlias = AnyEvent | Welcome | Refused


_SURROGATES = re.compile("[\ud800-\udfff]")


class SecretOutward(LocalProtocolError):
    """A bug of ours: something secret was about to leave the engine."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that arrived; `at` with events only, seconds of the engine's clock."""

    value: Any
    at: float | None = None


class Codec:
    """One direction of the link."""

    def __init__(self, kinds: Iterable[type[Any]], *, secrets_cross: bool) -> None:
        self.kinds = {kind.__name__: kind for kind in kinds}
        self._secrets_cross = secrets_cross

    def encode(self, value: Any, at: float | None = None) -> bytes:
        """Raises LocalProtocolError for what does not cross in this direction, SecretOutward for a secret."""
        name = type(value).__name__
        if self.kinds.get(name) is not type(value):
            raise LocalProtocolError(f"{name} does not cross the link in this direction")
        envelope = {"type": name, "body": self._plain(value)}
        if at is not None:
            envelope["at"] = at
        return msgspec.json.encode(envelope)

    def decode(self, data: bytes) -> Envelope:
        """Raises LinkBroken, whose text holds nothing of the data."""
        try:
            envelope = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise LinkBroken("a message is not JSON") from None
        if not isinstance(envelope, dict) or not envelope.keys() <= {"type", "body", "at"}:
            raise LinkBroken("a message is not an envelope")
        name, body, at = envelope.get("type"), envelope.get("body"), envelope.get("at")
        kind = self.kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise LinkBroken("a message has no type that crosses the link in this direction")
        if not isinstance(body, dict) or not (at is None or isinstance(at, float | int)):
            raise LinkBroken(f"a {name} is not well-formed")
        if not body.keys() <= {field.name for field in dataclasses.fields(kind)}:
            raise LinkBroken(f"a {name} has fields that are not known")
        try:
            return Envelope(msgspec.convert(body, kind), at)
        except (msgspec.ValidationError, RecursionError, OverflowError):
            raise LinkBroken(f"a {name} is not well-formed") from None

    def _plain(self, value: Any) -> Any:
        """Own code and not the library's, which would write a Secret as the dataclass that it is."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return _printable(value)
            case enum.Enum():
                return value.value
            case tuple() | list():
                return [self._plain(item) for item in value]
            case SecretBytes():
                raise SecretOutward("keys never cross the link")
            case Secret() if self._secrets_cross:
                return {"_value": value.reveal()}
            case Secret():
                raise SecretOutward("a secret was about to leave the engine")
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return {field.name: self._plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
            case _:
                raise LocalProtocolError(f"{type(value).__name__} cannot cross the link")


def _printable(text: str) -> str:
    """Octets of a peer that were not UTF-8 are lone surrogates inside; JSON has no place for them."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def members(union: Any) -> tuple[type[Any], ...]:
    """The classes of a union of unions, each once."""
    if isinstance(union, type):
        return (union,)
    return tuple(dict.fromkeys(kind for part in typing.get_args(union) for kind in members(part)))


COMMANDS = Codec(
    (Hello, *(kind for kind in members(AnyCommand) if kind not in NOT_FROM_OUTSIDE)),
    secrets_cross=True,
)
EVENTS = Codec((Welcome, Refused, *members(AnyEvent)), secrets_cross=False)


def dataclasses_within(kind: Any) -> set[type[Any]]:
    """Every dataclass that a value of this type can hold, itself included."""
    found: set[type[Any]] = set()
    waiting = [kind]
    while waiting:
        part = waiting.pop()
        waiting += typing.get_args(part)
        if isinstance(part, type) and dataclasses.is_dataclass(part) and part not in found:
            found.add(part)
            waiting += typing.get_type_hints(part).values()
    return found


def _shapes() -> str:
    """Names and types of everything that crosses: two builds that differ here cannot understand each other."""
    kinds = {part for codec in (COMMANDS, EVENTS) for kind in codec.kinds.values() for part in dataclasses_within(kind)}
    lines = sorted(
        f"{kind.__qualname__}({', '.join(f'{field.name}: {field.type}' for field in dataclasses.fields(kind))})"
        for kind in kinds
    )
    return "\n".join(lines)


VERSION = f"{LINK_VERSION}-{hashlib.sha256(_shapes().encode()).hexdigest()[:12]}"
"""Both ends must say the same: the number, and a digest of all shapes, so that no change is forgotten."""
