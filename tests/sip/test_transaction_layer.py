"""Which message belongs to which transaction, what the top Via is told, and where the layer sets limits."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from softphone.sip.header_values import split_values, to_addr, top_via
from softphone.sip.message import Headers, Request, Response
from softphone.sip.transaction_layer import (
    MAX_SERVER_INVITES_PER_FLOW,
    MAX_SERVER_TRANSACTIONS_PER_FLOW,
    AckArrived,
    RequestArrived,
    SendMessage,
    TransactionLayer,
)
from tests.sip.playbook import BOB, FLOW, Play, counting_bytes, request, with_branch

BRANCH = "z9hG4bK74bf9"


def arrived(play: Play, message: Request) -> Request:
    play.receive(message)
    return next(out.request for out in reversed(play.outputs) if isinstance(out, RequestArrived))


# received and rport, RFC 3261 §18.2.1, RFC 3581 §4


def test_a_via_that_asks_for_rport_is_told_address_and_port() -> None:
    via = top_via(arrived(Play(), request(branch=BRANCH, via_parameters=";rport")))
    assert via.parameter("rport") == "49152"
    assert via.parameter("received") == "192.0.2.101"


def test_a_via_with_another_host_is_told_the_address_and_no_port() -> None:
    via = top_via(arrived(Play(), request(branch=BRANCH)))
    assert via.parameter("received") == "192.0.2.101"
    assert via.parameter("rport") is None


def test_a_via_with_the_address_it_came_from_is_left_alone() -> None:
    play = Play()
    message = request(branch=BRANCH, sent_by="192.0.2.101:49152")
    assert arrived(play, message).headers == message.headers


def test_rport_is_told_together_with_received_even_where_that_says_nothing_new() -> None:
    via = top_via(arrived(Play(), request(branch=BRANCH, sent_by="192.0.2.101:5061", via_parameters=";rport")))
    assert via.parameter("rport") == "49152"
    assert via.parameter("received") == "192.0.2.101"


def test_only_the_top_via_is_told_and_the_others_keep_their_order() -> None:
    lines = (
        f"SIP/2.0/TLS a.example.com;branch={BRANCH};rport, SIP/2.0/TLS b.example.com;branch=z9hG4bKb",
        "SIP/2.0/UDP c.example.com;branch=z9hG4bKc;rport",
    )
    message = request(branch=BRANCH)
    message = message.with_headers(message.headers.replaced("Via", *lines))
    values = [value for line in arrived(Play(), message).headers.get_all("Via") for value in split_values(line)]
    assert len(values) == 3
    assert "received=192.0.2.101" in values[0]
    assert values[1:] == ["SIP/2.0/TLS b.example.com;branch=z9hG4bKb", lines[1]]


def test_an_ipv6_sent_by_is_compared_without_brackets() -> None:
    play = Play()
    message = request(branch=BRANCH, sent_by="[2001:db8::1]:5061")
    play.layer.receive(message, FLOW, "2001:db8::1", 5061, 0.0)
    assert play.heard() == ["request INVITE"]
    [output] = play.outputs
    assert isinstance(output, RequestArrived)
    assert top_via(output.request).parameter("received") is None


# Matching, §17.2.3


def test_branch_sent_by_method_and_flow_together_make_a_transaction() -> None:
    play = Play()
    assert play.receive(request("OPTIONS", branch=BRANCH)) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch=BRANCH)) == []
    assert play.receive(request("OPTIONS", branch=BRANCH, sent_by="CLIENT.atlanta.example.com:5061")) == []
    assert play.receive(request("OPTIONS", branch=BRANCH, cseq=2, sent_by="other.example.com")) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch=BRANCH, cseq=3, sent_by="other.example.com:5061")) == [
        "request OPTIONS"
    ]
    assert play.receive(request("INFO", branch=BRANCH)) == ["request INFO"]
    assert play.receive(request("OPTIONS", branch="z9hG4bKother", cseq=4)) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch=BRANCH), flow_id="flow-2") == ["request OPTIONS"]


def test_branches_without_the_cookie_are_told_apart_by_call_id_from_tag_and_cseq() -> None:
    play = Play()
    assert play.receive(request("OPTIONS", branch="1")) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch="1")) == []
    assert play.receive(request("OPTIONS", branch="1", cseq=2)) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch="1", from_tag="other")) == ["request OPTIONS"]
    assert play.receive(request("OPTIONS", branch="1", call_id="other@example.com")) == ["request OPTIONS"]


def test_an_rfc_2543_client_can_be_refused_cancelled_and_acknowledged() -> None:
    invite = request("INVITE", branch="1")
    no_branch = invite.with_headers(invite.headers.replaced("Via", "SIP/2.0/TLS old.example.com"))
    play = Play()
    assert play.receive(no_branch) == ["request INVITE"]
    cancel = Request("CANCEL", BOB, no_branch.headers.replaced("CSeq", "1 CANCEL"))
    assert play.receive(cancel) == ["send 200", "cancel"]
    assert play.respond(487) == ["send 487"]
    ack = Request("ACK", BOB, no_branch.headers.replaced("CSeq", "1 ACK"))
    assert play.receive(ack) == ["ended"]


def test_an_ack_that_matches_nothing_is_the_dialogs_and_never_answered() -> None:
    play = Play()
    ack = request("ACK", branch=BRANCH, to_tag="x")
    assert play.receive(ack) == ["ack"]
    [output] = play.outputs
    assert isinstance(output, AckArrived)
    assert (output.request.method, output.flow_id) == ("ACK", FLOW)


# Merged requests, §8.2.2.2


def test_the_same_request_by_another_way_gets_482() -> None:
    play = Play()
    first = request("INVITE", branch=BRANCH)
    play.receive(first)
    assert play.receive(with_branch(first, "z9hG4bKotherway")) == ["send 482"]
    assert play.respond(180) == ["send 180"]


@pytest.mark.parametrize(
    "other",
    [
        request("INVITE", branch="z9hG4bKb", cseq=2),
        request("INVITE", branch="z9hG4bKb", from_tag="other"),
        request("INVITE", branch="z9hG4bKb", call_id="other@example.com"),
        request("INVITE", branch="z9hG4bKb", to_tag="in-a-dialog"),
        request("OPTIONS", branch="z9hG4bKb"),
    ],
)
def test_another_request_is_not_merged(other: Request) -> None:
    play = Play()
    play.receive(request("INVITE", branch=BRANCH, to_tag=to_addr(other).tag))
    assert play.receive(other) == [f"request {other.method}"]


def test_nor_is_one_that_comes_over_another_flow_or_after_the_first_has_ended() -> None:
    play = Play()
    first = request("OPTIONS", branch=BRANCH)
    play.receive(first)
    assert play.receive(with_branch(first, "z9hG4bKb"), flow_id="flow-2") == ["request OPTIONS"]
    assert play.respond(200, key="server-1") == ["send 200", "ended"]
    assert play.receive(with_branch(first, "z9hG4bKc")) == ["request OPTIONS"]


# What cannot be read


def bad(name: str, *values: str, method: str = "OPTIONS") -> Request:
    message = request(method, branch=BRANCH)
    return message.with_headers(message.headers.replaced(name, *values))


@pytest.mark.parametrize(
    "message",
    [
        bad("From"),
        bad("To", "<sip:"),
        bad("Call-ID"),
        bad("CSeq", "one OPTIONS"),
        bad("CSeq", "1 INVITE"),
    ],
)
def test_a_request_that_cannot_be_identified_gets_400(message: Request) -> None:
    play = Play()
    play.layer.receive(message, FLOW, "192.0.2.101", 49152, 0.0)
    [output] = play.layer.drain()
    assert isinstance(output, SendMessage)
    assert output.data.startswith(b"SIP/2.0 400 Bad Request\r\n")


@pytest.mark.parametrize(
    "message",
    [
        bad("Via"),
        bad("Via", "nonsense"),
        bad("From", method="ACK"),
        Request("OPTIONS", BOB),
        Response(200, "OK"),
        Response(200, "OK", Headers([("Via", "SIP/2.0/TLS a;branch=z9hG4bKx"), ("CSeq", "x")])),
    ],
)
def test_what_nobody_could_be_answered_about_is_dropped(message: Request | Response) -> None:
    play = Play()
    assert play.receive(message) == []
    assert play.layer.next_timer() is None


# Limits


def flood(play: Play, method: str, count: int) -> list[str]:
    lines: list[str] = []
    for number in range(count):
        lines += play.receive(request(method, branch=f"z9hG4bK{method}{number}", cseq=number + 1))
    return lines


def test_a_flood_of_invites_is_refused_and_leaves_room_for_other_requests() -> None:
    play = Play()
    lines = flood(play, "INVITE", 1000)
    assert lines.count("request INVITE") == MAX_SERVER_INVITES_PER_FLOW
    assert lines.count("send 503") == 1000 - MAX_SERVER_INVITES_PER_FLOW
    refusal = play.last_sent
    assert refusal.headers.get("Retry-After") == "5"
    assert to_addr(refusal).tag
    assert play.receive(request("BYE", branch="z9hG4bKbye", to_tag="x")) == ["request BYE"]
    assert play.receive(request("INVITE", branch="z9hG4bKelsewhere"), flow_id="flow-2") == ["request INVITE"]


def test_a_flood_of_requests_that_the_user_leaves_unanswered_is_bounded() -> None:
    lines = flood(Play(), "OPTIONS", 1000)
    assert lines.count("request OPTIONS") == MAX_SERVER_TRANSACTIONS_PER_FLOW
    assert lines.count("send 503") == 1000 - MAX_SERVER_TRANSACTIONS_PER_FLOW


def test_room_comes_back_when_transactions_end() -> None:
    play = Play()
    flood(play, "INVITE", MAX_SERVER_INVITES_PER_FLOW)
    play.respond(486)
    assert play.receive(request("INVITE", branch="z9hG4bKlate", cseq=999)) == ["send 503"]
    play.wait(40.0)
    assert play.receive(request("INVITE", branch="z9hG4bKlater", cseq=999), at=40.0) == ["request INVITE"]


def serve(layer: TransactionLayer, count: int) -> None:
    for number in range(count):
        layer.receive(request("OPTIONS", branch=f"z9hG4bK{number}"), FLOW, "192.0.2.1", 5061, 0.0)
        [output] = layer.drain()
        assert isinstance(output, RequestArrived)
        layer.respond(output.key, Response(200, "OK", output.request.headers), 0.0)
        layer.drain()


def test_thousands_of_answered_requests_leave_no_memory_behind() -> None:
    layer = TransactionLayer(counting_bytes())
    serve(layer, 100)
    tracemalloc.start()
    try:
        serve(layer, 2000)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 50_000, "octets; one forgotten entry for each request would be twenty times that"
    assert layer.next_timer() is None


# What the outputs show


def test_no_output_shows_the_octets_of_a_message() -> None:
    play = Play()
    play.send(request("REGISTER", extra=(("Authorization", 'Digest response="5ec4e7"'),)))
    play.heard()
    assert "5ec4e7" not in repr(play.outputs)


def test_branches_take_128_bits_of_the_injected_randomness() -> None:
    asked: list[int] = []
    numbers = counting_bytes()

    def token_bytes(count: int) -> bytes:
        asked.append(count)
        return numbers(count)

    TransactionLayer(token_bytes).send_request(request("OPTIONS"), FLOW, "host", 0.0)
    assert asked == [16]
