"""RFC 3261 §19.1 and RFC 3966: reading, writing and comparing URIs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_URI_LENGTH
from softphone.sip.uri import OtherUri, SipUri, TelUri, parse_uri, uris_equal

# RFC 3261 §19.1.3.
EXAMPLES = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:[2001:db8::10]:5070;transport=tls",
    "tel:+1-201-555-0123",
    "tel:7042;phone-context=example.com",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_the_rfc_come_back_as_they_were(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_every_part_of_a_sip_uri_is_read() -> None:
    assert parse_uri("SIPS:al%20ice:p%3Aw@[2001:DB8::9]:5071;lr;maddr=x?Subject=a%26b") == SipUri(
        "sips", "2001:DB8::9", "al ice", "p:w", 5071, (("lr", None), ("maddr", "x")), (("Subject", "a&b"),)
    )


def test_a_parameter_is_found_without_case_and_a_flag_is_empty() -> None:
    uri = parse_uri("sip:a@b;LR;Transport=TLS")
    assert isinstance(uri, SipUri)
    assert (uri.parameter("lr"), uri.parameter("transport"), uri.parameter("ob")) == ("", "TLS", None)


@pytest.mark.parametrize(
    ("text", "secure"),
    [("sips:a@b", True), ("sip:a@b;transport=TLS", True), ("sip:a@b", False), ("sip:a@b;transport=tcp", False)],
)
def test_a_uri_asks_for_tls_by_scheme_or_transport(text: str, secure: bool) -> None:
    uri = parse_uri(text)
    assert isinstance(uri, SipUri)
    assert uri.is_secure is secure


def test_what_the_grammar_forbids_is_escaped_when_written() -> None:
    uri = SipUri("sip", "h", user="a b@c#é\r\n", parameters=(("x", "1;2"),), headers=(("s", "a&b=c"),))
    assert str(uri) == "sip:a%20b%40c%23%C3%A9%0D%0A@h;x=1%3B2?s=a%26b%3Dc"
    assert parse_uri(str(uri)) == uri


def test_escapes_that_are_not_utf8_keep_their_octets() -> None:
    assert str(parse_uri("sip:%FF%00x@h")) == "sip:%FF%00x@h"


def test_a_changed_copy_is_written_as_changed() -> None:
    uri = parse_uri("sip:a@b;transport=tcp")
    assert isinstance(uri, SipUri)
    assert str(replace(uri, parameters=())) == "sip:a@b"


def test_other_schemes_are_carried_unread() -> None:
    assert parse_uri("soap.beep://192.0.2.103:3002") == OtherUri("soap.beep", "//192.0.2.103:3002")


def test_tel_keeps_its_separators_and_parameters() -> None:
    assert parse_uri("tel:+1(201)555;ext=5") == TelUri("+1(201)555", (("ext", "5"),))


@pytest.mark.parametrize(
    "text",
    [
        "", "sip:", "alice@atlanta.com", "sip:@host", "sip:a@", "sip:a@b@c", "sip:a@b c", "sip:a@<b>", "sip:a@b:0",
        "sip:a@b:65536", "sip:a@b:x", "sip:a@b:", "sip:a%4@b", "sip:a%zz@b", "sip:a@[::1", "sip:a@[zz]", "sip:a@[::1]x",
        "sip:a@[fe80::1%25eth0]", "sip:a@b;", "sip:a@b;;x", "sip:a@b;x=", "sip:a@b;=1", "sip:a@b;x;X", "sip:a@b?",
        "sip:a@b?x", "sip:a@b..c/d", "sip:a@-b", "tel:", "tel:+", "tel:bob", "sip:a\x00@b",
        "sip:a@b\r\nX", "sip:a@" + "h" * 300,
    ],
)  # fmt: skip
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_uri(text)


def test_a_uri_beyond_the_limit_is_refused_with_414() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_uri("sip:" + "a" * MAX_URI_LENGTH + "@b")
    assert caught.value.status_hint == 414


# RFC 3261 §19.1.4, both lists.
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a@[2001:db8:0:0::1]", "sip:a@[2001:DB8::1]"),
    ("tel:+1-201-555-0123;ext=1;isub=A", "tel:+12015550123;isub=a;ext=1"),
    ("urn:x", "URN:x"),
]
UNEQUAL = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@b", "sips:a@b"),
    ("sip:a@b", "sip:a:pw@b"),
    ("sip:a@b;maddr=192.0.2.1", "sip:a@b"),
    ("tel:+1201", "tel:1201"),
    ("tel:+1201;ext=1", "tel:+1201"),
    ("tel:+1201", "sip:+1201@h"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_uris_of_the_rfcs_first_list_are_equal(a: str, b: str) -> None:
    assert uris_equal(parse_uri(a), parse_uri(b))
    assert uris_equal(parse_uri(b), parse_uri(a))


@pytest.mark.parametrize(("a", "b"), UNEQUAL)
def test_uris_of_the_rfcs_second_list_are_not_equal(a: str, b: str) -> None:
    assert not uris_equal(parse_uri(a), parse_uri(b))
    assert not uris_equal(parse_uri(b), parse_uri(a))
