"""The wait before a flow is tried again (RFC 5626 §4.5's form)."""

from __future__ import annotations

import pytest

from softphone.ua.backoff import BackOff, random_fraction


@pytest.mark.parametrize(("octets", "share"), [(b"\x00" * 4, 0.5), (b"\xff" * 4, 1.0)])
def test_the_first_minute_doubles_to_five_seconds_and_then_thirty_to_half_an_hour(octets: bytes, share: float) -> None:
    back_off = BackOff(lambda count: octets[:count])
    first_minute = [back_off.failed(1000.0 + second) for second in range(5)]
    assert first_minute == pytest.approx([upper * share for upper in (1, 2, 4, 4, 4)])
    later = [back_off.failed(1060.0 + second) for second in range(8)]
    assert later == pytest.approx([upper * share for upper in (30, 60, 120, 240, 480, 960, 1800, 1800)])


def test_after_a_reset_the_first_wait_is_as_short_as_ever() -> None:
    back_off = BackOff(lambda count: b"\x00" * count)
    back_off.failed(0.0)
    back_off.failed(1.0)
    back_off.reset()
    assert back_off.failed(500.0) == 0.5


def test_a_long_outage_does_not_overflow() -> None:
    back_off = BackOff(lambda count: b"\xff" * count)
    assert max(back_off.failed(float(second)) for second in range(0, 100_000, 10)) <= 1800


def test_the_fraction_is_below_one() -> None:
    assert random_fraction(lambda count: b"\xff" * count) < 1
    assert random_fraction(lambda count: b"\x00" * count) == 0
