"""Quoted strings, parameters and lists."""

from __future__ import annotations

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.limits import MAX_COMMENT_NESTING, MAX_PARAMETERS, MAX_VALUES
from softphone.sip.tokens import display_text, format_parameters, parse_parameters, quote, split_values, unquote


def test_quoting_escapes_and_unquoting_brings_back() -> None:
    assert quote('a "b" \\ c') == '"a \\"b\\" \\\\ c"'
    assert unquote(quote('a "b" \\ c')) == 'a "b" \\ c'


def test_quoting_lets_no_line_break_through() -> None:
    assert quote("a\r\nVia: x\0") == '"a Via: x "'


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("", ()),
        ("  ", ()),
        ("a", ("a",)),
        ("a, b ,c", ("a", "b", "c")),
        ('"x, y" <sip:a,b@c>, <sip:d@e;x=1,2>', ('"x, y" <sip:a,b@c>', "<sip:d@e;x=1,2>")),
        ('"a\\", b", c', ('"a\\", b"', "c")),
        ("18000 (a, (b), c), d", ("18000 (a, (b), c)", "d")),
        ("sip:a(b@c, sip:d)e@f", ("sip:a(b@c", "sip:d)e@f")),  # RFC 3261 mark: parentheses in a URI are no comment
        ("(a \\) b), c", ("(a \\) b)", "c")),
        (";;,,;;,;", (";;", "", ";;", ";")),
    ],
)
def test_only_commas_outside_of_quotes_brackets_and_comments_separate(line: str, values: tuple[str, ...]) -> None:
    assert split_values(line) == values


@pytest.mark.parametrize(
    "line", ['"a', '"a\\"', "<sip:a", "(a", "(" * (MAX_COMMENT_NESTING + 1) + ")" * 20, "," * MAX_VALUES]
)
def test_open_quotes_brackets_comments_and_floods_are_refused(line: str) -> None:
    with pytest.raises(RemoteProtocolError):
        split_values(line)


def test_parameters_are_read_with_white_space_flags_and_quotes() -> None:
    assert parse_parameters(' ; tag = 1918181833n ;lr; x="a;b \\" c" ;received=[2001:db8::1]') == (
        ("tag", "1918181833n"),
        ("lr", None),
        ("x", 'a;b " c'),
        ("received", "[2001:db8::1]"),
    )


@pytest.mark.parametrize(
    "text",
    [
        ";",
        ";;",
        ";a;",
        "a=b",
        ";a=",
        ";a=b c",
        ';a="b',
        ";a;A",
        ";a=b,c",
        "".join(f";p{n}" for n in range(MAX_PARAMETERS + 1)),
    ],
)
def test_parameters_outside_of_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_parameters(text)


def test_parameters_are_quoted_only_where_needed() -> None:
    text = ';expires=60;ob;+sip.instance="<urn:uuid:1>";received=[::1];e=""'
    assert format_parameters(parse_parameters(text)) == text


def test_octets_that_are_not_utf8_are_shown_as_replacement_characters() -> None:
    assert display_text(b"J\xf6rg".decode("utf-8", "surrogateescape")) == "J\ufffdrg"
