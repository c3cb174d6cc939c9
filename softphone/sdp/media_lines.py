"""What one `m=` section says about a stream, read for negotiation, and our own `m=` section, written.

Owns: profiles (RFC 3551, 3711, 4585, 5124, 5764), payload formats (RFC 8866 §6.6, §6.15), ptime, direction
(RFC 3264 §5.1), addresses with the old hold (RFC 3264 §8.4), RTCP's port (RFC 3605, 5761), the list of crypto lines.
Knows nothing of the policy. What is nonsense in an attribute is left out; it never stops the rest from being read.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softphone.codecs.records import CODEC_RECORDS
from softphone.errors import LocalProtocolError, RemoteProtocolError
from softphone.sdp.crypto_attribute import CryptoAttribute, parse_crypto_attribute
from softphone.sdp.dtls_attributes import DtlsAttributes, Setup, read_dtls
from softphone.sdp.negotiated import Direction
from softphone.sdp.session import Attribute, Connection, MediaDescription, SessionDescription

MAX_CRYPTO_LINES = 64  # of one m= section; rtpengine offers 12

_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_RTPMAP = re.compile(r"([0-9]{1,3})\s+([A-Za-z0-9._+-]{1,64})/([0-9]{1,7})(?:/([0-9]{1,3}))?\s*")
_FMTP = re.compile(r"([0-9]{1,3})\s+(.*)")
_WHOLE = re.compile(r"\s*([0-9]{1,5})(?:\.[0-9]*)?\s*")
_RTCP = re.compile(r"([0-9]{1,5})(?:\s+IN\s+IP[46]\s+(\S+))?\s*")
_PACKET_OCTETS = 40  # IPv4, UDP and RTP
_DIRECTIONS = {direction.value: direction for direction in Direction}


class ProfileKind(enum.Enum):
    SAVP = "savp"  # SRTP, keys in the session description
    AVP = "avp"  # RTP; with a=crypto SRTP by RFC 8643
    DTLS = "dtls"  # SRTP, keys by DTLS
    OTHER = "other"


PROFILES: dict[str, ProfileKind] = {
    "RTP/SAVP": ProfileKind.SAVP,
    "RTP/SAVPF": ProfileKind.SAVP,
    "RTP/AVP": ProfileKind.AVP,
    "RTP/AVPF": ProfileKind.AVP,
    "UDP/TLS/RTP/SAVP": ProfileKind.DTLS,
    "UDP/TLS/RTP/SAVPF": ProfileKind.DTLS,
}


@dataclass(frozen=True, slots=True)
class LineFormat:
    """One payload type of an m= line and what it means."""

    payload_type: int
    name: str  # upper case
    clock_rate: int  # Hz
    channels: int = 1
    parameters: str = ""

    @property
    def encoding(self) -> tuple[str, int, int]:
        return (self.name, self.clock_rate, self.channels)


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """Where the peer wants packets. `held`: the old hold, nothing may be sent (RFC 3264 §8.4)."""

    address: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class AudioLine:
    """An m= section as negotiation sees it. `index` is its place in the description."""

    index: int
    profile: str  # as written; compare `kind`
    port: int
    address: RemoteAddress | None  # None: no unicast address literal
    rtcp_port: int  # 0: the peer wants no RTCP
    rtcp_mux: bool
    direction: Direction  # the peer's point of view
    formats: tuple[LineFormat, ...]
    ptime: int | None  # ms
    maxptime: int | None  # ms
    crypto: tuple[CryptoAttribute, ...]  # well-formed, with a tag of their own
    crypto_lines: int  # how many there are, unusable ones included
    crypto_problems: tuple[str, ...]  # why lines were left out, without keys
    dtls: DtlsAttributes | None = None
    bit_rate: int | None = None  # bit/s of payloads that b= allows
    voip_metrics: bool = False  # the peer wants RTCP XR of that kind (RFC 3611 §5.1)

    @property
    def kind(self) -> ProfileKind:
        return PROFILES.get(self.profile, ProfileKind.OTHER)


def read_audio_line(description: SessionDescription, index: int) -> AudioLine:
    section = description.media[index]
    address = _remote_address(section.connection or description.connection)
    direction = _direction(section.attributes) or _direction(description.attributes) or Direction.SENDRECV
    if address is not None and address.held:
        direction = {Direction.SENDRECV: Direction.SENDONLY, Direction.RECVONLY: Direction.INACTIVE}.get(
            direction, direction
        )
    crypto, count, problems = _crypto(section)
    return AudioLine(
        index=index,
        profile=section.protocol,
        port=section.port,
        address=address,
        rtcp_port=_rtcp_port(section, address),
        rtcp_mux=section.has("rtcp-mux"),
        direction=direction,
        formats=_formats(section),
        ptime=_milliseconds(section, "ptime"),
        maxptime=_milliseconds(section, "maxptime"),
        crypto=crypto,
        crypto_lines=count,
        crypto_problems=problems,
        dtls=read_dtls(description, section),
        bit_rate=_bit_rate(description, section),
        voip_metrics=_wants_metrics(description, section),
    )


def _direction(attributes: Sequence[Attribute]) -> Direction | None:
    for item in attributes:
        if item.value is None and item.name in _DIRECTIONS:
            return _DIRECTIONS[item.name]
    return None


def address_literal(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without zone, TTL or name; None for anything else."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def _remote_address(connection: Connection | None) -> RemoteAddress | None:
    if connection is None or connection.network_type != "IN":
        return None
    address = address_literal(connection.address)
    if address is None or f"IP{address.version}" != connection.address_type:
        return None
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return None
    return RemoteAddress(str(address), held=address.is_unspecified)


def _rtcp_port(section: MediaDescription, address: RemoteAddress | None) -> int:
    if address is None or address.held:
        return 0
    values = section.values("rtcp")
    if not values:
        return section.port + 1 if section.port < 65_535 else 0
    match = _RTCP.fullmatch(values[0])
    if match is None or int(match.group(1)) > 65_535:
        return 0
    other = match.group(2)
    # RTCP to a third address is not worth sending packets where a stranger points us.
    if other is not None and str(address_literal(other)) != address.address:
        return 0
    return int(match.group(1))


def _milliseconds(section: MediaDescription, name: str) -> int | None:
    for value in section.values(name):
        match = _WHOLE.fullmatch(value)
        if match is not None and int(match.group(1)) > 0:
            return int(match.group(1))
    return None


def _bit_rate(description: SessionDescription, section: MediaDescription) -> int | None:
    """What b= leaves for payloads: TIAS bounds them alone (RFC 3890 §6.2), AS the packets (RFC 8866 §5.8)."""
    bounds = (*description.bandwidths, *section.bandwidths)
    transport_independent = [value for kind, value in bounds if kind == "TIAS" and value]
    if transport_independent:
        return min(transport_independent)
    ptime = _milliseconds(section, "ptime") or 20
    whole = [value * 1000 - _PACKET_OCTETS * 8 * 1000 // ptime for kind, value in bounds if kind == "AS" and value]
    return max(1, min(whole)) if whole else None


def _wants_metrics(description: SessionDescription, section: MediaDescription) -> bool:
    wanted = (*section.attributes, *description.attributes)
    return any("voip-metrics" in (item.value or "").split() for item in wanted if item.name == "rtcp-xr")


def _formats(section: MediaDescription) -> tuple[LineFormat, ...]:
    mapped: dict[int, tuple[str, int, int]] = {}
    for value in section.values("rtpmap"):
        match = _RTPMAP.fullmatch(value)
        if match is not None:
            encoding = (match.group(2).upper(), int(match.group(3)), int(match.group(4) or 1))
            mapped.setdefault(int(match.group(1)), encoding)
    parameters: dict[int, str] = {}
    for value in section.values("fmtp"):
        match = _FMTP.fullmatch(value)
        if match is not None:
            parameters.setdefault(int(match.group(1)), match.group(2).strip())
    formats: dict[int, LineFormat] = {}
    for text in section.formats:
        if not _PAYLOAD_TYPE.fullmatch(text):
            continue
        payload_type = int(text)
        encoding_of = _encoding(payload_type, mapped)
        if encoding_of is not None:
            formats.setdefault(payload_type, LineFormat(payload_type, *encoding_of, parameters.get(payload_type, "")))
    return tuple(formats.values())


_STATIC: dict[int, tuple[str, int, int]] = {
    record.static_payload_type: (record.name, record.clock_rate, record.channels)
    for record in CODEC_RECORDS.values()
    if record.static_payload_type is not None
}


def _encoding(payload_type: int, mapped: dict[int, tuple[str, int, int]]) -> tuple[str, int, int] | None:
    """None for what cannot be an RTP payload type (RFC 5761 §4) or contradicts RFC 3551."""
    if payload_type > 127 or 64 <= payload_type <= 95:
        return None
    static, said = _STATIC.get(payload_type), mapped.get(payload_type)
    if static is not None and said is not None and said != static:
        return None
    return said or static


def _crypto(section: MediaDescription) -> tuple[tuple[CryptoAttribute, ...], int, tuple[str, ...]]:
    """RFC 4568 §5.1.2: an invalid line is passed over; tags must be unique (§4.1)."""
    values = section.values("crypto")
    problems: list[str] = []
    parsed: list[CryptoAttribute] = []
    for value in values[:MAX_CRYPTO_LINES]:
        try:
            parsed.append(parse_crypto_attribute(value))
        except RemoteProtocolError as error:
            problems.append(error.reason)
    tags = Counter(item.tag for item in parsed)
    problems.extend(f"crypto tag {tag} is used twice" for tag, count in tags.items() if count > 1)
    return tuple(item for item in parsed if tags[item.tag] == 1), len(values), tuple(problems)


# Our own section.


# Names are compared without regard to case (RFC 8866 §6.6); these are usually written so.
_WRITTEN = {"TELEPHONE-EVENT": "telephone-event"} | {
    record.name: record.written for record in CODEC_RECORDS.values() if record.written
}


@dataclass(frozen=True, slots=True)
class LocalAddress:
    address: str
    rtp_port: int
    rtcp_port: int
    fingerprint: str = ""  # of our certificate for DTLS, as in a=fingerprint

    def connection(self) -> Connection:
        literal = address_literal(self.address)
        return Connection("IN", "IP6" if literal is not None and literal.version == 6 else "IP4", self.address)


@dataclass(frozen=True, slots=True)
class LocalLine:
    """What our m= section says. `setup`: keys come by DTLS, and `crypto` is empty."""

    profile: str
    formats: tuple[LineFormat, ...]
    crypto: tuple[CryptoAttribute, ...]
    direction: Direction
    ptime: int
    rtcp_mux: bool
    setup: Setup | None = None

    def description(self, address: LocalAddress) -> MediaDescription:
        """Raises LocalProtocolError where DTLS is to be used and no certificate is known."""
        attributes = [Attribute("crypto", item.to_value()) for item in self.crypto]
        if self.setup is not None:
            if not address.fingerprint:
                raise LocalProtocolError("The fingerprint of our DTLS certificate is not known")
            attributes += [Attribute("fingerprint", address.fingerprint), Attribute("setup", self.setup.value)]
        for item in self.formats:
            channels = f"/{item.channels}" if item.channels > 1 else ""
            name = _WRITTEN.get(item.name, item.name)
            attributes.append(Attribute("rtpmap", f"{item.payload_type} {name}/{item.clock_rate}{channels}"))
            if item.parameters:
                attributes.append(Attribute("fmtp", f"{item.payload_type} {item.parameters}"))
        attributes.append(Attribute("ptime", str(self.ptime)))
        if address.rtcp_port != address.rtp_port + 1:
            attributes.append(Attribute("rtcp", str(address.rtcp_port)))
        attributes.append(Attribute("rtcp-xr", "voip-metrics"))
        if self.rtcp_mux:
            attributes.append(Attribute("rtcp-mux"))
        attributes.append(Attribute(self.direction.value))
        return MediaDescription(
            media="audio",
            port=address.rtp_port,
            protocol=self.profile,
            formats=tuple(str(item.payload_type) for item in self.formats),
            attributes=tuple(attributes),
        )


def refused_line(section: MediaDescription) -> MediaDescription:
    """RFC 3264 §6: the same media type and profile with port 0; one format, which says nothing."""
    return MediaDescription(section.media, 0, section.protocol, section.formats[:1])
