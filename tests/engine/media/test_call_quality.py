"""Quality of both directions in two sessions joined over UDP, on virtual time: what the line does is what is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from softphone.engine.audio.tone import ToneEndpoint
from softphone.rtp.quality_meter import WINDOW_S
from softphone.sdp.negotiated import Direction, PayloadFormat
from softphone.ua.media_report import CallQuality
from tests.engine.media.lockstep import PCMU, Pair, crossed_keys, pair

SECONDS = 30.0
OPUS = PayloadFormat("OPUS", 48_000, 96, 96, "useinbandfec=1")


def losing(part: float, seed: int = 1) -> Callable[[], bool]:
    dice = random.Random(seed)
    return lambda: dice.random() < part


def quality_of(both: Pair) -> CallQuality:
    """As A's session has it."""
    return both.a.session.report().quality


@pytest.mark.parametrize("format", [PCMU, OPUS], ids=["PCMU", "OPUS"])
def test_more_loss_on_the_way_to_us_is_a_lower_opinion_of_what_we_hear(format: PayloadFormat) -> None:
    opinions = []
    for part in (0.0, 0.05, 0.2):
        with pair() as both:
            both.a.lose = losing(part)
            both.start(ToneEndpoint(), ToneEndpoint(), format=format)
            both.advance(SECONDS)
            heard, said = quality_of(both).heard, quality_of(both).said
            assert heard is not None
            assert heard.loss == pytest.approx(part, abs=0.03)
            assert 60 < heard.delay_ms < 160
            assert said is not None
            assert said.loss == 0  # the other way loses nothing
            opinions.append(heard.mos)
    assert opinions[0] > 4.25
    assert opinions[0] > opinions[1] + 0.2 > opinions[2] + 0.4


def test_loss_on_the_way_to_the_peer_is_known_from_its_reports() -> None:
    with pair() as both:
        both.b.lose = losing(0.1)
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(2 * SECONDS)
        quality = quality_of(both)
        assert quality.heard is not None
        assert quality.said is not None
        assert quality.said_now is not None
        assert quality.heard.loss == 0
        assert quality.said.loss == pytest.approx(0.1, abs=0.04)
        assert quality.said.mos < quality.heard.mos - 0.5


def test_a_burst_is_worse_now_than_the_same_loss_scattered() -> None:
    def bursts(length: int) -> Callable[[], bool]:
        count = iter(range(10**9))
        return lambda: next(count) % (10 * length) >= 9 * length

    ratios = []
    for length in (1, 6):
        with pair() as both:
            both.a.lose = bursts(length)
            both.start(ToneEndpoint(), ToneEndpoint())
            both.advance(SECONDS)
            heard = quality_of(both).heard
            assert heard is not None
            ratios.append(heard.burst_ratio)
    assert ratios[0] == 1.0
    assert ratios[1] > 4


def test_a_line_that_goes_dead_is_bad_within_seconds_and_good_again_after_them() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(15.0)
        before = quality_of(both).heard_now
        both.a.lose = lambda: True
        both.advance(5.0)
        dead = quality_of(both).heard_now
        both.a.lose = lambda: False
        both.advance(WINDOW_S + 3.0)
        after = quality_of(both).heard_now
        assert before is not None
        assert dead is not None
        assert after is not None
        assert before.mos > 4.25
        assert dead.mos < 2.5
        assert after.mos > 4.2


def test_on_hold_there_is_no_quality_of_now_and_the_call_s_stays() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(SECONDS)
        both.a.session.update(replace(both.media_a, direction=Direction.INACTIVE), both.now)
        both.b.session.update(replace(both.media_b, direction=Direction.INACTIVE), both.now)
        both.advance(SECONDS)
        quality = quality_of(both)
        assert quality.heard_now is None
        assert quality.said_now is None
        assert quality.heard is not None
        assert quality.heard.loss < 0.02


def test_new_keys_leave_what_was_counted() -> None:
    with pair() as both:
        both.a.lose = both.b.lose = losing(0.2)
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(SECONDS)
        both.a.lose = both.b.lose = lambda: False
        of_a, of_b = crossed_keys()
        both.a.session.update(replace(both.media_a, security=of_a), both.now)
        both.b.session.update(replace(both.media_b, security=of_b), both.now)
        both.advance(SECONDS)
        quality = quality_of(both)
        for whole, now in ((quality.heard, quality.heard_now), (quality.said, quality.said_now)):
            assert whole is not None
            assert now is not None
            assert 0.02 < whole.loss < 0.18  # 0.2 before them and none since; the peer's reports were lost, too
            assert now.loss < 0.02


def test_a_peer_that_wants_voip_metrics_is_told_what_came_too_late() -> None:
    """RFC 3611: loss in its reports alone would leave out what its jitter buffer throws away."""
    for wanted in (True, False):
        with pair() as both:
            both.start(ToneEndpoint(), ToneEndpoint(), voip_metrics=wanted)
            both.b.lose = losing(0.1)
            both.advance(SECONDS)
            assert both.a.session._running is not None
            metrics = both.a.session._running._exchange.remote_metrics
            assert (metrics is not None) is wanted
            if metrics is not None:
                assert metrics.loss == pytest.approx(0.1, abs=0.05)
                assert metrics.mos_cq is not None
                assert 2.5 < metrics.mos_cq < 4.2
                assert 10 <= metrics.jitter_buffer_ms < 100
                assert metrics.r is not None
