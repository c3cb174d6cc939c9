"""Judging a capture: which datagrams authenticate under the keys that were negotiated, and what the rest sounds like.

The keys are read from the SDP that passed the proxy (RFC 4568), by a reader of its own and nothing of the phone's; SRTP
is opened by the tests' second implementation.
"""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from softphone.codecs.g711 import Pcma, Pcmu
from softphone.dsp.correlation import best_alignment
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from tests.peers.capture import Datagram
from tests.peers.kamailio import SipMessage
from tests.peers.speech import Samples
from tests.srtp.independent_srtp import IndependentSrtp

# baresip 1.0.0 sends two RTCP packets in clear, whatever was negotiated; they hold nothing of the call. When its media
# starts, one APP packet of 16 octets with the name PING and the data PONG (RFC 3550 §6.7), to open its NAT:
_PINHOLE = re.compile(rb"\x80\xcc\x00\x03....PINGPONG", re.DOTALL)
# and when it ends, after it has dropped its keys, a BYE with an SDES (§6.5, §6.6).
_GOODBYE_TYPES = [203, 202]


class Kind(Enum):
    SRTP = "srtp"
    SRTCP = "srtcp"
    PINHOLE = "baresip's pinhole"
    GOODBYE = "baresip's goodbye"
    ALIEN = "not authentic"


@dataclass
class Keys:
    """Master keys by the port that sends under them; `ports` are all RTP ports that any SDP named."""

    by_port: dict[int, list[IndependentSrtp]] = field(default_factory=lambda: defaultdict(list))
    ports: set[int] = field(default_factory=set)

    def kind(self, datagram: Datagram) -> Kind:
        keys = self.by_port.get(datagram.source[1], [])
        packet = datagram.payload
        if _is_rtcp(packet):
            if any(key.open_rtcp(packet) is not None for key in keys):
                return Kind.SRTCP
        elif any(key.open_rtp(packet, roc) is not None for key in keys for roc in (0, 1)):
            return Kind.SRTP
        if _PINHOLE.fullmatch(packet):
            return Kind.PINHOLE
        return Kind.GOODBYE if _rtcp_types(packet) == _GOODBYE_TYPES else Kind.ALIEN

    def opened(self, datagram: Datagram) -> bytes | None:
        """The RTP packet inside."""
        found = (key.open_rtp(datagram.payload, roc) for key in self.by_port[datagram.source[1]] for roc in (0, 1))
        return next((packet for packet in found if packet is not None), None)

    def judge(self, datagrams: Iterable[Datagram]) -> Counter[Kind]:
        return Counter(map(self.kind, datagrams))


def negotiated(messages: Sequence[SipMessage]) -> Keys:
    """Of each offer the line whose tag its answer chose, of each answer its one line (RFC 4568 §5.1)."""
    keys = Keys()
    received = [message for message in messages if message.direction == "in" and message.method == "INVITE"]
    for answer in (message for message in received if message.status == 200):
        offer = next(
            message
            for message in received
            if message.status is None
            and all(message.header(name) == answer.header(name) for name in ("Call-ID", "CSeq"))
        )
        chosen = _crypto_lines(answer.body)
        for description, lines in ((answer.body, chosen), (offer.body, _crypto_lines(offer.body))):
            port = _port(description)
            keys.ports |= {port, port + 1}
            for tag, key in lines.items():
                if tag in chosen and key not in keys.by_port[port]:
                    keys.by_port[port].append(key)
                    keys.by_port[port + 1].append(key)
    return keys


def media(datagrams: Iterable[Datagram], ports: Iterable[int]) -> list[Datagram]:
    """The datagrams to or from one of `ports`."""
    wanted = set(ports)
    return [datagram for datagram in datagrams if {datagram.source[1], datagram.destination[1]} & wanted]


def sounds_like(said: Samples, datagrams: Iterable[Datagram]) -> float:
    """The best correlation of `said` (8000 Hz) with a second or more of any source, read as µ-law and as A-law."""
    streams: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for datagram in datagrams:
        if len(datagram.payload) > 12 and not _is_rtcp(datagram.payload):
            streams[datagram.source].append(datagram.payload[12 : 12 + 160])
    found = [
        best_alignment(said, np.concatenate([codec().decode(payload) for payload in payloads]), 8000)[0]
        for payloads in streams.values()
        if len(payloads) >= 50
        for codec in (Pcmu, Pcma)
    ]
    return max(found, default=0.0)


def _is_rtcp(packet: bytes) -> bool:
    return len(packet) >= 2 and 192 <= packet[1] <= 223  # RFC 5761 §4


def _rtcp_types(packet: bytes) -> list[int]:
    """The packet types of a compound packet in clear that is whole to its last octet (RFC 3550 §6.1); else nothing."""
    found, position = [], 0
    while position + 4 <= len(packet) and packet[position] >> 6 == 2:
        found.append(packet[position + 1])
        position += 4 + 4 * int.from_bytes(packet[position + 2 : position + 4], "big")
    return found if position == len(packet) else []


def _port(description: str) -> int:
    found = re.search(r"(?m)^m=audio (\d+) ", description)
    assert found is not None, description
    return int(found[1])


def _crypto_lines(description: str) -> dict[str, IndependentSrtp]:
    found = re.findall(r"(?m)^a=crypto:(\d+) (\S+) inline:([A-Za-z0-9+/=]+)", description)
    return {
        tag: IndependentSrtp(CRYPTO_SUITES[suite], base64.b64decode(key))
        for tag, suite, key in found
        if suite in CRYPTO_SUITES
    }
