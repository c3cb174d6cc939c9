"""The pair of ports of a media session."""

from __future__ import annotations

import secrets
import socket

import pytest

from softphone.engine.media.sockets import MediaSockets, PortRange, is_literal
from tests.peers.ports import free_port_range


def ipv6_works() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_rtp_is_even_rtcp_the_next_and_packets_are_marked(address: str) -> None:
    if ":" in address and not ipv6_works():
        pytest.skip("no IPv6 here")
    sockets = MediaSockets.open(address, PortRange(*free_port_range()), secrets.token_bytes)
    try:
        assert sockets.rtp_port % 2 == 0
        assert sockets.rtcp_port == sockets.rtp_port + 1
        if ":" in address:
            assert sockets.rtp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0xB8
        else:
            assert sockets.rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
        sockets.rtp.sendto(b"hello", (address, sockets.rtcp_port))
        data, source = sockets.rtcp.recvfrom(100)
        assert (data, source[:2]) == (b"hello", (address, sockets.rtp_port))
    finally:
        sockets.close()


def test_a_pair_whose_second_port_is_taken_is_passed_over() -> None:
    first, _ = free_port_range()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", first + 1))
        sockets = MediaSockets.open("127.0.0.1", PortRange(first, first + 3), bytes)
        assert sockets.rtp_port == first + 2
        sockets.close()


@pytest.mark.parametrize(("first", "last"), [(80, 90), (5000, 5001), (6000, 5000), (60_000, 70_000)])
def test_a_range_without_room_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="two ports"):
        PortRange(first, last)


@pytest.mark.parametrize(
    ("address", "literal"),
    [("192.0.2.1", True), ("2001:db8::1", True), ("fe80::1%eth0", True), ("example.org", False), ("", False)],
)
def test_only_literals_are_sent_to(address: str, literal: bool) -> None:
    assert is_literal(address) is literal
