"""Commands: what a person or a script asks (architecture.md "Four words"). Imperative; frozen values.

`call_id` is ours (chosen by the front end, any opaque text), not the SIP Call-ID.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.ua.account import Account, AccountId
from softphone.ua.open_dialog import OpenDialog

CallId = str


@dataclass(frozen=True, slots=True)
class AddAccount:
    """Adds or replaces an account; registers it if `account.register`."""

    account: Account


@dataclass(frozen=True, slots=True)
class RemoveAccount:
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Register:
    """Register now (also: try again at once after a failure)."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Unregister:
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Dial:
    """`target` as typed: a SIP or tel URI, `user@host`, or a user part or number of the account's domain."""

    call_id: CallId
    target: str
    account_id: AccountId | None = None  # None: the first account


@dataclass(frozen=True, slots=True)
class Answer:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class AnswerUnencrypted:
    """Answer a call that cannot be encrypted, the person having been told (policy "ask")."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class StartEarlyMedia:
    """Let the caller hear us before the answer (183 with SDP); announcement services do this."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Decline:
    call_id: CallId
    status: int = 603  # 486 busy here, 603 decline


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ends a call in any state: CANCEL, BYE or a final response, as the state asks."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Hold:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class Resume:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class Mute:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class Unmute:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Digits 0-9 * # A-D as telephone-events (RFC 4733)."""

    call_id: CallId
    digits: str


@dataclass(frozen=True, slots=True)
class AgreeToUnencrypted:
    """The person agrees that this outgoing call goes on without encryption (policy "ask")."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class FollowRedirect:
    """The person agrees to call the contact that a 3xx named."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class EndOrphan:
    """A dialog of an engine that died: say that its call is lost, and send its BYE (`orphans.py`)."""

    dialog: OpenDialog


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End all calls, unregister all accounts, close all flows."""


Command = (
    AddAccount
    | RemoveAccount
    | Register
    | Unregister
    | Dial
    | Answer
    | AnswerUnencrypted
    | StartEarlyMedia
    | Decline
    | HangUp
    | Hold
    | Resume
    | Mute
    | Unmute
    | SendDigits
    | AgreeToUnencrypted
    | FollowRedirect
    | EndOrphan
    | Shutdown
)
