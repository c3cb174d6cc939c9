"""PRACK, UPDATE, session refreshes, early media and moves while each message in turn is lost, doubled or delayed.

Whatever happens, both ends are in the call or neither is, what they protect with is what the other opens with, and
nothing is left over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from softphone.sdp.negotiated import SrtpSecurity
from softphone.ua.call import Call
from softphone.ua.call_table import CallState
from softphone.ua.commands import Answer, Dial, HangUp, Hold, Rekey, Resume, StartEarlyMedia
from softphone.ua.events import CallEstablished, IncomingCall
from tests.pair.joined import Joined, Side
from tests.pair.test_adversity import FATES, check, end_everything

INTERVAL = 90  # s, the smallest session interval


def joined() -> Joined:
    """Without registration, whose refreshes would be played with as well; both ends refresh a session often."""
    pair = Joined()
    pair.account = replace(pair.account, register=False, session_expires=INTERVAL, message_waiting=False)
    return pair


def dial(pair: Joined, *headers: tuple[str, str]) -> str | None:
    pair.phone.agent.dial(Dial("c1", "bob"), pair.now, headers)
    pair.settle()
    pair.advance(5)
    return pair.peer.of(IncomingCall)[0].call_id if pair.peer.of(IncomingCall) else None


def answered(pair: Joined, *headers: tuple[str, str]) -> str | None:
    call_id = dial(pair, *headers)
    if call_id is not None:
        pair.do(pair.peer, Answer(call_id))
    pair.advance(5)
    return call_id


def a_reliable_ringing(pair: Joined) -> None:
    answered(pair, ("Require", "100rel"))


def a_reliable_early_answer(pair: Joined) -> None:
    call_id = dial(pair)
    if call_id is not None:
        pair.do(pair.peer, StartEarlyMedia(call_id))
        pair.do(pair.peer, Answer(call_id))
    pair.advance(2)


def an_early_hold_by_update(pair: Joined) -> None:
    call_id = dial(pair, ("Require", "100rel"))
    if call_id is not None:
        pair.do(pair.peer, StartEarlyMedia(call_id))
        pair.advance(2)
        pair.do(pair.phone, Hold("c1"))
        pair.advance(5)
        pair.do(pair.peer, Answer(call_id))
        pair.advance(2)
        pair.do(pair.phone, Resume("c1"))
    pair.advance(2)


def given_up_while_it_rings_reliably(pair: Joined) -> None:
    call_id = dial(pair, ("Require", "100rel"))
    if call_id is not None:
        pair.do(pair.peer, StartEarlyMedia(call_id))
    pair.do(pair.phone, HangUp("c1"))
    pair.advance(2)


def refreshed_twice(pair: Joined) -> None:
    answered(pair)
    pair.advance(INTERVAL + 10)


def held_by_both_at_once(pair: Joined) -> None:
    call_id = answered(pair)
    if call_id is not None:
        pair.phone.agent.submit(Hold("c1"), pair.now)
        pair.peer.agent.submit(Hold(call_id), pair.now)
        pair.settle()
        pair.advance(10)
        pair.phone.agent.submit(Resume("c1"), pair.now)
        pair.peer.agent.submit(Resume(call_id), pair.now)
        pair.settle()
    pair.advance(10)


def new_keys_of_both_at_once(pair: Joined) -> None:
    call_id = answered(pair)
    if call_id is not None:
        pair.phone.agent.submit(Rekey("c1"), pair.now)
        pair.peer.agent.submit(Rekey(call_id), pair.now)
        pair.settle()
    pair.advance(10)


def moved(pair: Joined) -> None:
    answered(pair)
    for call in pair.phone.agent.calls.values():
        call.move(pair.now)
    pair.settle()
    pair.advance(5)


FLOWS = (
    a_reliable_ringing,
    a_reliable_early_answer,
    an_early_hold_by_update,
    given_up_while_it_rings_reliably,
    refreshed_twice,
    held_by_both_at_once,
    new_keys_of_both_at_once,
    moved,
)


def play(flow: Callable[[Joined], None], fate: str, number: int) -> tuple[Joined, int]:
    """The joined agents after the flow, and how many messages there were."""
    pair = joined()
    count = 0

    def deliver(from_phone: bool, data: bytes) -> bytes | None:
        nonlocal count
        if not data.strip():
            return data
        count += 1
        return FATES[fate](pair, from_phone, data) if count == number else data

    pair.deliver = deliver
    pair.start(register=False)
    flow(pair)
    return pair, count


def talking(side: Side) -> list[Call]:
    return [call for call in side.agent.calls.values() if call.state is CallState.ESTABLISHED]


def agree(pair: Joined) -> None:
    """Both are in the call or neither is, with each other's keys and the same idea of who may send."""
    ours, theirs = talking(pair.phone), talking(pair.peer)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        here, there = one.media.running, other.media.running
        assert here is not None
        assert there is not None
        assert isinstance(here.security, SrtpSecurity)
        assert isinstance(there.security, SrtpSecurity)
        assert here.security.send == there.security.receive
        assert here.security.receive == there.security.send
        assert here.direction is there.direction.reversed


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_any_single_mishap_leaves_both_ends_agreed(flow: Callable[[Joined], None], fate: str) -> None:
    untouched, messages = play(flow, fate, 0)
    assert messages >= 4
    agree(untouched)
    for number in range(1, messages + 1):
        pair, _ = play(flow, fate, number)
        pair.advance(2 * INTERVAL)  # time-outs, 504, or a session that is not refreshed any more
        agree(pair)
        end_everything(pair)
        check(pair)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_undisturbed_it_is_what_its_name_says(flow: Callable[[Joined], None]) -> None:
    pair, _ = play(flow, "doubled", 0)
    sent = b"".join(pair.phone.sent + pair.peer.sent)
    established = bool(pair.phone.of(CallEstablished)) and bool(pair.peer.of(CallEstablished))
    assert established is (flow is not given_up_while_it_rings_reliably)
    assert (b"PRACK sip:" in sent) is (flow in FLOWS[:4])
    assert (b"UPDATE sip:" in sent) is (flow in (an_early_hold_by_update, refreshed_twice))
