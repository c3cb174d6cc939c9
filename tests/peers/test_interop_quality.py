"""What we say of a line that we share with baresip, score by loss, and packets as long as we ask for."""

from __future__ import annotations

import pytest

from softphone.storage.settings import MediaSection
from softphone.ua import events as ua
from softphone.ua.media_report import MediaReport
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import RATE, CommandLine, PhoneUnderTest
from tests.peers.pulse import PulseRig, settle
from tests.peers.speech import OTHER_SENTENCE, Speech

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

SECONDS = 10.0


def _call(peers: Peers, ca: PrivateCa, speech: Speech, impairment: Impairment) -> MediaReport:
    theirs = speech.wav(RATE, OTHER_SENTENCE)
    line = peers.start(ImpairedLine, impairment)
    kamailio = peers.start(Kamailio, ca, rtpengine=line.port)
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = peers.start(
        PhoneUnderTest, kamailio, "alice", "alicepw", play=speech.wav(RATE), media=MediaSection(codecs=("PCMU",))
    )
    phone.wait_registered()
    call_id = phone.dial("bob")
    phone.wait_for(ua.CallSecured)
    settle(SECONDS)
    report = phone.hang_up(call_id).report
    assert report is not None
    print(impairment, report.quality, report.rtt_ms)
    phone.stop()
    return report


def test_the_more_a_line_loses_the_lower_is_the_score_of_both_directions(
    peers: Peers, ca: PrivateCa, speech: Speech
) -> None:
    heard, said = [], []
    for loss in (0.0, 0.05, 0.2):
        report = _call(peers, ca, speech, Impairment(delay=0.02, loss=loss))
        quality = report.quality
        assert quality.heard is not None
        assert quality.said is not None, "baresip reported"
        assert quality.heard.loss == pytest.approx(loss, abs=0.06)
        assert report.rtt_ms is not None
        assert quality.heard.delay_ms >= 80
        heard.append(quality.heard.mos)
        said.append(quality.said.mos)
    assert heard[0] > 3.5  # a busy machine adds delay to every one of them
    assert heard[0] > heard[1] > heard[2]
    assert heard[0] > heard[2] + 0.7
    assert heard[2] < 3.2
    assert said[0] > said[2] + 0.5


def test_the_result_of_a_call_has_both_scores(peers: Peers, kamailio: Kamailio, speech: Speech) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{speech.wav(RATE)}")
    phone = peers.start(
        CommandLine, kamailio, "call", "bob", "--seconds", "9", "--codecs", "PCMU", play=speech.wav(RATE)
    )
    result = phone.result()
    print({key: result[key] for key in ("mos", "mos_remote", "delay_ms", "remote_lost", "remote_jitter_ms", "rtt_ms")})
    assert 3.0 < result["mos"] <= 4.41
    assert 3.0 < result["mos_remote"] <= 4.41
    assert result["delay_ms"] > 50
    assert result["remote_lost"] == 0


@pytest.mark.parametrize("codec", ["PCMU", "OPUS"])
def test_packets_are_as_long_as_we_are_set_to_ask_for(
    peers: Peers, kamailio: Kamailio, speech: Speech, codec: str
) -> None:
    theirs = {"PCMU": ("PCMU", 8000), "OPUS": ("opus", 48_000)}[codec]
    peers.start(
        Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{speech.wav(theirs[1])}", codecs=theirs[:1], ptime=40
    )
    media = MediaSection(codecs=(codec,), ptime=40)
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=speech.wav(theirs[1]), media=media)
    phone.wait_registered()
    call_id = phone.dial("bob")
    phone.wait_for(ua.CallSecured)
    settle(4.0)
    report = phone.hang_up(call_id).report
    assert "a=ptime:40" in kamailio.wait_message("INVITE").body
    assert report is not None
    assert 80 <= report.rtp_sent <= 160  # of 20 ms they would be twice as many
    assert 80 <= report.rtp_received <= 160


def test_linphone_and_we_tell_each_other_what_we_hear(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    """RTCP XR, which it sends to who asks for it in the session description (RFC 3611 §5.1)."""
    peers.start(
        Linphone,
        "carol",
        kamailio,
        "carol",
        "carolpw",
        audio="pulse:b_in,b_spk",
        environment=pulse.environment,
        answermode="auto",
        codecs=("opus",),
    )
    media = MediaSection(codecs=("OPUS",))
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=speech.wav(48_000), media=media)
    phone.wait_registered()
    call_id = phone.dial("carol")
    phone.wait_for(ua.CallSecured)
    settle(14.0)
    report = phone.hang_up(call_id).report
    assert report is not None
    print(report.remote_metrics, report.quality.said)
    assert report.remote_metrics is not None
    assert report.remote_metrics.jitter_buffer_ms > 0
    assert report.remote_metrics.mos_cq is not None
    assert report.quality.said is not None
    assert report.quality.said.mos > 3.0
