"""Opus and G.722 with baresip and linphone: both ways, sound both ways, packets of 10 to 60 ms (RFC 7587, RFC 3551)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from softphone.dsp.resampler import Resampler
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import RATE, CommandLine
from tests.peers.pulse import PulseRig, settle
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

OURS: Final = ("--codecs", "OPUS,G722,PCMU")
CARD: Final = "pulse:b_in,b_spk"
RATES: Final = {"opus": 48_000, "G722": 16_000}
LIKE: Final = {"opus": 0.8, "G722": 0.9}
"""Opus keeps how a wave sounds rather than its shape."""


def _narrow(sound: Samples, rate: int) -> Samples:
    """At RATE, where sentences are compared."""
    return Resampler(rate, RATE).process(sound)


def _opening(wav: Path, seconds: float = 2.0) -> Samples:
    said, rate = read_wav(wav)
    return _narrow(said[: int(seconds * rate)], rate)


def _share_above_4_khz(sound: Samples, rate: int) -> float:
    """Of the power, in the band that G.711 does not have."""
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    return float(spectrum[np.fft.rfftfreq(len(sound), 1 / rate) > 4200].sum() / spectrum.sum())


def _assert_good(result: dict[str, Any], codec: str, ptime: int = 20, seconds: float = 3) -> None:
    assert (result["ok"], result["media"], result["codec"]) == (True, "srtp", codec.upper())
    assert result["lost"] == 0
    assert 0.8 < result["rtp_sent"] / (seconds * 1000 / ptime) < 1.5


@pytest.mark.parametrize("codec", ["opus", "G722"])
def test_we_call_baresip_and_both_hear_wide_band_speech(
    peers: Peers, kamailio: Kamailio, speech: Speech, codec: str
) -> None:
    rate = RATES[codec]
    ours, theirs = speech.wav(rate), speech.wav(rate, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", codecs=(codec,))
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "3", *OURS, play=ours)
    result = phone.result()

    _assert_good(result, codec)
    bob.wait_for("CALL_CLOSED")
    heard = bob.heard()
    print(codec, likeness(_opening(ours), _narrow(heard, rate), RATE), _share_above_4_khz(heard, rate))
    print(codec, likeness(_opening(theirs), phone.heard(), RATE))
    assert likeness(_opening(ours), _narrow(heard, rate), RATE) > LIKE[codec]
    assert likeness(_opening(theirs), phone.heard(), RATE) > LIKE[codec]
    assert likeness(_opening(ours), phone.heard(), RATE) < 0.6, "no echo of ours: what is found was said by them"
    assert _share_above_4_khz(heard, rate) > 0.2 * _share_above_4_khz(read_wav(ours)[0], rate)


@pytest.mark.parametrize("codec", ["opus", "G722"])
def test_baresip_calls_us_and_both_hear_what_the_other_says(
    peers: Peers, kamailio: Kamailio, speech: Speech, codec: str
) -> None:
    rate = RATES[codec]
    ours, theirs = speech.wav(rate), speech.wav(rate, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", codecs=(codec, "PCMU"))
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *OURS, play=ours)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    phone.wait_for("secured")
    settle(3)
    bob.hangup()
    result = phone.result()

    _assert_good(result, codec)
    assert likeness(_opening(ours), _narrow(bob.heard(), rate), RATE) > LIKE[codec]
    assert likeness(_opening(theirs), phone.heard(), RATE) > LIKE[codec]


@pytest.mark.parametrize(("codec", "ptime"), [("opus", 10), ("opus", 40), ("opus", 60), ("G722", 10), ("G722", 40)])
def test_our_packets_are_as_long_as_baresip_asks(
    peers: Peers, kamailio: Kamailio, speech: Speech, codec: str, ptime: int
) -> None:
    """In its offer: in an answer it repeats what we said."""
    rate = RATES[codec]
    ours, theirs = speech.wav(rate), speech.wav(rate, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", codecs=(codec,), ptime=ptime)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *OURS, play=ours)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    phone.wait_for("secured")
    settle(3)
    bob.hangup()
    result = phone.result()

    _assert_good(result, codec, ptime)
    print(codec, ptime, likeness(_opening(ours), _narrow(bob.heard(), rate), RATE))
    print(codec, ptime, likeness(_opening(theirs), phone.heard(), RATE), result["rtp_sent"], result["rtp_received"])
    assert likeness(_opening(ours), _narrow(bob.heard(), rate), RATE) > LIKE[codec]
    assert likeness(_opening(theirs), phone.heard(), RATE) > LIKE[codec]


def test_the_first_codec_that_both_have_is_taken(peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", codecs=("PCMU", "G722"))
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "1", *OURS)
    assert phone.result()["codec"] in {"G722", "PCMU"}
    offered = kamailio.wait_message("INVITE").body
    assert "m=audio " in offered
    assert "a=rtpmap:96 opus/48000/2" in offered
    assert "a=rtpmap:9 G722/8000" in offered


def test_linphone_and_we_hear_each_other_with_opus(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    ours, theirs = speech.wav(48_000), speech.wav(48_000, OTHER_SENTENCE)
    carol = peers.start(
        Linphone,
        "carol",
        kamailio,
        "carol",
        "carolpw",
        audio=CARD,
        environment=pulse.environment,
        answermode="auto",
        codecs=("opus",),
    )
    ear = pulse.record("b_spk.monitor")
    phone = peers.start(CommandLine, kamailio, "call", "carol", "--seconds", "4", *OURS, play=ours)
    phone.wait_for("established")
    carol.wait_for_state("StreamsRunning")
    pulse.play("b_mic", theirs)
    result = phone.result()
    heard = ear.stop()[::6]

    _assert_good(result, "opus", seconds=4)
    print("carol", likeness(_opening(ours), heard, RATE), "we", likeness(_opening(theirs), phone.heard(), RATE))
    assert likeness(_opening(ours), heard, RATE) > 0.75
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.75


def test_linphone_calls_us_with_opus(peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig) -> None:
    ours, theirs = speech.wav(48_000), speech.wav(48_000, OTHER_SENTENCE)
    carol = peers.start(
        Linphone, "carol", kamailio, "carol", "carolpw", audio=CARD, environment=pulse.environment, codecs=("opus",)
    )
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *OURS, play=ours)
    phone.wait_for("waiting")
    ear = pulse.record("b_spk.monitor")
    carol.dial("sip:alice@sip.test")
    carol.wait_for_state("StreamsRunning")
    pulse.play("b_mic", theirs)
    settle(3)
    carol.dtmf("5")
    settle(1.5)
    carol.hangup()
    result = phone.result()
    heard = ear.stop()[::6]

    _assert_good(result, "opus", seconds=4.5)
    print("carol", likeness(_opening(ours), heard, RATE), "we", likeness(_opening(theirs), phone.heard(), RATE))
    assert likeness(_opening(ours), heard, RATE) > 0.75
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.75
    answer = next(m for m in kamailio.messages() if m.method == "INVITE" and m.status == 200 and m.body)
    assert "telephone-event/48000" in answer.body
    assert [line["digit"] for line in phone.events() if line["event"] == "digit"] == ["5"]
