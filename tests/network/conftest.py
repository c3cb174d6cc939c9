"""Fixtures for tests in network namespaces: a place with a phone, a NAT and servers, and what is started there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.network.name_server import NameServer
from tests.network.namespaces import SERVER, Network
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers, ca, speech
from tests.peers.kamailio import DOMAIN, PASSWORDS, Kamailio
from tests.peers.phone import CommandLine
from tests.peers.rtpengine import Rtpengine

__all__ = ["behind_nat", "ca", "routed", "speech"]
SIP_PORT = 5061


@dataclass
class Place:
    """The test's thread is among the servers; the phone is elsewhere."""

    network: Network
    names: NameServer
    ca: PrivateCa
    peers: Peers

    def kamailio(
        self, host: str = SERVER, *, relay: bool = False, min_expires: int = 30, max_expires: int = 3600
    ) -> Kamailio:
        """`relay`: media goes through an rtpengine beside it, which talks to each side where its packets come from."""
        relayed = self.peers.start(Rtpengine, recording=False, address=host).port if relay else None
        return self.peers.start(
            Kamailio,
            self.ca,
            host=host,
            tls_port=SIP_PORT,
            rtpengine=relayed,
            rtpengine_flags="RTP/SAVP SDES-pad" if relay else "",
            min_expires=min_expires,
            max_expires=max_expires,
        )

    def baresip(self, server: Kamailio, user: str = "bob", audio: str = "null") -> Baresip:
        return self.peers.start(Baresip, user, server, user, PASSWORDS[user], audio=audio, address=SERVER)

    def phone(
        self,
        server: Kamailio,
        command: str,
        *words: str,
        user: str = "alice",
        play: Path | None = None,
        at: str | None = None,
    ) -> CommandLine:
        """`softphone COMMAND --json` as a process behind the NAT; `at`: the server as it is told."""
        return self.peers.start(
            CommandLine,
            server,
            command,
            *words,
            user=user,
            password=PASSWORDS[user],
            play=play,
            at=f"{DOMAIN}:{server.tls_port}" if at is None else at,
            within=self.network.in_phone,
        )

    def waiting(self, server: Kamailio, user: str = "alice", at: str | None = None) -> CommandLine:
        """A phone that registers and stays so."""
        phone = self.phone(server, "register", "--stay", user=user, at=at)
        phone.wait_for("registered")
        return phone


def _place(ca: PrivateCa, *, nat: bool) -> Iterator[Place]:
    network = Network(nat=nat)
    try:
        with network.among_servers():
            names = NameServer(SERVER, {(f"{DOMAIN}.", "A"): [SERVER]})
            peers = Peers()
            try:
                yield Place(network, names, ca, peers)
            finally:
                peers.stop()
                names.stop()
    finally:
        network.close()


@pytest.fixture
def behind_nat(ca: PrivateCa) -> Iterator[Place]:
    """The phone is behind a NAT that nobody can call through from outside."""
    yield from _place(ca, nat=True)


@pytest.fixture
def routed(ca: PrivateCa) -> Iterator[Place]:
    """The phone's network is reached by routing."""
    yield from _place(ca, nat=False)
