"""The lab's adversaries change exactly what they say."""

from __future__ import annotations

import pytest

from softphone.lab.adversary import clear_description, clear_media, flipped_bit, other_fingerprint, wrong_key
from softphone.policy.secret import SecretBytes
from softphone.sdp.negotiated import ClearMedia, Direction, NegotiatedMedia, PayloadFormat, SrtpSecurity
from softphone.srtp.context import SrtpReceiver, SrtpSender
from softphone.srtp.crypto_suites import CRYPTO_SUITES
from softphone.srtp.master_key import SrtpKey
from softphone.srtp.transforms import AuthenticationFailed

DESCRIPTION = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\na=sendrecv\r\n"
    b"a=crypto:2 AEAD_AES_256_GCM inline:BBBB\r\n"
)
RTP = bytes.fromhex("80000001 00000010 12345678") + bytes(160)


def media(suite: str) -> NegotiatedMedia:
    record = CRYPTO_SUITES[suite]
    ours, theirs = (SrtpKey(record, SecretBytes(bytes((n,)) * record.material_length)) for n in (1, 2))
    return NegotiatedMedia(
        "127.0.0.1",
        4000,
        4001,
        rtcp_mux=False,
        direction=Direction.SENDRECV,
        format=PayloadFormat("PCMU", 8000, 0, 0),
        telephone_event=None,
        send_ptime=20,
        security=SrtpSecurity(ours, theirs),
    )


def test_a_clear_description_has_the_plain_profile_and_no_key() -> None:
    changed = clear_description(DESCRIPTION)
    assert b"m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n" in changed
    assert b"crypto" not in changed
    assert clear_description(DESCRIPTION.replace(b"SAVP", b"SAVPF")).count(b"RTP/AVPF") == 1
    assert clear_description(changed) == changed


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"])
def test_the_wrong_key_and_the_flipped_bit_do_not_authenticate(suite: str) -> None:
    honest = media(suite)
    wrong = wrong_key(honest)
    assert isinstance(honest.security, SrtpSecurity)
    assert isinstance(wrong.security, SrtpSecurity)
    assert wrong.security.receive == honest.security.receive
    assert wrong_key(honest) == wrong
    right = SrtpSender(honest.security.send.suite, honest.security.send.material).protect_rtp(RTP)
    assert right[:12] == RTP[:12]
    assert flipped_bit(right)[:12] == RTP[:12]  # it looks like an honest packet
    other = SrtpSender(wrong.security.send.suite, wrong.security.send.material).protect_rtp(RTP)
    for packet in (flipped_bit(right), other):
        receiver = SrtpReceiver(honest.security.send.suite, honest.security.send.material)
        with pytest.raises(AuthenticationFailed):
            receiver.unprotect_rtp(packet)
        assert receiver.unprotect_rtp(right) == RTP


def test_clear_media_is_clear() -> None:
    assert isinstance(clear_media(media("AEAD_AES_256_GCM")).security, ClearMedia)


def test_the_other_fingerprint_is_another_of_the_same_form() -> None:
    named = b"a=setup:active\r\na=fingerprint:sha-256 0A:1B:2C\r\n"
    assert other_fingerprint(named) == b"a=setup:active\r\na=fingerprint:sha-256 C2:B1:A0\r\n"
    assert other_fingerprint(DESCRIPTION) == DESCRIPTION
