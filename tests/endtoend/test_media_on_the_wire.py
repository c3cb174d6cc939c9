"""What crosses the wire in a call, by a capture: SRTP under the negotiated keys, or nothing at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.endtoend.accounts import signed_in
from tests.endtoend.phone import PhoneProcess
from tests.endtoend.wire import Kind, media, negotiated, sounds_like
from tests.peers.baresip import Baresip
from tests.peers.capture import Capture
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.process import until
from tests.peers.pulse import settle
from tests.peers.pyvoip import PyVoip
from tests.peers.speech import Speech, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.timeout(60)]
StartPhone = Callable[..., PhoneProcess]
SENTENCE = "The birch canoe slid on the smooth planks."


def test_every_packet_of_a_mandatory_call_with_a_hold_is_srtp_under_a_negotiated_key(
    peers: Peers, kamailio: Kamailio, speech: Speech, start_phone: StartPhone
) -> None:
    spoken = speech.wav(8000, SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio=f"file:{spoken}")
    capture = peers.start(Capture)
    phone = start_phone(
        *("call", "bob", *signed_in(kamailio.tls_port, kamailio.root)),
        *("--audio", "file", "--play", spoken, "--seconds", 8),
        password="alicepw",
    )
    phone.wait_for("secured")
    settle(4)
    bob.hold()
    phone.wait_for("hold", lambda event: event["held_by_peer"] is True)
    settle(0.5)
    bob.resume()
    phone.wait_for("hold", lambda event: event["held_by_peer"] is False)
    finished = phone.finish()
    keys = negotiated(kamailio.messages())
    packets = media(capture.stop(), keys.ports)
    said, _ = read_wav(spoken)
    kinds = keys.judge(packets)
    alike = sounds_like(said, packets)
    ours = {datagram.source[1] for datagram in packets} - set(range(bob.rtp_ports[0], bob.rtp_ports[1] + 1))
    judged_ours = keys.judge(datagram for datagram in packets if datagram.source[1] in ours)
    print(f"{dict(kinds)}, ours {dict(judged_ours)}, correlation of the payloads with the sentence {alike:.3f}")

    assert (finished.code, finished.result["media"]) == (0, "srtp"), finished.result
    assert finished.result["plain_rtp_seen"] == 1, "the pinhole, and nothing else"
    assert kinds[Kind.ALIEN] == 0
    assert kinds[Kind.PINHOLE] <= 1
    assert kinds[Kind.GOODBYE] <= 1
    assert set(judged_ours) == {Kind.SRTP, Kind.SRTCP}
    assert kinds[Kind.SRTP] > 500
    assert judged_ours[Kind.SRTP] == finished.result["rtp_sent"]
    assert judged_ours[Kind.SRTCP] > 0
    assert kinds[Kind.SRTCP] > judged_ours[Kind.SRTCP]
    assert alike < 0.1
    # The same packets, opened, are the sentence: the comparison could have found it.
    opened = [
        type(datagram)(datagram.moment, datagram.source, datagram.destination, keys.opened(datagram) or b"")
        for datagram in packets
        if keys.kind(datagram) is Kind.SRTP
    ]
    assert sounds_like(said, opened) > 0.9


def test_two_of_our_phones_agree_on_gcm_and_nothing_else_is_sent(
    peers: Peers, kamailio: Kamailio, speech: Speech, start_phone: StartPhone
) -> None:
    spoken = speech.wav(8000, SENTENCE)
    capture = peers.start(Capture)
    sound = ("--audio", "file", "--play", spoken)
    carol = start_phone(
        *("answer", *signed_in(kamailio.tls_port, kamailio.root, "carol"), *sound, "--calls", 1), password="carolpw"
    )
    carol.wait_for("waiting")
    alice = start_phone(
        *("call", "carol", *signed_in(kamailio.tls_port, kamailio.root), *sound, "--seconds", 3), password="alicepw"
    )
    called, answered = alice.finish(), carol.finish()
    keys = negotiated(kamailio.messages())
    packets = media(capture.stop(), keys.ports)
    kinds = keys.judge(packets)
    said, _ = read_wav(spoken)

    assert (called.code, answered.code) == (0, 0)
    assert called.result["srtp_suite"] == answered.result["srtp_suite"] == "AEAD_AES_256_GCM"
    assert called.result["plain_rtp_seen"] == answered.result["plain_rtp_seen"] == 0
    assert set(kinds) == {Kind.SRTP, Kind.SRTCP}
    assert kinds[Kind.SRTP] == called.result["rtp_sent"] + answered.result["rtp_sent"]
    assert sounds_like(said, packets) < 0.1


def test_the_same_look_finds_the_sentence_in_a_call_without_encryption(
    peers: Peers, kamailio: Kamailio, speech: Speech, start_phone: StartPhone
) -> None:
    spoken = speech.wav(8000, SENTENCE)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None, audio="echo")
    capture = peers.start(Capture)
    phone = start_phone(
        *("call", "bob", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "file", "--play", spoken),
        *("--seconds", 4, "--media-encryption", "disabled", "--connection-profile", "private"),
        password="alicepw",
    )
    finished = phone.finish()
    keys = negotiated(kamailio.messages())
    packets = media(capture.stop(), keys.ports)
    alike = sounds_like(read_wav(spoken)[0], packets)
    print(f"correlation without encryption {alike:.3f}")

    assert (finished.code, finished.result["media"]) == (0, "clear"), finished.result
    assert finished.result["srtp_suite"] is None
    assert keys.judge(packets)[Kind.SRTP] == 0
    assert alike > 0.9
    bob.wait_for("CALL_CLOSED")


def test_a_peer_that_refuses_srtp_gets_not_one_packet(
    peers: Peers, kamailio: Kamailio, speech: Speech, start_phone: StartPhone
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    capture = peers.start(Capture, bob.rtp_ports)
    phone = start_phone(
        *("call", "bob", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "file"),
        *("--play", speech.wav(8000, SENTENCE), "--seconds", 5),
        password="alicepw",
    )
    finished = phone.finish()
    settle(0.5)
    assert (finished.code, finished.result["kind"], finished.result["status"]) == (3, "media-not-encrypted", 488)
    assert finished.result["setup_ms"] is None
    assert finished.result["reason"].startswith("The other side refused the encrypted call")
    assert "SRTP" in finished.result["remedy"]
    assert capture.stop() == []


def test_a_peer_that_answers_in_clear_gets_ack_and_bye_and_not_one_packet(
    peers: Peers, ca: PrivateCa, speech: Speech, start_phone: StartPhone
) -> None:
    kamailio = peers.start(Kamailio, ca, udp=True)
    carol = peers.start(PyVoip, kamailio, "carol", "carolpw", speech=speech.wav(8000))
    capture = peers.start(Capture, carol.rtp_ports)
    phone = start_phone(
        *("call", "carol", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "file"),
        *("--play", speech.wav(8000, SENTENCE), "--seconds", 5),
        password="alicepw",
    )
    finished = phone.finish()
    settle(0.5)
    assert (finished.code, finished.result["kind"]) == (3, "media-not-encrypted"), finished.result
    assert "without encryption" in finished.result["reason"]
    assert "SRTP" in finished.result["remedy"]
    assert finished.result["rtp_sent"] in (None, 0)
    assert " RTP/AVP " in kamailio.wait_message("INVITE", 200).body, "pyVoIP did not play its part"
    order = [
        message.method
        for message in kamailio.messages()
        if message.direction == "in" and message.transport == "tls" and message.status is None
    ]
    assert order[order.index("INVITE") :][-3:-1] == ["ACK", "BYE"], order
    to_carol = [d for d in capture.stop() if carol.rtp_ports[0] <= d.destination[1] <= carol.rtp_ports[1]]
    assert to_carol == []


def test_a_peer_that_calls_in_clear_is_refused_with_488_and_not_one_packet(
    peers: Peers, kamailio: Kamailio, speech: Speech, start_phone: StartPhone
) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    capture = peers.start(Capture, bob.rtp_ports)
    phone = start_phone(
        *("answer", *signed_in(kamailio.tls_port, kamailio.root), "--audio", "file"),
        *("--play", speech.wav(8000, SENTENCE), "--calls", 1),
        password="alicepw",
    )
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    refusal = kamailio.wait_message("INVITE", 488)
    finished = phone.finish()
    settle(0.5)
    assert (finished.code, finished.result["kind"], finished.result["status"]) == (3, "media-not-encrypted", 488)
    assert refusal.header("Warning").startswith("399 ") or refusal.header("Warning").startswith("30")
    assert until(lambda: "488" in bob.log_text(), "bob to be told")
    assert Counter(datagram.source for datagram in capture.stop()) == {}
