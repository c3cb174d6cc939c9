"""Calls with baresip through Kamailio: both ways, sound both ways, hold by either side, CANCEL, busy, digits, suites.

What our result says is compared with what baresip reports and with the messages that the proxy saw
(RFC 3261 §9, §13-§15; RFC 3264 §8.4; RFC 4568; RFC 4733; RFC 8643).

baresip sends some RTCP that is not SRTCP, and a Mandatory call counts it as `plain_rtp_seen` and uses nothing of it:
- an APP packet named "PING" in clear when a stream starts (16 octets, to open a NAT): `PINGS`, captured below;
- its BYE in clear when it hangs up itself, which may still find our socket open;
- with AES_CM_128_HMAC_SHA1_32 all its SRTCP, tagged with 4 octets where RFC 4568 §6.2.2 says 10.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from softphone.codecs.g711 import Pcmu
from softphone.dsp.correlation import best_alignment
from softphone.sdp.negotiated import Direction
from softphone.state import Encryption
from softphone.ua import events as ua
from softphone.ua.events import EndedBy
from tests.peers.baresip import Baresip
from tests.peers.capture import Capture, Datagram
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.phone import OPTIONAL_PRIVATE, RATE, CommandLine, PhoneUnderTest, only_suites, silent
from tests.peers.process import until
from tests.peers.pulse import PulseRig, settle
from tests.peers.rtpengine import Rtpengine
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav, repeat

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

PINGS: Final = 1
CM_128_80: Final = "AES_CM_128_HMAC_SHA1_80"


def _opening(wav: Path, seconds: float = 2.0) -> Samples:
    """The beginning of a spoken sentence, at RATE."""
    said, rate = read_wav(wav)
    assert rate == RATE
    return said[: int(seconds * rate)]


def _is_ours(request: SipMessage) -> bool:
    return "sip:alice@sip.test" in request.header("From")


def _keys(message: SipMessage) -> list[str]:
    """Suite and key of every a=crypto line, without the tag."""
    return re.findall(r"a=crypto:\d+ (\S+ inline:\S+)", message.body)


def _invites(kamailio: Kamailio, status: int | None = None) -> list[SipMessage]:
    """The INVITEs (or their answers) that the proxy received and that carry a session description, oldest first."""
    return [
        message
        for message in kamailio.messages()
        if message.direction == "in" and message.method == "INVITE" and message.status == status and message.body
    ]


def _assert_secured(result: dict[str, object], suite: str, not_srtcp: tuple[int, ...] = (PINGS,)) -> None:
    assert result["ok"] is True
    assert result["status"] == 200
    assert result["codec"] == "PCMU"
    assert result["media"] == "srtp"
    assert result["srtp_suite"] == suite
    assert result["tls_version"] == "TLSv1.3"
    assert result["plain_rtp_seen"] in not_srtcp
    assert (result["auth_failures"], result["replays"]) == (result["plain_rtp_seen"], 0)
    assert result["lost"] == 0


def test_the_command_calls_and_both_hear_what_the_other_says(peers: Peers, kamailio: Kamailio, speech: Speech) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "3", play=ours)
    result = phone.result()

    _assert_secured(result, "AEAD_AES_256_GCM")
    assert phone.exit_code == 0
    assert 0 < result["setup_ms"] < 5000
    assert 2.9 < result["duration_s"] < 4
    assert result["rtp_sent"] > 140
    assert result["rtp_received"] > 140
    assert result["ended_by"] == "local"
    assert bob.wait_for("CALL_MENC")["param"] == "0,audio,AEAD_AES_256_GCM"
    bob.wait_for("CALL_CLOSED")
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9
    assert likeness(_opening(ours), phone.heard(), RATE) < 0.6, "no echo of ours: what is found was said by them"
    assert " RTP/SAVP " in kamailio.wait_message("INVITE").body
    assert _is_ours(kamailio.wait_message("BYE"))
    kamailio.wait_registered("alice", 0)
    print("setup_ms", result["setup_ms"], "jitter_ms", result["jitter_ms"], "rtt_ms", result["rtt_ms"])
    print("bob", best_alignment(_opening(ours), bob.heard(), RATE))
    print("we", best_alignment(_opening(theirs), phone.heard(), RATE))


def test_the_command_answers_and_both_hear_what_the_other_says(
    peers: Peers, kamailio: Kamailio, speech: Speech
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", play=ours)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    bob.wait_for("CALL_ESTABLISHED")
    phone.wait_for("secured")
    settle(3)
    bob.hangup()
    result = phone.result()

    suite = str(bob.wait_for("CALL_MENC")["param"]).rpartition(",")[2]
    _assert_secured(result, suite, (PINGS, PINGS + 1))
    assert phone.exit_code == 0
    assert result["direction"] == "incoming"
    assert result["remote"] == bob.uri
    assert result["ended_by"] == "remote"
    assert result["rtp_received"] > 130
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9
    assert not _is_ours(kamailio.wait_message("BYE"))
    print("setup_ms", result["setup_ms"], "suite", suite)


def test_an_interrupt_hangs_up_an_incoming_call(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1")
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    phone.wait_for("secured")
    phone.interrupt()

    assert phone.result()["ended_by"] == "local"
    bob.wait_for("CALL_CLOSED")
    assert _is_ours(kamailio.wait_message("BYE"))
    kamailio.wait_registered("alice", 0)


def test_hold_by_either_side_keeps_the_keys_and_the_sound_comes_back(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, tmp_path: Path
) -> None:
    ours = speech.wav(RATE, "The birch canoe slid on the smooth planks.", tail=0)
    theirs = speech.wav(RATE, "Rice is often served in round bowls.", tail=0)
    repeat(ours, tmp_path / "ours.wav", 30)
    repeat(theirs, tmp_path / "theirs.wav", 30)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="pulse:b_in,b_spk", environment=pulse.environment)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=tmp_path / "ours.wav")
    pulse.play("b_mic", tmp_path / "theirs.wav")
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallSecured)
    windows: dict[str, tuple[float, float]] = {}

    def listen(name: str, seconds: float) -> Samples:
        """What bob hears for so long; what alice hears in the same time is read from her recording at the end."""
        ear = pulse.record("b_spk.monitor")
        began = time.monotonic()
        settle(seconds)
        windows[name] = (began, time.monotonic())
        return ear.stop()[::6]

    settle(1)
    alice.hold(call)
    held = alice.wait_for(ua.HoldChanged)
    settle(0.4)
    bob_held = listen("held by us", 0.8)
    alice.resume(call)
    resumed = alice.wait_for(ua.HoldChanged)
    bob_after_ours = listen("after ours", 3)
    bob.hold()
    held_by_bob = alice.wait_for(ua.HoldChanged)
    settle(0.4)
    listen("held by bob", 0.8)
    bob.resume()
    resumed_by_bob = alice.wait_for(ua.HoldChanged)
    bob_after_theirs = listen("after theirs", 3)
    bob.hangup()
    ended = alice.wait_ended(call)

    changes = [(c.held_by_us, c.held_by_peer, c.direction) for c in (held, resumed, held_by_bob, resumed_by_bob)]
    assert changes == [
        (True, False, Direction.SENDONLY),
        (False, False, Direction.SENDRECV),
        (False, True, Direction.RECVONLY),
        (False, False, Direction.SENDRECV),
    ]
    offers, answers = _invites(kamailio), _invites(kamailio, 200)
    directions = [re.findall(r"a=(sendrecv|sendonly|recvonly|inactive)", message.body) for message in offers]
    assert directions[-4:] == [["sendonly"], ["sendrecv"], ["sendonly"], ["sendrecv"]]
    in_answers = [re.findall(r"a=(sendrecv|sendonly|recvonly|inactive)", message.body) for message in answers]
    assert in_answers[-4:] == [["recvonly"], ["sendrecv"], ["recvonly"], ["sendrecv"]]
    our_key = next(key for key in _keys(offers[0]) if key.startswith("AEAD_AES_256_GCM "))
    assert {our_key} <= set(_keys(offers[-4])), "hold offers the key in use"
    assert _keys(answers[-1]) == _keys(answers[-2]) == [our_key], "and answers with it"
    assert ended.ended_by is EndedBy.REMOTE
    assert ended.failure is None
    assert ended.report is not None
    assert (ended.report.auth_failures, ended.report.replays) == (ended.report.plain_rtp_seen, 0)

    heard, end = alice.heard(), alice.moment(ended)

    def alice_heard(name: str) -> Samples:
        """Counted from the end, which is when her recording ended too."""
        return heard[slice(*(heard.size - int((end - moment) * RATE) for moment in windows[name]))]

    assert silent(bob_held)
    assert silent(alice_heard("held by us"))
    assert silent(alice_heard("held by bob"))
    for name, bob_heard in (("after ours", bob_after_ours), ("after theirs", bob_after_theirs)):
        assert likeness(_opening(ours), bob_heard, RATE) > 0.8, name
        assert likeness(_opening(theirs), alice_heard(name), RATE) > 0.8, name


def test_a_call_given_up_before_the_answer_is_cancelled(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallRinging)
    bob.wait_for("CALL_INCOMING")
    ended = alice.hang_up(call)

    assert (ended.ended_by, ended.failure, ended.duration_s) == (EndedBy.LOCAL, None, 0.0)
    bob.wait_for("CALL_CLOSED")
    assert _is_ours(kamailio.wait_message("CANCEL"))
    kamailio.wait_message("INVITE", 487)
    assert not [message for message in kamailio.messages() if message.method == "BYE"]


def test_an_interrupted_command_cancels_a_ringing_call(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    phone = peers.start(CommandLine, kamailio, "call", "bob")
    phone.wait_for("ringing")
    phone.interrupt()
    result = phone.result()

    assert (result["ok"], result["ended_by"], phone.exit_code) == (False, "local", 1)
    assert result["duration_s"] == 0
    bob.wait_for("CALL_CLOSED")
    kamailio.wait_message("CANCEL")
    kamailio.wait_registered("alice", 0)


def test_baresip_gives_up_before_we_answer(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    bob.dial(alice.uri)
    incoming = alice.wait_for(ua.IncomingCall)
    bob.wait_for("CALL_RINGING")
    bob.hangup()
    ended = alice.wait_ended(incoming.call_id)

    assert (ended.ended_by, ended.failure) == (EndedBy.REMOTE, None)
    assert kamailio.wait_message("INVITE", 487).header("To") != ""
    kamailio.wait_message("CANCEL")


def test_busy_is_an_end_with_its_own_words(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    phone = peers.start(CommandLine, kamailio, "call", "bob")
    bob.wait_for("CALL_INCOMING")
    bob.hangup()
    result = phone.result()

    assert (result["ok"], result["status"], result["ended_by"], phone.exit_code) == (False, 486, "remote", 1)
    assert "busy" in result["reason"]
    assert result["remedy"]
    kamailio.wait_message("INVITE", 486)


@pytest.mark.parametrize("status", [486, 603])
def test_a_call_that_we_decline_tells_baresip_so(peers: Peers, kamailio: Kamailio, status: int) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", "--decline", str(status))
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith(str(status))

    result = phone.result()
    assert (result["status"], result["ended_by"], result["duration_s"]) == (status, "local", 0)
    kamailio.wait_message("INVITE", status)


def test_digits_arrive_on_both_sides(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--digits", "19*0#A", "--seconds", "3.5")
    phone.wait_for("secured")
    bob.dtmf("2580")
    result = phone.result()

    pressed = [event["param"] for event in bob.events() if event["type"] == "CALL_DTMF_START"]
    assert "".join(pressed) == "19*0#A"
    assert result["digits_received"] == "2580"
    assert "telephone-event/8000" in kamailio.wait_message("INVITE").body


def test_optional_offers_avp_with_keys_and_baresip_takes_them(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc="srtp")
    options = ("--media-encryption", "optional", "--connection-profile", "private", "--seconds", "1.5")
    phone = peers.start(CommandLine, kamailio, "call", "bob", *options)
    result = phone.result()

    _assert_secured(result, "AEAD_AES_256_GCM")
    offer = kamailio.wait_message("INVITE").body
    assert " RTP/AVP " in offer
    assert "a=crypto:1 AEAD_AES_256_GCM " in offer
    assert "a=crypto:" in kamailio.wait_message("INVITE", 200).body
    assert bob.wait_for("CALL_MENC")["param"] == "0,audio,AEAD_AES_256_GCM"


@pytest.mark.parametrize("policy", ["optional", "mandatory"])
def test_an_avp_offer_with_keys_becomes_srtp(peers: Peers, kamailio: Kamailio, policy: str) -> None:
    """RFC 8643: answered on RTP/AVP with crypto, under both policies."""
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc="srtp")
    alice = peers.start(
        PhoneUnderTest, kamailio, "alice", "alicepw", media=OPTIONAL_PRIVATE if policy == "optional" else None
    )
    alice.wait_registered()
    bob.dial(alice.uri)
    incoming = alice.wait_for(ua.IncomingCall)
    assert incoming.unencrypted is None
    alice.answer(incoming.call_id)
    secured = alice.wait_for(ua.CallSecured)
    lock = alice.call(incoming.call_id).security
    ended = alice.hang_up(incoming.call_id)

    assert (lock.encryption, lock.srtp_suite) == (Encryption.SRTP, secured.srtp_suite)
    assert (ended.status, ended.ended_by) == (200, EndedBy.LOCAL)
    offer, answer = kamailio.wait_message("INVITE").body, kamailio.wait_message("INVITE", 200).body
    assert " RTP/AVP " in offer
    assert " RTP/AVP " in answer
    assert len(re.findall("a=crypto:", answer)) == 1
    assert bob.wait_for("CALL_MENC")["param"] == f"0,audio,{secured.srtp_suite}"


@pytest.mark.parametrize(
    "suite", ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]
)
def test_each_suite_alone_carries_speech_both_ways(
    peers: Peers, kamailio: Kamailio, speech: Speech, suite: str
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    words = ("--srtp-suites", suite, "--seconds", "2.6")
    phone = peers.start(CommandLine, kamailio, "call", "bob", *words, play=ours)
    result = phone.result()

    # One protected PING follows the clear one at once, and a report may.
    _assert_secured(result, suite, (PINGS + 1, PINGS + 2) if suite.endswith("_32") else (PINGS,))
    assert [key.split()[0] for key in _keys(kamailio.wait_message("INVITE"))] == [suite]
    assert bob.wait_for("CALL_MENC")["param"] == f"0,audio,{suite}"
    bob.wait_for("CALL_CLOSED")
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9


def test_no_suite_in_common_is_refused_and_said(peers: Peers, kamailio: Kamailio) -> None:
    """An offer of AES_CM_128 suites to a phone that is told to take GCM only."""
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", media=only_suites("AEAD_AES_128_GCM"))
    alice.wait_registered()
    bob.dial(alice.uri)
    closed = bob.wait_for("CALL_CLOSED")
    refused = alice.wait_for(ua.CallRefused)
    assert str(closed["param"]).startswith("488")
    assert refused.failure.remedy
    assert kamailio.wait_message("INVITE", 488).header("Warning").startswith("399 ")


def test_a_call_may_ring_for_long(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    alice.dial("bob")
    alice.wait_for(ua.CallRinging)
    settle(4)
    bob.answer()
    established = alice.wait_for(ua.CallEstablished)
    alice.wait_for(ua.CallSecured)
    assert established.setup_ms is not None
    assert established.setup_ms > 4000


def test_a_ring_longer_than_the_command_waits_ends_as_unanswered(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--timeout", "2")
    result = phone.result()

    assert (result["ok"], result["ended_by"], phone.exit_code) == (False, "local", 1)
    assert "nobody answered" in result["reason"].lower()
    bob.wait_for("CALL_CLOSED")
    kamailio.wait_message("CANCEL")


@pytest.mark.root
def test_the_one_clear_packet_of_a_secure_call_is_baresips_ping(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    capture = peers.start(Capture, bob.rtp_ports)
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "1.5")
    result = phone.result()

    assert result["plain_rtp_seen"] == PINGS
    to_us = [packet for packet in capture.packets() if bob.rtp_ports[0] <= packet.source[1] <= bob.rtp_ports[1]]
    # APP is payload type 204, its length counts words less one (RFC 3550 §6.7); SRTCP with GCM adds 20 octets.
    apps = [packet.payload for packet in to_us if packet.payload[1] == 204]
    assert [len(payload) for payload in apps] == [16, 16 + 4 + 16]
    assert apps[0][8:] == b"PINGPONG"
    assert int.from_bytes(apps[0][2:4], "big") == 3


def test_a_call_to_nobody_says_so(peers: Peers, kamailio: Kamailio) -> None:
    phone = peers.start(CommandLine, kamailio, "call", "carol")
    result = phone.result()
    assert (result["status"], result["ended_by"], phone.exit_code) == (404, "remote", 1)
    assert until(lambda: kamailio.wait_message("ACK"), "the ACK of the refusal")


@pytest.mark.parametrize("suite", ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"])
def test_rtpengine_decrypts_what_we_say_and_encrypts_what_we_hear(
    peers: Peers, ca: PrivateCa, speech: Speech, suite: str
) -> None:
    """A third party to SDES, whose recording holds what it decrypted: an independent witness of what we sent."""
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="RTP/SAVP SDES-pad")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    words = ("--srtp-suites", suite, "--seconds", "2.6")
    phone = peers.start(CommandLine, kamailio, "call", "bob", *words, play=ours)
    result = phone.result()
    bob.wait_for("CALL_CLOSED")

    assert (result["ok"], result["srtp_suite"]) == (True, suite)
    assert (result["auth_failures"], result["replays"]) == (0, 0)
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    recorded = rtpengine.recorded()
    streams = {packet.payload[8:12] for packet in recorded if len(packet.payload) == 172}
    decrypted = [_decoded(recorded, ssrc) for ssrc in streams]
    assert max(likeness(_opening(ours), stream, RATE) for stream in decrypted) > 0.9
    assert max(likeness(_opening(theirs), stream, RATE) for stream in decrypted) > 0.9


def test_of_the_dozen_suites_that_rtpengine_offers_the_permitted_one_is_taken(
    peers: Peers, ca: PrivateCa, speech: Speech
) -> None:
    """NULL and F8 are among them, GCM keys come without padding; rtpengine turns baresip's CM into GCM and back."""
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="RTP/SAVP")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    words = ("--calls", "1", "--seconds", "2.6", "--srtp-suites", "AEAD_AES_256_GCM")
    phone = peers.start(CommandLine, kamailio, "answer", *words, play=ours)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    result = phone.result()
    bob.wait_for("CALL_CLOSED")

    offer = next(m for m in kamailio.messages() if m.direction == "out" and m.start_line.startswith("INVITE"))
    offered = [key.split()[0] for key in _keys(offer)]
    assert offered[0] == CM_128_80
    assert {"NULL_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"} <= set(offered)
    agreed = [key.split()[0] for key in _keys(kamailio.wait_message("INVITE", 200))]
    assert agreed == [result["srtp_suite"]] == ["AEAD_AES_256_GCM"]
    assert (result["auth_failures"], result["replays"], result["plain_rtp_seen"]) == (0, 0, 0)
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9


def _decoded(packets: list[Datagram], ssrc: bytes) -> Samples:
    """The PCMU of one stream in the order of its timestamps."""
    decoder = Pcmu()
    payloads = {packet.payload[4:8]: packet.payload[12:] for packet in packets if packet.payload[8:12] == ssrc}
    return np.concatenate([decoder.decode(payloads[timestamp]) for timestamp in sorted(payloads)])
