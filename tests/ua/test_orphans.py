"""Dialogs of a dead engine: a user agent that never made them ends them."""

from dataclasses import replace
from typing import Any

import pytest

from softphone.errors import FailureKind
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.sip.parser import parse_message
from softphone.ua.commands import Answer, Dial, EndOrphan, HangUp
from softphone.ua.events import CallEnded, CallEstablished, CallLost, IncomingCall
from softphone.ua.open_dialog import CSEQ_ROOM, OpenDialog
from softphone.ua.orphans import MAX_ORPHANS
from softphone.ua.responses import response_to
from softphone.ua.user_agent import UserAgent
from tests.pair.joined import Joined, Side, seeded


def talking(joined: Joined, caller: Side) -> OpenDialog:
    """A running call between both, as the phone would write it down."""
    joined.start()
    target = "sip:bob@lab.test" if caller is joined.phone else "sip:alice@lab.test"
    joined.do(caller, Dial("1", target))
    callee = joined.other(caller)
    (incoming,) = callee.of(IncomingCall)
    joined.do(callee, Answer(incoming.call_id))
    assert joined.phone.of(CallEstablished)
    (record,) = joined.phone.agent.open_dialogs
    return record


def replace_agent(joined: Joined) -> None:
    """The phone's process dies and another takes its place, on a new flow."""
    joined.cut()
    joined.phone.agent = UserAgent(seeded(99))
    joined.phone.events.clear()
    joined.phone.sent.clear()


def bye_of(side: Side) -> Request:
    (bye,) = [m for data in side.sent if isinstance(m := parse_message(data), Request) and m.method == "BYE"]
    return bye


@pytest.mark.parametrize("we_called", [True, False])
def test_the_next_agent_ends_the_call_of_the_dead_one(we_called: bool) -> None:
    joined = Joined()
    record = talking(joined, joined.phone if we_called else joined.peer)
    assert record.incoming is not we_called
    replace_agent(joined)
    joined.do(joined.phone, EndOrphan(record))
    (lost,) = joined.phone.of(CallLost)
    assert (lost.call_id, lost.failure.kind) == (record.call_id, FailureKind.ENGINE_FAILED)
    assert joined.phone.sent == [], "there is no flow yet"
    ended_before = len(joined.peer.of(CallEnded))
    joined.start()
    joined.advance(40)  # the peer's flow comes back too
    bye = bye_of(joined.phone)
    assert cseq(bye).number > record.cseq + CSEQ_ROOM
    assert len(joined.peer.of(CallEnded)) == ended_before + 1


def test_a_challenge_is_answered_once() -> None:
    joined = Joined()
    record = talking(joined, joined.phone)
    replace_agent(joined)
    challenge = (("WWW-Authenticate", 'Digest realm="lab", nonce="n", qop="auth"'),)
    joined.rules.answer = lambda request: (
        response_to(request, 401, headers=challenge) if request.method == "BYE" else None
    )
    joined.do(joined.phone, EndOrphan(record))
    joined.start()
    joined.advance(40)
    byes = [m for data in joined.phone.sent if isinstance(m := parse_message(data), Request) and m.method == "BYE"]
    assert len(byes) <= 2


def test_a_call_that_is_over_is_not_written_down() -> None:
    joined = Joined()
    talking(joined, joined.phone)
    joined.do(joined.phone, HangUp("1"))
    assert joined.phone.agent.open_dialogs == ()


@pytest.mark.parametrize("field", ["local", "remote", "remote_target"])
def test_a_damaged_record_ends_nothing_and_says_nothing(field: str) -> None:
    joined = Joined()
    record = talking(joined, joined.phone)
    replace_agent(joined)
    damage: dict[str, Any] = {field: "<<<"}
    joined.do(joined.phone, EndOrphan(replace(record, **damage)))
    assert joined.phone.events == []


def test_more_records_than_a_phone_can_have_had_are_bounded() -> None:
    joined = Joined()
    record = talking(joined, joined.phone)
    replace_agent(joined)
    for _ in range(MAX_ORPHANS + 50):
        joined.do(joined.phone, EndOrphan(record))
    assert len(joined.phone.agent._orphans._waiting) == MAX_ORPHANS
