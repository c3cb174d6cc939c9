"""When a datagram came, as the kernel noted it: reading it late changes nothing."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from softphone.engine.media import arrival

LATER_S = 0.4


@pytest.fixture(params=["127.0.0.1", "::1"])
def sockets(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ours, socket.socket(family, socket.SOCK_DGRAM) as theirs:
        ours.setblocking(False)
        ours.bind((request.param, 0))
        theirs.connect(ours.getsockname()[:2])
        yield ours, theirs


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes such notes for us")
def test_what_is_read_late_came_when_it_came(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sockets
    assert arrival.note_arrivals(ours)
    before = time.monotonic()
    theirs.send(b"voice")
    after = time.monotonic()
    time.sleep(LATER_S)
    data, source, moment = arrival.receive(ours)
    assert (data, source) == (b"voice", theirs.getsockname()[:2])
    assert before - 0.001 <= moment <= after + 0.05  # the two clocks are read one after the other


def test_without_a_note_it_came_when_it_is_read(sockets: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = sockets
    theirs.send(b"voice")
    time.sleep(LATER_S)
    before = time.monotonic()
    data, _, moment = arrival.receive(ours)
    assert data == b"voice"
    assert moment >= before


def test_a_note_of_another_time_is_not_believed(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = sockets
    arrival.note_arrivals(ours)
    wall = time.time()
    for set_to in (wall - 3600, wall + 3600):
        theirs.send(b"voice")
        monkeypatch.setattr(time, "time", lambda set_to=set_to: set_to)
        before = time.monotonic()
        assert arrival.receive(ours)[2] >= before


def test_an_empty_socket_says_so(sockets: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        arrival.receive(sockets[0])
