"""A call sent on to another address: the 302 that says so, and the rule that ends loops (RFC 3261 §21.3.3, RFC 5806).

Owns: Contact and Diversion of that answer. The rules of an account that want it are `screening.py`'s.
"""

from __future__ import annotations

from dataclasses import replace

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.sip.message import Request
from softphone.sip.uri import SipUri, Uri, is_sips
from softphone.ua.account import Account
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.identity import own_address, stations

MAX_SENT_ON = 5  # stations after which nobody is helped by another one

# Why, in CallDeflected's words, and as Diversion says it (RFC 5806 §4).
_DIVERSION_REASONS = {
    "always": "unconditional",
    "busy": "user-busy",
    "no-answer": "no-answer",
    "deflected": "deflection",
}


def redirection(account: Account, invite: Request, target: str, why: str) -> tuple[tuple[str, str], ...]:
    """The header fields of the 302; `target` as a person types it.

    Raises OperationFailed: the address cannot be called, is not secure, or the call has been sent on too often.
    """
    uri = parse_dial_target(target, account.domain)
    if is_sips(invite.uri):
        uri = replace(uri, scheme="sips")  # what was asked for is never lowered (RFC 3261 §8.1.3.4)
    _check_loop(account, invite)
    diversion = f"<{own_address(account).uri}>;reason={_DIVERSION_REASONS[why]}"
    return (("Contact", f"<{uri}>"), ("Diversion", diversion))


def _check_loop(account: Account, invite: Request) -> None:
    passed = stations(invite)
    if len(passed) >= MAX_SENT_ON:
        raise _too_often(f"it had been sent on {len(passed)} times")
    if any(_is_account(account, station.address.uri) for station in passed):
        raise _too_often("it had been sent on by this account before and came back")


def _is_account(account: Account, uri: Uri) -> bool:
    return isinstance(uri, SipUri) and (uri.user, uri.host.casefold()) == (account.user, account.domain.casefold())


def _too_often(why: str) -> OperationFailed:
    return OperationFailed(
        Failure(
            FailureKind.REJECTED,
            f"A call was not sent on: {why}.",
            "Check where the addresses forward to that your calls are sent to.",
        )
    )
