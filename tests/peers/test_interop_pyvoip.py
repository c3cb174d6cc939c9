"""Peers that cannot encrypt: pyVoIP (clear only, downgrades an RTP/SAVP offer in its answer) and a clear baresip.

Under Mandatory nothing is sent or played and everybody is told why; under Optional the person decides, and nobody to
ask means no; under Disabled a clear call works and is called so (security.md "Media: the policy"; RFC 3261 §13,
RFC 3326).
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from softphone.errors import FailureGroup
from softphone.state import Encryption
from softphone.ua import events as ua
from softphone.ua.events import EndedBy
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.phone import OPTIONAL_ALLOWED, OPTIONAL_PRIVATE, RATE, CommandLine, PhoneUnderTest
from tests.peers.pulse import settle
from tests.peers.pyvoip import PyVoip
from tests.peers.speech import OTHER_SENTENCE, Speech, likeness, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

DISABLED: Final = ("--media-encryption", "disabled", "--connection-profile", "private")
OPTIONAL: Final = ("--media-encryption", "optional", "--connection-profile", "private")


@pytest.fixture
def both_ways(peers: Peers, ca: PrivateCa) -> Kamailio:
    """A Kamailio with TLS for us and UDP for pyVoIP."""
    return peers.start(Kamailio, ca, udp=True)


def _assert_refused_by_policy(result: dict[str, Any], exit_code: int | None, status: int) -> None:
    assert exit_code == 3
    assert result["ok"] is False
    assert result["status"] == status
    assert result["kind"] == "media-not-encrypted"
    assert "encrypt" in result["reason"] or "SRTP" in result["reason"]
    assert result["reason"].endswith(".")
    assert "SRTP" in result["remedy"]
    assert result["media"] is None
    assert (result["rtp_sent"], result["rtp_received"]) == (0, 0)
    assert result["duration_s"] == 0


def _received(kamailio: Kamailio, method: str, status: int | None = None) -> list[SipMessage]:
    return [
        message
        for message in kamailio.messages()
        if (message.direction, message.method, message.status) == ("in", method, status)
    ]


def _assert_acknowledged_and_ended_with_reason(kamailio: Kamailio) -> None:
    bye = kamailio.wait_message("BYE")
    assert "sip:alice@sip.test" in bye.header("From")
    reason = bye.header("Reason")
    assert reason.startswith("SIP;cause=488;text=")
    assert "encrypt" in reason or "SRTP" in reason
    acks = _received(kamailio, "ACK")
    invite = _received(kamailio, "INVITE", 200)[-1]
    assert any(ack.header("Call-ID") == invite.header("Call-ID") and ack.moment < bye.moment for ack in acks)


def test_a_clear_call_to_a_mandatory_phone_is_refused_before_it_rings(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1")
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith("488")
    result = phone.result()

    _assert_refused_by_policy(result, phone.exit_code, 488)
    assert result["remote"] == bob.uri
    assert result["ended_by"] == "policy"
    assert [line["event"] for line in phone.events() if line["event"] in ("incoming", "established")] == []
    warning = kamailio.wait_message("INVITE", 488).header("Warning")
    assert warning.startswith("399 ")
    assert "SRTP" in warning
    assert _received(kamailio, "INVITE", 180) == []


def test_a_call_to_a_clear_baresip_is_refused_by_it_and_explained(peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--seconds", "1")
    _assert_refused_by_policy(phone.result(), phone.exit_code, 488)


def test_a_downgraded_answer_gets_ack_and_bye_and_not_one_packet(
    peers: Peers, both_ways: Kamailio, speech: Speech
) -> None:
    carol = peers.start(PyVoip, both_ways, "carol", "carolpw", speech=speech.wav(RATE))
    phone = peers.start(CommandLine, both_ways, "call", "carol", "--seconds", "3", play=speech.wav(RATE))
    result = phone.result()

    assert "SAVP" in carol.wait_for("incoming")["profile"]
    assert "a=crypto" not in _received(both_ways, "INVITE", 200)[-1].body
    _assert_refused_by_policy(result, phone.exit_code, 200)
    assert result["ended_by"] == "policy"
    _assert_acknowledged_and_ended_with_reason(both_ways)
    assert carol.wait_for("ended")["heard"] == 0
    assert not (phone.directory / "heard.wav").exists(), "nothing was opened to play into"


def test_a_clear_call_from_pyvoip_is_refused(peers: Peers, both_ways: Kamailio) -> None:
    carol = peers.start(PyVoip, both_ways, "carol", "carolpw")
    phone = peers.start(CommandLine, both_ways, "answer", "--calls", "1")
    phone.wait_for("waiting")
    carol.dial("alice")
    _assert_refused_by_policy(phone.result(), phone.exit_code, 488)
    assert both_ways.wait_message("INVITE", 488).header("Warning").startswith("399 ")


def test_optional_asks_and_without_a_terminal_that_is_no(peers: Peers, both_ways: Kamailio, speech: Speech) -> None:
    carol = peers.start(PyVoip, both_ways, "carol", "carolpw", speech=speech.wav(RATE))
    phone = peers.start(CommandLine, both_ways, "call", "carol", "--seconds", "3", *OPTIONAL, play=speech.wav(RATE))
    result = phone.result()

    _assert_refused_by_policy(result, phone.exit_code, 200)
    assert "nobody here to agree" in result["reason"]
    assert " RTP/AVP " in both_ways.wait_message("INVITE").body
    _assert_acknowledged_and_ended_with_reason(both_ways)
    assert carol.wait_for("ended")["heard"] == 0


def test_optional_does_not_answer_a_clear_call_by_itself(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *OPTIONAL)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith("488")
    result = phone.result()

    assert phone.exit_code == 3
    assert (result["kind"], result["status"], result["rtp_sent"]) == ("media-not-encrypted", 488, 0)


def test_a_person_may_answer_a_clear_call_and_it_is_labelled(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", media=OPTIONAL_PRIVATE)
    alice.wait_registered()
    bob.dial(alice.uri)
    incoming = alice.wait_for(ua.IncomingCall)
    call = incoming.call_id
    assert incoming.unencrypted
    assert incoming.needs_consent
    assert alice.call(call).security.encryption is Encryption.NONE
    alice.answer(call)
    notice = alice.wait_for(ua.CallNotice)
    assert notice.failure.group is FailureGroup.REFUSED_BY_POLICY
    assert _received(kamailio, "INVITE", 200) == []
    alice.answer_unencrypted(call)
    alice.wait_for(ua.CallNotEncrypted)
    bob.wait_for("CALL_ESTABLISHED")
    settle(0.5)
    ended = alice.hang_up(call)

    assert alice.call(call).security.encryption is Encryption.NONE
    assert ended.report is not None
    assert ended.report.rtp_received > 10
    assert "a=crypto" not in kamailio.wait_message("INVITE", 200).body


def test_a_person_may_agree_to_a_clear_answer(peers: Peers, both_ways: Kamailio, speech: Speech) -> None:
    ours = speech.wav(RATE)
    carol = peers.start(PyVoip, both_ways, "carol", "carolpw", speech=speech.wav(RATE, OTHER_SENTENCE))
    alice = peers.start(PhoneUnderTest, both_ways, "alice", "alicepw", media=OPTIONAL_PRIVATE, play=ours)
    alice.wait_registered()
    call = alice.dial("carol")
    asked = alice.wait_for(ua.ConsentRequested)
    assert asked.reason
    settle(0.7)
    assert not alice.call(call).report
    alice.agree(call)
    alice.wait_for(ua.CallNotEncrypted)
    settle(1)
    ended = alice.hang_up(call)
    assert (ended.ended_by, ended.failure) == (EndedBy.LOCAL, None)
    assert carol.wait_for("ended")["heard"] > 20


def test_a_policy_that_allows_it_takes_a_clear_call_and_says_so(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", media=OPTIONAL_ALLOWED)
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallEstablished)
    assert alice.wait_for(ua.CallNotEncrypted).reason
    bob.wait_for("CALL_ESTABLISHED")
    assert alice.call(call).security.encryption is Encryption.NONE
    assert "a=crypto" in kamailio.wait_message("INVITE").body


@pytest.mark.parametrize("peer", ["pyvoip", "baresip"])
def test_disabled_calls_in_clear_and_calls_it_clear(
    peers: Peers, both_ways: Kamailio, speech: Speech, peer: str
) -> None:
    ours, theirs = speech.wav(RATE), speech.wav(RATE, OTHER_SENTENCE)
    carol: PyVoip | Baresip
    if peer == "pyvoip":
        carol = peers.start(PyVoip, both_ways, "carol", "carolpw", speech=theirs)
    else:
        carol = peers.start(Baresip, "carol", both_ways, "carol", "carolpw", mediaenc=None, audio=f"file:{theirs}")
    phone = peers.start(CommandLine, both_ways, "call", "carol", "--seconds", "3", *DISABLED, play=ours)
    result = phone.result()

    assert (result["ok"], phone.exit_code, result["status"]) == (True, 0, 200)
    assert (result["media"], result["srtp_suite"], result["tls_version"]) == ("clear", None, "TLSv1.3")
    assert phone.wait_for("not-encrypted")["reason"]
    assert min(result["rtp_sent"], result["rtp_received"]) > 100
    said, rate = read_wav(theirs)
    assert likeness(said[: 2 * rate], phone.heard(), RATE) > 0.8
    if isinstance(carol, PyVoip):
        assert carol.wait_for("ended")["heard"] > 100
    else:
        carol.wait_for("CALL_CLOSED")
        said, rate = read_wav(ours)
        assert likeness(said[: 2 * rate], carol.heard(), RATE) > 0.9
    assert "a=crypto" not in both_ways.wait_message("INVITE").body


def test_disabled_answers_in_clear_and_calls_it_clear(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", "--seconds", "1", *DISABLED)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    result = phone.result()
    assert (result["ok"], result["media"], result["srtp_suite"], result["status"]) == (True, "clear", None, 200)
    assert result["rtp_received"] > 20
    bob.wait_for("CALL_CLOSED")


def test_disabled_refuses_an_encrypted_call(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc="srtp-mand")
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1", *DISABLED)
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    assert str(bob.wait_for("CALL_CLOSED")["param"]).startswith("488")
    result = phone.result()
    assert (result["ok"], result["status"], phone.exit_code) == (False, 488, 3)
    assert result["remedy"]


@pytest.mark.parametrize("value", ["optional", "disabled"])
def test_the_public_profile_permits_nothing_lower(peers: Peers, kamailio: Kamailio, value: str) -> None:
    phone = peers.start(CommandLine, kamailio, "call", "bob", "--media-encryption", value)
    result = phone.result()
    assert (phone.exit_code, result["kind"]) == (3, "policy")
    assert "Private line" in result["remedy"]
    assert kamailio.messages() == [], "refused before anything is connected"
