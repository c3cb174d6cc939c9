"""Three phones and a proxy: each message of each transfer is lost, doubled and delayed in turn, and all ends well.

Well is: nobody keeps anything, each call begins and ends once, no media was clear; and the two who are to talk either
do, or the call that was transferred is still there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.sdp.negotiated import ClearMedia, SrtpSecurity
from softphone.ua.actions import StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import (
    AcceptTransfer,
    Answer,
    Decline,
    Dial,
    HangUp,
    RefuseTransfer,
    Transfer,
    TransferTo,
)
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallStarted,
    HoldChanged,
    IncomingCall,
    TransferEnded,
    TransferProgressed,
    TransferRequested,
)
from tests.pair.exchange import Exchange
from tests.pair.joined import Side

LONGEST = 700.0  # s: a transfer of which nothing more is heard


def rings(exchange: Exchange, user: str) -> str | None:
    """The call that rings at that phone."""
    for event in reversed(exchange.phones[user].of(IncomingCall)):
        call = exchange.phones[user].agent.calls.get(event.call_id)
        if call is not None and call.state.name == "RINGING":
            return event.call_id
    return None


def answer(exchange: Exchange, user: str) -> str | None:
    call_id = rings(exchange, user)
    if call_id is not None:
        exchange.do(user, Answer(call_id))
    exchange.advance(4)
    return call_id


def call(exchange: Exchange, call_id: str, callee: str) -> str | None:
    exchange.do("alice", Dial(call_id, callee))
    exchange.advance(4)
    return answer(exchange, callee)


def accept(exchange: Exchange, bobs: str | None) -> None:
    if bobs is not None and exchange.phones["bob"].of(TransferRequested):
        exchange.do("bob", AcceptTransfer(bobs, "n"))
    exchange.advance(4)


def blind(exchange: Exchange) -> None:
    bobs = call(exchange, "c", "bob")
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(6)
    accept(exchange, bobs)
    answer(exchange, "carol")


def blind_to_who_declines(exchange: Exchange) -> None:
    bobs = call(exchange, "c", "bob")
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(6)
    accept(exchange, bobs)
    ringing = rings(exchange, "carol")
    if ringing is not None:
        exchange.do("carol", Decline(ringing, 486))
    exchange.advance(4)


def refused(exchange: Exchange) -> None:
    bobs = call(exchange, "c", "bob")
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(6)
    if bobs is not None:
        exchange.do("bob", RefuseTransfer(bobs))
    exchange.advance(4)


def thought_over(exchange: Exchange) -> None:
    """202 and NOTIFY "pending", then yes."""
    bobs = call(exchange, "c", "bob")
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(30)
    accept(exchange, bobs)
    answer(exchange, "carol")


def attended(exchange: Exchange) -> None:
    bobs = call(exchange, "c", "bob")
    call(exchange, "d", "carol")
    exchange.do("alice", TransferTo("c", "d"))
    exchange.advance(6)
    accept(exchange, bobs)
    exchange.advance(4)


FLOWS = (blind, blind_to_who_declines, refused, thought_over, attended)
Fate = Callable[[Exchange, str, bytes], bytes | None]
FATES: dict[str, Fate] = {
    "lost": lambda exchange, to, data: None,
    "doubled": lambda exchange, to, data: data + data,
    "repeated after 10 s": lambda exchange, to, data: exchange.repeat(to, data, 10.0),
    "delayed by 0.3 s": lambda exchange, to, data: exchange.keep_back(to, data, 0.3),
    "delayed by 3 s": lambda exchange, to, data: exchange.keep_back(to, data, 3.0),
    "delayed by 20 s": lambda exchange, to, data: exchange.keep_back(to, data, 20.0),
}


def play(flow: Callable[[Exchange], None], fate: str, number: int) -> tuple[Exchange, int]:
    exchange = Exchange("alice", "bob", "carol")
    count = 0

    def deliver(to: str, data: bytes) -> bytes | None:
        nonlocal count
        count += 1
        return FATES[fate](exchange, to, data) if count == number else data

    exchange.deliver = deliver
    flow(exchange)
    return exchange, count


def talking(exchange: Exchange) -> dict[str, list[str]]:
    """Established calls by phone."""
    return {
        user: [call_id for call_id, call in side.agent.calls.items() if call.state.name == "ESTABLISHED"]
        for user, side in exchange.phones.items()
    }


def end_everything(exchange: Exchange) -> None:
    exchange.advance(LONGEST)
    for user, side in exchange.phones.items():
        for call_id in list(side.agent.calls):
            exchange.do(user, HangUp(call_id))
    exchange.advance(140)


def check(exchange: Exchange) -> None:
    for user, side in exchange.phones.items():
        assert exchange.leftovers(user) == {}
        _check_calls(side)
        _check_media(side)


def _check_calls(side: Side) -> None:
    begun = {event.call_id for event in side.of(CallStarted)} | {event.call_id for event in side.of(IncomingCall)}
    assert sorted(event.call_id for event in side.of(CallEnded)) == sorted(begun)
    over: set[str] = set()
    for event in side.events:
        if isinstance(event, CallEnded):
            over.add(event.call_id)
        elif isinstance(event, (TransferEnded, TransferProgressed, TransferRequested, HoldChanged)):
            assert event.call_id not in over, "CallEnded is the last event of a call"


def _check_media(side: Side) -> None:
    started = [action.media_id for action in side.media if isinstance(action, StartMedia)]
    stopped = [action.media_id for action in side.media if isinstance(action, StopMedia)]
    assert len(started) == len(set(started))
    assert len(stopped) == len(set(stopped))
    assert set(started) <= set(stopped)
    for action in side.media:
        if isinstance(action, (StartMedia, UpdateMedia)):
            assert not isinstance(action.media.security, ClearMedia)


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_any_single_mishap_ends_well(flow: Callable[[Exchange], None], fate: str) -> None:
    _, messages = play(flow, fate, 0)
    assert messages >= 12
    for number in range(1, messages + 1):
        exchange, _ = play(flow, fate, number)
        end_everything(exchange)
        check(exchange)
        assert len(exchange.phones["bob"].of(TransferRequested)) <= 1


@pytest.mark.parametrize("flow", [blind, attended], ids=lambda flow: flow.__name__)
def test_whatever_is_lost_bob_talks_to_somebody_once_his_call_was_up(flow: Callable[[Exchange], None]) -> None:
    """A transfer that was accepted and then got stuck leaves the old call or the new one, never neither."""
    exchange, messages = play(flow, "lost", 0)
    begins = next(number for number, (_, line) in enumerate(exchange.passed, 1) if line.startswith("REFER"))
    for number in range(begins, messages + 1):
        exchange, _ = play(flow, "lost", number)
        _, lost = exchange.passed[number - 1]
        if "ACK " in lost or "BYE " in lost:
            continue  # of the new call it ends that; a BYE is given up after 32 s
        exchange.advance(60)
        assert talking(exchange)["bob"], f"message {number}, {lost}"


def test_a_blind_transfer_ends_with_the_right_two_talking() -> None:
    exchange, _ = play(blind, "lost", 0)
    exchange.advance(2)
    assert {user: len(calls) for user, calls in talking(exchange).items()} == {"alice": 0, "bob": 1, "carol": 1}
    alice = exchange.phones["alice"]
    assert [event.failure for event in alice.of(TransferEnded)] == [None]
    assert [event.status for event in alice.of(TransferProgressed)] == [100, 100, 180, 200]
    lines = [f"{to}: {line.removeprefix('SIP/2.0 ')}" for to, line in exchange.passed]
    start = next(number for number, line in enumerate(lines) if "REFER" in line)
    print("\n".join(lines[start:]))


def test_an_attended_transfer_ends_with_the_right_two_talking_and_nobody_rings() -> None:
    exchange, _ = play(attended, "lost", 0)
    exchange.advance(2)
    assert {user: len(calls) for user, calls in talking(exchange).items()} == {"alice": 0, "bob": 1, "carol": 1}
    carol = exchange.phones["carol"]
    first, second = carol.of(IncomingCall)
    assert second.replaces == first.call_id
    assert [event.call_id for event in carol.of(CallEnded)] == [first.call_id]
    media = [
        action.media for side in exchange.phones.values() for action in side.media if isinstance(action, StartMedia)
    ]
    keys = [one.security.send.material.reveal() for one in media if isinstance(one.security, SrtpSecurity)]
    assert len(set(keys)) == len(media) == 6, "a transfer has keys of its own (security.md)"


def test_a_declined_transfer_comes_back_and_a_busy_target_too() -> None:
    for flow in (refused, blind_to_who_declines):
        exchange, _ = play(flow, "lost", 0)
        exchange.advance(5)
        assert {user: len(calls) for user, calls in talking(exchange).items()} == {"alice": 1, "bob": 1, "carol": 0}
        (ended,) = exchange.phones["alice"].of(TransferEnded)
        assert ended.failure is not None
        assert not exchange.phones["alice"].of(HoldChanged)[-1].held_by_us
        assert not exchange.phones["bob"].of(HoldChanged)[-1].held_by_peer


def test_both_transfer_at_the_same_moment_and_both_come_back() -> None:
    """Glare: 491 both ways."""
    exchange = Exchange("alice", "bob", "carol")
    bobs = call(exchange, "c", "bob")
    assert bobs is not None
    crossing: list[tuple[str, bytes]] = []
    exchange.deliver = lambda to, data: crossing.append((to, data)) if data.startswith(b"REFER") else data
    exchange.do("alice", Transfer("c", "carol"))
    exchange.do("bob", Transfer(bobs, "carol"))
    exchange.advance(6)
    assert [to for to, _ in crossing] == ["bob", "alice"]
    exchange.deliver = lambda to, data: data
    for to, data in crossing:
        exchange.keep_back(to, data, 0.1)
    exchange.advance(15)
    for user in ("alice", "bob"):
        (ended,) = exchange.phones[user].of(TransferEnded)
        assert ended.failure is not None
        assert ended.failure.status == 491
        assert not exchange.phones[user].of(HoldChanged)[-1].held_by_us
    end_everything(exchange)
    check(exchange)


def test_both_hang_up_in_the_middle_of_it() -> None:
    exchange = Exchange("alice", "bob", "carol")
    bobs = call(exchange, "c", "bob")
    assert bobs is not None
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(1)
    accept(exchange, bobs)
    held_back: list[tuple[str, bytes]] = []
    exchange.deliver = lambda to, data: held_back.append((to, data)) if data.startswith(b"BYE") else data
    exchange.do("alice", HangUp("c"))
    exchange.do("bob", HangUp(bobs))
    assert sorted(to for to, _ in held_back) == ["alice", "bob"]
    exchange.deliver = lambda to, data: data
    for to, data in held_back:
        exchange.keep_back(to, data, 0.1)
    exchange.advance(1)
    answer(exchange, "carol")
    assert len(talking(exchange)["carol"]) == 1, "the new call does not care"
    end_everything(exchange)
    check(exchange)


def test_both_legs_may_end_at_the_same_phone() -> None:
    """It is asked to connect its two calls with each other, and all comes to an end with the last BYE."""
    exchange = Exchange("alice", "bob", "carol")
    bobs = call(exchange, "c", "bob")
    assert bobs is not None
    call(exchange, "d", "bob")
    exchange.do("alice", TransferTo("c", "d"))
    exchange.advance(6)
    accept(exchange, bobs)
    exchange.advance(15)
    assert talking(exchange)["alice"] == []
    assert [event.failure for event in exchange.phones["alice"].of(TransferEnded)] == [None]
    end_everything(exchange)
    check(exchange)


def test_a_target_that_cannot_encrypt_is_not_talked_to_and_the_call_comes_back() -> None:
    clear = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
    exchange = Exchange("alice", "bob", "carol", policies={"carol": clear})
    bobs = call(exchange, "c", "bob")
    assert bobs is not None
    exchange.do("alice", Transfer("c", "carol"))
    exchange.advance(1)
    accept(exchange, bobs)
    exchange.advance(5)
    assert {user: len(calls) for user, calls in talking(exchange).items()} == {"alice": 1, "bob": 1, "carol": 0}
    (ended,) = exchange.phones["alice"].of(TransferEnded)
    assert ended.failure is not None
    assert ended.failure.status == 488
    assert len(exchange.phones["bob"].of(CallEstablished)) == 1
