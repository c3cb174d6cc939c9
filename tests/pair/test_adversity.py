"""Each message of each flow is lost, doubled and delayed in turn: both ends still come to their end, and keep nothing.

TLS keeps the order within a flow, but servers between two phones drop, repeat and delay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from softphone.sdp.negotiated import ClearMedia
from softphone.ua.actions import StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import Answer, Decline, Dial, HangUp, Hold, Resume, StartEarlyMedia, Unregister
from softphone.ua.events import CallEnded, CallStarted, IncomingCall, RegistrationChanged, RegistrationState
from tests.pair.joined import Joined, Side

LONGEST = 140.0  # s: INVITE transaction, CANCEL and BYE one after the other, with room


def dial(joined: Joined) -> str | None:
    joined.do(joined.phone, Dial("c1", "bob"))
    joined.advance(5)
    return joined.peer.of(IncomingCall)[0].call_id if joined.peer.of(IncomingCall) else None


def register(joined: Joined) -> None:
    joined.advance(1)


def unregister(joined: Joined) -> None:
    joined.do(joined.phone, Unregister("a"))
    joined.advance(1)


def call(joined: Joined) -> str | None:
    call_id = dial(joined)
    if call_id is not None:
        joined.do(joined.peer, Answer(call_id))
    joined.advance(5)
    return call_id


def hung_up_by_the_caller(joined: Joined) -> None:
    call(joined)
    joined.do(joined.phone, HangUp("c1"))
    joined.advance(1)


def hung_up_by_the_callee(joined: Joined) -> None:
    call_id = call(joined)
    if call_id is not None:
        joined.do(joined.peer, HangUp(call_id))
    joined.advance(1)


def hung_up_by_the_callee_at_once(joined: Joined) -> None:
    call_id = dial(joined)
    if call_id is not None:
        joined.do(joined.peer, Answer(call_id))
        joined.do(joined.peer, HangUp(call_id))
    joined.advance(1)


def early_media(joined: Joined) -> None:
    call_id = dial(joined)
    if call_id is not None:
        joined.do(joined.peer, StartEarlyMedia(call_id))
        joined.advance(1)
        joined.do(joined.peer, Answer(call_id))
    joined.advance(1)


def cancelled(joined: Joined) -> None:
    dial(joined)
    joined.do(joined.phone, HangUp("c1"))
    joined.advance(1)


def declined(joined: Joined) -> None:
    call_id = dial(joined)
    if call_id is not None:
        joined.do(joined.peer, Decline(call_id))
    joined.advance(1)


def held_and_resumed(joined: Joined) -> None:
    call_id = call(joined)
    joined.do(joined.phone, Hold("c1"))
    joined.advance(2)
    joined.do(joined.phone, Resume("c1"))
    if call_id is not None:
        joined.do(joined.peer, Hold(call_id))
    joined.advance(2)


FLOWS = (
    register,
    unregister,
    hung_up_by_the_caller,
    hung_up_by_the_callee,
    hung_up_by_the_callee_at_once,
    early_media,
    cancelled,
    declined,
    held_and_resumed,
)
FATES: dict[str, Callable[[Joined, bool, bytes], bytes | None]] = {
    "lost": lambda joined, from_phone, data: None,
    "doubled": lambda joined, from_phone, data: data + data,
    "repeated after 10 s": lambda joined, from_phone, data: joined.repeat(from_phone, data, 10.0),
    "delayed by 0.3 s": lambda joined, from_phone, data: joined.keep_back(from_phone, data, 0.3),
    "delayed by 3 s": lambda joined, from_phone, data: joined.keep_back(from_phone, data, 3.0),
    "delayed by 20 s": lambda joined, from_phone, data: joined.keep_back(from_phone, data, 20.0),
}


def play(flow: Callable[[Joined], object], fate: str, number: int) -> tuple[Joined, int]:
    """The joined agents after the flow, and how many messages there were."""
    joined = Joined()
    count = 0

    def deliver(from_phone: bool, data: bytes) -> bytes | None:
        nonlocal count
        if not data.strip():
            return data
        count += 1
        return FATES[fate](joined, from_phone, data) if count == number else data

    joined.deliver = deliver
    joined.start()
    flow(joined)
    return joined, count


def end_everything(joined: Joined) -> None:
    """A lost BYE leaves the other end talking: whoever is there hangs up."""
    joined.advance(40)
    for side in (joined.phone, joined.peer):
        for call_id in list(side.agent.calls):
            joined.do(side, HangUp(call_id))
    joined.advance(LONGEST)


def leftovers(side: Side) -> dict[str, int]:
    agent: Any = side.agent
    layer = agent._layer
    counts = {
        "calls": len(agent.calls),
        "handlers": len(agent._handlers),
        "clients": len(layer._clients),
        "servers": len(layer._servers),
    }
    return {name: count for name, count in counts.items() if count}


def check(joined: Joined) -> None:
    for side in (joined.phone, joined.peer):
        assert leftovers(side) == {}
        begun = {event.call_id for event in side.of(CallStarted)} | {event.call_id for event in side.of(IncomingCall)}
        ended = [event.call_id for event in side.of(CallEnded)]
        assert sorted(ended) == sorted(begun)
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
def test_any_single_mishap_ends_well(flow: Callable[[Joined], object], fate: str) -> None:
    _, messages = play(flow, fate, 0)
    assert messages >= 2
    for number in range(1, messages + 1):
        joined, _ = play(flow, fate, number)
        end_everything(joined)
        check(joined)
        if flow is not unregister:
            assert joined.phone.of(RegistrationChanged)[-1].state is RegistrationState.REGISTERED


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_a_flow_cut_before_any_single_message_ends_well(flow: Callable[[Joined], object]) -> None:
    _, messages = play(flow, "doubled", 0)
    for number in range(1, messages + 1):
        joined = Joined()
        count = 0

        def deliver(from_phone: bool, data: bytes, joined: Joined = joined, number: int = number) -> bytes | None:
            nonlocal count
            count += bool(data.strip())
            if count == number and data.strip():
                count += 1
                joined.cut()
                return None
            return data

        joined.deliver = deliver
        joined.start()
        flow(joined)
        if flow in (hung_up_by_the_caller, hung_up_by_the_callee):
            joined.advance(40)  # a BYE goes over the next flow: nobody is left talking
            assert not joined.phone.agent.calls
            assert not joined.peer.agent.calls
        end_everything(joined)
        check(joined)
