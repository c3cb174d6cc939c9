"""Two sessions over real UDP and real SRTP, on a clock of the test's own."""

from __future__ import annotations

import secrets
import socket
from dataclasses import replace

import numpy as np
import pytest

from softphone.dsp.correlation import best_alignment
from softphone.engine.audio.file import MemoryEndpoint
from softphone.engine.audio.loop import LoopEndpoint
from softphone.engine.audio.null import NullEndpoint
from softphone.engine.audio.tone import ToneEndpoint
from softphone.errors import FailureKind, OperationFailed
from softphone.rtp.packet import RtpPacket
from softphone.sdp.negotiated import Direction, SrtpSecurity
from softphone.srtp.crypto_suites import CRYPTO_SUITES, CryptoSuite
from softphone.ua.inputs import (
    DigitReceived,
    KeysAging,
    MediaFlowing,
    MediaInterrupted,
    MediaReported,
    MediaSecured,
    MediaTimedOut,
)
from tests.engine.media.lockstep import CLEAR, PCMA, crossed_keys, key, negotiated, pair, voice

RATE = 48_000
ALIKE = 0.95


def says(seconds: float, seed: int = 1, rate: int = RATE) -> MemoryEndpoint:
    return MemoryEndpoint(voice(seconds, rate, seed), rate)


@pytest.mark.parametrize("suite", CRYPTO_SUITES.values(), ids=lambda suite: suite.name)
def test_what_each_says_is_heard_by_the_other_under_every_suite(suite: CryptoSuite) -> None:
    with pair() as both:
        a, b = says(1.5, seed=1), says(1.5, seed=2)
        both.start(a, b, crossed_keys(suite))
        both.advance(2.0)
        for speaker, listener in ((1, b), (2, a)):
            correlation, delay = best_alignment(voice(1.5, RATE, speaker), listener.heard(), RATE)
            assert correlation > ALIKE
            assert delay < 120
        for side, other in ((both.a, both.b), (both.b, both.a)):
            report = side.session.report()
            assert report.rtp_sent == 100
            assert report.rtp_received in (99, 100)  # the last one may be on its way
            assert other.session.report().rtp_sent == 100
            assert (report.lost, report.auth_failures, report.replays, report.plain_rtp_seen) == (0, 0, 0, 0)
            assert report.concealed_ms == 0
            assert len(side.heard_of(MediaSecured)) == 1
            assert side.heard_of(MediaFlowing) == []


def test_a_wrong_key_is_silence_and_every_packet_is_counted() -> None:
    with pair() as both:
        of_a, of_b = crossed_keys()
        b = says(0.1)
        both.start(ToneEndpoint(), b, (of_a, SrtpSecurity(of_b.send, key())))
        both.advance(1.0)
        both.b.take_in(both.now)
        report = both.b.session.report()
        assert report.rtp_received == 0
        assert report.auth_failures == both.a.session.report().rtp_sent == 50
        assert report.plain_rtp_seen == 50
        assert not b.heard().any()
        assert both.b.heard_of(MediaSecured) == []


def test_tampered_packets_are_never_played() -> None:
    def flip(packet: bytes) -> bytes:
        return packet[:20] + bytes((packet[20] ^ 1,)) + packet[21:]

    with pair() as both:
        b = says(0.1)
        both.start(ToneEndpoint(), b, tamper=flip)
        both.advance(1.0)
        assert both.b.session.report().auth_failures >= 49
        assert not b.heard().any()


def test_plain_rtp_thrown_at_an_encrypted_session_is_counted_and_not_played() -> None:
    with pair() as both, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        b = says(0.1)
        both.start(NullEndpoint(), b)
        for number in range(50):
            packet = RtpPacket(0, number, number * 160, 7, secrets.token_bytes(160))
            stranger.sendto(packet.to_bytes(), ("127.0.0.1", both.b.port))
        stranger.sendto(b"no RTP at all", ("127.0.0.1", both.b.port))
        both.advance(1.0)
        report = both.b.session.report()
        assert report.plain_rtp_seen == 50
        assert report.auth_failures == 51
        assert np.abs(b.heard()).max() < 50  # A's encoded silence


def test_stun_on_the_media_ports_is_no_failure_to_authenticate() -> None:
    """linphone keeps a NAT open so (RFC 5389 §6): a Binding request without attributes."""
    with pair() as both:
        both.start(NullEndpoint(), NullEndpoint(), crossed_keys())
        both.advance(0.5)
        stun = bytes.fromhex("000100002112a4423cf101578d21efa14fc31cfd")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for port in (both.b.sockets.rtp_port, both.b.sockets.rtcp_port):
                sender.sendto(stun, ("127.0.0.1", port))
                sender.sendto(stun[:4] + b"else" + stun[8:], ("127.0.0.1", port))
        both.advance(0.1)
        report = both.b.session.report()
        assert (report.auth_failures, report.plain_rtp_seen) == (2, 0)


def test_a_replayed_packet_is_counted_and_not_taken_again() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint())
        both.advance(0.1)
        both.b.take_in(both.now)
        received = both.b.session.report().rtp_received
        both.a.session.say(both.now)
        both.a.session.say(both.now)
        data, source = both.b.sockets.rtp.recvfrom(2048)
        for _ in range(3):
            both.b.session.receive(data, source, both.now, False)
        report = both.b.session.report()
        assert (report.rtp_received, report.replays, report.auth_failures) == (received + 1, 2, 0)


def test_a_clear_session_flows_and_says_so() -> None:
    with pair() as both:
        b = says(0.1)
        both.start(says(1.0), b, (CLEAR, CLEAR))
        both.advance(1.3)
        assert best_alignment(voice(1.0, RATE), b.heard(), RATE)[0] > ALIKE
        assert len(both.b.heard_of(MediaFlowing)) == 1
        assert both.b.heard_of(MediaSecured) == []
        assert both.b.session.report().plain_rtp_seen == 0


def test_a_clear_session_takes_nothing_from_a_stranger_once_the_peer_is_known() -> None:
    with pair() as both, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        both.start(ToneEndpoint(), NullEndpoint(), (CLEAR, CLEAR))
        both.advance(0.5)
        before = both.b.session.report().rtp_received
        for number in range(10):
            packet = RtpPacket(0, number, number * 160, 7, bytes(160))
            stranger.sendto(packet.to_bytes(), ("127.0.0.1", both.b.port))
        both.b.take_in(both.now)
        assert both.b.session.report().rtp_received - before <= 1


def test_an_encrypted_session_follows_the_peer_to_another_port() -> None:
    with pair() as both:
        of_a, of_b = crossed_keys()
        both.media_a = negotiated(both.b.port, of_a)
        wrong = negotiated(9, of_b)  # where the description says, nobody is
        a = says(0.1)
        both.a.session.start(both.media_a, a, None, both.now)
        both.b.session.start(wrong, ToneEndpoint(), None, both.now)
        both.advance(1.0)
        assert both.a.session.report().rtp_received > 40
        assert a.heard().any()


def test_muted_a_session_sends_encoded_silence_and_no_gap() -> None:
    with pair() as both:
        b = says(0.1)
        both.start(ToneEndpoint(), b)
        both.advance(1.0)
        both.a.session.set_muted(True)
        both.advance(1.0)
        assert both.a.session.report().rtp_sent == 100
        assert np.abs(b.heard()[RATE // 2 : RATE]).max() > 5000
        assert np.abs(b.heard()[-RATE // 2 :]).max() < 50
        both.a.session.set_muted(False)
        both.advance(0.5)
        assert np.abs(b.heard()[-RATE // 10 :]).max() > 5000


def test_held_a_session_neither_sends_nor_plays_and_goes_on_under_the_same_ssrc() -> None:
    with pair() as both:
        a, b = says(0.1), says(0.1)
        both.start(a, b)
        both.advance(0.5)
        sent = both.a.session.report().rtp_sent
        both.a.session.update(replace(both.media_a, direction=Direction.INACTIVE), both.now)
        both.b.session.update(replace(both.media_b, direction=Direction.INACTIVE), both.now)
        both.advance(15.0)  # two intervals of RTCP, whatever chance makes of them
        report = both.a.session.report()
        assert report.rtp_sent == sent
        assert report.rtt_ms is not None  # RTCP goes on
        both.a.session.update(both.media_a, both.now)
        both.b.session.update(both.media_b, both.now)
        both.advance(1.0)
        assert both.a.session.report().rtp_sent == sent + 50
        report = both.b.session.report()
        assert (report.lost, report.auth_failures, report.replays) == (0, 0, 0)
        assert report.rtp_received >= sent + 49


def test_sendonly_is_heard_there_and_silent_here() -> None:
    with pair() as both:
        a, b = MemoryEndpoint(voice(1.0, RATE), RATE, loop=True), MemoryEndpoint(voice(1.0, RATE), RATE, loop=True)
        both.start(a, b)
        both.a.session.update(replace(both.media_a, direction=Direction.SENDONLY), both.now)
        both.b.session.update(replace(both.media_b, direction=Direction.RECVONLY), both.now)
        both.advance(1.0)
        assert not a.heard().any()
        assert np.abs(b.heard()).max() > 5000
        assert both.b.session.report().rtp_sent == 0


def test_digits_arrive_once_each_and_replace_the_audio() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint())
        both.advance(0.3)
        both.a.session.send_digits("12#a")
        both.advance(2.0)
        assert [told.digit for told in both.b.heard_of(DigitReceived)] == list("12#A")


def test_digits_go_in_band_where_the_peer_takes_no_events() -> None:
    with pair() as both:
        b = says(0.1)
        both.start(NullEndpoint(), b, telephone_event=None)
        both.a.session.send_digits("5")
        both.advance(0.5)
        spectrum = np.abs(np.fft.rfft(b.heard().astype(float)))
        frequencies = np.fft.rfftfreq(b.heard().size, 1 / RATE)
        for low, high in ((760, 780), (1326, 1346)):
            inside = (frequencies > low) & (frequencies < high)
            assert spectrum[inside].max() > 0.4 * spectrum.max()
        assert both.b.heard_of(DigitReceived) == []


def test_the_round_trip_time_and_the_peers_view_come_from_rtcp() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(12.0)
        for side in (both.a, both.b):
            report = side.session.report()
            assert report.rtt_ms is not None
            assert 0 <= report.rtt_ms < 25  # two ticks of 10 ms
            assert report.remote_lost == 0
            assert report.remote_jitter_ms is not None


def test_rtcp_shares_the_port_where_that_was_negotiated() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint(), rtcp_mux=True)
        for side in (both.a, both.b):
            side.sockets.rtcp.close()
            side.sockets.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # bound to nothing
            side.sockets.rtcp.setblocking(False)
        both.advance(12.0)
        assert both.a.session.report().rtt_ms is not None


def test_the_same_key_goes_on_across_an_update_and_the_roll_over_of_sequence_numbers() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint())
        assert both.a.session._running is not None
        sender = both.a.session._running.transmitter.sender
        sender._sequence_number = 65_500  # a session starts below 2^15: this one has been running for long
        both.advance(0.5)
        both.a.session.update(replace(both.media_a, direction=Direction.RECVONLY), both.now)
        both.advance(0.2)
        both.a.session.update(both.media_a, both.now)
        both.b.session.update(both.media_b, both.now)
        both.advance(2.0)
        both.b.take_in(both.now)
        assert both.a.session._running.transmitter.sender is sender
        report = both.b.session.report()
        assert report.rtp_received == both.a.session.report().rtp_sent > 100
        assert (report.auth_failures, report.replays, report.lost) == (0, 0, 0)


def test_a_changed_key_is_a_new_context_with_a_new_ssrc_and_no_packet_is_lost_on_the_way() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint())
        both.advance(0.5)
        assert both.a.session._running is not None
        ssrc = both.a.session._running.transmitter.sender.ssrc
        of_a, of_b = crossed_keys()
        both.b.session.update(replace(both.media_b, security=of_b), both.now)
        both.advance(0.1)  # A has not seen the answer yet
        both.a.session.update(replace(both.media_a, security=of_a), both.now)
        both.advance(0.5)
        both.b.take_in(both.now)
        assert both.a.session._running.transmitter.sender.ssrc != ssrc
        report = both.b.session.report()
        assert report.auth_failures == 0
        assert report.rtp_received == both.a.session.report().rtp_sent


def test_who_has_only_the_key_before_does_not_draw_our_voice_to_itself() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(0.5)
        _, of_b = crossed_keys()  # of another fork, say, that has answered and is silent yet
        both.b.session.update(replace(both.media_b, security=of_b, remote_rtp_port=9), both.now)
        before = both.a.session.report()
        both.advance(0.5)
        both.a.take_in(both.now)
        after = both.a.session.report()
        assert after.auth_failures + after.rtp_received - before.auth_failures - before.rtp_received <= 1
        assert both.b.session.report().auth_failures == 0


def test_packets_under_the_key_before_are_refused_after_two_seconds() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint())
        both.advance(0.5)
        _, of_b = crossed_keys()
        both.b.session.update(replace(both.media_b, security=of_b), both.now)
        both.advance(3.0)
        assert both.b.session.report().auth_failures in range(48, 52)


def test_clear_packets_are_refused_as_soon_as_srtp_is_negotiated() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint(), (CLEAR, CLEAR))
        both.advance(0.5)
        _, of_b = crossed_keys()
        both.b.session.update(replace(both.media_b, security=of_b), both.now)
        received = both.b.session.report().rtp_received
        both.advance(0.5)
        report = both.b.session.report()
        assert report.rtp_received == received
        assert report.plain_rtp_seen in (24, 25, 26)


def test_the_codec_changes_in_mid_call() -> None:
    with pair() as both:
        b = says(0.1)
        both.start(says(3.0), b)
        both.advance(1.0)
        both.b.session.update(replace(both.media_b, format=PCMA), both.now)
        both.a.session.update(replace(both.media_a, format=PCMA), both.now)
        both.advance(1.0)
        last = b.heard()[-RATE // 2 :]
        assert best_alignment(last, voice(3.0, RATE), RATE)[0] > ALIKE


def test_lost_packets_are_concealed_and_counted() -> None:
    with pair() as both:
        dice = np.random.default_rng(5)
        both.b.lose = lambda: bool(dice.random() < 0.1)
        b = says(0.1)
        both.start(ToneEndpoint(), b)
        both.advance(10.0)
        report = both.b.session.report()
        assert 20 <= report.lost <= 80
        assert report.concealed_ms == pytest.approx(report.lost * 20, abs=100)
        heard = b.heard()[RATE:].reshape(-1, RATE // 100)
        assert (np.abs(heard).max(axis=1) < 200).mean() < 0.02  # a tone with 10 % loss has no holes


def test_packets_that_come_before_the_key_are_played() -> None:
    with pair() as both:
        of_a, of_b = crossed_keys()
        both.a.session.start(negotiated(both.b.port, of_a), ToneEndpoint(), None, both.now)
        both.advance(0.5)
        assert both.b.told == []
        both.b.session.start(negotiated(both.a.port, of_b), NullEndpoint(), None, both.now)
        assert both.b.session.report().rtp_received >= 24
        assert len(both.b.heard_of(MediaSecured)) == 1


def test_a_silent_peer_is_reported_every_thirty_seconds_and_not_in_hold() -> None:
    with pair() as both:
        both.start(NullEndpoint(), NullEndpoint())
        both.advance(1.0)
        both.b.lose = lambda: True
        both.advance(28.0)
        assert both.b.heard_of(MediaTimedOut) == []
        both.advance(33.0)
        assert [round(told.silent_s) for told in both.b.heard_of(MediaTimedOut)] == [30, 60]
        both.b.session.update(replace(both.media_b, direction=Direction.SENDONLY), both.now)
        both.advance(65.0)
        assert len(both.b.heard_of(MediaTimedOut)) == 2


def test_packets_that_stop_and_come_again_are_told_at_once_and_once() -> None:
    with pair() as both:
        both.start(NullEndpoint(), NullEndpoint())
        both.advance(1.0)
        both.b.lose = lambda: True
        both.advance(1.9)
        assert both.b.heard_of(MediaInterrupted) == []
        both.advance(20.0)
        assert [told.over for told in both.b.heard_of(MediaInterrupted)] == [False]
        both.b.lose = lambda: False
        both.advance(0.1)
        assert [told.over for told in both.b.heard_of(MediaInterrupted)] == [False, True]
        both.b.session.update(replace(both.media_b, direction=Direction.SENDONLY), both.now)
        both.b.lose = lambda: True
        both.advance(10.0)
        assert len(both.b.heard_of(MediaInterrupted)) == 2
        assert both.a.heard_of(MediaInterrupted) == []


def test_who_has_said_nothing_yet_is_not_interrupted() -> None:
    with pair() as both:
        both.start(NullEndpoint(), NullEndpoint())
        both.b.lose = lambda: True
        both.advance(10.0)
        assert both.b.heard_of(MediaInterrupted) == []


def test_statistics_are_reported_each_second_and_a_last_time() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), LoopEndpoint())
        both.advance(3.05)
        assert len(both.a.heard_of(MediaReported)) == 3
        both.a.session.stop(both.now)
        last = both.a.heard_of(MediaReported)[-1]
        assert last.final
        assert last.report.rtp_sent == 152
        assert last.report.microphone_level_db == pytest.approx(-12, abs=0.5)
        assert last.report.speaker_level_db == pytest.approx(-12, abs=1.0)


def test_the_end_is_said_by_rtcp() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint())
        both.advance(1.0)
        both.a.session.stop(both.now)
        both.b.take_in(both.now)
        assert both.b.session._running is not None
        assert both.b.session._running._exchange.bye_received


def test_a_name_in_place_of_an_address_is_refused_before_a_name_server_is_asked() -> None:
    with pair() as both:
        media = negotiated(4000, CLEAR, remote_address="phone.example.org")
        with pytest.raises(OperationFailed, match="not an address"):
            both.a.session.start(media, NullEndpoint(), None, both.now)


def test_any_bytes_on_the_sockets_are_survived() -> None:
    with pair() as both:
        both.start(ToneEndpoint(), NullEndpoint(), (CLEAR, CLEAR))
        both.advance(0.2)
        dice = np.random.default_rng(3)
        peer = ("127.0.0.1", both.a.port)
        for _ in range(3000):
            data = bytearray(dice.integers(0, 256, dice.integers(0, 200)).astype(np.uint8).tobytes())
            if len(data) > 2:
                data[0] = 0x80 | data[0] & 0x3F
                data[1] = int(dice.choice([0, 101, 200, 201, 202, 203, 207, data[1]]))
            both.b.session.receive(bytes(data), peer, both.now, bool(dice.integers(0, 2)))
        both.advance(1.0)
        assert both.b.session.started


def test_a_key_that_nears_its_end_is_asked_to_be_renewed_once_in_a_while_and_used_no_longer_than_agreed() -> None:
    """RFC 3711 §9.2: 2^10 packets are 20.5 s of voice."""
    suite = CRYPTO_SUITES["AES_256_CM_HMAC_SHA1_80"]
    short = replace(key(suite), lifetime=2**10)
    with pair() as both:
        endless = SrtpSecurity(key(suite), short)
        both.start(ToneEndpoint(), NullEndpoint(), (SrtpSecurity(short, endless.send), endless))
        both.advance(14)
        assert both.a.heard_of(KeysAging) == both.b.heard_of(KeysAging) == []
        both.advance(3)
        assert len(both.a.heard_of(KeysAging)) == len(both.b.heard_of(KeysAging)) == 1
        with pytest.raises(OperationFailed) as failed:
            both.advance(10)
        assert failed.value.failure.kind is FailureKind.POLICY
        assert "end of its life" in failed.value.failure.reason
        assert both.a.session.report().rtp_sent <= 2**10 + 1


def test_new_keys_in_time_let_the_call_go_on() -> None:
    suite = CRYPTO_SUITES["AES_CM_128_HMAC_SHA1_80"]
    with pair() as both:
        mine, theirs = (replace(key(suite), lifetime=2**10) for _ in range(2))
        both.start(ToneEndpoint(), NullEndpoint(), (SrtpSecurity(mine, theirs), SrtpSecurity(theirs, mine)))
        both.advance(17)
        assert both.a.heard_of(KeysAging)
        mine, theirs = (replace(key(suite), lifetime=2**10) for _ in range(2))
        both.a.session.update(replace(both.media_a, security=SrtpSecurity(mine, theirs)), both.now)
        both.b.session.update(replace(both.media_b, security=SrtpSecurity(theirs, mine)), both.now)
        both.advance(10)
        assert both.b.session.report().rtp_received > 1250
        assert both.b.session.report().auth_failures == 0


def test_a_peer_that_sends_mkis_and_changes_its_key_by_itself_is_heard() -> None:
    suite = CRYPTO_SUITES["AES_CM_128_HMAC_SHA1_80"]
    first, second = (replace(key(suite), mki=bytes((0, number))) for number in (1, 2))
    ours = replace(key(suite), mki=b"\0\1")
    with pair() as both:
        both.start(ToneEndpoint(), ToneEndpoint(), (SrtpSecurity(first, ours), SrtpSecurity(ours, first, (second,))))
        both.advance(0.5)
        both.a.session.update(replace(both.media_a, security=SrtpSecurity(second, ours)), both.now)
        both.advance(0.5)
        for side in (both.a, both.b):
            report = side.session.report()
            assert report.rtp_received >= 48
            assert (report.auth_failures, report.replays) == (0, 0)
