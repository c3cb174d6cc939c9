"""Opus, G.722 and comfort noise between two sessions: packet lengths, loss, digits, pauses. Real UDP and SRTP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from softphone import configuration
from softphone.codecs.records import CODEC_RECORDS
from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.media import codec_libraries
from softphone.errors import FailureKind, OperationFailed
from softphone.sdp.negotiated import PayloadFormat
from softphone.ua.inputs import DigitReceived, MediaInterrupted
from tests.codecs.vowels import vowels
from tests.engine.media.lockstep import alike_in_pieces, crossed_keys, negotiated, pair, voice

RATE = 48_000
OPUS = PayloadFormat("OPUS", 48_000, 96, 96, "useinbandfec=1")
G722 = PayloadFormat("G722", 8000, 9, 9)
ALIKE = {"OPUS": 0.8, "G722": 0.9, "PCMU": 0.95}


def says(seconds: float, seed: int = 1) -> MemoryEndpoint:
    return MemoryEndpoint(voice(seconds, RATE, seed), RATE)


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
@pytest.mark.parametrize("codec", [OPUS, G722, PayloadFormat("PCMU", 8000, 0, 0)], ids=lambda codec: codec.name)
def test_packets_of_every_length_are_heard(codec: PayloadFormat, ptime: int) -> None:
    if ptime not in CODEC_RECORDS[codec.name].ptimes:
        ptime = 20
    with pair() as both:
        a, b = says(4.0, 1), says(4.0, 2)
        both.start(a, b, format=codec, send_ptime=ptime)
        both.advance(3.0)
        for side, seed in ((a, 2), (b, 1)):
            assert alike_in_pieces(voice(4.0, RATE, seed)[: 2 * RATE], side.heard(), RATE) > ALIKE[codec.name]
        report = both.b.session.report()
        assert report.rtp_received == pytest.approx(3000 / ptime, abs=3)
        assert report.concealed_ms <= 2 * ptime


def test_digits_have_the_clock_of_opus() -> None:
    with pair() as both:
        both.start(
            says(3.0), NullEndpoint(), format=OPUS, telephone_event=PayloadFormat("TELEPHONE-EVENT", 48_000, 101, 101)
        )
        both.advance(0.3)
        both.a.session.send_digits("12#a")
        both.advance(2.0)
        assert [told.digit for told in both.b.heard_of(DigitReceived)] == list("12#A")


def test_the_codec_changes_to_opus_and_back_in_mid_call() -> None:
    with pair() as both:
        b = says(0.1)
        both.start(says(6.0), b)
        for codec in (OPUS, G722, PayloadFormat("PCMU", 8000, 0, 0)):
            both.advance(1.0)
            both.b.session.update(replace(both.media_b, format=codec), both.now)
            both.a.session.update(replace(both.media_a, format=codec), both.now)
            both.advance(1.0)
            assert best_alignment(b.heard()[-RATE // 2 :], voice(6.0, RATE), RATE)[0] > ALIKE[codec.name], codec.name


def test_with_its_redundancy_opus_keeps_under_loss_what_it_loses_without() -> None:
    def kept(parameters: str) -> float:
        with pair() as both:
            b = says(0.1)
            count = 0

            def lose() -> bool:
                nonlocal count
                count += 1
                return count % 5 == 0

            both.b.lose = lose
            both.start(MemoryEndpoint(vowels(7.0), RATE), b, format=replace(OPUS, parameters=parameters))
            both.advance(6.0)
            assert both.b.session.report().lost > 40
            return alike_in_pieces(vowels(7.0)[RATE : 5 * RATE], b.heard(), RATE)

    with_redundancy, without = kept("useinbandfec=1"), kept("")
    print("alike with redundancy", with_redundancy, "without", without)
    assert with_redundancy > without + 0.05


def test_a_pause_is_described_and_heard_as_noise_and_nothing_is_missed() -> None:
    with pair() as both:
        noise = np.random.default_rng(6).normal(0, 100, 6 * RATE)
        speech = np.concatenate((voice(1.5, RATE), np.zeros(int(3.5 * RATE), np.int16), voice(1.0, RATE, 3)))
        microphone = MemoryEndpoint((speech + noise).astype(np.int16), RATE)
        b = says(0.1)
        both.start(microphone, b, comfort_noise=True)
        both.advance(1.5)
        spoken = both.b.session.report()
        both.advance(3.4)
        paused = both.b.session.report()
        assert paused.rtp_received - spoken.rtp_received < 60, "a third of a second of hangover, then one a second"
        both.advance(1.0)
        report = both.b.session.report()
        heard = b.heard()
        pause = heard[int(2.2 * RATE) : int(4.8 * RATE)].astype(float)
        tens = np.sqrt(np.mean(pause[: len(pause) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
        assert tens.min() > 5, "never dead silence"
        assert np.sqrt(np.mean(pause**2)) == pytest.approx(100 / np.sqrt(6), rel=0.5)  # of 24 kHz, 4 are left
        assert report.concealed_ms <= 40
        assert report.lost == 0
        assert both.b.heard_of(MediaInterrupted) == []
        assert best_alignment(voice(1.0, RATE, 3)[: RATE // 2], heard[5 * RATE - 4800 :], RATE)[0] > 0.9


def test_a_codec_without_its_library_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = codec_libraries.NEEDED["OPUS"]
    monkeypatch.setattr(codec_libraries, "NEEDED", {"OPUS": replace(needed, find=lambda: None)})
    configuration.check_codecs(("G722", "PCMU"))
    with pytest.raises(OperationFailed) as refused:
        configuration.check_codecs(("OPUS", "PCMU"))
    assert refused.value.failure.kind is FailureKind.SETTINGS
    assert "OPUS cannot be used here: libopus is not installed" in refused.value.failure.reason
    assert "libopus0" in refused.value.failure.remedy
    with pair() as both, pytest.raises(OperationFailed) as refused:
        both.a.session.start(negotiated(both.b.port, crossed_keys()[0], format=OPUS), NullEndpoint(), None, both.now)
    assert "needs a library that is not installed" in refused.value.failure.reason


@pytest.mark.parametrize("names", [(), ("CN",)])
def test_a_list_without_a_codec_for_voice_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(OperationFailed, match="No codec for voice"):
        configuration.check_codecs(names)


@pytest.mark.parametrize("ptime", [0, 5, 25, 50, 120])
def test_a_packet_length_that_cannot_be_had_is_refused_in_the_settings(ptime: int) -> None:
    with pytest.raises(OperationFailed) as refused:
        configuration.check_ptime(ptime)
    assert refused.value.failure.kind is FailureKind.SETTINGS
    assert "10, 20, 30, 40 or 60" in refused.value.failure.remedy
