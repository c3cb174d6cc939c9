"""The rig proves itself: what the other tests of this folder build on is tried here, without the softphone."""

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from softphone.dsp.correlation import best_alignment
from tests.peers.baresip import Baresip, MediaEncryption, rtp_statistics
from tests.peers.capture import Capture
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.process import PeerDiedError, PeerProcess, PeerTimeoutError, until
from tests.peers.pulse import PulseRig, settle
from tests.peers.pyvoip import PyVoip
from tests.peers.rtpengine import Rtpengine
from tests.peers.speech import OTHER_SENTENCE, Speech, likeness, read_wav

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


def test_a_baresip_registers_over_tls_and_leaves_nothing_behind(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")

    assert len(kamailio.wait_registered("bob")) == 1
    assert kamailio.registered("alice") == []
    register = kamailio.wait_message("REGISTER")
    assert register.transport == "tls"
    assert register.header("User-Agent").startswith("baresip")
    directory = bob.directory
    bob.stop()
    kamailio.wait_registered("bob", 0)
    assert not directory.exists()


def test_speech_crosses_an_srtp_call_between_two_baresips(peers: Peers, kamailio: Kamailio, speech: Speech) -> None:
    spoken = speech.wav(8000)
    alice = peers.start(Baresip, "alice", kamailio, "alice", "alicepw", audio=f"file:{spoken}")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="null")
    alice.dial(bob.uri)
    assert bob.wait_for("CALL_MENC")["param"] == "0,audio,AES_CM_128_HMAC_SHA1_80"
    alice.wait_for("CALL_ESTABLISHED")
    settle(5.5)
    alice.dtmf("5")
    bob.wait_for("CALL_DTMF_START", where=lambda event: event["param"] == "5")
    alice.hangup()
    bob.wait_for("CALL_CLOSED")

    said, rate = read_wav(spoken)
    correlation, _delay = best_alignment(said[: 4 * rate], bob.heard(), rate)
    other, _rate = read_wav(speech.wav(8000, OTHER_SENTENCE))
    assert likeness(other[: 4 * rate], bob.heard(), rate) < 0.6, "speech that nobody said must not be found"
    assert bob.heard_rate() == rate
    assert correlation > 0.95
    assert int(rtp_statistics(kamailio.wait_message("BYE").text)["PS"]) > 200
    assert "RTP/SAVP" in kamailio.wait_message("INVITE").body


@pytest.mark.parametrize(
    ("mediaenc", "codec", "profile", "keyed"),
    [
        ("srtp", "opus", "RTP/AVP", "a=crypto:"),
        ("dtls_srtp", "G722", "UDP/TLS/RTP/SAVPF", "a=fingerprint:"),
        (None, "PCMA", "RTP/AVP", ""),
    ],
)
def test_baresip_speaks_the_profile_that_it_is_told(
    peers: Peers,
    kamailio: Kamailio,
    ca: PrivateCa,
    mediaenc: MediaEncryption | None,
    codec: str,
    profile: str,
    keyed: str,
) -> None:
    pair = [
        peers.start(
            Baresip, user, kamailio, user, f"{user}pw", mediaenc=mediaenc, codecs=[codec], certificate=ca.client.both
        )
        for user in ("alice", "bob")
    ]
    pair[0].dial(pair[1].uri)
    for phone in pair:
        phone.wait_for("CALL_RTPESTAB")

    offer = kamailio.wait_message("INVITE").body
    assert f" {profile} " in offer
    assert f" {codec}/" in offer
    assert keyed in offer
    assert ("a=crypto" in offer or "a=fingerprint" in offer) == bool(keyed)


def test_linphone_and_baresip_call_each_other_with_sound_and_hold(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    spoken = speech.wav(8000)
    carol = peers.start(
        Linphone, "carol", kamailio, "carol", "carolpw", audio="pulse:a_in,a_spk", environment=pulse.environment
    )
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="echo")
    assert len(kamailio.wait_registered("carol")) == 1
    ear = pulse.record("a_spk.monitor")
    carol.dial(bob.uri)
    carol.wait_for_state("StreamsRunning")
    bob.wait_for("CALL_ESTABLISHED")
    carol.play(spoken)
    settle(3.5)
    said, rate = read_wav(spoken)
    said = said[: 2 * rate]
    echoed = ear.stop()[::6]
    assert likeness(said, bob.heard(), rate) > 0.9
    assert likeness(said, echoed, rate) > 0.9

    assert "AES_256_CM_HMAC_SHA1_80" in kamailio.wait_message("INVITE").body

    carol.hold()
    carol.wait_for_state("Paused")
    carol.resume()
    carol.wait_for_state("StreamsRunning")
    carol.hangup()
    bob.wait_for("CALL_CLOSED")
    bob.dial(carol.uri)
    carol.wait_for_state("IncomingReceived")
    carol.answer()
    bob.wait_for("CALL_ESTABLISHED")
    bob.hold()
    carol.wait_for_state("PausedByRemote")
    bob.hangup()
    carol.wait_for_state("")


def test_baresip_still_hears_through_pulseaudio_after_a_hold(
    peers: Peers, kamailio: Kamailio, speech: Speech, pulse: PulseRig
) -> None:
    spoken = speech.wav(8000, "The birch canoe slid on the smooth planks.", tail=0)
    alice = peers.start(Baresip, "alice", kamailio, "alice", "alicepw", audio=f"file:{spoken}")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", audio="pulse:b_in,b_spk", environment=pulse.environment)
    alice.dial(bob.uri)
    alice.wait_for("CALL_ESTABLISHED")
    bob.hold()
    until(lambda: "a=sendonly" in kamailio.wait_message("INVITE").body, "the hold to pass the proxy")
    bob.resume()
    until(lambda: "a=sendrecv" in kamailio.wait_message("INVITE").body, "the resumption to pass the proxy")
    ear = pulse.record("b_spk.monitor")
    settle(3.5)
    said, rate = read_wav(spoken)
    assert likeness(said[: 2 * rate], ear.stop()[::6], rate) > 0.9


def test_pyvoip_answers_a_secure_offer_with_clear_rtp(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, udp=True)
    carol = peers.start(PyVoip, kamailio, "carol", "carolpw")
    alice = peers.start(Baresip, "alice", kamailio, "alice", "alicepw", mediaenc="srtp-mand")
    alice.dial(carol.uri)

    incoming = carol.wait_for("incoming")
    answer = kamailio.wait_message("INVITE", 200)
    assert "SAVP" in incoming["profile"]
    assert " RTP/AVP " in answer.body
    assert "a=crypto" not in answer.body


def test_pyvoip_talks_clear_rtp_with_a_clear_baresip(peers: Peers, ca: PrivateCa, speech: Speech) -> None:
    kamailio = peers.start(Kamailio, ca, udp=True)
    carol = peers.start(PyVoip, kamailio, "carol", "carolpw", speech=speech.wav(8000))
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc=None)
    bob.dial(carol.uri)
    carol.wait_for("answered")
    bob.wait_for("CALL_ESTABLISHED")
    settle(2)
    bob.hangup()
    assert carol.wait_for("ended")["heard"] > 50
    assert bob.heard().max() > 6000


def test_pyvoip_calls_with_a_clear_offer(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, udp=True)
    carol = peers.start(PyVoip, kamailio, "carol", "carolpw")
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", mediaenc="srtp-mand")
    carol.dial("bob")
    assert kamailio.wait_message("INVITE", 488).header("Server").startswith("baresip")
    assert " RTP/AVP " in kamailio.wait_message("INVITE").body


@pytest.mark.root
def test_the_capture_sees_every_srtp_packet_of_a_call(peers: Peers, kamailio: Kamailio) -> None:
    alice = peers.start(Baresip, "alice", kamailio, "alice", "alicepw")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    capture = peers.start(Capture, alice.rtp_ports, bob.rtp_ports)
    alice.dial(bob.uri)
    alice.wait_for("CALL_ESTABLISHED")
    packets = capture.wait_packets(100)

    assert all(packet.touches(alice.rtp_ports) and packet.touches(bob.rtp_ports) for packet in packets)
    # RTP header 12, PCMU 160, authentication tag 10 octets (RFC 3711 §3.1).
    assert sum(len(packet.payload) == 182 for packet in packets) > 80
    assert not any(len(packet.payload) == 172 for packet in packets)


def test_rtpengine_records_what_it_decrypted(peers: Peers, ca: PrivateCa) -> None:
    rtpengine = peers.start(Rtpengine)
    kamailio = peers.start(Kamailio, ca, rtpengine=rtpengine.port, rtpengine_flags="RTP/SAVP")
    alice = peers.start(Baresip, "alice", kamailio, "alice", "alicepw")
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice.dial(bob.uri)
    bob.wait_for("CALL_RTPESTAB")
    settle(1)
    alice.hangup()
    bob.wait_for("CALL_CLOSED")
    assert sum(len(packet.payload) == 172 for packet in rtpengine.recorded()) > 50


@pytest.mark.parametrize(("sha256", "mutual"), [(True, False), (False, True)])
def test_kamailio_asks_for_what_it_is_told(peers: Peers, ca: PrivateCa, sha256: bool, mutual: bool) -> None:
    kamailio = peers.start(Kamailio, ca, sha256=sha256, mutual=mutual)
    context = ssl.create_default_context(cafile=str(ca.root))
    context.load_cert_chain(ca.client.certificate, ca.client.private_key)
    register = (
        "REGISTER sip:sip.test SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
        "From: <sip:alice@sip.test>;tag=1\r\nTo: <sip:alice@sip.test>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"
        "Contact: <sip:alice@127.0.0.1:9;transport=tls>\r\nContent-Length: 0\r\n\r\n"
    )
    with (
        socket.create_connection((kamailio.host, kamailio.tls_port), 5) as tcp,
        context.wrap_socket(tcp, server_hostname="sip.test") as tls,
    ):
        tls.sendall(register.encode())
        response = tls.recv(4096).decode()
    assert response.startswith("SIP/2.0 401 ")
    assert ("algorithm=SHA-256" in response) == sha256


def test_mutual_tls_refuses_a_client_without_certificate(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, mutual=True)
    context = ssl.create_default_context(cafile=str(ca.root))
    with (
        socket.create_connection((kamailio.host, kamailio.tls_port), 5) as tcp,
        context.wrap_socket(tcp, server_hostname="sip.test") as tls,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        # TLS 1.3: the client's handshake is done before the server judges; the alert comes with the first read.
        tls.recv(1)


def test_a_killed_kamailio_forgets_its_registrations_and_comes_back_on_its_port(
    peers: Peers, kamailio: Kamailio
) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    kamailio.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((kamailio.host, kamailio.tls_port), 1)
    kamailio.restart()
    assert kamailio.registered("bob") == []
    assert _processes_of(kamailio.directory) > 5
    kamailio.stop()
    assert _processes_of(kamailio.directory) == 0


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ("rogue", "unable to get local issuer certificate"),
        ("self_signed", "self-signed certificate"),
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("wrong_name", "Hostname mismatch"),
        ("common_name_only", "Hostname mismatch"),
    ],
)
def test_each_bad_certificate_is_bad_in_its_own_way(ca: PrivateCa, identity: str, reason: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(getattr(ca, identity).certificate, getattr(ca, identity).private_key)
    client = ssl.create_default_context(cafile=str(ca.root))
    client.hostname_checks_common_name = False
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    us = client.wrap_bio(to_client, to_server, server_hostname="sip.test")
    they = server.wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        us.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        they.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        us.do_handshake()


def test_a_stopped_program_takes_its_children_with_it(tmp_path: Path) -> None:
    process = PeerProcess("shell", ["sh", "-c", "trap '' TERM; sleep 60 & sleep 60"], log=tmp_path / "log")
    until(lambda: len(process.group()) == 3, "the shell's children")
    process.kill()
    assert process.group() == []
    assert not process.running


def test_a_program_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    process = PeerProcess("shell", ["sh", "-c", "echo it broke; exit 3"], log=tmp_path / "log")
    with pytest.raises(PeerDiedError, match=r"ended \(3\)(.|\n)*it broke"):
        process.until(lambda: False, "nothing", 5)
    process.stop()


def test_a_wait_ends_with_what_was_waited_for() -> None:
    with pytest.raises(PeerTimeoutError, match="the impossible"):
        until(lambda: False, "the impossible", 0.05)


def _processes_of(directory: Path) -> int:
    """How many running programs name the directory in their command line."""
    count = 0
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            count += str(directory).encode() in file.read_bytes()
    return count
