"""Server transactions, path by path of RFC 3261 figures 7 and 8, RFC 6026 §7.1, and CANCEL as received (§9.2)."""

from __future__ import annotations

import pytest

from softphone.errors import LocalProtocolError
from softphone.sip.header_values import to_addr
from softphone.sip.message import Response
from tests.sip.playbook import UNRELIABLE, Play, request

BRANCH = "z9hG4bK74bf9"
INVITE = request("INVITE", branch=BRANCH)
ACK = request("ACK", branch=BRANCH, to_tag="8321234356")
CANCEL = request("CANCEL", branch=BRANCH)
ACK_FOR_2XX = request("ACK", branch="z9hG4bKack", to_tag="8321234356")
OPTIONS = request("OPTIONS", branch="z9hG4bKoptions")


def invited(play: Play | None = None) -> Play:
    play = Play() if play is None else play
    assert play.receive(INVITE) == ["request INVITE"]
    return play


# INVITE, figure 7


def test_an_invite_that_nobody_answers_within_200_ms_gets_100_trying() -> None:
    play = invited()
    assert play.wait(10.0) == ["0.2 send 100"]


def test_100_trying_copies_what_8_2_6_says() -> None:
    play = Play()
    play.receive(request("INVITE", branch=BRANCH, extra=(("Timestamp", "54"),)))
    play.wait(1.0)
    trying = play.last_sent
    assert isinstance(trying, Response)
    assert (trying.status, trying.reason) == (100, "Trying")
    for name in ("From", "To", "Call-ID", "CSeq"):
        assert trying.headers.get(name) == INVITE.headers.get(name)
    assert trying.headers.get("Timestamp") == "54"
    assert to_addr(trying).tag is None


def test_an_answer_within_200_ms_makes_100_trying_needless() -> None:
    ringing = invited()
    assert ringing.respond(180, at=0.1) == ["send 180"]
    assert ringing.wait(10.0) == []
    accepted = invited()
    accepted.respond(200, at=0.1)
    assert "send 100" not in " ".join(accepted.wait(10.0))


def test_a_repeated_invite_gets_the_last_provisional_response_again() -> None:
    play = invited()
    assert play.receive(INVITE, at=0.1) == []
    play.wait(0.3)
    assert play.receive(INVITE, at=0.5) == ["send 100"]
    play.respond(180, at=1.0)
    play.respond(183, at=2.0)
    assert play.receive(INVITE, at=2.5) == ["send 183"]


def test_a_2xx_is_accepted_for_64_t1_and_its_acks_go_to_the_user() -> None:
    play = invited()
    assert play.respond(200, at=1.0) == ["send 200"]
    assert play.receive(INVITE, at=1.2) == []
    assert play.receive(ACK_FOR_2XX, at=1.3) == ["ack"]
    assert play.receive(ACK_FOR_2XX, at=1.4) == ["ack"]
    assert play.wait(100.0) == ["33 ended"]


def test_the_user_may_repeat_its_2xx_until_the_ack_comes() -> None:
    play = invited()
    play.respond(200, at=1.0)
    assert play.respond(200, at=1.5) == ["send 200"]
    assert play.respond(200, at=2.5) == ["send 200"]
    assert play.wait(100.0) == ["33 ended"]


def test_an_ack_with_the_branch_of_the_accepted_invite_reaches_the_user_too() -> None:
    play = invited()
    play.respond(200)
    assert play.receive(ACK) == ["ack"]


def test_an_ack_for_a_2xx_after_the_transaction_reaches_the_user() -> None:
    play = invited()
    play.respond(200)
    play.wait(100.0)
    assert play.receive(ACK_FOR_2XX, at=101.0) == ["ack"]


def test_a_refusal_ends_with_its_ack() -> None:
    play = invited()
    assert play.respond(486, at=1.0) == ["send 486"]
    assert play.receive(INVITE, at=1.1) == ["send 486"]
    assert play.receive(ACK, at=1.2) == ["ended"]
    assert play.layer.next_timer() is None


def test_a_refusal_without_ack_ends_after_64_t1() -> None:
    play = invited()
    play.respond(603, at=1.0)
    assert play.wait(100.0) == ["33 ended"]


def test_on_an_unreliable_transport_a_refusal_is_repeated_until_its_ack() -> None:
    play = invited(Play(UNRELIABLE))
    play.respond(486, at=0.0)
    assert play.wait(12.0) == [
        "0.5 send 486",
        "1.5 send 486",
        "3.5 send 486",
        "7.5 send 486",
        "11.5 send 486",
    ]
    assert play.receive(ACK, at=12.0) == []
    assert play.receive(INVITE, at=12.1) == []
    assert play.receive(ACK, at=12.2) == []
    assert play.receive(CANCEL, at=12.3) == ["send 200"]
    assert play.wait(100.0) == ["17 ended"]


def test_an_ack_before_any_final_response_means_nothing() -> None:
    play = invited()
    assert play.receive(ACK) == []
    assert play.respond(486) == ["send 486"]


@pytest.mark.parametrize("first", [None, 180, 200, 486])
def test_a_closed_flow_ends_the_transaction_and_a_later_answer_is_told_as_not_sent(first: int | None) -> None:
    play = invited()
    if first is not None:
        play.respond(first)
    assert play.close(at=1.0) == ["ended"]
    assert play.respond(200, at=2.0) == ["not sent 200"]
    assert play.layer.next_timer() is None


@pytest.mark.parametrize(("first", "second"), [(200, 486), (200, 180), (486, 180), (486, 200), (486, 603)])
def test_a_second_final_response_or_a_late_provisional_one_is_our_mistake(first: int, second: int) -> None:
    play = invited()
    play.respond(first)
    with pytest.raises(LocalProtocolError):
        play.respond(second)
    if first == 486:
        assert play.receive(INVITE) == ["send 486"]


# Non-INVITE, figure 8


def test_a_request_ends_with_its_final_response() -> None:
    play = Play()
    assert play.receive(OPTIONS) == ["request OPTIONS"]
    assert play.respond(200) == ["send 200", "ended"]
    assert play.layer.next_timer() is None


@pytest.mark.parametrize("status", [200, 405])
def test_a_request_may_get_a_provisional_response_first(status: int) -> None:
    play = Play()
    play.receive(OPTIONS)
    assert play.receive(OPTIONS, at=0.1) == []
    assert play.respond(182, at=0.2) == ["send 182"]
    assert play.respond(183, at=0.2) == ["send 183"]
    assert play.receive(OPTIONS, at=0.3) == ["send 183"]
    assert play.respond(status, at=0.4) == [f"send {status}", "ended"]


def test_no_100_trying_for_a_request_that_is_not_an_invite() -> None:
    play = Play()
    play.receive(OPTIONS)
    assert play.layer.next_timer() is None


@pytest.mark.parametrize("status", [200, 405])
def test_on_an_unreliable_transport_a_repeated_request_gets_its_answer_again_for_64_t1(status: int) -> None:
    play = Play(UNRELIABLE)
    play.receive(OPTIONS)
    assert play.respond(status, at=1.0) == [f"send {status}"]
    assert play.receive(OPTIONS, at=2.0) == [f"send {status}"]
    with pytest.raises(LocalProtocolError):
        play.respond(500, at=2.1)
    assert play.wait(100.0) == ["33 ended"]
    assert play.receive(OPTIONS, at=101.0) == ["request OPTIONS"]


@pytest.mark.parametrize("first", [None, 100, 200])
def test_a_closed_flow_ends_a_request_in_every_state(first: int | None) -> None:
    play = Play(UNRELIABLE)
    play.receive(OPTIONS)
    if first is not None:
        play.respond(first)
    assert play.close(at=1.0) == ["ended"]
    assert play.respond(200, at=1.1) == ["not sent 200"]


# CANCEL, §9.2


def test_a_cancel_of_an_unanswered_invite_is_answered_and_told() -> None:
    play = invited()
    play.respond(180, to_tag="ours")
    assert play.receive(CANCEL, at=1.0) == ["send 200", "cancel"]
    assert to_addr(play.last_sent).tag == "ours"
    assert play.last_sent.headers.get("CSeq") == "1 CANCEL"
    assert play.respond(487, at=1.0) == ["send 487"]
    assert play.receive(ACK, at=1.1) == ["ended"]


def test_the_answer_to_a_cancel_has_a_tag_even_before_the_invite_has_one() -> None:
    play = invited()
    assert play.receive(CANCEL) == ["send 200", "cancel"]
    assert to_addr(play.last_sent).tag


@pytest.mark.parametrize("status", [200, 486])
def test_a_cancel_that_comes_after_the_final_response_is_answered_and_changes_nothing(status: int) -> None:
    play = invited()
    play.respond(status)
    assert play.receive(CANCEL) == ["send 200"]


def test_a_cancel_that_matches_nothing_gets_481() -> None:
    play = invited()
    assert play.receive(request("CANCEL", branch="z9hG4bKother")) == ["send 481"]
    assert play.receive(request("CANCEL", branch=BRANCH, sent_by="other.example.com")) == ["send 481"]
    assert play.receive(CANCEL, flow_id="flow-2") == ["send 481"]
    assert play.respond(180) == ["send 180"]


def test_a_cancel_of_a_request_that_is_no_invite_cannot_stop_it() -> None:
    play = Play()
    play.receive(OPTIONS)
    assert play.receive(request("CANCEL", branch="z9hG4bKoptions")) == ["send 481"]
    assert play.respond(200) == ["send 200", "ended"]
