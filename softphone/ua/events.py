"""Events: what happened, in user terms (architecture.md "Four words"). Past tense; frozen values; no secrets."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from softphone.errors import Failure
from softphone.policy.media import KeyExchange
from softphone.sdp.negotiated import Direction
from softphone.ua.account import AccountId
from softphone.ua.call_warnings import CallWarning
from softphone.ua.commands import CallId
from softphone.ua.inputs import FlowDescription
from softphone.ua.media_report import MediaReport


class RegistrationState(enum.Enum):
    OFFLINE = "offline"  # not asked to register, or unregistered
    CONNECTING = "connecting"  # opening the flow
    REGISTERING = "registering"
    REGISTERED = "registered"
    WAITING = "waiting"  # failed, will try again
    FAILED = "failed"  # failed, waits for the person


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    account_id: AccountId
    state: RegistrationState
    failure: Failure | None = None  # with WAITING and FAILED
    retry_in_s: float | None = None  # with WAITING
    expires_s: int | None = None  # with REGISTERED
    status: int | None = None  # last SIP status
    flow: FlowDescription | None = None  # the verified flow while there is one


@dataclass(frozen=True, slots=True)
class Party:
    """The other side as it names itself; untrusted text."""

    uri: str
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Diversion:
    """One station on a call's way: who sent it on, and why (RFC 5806 Diversion, RFC 7044 History-Info)."""

    party: Party
    reason: str = ""  # "busy", "no-answer", "unconditional" …; "" unknown


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """What the server and the caller say of who calls, beside From. Untrusted text of the peer."""

    asserted: Party | None = None  # P-Asserted-Identity (RFC 3325), else Remote-Party-ID: what the server vouches for
    anonymous: bool = False  # the caller asked not to be named (RFC 3323)
    diversions: tuple[Diversion, ...] = ()  # the latest first
    referred_by: Party | None = None  # who sent the caller to us by a transfer (RFC 3892)


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """Ringing here. `unencrypted` is set when answering means a clear call (policy "ask" or "allow" or Disabled)."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    called: str  # the request URI: which of our addresses was called
    unencrypted: str | None = None  # the reason, in words
    needs_consent: bool = False  # only AnswerUnencrypted takes it
    identity: CallerIdentity = field(default_factory=CallerIdentity)
    waiting: bool = False  # another call runs: call waiting
    auto_answered: bool = False  # answered without asking, as the account's rules allow; audible
    replaces: CallId | None = None  # a call of ours that this one takes over (RFC 3891)


@dataclass(frozen=True, slots=True)
class CallSilenced:
    """It rings on, and nothing is heard of it any more."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class CallStarted:
    """An outgoing call is on its way."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    replaces: CallId | None = None  # the call that a transfer sent on to this one


@dataclass(frozen=True, slots=True)
class CallRinging:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class EarlyMediaStarted:
    call_id: CallId


@dataclass(frozen=True, slots=True)
class CallEstablished:
    """Answered by either side. `setup_ms` from Dial or from the incoming INVITE's answer."""

    call_id: CallId
    codec: str
    setup_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CallSecured:
    """The first authenticated packet of the peer arrived: encrypted to the server, in both directions negotiated."""

    call_id: CallId
    srtp_suite: str
    flow: FlowDescription
    key_exchange: KeyExchange = KeyExchange.SDES


@dataclass(frozen=True, slots=True)
class CallNotEncrypted:
    """The media of this call is clear, for this reason; shown from now to the end."""

    call_id: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class ConsentRequested:
    """The other side cannot encrypt; no media flows until AgreeToUnencrypted."""

    call_id: CallId
    reason: str


@dataclass(frozen=True, slots=True)
class RedirectOffered:
    call_id: CallId
    target: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    call_id: CallId
    held_by_us: bool
    held_by_peer: bool
    direction: Direction


@dataclass(frozen=True, slots=True)
class MuteChanged:
    call_id: CallId
    muted: bool


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """Both sides of the call are recorded, or not (any more); `failure` says why not, or what is missing."""

    call_id: CallId
    recording: bool
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RemoteIdentityChanged:
    """Connected line: who is at the other end now (RFC 4916, RFC 3325, Remote-Party-ID)."""

    call_id: CallId
    remote: Party
    asserted: bool = False  # the server vouches for it


@dataclass(frozen=True, slots=True)
class DigitsSent:
    """These have gone out, in this order."""

    call_id: CallId
    digits: str


class TransferRole(enum.Enum):
    TRANSFEROR = "transferor"  # we sent the REFER
    TRANSFEREE = "transferee"  # we are to call elsewhere


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """The other side asks us to call `target`; AcceptTransfer or RefuseTransfer decides."""

    call_id: CallId
    target: str
    referred_by: Party | None = None
    attended: bool = False


@dataclass(frozen=True, slots=True)
class TransferProgressed:
    """How far the transfer is (RFC 3515 §2.4.5): a SIP status of the new call."""

    call_id: CallId
    role: TransferRole
    target: str
    status: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TransferEnded:
    """`failure` None: it succeeded, and this call ends. Otherwise the call goes on."""

    call_id: CallId
    role: TransferRole
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ConferenceChanged:
    """Who is joined now; empty: nobody. `muted` are those whom nobody hears.

    `not_encrypted` is why it is not encrypted, in words: one member's call is clear, so everything said in it is.
    """

    call_ids: tuple[CallId, ...]
    muted: tuple[CallId, ...] = ()
    not_encrypted: str | None = None


@dataclass(frozen=True, slots=True)
class CallDeflected:
    """An incoming call that never rang, or was sent on: by a rule of the account or by the person."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    why: str  # "always", "busy", "no-answer", "do-not-disturb", "denied", "busy-here", "deflected"
    target: str = ""  # where it was sent; "" nowhere
    status: int = 302


@dataclass(frozen=True, slots=True)
class MessageWaitingChanged:
    """RFC 3842. Counts are None where the server gives none."""

    account_id: AccountId
    waiting: bool
    new: int | None = None
    old: int | None = None
    voicemail: str = ""  # the address to call; "" unknown


class LineState(enum.Enum):
    """A watched line (RFC 4235 §3.7.1 in people's words)."""

    UNKNOWN = "unknown"  # not subscribed, or the server refused
    IDLE = "idle"
    RINGING = "ringing"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class LineStateChanged:
    account_id: AccountId
    uri: str  # as in the settings
    state: LineState
    remote: Party | None = None  # who calls it or talks to it, if the server says
    failure: Failure | None = None  # why it is unknown


@dataclass(frozen=True, slots=True)
class MessageReceived:
    account_id: AccountId
    message_id: str  # ours
    remote: Party
    text: str


class DeliveryState(enum.Enum):
    SENDING = "sending"
    ACCEPTED = "accepted"  # 202: the server will deliver it
    DELIVERED = "delivered"  # 200
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MessageDelivery:
    account_id: AccountId
    message_id: str
    remote: Party
    text: str
    state: DeliveryState
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The peer pressed a key."""

    call_id: CallId
    digit: str


@dataclass(frozen=True, slots=True)
class CallReported:
    call_id: CallId
    report: MediaReport


@dataclass(frozen=True, slots=True)
class CallNotice:
    """Something the person should know that does not end the call: an offer refused, the line silent."""

    call_id: CallId
    failure: Failure


@dataclass(frozen=True, slots=True)
class CallWarningsChanged:
    """All that is wrong now: a silent microphone, a line that loses packets …; empty: nothing any more."""

    call_id: CallId
    warnings: tuple[CallWarning, ...]


@dataclass(frozen=True, slots=True)
class CallRefused:
    """An incoming call that never rang: its offer cannot be taken. The caller has got 488 (or the status within)."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    failure: Failure


@dataclass(frozen=True, slots=True)
class CallLost:
    """A call of an engine that failed, known from its journal. It is over; the other side is being told."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    incoming: bool
    failure: Failure


class EndedBy(enum.Enum):
    LOCAL = "local"
    REMOTE = "remote"
    NETWORK = "network"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The last event of a call. `failure` is None for an ordinary end."""

    call_id: CallId
    ended_by: EndedBy
    status: int | None = None  # final SIP status of the INVITE, received or sent by us
    failure: Failure | None = None
    duration_s: float = 0.0
    report: MediaReport | None = None


Event = (
    RegistrationChanged
    | IncomingCall
    | CallSilenced
    | CallStarted
    | CallRinging
    | EarlyMediaStarted
    | CallEstablished
    | CallSecured
    | CallNotEncrypted
    | ConsentRequested
    | RedirectOffered
    | HoldChanged
    | MuteChanged
    | RecordingChanged
    | RemoteIdentityChanged
    | DigitsSent
    | TransferRequested
    | TransferProgressed
    | TransferEnded
    | ConferenceChanged
    | CallDeflected
    | MessageWaitingChanged
    | LineStateChanged
    | MessageReceived
    | MessageDelivery
    | DigitPressed
    | CallReported
    | CallNotice
    | CallWarningsChanged
    | CallRefused
    | CallLost
    | CallEnded
)
