"""Secret values whose text form is redacted: passwords, master keys, digest secrets.

A secret is taken out only by the call that says so (`reveal`), which makes every use easy to find.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that must never reach a log, a repr or a link outwards."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(redacted)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class SecretBytes:
    """Octets that must never reach a log, a repr or a link: SRTP master keys and salts."""

    _value: bytes = field(repr=False)

    def reveal(self) -> bytes:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"SecretBytes({len(self._value)} octets, redacted)"

    __str__ = __repr__
