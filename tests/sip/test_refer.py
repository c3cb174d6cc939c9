"""Refer-To, Referred-By, sipfrag (RFC 3515, 3892, 3420), Replaces (RFC 3891) as values; what is broken is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import RemoteProtocolError
from softphone.sip.dialog import Dialog, DialogId, Role
from softphone.sip.header_values import parse_name_addr
from softphone.sip.message import Headers, Request, Response
from softphone.sip.refer import refer_to, referred_by, sipfrag, status_line, without_subscription
from softphone.sip.replaces import Replaces, parse_replaces, replaces_of
from softphone.sip.uri import SipUri, parse_uri


def request(*lines: tuple[str, str]) -> Request:
    return Request("REFER", parse_uri("sip:b@atlanta.example.com"), Headers(lines), b"")


def test_refer_to_as_in_rfc_3515_4_1() -> None:
    value = refer_to(request(("r", '"Bob" <sip:bob@biloxi.example.net>')))
    assert (str(value.uri), value.display_name) == ("sip:bob@biloxi.example.net", "Bob")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (("Refer-To", ""),),
        (("Refer-To", "<sip:a@b>"), ("Refer-To", "<sip:c@d>")),
        (("Refer-To", "<sip:a@b>, <sip:c@d>"),),
        (("Refer-To", "nonsense"),),
    ],
)
def test_none_or_two_or_an_unreadable_refer_to_is_a_bad_request(lines: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        refer_to(request(*lines))
    assert raised.value.status_hint == 400


def test_referred_by_is_for_display_and_never_an_error() -> None:
    found = referred_by(request(("b", '"Alex" <sip:r@ref.example>;cid="2UWQFN309shb3@ref.example"')))
    assert found is not None
    assert (str(found.uri), found.parameter("cid")) == ("sip:r@ref.example", "2UWQFN309shb3@ref.example")
    for broken in ("", "x y", "<sip:a@b>, <sip:c@d>"):
        assert referred_by(request(("Referred-By", broken))) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"SIP/2.0 100 Trying", (100, "Trying")),
        (b"SIP/2.0 200 OK\r\n", (200, "OK")),
        (b"SIP/2.0 603 Declined\r\nTo: <sip:x@y>\r\n", (603, "Declined")),
        (b"\r\nSIP/2.0 486 Busy Here\nVia: x", (486, "Busy Here")),
        (b"SIP/2.0 404", (404, "")),
        ("SIP/2.0 480 Später".encode(), (480, "Später")),
        (b"SIP/2.0 480 \xff", (480, "\ufffd")),
        (b"", None),
        (b"\r\n", None),
    ],
)
def test_a_sipfrag_begins_with_a_status(body: bytes, expected: tuple[int, str] | None) -> None:
    assert status_line(body) == expected


@pytest.mark.parametrize(
    "body", [b"SIP/2.0 99 x", b"SIP/2.0 2000 x", b"SIP/2.0 700 x", b"HTTP/1.1 200 OK", b"x" * 9999]
)
def test_a_sipfrag_that_begins_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        status_line(body)


def test_our_sipfrags_are_read_as_they_are_written() -> None:
    for status in (100, 180, 200, 486, 603, 699):
        found = status_line(sipfrag(status))
        assert found is not None
        assert found[0] == status


@pytest.mark.parametrize(("value", "expected"), [("false", True), ("False ;x=y", True), ("true", False), ("", False)])
def test_refer_sub_false_says_that_nothing_will_be_told(value: str, expected: bool) -> None:
    assert without_subscription(Response(202, "Accepted", Headers((("Refer-Sub", value),)), b"")) is expected


# Replaces


@pytest.mark.parametrize(
    "text",
    [
        "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
        "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only",
        "87134@171.161.34.23;to-tag=24796;from-tag=0",
    ],
)
def test_the_examples_of_rfc_3891_6_1(text: str) -> None:
    value = parse_replaces(text)
    assert parse_replaces(str(value)) == value
    assert value.early_only is ("early-only" in text)


@pytest.mark.parametrize(
    "text",
    ["", ";to-tag=1;from-tag=2", "x", "x;to-tag=1", "x;to-tag=;from-tag=1", "x y;to-tag=1;from-tag=2", "x,y;to-tag=1"]
    + [f"x{bad}y;to-tag=1;from-tag=2" for bad in ("\r\nEvil: 1", "\n", "\0", "\x85", "\u2028", "ä", '"')],
)
def test_a_replaces_without_its_parts_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse_replaces(text)
    assert raised.value.status_hint == 400


def test_one_replaces_in_a_request_or_none() -> None:
    one = ("Replaces", "x;to-tag=1;from-tag=2")
    assert replaces_of(request()) is None
    assert replaces_of(request(one)) == Replaces("x", "1", "2")
    for lines in ((one, one), (("Replaces", f"{one[1]}, {one[1]}"),), (one, ("Join", one[1])), (("Replaces", ""),)):
        with pytest.raises(RemoteProtocolError):
            replaces_of(request(*lines))


def test_the_peer_finds_the_dialog_that_we_name_for_it_also_without_tags() -> None:
    """RFC 3891 §3: to-tag is the receiver's own; "0" stands for none (§6.1)."""
    for remote_tag in ("theirs", ""):
        ours = DialogId("call", "ours", remote_tag)
        theirs = DialogId("call", remote_tag, "ours")
        assert Replaces.of_peer(ours).names(theirs)
        assert not Replaces.of_peer(ours).names(ours)


def test_it_survives_the_escapes_of_a_refer_to() -> None:
    dialog = Dialog(
        Role.UAC,
        DialogId("a;b?c&d=%@e", "x~!'", "y.z*"),
        local=parse_name_addr("<sip:a@b>"),
        remote=parse_name_addr("<sip:c@d>"),
        remote_target=parse_uri("sip:c@d"),
        routes=(),
        local_cseq=1,
        remote_cseq=None,
        secure=False,
    )
    value = Replaces("a?c&d=%@e", dialog.id.remote_tag, dialog.id.local_tag)
    uri = SipUri("sip", "d", user="c", headers=(("Replaces", str(value)),))
    again = parse_uri(str(uri))
    assert isinstance(again, SipUri)
    assert parse_replaces(dict(again.headers)["Replaces"]) == value


@given(st.binary(max_size=600))
def test_any_octets_are_a_status_or_a_clean_error(body: bytes) -> None:
    try:
        found = status_line(body)
    except RemoteProtocolError:
        return
    assert found is None or 100 <= found[0] <= 699


@given(st.text(max_size=300))
def test_any_text_is_a_replaces_or_a_clean_error(text: str) -> None:
    try:
        value = parse_replaces(text)
    except RemoteProtocolError:
        return
    assert value.call_id
    assert value.to_tag
    assert value.from_tag
