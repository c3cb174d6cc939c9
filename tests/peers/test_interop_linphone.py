"""Calls with linphone, a second stack: both ways, sound both ways, hold by either side, CANCEL, busy, decline.

It speaks TLS 1.2 to the proxy and has no GCM: the suite agreed is an AES_CM one: with 256 bits in our
calls, with 128 in linphone's, which offers that first.
linphone needs a sound card for RTP to flow; here it has PulseAudio's virtual ones.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from softphone.sdp.negotiated import Direction
from softphone.ua import events as ua
from softphone.ua.events import EndedBy
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.linphone import Linphone
from tests.peers.phone import RATE, CommandLine, PhoneUnderTest, silent
from tests.peers.process import until
from tests.peers.pulse import PulseRig, settle
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav, repeat

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

CM_128_80: Final = "AES_CM_128_HMAC_SHA1_80"
CM_256_80: Final = "AES_256_CM_HMAC_SHA1_80"
"""The best that both have: linphone has no GCM."""
CARD: Final = "pulse:b_in,b_spk"


def _opening(wav: Path, seconds: float = 2.0) -> Samples:
    said, rate = read_wav(wav)
    assert rate == RATE
    return said[: int(seconds * rate)]


def _received(kamailio: Kamailio, method: str, status: int | None = None) -> list[SipMessage]:
    return [
        message
        for message in kamailio.messages()
        if (message.direction, message.method, message.status) == ("in", method, status)
    ]


def _keys(message: SipMessage) -> list[str]:
    """Suite and key of every a=crypto line, without the tag."""
    return re.findall(r"a=crypto:\d+ (\S+ inline:[^\s|]+)", message.body)


def _directions(message: SipMessage) -> list[str]:
    return re.findall(r"a=(sendrecv|sendonly|recvonly|inactive)", message.body)


def test_the_command_calls_linphone_and_both_hear_what_the_other_says(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    carol = peers.start(
        Linphone, "carol", kamailio, "carol", "carolpw", audio=CARD, environment=pulse.environment, answermode="auto"
    )
    ear = pulse.record("b_spk.monitor")
    phone = peers.start(CommandLine, kamailio, "call", "carol", "--seconds", "4", play=ours)
    phone.wait_for("established")
    carol.wait_for_state("StreamsRunning")
    pulse.play("b_mic", theirs)
    result = phone.result()
    carol_heard = ear.stop()[::6]

    assert (result["ok"], result["status"], phone.exit_code, result["ended_by"]) == (True, 200, 0, "local")
    assert (result["media"], result["srtp_suite"], result["codec"]) == ("srtp", CM_256_80, "PCMU")
    assert (result["auth_failures"], result["replays"], result["plain_rtp_seen"]) == (0, 0, 0)
    assert min(result["rtp_sent"], result["rtp_received"]) > 150
    assert likeness(_opening(ours), carol_heard, RATE) > 0.85
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.85
    carol.wait_for_state("")
    assert _keys(_received(kamailio, "INVITE", 200)[-1])[0].startswith(f"{CM_256_80} ")
    print("setup_ms", result["setup_ms"], "jitter_ms", result["jitter_ms"], "rtt_ms", result["rtt_ms"])
    print("carol", likeness(_opening(ours), carol_heard, RATE), "we", likeness(_opening(theirs), phone.heard(), RATE))


def test_linphone_calls_the_command_and_both_hear_what_the_other_says(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", audio=CARD, environment=pulse.environment)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", play=ours)
    phone.wait_for("waiting")
    ear = pulse.record("b_spk.monitor")
    carol.dial("sip:alice@sip.test")
    carol.wait_for_state("StreamsRunning")
    pulse.play("b_mic", theirs)
    settle(4)
    carol.hangup()
    result = phone.result()
    carol_heard = ear.stop()[::6]

    assert (result["ok"], result["status"], phone.exit_code, result["ended_by"]) == (True, 200, 0, "remote")
    assert (result["media"], result["srtp_suite"]) == ("srtp", CM_128_80)
    assert (result["auth_failures"], result["replays"], result["plain_rtp_seen"]) == (0, 0, 0)
    assert likeness(_opening(ours), carol_heard, RATE) > 0.85
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.85
    offered = {key.split()[0] for key in _keys(_received(kamailio, "INVITE")[-1])}
    assert {CM_128_80, "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80"} <= offered
    assert " RTP/SAVP " in _received(kamailio, "INVITE")[-1].body
    print("setup_ms", result["setup_ms"], "likeness", likeness(_opening(theirs), phone.heard(), RATE))


def test_hold_by_either_side_and_the_sound_comes_back(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, tmp_path: Path
) -> None:
    ours = speech.wav(RATE, "The birch canoe slid on the smooth planks.", tail=0)
    theirs = speech.wav(RATE, "Rice is often served in round bowls.", tail=0)
    repeat(ours, tmp_path / "ours.wav", 30)
    repeat(theirs, tmp_path / "theirs.wav", 30)
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", audio=CARD, environment=pulse.environment)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=tmp_path / "ours.wav")
    pulse.play("b_mic", tmp_path / "theirs.wav")
    alice.wait_registered()
    call = alice.dial("carol")
    alice.wait_for(ua.CallRinging)
    carol.wait_for_state("IncomingReceived")
    carol.answer()
    alice.wait_for(ua.CallSecured)
    carol.wait_for_state("StreamsRunning")
    settle(0.5)

    alice.hold(call)
    held = alice.wait_for(ua.HoldChanged)
    assert carol.wait_for_state("PausedByRemote")
    settle(0.4)
    ear = pulse.record("b_spk.monitor")
    settle(0.6)
    carol_held = ear.stop()[::6]
    alice.resume(call)
    resumed = alice.wait_for(ua.HoldChanged)
    carol.wait_for_state("StreamsRunning")
    carol.hold()
    held_by_carol = alice.wait_for(ua.HoldChanged)
    carol.wait_for_state("Paused")
    settle(0.5)
    carol.resume()
    resumed_by_carol = alice.wait_for(ua.HoldChanged)
    carol.wait_for_state("StreamsRunning")
    ear = pulse.record("b_spk.monitor")
    settle(3)
    carol_after = ear.stop()[::6]
    carol.hangup()
    ended = alice.wait_ended(call)

    changes = [(c.held_by_us, c.held_by_peer, c.direction) for c in (held, resumed, held_by_carol, resumed_by_carol)]
    assert changes == [
        (True, False, Direction.SENDONLY),
        (False, False, Direction.SENDRECV),
        (False, True, held_by_carol.direction),
        (False, False, Direction.SENDRECV),
    ]
    assert held_by_carol.direction in (Direction.RECVONLY, Direction.INACTIVE)
    offers, answers = _received(kamailio, "INVITE"), _received(kamailio, "INVITE", 200)
    assert [_directions(offer) for offer in offers[-4:-2]] == [["sendonly"], ["sendrecv"]]
    assert len(answers) == 5
    first = {key.split()[0]: key for key in _keys(offers[0])}
    assert first[CM_256_80] in _keys(offers[-4]), "our hold offers the key in use"
    assert _keys(answers[-1]) == _keys(answers[-2]) == [first[CM_256_80]], "and our answers keep it"
    assert (ended.ended_by, ended.failure) == (EndedBy.REMOTE, None)
    assert ended.report is not None
    assert (ended.report.auth_failures, ended.report.plain_rtp_seen) == (0, 0)
    assert ended.report.replays <= 2, "linphone starts its SRTCP index again when it resumes"
    assert silent(carol_held)
    assert likeness(_opening(ours), carol_after, RATE) > 0.8
    heard_last = alice.heard()[-3 * RATE :]
    assert likeness(_opening(theirs), heard_last, RATE) > 0.8


def test_calls_that_never_come_about(peers: Peers, kamailio: Kamailio) -> None:
    """One linphone, five calls: cancelled by us, declined by it, busy and declined by us, cancelled by it."""
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()

    call = alice.dial("carol")
    alice.wait_for(ua.CallRinging)
    carol.wait_for_state("IncomingReceived")
    ended = alice.hang_up(call)
    assert (ended.ended_by, ended.failure, ended.duration_s) == (EndedBy.LOCAL, None, 0.0)
    carol.wait_for_state("")
    kamailio.wait_message("INVITE", 487)

    call = alice.dial("carol")
    alice.wait_for(ua.CallRinging, where=lambda event: event.call_id == call)
    carol.wait_for_state("IncomingReceived")
    carol.hangup()
    ended = alice.wait_ended(call)
    assert (ended.ended_by, ended.status) == (EndedBy.REMOTE, 603)
    assert ended.failure is not None
    assert "declined" in ended.failure.reason
    kamailio.wait_message("INVITE", 603)

    for status in (486, 603):
        carol.dial(alice.uri)
        call = alice.wait_for(ua.IncomingCall).call_id
        alice.decline(call, status)
        ended = alice.wait_ended(call)
        assert (ended.ended_by, ended.status) == (EndedBy.LOCAL, status)
        carol.wait_for_state("")
        kamailio.wait_message("INVITE", status)

    carol.dial(alice.uri)
    call = alice.wait_for(ua.IncomingCall).call_id
    carol.wait_for_state("OutgoingRinging")
    carol.hangup()
    ended = alice.wait_ended(call)
    assert (ended.ended_by, ended.failure) == (EndedBy.REMOTE, None)
    carol.wait_for_state("")
    until(lambda: len(_received(kamailio, "INVITE", 487)) == 2, "our 487")


def test_a_busy_linphone_says_so(peers: Peers, kamailio: Kamailio) -> None:
    """linphone answers 486 to a second call while the first one rings."""
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", most_calls=1)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    alice.dial("carol")
    alice.wait_for(ua.CallRinging)
    carol.wait_for_state("IncomingReceived")
    phone = peers.start(CommandLine, kamailio, "call", "carol", user="bob", password="bobpw")
    result = phone.result()
    assert (result["ok"], result["status"], phone.exit_code) == (False, 486, 1)
    assert "busy" in result["reason"]


@pytest.mark.parametrize(
    ("suites", "agreed"),
    [
        (("AES_CM_128_HMAC_SHA1_32",), "AES_CM_128_HMAC_SHA1_32"),
        (("AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"), "AES_256_CM_HMAC_SHA1_80"),
    ],
)
def test_the_suite_is_one_that_both_have(
    peers: Peers, kamailio: Kamailio, pulse: PulseRig, suites: tuple[str, ...], agreed: str
) -> None:
    carol = peers.start(
        Linphone, "carol", kamailio, "carol", "carolpw", suites=suites, audio=CARD, environment=pulse.environment
    )
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    carol.dial(alice.uri)
    call = alice.wait_for(ua.IncomingCall).call_id
    alice.answer(call)
    assert alice.wait_for(ua.CallSecured).srtp_suite == agreed
    carol.wait_for_state("StreamsRunning")
    settle(0.5)
    ended = alice.hang_up(call)
    carol.wait_for_state("")

    assert [key.split()[0] for key in _keys(_received(kamailio, "INVITE")[-1])] == list(suites)
    assert ended.report is not None
    assert (ended.report.auth_failures, ended.report.plain_rtp_seen, ended.report.replays) == (0, 0, 0)
    assert ended.report.rtp_received > 15


def test_no_suite_in_common_is_refused_and_said(peers: Peers, kamailio: Kamailio) -> None:
    """AES_256_CM alone, to a phone that is told to take GCM only."""
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", suites=("AES_256_CM_HMAC_SHA1_80",))
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", "--srtp-suites", "AEAD_AES_256_GCM")
    phone.wait_for("waiting")
    carol.dial("sip:alice@sip.test")
    result = phone.result()
    assert (result["ok"], result["status"], phone.exit_code) == (False, 488, 3)
    assert "AES_256_CM_HMAC_SHA1_80" in result["reason"] + str(result["evidence"])
    carol.wait_for_state("")
