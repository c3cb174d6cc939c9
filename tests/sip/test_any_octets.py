"""Any octets give a value or RemoteProtocolError, and in time linear in their number."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip import framing, limits, parser, tokens, uri
from softphone.sip.authentication import parse_authentication
from softphone.sip.framing import StreamFramer
from softphone.sip.header_values import (
    parse_content_type,
    parse_cseq,
    parse_delta_seconds,
    parse_name_addr,
    parse_retry_after,
    parse_via,
    parse_warning,
    split_values,
)
from softphone.sip.parser import parse_message
from softphone.sip.tokens import parse_parameters
from softphone.sip.uri import parse_uri
from tests.fuzz.sip_messages import PROPERTIES, run


@pytest.mark.parametrize(("property_", "examples"), PROPERTIES.items(), ids=[p.__name__ for p in PROPERTIES])
def test_it_holds_that(property_: Callable[[], None], examples: int) -> None:
    run(property_, examples)


START = b"OPTIONS sip:a@b SIP/2.0\r\n"


def one_at_a_time(data: bytes) -> None:
    framer = StreamFramer()
    for octet in data:
        framer.feed(bytes((octet,)))


HOSTILE: dict[str, tuple[Callable[[int], object], Callable[[str], object] | Callable[[bytes], object]]] = {
    "quotes": (lambda n: '"\\"' * n, split_values),
    "open quotes in a name": (lambda n: '"' + '\\"' * n, parse_name_addr),
    "commas": (lambda n: "," * n, split_values),
    "comments": (lambda n: "(" * n, split_values),
    "open brackets": (lambda n: "a <" * n, split_values),
    "parameters": (lambda n: "".join(f";p{k}" for k in range(n)), parse_parameters),
    "white space": (lambda n: "SIP/2.0/TLS h" + " " * n + "x", parse_via),
    "white space in a protocol": (lambda n: "SIP" + " " * n + "/" + " " * n + "2.0/" + " " * n + "x", parse_via),
    "white space before a port": (lambda n: "SIP/2.0/TLS h" + " " * n + ":" + " " * n + "x", parse_via),
    "white space in a type": (lambda n: "a" + " " * n + "/" + " " * n + "b" + " " * n + "x", parse_content_type),
    "white space in cseq": (lambda n: "1" + " " * n + "x" + " " * n + "x", parse_cseq),
    "white space in a warning": (lambda n: "399" + " " * n + "h" + " " * n + "x", parse_warning),
    "white space in a challenge": (lambda n: "Digest a" + " " * n + "=" + " " * n + ",", parse_authentication),
    "white space in an address": (lambda n: "a" + " " * n + "b <sip:a@b" + " " * n, parse_name_addr),
    "white space before a colon": (lambda n: START + b"X" + b" " * n + b"\r\n\r\n", parse_message),
    "digits of a telephone": (lambda n: "tel:+" + "1" * n + "x", parse_uri),
    "digits of a number": (lambda n: "1" * n, parse_delta_seconds),
    "host": (lambda n: "sip:" + "a." * n + "-", parse_uri),
    "white space before a parameter": (lambda n: ";a" + " " * n + "\0", parse_parameters),
    "comment in retry-after": (lambda n: "1 " + "(" * n + ")" * n, parse_retry_after),
    "escapes": (lambda n: "sip:" + "%41" * n + "@b", parse_uri),
    "uri parameters": (lambda n: "sip:a@b" + "".join(f";p{k}=1" for k in range(n)), parse_uri),
    "challenges": (lambda n: "Digest " + ", ".join(f"p{k}=1" for k in range(n)), parse_authentication),
    "challenge separators": (lambda n: "Digest a=b" + " ," * n + "\0", parse_authentication),
    "folded lines": (lambda n: START + b"X: a\r\n" + b" b\r\n" * n + b"\r\n", parse_message),
    "headers": (lambda n: START + b"X:a\r\n" * n + b"\r\n", parse_message),
    "empty lines": (lambda n: b"\r\n" * n, parse_message),
    "octets one at a time": (lambda n: START + b"X: " + b"x" * n, one_at_a_time),
    "line breaks one at a time": (lambda n: START + b"\r\nX:" * n, one_at_a_time),
    "folded length": (lambda n: START + b"l: 0\r\n" + b" \r\n" * n + b"\r\n", lambda data: StreamFramer().feed(data)),
    "small messages": (lambda n: (START + b"l:0\r\n\r\n") * n, lambda data: StreamFramer().feed(data)),
    "keep-alives": (lambda n: b"\r\n" * n, lambda data: StreamFramer().feed(data)),
}


def seconds(make: Callable[[int], object], read: Callable[[object], object], size: int) -> float:
    """The best of five: what is measured is the work, not the other processes of the machine."""
    data = make(size)
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        with contextlib.suppress(RemoteProtocolError):
            read(data)
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_costs_time_in_proportion_to_its_length(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the limits, which would hide what the code does beyond them.
    for module in (framing, limits, parser, tokens, uri):
        for limit in (
            "MAX_HEADER_BLOCK",
            "MAX_HEADER_FIELDS",
            "MAX_VALUES",
            "MAX_PARAMETERS",
            "MAX_URI_LENGTH",
            "MAX_LINE_LENGTH",
        ):
            if hasattr(module, limit):
                monkeypatch.setattr(module, limit, 10**9)
    monkeypatch.setattr("softphone.sip.authentication.MAX_PARAMETERS", 10**9)
    make, read = HOSTILE[name]
    size = 4_000
    small = seconds(make, read, size)  # type: ignore[arg-type]
    large = seconds(make, read, size * 8)  # type: ignore[arg-type]
    # Eight times the input: linear is 8, quadratic 64. Twice the linear is allowed for caches and the machine's moods.
    assert large < max(small, 0.0005) * 24
