"""Media keys with peers that we did not write: DTLS-SRTP, AES_256_CM, new keys in a call, RTP and RTCP on one port.

baresip (OpenSSL), linphone (mbedTLS, its own SRTP) and rtpengine (OpenSSL, its own SRTP, whose recording holds what it
decrypted). Each call is judged by the sound that arrived (RFC 4568, 5761, 5763, 5764, 6188).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from softphone.policy.media import KeyExchange
from softphone.storage.settings import MediaSection
from softphone.ua import events as ua
from softphone.ua.commands import Rekey
from softphone.ua.events import EndedBy
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.linphone import Linphone
from tests.peers.phone import RATE, CommandLine, PhoneUnderTest, only_suites
from tests.peers.process import until
from tests.peers.pulse import PulseRig, settle
from tests.peers.rtpengine import Rtpengine
from tests.peers.speech import OTHER_SENTENCE, Samples, Speech, likeness, read_wav, repeat

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]

CARD: Final = "pulse:b_in,b_spk"
DTLS: Final = MediaSection(key_exchange=KeyExchange.DTLS)


def _opening(wav: Path, seconds: float = 2.0) -> Samples:
    said, rate = read_wav(wav)
    assert rate == RATE
    return said[: int(seconds * rate)]


def _bodies(kamailio: Kamailio, status: int | None = None) -> list[str]:
    """The descriptions of the INVITEs (or their answers) that the proxy received, oldest first."""
    return [
        message.body
        for message in kamailio.messages()
        if (message.direction, message.method, message.status) == ("in", "INVITE", status) and message.body
    ]


def _suites(message: SipMessage | str) -> list[str]:
    return re.findall(r"a=crypto:\d+ (\S+)", message if isinstance(message, str) else message.body)


def _keys(body: str) -> list[str]:
    return re.findall(r"inline:([^\s|]+)", body)


# baresip.


def test_a_call_to_baresip_with_dtls(peers: Peers, kamailio: Kamailio, speech: Speech) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(
        Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", mediaenc="dtls_srtp", rtcp_mux=True
    )
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "3", "--key-exchange", "dtls", play=ours)
    result = phone.result()
    bob.wait_for("CALL_CLOSED")

    assert (result["ok"], result["media"], phone.exit_code) == (True, "dtls-srtp", 0)
    assert result["srtp_suite"] in ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")
    offer, answer = _bodies(kamailio)[0], _bodies(kamailio, 200)[0]
    assert " UDP/TLS/RTP/SAVP " in offer
    assert "a=setup:actpass" in offer
    assert "a=rtcp-mux" in answer
    assert "a=crypto" not in offer + answer
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9
    print(result["srtp_suite"], result["auth_failures"], result["plain_rtp_seen"], answer)


def test_a_call_from_baresip_with_dtls_whatever_we_offer_ourselves(
    peers: Peers, kamailio: Kamailio, speech: Speech
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(
        Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", mediaenc="dtls_srtp", rtcp_mux=True
    )
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", play=ours)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    bob.wait_for("CALL_ESTABLISHED")
    phone.wait_for("secured")
    settle(3)
    bob.hangup()
    result = phone.result()

    assert (result["ok"], result["media"]) == (True, "dtls-srtp")
    assert " UDP/TLS/RTP/SAVPF " in _bodies(kamailio)[0]
    answer = _bodies(kamailio, 200)[0]
    assert " UDP/TLS/RTP/SAVPF " in answer
    assert "a=setup:active" in answer
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9


def test_dtls_without_a_shared_port_is_refused_and_said(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc="dtls_srtp", rtcp_mux=False)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1")
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    result = phone.result()
    assert (result["ok"], result["status"], phone.exit_code) == (False, 488, 3)
    assert "rtcp-mux" in str(result["evidence"])
    assert "rtcp-mux" in result["remedy"]


@pytest.mark.parametrize("theirs_too", [True, False], ids=["answered", "not answered"])
@pytest.mark.parametrize("we_call", [True, False], ids=["we call", "baresip calls"])
def test_rtp_and_rtcp_share_a_port_where_both_want_it(
    peers: Peers, kamailio: Kamailio, speech: Speech, theirs_too: bool, we_call: bool
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", rtcp_mux=theirs_too)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", play=ours)
    alice.wait_registered()
    if we_call:
        call = alice.dial("bob")
    else:
        bob.dial(alice.uri)
        call = alice.wait_for(ua.IncomingCall).call_id
        alice.answer(call)
    alice.wait_for(ua.CallSecured)
    reported = alice.wait_for(ua.CallReported, timeout=20, where=lambda event: event.report.rtt_ms is not None)
    ended = alice.hang_up(call)
    bob.wait_for("CALL_CLOSED")

    offer, answer = _bodies(kamailio)[0], _bodies(kamailio, 200)[0]
    assert ("a=rtcp-mux" in offer) is (we_call or theirs_too)
    assert ("a=rtcp-mux" in answer) is theirs_too
    assert reported.report.remote_lost is not None, "its reports arrive wherever they go"
    assert ended.report is not None
    assert ended.report.replays == 0
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), alice.heard(), RATE) > 0.9


@pytest.mark.parametrize("mediaenc", ["srtp-mand", "dtls_srtp"])
def test_new_keys_in_a_call_with_baresip(
    peers: Peers, kamailio: Kamailio, speech: Speech, tmp_path: Path, mediaenc: str
) -> None:
    ours, theirs = speech.wav(RATE, tail=0), speech.wav(RATE, OTHER_SENTENCE, tail=0)
    repeat(ours, tmp_path / "ours.wav", 30)
    by_dtls = mediaenc == "dtls_srtp"
    peers.start(
        Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}", rtcp_mux=True,
        mediaenc="dtls_srtp" if by_dtls else "srtp-mand",
    )  # fmt: skip
    alice = peers.start(
        PhoneUnderTest, kamailio, "alice", "alicepw", play=tmp_path / "ours.wav", media=DTLS if by_dtls else None
    )
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallSecured)
    settle(1)
    alice.do(Rekey(call))
    until(lambda: len(_bodies(kamailio, 200)) == 2, "the answer to our re-INVITE")
    settle(7)
    before = alice.call(call).report
    assert before is not None
    ended = alice.hang_up(call)
    first, second = _bodies(kamailio)[:2]
    if by_dtls:
        # baresip 1.0 answers "active" whatever it is offered: the association that it has goes on.
        assert ("a=setup:actpass" in first, "a=setup:actpass" in second) == (True, False)
    else:
        # baresip 1.0 keeps opening what it receives with our former key: that side is rtpengine's test, below.
        assert not set(_keys(first)) & set(_keys(second))
    assert ended.ended_by is EndedBy.LOCAL
    assert before.rtp_received > 200
    assert likeness(_opening(theirs, 1.5), alice.heard()[-6 * RATE :], RATE) > 0.8


# linphone.


@pytest.mark.parametrize("we_call", [True, False], ids=["we call", "linphone calls"])
def test_dtls_with_linphone(peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, we_call: bool) -> None:
    result, body = _with_linphone(peers, kamailio, speech, pulse, we_call=we_call, mediaenc="dtls", rtcp_mux=True)
    assert result["media"] == "dtls-srtp"
    assert " UDP/TLS/RTP/SAVP" in body
    print(result["srtp_suite"])


@pytest.mark.parametrize("suite", ["AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32"])
@pytest.mark.parametrize("we_call", [True, False], ids=["we call", "linphone calls"])
def test_aes_256_in_counter_mode_with_linphone(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig, we_call: bool, suite: str
) -> None:
    """linphone's SRTP is not ours and not libsrtp's binding: a witness of RFC 6188."""
    result, body = _with_linphone(peers, kamailio, speech, pulse, we_call=we_call, suites=(suite,))
    assert (result["media"], result["srtp_suite"]) == ("srtp", suite)
    assert suite in _suites(body)


def _with_linphone(
    peers: Peers,
    kamailio: Kamailio,
    speech: Speech,
    pulse: PulseRig,
    *,
    we_call: bool,
    mediaenc: str = "srtp",
    suites: tuple[str, ...] = (),
    rtcp_mux: bool = False,
) -> tuple[dict[str, object], str]:
    """A call with sound both ways: our result, and the offer."""
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    carol = peers.start(
        Linphone,
        "carol",
        kamailio,
        "carol",
        "carolpw",
        mediaenc="dtls" if mediaenc == "dtls" else "srtp",
        suites=suites,
        rtcp_mux=rtcp_mux,
        audio=CARD,
        environment=pulse.environment,
        answermode="auto" if we_call else "manual",
    )
    options = ("--key-exchange", "dtls") if mediaenc == "dtls" else ()
    options = (*options, "--srtp-suites", ",".join(suites)) if suites else options
    if we_call:
        ear = pulse.record("b_spk.monitor")
        phone = peers.start(CommandLine, kamailio, "call", "carol", "--seconds", "4", *options, play=ours)
    else:
        phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *options, play=ours)
        phone.wait_for("waiting")
        ear = pulse.record("b_spk.monitor")
        carol.dial("sip:alice@sip.test")
    phone.wait_for("secured")
    carol.wait_for_state("StreamsRunning")
    pulse.play("b_mic", theirs)
    if not we_call:
        settle(4)
        carol.hangup()
    result = phone.result()
    carol_heard = ear.stop()[::6]
    assert (result["ok"], result["status"], phone.exit_code) == (True, 200, 0)
    assert result["replays"] == 0
    # Its SRTCP has tags of 4 octets with the _32 suites, where RFC 4568 §6.2.2 says 10.
    assert result["plain_rtp_seen"] in ((0, 1, 2) if suites and suites[0].endswith("_32") else (0,))
    assert likeness(_opening(ours), carol_heard, RATE) > 0.8
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.8
    return result, _bodies(kamailio)[-1]


# rtpengine.


@pytest.mark.parametrize("we_call", [True, False], ids=["we call", "baresip calls"])
def test_dtls_with_rtpengine(peers: Peers, ca: PrivateCa, speech: Speech, tmp_path: Path, we_call: bool) -> None:
    """A handshake on either side of it, in which it is told by us to begin, or begins."""
    said, theirs = speech.wav(RATE, tail=0), speech.wav(RATE, OTHER_SENTENCE, tail=0)
    ours = tmp_path / "ours.wav"
    repeat(said, ours, 30)
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="UDP/TLS/RTP/SAVP")
    bob = peers.start(
        Baresip,
        "bob",
        kamailio,
        "bob",
        "bobpw",
        audio=f"file:{theirs}",
        mediaenc="dtls_srtp",
        rtcp_mux=True,
    )
    if we_call:
        phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "8", "--key-exchange", "dtls", play=ours)
    else:
        phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", "--seconds", "8", play=ours)
        phone.wait_for("waiting")
        bob.dial("sip:alice@sip.test")
    result = phone.result()
    bob.wait_for("CALL_CLOSED")
    assert (result["ok"], result["media"]) == (True, "dtls-srtp")
    assert (result["auth_failures"], result["replays"], result["plain_rtp_seen"]) == (0, 0, 0)
    assert likeness(_opening(said, 1.5), bob.heard()[-6 * RATE :], RATE) > 0.8
    assert likeness(_opening(theirs, 1.5), phone.heard()[-6 * RATE :], RATE) > 0.8
    print(result["srtp_suite"])


@pytest.mark.parametrize("suite", ["AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32"])
def test_aes_256_in_counter_mode_with_rtpengine(peers: Peers, ca: PrivateCa, speech: Speech, suite: str) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="RTP/SAVP SDES-pad")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--srtp-suites", suite, "--seconds", "2.6", play=ours)
    result = phone.result()
    bob.wait_for("CALL_CLOSED")
    assert (result["ok"], result["srtp_suite"]) == (True, suite)
    assert (result["auth_failures"], result["replays"]) == (0, 0)
    assert likeness(_opening(ours), bob.heard(), RATE) > 0.9
    assert likeness(_opening(theirs), phone.heard(), RATE) > 0.9


def test_new_keys_in_a_call_are_followed_by_rtpengine(
    peers: Peers, ca: PrivateCa, speech: Speech, tmp_path: Path
) -> None:
    """What it decrypts after the change is still our voice: an independent witness of the new key and SSRC."""
    ours, theirs = speech.wav(RATE, tail=0), speech.wav(RATE, OTHER_SENTENCE, tail=0)
    repeat(ours, tmp_path / "ours.wav", 30)
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="RTP/SAVP SDES-pad")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{theirs}")
    alice = peers.start(
        PhoneUnderTest,
        kamailio,
        "alice",
        "alicepw",
        play=tmp_path / "ours.wav",
        media=only_suites("AES_256_CM_HMAC_SHA1_80"),
    )
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallSecured)
    settle(2)
    alice.do(Rekey(call))
    until(lambda: len(_bodies(kamailio, 200)) == 2, "the answer to our re-INVITE")
    settle(7)
    ended = alice.hang_up(call)
    bob.wait_for("CALL_CLOSED")
    first, second = _bodies(kamailio)[:2]
    assert not set(_keys(first)) & set(_keys(second))
    assert ended.report is not None
    assert ended.report.auth_failures == 0
    assert likeness(_opening(ours, 1.5), bob.heard()[-6 * RATE :], RATE) > 0.8
    assert likeness(_opening(theirs, 1.5), alice.heard()[-6 * RATE :], RATE) > 0.8
