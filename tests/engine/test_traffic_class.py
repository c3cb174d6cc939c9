"""The marks on our packets as tshark sees them on the wire: voice is EF, signalling is CS3, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from softphone.engine.audio.tone import ToneEndpoint
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.media.sockets import MediaSockets, PortRange
from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.policy.tls import TlsSettings
from softphone.ua.inputs import Input, MediaOpened
from tests.engine.hostile_servers import open_flow, tls_server
from tests.engine.media.lockstep import crossed_keys, negotiated
from tests.peers.ports import free_port_range
from tests.peers.process import PeerProcess, require, until

EXPEDITED, CLASS_SELECTOR_3 = 46, 24
PATIENCE_S = 60.0


class Wire:
    def __init__(self, process: PeerProcess, log: Path) -> None:
        self._process, self._log = process, log

    def marks(self) -> dict[tuple[str, int], set[int]]:
        """By transport and port sent from: the DSCP values seen."""
        found: dict[tuple[str, int], set[int]] = {}
        for line in self._log.read_text().splitlines():
            fields = line.split("|")
            if len(fields) == 4 and (fields[0] or fields[1]):
                v4, v6, udp, tcp = fields
                transport = "udp" if udp else "tcp"
                found.setdefault((transport, int(udp or tcp)), set()).add(int(v4 or v6))
        return found

    def wait_for(self, holds: Callable[[dict[tuple[str, int], set[int]]], bool], what: str) -> None:
        self._process.until(lambda: holds(self.marks()), what, PATIENCE_S)


@contextmanager
def watched(wanted: str, folder: Path) -> Iterator[Wire]:
    """tshark on the loopback device, with a capture filter."""
    require("tshark")
    log = folder / "tshark.log"
    fields = ("ip.dsfield.dscp", "ipv6.tclass.dscp", "udp.srcport", "tcp.srcport")
    process = PeerProcess(
        "tshark",
        [
            *("tshark", "-i", "lo", "-l", "-n", "-f", wanted, "-T", "fields", "-E", "separator=|"),
            *(word for field in fields for word in ("-e", field)),
        ],
        log=log,
    )
    try:
        process.until(lambda: "Capturing on" in log.read_text(), "tshark to capture", PATIENCE_S)
        yield Wire(process, log)
    finally:
        process.stop()


pytestmark = pytest.mark.root


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_rtp_and_rtcp_of_a_call_are_marked_as_voice(address: str, tmp_path: Path) -> None:
    told: list[Input] = []
    ports = PortRange(*free_port_range())
    engine = MediaEngine(told.append, ports=ports)
    peer = MediaSockets.open(address, PortRange(*free_port_range()), secrets.token_bytes)
    try:
        engine.open("call", address)
        opened = until(lambda: [what for what in told if isinstance(what, MediaOpened)], "sockets", 20)[0]
        with watched(f"udp portrange {ports.first}-{ports.last}", tmp_path) as wire:
            media = negotiated(peer.rtp_port, crossed_keys()[0], remote_address=address)
            engine.start("call", media, ToneEndpoint())
            sent = {("udp", opened.rtp_port), ("udp", opened.rtcp_port)}
            wire.wait_for(lambda marks: sent <= marks.keys(), "RTP and RTCP")
            marks = wire.marks()
            assert [marks[port] for port in sent] == [{EXPEDITED}, {EXPEDITED}]
    finally:
        engine.close()
        peer.close()


def test_what_a_tls_flow_carries_is_marked_as_signalling_at_both_ends(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create("House root")
    settings = TlsSettings(ca_files=(str(authority.write(tmp_path)),))

    async def play() -> None:
        async with tls_server(tmp_path, authority.issue("127.0.0.1", "localhost")) as (listener, _):
            with watched(f"tcp port {listener.port}", tmp_path) as wire:
                flow, _heard = await open_flow(settings, listener.port)
                ends = {("tcp", flow.description.local_port), ("tcp", listener.port)}

                def marked() -> bool:
                    marks = wire.marks()
                    return all(CLASS_SELECTOR_3 in marks.get(end, set()) for end in ends)

                for _ in range(600):
                    flow.send(b"options sip:echo")  # it is answered
                    await asyncio.sleep(0.1)
                    if marked():
                        break
                assert marked(), wire.marks()
                # 0: the packets of TCP's own handshake, before there is a connection to mark
                assert set().union(*wire.marks().values()) <= {0, CLASS_SELECTOR_3}

    asyncio.run(play())
