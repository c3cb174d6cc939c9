"""Opus (RFC 7587 §7), G.722 (RFC 3551 §4.5.2) and comfort noise (RFC 3389) in offers and answers."""

from __future__ import annotations

import pytest

from softphone.sdp.negotiated import PayloadFormat, Rejection
from softphone.ua.account import Account, ServerTarget
from tests.sdp.descriptions import (
    EVENT,
    audio,
    body,
    crypto,
    mandatory,
    media_line,
    negotiated,
    octets,
    session,
    text_lines,
)

ALL = ("OPUS", "G722", "PCMU", "CN")
OPUS = ("a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10; useinbandfec=1")
EVENTS_48 = ("a=rtpmap:110 telephone-event/48000", "a=fmtp:110 0-15")


def offer(*lines: str, formats: str) -> bytes:
    return body(audio("RTP/SAVP", crypto(), *lines, formats=formats))


def answer(*lines: str, formats: str) -> bytes:
    return body(audio("RTP/SAVP", crypto(4), *lines, formats=formats))


def test_our_offer_has_each_codec_by_its_number_and_events_at_each_clock_rate() -> None:
    lines = text_lines(session(codecs=ALL).create_offer())
    assert "m=audio 4000 RTP/SAVP 96 9 0 13 101 97" in lines
    assert "a=rtpmap:96 opus/48000/2" in lines
    assert "a=fmtp:96 minptime=10;useinbandfec=1;usedtx=0;stereo=0;sprop-stereo=0" in lines
    assert "a=rtpmap:9 G722/8000" in lines, "RFC 3551 keeps the clock of 8000 Hz"
    assert "a=rtpmap:13 CN/8000" in lines
    assert "a=rtpmap:101 telephone-event/48000" in lines
    assert "a=rtpmap:97 telephone-event/8000" in lines


def test_an_offer_of_opus_is_answered_under_its_number_with_events_of_its_clock() -> None:
    ours = session(codecs=ALL)
    media = negotiated(ours.receive_offer(offer(*OPUS, *EVENTS_48, *EVENT, formats="111 0 110 101")))
    assert media.format == PayloadFormat("OPUS", 48_000, 111, 111, "minptime=10; useinbandfec=1")
    assert media.telephone_event == PayloadFormat("TELEPHONE-EVENT", 48_000, 110, 110, "0-15")
    sent = ours.create_answer()
    assert media_line(sent) == "m=audio 4000 RTP/SAVP 111 110"
    assert "a=rtpmap:111 opus/48000/2" in text_lines(sent)


def test_an_answer_with_opus_is_sent_under_its_number_and_received_under_ours() -> None:
    ours = session(codecs=ALL)
    ours.create_offer()
    media = negotiated(ours.receive_answer(answer(*OPUS, *EVENTS_48, formats="111 110")))
    assert media.format == PayloadFormat("OPUS", 48_000, 111, 96, "minptime=10; useinbandfec=1")
    assert media.telephone_event == PayloadFormat("TELEPHONE-EVENT", 48_000, 110, 101, "0-15")


def test_opus_with_events_of_another_clock_only_has_none() -> None:
    media = negotiated(session(codecs=ALL).receive_offer(offer(*OPUS, *EVENT, formats="111 101")))
    assert media.format.name == "OPUS"
    assert media.telephone_event is None


@pytest.mark.parametrize("line", ["a=rtpmap:111 opus/48000", "a=rtpmap:111 opus/48000/1", "a=rtpmap:111 opus/16000/2"])
def test_opus_that_is_not_48000_by_2_is_none(line: str) -> None:
    assert isinstance(session(codecs=ALL).receive_offer(offer(line, formats="111")), Rejection)


@pytest.mark.parametrize("lines", [(), ("a=rtpmap:9 G722/8000",)])
def test_g722_is_known_by_its_static_number(lines: tuple[str, ...]) -> None:
    media = negotiated(session(codecs=ALL).receive_offer(offer(*lines, formats="9 0")))
    assert media.format == PayloadFormat("G722", 8000, 9, 9)


@pytest.mark.parametrize(
    ("asked", "sent"), [(5, 10), (10, 10), (20, 20), (30, 20), (40, 40), (50, 40), (60, 60), (120, 60)]
)
def test_packets_of_opus_are_as_long_as_its_frames_can_be(asked: int, sent: int) -> None:
    """A ptime is a wish (RFC 8866 §6.4): 30 and 50 ms would need several frames in a packet."""
    media = negotiated(session(codecs=ALL).receive_offer(offer(*OPUS, f"a=ptime:{asked}", formats="111")))
    assert media.send_ptime == sent


@pytest.mark.parametrize(("codecs", "offered", "agreed"), [
    (("PCMU", "CN"), "0 13", True),
    (("PCMU",), "0 13", False),
    (("PCMU", "CN"), "0", False),
    (("G722", "PCMU", "CN"), "9 0 13", False),
    (("PCMU", "CN"), "13 0", True),
])  # fmt: skip
def test_comfort_noise_is_agreed_on_with_g711_where_both_list_it(
    codecs: tuple[str, ...], offered: str, agreed: bool
) -> None:
    ours = session(codecs=codecs)
    assert negotiated(ours.receive_offer(offer(formats=offered))).comfort_noise is agreed
    assert ("a=rtpmap:13 CN/8000" in text_lines(ours.create_answer())) is agreed

    ours = session(codecs=codecs)
    ours.create_offer()
    assert negotiated(ours.receive_answer(answer(formats=offered))).comfort_noise is agreed


def test_comfort_noise_is_no_codec() -> None:
    assert isinstance(session(codecs=("PCMU", "CN")).receive_offer(offer(formats="13")), Rejection)
    ours = session(codecs=("PCMU", "CN"))
    ours.create_offer()
    assert isinstance(ours.receive_answer(answer(formats="13")), Rejection)


def test_comfort_noise_is_not_offered_where_no_codec_could_use_it() -> None:
    assert "CN" not in session(codecs=("OPUS", "G722", "CN")).create_offer().decode()


@pytest.mark.parametrize(
    ("lines", "bit_rate"),
    [
        ((), None),
        (("b=TIAS:20000",), 20_000),
        (("b=AS:36",), 20_000),  # 16 kbit/s are headers of 50 packets
        (("b=AS:36", "a=ptime:40"), 28_000),
        (("b=AS:200", "b=TIAS:24000"), 24_000),
        (("b=AS:1",), 1),
        (("b=AS:nonsense",), None),
        (("b=X-YZ:128",), None),
        (("b=AS:0",), None),
        (("b=",), None),
    ],
)
def test_the_peers_bandwidth_is_a_bound_of_what_we_send(lines: tuple[str, ...], bit_rate: int | None) -> None:
    """RFC 8866 §5.8, RFC 3890."""
    media = negotiated(session(codecs=ALL).receive_offer(offer(*lines, *OPUS, formats="111")))
    assert media.bit_rate == bit_rate


def test_a_bandwidth_of_the_whole_session_bounds_its_only_stream() -> None:
    body = offer(*OPUS, formats="111").replace(b"t=0 0", b"b=TIAS:18000\r\nt=0 0")
    assert negotiated(session(codecs=ALL).receive_offer(body)).bit_rate == 18_000


@pytest.mark.parametrize("dtx", [True, False])
def test_silence_without_packets_is_asked_for_where_it_is_set(dtx: bool) -> None:
    account = Account("a", "alice", "example.org", ServerTarget("example.org"), codecs=ALL, ptime=40, dtx=dtx)
    calling, called = (account.offer_answer(mandatory(), octets(seed)) for seed in ("calling", "called"))
    for side in (calling, called):
        side.set_local_address("192.0.2.1", 4000, 4001)
    offered = calling.create_offer()
    assert f"usedtx={int(dtx)}".encode() in offered
    assert b"a=ptime:40" in offered
    negotiated(called.receive_offer(offered))
    answer = called.create_answer()
    assert f"usedtx={int(dtx)}".encode() in answer
    media = negotiated(calling.receive_answer(answer))
    assert f"usedtx={int(dtx)}" in media.format.parameters
    assert media.send_ptime == 40
