"""SIP, SIPS, tel and other URIs (RFC 3261 §19.1 and §25.1, RFC 3966, RFC 3986) as values."""

from __future__ import annotations

from dataclasses import dataclass

# (name, value); a flag parameter such as `lr` has the value None. Names are kept as received, compared without case.
Parameters = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class SipUri:
    """`scheme` is "sip" or "sips"; `user` is unescaped; `host` has no brackets around an IPv6 address."""

    scheme: str
    host: str
    user: str | None = None
    password: str | None = None
    port: int | None = None
    parameters: Parameters = ()
    headers: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter; "" for a flag that is present, None if absent."""
        for key, value in self.parameters:
            if key.lower() == name:
                return value or ""
        return None


@dataclass(frozen=True, slots=True)
class TelUri:
    """RFC 3966; `number` with a leading "+" is global, otherwise local (phone-context)."""

    number: str
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class OtherUri:
    """Any other absolute URI: carried, never called."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | TelUri | OtherUri
