"""Opus that follows the line in two joined sessions: a narrow way is given less and loses nothing any more."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from softphone.engine.audio.file import MemoryEndpoint
from softphone.sdp.negotiated import PayloadFormat
from softphone.ua.media_report import MediaReport
from tests.codecs.vowels import vowels
from tests.engine.media.lockstep import TICK, Pair, Side, pair

RATE = 48_000
OPUS = PayloadFormat("OPUS", 48_000, 96, 96, "useinbandfec=1")


class NarrowWay:
    """What goes to one side: so many bit/s of payloads and headers of RTP and SRTP; 200 ms may wait, the rest goes."""

    def __init__(self, both: Pair, to: Side, bit_rate: int) -> None:
        self._both, self._to, self._bit_rate = both, to, bit_rate
        self._free_at = 0.0
        self._waiting: deque[tuple[float, bytes, tuple[str, int], bool]] = deque()
        self.sizes: list[int] = []  # of what was sent
        self._receive = to.session.receive
        to.session.receive = self.take  # type: ignore[method-assign]

    def take(self, data: bytes, source: tuple[str, int], now: float, on_rtcp: bool) -> None:
        if not on_rtcp:
            self.sizes.append(len(data))
        begins = max(now, self._free_at)
        if begins - now > 0.2:
            return
        self._free_at = begins + len(data) * 8 / self._bit_rate
        self._waiting.append((self._free_at, data, source, on_rtcp))

    def pass_on(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._both.now:
            _, data, source, on_rtcp = self._waiting.popleft()
            self._receive(data, source, self._both.now, on_rtcp)


def over(both: Pair, way: NarrowWay | None, seconds: float) -> MediaReport:
    """The peer's report at the end."""
    for _ in range(round(seconds / TICK)):
        both.advance(TICK)
        if way is not None:
            way.pass_on()
    return both.b.session.report()


def talk(seconds: float) -> MemoryEndpoint:
    sound = vowels()
    times = int(seconds * RATE / len(sound)) + 1
    return MemoryEndpoint(np.tile(sound, times), RATE)


def test_a_narrow_way_is_given_less_until_hardly_anything_is_lost() -> None:
    with pair() as both:
        both.start(talk(110.0), talk(0.1), format=OPUS)
        way = NarrowWay(both, both.b, 26_000)
        over(both, way, 4.0)
        wide = sum(way.sizes) / len(way.sizes)
        too_much = 1 - 26_000 / (wide * 8 * 50)  # would be lost for ever
        before = over(both, way, 40.0)
        way.sizes.clear()
        after = over(both, way, 40.0)
        narrow = sum(way.sizes) / len(way.sizes)
        lost = (after.lost - before.lost) / len(way.sizes)
        print(f"{wide:.0f} octets, then {narrow:.0f}; {too_much:.2f} too much, then {lost:.3f} lost; {after.quality}")
        assert too_much > 0.2
        assert narrow < 0.75 * wide
        assert lost < too_much / 4


def test_a_wide_way_is_given_more_and_the_peers_bound_is_kept() -> None:
    for bound, most in ((None, 48_000), (24_000, 24_000)):
        with pair() as both:
            both.start(talk(60.0), talk(0.1), format=OPUS, bit_rate=bound)
            over(both, None, 50.0)
            assert both.a.session.report().send_bit_rate == most


def test_a_codec_of_one_rate_has_none_to_tell() -> None:
    with pair() as both:
        both.start(talk(3.0), talk(0.1))
        both.advance(2.0)
        assert both.a.session.report().send_bit_rate is None


@pytest.mark.parametrize("asked", ["useinbandfec=1;usedtx=1", "useinbandfec=1"])
def test_nothing_is_sent_while_nobody_speaks_if_the_peer_asks_for_that(asked: str) -> None:
    with pair() as both:
        both.start(talk(0.1), talk(0.1), format=PayloadFormat("OPUS", 48_000, 96, 96, asked))
        both.advance(10.0)
        report = both.b.session.report()
        assert (report.rtp_received < 150) is ("usedtx=1" in asked)
        assert report.lost == 0
