"""softphone/codecs/comfort_noise.py: level and spectrum as RFC 3389 has them, both ways, and any octets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softphone.codecs.comfort_noise import ComfortNoise, payload_of
from softphone.codecs.g711 import Pcmu


def made(payload: bytes, samples: int = 16_000) -> NDArray[np.int16]:
    noise = ComfortNoise()
    noise.describe(payload)
    return np.concatenate([noise.generate(80) for _ in range(samples // 80)])


def level(sound: NDArray[np.int16]) -> float:
    """dBov."""
    return float(10 * np.log10(np.mean(sound.astype(float) ** 2) / 32768**2))


@pytest.mark.parametrize("below_overload", [20, 40, 55, 70])
@pytest.mark.parametrize("spectrum", [b"", bytes([127, 127, 127]), bytes([40, 160]), bytes([230] * 3)])
def test_the_noise_is_as_loud_as_described(below_overload: int, spectrum: bytes) -> None:
    assert level(made(bytes([below_overload]) + spectrum)) == pytest.approx(-below_overload, abs=1.0)


def test_the_noise_has_the_spectrum_that_was_described() -> None:
    low = np.convolve(np.random.default_rng(4).normal(0, 300, 8000), np.hanning(12) / 6)[:8000].astype(np.int16)

    def share_below_1_khz(sound: NDArray[np.int16]) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(power[np.fft.rfftfreq(len(sound), 1 / 8000) < 1000].sum() / power.sum())

    payload = payload_of(low)
    again = made(payload)
    assert share_below_1_khz(low) > 0.8
    assert share_below_1_khz(again) == pytest.approx(share_below_1_khz(low), abs=0.15)
    assert share_below_1_khz(made(payload[:1])) == pytest.approx(0.25, abs=0.05), "without a spectrum it is white"
    assert level(again) == pytest.approx(level(low), abs=1.0)


def test_a_new_level_is_reached_smoothly() -> None:
    noise = ComfortNoise()
    noise.describe(bytes([50]))
    assert level(noise.generate(800)) == pytest.approx(-50, abs=2)
    noise.describe(bytes([30]))
    steps = [level(noise.generate(400)) for _ in range(12)]
    assert steps[0] < -45
    assert steps[-1] == pytest.approx(-30, abs=2)


def test_silence_itself_is_the_quietest_level() -> None:
    assert payload_of(np.zeros(160, np.int16))[0] == 127
    assert not made(bytes([127])).any()


def test_in_a_pause_g711_plays_noise_and_speech_ends_it() -> None:
    codec = Pcmu()
    assert not codec.pause(80).any()
    codec.comfort_noise(bytes([40]))
    assert codec.in_pause
    assert level(np.concatenate([codec.pause(80) for _ in range(50)])) == pytest.approx(-40, abs=2)
    assert level(np.concatenate([codec.conceal(80) for _ in range(50)])) == pytest.approx(-40, abs=2)
    codec.decode(codec.encode(np.full(160, 1000, np.int16)))
    assert not codec.pause(80).any()


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_octets_make_bounded_noise(payloads: list[bytes]) -> None:
    noise = ComfortNoise()
    for payload in payloads:
        noise.describe(payload)
        assert len(noise.generate(80)) == 80


@given(st.binary(min_size=320, max_size=320))
def test_anything_can_be_described(octets: bytes) -> None:
    payload = payload_of(np.frombuffer(octets, np.int16))
    assert 1 <= len(payload) <= 13
    assert len(made(payload, 160)) == 160
