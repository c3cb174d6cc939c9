"""The IPv6 torture messages of RFC 5118, one file each under tests/vectors/rfc5118.

The files have the line ends of RFC 3261 and a Content-Length that is their body's, which the RFC's own archive has not.
What a phone answers to each is in tests/playbook/test_torture.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from softphone.sdp.session import parse_session_description
from softphone.sip.header_values import contact_uri, parse_via, split_values, to_addr, top_via
from softphone.sip.message import Request
from softphone.sip.parser import MalformedRequest, parse_message
from softphone.sip.uri import SipUri

VECTORS = Path(__file__).parent.parent / "vectors" / "rfc5118"


def request(name: str) -> Request:
    message = parse_message((VECTORS / f"{name}.dat").read_bytes())
    assert isinstance(message, Request)
    assert parse_message(message.to_bytes()) == message
    return message


def uri(of: object) -> SipUri:
    assert isinstance(of, SipUri)
    return of


def test_the_twelve_messages_are_there() -> None:
    assert len(list(VECTORS.glob("*.dat"))) == 12


def test_4_1_an_ipv6_reference() -> None:
    register = request("ipv6-good")
    assert (uri(register.uri).host, uri(register.uri).port) == ("2001:db8::10", None)
    assert top_via(register).host == "2001:db8::9:1"
    assert uri(contact_uri(register)).host == "2001:db8::1"


def test_4_2_an_ipv6_address_without_brackets_is_400() -> None:
    with pytest.raises(MalformedRequest) as caught:
        request("ipv6-bad")
    assert caught.value.status_hint == 400


def test_4_3_a_port_within_the_brackets_is_part_of_the_address() -> None:
    register = request("port-ambiguous")
    assert (uri(register.uri).host, uri(register.uri).port) == ("2001:db8::10:5070", None)


def test_4_4_a_port_behind_the_brackets_is_a_port() -> None:
    register = request("port-unambiguous")
    assert (uri(register.uri).host, uri(register.uri).port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize(
    ("name", "branch"),
    [("via-received-param-with-delim", "z9hG4bKas3-111"), ("via-received-param-no-delim", "z9hG4bKas3")],
)
def test_4_5_received_with_and_without_brackets(name: str, branch: str) -> None:
    via = top_via(request(name))
    assert via.host == "2001:db8::9:1"
    assert (via.parameter("received") or "").strip("[]") == "2001:db8::9:255"
    assert via.branch == branch


def test_4_6_ipv6_addresses_in_the_session_description() -> None:
    invite = request("ipv6-in-sdp")
    assert uri(to_addr(invite).uri).host == "2001:db8::10"
    description = parse_session_description(invite.body)
    assert description.connection is not None
    assert description.connection.address == "2001:db8::20"
    assert [section.media for section in description.media] == ["audio", "video"]


def test_4_7_ipv4_and_ipv6_in_one_list_of_vias() -> None:
    bye = request("mult-ip-in-header")
    vias = [parse_via(value) for line in bye.headers.get_all("Via") for value in split_values(line)]
    assert [(via.host, via.port) for via in vias] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", None),
        ("2001:db8::9:255", None),
    ]
    assert vias[2].parameter("received") == "192.0.2.200"


def test_4_8_each_media_section_has_an_address_of_its_own_kind() -> None:
    description = parse_session_description(request("mult-ip-in-sdp").body)
    addresses = [section.connection.address for section in description.media if section.connection is not None]
    assert addresses == ["192.0.2.1", "2001:db8::1"]


def test_4_9_ipv4_mapped_addresses() -> None:
    invite = request("ipv4-mapped-ipv6")
    vias = [parse_via(value) for line in invite.headers.get_all("Via") for value in split_values(line)]
    assert [(via.host, via.port) for via in vias] == [("::ffff:192.0.2.10", 19823), ("::ffff:192.0.2.2", None)]
    assert uri(contact_uri(invite)).host == "::ffff:192.0.2.2"
    description = parse_session_description(invite.body)
    assert description.connection is not None
    assert description.connection.address == "::ffff:192.0.2.2"


@pytest.mark.parametrize("name", ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"])
def test_4_10_three_colons_before_an_ipv4_tail_are_tolerated_and_mean_two(name: str) -> None:
    assert uri(request(name).uri).host == "2001:db8::192.0.2.1"
