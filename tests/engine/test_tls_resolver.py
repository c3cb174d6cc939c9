"""RFC 3263 and RFC 2782 against a small DNS server on loopback."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdtypes.IN.SRV import SRV

from softphone.engine.connector import FlowOpener, avoiding
from softphone.engine.resolver import DEFAULT_PORT, Endpoint, ServiceResolver, interleaved, order_services
from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.errors import FailureKind, OperationFailed
from softphone.policy.tls import TlsSettings
from softphone.ua.account import ServerTarget
from tests.engine.hostile_servers import closed_port, open_flow, run, tls_server


class NameServer(asyncio.DatagramProtocol):
    """Answers from a table (name, type) → record texts; a name without any entry is NXDOMAIN."""

    def __init__(self, table: dict[tuple[str, str], list[str]]) -> None:
        self.table = table
        self.asked: list[tuple[str, str]] = []
        self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype))
        self.asked.append(key)
        if self.silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if key in self.table:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", key[1], *self.table[key]))
        elif not any(name == key[0] for name, _ in self.table):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server(table: dict[tuple[str, str], list[str]]) -> AsyncIterator[tuple[ServiceResolver, NameServer]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(table), local_addr=("127.0.0.1", 0)
    )
    client = dns.asyncresolver.Resolver(configure=False)
    client.nameservers = ["127.0.0.1"]
    client.port = transport.get_extra_info("sockname")[1]
    try:
        yield ServiceResolver(client), protocol
    finally:
        transport.close()


def addresses(endpoints: list[Endpoint]) -> list[tuple[str, int]]:
    return [(endpoint.address, endpoint.port) for endpoint in endpoints]


def test_srv_targets_come_in_the_order_of_their_priority() -> None:
    table = {
        ("_sips._tcp.example.test", "SRV"): ["20 0 5063 127.0.0.3.", "10 0 5062 127.0.0.2.", "30 0 5064 127.0.0.4."]
    }

    async def play() -> None:
        async with name_server(table) as (resolver, _):
            found = await resolver.resolve(ServerTarget("example.test"))
            assert addresses(found) == [("127.0.0.2", 5062), ("127.0.0.3", 5063), ("127.0.0.4", 5064)]
            assert found[0].host == "127.0.0.2"

    run(play)


def test_naptr_leads_to_srv_and_services_without_tls_are_ignored() -> None:
    table = {
        ("example.test", "NAPTR"): [
            '5 10 "S" "SIP+D2U" "" _sip._udp.example.test.',
            '10 10 "S" "SIP+D2T" "" _sip._tcp.example.test.',
            '30 20 "s" "SIPS+D2T" "" _sips._tcp.second.test.',
            '30 10 "s" "sips+d2t" "" _sips._tcp.first.test.',
        ],
        ("_sips._tcp.first.test", "SRV"): ["10 0 5071 127.0.0.2."],
        ("_sips._tcp.example.test", "SRV"): ["10 0 5072 127.0.0.3."],
    }

    async def play() -> None:
        async with name_server(table) as (resolver, server):
            assert addresses(await resolver.resolve(ServerTarget("example.test"))) == [("127.0.0.2", 5071)]
            assert not any("_udp" in name or "_sip._tcp" in name for name, _ in server.asked)

    run(play)


def test_a_port_or_a_literal_asks_no_services() -> None:
    table = {("_sips._tcp.localhost", "SRV"): ["10 0 5071 127.0.0.2."]}

    async def play() -> None:
        async with name_server(table) as (resolver, server):
            assert ("127.0.0.1", 5099) in addresses(await resolver.resolve(ServerTarget("localhost", 5099)))
            assert ("127.0.0.1", DEFAULT_PORT) in addresses(await resolver.resolve(ServerTarget("localhost")))
            for literal in ("127.0.0.9", "::1", "[::1]"):
                bare = literal.strip("[]")
                assert await resolver.resolve(ServerTarget(literal)) == [Endpoint(bare, bare, DEFAULT_PORT)]
            assert server.asked == []

    run(play)


def test_without_services_or_without_dns_the_address_is_asked_for_at_5061(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softphone.engine.resolver.SERVICE_TIMEOUT_S", 0.4)

    async def play() -> None:
        async with name_server({}) as (resolver, server):
            loop = asyncio.get_running_loop()

            async def system(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
                assert host == "example.test"
                return [(2, 1, 6, "", ("127.0.0.5", port)), (2, 1, 6, "", ("127.0.0.5", port))]

            monkeypatch.setattr(loop, "getaddrinfo", system)
            for silent in (False, True):
                server.silent = silent
                assert addresses(await resolver.resolve(ServerTarget("Example.test."))) == [("127.0.0.5", DEFAULT_PORT)]

    run(play)


@pytest.mark.parametrize(
    ("host", "table", "words"),
    [
        ("none.invalid", {}, "none.invalid"),
        ("a..b", {}, "no valid name"),
        ("é" * 70 + ".example", {}, "no valid name"),
        ("example.test", {("_sips._tcp.example.test", "SRV"): ["0 0 0 ."]}, "offers no SIP over TLS"),
        ("example.test", {("_sips._tcp.example.test", "SRV"): ["0 0 5061 gone.invalid."]}, "gone.invalid"),
    ],
)
def test_what_cannot_be_resolved_is_said(host: str, table: dict[tuple[str, str], list[str]], words: str) -> None:
    async def play() -> None:
        async with name_server(table) as (resolver, _):
            with pytest.raises(OperationFailed) as refused:
                await resolver.resolve(ServerTarget(host))
            assert refused.value.failure.kind is FailureKind.NAME_NOT_RESOLVED
            assert words in refused.value.failure.reason

    run(play)


def services(*weights: int) -> list[SRV]:
    texts = [f"10 {weight} {5061 + at} host{at}.example.test." for at, weight in enumerate(weights)]
    return [record for record in dns.rrset.from_text("x.", 60, "IN", "SRV", *texts) if isinstance(record, SRV)]


def test_weights_share_the_first_place() -> None:
    records = services(60, 30, 10)
    firsts = collections.Counter(order_services(records, secrets.token_bytes)[0].weight for _ in range(3000))
    assert 1600 < firsts[60] < 2000
    assert 750 < firsts[30] < 1050
    assert 200 < firsts[10] < 420


def test_every_record_is_kept_once_whatever_is_drawn() -> None:
    for drawn in (0, 1, 2**64 - 1):
        ordered = order_services(services(0, 0, 5, 65535), lambda count, drawn=drawn: drawn.to_bytes(count, "big"))  # type: ignore[misc]
        assert sorted(record.port for record in ordered) == [5061, 5062, 5063, 5064]
    assert order_services(services(0, 5), bytes)[0].weight == 0


def test_a_flow_goes_on_to_the_next_target_and_checks_the_name_that_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path
    authority = ThrowawayAuthority.create()
    settings = TlsSettings(ca_files=(str(authority.write(folder)),))

    async def play() -> None:
        async with (
            tls_server(folder, authority.issue("example.test")) as (right, _),
            tls_server(folder, authority.issue("127.0.0.1", "evil.test")) as (wrong, _),
        ):
            table = {
                ("_sips._tcp.example.test", "SRV"): [
                    f"10 0 {closed_port()} 127.0.0.1.",
                    f"20 0 {wrong.port} 127.0.0.1.",
                    f"30 0 {right.port} 127.0.0.1.",
                ]
            }
            async with name_server(table) as (resolver, _):
                opener = FlowOpener(resolver)
                flow, _ = await open_flow(settings, None, "example.test", opener)
                assert flow.description.remote_port == right.port
                assert flow.description.identity == "example.test"
                flow.close()
                flow, _ = await open_flow(settings, None, "example.test", opener, avoid=(("127.0.0.1", wrong.port),))
                assert flow.description.remote_port == right.port
                flow.close()
                await flow.wait_closed()
                table[("_sips._tcp.example.test", "SRV")].pop()
                with pytest.raises(OperationFailed) as refused:
                    await open_flow(settings, None, "example.test", opener)
                assert refused.value.failure.kind is FailureKind.WRONG_NAME  # says more than the closed port
                assert any("refused the connection" in line for line in refused.value.failure.evidence)

    run(play)


def test_what_is_to_be_avoided_comes_last_in_the_order_given() -> None:
    a, b, c, d = (Endpoint("x", address, 5061) for address in ("192.0.2.1", "192.0.2.2", "::1", "::2"))
    assert avoiding([a, b, c, d], ()) == [a, b, c, d]
    assert avoiding([a, b, c, d], (("::1", 5061), ("192.0.2.1", 5061))) == [b, d, c, a]
    assert avoiding([a, b], (("192.0.2.1", 5062), ("192.0.2.2", 5061))) == [a, b]


def test_the_families_take_turns_beginning_with_the_systems_first() -> None:
    assert interleaved(["::1", "::2", "::3", "192.0.2.1"]) == ["::1", "192.0.2.1", "::2", "::3"]
    assert interleaved(["192.0.2.1", "::1"]) == ["192.0.2.1", "::1"]
    assert interleaved([]) == []


def test_a_flow_says_how_many_addresses_are_left_behind_it(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create()
    settings = TlsSettings(ca_files=(str(authority.write(tmp_path)),))

    async def play() -> None:
        async with (
            tls_server(tmp_path, authority.issue("example.test")) as (one, _),
            tls_server(tmp_path, authority.issue("example.test")) as (two, _),
        ):
            table = {
                ("_sips._tcp.example.test", "SRV"): [
                    f"10 0 {closed_port()} 127.0.0.1.",
                    f"20 0 {one.port} 127.0.0.1.",
                    f"30 0 {two.port} 127.0.0.1.",
                ]
            }
            seen = []
            async with name_server(table) as (resolver, _):
                for avoid in ((), (one.port,), (one.port, two.port), (two.port, one.port)):
                    at = tuple(("127.0.0.1", port) for port in avoid)
                    flow, _ = await open_flow(settings, None, "example.test", FlowOpener(resolver), at)
                    seen.append((flow.description.remote_port, flow.description.untried))
                    assert flow.description.endpoints == 3
                    flow.close()
                    await flow.wait_closed()
            assert seen == [(one.port, 1), (two.port, 0), (one.port, 0), (two.port, 0)]

    run(play)


def test_a_server_that_hangs_in_the_handshake_leaves_the_others_their_time(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create()
    settings = TlsSettings(ca_files=(str(authority.write(tmp_path)),))

    async def play() -> None:
        async with tls_server(tmp_path, authority.issue("example.test")) as (right, _):
            with socket.create_server(("127.0.0.1", 0)) as hanging:
                table = {
                    ("_sips._tcp.example.test", "SRV"): [
                        f"10 0 {hanging.getsockname()[1]} 127.0.0.1.",
                        f"20 0 {right.port} 127.0.0.1.",
                    ]
                }
                async with name_server(table) as (resolver, _):
                    began = time.monotonic()
                    opener = FlowOpener(resolver, connect_timeout_s=1, handshake_timeout_s=1)
                    flow, _ = await open_flow(settings, None, "example.test", opener)
                    assert flow.description.remote_port == right.port
                    assert 0.4 < time.monotonic() - began < 5
                    flow.close()
                    await flow.wait_closed()

    run(play)


def test_pins_and_the_expected_name_are_for_the_accounts_own_server(tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create()
    anchor = str(authority.write(tmp_path))
    stranger = ThrowawayAuthority.create().issue("127.0.0.1")

    async def play() -> None:
        async with (
            tls_server(tmp_path, authority.issue("127.0.0.1")) as (right, _),
            tls_server(tmp_path, stranger) as (pinned, _),
        ):
            expecting = TlsSettings(ca_files=(anchor,), expected_name="own.example")
            with pytest.raises(OperationFailed):
                await open_flow(expecting, right.port)
            flow, _ = await open_flow(expecting, right.port, redirected=True)
            assert flow.description.identity == "127.0.0.1"
            flow.close()
            await flow.wait_closed()
            pinning = TlsSettings(ca_files=(anchor,), pins=(stranger.fingerprint,))
            flow, _ = await open_flow(pinning, pinned.port)
            assert flow.description.identity == "pinned"
            flow.close()
            await flow.wait_closed()
            with pytest.raises(OperationFailed) as refused:
                await open_flow(pinning, pinned.port, redirected=True)
            assert refused.value.failure.kind is FailureKind.UNKNOWN_ISSUER

    run(play)
