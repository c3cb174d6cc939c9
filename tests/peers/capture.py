"""What really crossed the wire: UDP datagrams of the loopback device, captured by dumpcap, parsed here.

Owns: the capturing process, the pcapng reader. Must not know: SIP, SRTP (tests judge the payloads).

Needs root, or dumpcap's capabilities. Quirks: packets between two addresses of one machine, whatever the addresses,
pass `lo`; the kernel shows each of them once there to a capture in this direction-less mode; dumpcap's first packets
may come before "File:" is printed, so the start is waited for with a probe of our own.
"""

import shutil
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.peers.ports import free_port
from tests.peers.process import POLL_INTERVAL, PeerProcess, require, short_directory

ETHERNET: Final = 1
LINUX_COOKED: Final = 113
LINUX_COOKED_2: Final = 276
RAW_IP: Final = 101
LINK_HEADER_LENGTH: Final = {ETHERNET: 14, LINUX_COOKED: 16, LINUX_COOKED_2: 20, RAW_IP: 0}
UDP: Final = 17


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram over IPv4."""

    moment: float
    """Seconds since the epoch."""
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes

    def touches(self, ports: tuple[int, int]) -> bool:
        """Whether either end lies in the range `ports`, first and last included."""
        return any(ports[0] <= port <= ports[1] for port in (self.source[1], self.destination[1]))


class Capture:
    """Captures from its start to `stop()`; `ports` are ranges (first, last), none means every UDP packet."""

    def __init__(self, *ports: tuple[int, int], interface: str = "lo") -> None:
        require("dumpcap")
        self.directory = short_directory("cap")
        self._file = self.directory / "packets.pcapng"
        self._probe_port = free_port()
        ranges = " or ".join(f"udp portrange {first}-{last}" for first, last in ports)
        wanted = f"({ranges}) or udp port {self._probe_port}" if ranges else "udp"
        self._process = PeerProcess(
            "dumpcap",
            ["dumpcap", "-q", "-i", interface, "-f", wanted, "-w", str(self._file)],
            log=self.directory / "log",
        )
        try:
            self._pass_probe()
        except BaseException:
            self._process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def packets(self) -> list[Datagram]:
        """Every datagram so far, in the order of the wire; all that was sent before the call is among them."""
        self._pass_probe()
        return self._read()

    def wait_packets(self, count: int, timeout: float = 5.0) -> list[Datagram]:
        """Wait until `count` datagrams were captured and return them all."""
        return self._process.until(
            lambda: found if len(found := self.packets()) >= count else None, f"{count} datagrams", timeout
        )

    def stop(self) -> list[Datagram]:
        """End the capture, return its datagrams and remove its directory."""
        found = self.packets() if self._process.running else []
        self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        return found

    def _pass_probe(self) -> None:
        """Send datagrams to ourselves until one more of them is in the file: what came before it is there too."""
        before = len(self._probes())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(POLL_INTERVAL)

            def look() -> bool:
                probe.sendto(b"probe", ("127.0.0.1", self._probe_port))
                return len(self._probes()) > before

            self._process.until(look, "to capture", 10)

    def _probes(self) -> list[Datagram]:
        return [datagram for datagram in self._all() if datagram.destination[1] == self._probe_port]

    def _read(self) -> list[Datagram]:
        return [datagram for datagram in self._all() if datagram.destination[1] != self._probe_port]

    def _all(self) -> list[Datagram]:
        return list(read_datagrams(self._file.read_bytes())) if self._file.exists() else []


def read_datagrams(content: bytes) -> Iterator[Datagram]:
    """The UDP datagrams over IPv4 of a pcap or pcapng file; an unfinished last record is left out."""
    records = _pcapng_records if content[:4] == b"\x0a\x0d\x0d\x0a" else _pcap_records
    for moment, link, frame in records(content):
        datagram = _datagram(moment, frame[LINK_HEADER_LENGTH[link] :])
        if datagram is not None:
            yield datagram


def _pcapng_records(content: bytes) -> Iterator[tuple[float, int, bytes]]:
    """Enhanced packet blocks (draft-ietf-opsawg-pcapng §4.3) of a little-endian file with one section."""
    links: list[tuple[int, float]] = []
    position = 0
    while position + 12 <= len(content):
        kind, length = struct.unpack_from("<II", content, position)
        if length < 12 or position + length > len(content):
            return
        body = content[position + 8 : position + length - 4]
        if kind == 1:
            links.append((struct.unpack_from("<H", body)[0], _tick(body[8:])))
        elif kind == 6:
            interface, high, low, captured = struct.unpack_from("<IIII", body)
            link, tick = links[interface]
            yield (high << 32 | low) * tick, link, body[20 : 20 + captured]
        position += length


def _tick(options: bytes) -> float:
    """The unit of an interface's time stamps in seconds (option if_tsresol; 1 µs without it)."""
    while len(options) >= 4:
        code, length = struct.unpack_from("<HH", options)
        if code == 9:
            power = options[4]
            return 2.0 ** -(power & 0x7F) if power & 0x80 else 10.0**-power
        options = options[4 + (length + 3) // 4 * 4 :]
    return 1e-6


def _pcap_records(content: bytes) -> Iterator[tuple[float, int, bytes]]:
    """Records of a classic pcap file, either byte order, µs or ns."""
    if len(content) < 24:
        return
    order = "<" if content[:4] in {b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"} else ">"
    tick = 1e-9 if content[:4] in {b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"} else 1e-6
    link = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    position = 24
    while position + 16 <= len(content):
        seconds, fraction, captured, _length = struct.unpack_from(order + "IIII", content, position)
        frame = content[position + 16 : position + 16 + captured]
        if len(frame) < captured:
            return
        yield seconds + fraction * tick, link, frame
        position += 16 + captured


def _datagram(moment: float, packet: bytes) -> Datagram | None:
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != UDP:
        return None
    start = (packet[0] & 0x0F) * 4
    if len(packet) < start + 8:
        return None
    source_port, destination_port, length, _checksum = struct.unpack_from("!HHHH", packet, start)
    return Datagram(
        moment,
        (socket.inet_ntoa(packet[12:16]), source_port),
        (socket.inet_ntoa(packet[16:20]), destination_port),
        packet[start + 8 : start + length],
    )
