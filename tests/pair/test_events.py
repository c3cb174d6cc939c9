"""Subscriptions and messages under the loss, doubling and delay of each message in turn: both ends agree in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from softphone.sip.header_values import call_id, from_addr, to_addr
from softphone.sip.message import Response
from softphone.sip.parser import parse_message
from softphone.ua.account import WatchedLine
from softphone.ua.commands import Dial, PickUp, SendInstantMessage, Unregister
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    DeliveryState,
    IncomingCall,
    LineState,
    LineStateChanged,
    MessageDelivery,
    MessageReceived,
    RegistrationChanged,
    RegistrationState,
)
from tests.pair.joined import Joined
from tests.pair.notifier import Notifier
from tests.pair.test_adversity import FATES, end_everything, leftovers

REFRESHED = 2 * 3700.0  # s: what a lost NOTIFY hid is known after the next refresh


def watching() -> tuple[Joined, Notifier]:
    joined = Joined()
    joined.account = replace(joined.account, watched=(WatchedLine("bob"),))
    return joined, Notifier(joined)


def with_fate(joined: Joined, fate: str, number: int) -> Callable[[], int]:
    """Has the message of that number meet its fate; returns how many there were."""
    count = 0

    def deliver(from_phone: bool, data: bytes) -> bytes | None:
        nonlocal count
        if not data.strip():
            return data
        count += 1
        return FATES[fate](joined, from_phone, data) if count == number else data

    joined.deliver = deliver
    return lambda: count


def lamp(joined: Joined) -> LineState:
    return joined.phone.of(LineStateChanged)[-1].state


def a_call_comes_and_goes(joined: Joined, notifier: Notifier) -> None:
    for state in ("early", "confirmed", "terminated", "early"):
        joined.advance(1)
        notifier.set_call(state)
    joined.advance(1)


def play(fate: str, number: int) -> tuple[Joined, Notifier, int]:
    joined, notifier = watching()
    counted = with_fate(joined, fate, number)
    joined.start()
    a_call_comes_and_goes(joined, notifier)
    return joined, notifier, counted()


@pytest.mark.parametrize("fate", FATES)
def test_the_lamp_shows_the_truth_in_the_end(fate: str) -> None:
    _, _, messages = play(fate, 0)
    assert messages >= 12
    for number in range(1, messages + 1):
        joined, notifier, _ = play(fate, number)
        joined.advance(REFRESHED)
        assert joined.phone.of(RegistrationChanged)[-1].state is RegistrationState.REGISTERED
        assert lamp(joined) is LineState.RINGING, number
        assert len(notifier.watchers) <= 2, number  # one that was lost on the way ends by itself
        notifier.set_call("terminated")
        joined.advance(REFRESHED)
        assert lamp(joined) is LineState.IDLE, number
        joined.advance(100)
        joined.do(joined.phone, Unregister("a"))
        joined.advance(140)
        assert lamp(joined) is LineState.UNKNOWN
        assert leftovers(joined.phone) == {}


@pytest.mark.parametrize("fate", FATES)
def test_an_end_that_meets_its_fate_leaves_nothing(fate: str) -> None:
    for number in range(1, 8):
        joined, notifier = watching()
        joined.start()
        joined.advance(1)
        with_fate(joined, fate, number)
        joined.do(joined.phone, Unregister("a"))
        joined.advance(140)
        assert leftovers(joined.phone) == {}
        assert not joined.phone.agent.subscriptions.leaving
        assert joined.phone.agent.subscriptions.next_timer() is None
        assert notifier.watchers == {} or (fate, number) == ("lost", 1)  # ends there by time


def test_a_flow_cut_at_any_moment_is_carried_on() -> None:
    for number in range(1, 13):
        joined, notifier = watching()
        count = 0

        def deliver(from_phone: bool, data: bytes, joined: Joined = joined, number: int = number) -> bytes | None:
            nonlocal count
            del from_phone
            count += bool(data.strip())
            if count == number and data.strip():
                count += 1
                joined.cut()
                return None
            return data

        joined.deliver = deliver
        joined.start()
        a_call_comes_and_goes(joined, notifier)
        joined.advance(REFRESHED)
        assert lamp(joined) is LineState.RINGING, number


# Messages


def write(fate: str, number: int) -> tuple[Joined, int]:
    joined = Joined()
    joined.start()
    joined.advance(1)
    counted = with_fate(joined, fate, number)
    for text in "12":
        joined.do(joined.phone, SendInstantMessage(text, "bob", text))
    joined.advance(1)
    return joined, counted()


@pytest.mark.parametrize("fate", FATES)
def test_no_message_is_doubled_and_none_is_said_to_be_delivered_that_was_not(fate: str) -> None:
    _, messages = write(fate, 0)
    assert messages == 4
    for number in range(1, messages + 1):
        joined, _ = write(fate, number)
        joined.advance(140)
        came = [event.text for event in joined.peer.of(MessageReceived)]
        assert len(came) == len(set(came)), number
        ends = {event.message_id: event.state for event in joined.phone.of(MessageDelivery)}
        assert set(ends.values()) <= {DeliveryState.DELIVERED, DeliveryState.FAILED}
        for message_id, state in ends.items():
            assert state is DeliveryState.FAILED or message_id in came
        assert leftovers(joined.phone) == leftovers(joined.peer) == {}


# Pickup


def test_a_call_is_picked_up_at_its_caller() -> None:
    """Both ends are ours: the peer's call rings at the phone, which takes it by the lamp and not by its key."""
    joined, notifier = watching()
    joined.start()
    joined.advance(1)
    joined.do(joined.peer, Dial("c1", "alice"))
    joined.advance(1)
    ring = next(m for m in map(parse_message, reversed(joined.phone.sent)) if isinstance(m, Response))
    assert ring.status == 180
    notifier.set_dialog(
        f'<dialog id="1" call-id="{call_id(ring)}" local-tag="{to_addr(ring).tag}" remote-tag="{from_addr(ring).tag}"'
        ' direction="recipient"><state>early</state><remote><target uri="sip:server@lab.test"/></remote></dialog>'
    )
    joined.do(joined.phone, PickUp("p", "a", "bob"))
    joined.advance(1)
    (established,) = joined.phone.of(CallEstablished)
    assert established.call_id == "p"
    assert len(joined.peer.of(CallEstablished)) == 1
    (first,) = joined.phone.of(CallEnded)
    assert first.call_id == joined.phone.of(IncomingCall)[0].call_id  # it was cancelled
    end_everything(joined)
    assert leftovers(joined.phone) == leftovers(joined.peer) == {}
