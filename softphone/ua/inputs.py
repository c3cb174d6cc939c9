"""Inputs: what the world did (architecture.md "Four words"). From the engine to the user agent."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.errors import Failure
from softphone.ua.actions import FlowId, MediaId
from softphone.ua.media_report import MediaReport


@dataclass(frozen=True, slots=True)
class FlowDescription:
    """A verified TLS flow, for Via, Contact and the receipt. Addresses are literals without brackets."""

    tls_version: str  # "TLSv1.3"
    tls_cipher: str  # OpenSSL's name
    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    identity: str  # the name in the certificate that matched, or "pinned"
    handshake_ms: float = 0.0  # resolution, connection and handshake together
    warnings: tuple[str, ...] = ()  # sentences for the screen: a certificate that expires soon
    notes: tuple[str, ...] = ()  # sentences for the receipt: a wildcard that matched
    endpoints: int = 1  # addresses that the server's name leads to
    untried: int = 0  # of those, how many come after this one and have not failed in this outage


@dataclass(frozen=True, slots=True)
class FlowOpened:
    flow_id: FlowId
    flow: FlowDescription


@dataclass(frozen=True, slots=True)
class BytesReceived:
    flow_id: FlowId
    data: bytes


@dataclass(frozen=True, slots=True)
class FlowClosed:
    """The flow could not be opened, or an open one ended."""

    flow_id: FlowId
    failure: Failure


@dataclass(frozen=True, slots=True)
class MediaOpened:
    """`rtcp_port` is `rtp_port` + 1."""

    media_id: MediaId
    address: str
    rtp_port: int
    rtcp_port: int
    dtls_fingerprint: str = ""  # of our certificate, as in a=fingerprint (RFC 8122): "sha-256 4A:AD:…"


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """Sockets could not be bound, or the audio device could not be opened and no other took its place."""

    media_id: MediaId
    failure: Failure


@dataclass(frozen=True, slots=True)
class MediaSecured:
    """The first SRTP packet of the peer under this suite has authenticated."""

    media_id: MediaId
    srtp_suite: str = ""  # what protects it; "" is taken for the suite of the negotiated key


@dataclass(frozen=True, slots=True)
class KeysAging:
    """An SRTP key has most of its life behind it (RFC 3711 §9.2): time to agree on new ones."""

    media_id: MediaId


@dataclass(frozen=True, slots=True)
class MediaFlowing:
    """The first RTP packet of the peer on a ClearMedia session has arrived."""

    media_id: MediaId


@dataclass(frozen=True, slots=True)
class MediaInterrupted:
    """Nothing authentic comes any more while something is due, or it comes again (`over`): the network is to blame."""

    media_id: MediaId
    over: bool = False


@dataclass(frozen=True, slots=True)
class MediaTimedOut:
    """Nothing authentic has arrived for the media time-out."""

    media_id: MediaId
    silent_s: float


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A telephone-event of the peer has ended."""

    media_id: MediaId
    digit: str


@dataclass(frozen=True, slots=True)
class MediaReported:
    """Statistics, about once a second and a last time (`final`) when the media has stopped."""

    media_id: MediaId
    report: MediaReport
    final: bool = False


@dataclass(frozen=True, slots=True)
class RecordingReported:
    """A recording runs, or it does not (any more). `failure` is why, or what the person should know of it."""

    media_id: MediaId
    recording: bool
    failure: Failure | None = None
    announced: bool = False  # the other side is to hear that it is recorded


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The local addresses changed or the machine woke: every flow is under suspicion.

    `lost` are flows whose local address is gone: they are dead, no ping is needed.
    """

    woke: bool = False
    lost: tuple[FlowId, ...] = ()


Input = (
    FlowOpened
    | BytesReceived
    | FlowClosed
    | MediaOpened
    | MediaFailed
    | MediaSecured
    | KeysAging
    | MediaFlowing
    | MediaInterrupted
    | MediaTimedOut
    | DigitReceived
    | MediaReported
    | RecordingReported
    | NetworkChanged
)
