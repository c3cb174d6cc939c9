"""softphone/codecs/opus.py with the system's libopus: quality, concealment, redundancy, wishes, any octets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softphone.codecs.opus import MAX_DECODED, SAMPLE_RATE, Opus
from softphone.codecs.records import CODEC_RECORDS
from softphone.engine.media.codec_libraries import opus_library
from softphone.errors import LocalProtocolError, RemoteProtocolError
from tests.codecs.vowels import vowels

FRAME = SAMPLE_RATE // 50
Sound = NDArray[np.int16]


def made(parameters: str = "useinbandfec=1") -> Opus:
    return Opus(opus_library(), parameters)


def frames(sound: Sound, samples: int = FRAME) -> list[Sound]:
    return [sound[at : at + samples] for at in range(0, len(sound) - samples + 1, samples)]


def spectral_distance(one: Sound, other: Sound) -> float:
    """Mean difference of the log spectra in dB, 20 ms at a time, up to 4 kHz: what the ear minds, and not phases."""
    distances = []
    for a, b in zip(frames(one), frames(other), strict=True):
        first, second = (20 * np.log10(np.abs(np.fft.rfft(x * np.hanning(FRAME))[:80]) + 2000) for x in (a, b))
        distances.append(float(np.mean(np.abs(first - second))))
    return float(np.mean(distances))


@pytest.mark.parametrize("ptime", CODEC_RECORDS["OPUS"].ptimes)
def test_what_is_encoded_is_decoded_with_the_same_length_and_shape(ptime: int) -> None:
    codec = made()
    sound = vowels()
    samples = SAMPLE_RATE * ptime // 1000
    packets = [codec.encode(frame) for frame in frames(sound, samples)]
    assert max(map(len, packets)) < 400
    decoded = [codec.decode(packet) for packet in packets]
    assert {len(frame) for frame in decoded} == {samples}
    heard = np.concatenate(decoded).astype(float)
    said = sound[: len(heard)].astype(float)
    delay = int(np.argmax(np.correlate(heard[9600:30000], said[9600:29000])))
    error = heard[delay:] - said[: len(said) - delay]
    signal_to_noise = 10 * np.log10(np.mean(said**2) / np.mean(error[9600:] ** 2))
    print(ptime, "ms: delay", delay, "samples, SNR", signal_to_noise)
    assert signal_to_noise > 8  # a parametric coder keeps no shape beyond that; silence or noise has 0 or less


def test_the_bit_rate_is_ours_or_the_peers_if_that_is_lower() -> None:
    def bit_rate(parameters: str) -> float:
        codec = made(parameters)
        return sum(len(codec.encode(frame)) for frame in frames(vowels())) * 8 / 2.0

    assert 20_000 < bit_rate("useinbandfec=1") < 42_000
    assert bit_rate("useinbandfec=1;maxaveragebitrate=12000") < 18_000
    assert bit_rate("maxaveragebitrate=510000") < 42_000
    assert bit_rate("maxaveragebitrate=0") < 42_000


def test_the_bit_rate_can_be_changed_while_it_encodes() -> None:
    codec = made()
    assert codec.most_bit_rate == 48_000

    def bit_rate(wanted: int) -> float:
        codec.send_at(wanted)
        packets = [codec.encode(frame) for frame in frames(vowels())]
        assert all(codec.decode(packet).size == FRAME for packet in packets)
        return sum(map(len, packets[25:])) * 8 / (len(packets[25:]) * 0.02)

    high, low, again = bit_rate(48_000), bit_rate(12_000), bit_rate(32_000)
    assert low < 16_000 < 25_000 < again < high


@pytest.mark.parametrize(
    ("parameters", "bound", "most"),
    [
        ("", None, 48_000),
        ("", 20_000, 20_000),
        ("maxaveragebitrate=16000", 20_000, 16_000),
        ("maxaveragebitrate=16000", 1, 6_000),
        ("maxaveragebitrate=510000", 510_000, 48_000),
    ],
)
def test_no_more_is_sent_than_the_peer_allows(parameters: str, bound: int | None, most: int) -> None:
    codec = Opus(opus_library(), parameters, bound)
    assert codec.most_bit_rate == most
    codec.send_at(100_000)
    packets = [codec.encode(frame) for frame in frames(vowels())]
    assert sum(map(len, packets)) * 8 / (len(packets) * 0.02) < 1.3 * most + 3_000


def test_constant_bit_rate_is_honoured() -> None:
    codec = made("cbr=1")
    assert len({len(codec.encode(frame)) for frame in frames(vowels())}) == 1


def test_a_peer_that_plays_8_khz_is_sent_no_more() -> None:
    noise = np.random.default_rng(1).normal(0, 4000, SAMPLE_RATE).astype(np.int16)

    def above_5_khz(parameters: str) -> float:
        codec = made(parameters)
        heard = np.concatenate([codec.decode(codec.encode(frame)) for frame in frames(noise)])[9600:]
        power = np.abs(np.fft.rfft(heard)) ** 2
        return float(power[np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE) > 5000].sum() / power.sum())

    assert above_5_khz("maxplaybackrate=8000") < 0.01 < above_5_khz("")


@pytest.mark.parametrize(
    "parameters", ["", ";;=;", "maxplaybackrate=x", "cbr=2;stereo=1", "maxaveragebitrate=99999999999"]
)
def test_nonsense_in_fmtp_is_no_harm(parameters: str) -> None:
    codec = made(parameters)
    assert len(codec.decode(codec.encode(vowels(0.02)))) == FRAME


def _heard_with_losses(sound: Sound, fec: bool, replace: Callable[[Opus, bytes], Sound]) -> tuple[Sound, Sound]:
    """(with losses, without): every fifth packet is lost and replaced; only those frames."""
    sender = made(f"useinbandfec={int(fec)}")
    for _ in range(10):
        sender.expect_loss(0.2)
    packets = [sender.encode(frame) for frame in frames(sound)]
    whole, torn = made(), made()
    good, bad = [], []
    for number, packet in enumerate(packets[:-1]):
        expected = whole.decode(packet)
        if number > 10 and number % 5 == 0:
            good.append(expected)
            bad.append(replace(torn, packets[number + 1]))
        else:
            torn.decode(packet)
    return np.concatenate(bad), np.concatenate(good)


def test_a_lost_frame_comes_back_from_the_packet_after_it_far_better_than_concealed() -> None:
    sound = vowels(4.0)
    recovered = spectral_distance(*_heard_with_losses(sound, True, lambda codec, after: codec.recover(after, FRAME)))
    concealed = spectral_distance(*_heard_with_losses(sound, True, lambda codec, _: codec.conceal(FRAME)))
    print("recovered", recovered, "concealed", concealed)
    assert recovered < 0.75 * concealed


def test_a_peer_without_redundancy_is_sent_none() -> None:
    sound = vowels(4.0)
    recovered = spectral_distance(*_heard_with_losses(sound, False, lambda codec, after: codec.recover(after, FRAME)))
    concealed = spectral_distance(*_heard_with_losses(sound, False, lambda codec, _: codec.conceal(FRAME)))
    assert recovered == pytest.approx(concealed, rel=0.1)


def test_concealment_goes_on_with_the_sound_and_then_fades() -> None:
    codec = made()
    for frame in frames(vowels(1.0)):
        last = codec.decode(codec.encode(frame))
    energy = [float(np.mean(codec.conceal(FRAME).astype(float) ** 2)) for _ in range(25)]
    assert 0.1 < energy[0] / np.mean(last.astype(float) ** 2) < 4
    assert energy[-1] < 0.2 * energy[0]


@pytest.mark.parametrize("samples", [1, 119, 120, 480, 960, 2880, 5760])
def test_as_much_is_concealed_as_was_asked_for(samples: int) -> None:
    codec = made()
    packet = codec.encode(vowels(0.02))
    assert len(codec.conceal(samples)) == samples
    assert len(codec.recover(None, samples)) == samples
    assert len(codec.recover(packet, samples)) == samples
    assert len(codec.recover(b"\xff\xff\xff", samples)) == samples


@given(st.binary(max_size=1600), st.binary(max_size=300), st.integers(1, MAX_DECODED))
@settings(max_examples=300)
def test_any_octets_are_sound_of_120_ms_at_most_or_a_clean_error(
    payload: bytes, following: bytes, samples: int
) -> None:
    codec = _SHARED
    with contextlib.suppress(RemoteProtocolError):
        assert 0 < len(codec.decode(payload)) <= MAX_DECODED
    assert len(codec.recover(following, samples)) == samples
    assert len(codec.conceal(samples)) == samples
    assert len(codec.pause(samples)) == samples


_SHARED = made()


def test_reports_of_loss_raise_the_redundancy_at_once_and_lower_it_slowly() -> None:
    codec = made()
    assert codec.expected_loss == 5
    codec.expect_loss(0.02)
    assert codec.expected_loss == 5
    codec.expect_loss(0.253)
    assert codec.expected_loss == 26
    codec.expect_loss(0.0)
    assert codec.expected_loss == 23
    for _ in range(10):
        codec.expect_loss(0.0)
    assert codec.expected_loss == 5
    codec.expect_loss(1.0)
    assert codec.expected_loss == 40


def test_on_a_lossy_line_nothing_above_8_khz_is_sent() -> None:
    def share_above_8_khz(codec: Opus) -> float:
        noise = np.random.default_rng(4).normal(0, 3000, SAMPLE_RATE).astype(np.int16)
        receiver = made()
        heard = np.concatenate([receiver.decode(codec.encode(frame)) for frame in frames(noise)])
        spectrum = np.abs(np.fft.rfft(heard)) ** 2
        return float(spectrum[np.fft.rfftfreq(heard.size, 1 / SAMPLE_RATE) > 9000].sum() / spectrum.sum())

    codec = made()
    assert share_above_8_khz(codec) > 0.1
    codec.expect_loss(0.1)
    assert share_above_8_khz(codec) < 0.02
    for _ in range(5):
        codec.expect_loss(0.0)
    assert share_above_8_khz(codec) > 0.1


def test_with_dtx_silence_is_not_sent_and_its_background_goes_on_at_the_other_end() -> None:
    sender, receiver = made("usedtx=1"), made()
    noise = np.random.default_rng(2).normal(0, 40, 3 * SAMPLE_RATE).astype(np.int16)
    packets = [sender.encode(frame) for frame in frames(np.concatenate((vowels(1.0), noise)))]
    assert sum(packet == b"" for packet in packets) > 80
    assert all(packets[:45])
    for packet in packets:
        if packet:
            receiver.decode(packet)
    assert not made().pause(FRAME).any()
    receiver.decode(b"\x48")  # one octet: a frame that was not sent (RFC 6716 §3.4, DTX)
    assert receiver.in_pause
    assert receiver.pause(FRAME).size == FRAME


def test_without_the_library_there_is_no_codec() -> None:
    with pytest.raises(LocalProtocolError, match="libopus"):
        Opus(None)
