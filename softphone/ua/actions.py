"""Actions: what the core wants from the world (architecture.md "Four words"). Performed by the engine, in order."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.account import AccountId, ServerTarget

FlowId = str
MediaId = str


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """Resolve (RFC 3263), connect, handshake and verify; answered by FlowOpened or FlowClosed.

    The engine finds the account's TLS settings by `account_id`. It tries the addresses of the server in the order of
    DNS, those to `avoid` last, in the order given here.
    """

    flow_id: FlowId
    account_id: AccountId
    server: ServerTarget
    avoid: tuple[tuple[str, int], ...] = ()  # remote address and port: they took a connection and did not serve
    redirected: bool = False  # `server` is not the account's own: its pins and expected name do not hold there


@dataclass(frozen=True, slots=True)
class SendBytes:
    flow_id: FlowId
    data: bytes


@dataclass(frozen=True, slots=True)
class CloseFlow:
    """Flush what was sent and close; no FlowClosed input follows."""

    flow_id: FlowId


@dataclass(frozen=True, slots=True)
class OpenMedia:
    """Bind the RTP and RTCP sockets of a call on the flow's local address; answered by MediaOpened or MediaFailed."""

    media_id: MediaId
    flow_id: FlowId


@dataclass(frozen=True, slots=True)
class StartMedia:
    """Start sending and receiving as negotiated."""

    media_id: MediaId
    media: NegotiatedMedia


@dataclass(frozen=True, slots=True)
class UpdateMedia:
    """A later offer/answer changed the session; unchanged keys keep their roll-over counter (security.md)."""

    media_id: MediaId
    media: NegotiatedMedia


@dataclass(frozen=True, slots=True)
class StopMedia:
    """RTCP BYE, close the sockets; answered by a last MediaReport if the media had started."""

    media_id: MediaId


@dataclass(frozen=True, slots=True)
class SetMuted:
    media_id: MediaId
    muted: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """Another call is talked in: this one neither hears the person nor is heard, whatever its peer says to a hold."""

    media_id: MediaId
    aside: bool


@dataclass(frozen=True, slots=True)
class SendTelephoneEvents:
    media_id: MediaId
    digits: str


@dataclass(frozen=True, slots=True)
class SendTones:
    """Digits as tones in the voice, whatever was negotiated."""

    media_id: MediaId
    digits: str


@dataclass(frozen=True, slots=True)
class RebindMedia:
    """The local address changed: new sockets on the flow's address; answered by MediaOpened or MediaFailed.

    What runs goes on over the new sockets at once, with the same keys and roll-over counters.
    """

    media_id: MediaId
    flow_id: FlowId


@dataclass(frozen=True, slots=True)
class MixMedia:
    """These sessions are one conference from now on: each hears the microphone and all others but itself (mix-minus).

    Fewer than two: there is no conference. What `silenced` ones send is heard by nobody.
    """

    media_ids: tuple[MediaId, ...]
    silenced: tuple[MediaId, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordMedia:
    """Record both sides of this session; answered by RecordingReported, then and whenever that changes.

    What is known of the call is kept inside the recording.
    """

    media_id: MediaId
    account_id: AccountId
    remote_uri: str
    remote_name: str
    incoming: bool


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Answered by RecordingReported. The media's end ends its recording, too."""

    media_id: MediaId


@dataclass(frozen=True, slots=True)
class AnnounceRecording:
    """The other side of this session hears now and then the beep that says that it is recorded, or no more."""

    media_id: MediaId
    on: bool


class Tone(enum.Enum):
    RINGING = "ringing"  # a call comes
    CALL_WAITING = "call-waiting"  # a call comes while another one is talked in
    RINGBACK = "ringback"  # the other side rings and sends no media of its own
    BUSY = "busy"
    CONGESTION = "congestion"  # not now: the network, a server or the other side's phone
    SPECIAL_INFORMATION = "special-information"  # not so: this address, or what was asked of it
    AUTO_ANSWERED = "auto-answered"
    RECORDING = "recording"  # from now on
    NOT_RECORDING = "not-recording"  # any more


@dataclass(frozen=True, slots=True)
class PlayTone:
    """To the person alone; None stops what this call plays. RINGING is heard on the ringer, all else where calls are.

    `ringtone` is the account's own sound file for RINGING, "" the one of all accounts.
    """

    call_id: str
    tone: Tone | None
    ringtone: str = ""


@dataclass(frozen=True, slots=True)
class PlayDigit:
    """The short tone of a key that was pressed, to the person alone: what the other side hears is another action's."""

    call_id: str
    digit: str


Action = (
    OpenFlow
    | SendBytes
    | CloseFlow
    | OpenMedia
    | StartMedia
    | UpdateMedia
    | StopMedia
    | SetMuted
    | SetAside
    | SendTelephoneEvents
    | SendTones
    | RebindMedia
    | MixMedia
    | RecordMedia
    | StopRecording
    | AnnounceRecording
    | PlayTone
    | PlayDigit
)
