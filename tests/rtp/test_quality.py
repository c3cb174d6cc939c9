"""The E-model against the figures that ITU-T G.107 and G.113 print, and its shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.rtp.quality import (
    DEFAULT_R,
    MAX_BURST_RATIO,
    burst_ratio,
    codec_impairment,
    delay_impairment,
    loss_impairment,
    mean_opinion,
    quality,
)

CODECS = ("PCMU", "PCMA", "G722", "OPUS")
losses = st.floats(0, 1)
delays = st.floats(0, 2000)


@pytest.mark.parametrize(
    ("r", "mos"),
    [
        (93.2, 4.41),
        (90, 4.34),
        (80, 4.03),
        (70, 3.60),
        (60, 3.10),
        (50, 2.58),
        (0, 1.0),
        (-5, 1.0),
        (100, 4.5),
        (129, 4.5),
    ],
)
def test_a_rating_is_the_opinion_score_that_annex_b_of_g107_prints(r: float, mos: float) -> None:
    assert mean_opinion(r) == pytest.approx(mos, abs=0.01)


def test_a_perfect_g711_call_is_the_default_of_g107() -> None:
    best = quality(codec_impairment("PCMU"), 0.0, 1.0, 0.0)
    assert best.r == pytest.approx(DEFAULT_R)
    assert best.mos == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(("delay", "idd"), [(100, 0.0), (200, 3.0), (400, 24.0)])
def test_absolute_delay_alone_costs_what_g107_says(delay: float, idd: float) -> None:
    """Equation 7-27 by hand: at 400 ms 25 * (65^(1/6) - 3 * (1 + 64/729)^(1/6) + 2) = 24; echo comes on top."""
    assert idd <= delay_impairment(delay) <= idd + 8.5


@pytest.mark.parametrize(
    ("percent", "ie"), [(0, 0), (1, 5), (2, 7), (3, 10), (5, 15), (7, 20), (10, 25), (15, 35), (20, 45)]
)
def test_loss_of_g711_with_concealment_costs_what_table_i2_of_g113_says(percent: float, ie: float) -> None:
    assert loss_impairment(codec_impairment("PCMU"), percent / 100) == pytest.approx(ie, abs=3.1)


def test_a_burst_ratio_of_two_costs_more_than_scattered_loss() -> None:
    g711 = codec_impairment("PCMU")
    assert loss_impairment(g711, 0.05, 2.0) == pytest.approx(95 * 5 / (2.5 + 25.1))
    assert loss_impairment(g711, 0.05, 2.0) > loss_impairment(g711, 0.05)


@given(st.sampled_from(CODECS), losses, losses, delays)
def test_more_loss_is_never_better(codec: str, one: float, other: float, delay: float) -> None:
    less, more = sorted((one, other))
    impairment = codec_impairment(codec)
    assert quality(impairment, more, 1.0, delay).mos <= quality(impairment, less, 1.0, delay).mos


@given(st.sampled_from(CODECS), losses, delays, delays)
def test_more_delay_is_never_better(codec: str, loss: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    impairment = codec_impairment(codec)
    assert quality(impairment, loss, 1.0, more).mos <= quality(impairment, loss, 1.0, less).mos + 1e-9


@given(st.sampled_from(CODECS), st.floats(-1, 2), st.floats(-3, 50), st.floats(-10, 1e6))
def test_any_figures_give_an_opinion_between_one_and_four_and_a_half(
    codec: str, loss: float, bursts: float, delay: float
) -> None:
    rated = quality(codec_impairment(codec), loss, bursts, delay)
    assert 1.0 <= rated.mos <= 4.5
    assert 0.0 <= rated.r <= 129.0


def test_a_lower_bit_rate_of_opus_is_rated_lower() -> None:
    rates = (48_000, 32_000, 20_000, 16_000, 12_000, 8_000)
    rated = [quality(codec_impairment("OPUS", rate), 0.0, 1.0, 100.0).mos for rate in rates]
    assert rated == sorted(rated, reverse=True)
    assert rated[0] > rated[-1]


def test_bursts_are_counted_as_a_gilbert_model_has_them() -> None:
    assert burst_ratio(1000, 100, 90) == pytest.approx(1.0)  # by chance runs are 1 / (1 - 0.1) long
    assert burst_ratio(1000, 100, 45) == pytest.approx(2.0)
    assert burst_ratio(1000, 100, 1) == MAX_BURST_RATIO
    assert burst_ratio(1000, 0, 0) == burst_ratio(0, 0, 0) == burst_ratio(10, 10, 1) == burst_ratio(10, 5, 0) == 1.0
