"""Opus to baresip through a line that is too narrow for it: sending less against sending on as before.

Run by `make bench`, or alone. One call after the other, through lines alike. What baresip recorded in the last
LISTENED_S is scored with PESQ-WB against what was said.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from pesq import pesq

from softphone.dsp.resampler import Resampler
from softphone.engine.media import adaptation
from softphone.rtp.send_rate import SendRate
from softphone.storage.settings import MediaSection
from softphone.ua import events as ua
from softphone.ua.media_report import MediaReport
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers, peers
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.phone import PhoneUnderTest
from tests.peers.pulse import settle
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, read_wav, repeat

__all__ = ["peers"]

pytestmark = pytest.mark.timeout(900)

RATE = 48_000
SCORED = 16_000
NARROW = Impairment(delay=0.02, bit_rate=26_000)
SECONDS = 60.0
LISTENED_S = 24.0


class Unmoved(SendRate):
    """Stays at its rate whatever is reported."""

    def reported(self, loss: float, rtt_ms: float | None, now: float) -> int:
        del loss, rtt_ms, now
        return self.bit_rate


def _call(peers: Peers, ca: PrivateCa, speech: Speech) -> tuple[MediaReport, Samples]:
    """The report at the end and what baresip heard at its end."""
    said = speech.wav(RATE)
    endless = said.with_name("endless.wav")
    repeat(said, endless)
    line = peers.start(ImpairedLine, NARROW)
    kamailio = peers.start(Kamailio, ca, rtpengine=line.port)
    theirs = f"file:{speech.wav(RATE, OTHER_SENTENCE)}"
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", codecs=("opus",), audio=theirs)
    media = MediaSection(codecs=("OPUS",))
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=endless, media=media)
    phone.wait_registered()
    call_id = phone.dial("bob")
    phone.wait_for(ua.CallSecured)
    settle(SECONDS)
    report = phone.hang_up(call_id).report
    bob.wait_for("CALL_CLOSED")
    assert report is not None
    heard = bob.heard()
    phone.stop()
    return report, heard[-int(LISTENED_S * RATE) :]


def _score(heard: Samples, said: Samples) -> float:
    """The median PESQ-WB of the sentences in it."""
    down = Resampler(RATE, SCORED).process
    reference, whole = down(said), Resampler(RATE, SCORED).process(heard)
    scores = []
    for begin in range(0, len(whole) - 2 * len(reference), len(reference)):
        piece = whole[begin : begin + 2 * len(reference)].astype(float)
        spectrum = np.fft.rfft(piece, 2 * len(piece)) * np.conj(np.fft.rfft(reference, 2 * len(piece)))
        at = int(np.argmax(np.fft.irfft(spectrum)[: len(piece) - len(reference)]))
        scores.append(float(pesq(SCORED, reference, piece[at : at + len(reference)].astype(np.int16), "wb")))
    return statistics.median(scores)


def _scored(name: str, said: Samples, call: tuple[MediaReport, Samples]) -> tuple[MediaReport, float]:
    report, heard = call
    score = _score(heard, said)
    print(f"{name}: {report.send_bit_rate} bit/s, lost {report.remote_lost} of {report.rtp_sent}, PESQ-WB {score:.2f}")
    return report, score


def test_less_is_sent_and_more_is_heard(
    peers: Peers, ca: PrivateCa, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, _ = read_wav(speech.wav(RATE))
    adapted, better = _scored("adapted", said, _call(peers, ca, speech))
    monkeypatch.setattr(adaptation, "SendRate", Unmoved)
    unmoved, score = _scored("unmoved", said, _call(peers, ca, speech))
    assert unmoved.send_bit_rate == 28_000  # baresip wants no more
    assert adapted.send_bit_rate is not None
    assert adapted.remote_lost is not None
    assert unmoved.remote_lost is not None
    assert adapted.remote_lost < 0.6 * unmoved.remote_lost
    assert better >= score - 0.05
