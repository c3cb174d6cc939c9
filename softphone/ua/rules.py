"""What a phone takes and what it does not: the rules the dispatcher asks. The built-in lab brings rules of its own."""

from __future__ import annotations

from typing import Protocol

from softphone.policy.media import MediaPolicy
from softphone.sip.message import Request, Response
from softphone.sip.uri import SipUri, TelUri, Uri
from softphone.ua.account import Account


class Rules(Protocol):
    @property
    def talks_in_one(self) -> bool:
        """Whether one person talks here, so that all other calls are put on hold (`several_calls.py`)."""
        ...

    def intercept(self, request: Request, now: float) -> Response | None:
        """A response to give at once to a request outside a dialog, before the usual treatment; None to go on."""
        ...

    def serves(self, account: Account, uri: Uri) -> bool:
        """Whether the request URI is ours (RFC 3261 §8.2.2.1: 404 if not)."""
        ...

    def media_policy(self, account: Account, uri: Uri) -> MediaPolicy: ...

    def busy(self, account: Account, running_calls: int) -> bool: ...


class PhoneRules:
    """One person's phone: calls for the account's user, as many as the account's rules take."""

    talks_in_one: bool = True

    def intercept(self, request: Request, now: float) -> Response | None:
        del request, now
        return None

    def serves(self, account: Account, uri: Uri) -> bool:
        match uri:
            case SipUri(user=user):
                return user is None or user == account.user
            case TelUri(number=number):
                return number == account.user
            case _:
                return False

    def media_policy(self, account: Account, uri: Uri) -> MediaPolicy:
        del uri
        return account.media_policy

    def busy(self, account: Account, running_calls: int) -> bool:
        return running_calls >= (account.rules.max_calls if account.rules.call_waiting else 1)
