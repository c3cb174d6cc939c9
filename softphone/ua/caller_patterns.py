"""Patterns of callers as a person writes them into an account's rules, and whether an address fits one.

Owns: the four forms "user", "+49…*" (begins with), "user@domain" and "@domain". Upper and lower case are alike, and
so are "+49 30 1234" and "+49301234". Which address of a caller may be believed is `screening.py`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.sip.uri import SipUri, TelUri, Uri

MAX_PATTERN_LENGTH = 256  # characters
MAX_PATTERNS = 500  # of one list; each one is asked at each call

_SEPARATORS = re.compile(r"[ ().\-/]")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_NOT_IN_USER = re.compile(r"[\x00-\x1f\x7f<>\",;:@]")
_NOT_IN_DOMAIN = re.compile(r"[\x00-\x20\x7f<>\",;*@]")


@dataclass(frozen=True, slots=True)
class CallerPattern:
    """`user` "" fits every user, `domain` "" every domain."""

    user: str
    domain: str
    begins: bool = False  # `user` is how it begins

    def fits(self, uri: Uri) -> bool:
        match uri:
            case SipUri(user=user, host=host):
                name, domain = user or "", host
            case TelUri(number=number):
                name, domain = number, ""
            case _:
                return False
        if self.domain and self.domain != _domain(domain):
            return False
        name = _plain(name)
        return name.startswith(self.user) if self.begins else self.user in ("", name)


def caller_pattern(text: str) -> CallerPattern:
    """Raises OperationFailed (SETTINGS) for what would fit nobody, or everybody."""
    user, at, domain = text.strip().rpartition("@")
    if not at:
        user, domain = domain, ""
    begins = user.endswith("*")
    user = user[:-1] if begins else user
    user = _plain(user)
    wrong = (
        len(text) > MAX_PATTERN_LENGTH
        or not (user or domain)
        or bool(at and not domain)
        or bool(_NOT_IN_USER.search(user) or _NOT_IN_DOMAIN.search(domain))
        or ("*" in user and not _NUMBER.fullmatch(user))
    )
    if wrong:
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                f"“{text[:MAX_PATTERN_LENGTH]}” does not say which callers are meant.",
                "Write a user or a number, how a number begins followed by *, user@domain, or @domain.",
            )
        )
    return CallerPattern(user, _domain(domain), begins)


def caller_patterns(texts: tuple[str, ...]) -> tuple[CallerPattern, ...]:
    """Raises OperationFailed (SETTINGS)."""
    if len(texts) > MAX_PATTERNS:
        raise OperationFailed(
            Failure(
                FailureKind.SETTINGS,
                f"A list of callers has more than {MAX_PATTERNS} entries.",
                "Use patterns that begin alike, or a domain, to say it with fewer.",
            )
        )
    return tuple(caller_pattern(text) for text in texts)


def _plain(user: str) -> str:
    compact = _SEPARATORS.sub("", user)
    return compact if _NUMBER.fullmatch(compact) else user.casefold()


def _domain(host: str) -> str:
    return host.strip("[]").rstrip(".").casefold()
