"""The judge of captures is judged: it opens what is SRTP, refuses what is not, and recognises speech."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.codecs.g711 import Pcma, Pcmu
from softphone.engine.media.contexts import sending_context
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import SrtpSecurity
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.srtp.master_key import SrtpKey
from tests.endtoend.wire import Keys, Kind, sounds_like
from tests.peers.capture import Datagram
from tests.peers.speech import Speech, read_wav
from tests.srtp.independent_srtp import IndependentSrtp

RTP = bytes.fromhex("8000ffff00000001cafebabe") + b"voice" * 32
RTCP = bytes.fromhex("80c90001cafebabe")


def datagram(payload: bytes) -> Datagram:
    return Datagram(0.0, ("127.0.0.1", 4000), ("127.0.0.1", 5000), payload)


@pytest.mark.parametrize("name", CRYPTO_SUITES)
def test_srtp_and_srtcp_are_told_from_everything_else(name: str) -> None:
    suite = CRYPTO_SUITES[name]
    material = bytes(range(suite.material_length))
    key = SrtpKey(suite, SecretBytes(material))
    sender = sending_context(SrtpSecurity(key, key))
    keys = Keys({4000: [IndependentSrtp(suite, material)]})
    rtp, rtcp = sender.protect_rtp(RTP), sender.protect_rtcp(RTCP)
    following = sender.protect_rtp(RTP[:2] + b"\0\0" + RTP[4:])  # the sequence number begins anew

    assert keys.kind(datagram(rtp)) is Kind.SRTP
    assert keys.opened(datagram(rtp)) == RTP
    assert keys.kind(datagram(following)) is Kind.SRTP
    assert keys.kind(datagram(rtcp)) is Kind.SRTCP
    for packet in (rtp, rtcp):
        for at in range(len(packet)):
            broken = packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]
            assert keys.kind(datagram(broken)) is Kind.ALIEN
    for clear in (RTP, RTCP, b"", b"\x80", RTCP + bytes(4) + bytes(10)):
        assert keys.kind(datagram(clear)) is Kind.ALIEN
    assert Keys({4000: [IndependentSrtp(suite, material[::-1])]}).kind(datagram(rtp)) is Kind.ALIEN
    assert Keys().kind(datagram(rtp)) is Kind.ALIEN


def test_what_baresip_sends_in_clear_is_known_to_the_last_octet() -> None:
    pinhole = bytes.fromhex("80cc00033f437ce050494e47504f4e47")
    goodbye = bytes.fromhex("81cb00033f437ce00441646a6f00000081ca00063f437ce001107369703a626f62407369702e746573740000")
    assert Keys().kind(datagram(pinhole)) is Kind.PINHOLE
    assert Keys().kind(datagram(goodbye)) is Kind.GOODBYE
    for packet in (pinhole, goodbye):
        assert Keys().kind(datagram(packet + bytes(4))) is Kind.ALIEN
        assert Keys().kind(datagram(packet[:-4])) is Kind.ALIEN
        assert Keys().kind(datagram(RTCP + packet)) is Kind.ALIEN


@pytest.mark.parametrize("codec", [Pcmu, Pcma])
def test_speech_in_clear_is_found_and_noise_is_not(codec: type[Pcmu] | type[Pcma], speech: Speech) -> None:
    said, _ = read_wav(speech.wav(8000))
    encoded = codec().encode(said)
    clear = [datagram(RTP[:12] + encoded[at : at + 160]) for at in range(0, len(encoded) - 160, 160)]
    noise = np.random.default_rng(1).bytes(len(encoded))
    assert sounds_like(said, clear) > 0.99
    assert sounds_like(said, [datagram(RTP[:12] + noise[at : at + 160]) for at in range(0, len(noise), 160)]) < 0.1
    assert sounds_like(said, []) == 0.0
