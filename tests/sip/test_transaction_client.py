"""Client transactions, path by path of RFC 3261 figures 5 and 6, RFC 6026 §7.2, and CANCEL (§9.1)."""

from __future__ import annotations

import pytest

from softphone.errors import LocalProtocolError
from softphone.sip.header_values import cseq, to_addr, top_via
from softphone.sip.message import Request
from tests.sip.playbook import FLOW, SENT_BY, UNRELIABLE, Play, answer, request


def calling(play: Play | None = None, method: str = "INVITE") -> Play:
    play = Play() if play is None else play
    play.send(request(method))
    assert play.heard() == [f"send {method}"]
    return play


# INVITE, figure 5


def test_an_invite_that_gets_ringing_and_200_ends_after_timer_m() -> None:
    play = calling()
    assert play.receive(answer(play.last_request, 100), at=0.1) == ["response 100"]
    assert play.receive(answer(play.last_request, 180), at=0.2) == ["response 180"]
    assert play.receive(answer(play.last_request, 200), at=3.0) == ["response 200"]
    assert play.wait(100.0) == ["35 ended"]


def test_a_200_without_any_provisional_response_is_enough() -> None:
    play = calling()
    assert play.receive(answer(play.last_request, 200), at=1.0) == ["response 200"]
    assert play.wait(100.0) == ["33 ended"]


def test_repeated_and_forked_200_all_reach_the_user_while_accepted() -> None:
    play = calling()
    invite = play.last_request
    assert play.receive(answer(invite, 200, to_tag="a"), at=1.0) == ["response 200"]
    assert play.receive(answer(invite, 200, to_tag="a"), at=1.5) == ["response 200"]
    assert play.receive(answer(invite, 200, to_tag="b"), at=2.0) == ["response 200"]
    assert play.receive(answer(invite, 180, to_tag="c"), at=2.1) == []
    assert play.receive(answer(invite, 486, to_tag="c"), at=2.2) == []
    assert play.wait(33.0) == ["33 ended"]
    assert play.receive(answer(invite, 200, to_tag="b"), at=33.1) == []


@pytest.mark.parametrize("status", [302, 404, 503, 603])
def test_a_refusal_is_acknowledged_before_the_user_hears_of_it(status: int) -> None:
    play = calling()
    assert play.receive(answer(play.last_request, status), at=1.0) == ["send ACK", f"response {status}", "ended"]
    assert play.layer.next_timer() is None


def test_the_ack_of_a_refusal_is_made_as_17_1_1_3_says() -> None:
    play = Play()
    routes = (("Route", "<sip:p1.example.com;lr>"), ("Route", "<sip:p2.example.com;lr>"))
    play.send(request("INVITE", cseq=7, extra=routes))
    play.heard()
    invite = play.last_request
    play.receive(answer(invite, 486, to_tag="busy"))
    ack = play.last_sent
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.body) == ("ACK", invite.uri, b"")
    assert ack.headers.get_all("Via") == invite.headers.get_all("Via")
    assert ack.headers.get_all("Route") == tuple(value for _, value in routes)
    assert ack.headers.get("From") == invite.headers.get("From")
    assert ack.headers.get("Call-ID") == invite.headers.get("Call-ID")
    assert to_addr(ack).tag == "busy"
    assert (cseq(ack).number, cseq(ack).method) == (7, "ACK")
    assert "Contact" not in ack.headers


def test_on_an_unreliable_transport_a_repeated_refusal_is_acknowledged_again_for_32_s() -> None:
    play = calling(Play(UNRELIABLE))
    invite = play.last_request
    assert play.receive(answer(invite, 486), at=1.0) == ["send ACK", "response 486"]
    assert play.receive(answer(invite, 486), at=1.5) == ["send ACK"]
    assert play.receive(answer(invite, 180), at=1.6) == []
    assert play.receive(answer(invite, 200), at=1.7) == []
    assert play.wait(100.0) == ["33 ended"]


def test_an_invite_without_answer_fails_after_64_t1_and_is_sent_once_over_tls() -> None:
    assert calling().wait(100.0) == ["32 failed timeout", "32 ended"]


def test_on_an_unreliable_transport_the_invite_is_repeated_with_doubled_intervals() -> None:
    play = calling(Play(UNRELIABLE))
    assert play.wait(100.0) == [
        "0.5 send INVITE",
        "1.5 send INVITE",
        "3.5 send INVITE",
        "7.5 send INVITE",
        "15.5 send INVITE",
        "31.5 send INVITE",
        "32 failed timeout",
        "32 ended",
    ]
    assert len({message.to_bytes() for message in play.sent}) == 1


def test_after_a_provisional_response_an_invite_may_ring_for_ever() -> None:
    play = calling(Play(UNRELIABLE))
    play.receive(answer(play.last_request, 180), at=0.3)
    assert play.layer.next_timer() is None


def test_a_closed_flow_fails_an_unanswered_invite_at_once() -> None:
    assert calling().close(at=1.0) == ["failed transport", "ended"]
    ringing = calling()
    ringing.receive(answer(ringing.last_request, 180))
    assert ringing.close(at=1.0) == ["failed transport", "ended"]


def test_a_closed_flow_after_the_final_response_is_no_failure() -> None:
    accepted = calling()
    accepted.receive(answer(accepted.last_request, 200))
    assert accepted.close(at=1.0) == ["ended"]
    refused = calling(Play(UNRELIABLE))
    refused.receive(answer(refused.last_request, 486))
    assert refused.close(at=1.0) == ["ended"]


def test_a_flow_that_closes_leaves_the_transactions_of_other_flows_alone() -> None:
    play = calling()
    assert play.close(flow_id="flow-2") == []
    assert play.receive(answer(play.last_request, 200)) == ["response 200"]


# Non-INVITE, figure 6


@pytest.mark.parametrize("status", [200, 302, 401, 500, 603])
def test_a_request_ends_with_its_final_response(status: int) -> None:
    play = calling(method="REGISTER")
    assert play.receive(answer(play.last_request, status), at=0.1) == [f"response {status}", "ended"]


def test_a_request_may_get_provisional_responses_first() -> None:
    play = calling(method="OPTIONS")
    assert play.receive(answer(play.last_request, 100), at=0.1) == ["response 100"]
    assert play.receive(answer(play.last_request, 182), at=0.2) == ["response 182"]
    assert play.receive(answer(play.last_request, 200), at=0.3) == ["response 200", "ended"]


@pytest.mark.parametrize("provisional", [False, True])
def test_a_request_without_final_response_fails_after_64_t1(provisional: bool) -> None:
    play = calling(method="BYE")
    if provisional:
        play.receive(answer(play.last_request, 100), at=1.0)
    assert play.wait(100.0) == ["32 failed timeout", "32 ended"]


def test_on_an_unreliable_transport_a_request_is_repeated_up_to_every_t2() -> None:
    play = calling(Play(UNRELIABLE), "BYE")
    sent = [line for line in play.wait(100.0) if line.endswith("send BYE")]
    assert [line.split()[0] for line in sent] == [
        "0.5", "1.5", "3.5", "7.5", "11.5", "15.5", "19.5", "23.5", "27.5", "31.5",
    ]  # fmt: skip


def test_on_an_unreliable_transport_a_provisional_response_slows_repetition_to_t2() -> None:
    play = calling(Play(UNRELIABLE), "BYE")
    assert play.receive(answer(play.last_request, 100), at=0.1) == ["response 100"]
    assert play.wait(9.0) == ["0.5 send BYE", "4.5 send BYE", "8.5 send BYE"]


def test_on_an_unreliable_transport_repeated_final_responses_are_absorbed_for_t4() -> None:
    play = calling(Play(UNRELIABLE), "BYE")
    assert play.receive(answer(play.last_request, 200), at=1.0) == ["response 200"]
    assert play.receive(answer(play.last_request, 200), at=2.0) == []
    assert play.receive(answer(play.last_request, 481), at=2.0) == []
    assert play.receive(answer(play.last_request, 100), at=2.0) == []
    assert play.wait(100.0) == ["6 ended"]


def test_a_closed_flow_fails_a_request_and_not_one_that_was_answered() -> None:
    play = calling(method="REGISTER")
    assert play.close(at=1.0) == ["failed transport", "ended"]
    proceeding = calling(method="REGISTER")
    proceeding.receive(answer(proceeding.last_request, 100))
    assert proceeding.close(at=1.0) == ["failed transport", "ended"]
    completed = calling(Play(UNRELIABLE), "REGISTER")
    completed.receive(answer(completed.last_request, 200))
    assert completed.close(at=1.0) == ["ended"]


# CANCEL, §9.1


def test_a_cancel_after_ringing_is_sent_at_once_and_its_own_answer_is_not_told() -> None:
    play = calling()
    invite = play.last_request
    play.receive(answer(invite, 180), at=1.0)
    assert play.cancel(at=2.0) == ["send CANCEL"]
    assert play.receive(answer(play.last_request, 200), at=2.1) == []
    assert play.receive(answer(invite, 487), at=2.2) == ["send ACK", "response 487", "ended"]
    assert play.layer.next_timer() is None


def test_a_cancel_before_any_response_waits_for_the_first_provisional_one() -> None:
    play = calling()
    invite = play.last_request
    assert play.cancel(at=0.1) == []
    assert play.receive(answer(invite, 100), at=0.2) == ["response 100", "send CANCEL"]
    assert play.receive(answer(invite, 180), at=0.3) == ["response 180"]


@pytest.mark.parametrize(("status", "out"), [(200, ["response 200"]), (486, ["send ACK", "response 486", "ended"])])
def test_a_waiting_cancel_is_not_sent_when_the_final_response_comes_first(status: int, out: list[str]) -> None:
    play = calling()
    play.cancel(at=0.1)
    assert play.receive(answer(play.last_request, status), at=0.2) == out
    assert "send CANCEL" not in play.wait(100.0)


def test_a_waiting_cancel_ends_with_the_timeout_of_the_invite() -> None:
    play = calling()
    play.cancel(at=0.1)
    assert play.wait(100.0) == ["32 failed timeout", "32 ended"]


def test_no_cancel_after_the_final_response() -> None:
    play = calling()
    play.receive(answer(play.last_request, 180))
    play.receive(answer(play.last_request, 200), at=1.0)
    assert play.cancel(at=1.1) == []
    refused = calling()
    refused.receive(answer(refused.last_request, 486))
    assert refused.cancel(at=1.1) == []


def test_a_second_wish_to_cancel_sends_nothing_more() -> None:
    play = calling()
    play.receive(answer(play.last_request, 180))
    assert play.cancel(at=1.0) == ["send CANCEL"]
    assert play.cancel(at=1.1) == []


def test_a_200_that_crosses_the_cancel_reaches_the_user() -> None:
    play = calling()
    invite = play.last_request
    play.receive(answer(invite, 180))
    play.cancel(at=1.0)
    assert play.receive(answer(invite, 200), at=1.1) == ["response 200"]
    assert play.receive(answer(play.last_request, 481), at=1.2) == []
    assert play.wait(100.0) == ["33.1 ended"]


def test_a_cancelled_invite_without_final_response_is_given_up_after_64_t1() -> None:
    play = calling()
    play.receive(answer(play.last_request, 180), at=1.0)
    play.cancel(at=10.0)
    play.receive(answer(play.last_request, 200), at=10.1)
    assert play.wait(100.0) == ["42 failed timeout", "42 ended"]


def test_an_unanswered_cancel_is_not_told_apart_from_an_unanswered_invite() -> None:
    play = calling()
    play.receive(answer(play.last_request, 180), at=1.0)
    play.cancel(at=10.0)
    assert play.wait(100.0) == ["42 failed timeout", "42 ended"]
    assert play.layer.next_timer() is None


def test_on_an_unreliable_transport_the_cancel_is_repeated_until_it_is_answered() -> None:
    play = calling(Play(UNRELIABLE))
    play.receive(answer(play.last_request, 180))
    play.cancel(at=1.0)
    assert play.wait(2.6) == ["1.5 send CANCEL", "2.5 send CANCEL"]
    play.receive(answer(play.last_request, 200), at=2.7)
    assert play.wait(30.0) == []


def test_a_closed_flow_after_the_cancel_fails_once() -> None:
    play = calling()
    play.receive(answer(play.last_request, 180))
    play.cancel(at=1.0)
    assert play.close(at=1.1) == ["failed transport", "ended"]
    assert play.layer.next_timer() is None


def test_the_cancel_is_made_as_9_1_says_and_carries_the_reason() -> None:
    play = Play()
    play.send(request("INVITE", cseq=5, extra=(("Route", "<sip:p1.example.com;lr>"), ("Require", "100rel"))))
    play.heard()
    invite = play.last_request
    play.receive(answer(invite, 180, to_tag="fork"))
    play.cancel(reason='SIP;cause=200;text="Call completed elsewhere"')
    cancel = play.last_request
    assert (cancel.method, cancel.uri) == ("CANCEL", invite.uri)
    for name in ("Via", "Route", "From", "To", "Call-ID"):
        assert cancel.headers.get_all(name) == invite.headers.get_all(name)
    assert (cseq(cancel).number, cseq(cancel).method) == (5, "CANCEL")
    assert cancel.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert "Require" not in cancel.headers
    assert to_addr(cancel).tag is None


def test_only_an_invite_can_be_cancelled_and_an_ended_one_is_left_alone() -> None:
    play = calling(method="REGISTER")
    with pytest.raises(LocalProtocolError, match="CANCEL of REGISTER"):
        play.cancel()
    play.receive(answer(play.last_request, 200))
    assert play.cancel() == []


# Via and matching, §17.1.3, §18.1


def test_every_request_gets_a_branch_of_its_own_on_top_of_its_vias() -> None:
    play = Play()
    branches = [play.send(request("OPTIONS")), play.send(request("OPTIONS"))]
    play.heard()
    assert len(set(branches)) == 2
    for branch, sent in zip(branches, play.sent, strict=True):
        assert branch.startswith("z9hG4bK")
        assert top_via(sent).branch == branch
        assert sent.headers.get_all("Via") == (f"SIP/2.0/TLS client.atlanta.example.com:5061;branch={branch};rport",)


def test_an_ack_for_a_2xx_has_a_branch_of_its_own_and_no_transaction() -> None:
    play = Play()
    play.layer.send_ack(request("ACK"), FLOW, SENT_BY)
    assert play.heard() == ["send ACK"]
    assert str(top_via(play.last_sent)).startswith(f"SIP/2.0/TLS {SENT_BY};branch=z9hG4bK")
    assert play.layer.next_timer() is None


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_cannot_be_sent_as_requests(method: str) -> None:
    with pytest.raises(LocalProtocolError):
        Play().send(request(method))
    if method == "CANCEL":
        with pytest.raises(LocalProtocolError):
            Play().layer.send_ack(request(method), FLOW, "client.atlanta.example.com")


def test_a_response_with_another_branch_method_sent_by_flow_or_a_second_via_is_dropped() -> None:
    play = calling(method="OPTIONS")
    good = answer(play.last_request, 200)
    via = top_via(good)
    astray = [
        good.with_headers(good.headers.replaced("Via", str(via.with_parameter("branch", "z9hG4bKother")))),
        good.with_headers(good.headers.replaced("CSeq", "1 REGISTER")),
        good.with_headers(good.headers.replaced("CSeq", "1 CANCEL")),
        good.with_headers(good.headers.replaced("Via", str(via).replace("client.", "other."))),
        good.with_headers(good.headers.replaced("Via", str(via).replace(":5061", ":5062"))),
        good.with_headers(good.headers.replaced("Via", str(via), "SIP/2.0/TLS other.example.com;branch=z9hG4bKx")),
        good.with_headers(good.headers.without("Via")),
        good.with_headers(good.headers.without("CSeq")),
    ]
    for response in astray:
        assert play.receive(response) == []
    assert play.receive(good, flow_id="flow-2") == []
    assert play.receive(good) == ["response 200", "ended"]


def test_a_response_matches_whatever_parameters_the_server_added_to_our_via() -> None:
    play = calling(method="OPTIONS")
    good = answer(play.last_request, 200)
    via = top_via(good).with_parameter("received", "192.0.2.7").with_parameter("rport", "40000")
    response = good.with_headers(good.headers.replaced("Via", str(via).replace("client.atlanta", "CLIENT.Atlanta")))
    assert play.receive(response) == ["response 200", "ended"]


def test_a_response_after_the_end_is_dropped() -> None:
    play = calling(method="OPTIONS")
    play.receive(answer(play.last_request, 200))
    assert play.receive(answer(play.last_request, 200)) == []
