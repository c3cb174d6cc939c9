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
    account_id: AccountId | None = None  # None: the default account, which is the first one
    hide_identity: bool | None = None  # privacy of this call (RFC 3323); None: as the account says


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
class Silence:
    """Be quiet: calls that ring now go on without a sound, a busy tone ends. The next call rings again."""


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
    """Digits 0-9 * # A-D as the account's `DigitsMode` says; a comma waits one second, a semicolon two."""

    call_id: CallId
    digits: str


@dataclass(frozen=True, slots=True)
class Record:
    """Record both sides of an answered call from now on, or stop. RecordingChanged says what came of it."""

    call_id: CallId
    on: bool


@dataclass(frozen=True, slots=True)
class Deflect:
    """A ringing call to another address (302)."""

    call_id: CallId
    target: str


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """Talk in this call (or its conference): resume it, hold all others."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Rekey:
    """New SRTP keys for both directions by a new offer."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Transfer:
    """Blind: the other side of the call is to call `target` (RFC 3515, RFC 5589 §6)."""

    call_id: CallId
    target: str


@dataclass(frozen=True, slots=True)
class TransferTo:
    """Attended: the other sides of these two calls of ours are to talk to each other (RFC 3891, RFC 5589 §7)."""

    call_id: CallId
    other_call_id: CallId


@dataclass(frozen=True, slots=True)
class AcceptTransfer:
    """The other side asked us to call elsewhere (TransferRequested). The new call gets this id."""

    call_id: CallId
    new_call_id: CallId


@dataclass(frozen=True, slots=True)
class RefuseTransfer:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class JoinConference:
    """These calls, and those that are joined already, hear each other. Held ones are resumed.

    Where some are encrypted and some are not, only with `unencrypted_agreed`: the person was asked (security.md).
    """

    call_ids: tuple[CallId, ...]
    unencrypted_agreed: bool = False  # the person agrees that a call in clear makes all of it unencrypted


@dataclass(frozen=True, slots=True)
class LeaveConference:
    """Split this call off; it is put on hold. The last one left is an ordinary call."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class SetMemberMuted:
    """Nobody in the conference hears this member."""

    call_id: CallId
    muted: bool


@dataclass(frozen=True, slots=True)
class PickUp:
    """Take the call that rings at a watched line (RFC 3891, or its feature code)."""

    call_id: CallId  # of the call this makes
    account_id: AccountId
    uri: str  # the watched line's


@dataclass(frozen=True, slots=True)
class SendInstantMessage:
    """SIP MESSAGE (RFC 3428). `message_id` is ours; MessageDelivery follows."""

    message_id: str
    target: str
    text: str
    account_id: AccountId | None = None


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
    | Silence
    | HangUp
    | Hold
    | Resume
    | Mute
    | Unmute
    | SendDigits
    | Record
    | Deflect
    | SwitchTo
    | Rekey
    | Transfer
    | TransferTo
    | AcceptTransfer
    | RefuseTransfer
    | JoinConference
    | LeaveConference
    | SetMemberMuted
    | PickUp
    | SendInstantMessage
    | AgreeToUnencrypted
    | FollowRedirect
    | EndOrphan
    | Shutdown
)
