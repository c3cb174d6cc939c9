"""Features at the same time, as an office has them, with each message in turn lost, doubled or delayed.

Whatever happens, both ends are in a call or neither is and with each other's keys, every call begins and ends once,
and nothing is left over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from softphone.sdp.negotiated import SrtpSecurity
from softphone.ua.actions import SetMuted
from softphone.ua.commands import (
    AcceptTransfer,
    Answer,
    Dial,
    HangUp,
    Hold,
    JoinConference,
    Rekey,
    Resume,
    StartEarlyMedia,
    Transfer,
    TransferTo,
)
from softphone.ua.events import CallEnded, CallEstablished, ConferenceChanged, IncomingCall, TransferEnded
from tests.pair import test_session_adversity as two
from tests.pair import test_transfers as three
from tests.pair.exchange import Exchange
from tests.pair.joined import Joined
from tests.pair.test_adversity import FATES, check, end_everything

INTERVAL = 90  # s, the smallest session interval

# Two phones


def new_keys_during_a_hold(pair: Joined) -> None:
    call_id = two.answered(pair)
    if call_id is not None:
        pair.do(pair.phone, Hold("c1"))
        pair.advance(2)
        pair.do(pair.peer, Rekey(call_id))
        pair.advance(2)
        pair.do(pair.phone, Rekey("c1"))
        pair.do(pair.phone, Resume("c1"))
    pair.advance(5)


def moved_during_a_change(pair: Joined) -> None:
    """The re-INVITE of the hold is under way when the network changes."""
    two.answered(pair)
    pair.phone.agent.submit(Hold("c1"), pair.now)
    for call in list(pair.phone.agent.calls.values()):
        call.move(pair.now)
    pair.settle()
    pair.advance(5)


def a_new_flow_during_a_change_of_both(pair: Joined) -> None:
    """Both hold, and before anything is answered the flow is another."""
    call_id = two.answered(pair)
    if call_id is not None:
        pair.phone.agent.submit(Hold("c1"), pair.now)
        pair.peer.agent.submit(Hold(call_id), pair.now)
    pair.cut()
    pair.advance(30)


def cancelled_during_an_early_change(pair: Joined) -> None:
    """PRACK, then an UPDATE that is not answered yet when the caller gives up."""
    call_id = two.dial(pair, ("Require", "100rel"))
    if call_id is not None:
        pair.do(pair.peer, StartEarlyMedia(call_id))
    pair.advance(2)
    pair.phone.agent.submit(Hold("c1"), pair.now)
    pair.phone.agent.submit(HangUp("c1"), pair.now)
    pair.settle()
    pair.advance(2)


def answered_during_an_early_change(pair: Joined) -> None:
    """The UPDATE of the caller crosses the 200 of the callee."""
    call_id = two.dial(pair, ("Require", "100rel"))
    if call_id is not None:
        pair.do(pair.peer, StartEarlyMedia(call_id))
        pair.advance(2)
        pair.phone.agent.submit(Hold("c1"), pair.now)
        pair.peer.agent.submit(Answer(call_id), pair.now)
        pair.settle()
    pair.advance(5)


def refreshed_during_a_hold_of_both(pair: Joined) -> None:
    call_id = two.answered(pair)
    if call_id is not None:
        pair.do(pair.phone, Hold("c1"))
        pair.do(pair.peer, Hold(call_id))
    pair.advance(INTERVAL / 2 - 5)
    pair.do(pair.phone, Resume("c1"))  # as the refresh is due
    pair.advance(INTERVAL / 2)


OF_TWO = (
    new_keys_during_a_hold,
    moved_during_a_change,
    a_new_flow_during_a_change_of_both,
    cancelled_during_an_early_change,
    answered_during_an_early_change,
    refreshed_during_a_hold_of_both,
)


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("flow", OF_TWO, ids=lambda flow: flow.__name__)
def test_two_phones_agree_whatever_happens_to_a_message(flow: Callable[[Joined], None], fate: str) -> None:
    untouched, messages = two.play(flow, fate, 0)
    assert messages >= 6
    two.agree(untouched)
    for number in range(1, messages + 1):
        pair, _ = two.play(flow, fate, number)
        pair.advance(2 * INTERVAL)
        two.agree(pair)
        end_everything(pair)
        check(pair)


def test_undisturbed_two_phones_are_where_the_names_say() -> None:
    directions = {}
    for flow in OF_TWO:
        pair, _ = two.play(flow, "lost", 0)
        talking = two.talking(pair.phone)
        media = talking[0].media.running if talking else None
        directions[flow.__name__] = media.direction.value if media is not None else "over"
    assert directions == {
        "new_keys_during_a_hold": "sendrecv",
        "moved_during_a_change": "sendonly",
        "a_new_flow_during_a_change_of_both": "sendrecv",
        "cancelled_during_an_early_change": "over",
        "answered_during_an_early_change": "sendonly",
        "refreshed_during_a_hold_of_both": "recvonly",
    }


# Three phones and more


def held_by_both_then_connected(exchange: Exchange) -> None:
    bobs = three.call(exchange, "c", "bob")
    if bobs is not None:
        exchange.do("bob", Hold(bobs))
    three.call(exchange, "d", "carol")  # puts the first one on hold
    exchange.do("alice", TransferTo("c", "d"))
    exchange.advance(6)
    three.accept(exchange, bobs)
    exchange.advance(4)


def refreshed_during_a_transfer(exchange: Exchange) -> None:
    """The person thinks the transfer over for as long as a session lasts."""
    bobs = three.call(exchange, "c", "bob")
    exchange.advance(INTERVAL / 2 - 8)
    if "c" in exchange.phones["alice"].agent.calls:
        exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(INTERVAL)
    three.accept(exchange, bobs)
    three.answer(exchange, "carol")


def a_second_call_during_a_transfer(exchange: Exchange) -> None:
    """Dave calls and is answered while Bob still calls Carol for Alice."""
    bobs = three.call(exchange, "c", "bob")
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(1)
    exchange.do("dave", Dial("e", "alice"))
    exchange.advance(2)
    three.answer(exchange, "alice")
    three.accept(exchange, bobs)
    three.answer(exchange, "carol")


def sent_on_by_a_member_of_a_conference(exchange: Exchange) -> None:
    """Bob, whom Alice has joined with Dave, sends her on to Carol."""
    bobs = three.call(exchange, "c", "bob")
    three.call(exchange, "d", "dave")
    exchange.do("alice", JoinConference(("c", "d")))
    exchange.advance(3)
    if bobs is not None and bobs in exchange.phones["bob"].agent.calls:
        exchange.do("bob", Transfer(bobs, "carol"))
    exchange.advance(6)
    if "c" in exchange.phones["alice"].agent.calls:
        exchange.do("alice", AcceptTransfer("c", "n"))
    exchange.advance(4)
    three.answer(exchange, "carol")


def given_up_as_two_phones_answer(exchange: Exchange) -> None:
    """CANCEL crosses the 2xx of both branches of a forked INVITE."""
    exchange.groups["sales"] = ("bob", "carol")
    exchange.do("alice", Dial("c", "sales"))
    exchange.advance(4)
    crossing: list[tuple[str, bytes]] = []
    before, exchange.deliver = exchange.deliver, lambda to, data: crossing.append((to, data))
    for user in ("bob", "carol"):
        if (ringing := three.rings(exchange, user)) is not None:
            exchange.do(user, Answer(ringing))
    exchange.do("alice", HangUp("c"))
    exchange.deliver = before
    for to, data in crossing:
        exchange.pass_on(to, data)
    exchange.settle()
    exchange.advance(4)


def answered_by_two_phones(exchange: Exchange) -> None:
    exchange.groups["sales"] = ("bob", "carol")
    exchange.do("alice", Dial("c", "sales"))
    exchange.advance(4)
    for user in ("bob", "carol"):
        if (ringing := three.rings(exchange, user)) is not None:
            exchange.do(user, Answer(ringing))
    exchange.advance(4)


OF_MANY = (
    held_by_both_then_connected,
    refreshed_during_a_transfer,
    a_second_call_during_a_transfer,
    sent_on_by_a_member_of_a_conference,
    given_up_as_two_phones_answer,
    answered_by_two_phones,
)


def play(flow: Callable[[Exchange], None], fate: str, number: int) -> tuple[Exchange, int]:
    expires = INTERVAL if flow is refreshed_during_a_transfer else 0
    exchange = Exchange("alice", "bob", "carol", "dave", session_expires=expires)
    count = 0

    def deliver(to: str, data: bytes) -> bytes | None:
        nonlocal count
        count += 1
        return three.FATES[fate](exchange, to, data) if count == number else data

    exchange.deliver = deliver
    flow(exchange)
    return exchange, count


def agree(exchange: Exchange) -> None:
    """Every call that is talked in has another end somewhere, with its keys."""
    ends = []
    for side in exchange.phones.values():
        for call in two.talking(side):
            media = call.media.running
            assert media is not None
            assert isinstance(media.security, SrtpSecurity)
            ends.append((media.security.send, media.security.receive))
    for send, receive in ends:
        assert (receive, send) in ends


@pytest.mark.parametrize("fate", three.FATES)
@pytest.mark.parametrize("flow", OF_MANY, ids=lambda flow: flow.__name__)
def test_all_phones_end_well_whatever_happens_to_a_message(flow: Callable[[Exchange], None], fate: str) -> None:
    untouched, messages = play(flow, fate, 0)
    assert messages >= 10
    untouched.advance(5)
    agree(untouched)
    for number in range(1, messages + 1):
        exchange, _ = play(flow, fate, number)
        three.end_everything(exchange)
        three.check(exchange)


def talking(flow: Callable[[Exchange], None]) -> tuple[Exchange, dict[str, int]]:
    exchange, _ = play(flow, "lost", 0)
    exchange.advance(5)
    return exchange, {user: len(calls) for user, calls in three.talking(exchange).items()}


def test_held_by_both_and_connected_the_right_two_talk() -> None:
    exchange, calls = talking(held_by_both_then_connected)
    assert calls == {"alice": 0, "bob": 1, "carol": 1, "dave": 0}
    (call,) = two.talking(exchange.phones["bob"])
    assert call.media.running is not None
    assert call.media.running.direction.value == "sendrecv"


def test_a_transfer_and_the_refreshes_of_its_call_do_not_meet() -> None:
    exchange, calls = talking(refreshed_during_a_transfer)
    assert calls == {"alice": 0, "bob": 1, "carol": 1, "dave": 0}
    assert [line.split()[0] for _, line in exchange.passed].count("UPDATE") >= 2


def test_who_is_answered_during_a_transfer_stays_and_is_heard() -> None:
    exchange, calls = talking(a_second_call_during_a_transfer)
    assert calls == {"alice": 1, "bob": 1, "carol": 1, "dave": 1}
    assert [event.failure for event in exchange.phones["alice"].of(TransferEnded)] == [None]
    alice = exchange.phones["alice"]
    (call,) = two.talking(alice)
    assert call.id == alice.of(IncomingCall)[0].call_id
    muted = [
        action.muted for action in alice.media if isinstance(action, SetMuted) and action.media_id == call.media.id
    ]
    assert not any(muted)


def test_who_is_sent_on_by_a_member_keeps_the_others() -> None:
    exchange, calls = talking(sent_on_by_a_member_of_a_conference)
    assert calls == {"alice": 2, "bob": 0, "carol": 1, "dave": 1}
    assert exchange.phones["alice"].of(ConferenceChanged)[-1].call_ids == ()
    assert [event.failure for event in exchange.phones["alice"].of(TransferEnded)] == [None]


def test_a_call_given_up_as_two_answer_is_ended_at_both() -> None:
    exchange, calls = talking(given_up_as_two_phones_answer)
    assert calls == {"alice": 0, "bob": 0, "carol": 0, "dave": 0}
    assert not exchange.phones["alice"].of(CallEstablished)
    assert [event.call_id for event in exchange.phones["alice"].of(CallEnded)] == ["c"]


def test_of_two_that_answer_one_is_talked_to_and_the_other_ended() -> None:
    exchange, calls = talking(answered_by_two_phones)
    assert calls == {"alice": 1, "bob": 1, "carol": 0, "dave": 0}
    byes = [to for to, line in itertools.chain(exchange.passed) if line.startswith("BYE")]
    assert byes == ["carol"]
