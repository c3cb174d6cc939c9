"""Failures in words: what a server says stays within its brackets."""

from softphone.sip.message import Headers, Response
from softphone.ua.outcomes import call_failure, registration_failure

HOSTILE = "no\u202e\u2066 \x1b[2J\x9b\u2028\udcff end"


def test_a_reason_phrase_cannot_turn_the_writing_round_nor_give_orders_to_a_terminal() -> None:
    response = Response(404, HOSTILE, Headers([("Warning", HOSTILE), ("Reason", HOSTILE)]))
    for failure in (call_failure(response), registration_failure(response, "lab.test")):
        said = "".join((failure.reason, *failure.evidence))
        assert said.isprintable()
        assert "no··" in said


def test_a_long_reason_phrase_leaves_our_sentence_whole() -> None:
    failure = call_failure(Response(404, "x" * 5000))
    assert failure.reason.endswith("x).")
    assert len(failure.reason) < 200
