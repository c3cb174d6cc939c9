"""RFC 5922 §7.1 and §7.2 as tables."""

from __future__ import annotations

import pytest

from softphone.engine.identity import Match, Mismatch, domain_in_ascii, match_identity
from softphone.engine.throwaway_ca import ThrowawayAuthority

AUTHORITY = ThrowawayAuthority.create()


@pytest.mark.parametrize(
    ("names", "common_name", "name", "identity"),
    [
        (("sip:example.com",), "x", "example.com", "sip:example.com"),
        (("sip:example.com",), "x", "EXAMPLE.com.", "sip:example.com"),
        (("sip:example.com:5061;transport=tls",), "x", "example.com", "sip:example.com"),
        (("SIP:example.com",), "x", "example.com", "sip:example.com"),
        (("example.com",), "x", "example.com", "example.com"),
        (("EXAMPLE.com",), "x", "example.COM", "EXAMPLE.com"),
        (("other.example", "example.com"), "x", "example.com", "example.com"),
        (("xn--bcher-kva.example",), "x", "bücher.example", "xn--bcher-kva.example"),
        ((), "example.com", "example.com", "CN=example.com"),
        (("192.0.2.7",), "x", "192.0.2.7", "192.0.2.7"),
        (("2001:db8::7",), "x", "[2001:0db8:0:0::7]", "2001:db8::7"),
        (("sip:192.0.2.7",), "x", "192.0.2.7", "sip:192.0.2.7"),
        (("sip:example.com", "192.0.2.7"), "x", "192.0.2.7", "192.0.2.7"),
        (("sip:alice@example.com", "example.com"), "x", "example.com", "example.com"),  # a person is no domain
        (("https://example.org", "example.com"), "x", "example.com", "example.com"),
    ],
)
def test_names_that_match(names: tuple[str, ...], common_name: str, name: str, identity: str) -> None:
    certificate = AUTHORITY.issue(*names, common_name=common_name).certificate
    assert match_identity(certificate, name, strict=True) == Match(identity)


@pytest.mark.parametrize(
    ("names", "common_name", "name"),
    [
        (("sip:other.example", "example.com"), "x", "example.com"),  # DNS names count only without a sip: URI
        (("other.example",), "example.com", "example.com"),  # the common name counts only without any SAN
        (("sip:alice@example.com",), "example.com", "example.com"),
        (("sips:example.com",), "x", "example.com"),  # RFC 5922 §7.1: the scheme is "sip"
        (("https://example.com",), "x", "example.com"),
        (("example.com",), "x", "sip.example.com"),
        (("sip.example.com",), "x", "example.com"),
        (("sip:*.example.com",), "x", "sip.example.com"),
        (("*.com",), "x", "example.com"),
        (("*",), "x", "localhost"),
        (("*.example.com",), "x", "example.com"),
        (("*.example.com",), "x", "a.b.example.com"),
        (("s*.example.com",), "x", "sip.example.com"),
        (("*.*.example.com",), "x", "a.b.example.com"),
        (("192.0.2.7",), "x", "192.0.2.8"),
        (("sip:192.0.2.7.example.com",), "x", "192.0.2.7"),
        (("example.com",), "192.0.2.7", "192.0.2.7"),
        (("example.com",), "x", ""),
        (("example.com",), "x", "a" * 64 + ".example.com"),
    ],
)
def test_names_that_do_not_match(names: tuple[str, ...], common_name: str, name: str) -> None:
    result = match_identity(AUTHORITY.issue(*names, common_name=common_name).certificate, name, strict=False)
    assert isinstance(result, Mismatch)
    assert len(result.names) == len(names)


@pytest.mark.parametrize(("names", "common_name"), [(("*.example.com",), "x"), ((), "*.example.com")])
def test_a_wildcard_of_one_whole_label_matches_unless_strict(names: tuple[str, ...], common_name: str) -> None:
    certificate = AUTHORITY.issue(*names, common_name=common_name).certificate
    relaxed = match_identity(certificate, "sip.example.com", strict=False)
    assert isinstance(relaxed, Match)
    assert relaxed.wildcard
    strict = match_identity(certificate, "sip.example.com", strict=True)
    assert isinstance(strict, Mismatch)
    assert strict.refused_wildcard == "*.example.com"


def test_an_exact_name_beside_a_wildcard_is_no_deviation() -> None:
    certificate = AUTHORITY.issue("*.example.com", "sip.example.com").certificate
    assert match_identity(certificate, "sip.example.com", strict=True) == Match("sip.example.com")


@pytest.mark.parametrize("name", ["", ".", "a..b", ".a", "é" * 64 + ".example", "a." * 127 + "com"])
def test_what_cannot_be_a_domain_is_none(name: str) -> None:
    assert domain_in_ascii(name) is None
