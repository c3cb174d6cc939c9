"""What is noticed of the network, how a burst becomes one change, and which flows are lost by it."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from softphone.engine import network_watch
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.clock import Slumber
from softphone.engine.core import EngineCore
from softphone.engine.local_addresses import is_ours, sources
from softphone.engine.netlink import Netlink, NetworkState
from softphone.engine.network_watch import NetworkWatch, open_netlink
from softphone.policy.tls import TlsSettings
from softphone.ua.account import Account, ServerTarget
from softphone.ua.actions import OpenFlow
from softphone.ua.commands import AddAccount
from softphone.ua.inputs import FlowDescription
from softphone.ua.user_agent import UserAgent

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="netlink is Linux's")


class Told:
    """Netlink in the hands of the test: a byte on a socket pair says that the network changed."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.fails = False

    def fileno(self) -> int:
        return self.ours.fileno()

    def changed(self) -> bool:
        if self.fails:
            raise OSError("gone")
        return b"c" in self.ours.recv(100)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class Watching:
    """A watch, and when it told what."""

    def __init__(self, told: Told | None, slumber: Slumber | None = None) -> None:
        self.told: list[tuple[float, bool]] = []
        self.watch = NetworkWatch(
            lambda woke: self.told.append((time.monotonic(), woke)), netlink=lambda: told, slumber=slumber
        )

    def run(self, story: Callable[[], Awaitable[None]]) -> list[bool]:
        async def life() -> None:
            self.watch.start()
            try:
                await story()
            finally:
                self.watch.close()

        asyncio.run(life())
        return [woke for _, woke in self.told]


def test_a_change_is_told_at_once_and_a_single_one_only_once() -> None:
    told = Told()
    watching = Watching(told)
    began = 0.0

    async def story() -> None:
        nonlocal began
        began = time.monotonic()
        told.theirs.send(b"c")
        await asyncio.sleep(1.0)

    assert watching.run(story) == [False]
    assert watching.told[0][0] - began < 0.2


def test_a_burst_is_told_at_its_beginning_and_at_its_end() -> None:
    told = Told()
    watching = Watching(told)

    async def story() -> None:
        for _ in range(20):
            told.theirs.send(b"c")
            await asyncio.sleep(0.03)
        await asyncio.sleep(1.0)

    assert watching.run(story) == [False, False]


def test_changes_without_end_are_told_every_other_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_watch, "LONGEST_BURST_S", 0.5)
    told = Told()
    watching = Watching(told)

    async def story() -> None:
        for _ in range(40):
            told.theirs.send(b"c")
            await asyncio.sleep(0.05)

    assert 4 <= len(watching.run(story)) <= 10


def test_what_netlink_says_without_a_change_is_not_told() -> None:
    told = Told()

    async def story() -> None:
        told.theirs.send(b"-")
        await asyncio.sleep(0.3)

    assert Watching(told).run(story) == []


def test_a_netlink_that_fails_is_replaced_by_comparing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(network_watch, "COMPARE_S", 0.05)
    told, seen = Told(), {"192.0.2.1": "10.0.0.1"}
    monkeypatch.setattr(network_watch, "sources", lambda _: dict(seen))
    told.fails = True

    async def story() -> None:
        told.theirs.send(b"c")
        await asyncio.sleep(1.0)
        seen["192.0.2.1"] = "10.0.0.2"
        await asyncio.sleep(0.5)

    assert Watching(told).run(story) == [False, False]
    assert "netlink failed (gone)" in caplog.text


def test_without_netlink_a_change_of_the_address_that_would_be_used_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_watch, "COMPARE_S", 0.05)
    seen = {"192.0.2.1": "10.0.0.1"}
    monkeypatch.setattr(network_watch, "sources", lambda _: dict(seen))

    async def story() -> None:
        await asyncio.sleep(0.3)
        seen["10.9.9.9"] = "10.0.0.1"  # a server that was not there before: nothing has changed
        await asyncio.sleep(0.3)
        seen["192.0.2.1"] = ""  # no network
        await asyncio.sleep(0.5)
        seen["192.0.2.1"] = "10.0.0.2"
        await asyncio.sleep(0.5)

    assert Watching(None).run(story) == [False, False]


def test_waking_is_told_once_and_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_watch, "SLUMBER_S", 0.05)
    counting = [1000.0]
    slumber = Slumber(lambda: counting[0] + time.monotonic(), time.monotonic)

    async def story() -> None:
        await asyncio.sleep(0.2)
        counting[0] += 3600  # an hour that only the counting clock has seen
        await asyncio.sleep(0.4)

    assert Watching(Told(), slumber).run(story) == [True]


# The system's own answers


def test_an_address_of_this_machine_is_known_from_one_that_is_not() -> None:
    assert is_ours("127.0.0.1")
    assert not is_ours("192.0.2.1")
    assert not is_ours("2001:db8::77")
    assert not is_ours("fe80::1%no-such-link")


def test_the_path_to_a_server_shows_in_the_address_that_would_be_used() -> None:
    found = sources(("127.0.0.1",))
    assert found["127.0.0.1"] == "127.0.0.1"
    assert {"192.0.2.1", "2001:db8::1"} < found.keys()


@linux_only
def test_netlink_opens_without_rights_and_says_nothing_when_nothing_happens() -> None:
    watched = open_netlink()
    assert watched is not None
    try:
        watched.changed()  # whatever another program of this machine is doing to it
        assert watched.fileno() > 0
    finally:
        watched.close()


@linux_only
def test_who_is_not_the_kernel_is_not_heard() -> None:
    watched = Netlink()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as stranger:
        stranger.bind((0, 0))
        address = watched._socket.getsockname()
        before = set(watched._state._addresses)
        try:
            stranger.sendto(_address(21, 9, b"\x0a\x00\x00\x09"), address)
        except PermissionError:
            pytest.fail("an ordinary program may write to a netlink socket: the kernel was expected to let it")
        watched.changed()
        assert watched._state._addresses == before
    watched.close()


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _link(kind: int, index: int, flags: int) -> bytes:
    return _message(kind, struct.pack("=BxHiII", 0, 1, index, flags, 0))


def _address(kind: int, index: int, address: bytes, scope: int = 0, flags: int = 0) -> bytes:
    body = struct.pack("=BBBBI", 2 if len(address) == 4 else 10, 24, 0, scope, index)
    return _message(kind, body + _attribute(1, address) + _attribute(8, struct.pack("=I", flags)))


def _route(kind: int, gateway: bytes, table: int = 254, flags: int = 0, destination: bytes = b"") -> bytes:
    length = 8 * len(destination)
    body = struct.pack("=BBBBBBBBI", 2 if len(gateway) == 4 else 10, length, 0, 0, table, 3, 0, 1, flags)
    to = _attribute(1, destination) if destination else b""
    return _message(kind, body + to + _attribute(5, gateway) + _attribute(4, b"\x02\x00\x00\x00"))


UP, CARRIER = 0x1, 0x10000
NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 17, 20, 21, 24, 25
HOME, GATEWAY = b"\xc0\xa8\x01\x02", b"\xc0\xa8\x01\x01"


def at_home() -> NetworkState:
    state = NetworkState()
    state.take(_link(NEWLINK, 1, UP | CARRIER | 0x8) + _link(NEWLINK, 2, UP | CARRIER))
    state.take(_address(NEWADDR, 2, HOME) + _route(NEWROUTE, GATEWAY))
    return state


@pytest.mark.parametrize(
    ("what", "message", "matters"),
    [
        ("another address", _address(NEWADDR, 2, b"\xc0\xa8\x01\x03"), True),
        ("the address goes", _address(DELADDR, 2, HOME), True),
        ("the same address is said again", _address(NEWADDR, 2, HOME), False),
        ("an address that is not there goes", _address(DELADDR, 2, b"\xc0\xa8\x01\x03"), False),
        ("an IPv6 address still being checked", _address(NEWADDR, 2, b"\x20\x01" + bytes(14), flags=0x40), False),
        ("an IPv6 address", _address(NEWADDR, 2, b"\x20\x01" + bytes(14)), True),
        ("a link-local address", _address(NEWADDR, 2, b"\xfe\x80" + bytes(14), scope=253), False),
        ("an address of the loopback", _address(NEWADDR, 1, b"\x7f\x00\x00\x05"), False),
        ("another way out", _route(NEWROUTE, b"\xc0\xa8\x01\xfe"), True),
        ("the way out goes", _route(DELROUTE, GATEWAY), True),
        ("the same way out is said again", _route(NEWROUTE, GATEWAY), False),
        ("a route to a network behind a tunnel", _route(NEWROUTE, GATEWAY, destination=b"\x0a\x00\x00\x00"), True),
        ("a cached route", _route(NEWROUTE, b"\xc0\xa8\x01\xfe", flags=0x200), False),
        ("a local route", _route(NEWROUTE, b"\xc0\xa8\x01\xfe", table=255), False),
        ("a multicast route", _route(NEWROUTE, bytes(16), destination=b"\xff" + bytes(15)), False),
        ("the carrier goes", _link(NEWLINK, 2, UP), True),
        ("the link goes", _link(DELLINK, 2, 0), True),
        ("the link says again that it is there", _link(NEWLINK, 2, UP | CARRIER), False),
        ("a container's cable comes", _link(NEWLINK, 7, UP | CARRIER), False),
        ("a neighbour is found", _message(28, bytes(12)), False),
        ("half a message", _address(NEWADDR, 2, b"\xc0\xa8\x01\x03")[:20], False),
        ("a message that says it is shorter than its own header", struct.pack("=IHHII", 3, 20, 0, 0, 0), False),
        ("an attribute without end", _message(NEWADDR, bytes(8) + struct.pack("=HH", 2, 1)), False),
        ("too short a body", _message(NEWADDR, b"\x02"), False),
        ("nothing", b"", False),
    ],
)
def test_what_can_move_a_flow_is_a_change_and_nothing_else_is(what: str, message: bytes, matters: bool) -> None:
    assert at_home().take(message) is matters, what


def test_a_containers_cable_that_goes_is_no_change() -> None:
    state = at_home()
    state.take(_link(NEWLINK, 7, UP | CARRIER))
    assert not state.take(_link(NEWLINK, 7, UP))
    assert not state.take(_link(DELLINK, 7, 0))


def test_any_bytes_of_netlink_are_read() -> None:
    state = at_home()
    for length in range(400):
        state.take(secrets.token_bytes(length))
        state.take(_message(secrets.choice((16, 20, 24)), secrets.token_bytes(length)))


# The engine knows which flows are lost


class TwoHomes:
    """Opens flows without a network; their local addresses are what the test wants."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.1", "192.0.2.77", "192.0.2.77"]
        self.opened: list[str] = []

    async def open(self, action: OpenFlow, settings: object, on_bytes: object, on_closed: object) -> Open:
        del settings, on_bytes, on_closed
        self.opened.append(action.flow_id)
        return Open(self.addresses[len(self.opened) - 1])


class Open:
    def __init__(self, address: str) -> None:
        self.description = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", address, 4, "127.0.0.9", 5, "sip.test")

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    async def wait_closed(self) -> None: ...


def test_the_flow_whose_address_is_gone_is_opened_again_and_the_other_is_not() -> None:
    async def life() -> list[str]:
        opener = TwoHomes()
        core = EngineCore(
            UserAgent(secrets.token_bytes),
            opener=opener,
            tls_settings=lambda _: TlsSettings(),
            endpoint=lambda _: NullEndpoint(),
            publish=lambda _: None,
        )
        for name in ("alice", "bob"):
            core.submit(AddAccount(Account(id=name, user=name, domain="sip.test", server=ServerTarget("sip.test"))))
            await asyncio.sleep(0.01)
        assert core.servers == ("127.0.0.9",)
        core.network_changed(False)
        await asyncio.sleep(0.01)
        flows = [core.agent.flow(name) for name in ("alice", "bob")]
        await core.close(within=0.1)
        assert len(opener.opened) == 3
        assert [flow is not None and flow.id for flow in flows] == [opener.opened[0], opener.opened[2]]
        return opener.opened

    asyncio.run(life())
