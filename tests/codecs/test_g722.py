"""softphone/codecs/g722.py: bands, both states apart, concealment, any octets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softphone.codecs.g722 import SAMPLE_RATE, G722Codec
from tests.peers.speech import OTHER_SENTENCE, SENTENCE, Speech, read_wav


@pytest.mark.parametrize("frequency", [300, 1000, 3000, 5000, 6500])
def test_tones_up_to_7_khz_are_kept(frequency: int) -> None:
    codec = G722Codec()
    said = np.rint(8000 * np.sin(2 * np.pi * frequency * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.int16)
    payloads = [codec.encode(said[at : at + 320]) for at in range(0, len(said), 320)]
    assert {len(payload) for payload in payloads} == {160}
    heard = np.concatenate([codec.decode(payload) for payload in payloads])[1600:]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    peak = int(np.argmax(spectrum))
    assert peak * SAMPLE_RATE / len(heard) == pytest.approx(frequency, abs=3)
    tone = spectrum[max(0, peak - 3) : peak + 4].sum()
    assert 10 * np.log10(tone / (spectrum.sum() - tone)) > 20


def test_sending_does_not_disturb_what_is_received() -> None:
    rng = np.random.default_rng(3)
    far = [rng.normal(0, 3000, 320).astype(np.int16) for _ in range(20)]
    alone, busy, sender = G722Codec(), G722Codec(), G722Codec()
    for frame in far:
        payload = sender.encode(frame)
        expected = alone.decode(payload)
        busy.encode(frame[::-1])
        assert np.array_equal(busy.decode(payload), expected)


@pytest.mark.parametrize("following", [None, b"", b"x" * 40])
def test_a_lost_frame_is_continued_where_nothing_or_too_little_follows(following: bytes | None) -> None:
    codec = G722Codec()
    said = np.rint(8000 * np.sin(2 * np.pi * 200 * np.arange(3200) / SAMPLE_RATE)).astype(np.int16)
    for at in range(0, 3200, 320):
        codec.decode(codec.encode(said[at : at + 320]))
    concealed = codec.recover(following, 320)
    assert np.std(concealed) == pytest.approx(8000 / np.sqrt(2), rel=0.2)


def test_a_bridge_to_the_next_packet_is_nearer_to_the_speech_than_a_repetition(tmp_path: Path) -> None:
    """Error of the lost frame and the one after it against the call without loss: all gaps that there can be."""
    speech = Speech(tmp_path)
    error = {True: 0.0, False: 0.0}
    for text in (SENTENCE, OTHER_SENTENCE):
        said = read_wav(speech.wav(SAMPLE_RATE, text))[0]
        sender, whole = G722Codec(), G722Codec()
        payloads = [sender.encode(frame) for frame in said[: said.size // 320 * 320].reshape(-1, 320)]
        good = np.concatenate([whole.decode(payload) for payload in payloads]).astype(float)
        for phase in range(1, 7):
            for bridged in error:
                listener, played = G722Codec(), []
                for number, payload in enumerate(payloads):
                    following = payloads[number + 1] if bridged and number + 1 < len(payloads) else None
                    lost = number % 7 == phase
                    played.append(listener.recover(following, 320) if lost else listener.decode(payload))
                error[bridged] += float(((np.concatenate(played) - good) ** 2).sum())
    print("bridged", error[True], "repeated", error[False])
    assert error[True] < 0.95 * error[False]


def test_a_packet_that_a_bridge_led_to_is_decoded_once_and_may_stay_away() -> None:
    said = np.rint(8000 * np.sin(2 * np.pi * 200 * np.arange(9600) / SAMPLE_RATE)).astype(np.int16)
    sender, listener = G722Codec(), G722Codec()
    payloads = [sender.encode(said[at : at + 320]) for at in range(0, 9600, 320)]
    whole = [listener.decode(payload) for payload in payloads]
    led, strayed = G722Codec(), G722Codec()
    for payload in payloads[:10]:
        led.decode(payload)
        strayed.decode(payload)
    pieces = [led.recover(payloads[11], 160), led.recover(payloads[11], 160)]
    assert [len(piece) for piece in pieces] == [160, 160]
    for number in range(11, 30):
        heard = led.decode(payloads[number])
    assert np.std(heard - whole[29].astype(float)) < 100
    strayed.recover(payloads[11], 320)
    assert len(strayed.conceal(320)) == 320
    for number in range(12, 30):
        heard = strayed.decode(payloads[number])
    assert np.std(heard - whole[29].astype(float)) < 100


class _Still(G722Codec):
    """Its decoder does not hear what is concealed."""

    def conceal(self, samples: int) -> NDArray[np.int16]:
        return self._concealment.conceal(samples)


def test_after_a_gap_the_decoder_is_nearer_to_the_sender_than_one_that_stood_still(tmp_path: Path) -> None:
    """Signal to error of the first frame after gaps of two, in speech: the mean of all gaps that there can be."""
    speech = Speech(tmp_path)
    sentences = [read_wav(speech.wav(SAMPLE_RATE, text))[0] for text in (SENTENCE, OTHER_SENTENCE)]

    def decibels(kind: type[G722Codec], said: NDArray[np.int16], phase: int) -> list[float]:
        sender, whole, listener, found = G722Codec(), G722Codec(), kind(), []
        for number, at in enumerate(range(0, len(said) - 319, 320), start=phase):
            payload = sender.encode(said[at : at + 320])
            good = whole.decode(payload).astype(float)
            if number % 7 in (0, 1):
                listener.conceal(320)
                continue
            error = listener.decode(payload) - good
            if number % 7 == 2 and np.std(good) > 100:
                found.append(float(10 * np.log10((good**2).sum() / ((error**2).sum() + 1))))
        return found

    ours, still = (
        np.mean([gap for said in sentences for phase in range(7) for gap in decibels(kind, said, phase)])
        for kind in (G722Codec, _Still)
    )
    print("nearer", ours, "still", still)
    assert ours > still + 0.4


@pytest.mark.parametrize("samples", [0, 1, 159, 320, 961])
def test_as_much_is_concealed_as_was_asked_for(samples: int) -> None:
    codec = G722Codec()
    assert len(codec.conceal(samples)) == samples
    codec.decode(b"x")
    assert len(codec.conceal(samples)) == samples
    assert len(codec.recover(bytes(160), samples)) == samples
    assert len(codec.decode(bytes(160))) == 320


@given(st.binary(max_size=1500))
def test_any_octets_are_sound_of_their_length(payload: bytes) -> None:
    assert len(G722Codec().decode(payload)) == 2 * len(payload)
