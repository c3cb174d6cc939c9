"""Calls with baresip over a line with jitter and loss: the jitter buffer on real packets in real time."""

from __future__ import annotations

import pytest

from softphone.ua import events as ua
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.phone import RATE, PhoneUnderTest
from tests.peers.process import until
from tests.peers.pulse import settle
from tests.peers.speech import OTHER_SENTENCE, Speech, likeness, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

SECONDS = 10.0


def _call(peers: Peers, ca: PrivateCa, speech: Speech, impairment: Impairment) -> tuple[ua.CallEnded, float]:
    """The end of a call that lasted SECONDS, and how much of what baresip said was heard."""
    theirs = speech.wav(RATE, OTHER_SENTENCE)
    line = peers.start(ImpairedLine, impairment)
    kamailio = peers.start(Kamailio, ca, rtpengine=line.port)
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=speech.wav(RATE))
    phone.wait_registered()
    call_id = phone.dial("bob")
    phone.wait_for(ua.CallSecured)
    settle(SECONDS)
    ended = phone.hang_up(call_id)
    until(lambda: phone.heard().size > RATE, "a recording", 5)
    said, _ = read_wav(theirs)
    assert line.passed > 2 * SECONDS * 50 * (1 - impairment.loss) * 0.9
    alike = likeness(said[: 2 * RATE], phone.heard(), RATE)
    print(impairment, ended.report, f"likeness {alike:.3f}")
    return ended, alike


def test_thirty_milliseconds_of_jitter_cost_no_packet(peers: Peers, ca: PrivateCa, speech: Speech) -> None:
    ended, alike = _call(peers, ca, speech, Impairment(delay=0.02, jitter=0.03))
    report = ended.report
    assert report is not None
    assert report.lost == 0
    assert report.playout.late <= 0.01 * report.rtp_received
    assert report.concealed_ms <= 150
    assert 30 <= report.playout.target_ms <= 80
    assert alike > 0.9


def test_without_impairment_the_delay_is_one_packet(peers: Peers, ca: PrivateCa, speech: Speech) -> None:
    ended, alike = _call(peers, ca, speech, Impairment())
    report = ended.report
    assert report is not None
    assert report.playout.late <= 2
    assert report.playout.target_ms <= 45  # a busy machine jitters by itself
    assert alike > 0.9


def test_with_loss_and_jitter_what_is_missing_is_concealed_and_no_more(
    peers: Peers, ca: PrivateCa, speech: Speech
) -> None:
    ended, alike = _call(peers, ca, speech, Impairment(delay=0.02, jitter=0.03, loss=0.05, burst=2))
    report = ended.report
    assert report is not None
    assert report.lost > 5
    assert report.concealed_ms <= 20 * (report.lost + 0.02 * report.rtp_received) + 150
    assert alike > 0.75
