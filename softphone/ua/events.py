"""Events: what happened, in user terms (architecture.md "Four words"). Past tense; frozen values; no secrets."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.errors import Failure
from softphone.sdp.negotiated import Direction
from softphone.ua.account import AccountId
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
class IncomingCall:
    """Ringing here. `unencrypted` is set when answering means a clear call (policy "ask" or "allow" or Disabled)."""

    call_id: CallId
    account_id: AccountId
    remote: Party
    called: str  # the request URI: which of our addresses was called
    unencrypted: str | None = None  # the reason, in words
    needs_consent: bool = False  # only AnswerUnencrypted takes it


@dataclass(frozen=True, slots=True)
class CallStarted:
    """An outgoing call is on its way."""

    call_id: CallId
    account_id: AccountId
    remote: Party


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
    | DigitPressed
    | CallReported
    | CallNotice
    | CallRefused
    | CallLost
    | CallEnded
)
