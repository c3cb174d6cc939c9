"""What a person really hears beside the voices: on the ringer, on the speaker, and nothing of it at the other side.

Alice's phone has the devices of a PulseAudio of the tests' own: speaker `a_spk`, and `b_mic` stands for the ringer.
Bob is a phone of ours at the same Kamailio, which hears into a file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from softphone.ua import events as ua
from softphone.ua.commands import Silence
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.phone import RATE as THEIR_RATE
from tests.peers.phone import PhoneUnderTest
from tests.peers.pulse import RATE, PulseRig, Recording, settle
from tests.peers.speech import SENTENCE, Speech

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
RINGER, SPEAKER = "b_mic", "a_spk"
BUILT_IN = (659, 988, 1319)  # Hz, the first three notes
PATIENCE = 30.0  # s; a busy machine
QUIET = 40  # of 32767: dither at most
Sound = NDArray[np.int16]


def phone_of_alice(peers: Peers, kamailio: Kamailio, **audio: str) -> PhoneUnderTest:
    alice = peers.start(
        PhoneUnderTest,
        kamailio,
        "alice",
        "alicepw",
        devices=("a_in", SPEAKER),
        audio={"ringer": RINGER, "country": "DE", **audio},
    )
    alice.wait_registered(PATIENCE)
    return alice


def phone_of_bob(peers: Peers, kamailio: Kamailio, play: Path | None = None) -> PhoneUnderTest:
    bob = peers.start(PhoneUnderTest, kamailio, "bob", "bobpw", play=play)
    bob.wait_registered(PATIENCE)
    return bob


def listen(pulse: PulseRig) -> tuple[Recording, Recording]:
    return pulse.record(f"{RINGER}.monitor"), pulse.record(f"{SPEAKER}.monitor")


def loudness(sound: Sound, hertz: float) -> float:
    """The greatest amplitude of that frequency in any fifth of a second."""
    window = RATE // 5
    wave = np.exp(-2j * np.pi * hertz * np.arange(window) / RATE) * np.hanning(window) * 2
    pieces = [sound[at : at + window].astype(float) for at in range(0, sound.size - window + 1, window // 4)]
    return max((float(abs(np.dot(piece, wave)) * 2 / window) for piece in pieces), default=0.0)


def peak(sound: Sound) -> int:
    return int(np.abs(sound.astype(int)).max(initial=0))


def test_a_call_rings_on_the_ringer_alone_until_it_is_answered(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig, speech: Speech
) -> None:
    with pulse.in_this_process():
        alice, bob = phone_of_alice(peers, kamailio), phone_of_bob(peers, kamailio, speech.wav(8000, SENTENCE))
        ringer, speaker = listen(pulse)
        bob.dial("alice")
        call = alice.wait_for(ua.IncomingCall, timeout=PATIENCE).call_id
        settle(6.0)
        rung, silent = ringer.delivered(), speaker.delivered()
        alice.answer(call)
        alice.wait_for(ua.CallSecured, timeout=PATIENCE)
        settle(2.5)
        alice.hang_up(call)
        rings, voices = ringer.stop(), speaker.stop()
    for hertz in BUILT_IN:
        assert loudness(rings[:rung], hertz) > 200
    first, second = rings[: rung // 2], rings[rung // 2 : rung]
    assert peak(second) > 1.5 * peak(first)  # it begins softly
    assert peak(voices[:silent]) < QUIET  # the headset is left alone
    assert peak(voices[silent:]) > 1000
    assert peak(rings[rung + RATE // 2 :]) < QUIET  # what was on its way to the device is heard, and no more


def test_a_sound_file_of_one_s_own_rings_and_can_be_silenced_without_declining(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig, tmp_path: Path
) -> None:
    bell = tmp_path / "bell.flac"
    soundfile.write(str(bell), 0.2 * np.sin(2 * np.pi * 1500 * np.arange(44_100) / 44_100), 44_100)
    with pulse.in_this_process():
        alice, bob = phone_of_alice(peers, kamailio, ringtone=str(bell)), phone_of_bob(peers, kamailio)
        ringer, speaker = listen(pulse)
        theirs = bob.dial("alice")
        call = alice.wait_for(ua.IncomingCall, timeout=PATIENCE).call_id
        settle(6.0)
        rung = ringer.delivered()
        alice.do(Silence())
        alice.wait_for(ua.CallSilenced, timeout=PATIENCE)
        settle(5.0)
        assert alice.call(call).silenced
        bob.hang_up(theirs)
        rings, voices = ringer.stop(), speaker.stop()
    assert loudness(rings[:rung], 1500) > 1000
    assert loudness(rings[:rung], BUILT_IN[0]) < 100
    assert peak(rings[rung + RATE // 2 :]) < QUIET
    assert peak(voices) < QUIET


def test_a_file_that_is_not_there_rings_as_built_in_and_is_told(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig, tmp_path: Path
) -> None:
    with pulse.in_this_process():
        alice = phone_of_alice(peers, kamailio, ringtone=str(tmp_path / "gone.mp3"))
        bob = phone_of_bob(peers, kamailio)
        ringer, _ = listen(pulse)
        theirs = bob.dial("alice")
        alice.wait_for(ua.IncomingCall, timeout=PATIENCE)
        settle(3.0)
        bob.hang_up(theirs)
        rings = ringer.stop()
    assert all(loudness(rings, hertz) > 200 for hertz in BUILT_IN)
    assert "gone.mp3 is not there" in alice.log_text()


def test_ringback_then_busy_on_the_speaker_with_the_country_s_cadence(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig
) -> None:
    with pulse.in_this_process():
        alice, bob = phone_of_alice(peers, kamailio), phone_of_bob(peers, kamailio)
        ringer, speaker = listen(pulse)
        ours = alice.dial("bob")
        theirs = bob.wait_for(ua.IncomingCall, timeout=PATIENCE).call_id
        settle(2.0)
        refused = speaker.delivered()
        bob.decline(theirs, 486)
        alice.wait_ended(ours, PATIENCE)
        settle(6.5)
        rings, tones = ringer.stop(), speaker.stop()
    assert loudness(tones[:refused], 425) > 3000
    busy = tones[refused + RATE // 2 :]
    assert loudness(busy, 425) > 3000
    loud = np.array([peak(busy[at : at + RATE // 100]) > 1000 for at in range(0, 3 * RATE, RATE // 100)])
    edges = np.flatnonzero(np.diff(loud))
    assert float(np.median(np.diff(edges))) == pytest.approx(48, abs=4)  # hundredths of a second on, and off
    assert peak(tones[-RATE:]) < QUIET  # it ends by itself
    assert peak(rings) < QUIET


def test_a_key_is_heard_by_who_presses_it_and_not_by_the_other_side(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig
) -> None:
    with pulse.in_this_process():
        alice, bob = phone_of_alice(peers, kamailio), phone_of_bob(peers, kamailio)
        _, speaker = listen(pulse)
        ours = alice.dial("bob")
        bob.answer(bob.wait_for(ua.IncomingCall, timeout=PATIENCE).call_id)
        alice.wait_for(ua.CallSecured, timeout=PATIENCE)
        settle(1.0)
        alice.digits(ours, "5")
        bob.wait_for(ua.DigitPressed, timeout=PATIENCE)
        settle(1.0)
        alice.hang_up(ours)
        bob.wait_for(ua.CallEnded, timeout=PATIENCE)
        heard = speaker.stop()
        there = bob.heard()
    assert min(loudness(heard, 770), loudness(heard, 1336)) > 200
    assert loudness(heard, 1209) < 100
    # The event itself is no sound; what the speaker plays does not come back through the microphone here.
    window = THEIR_RATE // 5
    for hertz in (770, 1336):
        wave = np.exp(-2j * np.pi * hertz * np.arange(window) / THEIR_RATE)
        pieces = [there[at : at + window].astype(float) for at in range(0, there.size - window, window // 2)]
        assert max(abs(np.dot(piece, wave)) * 2 / window for piece in pieces) < 100
