"""RSeq, RAck, Session-Expires and Min-SE as values (RFC 3262 §7, RFC 4028 §4, §5)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import RemoteProtocolError
from softphone.sip.extension_headers import (
    RAck,
    Refresher,
    SessionExpires,
    allowed_methods,
    has_option,
    parse_min_se,
    parse_rack,
    parse_rseq,
    parse_session_expires,
)
from softphone.sip.header_values import CSeq
from softphone.sip.message import Headers, Response

READERS: dict[str, Callable[[Headers], object]] = {
    "RSeq": parse_rseq,
    "RAck": parse_rack,
    "Session-Expires": parse_session_expires,
    "Min-SE": parse_min_se,
    "Supported": lambda headers: has_option(headers, "Supported", "timer"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("776656 1 INVITE", RAck(776656, CSeq(1, "INVITE"))),  # RFC 3262 §7.2
        (" 1\t2  PRACK ", RAck(1, CSeq(2, "PRACK"))),
    ],
)
def test_a_rack_is_read(text: str, value: RAck) -> None:
    assert parse_rack(Headers([("RAck", text)])) == value


def test_what_is_written_is_read_again() -> None:
    rack = RAck(7, CSeq(3, "INVITE"))
    assert parse_rack(Headers([("RAck", str(rack))])) == rack
    expires = SessionExpires(1800, Refresher.UAS)
    assert parse_session_expires(Headers([("Session-Expires", str(expires))])) == expires


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4000;refresher=uac", SessionExpires(4000, Refresher.UAC)),  # RFC 4028 §4
        ("90 ; Refresher=UAS ; x=y", SessionExpires(90, Refresher.UAS)),
        ("1800", SessionExpires(1800)),
        ("1800;refresher=proxy", SessionExpires(1800)),
        ("99999999999999", SessionExpires(2**32 - 1)),
    ],
)
def test_a_session_interval_is_read(text: str, value: SessionExpires) -> None:
    assert parse_session_expires(Headers([("Session-Expires", text)])) == value
    assert parse_session_expires(Headers([("x", text)])) == value  # its compact form


def test_without_the_field_there_is_none() -> None:
    empty = Headers()
    assert (parse_rseq(empty), parse_session_expires(empty), parse_min_se(empty)) == (None, None, None)
    with pytest.raises(RemoteProtocolError):
        parse_rack(empty)


def test_the_least_interval_may_have_parameters() -> None:
    assert parse_min_se(Headers([("Min-SE", "120;lr;x=1")])) == 120


def test_option_tags_compare_without_case_over_several_lines() -> None:
    headers = Headers([("k", "replaces, 100REL"), ("Supported", "timer")])
    assert has_option(headers, "Supported", "100rel")
    assert has_option(headers, "Supported", "timer")
    assert not has_option(headers, "Require", "timer")


def test_what_a_peer_allows_is_known_only_if_it_says_so_readably() -> None:
    def answer(*lines: tuple[str, str]) -> Response:
        return Response(200, "OK", Headers(lines), b"")

    assert allowed_methods(answer()) is None
    assert allowed_methods(answer(("Allow", "INVITE, UPDATE"), ("Allow", "PRACK"))) == frozenset(
        {"INVITE", "UPDATE", "PRACK"}
    )
    assert allowed_methods(answer(("Allow", ""))) == frozenset()
    assert allowed_methods(answer(("Allow", "INVITE; drop"))) is None


@given(st.sampled_from(sorted(READERS)), st.text(max_size=200))
def test_any_text_gives_a_value_or_a_clean_error(field: str, text: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        READERS[field](Headers([(field, text)]))


@pytest.mark.parametrize("field", READERS)
@pytest.mark.parametrize("unit", ["1", " ", "1 ", ";", ";a=", '"', ","])
def test_long_texts_take_linear_time(field: str, unit: str) -> None:
    started = time.thread_time()
    with contextlib.suppress(RemoteProtocolError):
        READERS[field](Headers([(field, unit * 100_000)]))
    assert time.thread_time() - started < 2.0
