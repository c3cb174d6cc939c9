from __future__ import annotations

import pytest

from softphone.sdp.negotiated import PayloadFormat, Rejection
from tests.sdp.descriptions import EVENT, audio, body, crypto, media_line, negotiated, session, text_lines


def offer(*lines: str, formats: str) -> bytes:
    return body(audio("RTP/SAVP", crypto(), *lines, formats=formats))


def answer(*lines: str, formats: str) -> bytes:
    return body(audio("RTP/SAVP", crypto(4), *lines, formats=formats))


def test_our_offer_lists_codecs_in_our_order_and_telephone_event_as_101() -> None:
    lines = text_lines(session(codecs=("PCMA", "PCMU")).create_offer())
    assert "m=audio 4000 RTP/SAVP 8 0 101" in lines
    assert "a=rtpmap:8 PCMA/8000" in lines
    assert "a=rtpmap:0 PCMU/8000" in lines
    assert "a=rtpmap:101 telephone-event/8000" in lines
    assert "a=fmtp:101 0-16" in lines


def test_the_answer_takes_the_offerers_first_codec_that_we_have() -> None:
    ours = session(codecs=("PCMU", "PCMA"))
    media = negotiated(ours.receive_offer(offer(*EVENT, "a=rtpmap:18 G729/8000", formats="18 8 0 101")))
    assert media.format.name == "PCMA"
    assert media_line(ours.create_answer()) == "m=audio 4000 RTP/SAVP 8 101"


def test_a_codec_that_the_account_does_not_allow_is_not_taken() -> None:
    media = negotiated(session(codecs=("PCMA",)).receive_offer(offer(formats="0 8")))
    assert media.format.name == "PCMA"
    assert isinstance(session(codecs=("PCMA",)).receive_offer(offer(formats="0")), Rejection)


def test_pcmu_under_a_dynamic_number_is_answered_under_that_number() -> None:
    ours = session()
    media = negotiated(ours.receive_offer(offer("a=rtpmap:97 PCMU/8000", formats="97")))
    assert media.format == PayloadFormat("PCMU", 8000, 97, 97)
    assert "a=rtpmap:97 PCMU/8000" in text_lines(ours.create_answer())


def test_numbers_differ_by_direction_when_the_answer_says_so() -> None:
    ours = session()
    ours.create_offer()
    media = negotiated(
        ours.receive_answer(
            answer("a=rtpmap:97 PCMU/8000", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15", formats="97 96")
        )
    )
    assert media.format == PayloadFormat("PCMU", 8000, 97, 0)
    assert media.telephone_event == PayloadFormat("TELEPHONE-EVENT", 8000, 96, 101, "0-15")


def test_without_telephone_event_at_the_peer_there_is_none() -> None:
    ours = session()
    assert negotiated(ours.receive_offer(offer(formats="0"))).telephone_event is None
    assert "telephone-event" not in ours.create_answer().decode()


def test_a_telephone_event_of_another_clock_rate_is_not_ours() -> None:
    media = negotiated(session().receive_offer(offer("a=rtpmap:101 telephone-event/48000", formats="0 101")))
    assert media.telephone_event is None


def test_telephone_event_alone_is_no_codec() -> None:
    verdict = session().receive_offer(offer(*EVENT, formats="101"))
    assert isinstance(verdict, Rejection)
    assert verdict.status == 488
    assert verdict.failure.evidence == ("TELEPHONE-EVENT/8000",)
    ours = session()
    ours.create_offer()
    assert isinstance(ours.receive_answer(answer(*EVENT, formats="101")), Rejection)


def test_an_answer_with_a_codec_that_was_not_offered_is_refused() -> None:
    ours = session(codecs=("PCMU",))
    ours.create_offer()
    assert isinstance(ours.receive_answer(answer(formats="8")), Rejection)


@pytest.mark.parametrize(
    ("lines", "own", "sent"),
    [
        ((), 20, 20),
        ((), 30, 30),
        (("a=ptime:30",), 20, 30),
        (("a=ptime:10",), 20, 10),
        (("a=ptime:60",), 20, 60),
        (("a=ptime:200",), 20, 60),
        (("a=ptime:5",), 20, 10),
        (("a=ptime:25",), 20, 20),
        (("a=maxptime:10",), 20, 10),
        (("a=ptime:40", "a=maxptime:30"), 20, 30),
        (("a=ptime:nonsense",), 20, 20),
    ],
)
def test_the_peers_ptime_is_honoured_between_10_and_60_ms(lines: tuple[str, ...], own: int, sent: int) -> None:
    ours = session(ptime=own)
    assert negotiated(ours.receive_offer(offer(*lines, formats="0"))).send_ptime == sent
    assert f"a=ptime:{own}" in text_lines(ours.create_answer())
