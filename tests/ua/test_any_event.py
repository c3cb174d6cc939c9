"""Any body of an event gives a value or RemoteProtocolError, in time linear in its length."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from softphone.errors import RemoteProtocolError
from softphone.ua import dialog_info, message_waiting
from softphone.ua.dialog_info import parse_dialog_info
from softphone.ua.foreign_text import readable
from softphone.ua.message_waiting import parse_message_summary
from tests.fuzz.event_bodies import PROPERTIES, ROOT
from tests.fuzz.sip_messages import run


@pytest.mark.parametrize(("property_", "examples"), PROPERTIES.items(), ids=[p.__name__ for p in PROPERTIES])
def test_it_holds_that(property_: Callable[[], None], examples: int) -> None:
    run(property_, examples)


def info(inner: str) -> bytes:
    return f"{ROOT}{inner}</dialog-info>".encode()


HOSTILE: dict[str, tuple[Callable[[int], object], Callable[..., object]]] = {
    "nesting": (lambda n: info("<a>" * n), parse_dialog_info),
    "elements": (lambda n: info("<a/>" * n), parse_dialog_info),
    "dialogs": (
        lambda n: info("".join(f'<dialog id="{k}"><state>early</state></dialog>' for k in range(n))),
        parse_dialog_info,
    ),
    "attributes": (lambda n: info("<a " + "".join(f' p{k}="1"' for k in range(n)) + "/>"), parse_dialog_info),
    "namespaces": (lambda n: info("".join(f'<a{k} xmlns:a{k}="u{k}"/>' for k in range(n))), parse_dialog_info),
    "text in pieces": (lambda n: info(f'<dialog id="1"><state>{"&lt;" * n}</state></dialog>'), parse_dialog_info),
    "comments": (lambda n: info("<!--x-->" * n), parse_dialog_info),
    "an open comment": (lambda n: info("<!--" + "-" * n), parse_dialog_info),
    "an open attribute": (lambda n: info('<a b="' + "x" * n), parse_dialog_info),
    "lines": (lambda n: b"Messages-Waiting: yes\r\n" + b"X:\r\n" * n, parse_message_summary),
    "white space in counts": (
        lambda n: b"Messages-Waiting: yes\r\nVoice-Message: 1" + b" " * n + b"/" + b" " * n + b"(",
        parse_message_summary,
    ),
    "carriage returns": (lambda n: b"Messages-Waiting: yes" + b"\r" * n, parse_message_summary),
    "digits": (lambda n: b"Messages-Waiting: yes\r\nVoice-Message: " + b"1" * n, parse_message_summary),
    "marks": (lambda n: "\u202e\r" * n, readable),
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
def test_hostile_bodies_cost_time_in_proportion_to_their_length(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the limits, which would hide what the code does beyond them.
    for limit in ("MAX_DOCUMENT", "MAX_ELEMENTS", "MAX_DEPTH", "MAX_DIALOGS", "MAX_TEXT"):
        monkeypatch.setattr(dialog_info, limit, 10**9)
    for limit in ("MAX_SUMMARY", "MAX_LINES"):
        monkeypatch.setattr(message_waiting, limit, 10**9)
    make, read = HOSTILE[name]
    size = 2_000
    small, large = seconds(make, read, size), seconds(make, read, size * 8)
    # Eight times the input: linear is 8, quadratic 64. Twice the linear is allowed for caches and the machine's moods.
    assert large < max(small, 0.0005) * 24
