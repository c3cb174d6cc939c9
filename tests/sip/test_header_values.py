"""Typed header values: reading, writing, refusing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.header_values import (
    CSeq,
    NameAddr,
    Reason,
    RetryAfter,
    Star,
    Via,
    WarningValue,
    call_id,
    contact_uri,
    cseq,
    from_addr,
    max_forwards,
    parse_contacts,
    parse_content_type,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_name_addrs,
    parse_reason_header,
    parse_retry_after,
    parse_tokens,
    parse_via,
    parse_warning,
    route_set,
    to_addr,
    top_via,
)
from softphone.sip.limits import MAX_VALUES
from softphone.sip.message import Headers, Request
from softphone.sip.uri import SipUri, parse_uri

BOB = SipUri("sip", "biloxi.com", user="bob")


# RFC 3261 §20.10, §20.20, §20.39.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<sip:bob@biloxi.com>", NameAddr(BOB)),
        ("sip:bob@biloxi.com;tag=887s", NameAddr(BOB, "", (("tag", "887s"),))),
        ('"Mr. Watson" <sip:bob@biloxi.com>;q=0.7; ob', NameAddr(BOB, "Mr. Watson", (("q", "0.7"), ("ob", None)))),
        ("The Operator <sip:bob@biloxi.com> ;tag=1", NameAddr(BOB, "The Operator", (("tag", "1"),))),
        ("caller<sip:bob@biloxi.com>", NameAddr(BOB, "caller")),
        ('"J \\\\\\"" <sip:bob@biloxi.com>', NameAddr(BOB, 'J \\"')),
        ('"<sip:x@y>, \\"" <sip:bob@biloxi.com>', NameAddr(BOB, '<sip:x@y>, "')),
        ("Анна <sip:bob@biloxi.com>", NameAddr(BOB, "Анна")),
    ],
)  # fmt: skip
def test_addresses_are_read_in_all_their_forms(text: str, expected: NameAddr) -> None:
    assert parse_name_addr(text) == expected


def test_a_written_address_reads_the_same() -> None:
    address = NameAddr(
        parse_uri("sip:a@b;lr?x=y"), 'He said "hi", <ok>', (("tag", "1"), ("+sip.instance", "<urn:uuid:1>"))
    )
    assert parse_name_addr(str(address)) == address


def test_parameters_without_brackets_belong_to_the_header_and_with_them_to_the_uri() -> None:
    outside, inside = parse_name_addr("sip:a@b;x"), parse_name_addr("<sip:a@b;x>")
    assert (outside.parameter("x"), inside.parameter("x")) == ("", None)
    assert isinstance(inside.uri, SipUri)
    assert inside.uri.parameter("x") == ""


def test_a_tag_is_added_or_replaced() -> None:
    address = parse_name_addr("<sip:a@b>;x=1")
    assert address.tag is None
    assert str(address.with_parameter("tag", "7")) == "<sip:a@b>;x=1;tag=7"
    assert address.with_parameter("X", None).parameters == (("x", None),)


@pytest.mark.parametrize(
    "text",
    [
        "", '"Bob"', '"Bob" sip:a@b', "<sip:a@b", "<>", "< sip:a@b >", "Bell, Alexander <sip:a@b>", "sip:a@b?x=y",
        "sip:a,b@c", "<sip:a@b>x", "<sip:a@b>;tag=1;tag=2", "<sip:a@b>;;", '"Bob <sip:a@b>', "a@b",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_name_addr(text)


def test_addresses_of_several_lines_come_in_order_and_none_may_be_empty() -> None:
    lines = ["<sip:p1@h;lr>, <sip:p2@h;lr>", "<sip:p3@h>"]
    assert [str(address.uri) for address in parse_name_addrs(lines)] == ["sip:p1@h;lr", "sip:p2@h;lr", "sip:p3@h"]
    with pytest.raises(RemoteProtocolError):
        parse_name_addrs(["<sip:p1@h>,"])


def test_the_limit_of_values_counts_over_all_lines() -> None:
    line = ",".join(["<sip:p@h>"] * (MAX_VALUES // 2))
    assert len(parse_name_addrs([line, line])) == MAX_VALUES
    with pytest.raises(RemoteProtocolError):
        parse_name_addrs([line, line, "<sip:p@h>"])


def test_via_is_read_with_white_space_ports_and_ipv6() -> None:
    assert parse_via("SIP / 2.0 / TLS   spindle.example.com : 5061 ; branch  =  z9hG4bK9ikj8 ;rport") == Via(
        "TLS", "spindle.example.com", 5061, (("branch", "z9hG4bK9ikj8"), ("rport", None))
    )
    v6 = "SIP/2.0/TLS [2001:db8::9]:5061;branch=z9hG4bK1;received=[2001:db8::1]"
    assert str(parse_via(v6)) == v6
    assert parse_via(v6).host == "2001:db8::9"


def test_via_takes_received_and_rport() -> None:
    via = (
        parse_via("SIP/2.0/TLS h;branch=z9;rport")
        .with_parameter("rport", "5061")
        .with_parameter("received", "192.0.2.1")
    )
    assert str(via) == "SIP/2.0/TLS h;branch=z9;rport=5061;received=192.0.2.1"
    assert via.branch == "z9"
    assert parse_via("SIP/2.0/UDP h").branch is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "HTTP/2.0/TLS h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP [h]",
    ],
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_via(text)


def test_cseq_is_read_with_leading_zeros_up_to_its_limit() -> None:
    assert parse_cseq("0009\t INVITE") == CSeq(9, "INVITE")
    assert parse_cseq(f"{2**31 - 1} ACK").number == 2**31 - 1
    assert str(CSeq(9, "INVITE")) == "9 INVITE"


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "-1 INVITE", f"{2**31} INVITE", "9" * 5000 + " INVITE", "1 IN VITE", "1 {", "١ INVITE"]
)
def test_what_is_no_cseq_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_cseq(text)


def test_contacts_are_addresses_or_a_star_alone() -> None:
    assert parse_contacts(Headers()) == ()
    assert parse_contacts(Headers([("Contact", " * ")])) == Star()
    assert parse_contacts(Headers([("m", "<sip:bob@biloxi.com>")])) == (NameAddr(BOB),)
    for lines in (["*", "<sip:a@b>"], ["*, <sip:a@b>"], ["*;expires=0"]):
        with pytest.raises(RemoteProtocolError):
            parse_contacts(Headers(("Contact", line) for line in lines))


def test_delta_seconds_too_large_count_as_the_largest() -> None:
    assert parse_delta_seconds(" 0060 ") == 60
    assert parse_delta_seconds("1" + "0" * 100) == 2**32 - 1
    for text in ("", "-1", "1.5", "1s", "²"):
        with pytest.raises(RemoteProtocolError):
            parse_delta_seconds(text)


# RFC 3261 §20.33.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18000;duration=3600", RetryAfter(18000, 3600)),
        ("120 (I'm in a meeting)", RetryAfter(120)),
        ("120 (a (b) c) ;duration=5", RetryAfter(120, 5)),
        ("5", RetryAfter(5)),
    ],
)
def test_retry_after_has_seconds_a_comment_and_a_duration(text: str, expected: RetryAfter) -> None:
    assert parse_retry_after(text) == expected


def test_an_open_comment_in_retry_after_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_retry_after("5 (a")


def test_token_lists_join_lines_and_may_be_empty() -> None:
    headers = Headers([("Supported", "100rel, timer"), ("k", "outbound"), ("Allow", ""), ("Require", "a b")])
    assert parse_tokens(headers, "Supported") == ("100rel", "timer", "outbound")
    assert parse_tokens(headers, "Allow") == parse_tokens(headers, "Unsupported") == ()
    with pytest.raises(RemoteProtocolError):
        parse_tokens(headers, "Require")


def test_content_type_is_lower_case_with_parameters() -> None:
    assert parse_content_type("Application / SDP") == ("application/sdp", ())
    assert parse_content_type('multipart/mixed;boundary="a;b"') == ("multipart/mixed", (("boundary", "a;b"),))
    for text in ("", "sdp", "a/b/c", "a/b c", "a/", "a/b;"):
        with pytest.raises(RemoteProtocolError):
            parse_content_type(text)


def test_warnings_are_read_one_by_one() -> None:
    text = '307 isi.edu "Session parameter \'foo\' not understood", 399 h:5060 "a \\"b\\""'
    assert parse_warning(text) == (
        WarningValue(307, "isi.edu", "Session parameter 'foo' not understood"),
        WarningValue(399, "h:5060", 'a "b"'),
    )
    for bad in ("1812 overture x", '1812 overture "In Progress"', "399 h", '399 h "a" b'):
        with pytest.raises(RemoteProtocolError):
            parse_warning(bad)


def test_reasons_are_read_one_by_one() -> None:
    # RFC 3326 §2.
    text = 'SIP ;cause=200 ;text="Call completed elsewhere", Q.850;cause=16;text="Terminated", preemption'
    assert parse_reason_header(text) == (
        Reason("SIP", 200, "Call completed elsewhere"),
        Reason("Q.850", 16, "Terminated"),
        Reason("preemption"),
    )
    for bad in ("", "SIP;cause=x", ";cause=1", "SIP;cause=1000"):
        if bad:
            with pytest.raises(RemoteProtocolError):
                parse_reason_header(bad)


def message(**lines: str) -> Request:
    return Request("INVITE", BOB, Headers((name.replace("_", "-"), value) for name, value in lines.items()))


def test_a_message_gives_its_fields_typed() -> None:
    invite = message(
        Via="SIP/2.0/TLS a;branch=z9hG4bK1, SIP/2.0/TLS b",
        From="Alice <sip:alice@atlanta.com>;tag=1",
        To="<sip:bob@biloxi.com>",
        Call_ID="a84b4c76e66710@pc33",
        CSeq="314159 INVITE",
        Contact="<sip:alice@pc33>, <sip:alice@pc34>",
        Record_Route="<sip:p1;lr>,<sip:p2;lr>",
        Max_Forwards="70",
    )
    assert top_via(invite).host == "a"
    assert from_addr(invite).tag == "1"
    assert to_addr(invite).uri == BOB
    assert call_id(invite) == "a84b4c76e66710@pc33"
    assert cseq(invite) == CSeq(314159, "INVITE")
    assert str(contact_uri(invite)) == "sip:alice@pc33"
    assert [str(route.uri) for route in route_set(invite, "Record-Route")] == ["sip:p1;lr", "sip:p2;lr"]
    assert route_set(invite, "Route") == ()
    assert max_forwards(invite) == 70
    assert max_forwards(message()) is None
    assert contact_uri(message()) is None


@pytest.mark.parametrize("read", [top_via, from_addr, to_addr, call_id, cseq])
def test_a_missing_field_is_a_bad_request_with_a_sentence(read: Callable[[Request], object]) -> None:
    with pytest.raises(RemoteProtocolError, match="is missing") as caught:
        read(message())
    assert caught.value.status_hint == 400


@pytest.mark.parametrize(
    ("read", "broken"),
    [
        (top_via, message(Via="")),
        (call_id, message(Call_ID="a b")),
        (contact_uri, message(Contact="*")),
        (max_forwards, message(Max_Forwards="256")),
    ],
)
def test_a_broken_field_is_a_bad_request(read: Callable[[Request], object], broken: Request) -> None:
    with pytest.raises(RemoteProtocolError):
        read(broken)
