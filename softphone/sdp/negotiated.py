"""The result of offer/answer: secure media is a type, not a flag (architecture.md).

`NegotiatedMedia.security` is `SrtpSecurity` with keys of exact length, `DtlsSrtpSecurity` with the fingerprint that
the peer's certificate must have, or `ClearMedia`, which must be asked for by name and carries the reason and the
policy's origin to the screen. A refusal is a `Rejection`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.errors import Failure
from softphone.policy.origin import Origin
from softphone.sdp.dtls_attributes import Fingerprint
from softphone.srtp.master_key import SrtpKey


class Direction(enum.Enum):
    """RFC 3264 §5.1, from our point of view."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> Direction:
        return {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}.get(self, self)


@dataclass(frozen=True, slots=True)
class SrtpSecurity:
    """One SRTP session: what we protect with and what we unprotect with. All suites are equal."""

    send: SrtpKey
    receive: SrtpKey
    further: tuple[SrtpKey, ...] = ()  # what the peer may change to by itself: keys that MKIs tell apart


@dataclass(frozen=True, slots=True)
class DtlsSrtpSecurity:
    """SRTP whose keys a DTLS handshake on the media path agrees on (RFC 5763, RFC 5764).

    Nothing is sent or played before the peer's certificate has one of the fingerprints, which came over our verified
    flow. Another value is another association, which begins with a handshake of its own.
    """

    fingerprints: tuple[Fingerprint, ...]
    active: bool  # we open the handshake
    suites: tuple[str, ...]  # what we take, best first, by their SDES names
    tls_id: str = ""  # the peer's (RFC 8842)


@dataclass(frozen=True, slots=True)
class ClearMedia:
    """Media without encryption: allowed by a policy, for a reason that the screen shows."""

    reason: str
    origin: Origin


MediaSecurity = SrtpSecurity | DtlsSrtpSecurity | ClearMedia


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One RTP payload format as negotiated: payload types may differ by direction (RFC 3264 §6.1)."""

    name: str  # encoding name, upper case: "PCMU", "PCMA", "OPUS", "G722"
    clock_rate: int  # Hz, the RTP clock
    send_payload_type: int
    receive_payload_type: int
    parameters: str = ""  # the peer's fmtp


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """Everything the media session needs. Addresses are literals, ports > 0 (RTCP port 0: the peer wants none)."""

    remote_address: str
    remote_rtp_port: int
    remote_rtcp_port: int
    rtcp_mux: bool
    direction: Direction
    format: PayloadFormat
    telephone_event: PayloadFormat | None
    send_ptime: int  # ms
    security: MediaSecurity
    bit_rate: int | None = None  # bit/s of payloads that the peer's b= allows
    voip_metrics: bool = False  # the peer wants to know how we hear it (RFC 3611)
    comfort_noise: bool = False  # silence may be described instead of sent (RFC 3389, payload type 13)
    stream: int = 0  # another number is another early dialog's: what is sent there has an SSRC of its own


@dataclass(frozen=True, slots=True)
class Rejection:
    """An offer or answer we do not take: the SIP status to give, the Warning text and the words for our own screen."""

    status: int  # 488, 415, 400 …
    failure: Failure
    warning: str  # text of Warning 399 (RFC 3261 §20.43)


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The peer cannot encrypt and the policy says to ask: no media until the person has agreed."""

    media: NegotiatedMedia  # with ClearMedia; to be used only after AgreeToUnencrypted
    reason: str
