"""Two calls and conferences with real phones through Kamailio: who hears whom, switched, joined, muted, split.

Every phone says a tone of its own, and what anybody hears is read off the spectrum of the last half second. The
members are baresip (with PCMU and PCMA, on a PulseAudio of the test's own) and phones of ours; media is SRTP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from softphone.ua import events as ua
from softphone.ua.commands import JoinConference, LeaveConference, SetMemberMuted, SwitchTo
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.phone import RATE, PhoneUnderTest
from tests.peers.process import until
from tests.peers.pulse import PulseRig, settle
from tests.peers.speech import Samples, repeat, tone

pytestmark = [pytest.mark.peer, pytest.mark.timeout(150)]

OURS: Final = 400
BOB, CAROL = 900, 1500
MEMBERS: Final = (500, 650, 800, 1000, 1250, 1600, 2000, 2500)  # none is the harmonic or difference of two others
STEADY_S: Final = 2.5  # until the last half second of a recording was heard under the new order


def tones(heard: Samples, rate: int, among: tuple[int, ...]) -> set[int]:
    """Which of the tones are in the last half second: a quarter of the loudest one at least, and more than noise."""
    last = heard[-rate // 2 :].astype(float)
    assert last.size == rate // 2, "too little was recorded"
    last *= np.hanning(last.size) * 2
    spectrum = np.abs(np.fft.rfft(last)) * 2 / last.size
    levels = {frequency: float(spectrum[frequency // 2 - 1 : frequency // 2 + 2].max()) for frequency in among}
    return {frequency for frequency, level in levels.items() if level > max(300.0, max(levels.values()) / 4)}


def saying(folder: Path, frequency: int) -> Path:
    """A tone of two minutes."""
    once, endless = folder / f"{frequency}-once.wav", folder / f"{frequency}.wav"
    tone(once, RATE, frequency)
    repeat(once, endless, 120)
    return endless


class Ears:
    """What the two baresips hear, at their speakers' monitors."""

    def __init__(self, pulse: PulseRig) -> None:
        self._pulse = pulse

    def of(self, letter: str) -> set[int]:
        ear = self._pulse.record(f"{letter}_spk.monitor")
        settle(1.0)
        return tones(ear.stop(), 48_000, (OURS, BOB, CAROL))


class TestThreeParties:
    @pytest.fixture
    def alice(self, peers: Peers, kamailio: Kamailio, pulse: PulseRig, tmp_path: Path) -> PhoneUnderTest:
        """In a call with bob, on hold, and one with carol."""
        for letter, user, codec, frequency in (("a", "bob", "PCMU", BOB), ("b", "carol", "PCMA", CAROL)):
            audio = f"pulse:{letter}_in,{letter}_spk"
            peers.start(
                Baresip,
                user,
                kamailio,
                user,
                PASSWORDS[user],
                audio=audio,
                codecs=(codec,),
                environment=pulse.environment,
            )
            pulse.play(f"{letter}_mic", saying(tmp_path, frequency))
        alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=saying(tmp_path, OURS))
        alice.wait_registered()
        self.bob = alice.dial("bob")
        alice.wait_for(ua.CallSecured)
        self.carol = alice.dial("carol")
        alice.wait_for(ua.HoldChanged, where=lambda event: event.call_id == self.bob and event.held_by_us)
        alice.wait_for(ua.CallSecured)
        codecs = {event.call_id: event.codec for event in alice.events() if isinstance(event, ua.CallEstablished)}
        assert codecs == {self.bob: "PCMU", self.carol: "PCMA"}
        return alice

    def ours(self, alice: PhoneUnderTest) -> set[int]:
        settle(STEADY_S)
        return tones(alice.heard(), RATE, (OURS, BOB, CAROL))

    def test_switching_and_a_conference(self, alice: PhoneUnderTest, pulse: PulseRig) -> None:
        bob, carol, ears = self.bob, self.carol, Ears(pulse)
        assert self.ours(alice) == {CAROL}
        assert (ears.of("a"), ears.of("b")) == (set(), {OURS})

        alice.do(SwitchTo(bob))
        alice.wait_for(ua.HoldChanged, where=lambda event: event.call_id == bob and not event.held_by_us)
        assert self.ours(alice) == {BOB}
        assert (ears.of("a"), ears.of("b")) == ({OURS}, set())

        alice.do(JoinConference((bob, carol)))
        alice.wait_for(ua.ConferenceChanged)
        assert self.ours(alice) == {BOB, CAROL}
        assert (ears.of("a"), ears.of("b")) == ({OURS, CAROL}, {OURS, BOB})

        alice.do(SetMemberMuted(carol, True))
        assert self.ours(alice) == {BOB}
        assert (ears.of("a"), ears.of("b")) == ({OURS}, {OURS, BOB})

        alice.do(SetMemberMuted(carol, False))
        alice.do(LeaveConference(bob))
        assert alice.wait_for(ua.ConferenceChanged, where=lambda event: event.call_ids == ()).not_encrypted is None
        assert self.ours(alice) == {CAROL}
        assert (ears.of("a"), ears.of("b")) == (set(), {OURS})

        alice.do(JoinConference((bob, carol)))
        alice.wait_for(ua.ConferenceChanged, where=lambda event: len(event.call_ids) == 2)
        alice.hang_up(bob)
        assert self.ours(alice) == {CAROL}
        assert ears.of("b") == {OURS}
        alice.hang_up(carol)
        reports = [event.report for event in alice.events() if isinstance(event, ua.CallEnded)]
        for report in reports:
            assert report is not None
            assert report.lost == 0


def test_a_conference_of_eight_members_and_us(peers: Peers, kamailio: Kamailio, tmp_path: Path) -> None:
    """Nine phones of ours in this process, each with an engine of its own."""
    everybody = (OURS, *MEMBERS)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=saying(tmp_path, OURS))
    members = []
    for number, frequency in enumerate(MEMBERS, start=1):
        user = f"member{number}"
        phone = peers.start(PhoneUnderTest, kamailio, user, PASSWORDS[user], play=saying(tmp_path, frequency))
        phone.wait_registered()
        members.append(phone)
    alice.wait_registered()
    calls, theirs = [], []
    for phone in members:
        calls.append(alice.dial(phone.name))
        theirs.append(phone.wait_for(ua.IncomingCall).call_id)
        phone.answer(theirs[-1])
        alice.wait_for(ua.CallSecured)
    alice.do(JoinConference(tuple(calls)))
    alice.wait_for(ua.ConferenceChanged)
    until(lambda: not any(alice.call(call).held_by_us for call in calls), "all to be resumed", 15)
    settle(STEADY_S)
    for phone, own in zip((alice, *members), everybody, strict=True):
        assert tones(phone.heard(), RATE, everybody) == set(everybody) - {own}, phone.name

    alice.do(SetMemberMuted(calls[2], True))
    alice.do(LeaveConference(calls[7]))
    members[4].hang_up(theirs[4])
    settle(STEADY_S)
    joined = {OURS, *(MEMBERS[number] for number in (0, 1, 2, 3, 5, 6))}
    heard_by_all = joined - {MEMBERS[2]}
    assert tones(alice.heard(), RATE, everybody) == heard_by_all - {OURS}
    assert tones(members[2].heard(), RATE, everybody) == heard_by_all
    for number in (0, 1, 3, 5, 6):
        heard = tones(members[number].heard(), RATE, everybody)
        assert heard == heard_by_all - {MEMBERS[number]}, members[number].name
    assert tones(members[7].heard(), RATE, everybody) == set()


def _microphone_streams(pulse: PulseRig, source: str) -> int:
    """How many programs have that microphone open."""
    index = next(line.split()[0] for line in pulse.control("list", "short", "sources").splitlines() if source in line)
    outputs = [line.split() for line in pulse.control("list", "short", "source-outputs").splitlines()]
    return sum(output[1] == index for output in outputs)


def test_two_calls_on_one_sound_card_share_it_and_only_the_one_that_is_talked_in_is_heard(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig, tmp_path: Path
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="pulse:b_in,b_spk", environment=pulse.environment)
    carol = peers.start(PhoneUnderTest, kamailio, "carol", "carolpw", play=saying(tmp_path, CAROL))
    carol.wait_registered()
    pulse.play("a_mic", saying(tmp_path, OURS))
    pulse.play("b_mic", saying(tmp_path, BOB))
    ears = Ears(pulse)
    with pulse.in_this_process():
        alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", devices=("a_in", "a_spk"))
        alice.wait_registered()
        assert _microphone_streams(pulse, "a_in") == 0
        to_bob = alice.dial("bob")
        alice.wait_for(ua.CallSecured)
        until(lambda: _microphone_streams(pulse, "a_in") == 1, "the microphone to open")
        to_carol = alice.dial("carol")
        carol.answer(carol.wait_for(ua.IncomingCall).call_id)
        alice.wait_for(ua.CallSecured)

        settle(STEADY_S)
        assert _microphone_streams(pulse, "a_in") == 1
        assert (ears.of("a"), ears.of("b")) == ({CAROL}, set())
        assert tones(carol.heard(), RATE, (OURS, BOB, CAROL)) == {OURS}

        alice.do(SwitchTo(to_bob))
        alice.wait_for(ua.HoldChanged, where=lambda event: event.call_id == to_carol and event.held_by_us)
        settle(STEADY_S)
        assert (ears.of("a"), ears.of("b")) == ({BOB}, {OURS})
        assert tones(carol.heard(), RATE, (OURS, BOB, CAROL)) == set()

        alice.hold(to_bob)  # now nobody hears us
        until(lambda: _microphone_streams(pulse, "a_in") == 0, "the microphone to close")
        alice.do(SwitchTo(to_carol))
        until(lambda: _microphone_streams(pulse, "a_in") == 1, "the microphone to open again")
        settle(STEADY_S)
        assert ears.of("a") == {CAROL}
        assert tones(carol.heard(), RATE, (OURS, BOB, CAROL)) == {OURS}
        alice.stop()
    bob.stop()
