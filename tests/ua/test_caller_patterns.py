"""Which callers a pattern means."""

from __future__ import annotations

import pytest

from softphone.errors import OperationFailed
from softphone.sip.uri import parse_uri
from softphone.ua.caller_patterns import MAX_PATTERNS, caller_pattern, caller_patterns


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("bob", "sip:bob@a.test"),
        ("Bob", "sips:bob@b.test"),
        ("bob@a.test", "sip:BOB@A.TEST:5061"),
        ("@a.test", "sip:anybody@a.test"),
        ("@a.test", "sip:a.test"),
        ("+49*", "sip:+49301234@a.test;user=phone"),
        ("+49 (30) 12*", "tel:+49-30-1234"),
        ("+49*@a.test", "sip:+49301@a.test"),
        ("030/1234", "sip:0301234@a.test"),
        ("@[2001:db8::1]", "sip:bob@[2001:db8::1]"),
        ("call center*", "sip:call%20center%201@a.test"),
    ],
)
def test_it_fits(pattern: str, address: str) -> None:
    assert caller_pattern(pattern).fits(parse_uri(address))


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("bob", "sip:bobby@a.test"),
        ("bob@a.test", "sip:bob@b.test"),
        ("bob@a.test", "sip:bob@a.test.evil.test"),
        ("@a.test", "sip:bob@sub.a.test"),
        ("@a.test", "tel:+4930"),
        ("+49*", "sip:+48301234@a.test"),
        ("+49", "sip:+49301234@a.test"),
        ("bob", "https://bob@a.test/"),
    ],
)
def test_it_does_not_fit(pattern: str, address: str) -> None:
    assert not caller_pattern(pattern).fits(parse_uri(address))


@pytest.mark.parametrize(
    "text", ["", "  ", "*", "*@", "bob@", "a@b@c", "<sip:bob>", "sip:bob@a.test", "a;b", "x" * 300]
)
def test_what_says_nobody_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(OperationFailed):
        caller_pattern(text)


def test_a_list_has_an_end() -> None:
    with pytest.raises(OperationFailed):
        caller_patterns(("bob",) * (MAX_PATTERNS + 1))
