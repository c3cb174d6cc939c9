"""Media moves to another local address: SSRC, sequence numbers, roll-over counters and buffers go on (RFC 3711 §3.3.1).

127.0.0.2 stands for the new address: all of 127.0.0.0/8 is this machine's on Linux. In real networks: tests/network.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from softphone.engine.media.sockets import MediaSockets, PortRange
from softphone.ua.inputs import MediaFailed, MediaOpened, MediaReported
from tests.engine.media.lockstep import negotiated, pair, voice
from tests.engine.media.test_media_engine import RATE, Engine, join
from tests.peers.ports import free_port_range
from tests.peers.process import until
from tests.peers.speech import likeness

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="127.0.0.2 is Linux's own")
ELSEWHERE = "127.0.0.2"


def test_a_moved_session_is_heard_from_its_new_address_and_hears_there() -> None:
    a, b = Engine(), Engine()
    try:
        said = voice(4.0, RATE)
        ours = MemoryEndpoint(said, RATE)
        join(a, b, ours, LoopEndpoint())
        until(lambda: ours.heard().size >= 1.5 * RATE, "a second and a half of sound", timeout=10)
        first = a.heard_of(MediaOpened)[0]
        a.engine.rebind("call", ELSEWHERE)
        moved = until(lambda: a.heard_of(MediaOpened)[1:], "the new sockets")[0]
        until(lambda: ours.heard().size >= 4.2 * RATE, "the rest of the sound", timeout=10)
        a.engine.stop("call")
        b.engine.stop("call")
        report = a.final().report, b.final().report
        # No re-INVITE here: b follows the authentic packets to where they come from (RFC 4961).
        correlation = likeness(said[2 * RATE : 3 * RATE], ours.heard(), RATE)
    finally:
        a.engine.close()
        b.engine.close()

    assert (first.address, moved.address) == ("127.0.0.1", ELSEWHERE)
    assert moved.rtp_port % 2 == 0
    assert moved.rtcp_port == moved.rtp_port + 1
    assert correlation > 0.9
    for sent, received in (report, report[::-1]):
        assert received.auth_failures == received.replays == 0
        assert received.lost <= 2  # what was on its way to the closed sockets
        assert abs(sent.rtp_sent - received.rtp_received) <= 5


def test_the_roll_over_counter_outlives_the_move() -> None:
    """A context made anew would begin at a roll-over counter of 0 and open nothing."""
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        for side in (both.a, both.b):
            assert side.session._running is not None
            side.session._running.transmitter.sender._sequence_number = 65_500  # it has been running for long
        both.advance(2)
        before = both.b.session.report().rtp_received
        moved = MediaSockets.open(ELSEWHERE, PortRange(*free_port_range()), bytes)
        both.a.session.rebind(moved)
        both.a.sockets = moved
        both.b.session.update(negotiated(moved.rtp_port, both.media_b.security, remote_address=ELSEWHERE), both.now)
        both.advance(2)
        after = both.a.session.report(), both.b.session.report()

    assert after[1].rtp_received - before == 100
    for report in after:
        assert report.auth_failures == report.replays == 0
        assert report.lost <= 1
    assert after[0].rtp_received >= 198


def test_where_no_port_is_free_the_old_sockets_stay_and_the_failure_is_said() -> None:
    first, _ = free_port_range()
    side = Engine(PortRange(first, first + 3))
    taken = [MediaSockets.open(ELSEWHERE, PortRange(first, first + 3), bytes) for _ in range(2)]
    try:
        port = side.open()
        side.engine.rebind("call", ELSEWHERE)
        failed = until(lambda: side.heard_of(MediaFailed), "the failure")[0]
        assert "no free pair of ports" in failed.failure.reason
        assert ELSEWHERE in failed.failure.reason
        for sockets in taken:
            sockets.close()
        side.engine.rebind("call", ELSEWHERE)
        assert until(lambda: side.heard_of(MediaOpened)[1:], "the new sockets")[0].address == ELSEWHERE
        assert port in (first, first + 2)
    finally:
        side.engine.close()
        for sockets in taken:
            sockets.close()


def test_an_address_that_has_gone_again_ends_no_call() -> None:
    a, b = Engine(), Engine()
    try:
        ours = MemoryEndpoint(np.zeros(0, np.int16), RATE)
        join(a, b, ours, ToneEndpoint())
        until(lambda: ours.heard().size > RATE // 2, "sound")
        a.engine.rebind("call", "192.0.2.1")
        before = ours.heard().size
        until(lambda: ours.heard().size > before + RATE // 2, "the call to go on")
        assert a.heard_of(MediaFailed) == []
        assert len(a.heard_of(MediaOpened)) == 1
        a.engine.stop("call")
        assert a.final().report.rtp_sent > 20
        assert isinstance(a.told[-1], MediaReported)
    finally:
        a.engine.close()
        b.engine.close()


def test_a_session_that_is_gone_is_not_moved() -> None:
    side = Engine()
    try:
        side.open()
        side.engine.stop("call")
        side.engine.rebind("call", ELSEWHERE)
        side.open("next")
        assert len(side.heard_of(MediaOpened)) == 1
    finally:
        side.engine.close()
