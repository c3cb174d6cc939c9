"""The torture messages of RFC 4475, one file each under tests/vectors/rfc4475.

What belongs to the user agent (§3.3: unknown schemes, extensions, bodies) shows here only as far as reading goes; what
a phone answers to each is in tests/playbook/test_torture.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import (
    contact_uri,
    cseq,
    from_addr,
    max_forwards,
    parse_contacts,
    parse_tokens,
    parse_via,
    route_set,
    split_values,
    to_addr,
    top_via,
)
from softphone.sip.message import Message, Request, Response
from softphone.sip.parser import MalformedRequest, parse_message
from softphone.sip.uri import OtherUri, SipUri

VECTORS = Path(__file__).parent.parent / "vectors" / "rfc4475"

# §3.1.1, and of §3.2 to §3.4 what a parser has no objection to.
READABLE = (
    "wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports",
    "unreason", "noreason", "baddate", "badbranch", "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01",
    "bcast", "zeromf", "cparam01", "cparam02", "regescrt", "sdp01", "inv2543", "mpart01",
)  # fmt: skip

# §3.1.2 and §3.3: the status to answer with; None for responses, which are dropped.
REFUSED: dict[str, int | None] = {
    "badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": None, "quotbal": 400, "ltgtruri": 400,
    "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 400, "regbadct": 400, "badaspec": 400, "baddn": 400,
    "badvers": 505, "mismatch01": 400, "mismatch02": 400, "bigcode": None, "insuf": 400, "multi01": 400, "mcl01": 400,
}  # fmt: skip


def read(name: str) -> Message:
    return parse_message((VECTORS / f"{name}.dat").read_bytes())


def request(name: str) -> Request:
    message = read(name)
    assert isinstance(message, Request)
    return message


def sip_uri(uri: object) -> SipUri:
    assert isinstance(uri, SipUri)
    return uri


def test_every_vector_has_a_verdict() -> None:
    assert sorted([*READABLE, *REFUSED]) == sorted(path.stem for path in VECTORS.glob("*.dat"))
    assert len(READABLE) + len(REFUSED) == 49


@pytest.mark.parametrize("name", READABLE)
def test_a_valid_message_is_read_and_written_unchanged_in_meaning(name: str) -> None:
    message = read(name)
    assert parse_message(message.to_bytes()) == message


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_message_is_refused_and_can_be_answered(name: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(name)
    status = REFUSED[name]
    if status is None:
        assert not isinstance(caught.value, MalformedRequest)
    else:
        assert isinstance(caught.value, MalformedRequest)
        assert caught.value.status_hint == status
        assert caught.value.answer is not None
        assert caught.value.answer.status == status


def test_3_1_1_1_a_short_tortuous_invite() -> None:
    invite = request("wsinv")
    assert sip_uri(invite.uri).parameter("unknownparam") == ""
    assert to_addr(invite).tag == "1918181833n"
    assert from_addr(invite).display_name == 'J Rosenberg \\"'
    assert from_addr(invite).tag == "98asjd8"
    assert max_forwards(invite) == 68
    assert (cseq(invite).number, cseq(invite).method) == (9, "INVITE")
    vias = [parse_via(value) for line in invite.headers.get_all("Via") for value in split_values(line)]
    assert [(via.transport, via.host, via.branch) for via in vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert invite.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    contacts = parse_contacts(invite.headers)
    assert isinstance(contacts, tuple)
    assert contacts[0].display_name == 'Quoted string ""'
    assert (contacts[0].parameter("newparam"), contacts[0].parameter("q")) == ("newvalue", "0.33")
    assert sip_uri(route_set(invite, "Route")[0].uri).parameter("lr") == ""
    assert len(invite.body) == 150


def test_3_1_1_2_a_wide_range_of_valid_characters() -> None:
    message = request("intmeth")
    uri = sip_uri(message.uri)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert (uri.host, uri.parameters, uri.headers) == ("example.com", (), ())
    assert to_addr(message).display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert from_addr(message).display_name == "token1~` token2'+_ token3*%!.-"
    assert from_addr(message).parameter("fromParam''~+*_!.-%") == "работающий"
    assert top_via(message).branch == "z9hG4bK-.!%66*_+`'~"


def test_3_1_1_3_escapes_in_uris_are_resolved_once() -> None:
    invite = request("esc01")
    assert sip_uri(invite.uri).user == "sips:user@example.com"
    assert sip_uri(to_addr(invite).uri).user == "user"
    assert sip_uri(from_addr(invite).uri).user == "I have spaces"
    contact = sip_uri(contact_uri(invite))
    assert (contact.user, contact.parameter("lr"), contact.parameter("name")) == ("caller", "", "value%41")


def test_3_1_1_4_an_escaped_null_is_kept() -> None:
    contacts = parse_contacts(request("escnull").headers)
    assert isinstance(contacts, tuple)
    assert [sip_uri(contact.uri).user for contact in contacts] == ["\0", "\0\0"]
    assert [str(contact.uri) for contact in contacts] == ["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]


def test_3_1_1_5_a_percent_sign_escapes_only_in_uris() -> None:
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert to_addr(message).display_name == "%Z%45"
    contacts = parse_contacts(message.headers)
    assert isinstance(contacts, tuple)
    assert [str(contact.uri) for contact in contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]


def test_3_1_1_6_no_white_space_is_needed_before_the_bracket() -> None:
    assert from_addr(request("lwsdisp")).display_name == "caller"


def test_3_1_1_7_long_values_are_read_whole() -> None:
    invite = request("longreq")
    assert len(invite.headers.get_all("Via")) == 34
    assert sip_uri(to_addr(invite).uri).parameter("longparam" + "name" * 25) == "shortvalue"
    assert from_addr(invite).tag == "12" + "982" * 50 + "424"


def test_3_1_1_8_a_second_request_in_the_same_datagram_is_ignored() -> None:
    assert request("dblreq").method == "REGISTER"
    assert request("dblreq").body == b""


def test_3_1_1_9_semicolons_belong_to_the_user_part() -> None:
    uri = sip_uri(request("semiuri").uri)
    assert (uri.user, uri.parameters) == ("user;par=u@example.net", ())


def test_3_1_1_10_unknown_transports_are_read() -> None:
    transports = [parse_via(line).transport for line in request("transports").headers.get_all("Via")]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_3_1_1_11_a_binary_body_with_null_octets_is_kept_whole() -> None:
    message = request("mpart01")
    assert message.headers.get("Content-Type") == "multipart/mixed;boundary=7a9cbec02ceef655"
    assert len(message.body) == 553
    assert message.body.count(b"--7a9cbec02ceef655") == 3
    assert b"\0" in message.body


def test_3_1_1_12_and_13_reason_phrases_may_be_unusual_or_empty() -> None:
    unusual, empty = read("unreason"), read("noreason")
    assert isinstance(unusual, Response)
    assert isinstance(empty, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert (empty.status, empty.reason) == (100, "")


def test_3_3_2_to_4_unknown_schemes_are_carried() -> None:
    assert request("unkscm").uri == OtherUri("nobodyKnowsThisScheme", "totallyopaquecontent")
    assert request("novelsc").uri == OtherUri("soap.beep", "//192.0.2.103:3002")
    assert to_addr(request("unksm2")).uri == OtherUri("isbn", "2983792873")
    assert str(contact_uri(request("unksm2"))) == "name:John_Smith"


def test_3_3_5_required_extensions_are_listed() -> None:
    assert parse_tokens(request("bext01").headers, "Require") == ("nothingSupportsThis", "nothingSupportsThisEither")


def test_3_3_12_and_13_unknown_parameters_of_contact_stand_where_they_were() -> None:
    outside, inside = (parse_contacts(request(name).headers) for name in ("cparam01", "cparam02"))
    assert isinstance(outside, tuple)
    assert isinstance(inside, tuple)
    assert outside[0].parameter("unknownparam") == ""
    assert sip_uri(inside[0].uri).parameter("unknownparam") == ""


def test_3_3_14_an_escaped_route_in_a_contact_is_read() -> None:
    assert sip_uri(contact_uri(request("regescrt"))).headers == (("Route", "<sip:sip.example.com>"),)


def test_3_4_1_an_rfc_2543_invite_without_tag_branch_or_max_forwards_is_read() -> None:
    invite = request("inv2543")
    assert (from_addr(invite).tag, top_via(invite).branch, max_forwards(invite)) == (None, None, None)
    assert invite.body.startswith(b"v=0\r\n")
