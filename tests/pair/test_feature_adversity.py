"""Digits by INFO, redirections, forwarding, auto-answer, voicemail and pickup with each message lost, doubled, delayed.

Nothing is heard twice, no call is doubled, and nothing is left over at either end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from softphone.sip.header_values import call_id, from_addr, to_addr
from softphone.sip.message import Response
from softphone.sip.parser import parse_message
from softphone.ua.account import CallRules, DigitsMode, Forwarding, WatchedLine
from softphone.ua.commands import Answer, Deflect, Dial, FollowRedirect, HangUp, PickUp, SendDigits
from softphone.ua.events import (
    CallDeflected,
    CallEstablished,
    DigitPressed,
    DigitsSent,
    IncomingCall,
    MessageWaitingChanged,
    RedirectOffered,
)
from tests.pair.joined import Joined, Side
from tests.pair.notifier import Notifier, Voicemail
from tests.pair.test_adversity import FATES, check, end_everything

NUMBER = "12#"


def unregistered(**changes: object) -> Joined:
    """Without registration, whose own messages have tests of their own."""
    pair = Joined()
    pair.account = replace(pair.account, register=False, session_expires=0, **changes)  # type: ignore[arg-type]
    return pair


def with_digits_by_info() -> Joined:
    return unregistered(digits=DigitsMode.INFO)


def with_forwarding() -> Joined:
    return unregistered(rules=CallRules(forwarding=Forwarding(no_answer="carol", no_answer_s=3)))


def with_auto_answer() -> Joined:
    return unregistered(rules=CallRules(auto_answer_from=("@lab.test",)))


def ringing(side: Side) -> str | None:
    """The call that came last, if it still rings."""
    came = side.of(IncomingCall)
    call = side.agent.calls.get(came[-1].call_id) if came else None
    return call.id if call is not None and call.state.name == "RINGING" else None


def answer(pair: Joined) -> None:
    if (call := ringing(pair.peer)) is not None:
        pair.do(pair.peer, Answer(call))
    pair.advance(5)


def digits(pair: Joined) -> None:
    pair.do(pair.phone, Dial("c", "bob"))
    pair.advance(5)
    answer(pair)
    pair.do(pair.phone, SendDigits("c", NUMBER))
    pair.advance(5)


def redirected(pair: Joined) -> None:
    pair.do(pair.phone, Dial("c", "bob"))
    pair.advance(5)
    if (call := ringing(pair.peer)) is not None:
        pair.do(pair.peer, Deflect(call, "sip:carol@lab.test"))
    pair.advance(5)
    if pair.phone.of(RedirectOffered):
        pair.do(pair.phone, FollowRedirect("c"))
    pair.advance(5)
    answer(pair)


def called(pair: Joined, *headers: tuple[str, str]) -> None:
    pair.peer.agent.dial(Dial("p", "sip:alice@lab.test"), pair.now, headers)
    pair.settle()
    pair.advance(6)


def forwarded(pair: Joined) -> None:
    called(pair)
    pair.advance(3)
    if pair.peer.of(RedirectOffered):
        pair.do(pair.peer, HangUp("p"))
    pair.advance(3)


def answered_by_itself(pair: Joined) -> None:
    called(pair, ("Call-Info", "<sip:lab.test>;answer-after=1"))


FLOWS: dict[Callable[[Joined], None], Callable[[], Joined]] = {
    digits: with_digits_by_info,
    redirected: unregistered,
    forwarded: with_forwarding,
    answered_by_itself: with_auto_answer,
}


def play(flow: Callable[[Joined], None], fate: str, number: int) -> tuple[Joined, int]:
    """The joined agents after the flow, and how many messages there were."""
    pair = FLOWS[flow]()
    counted = with_fate(pair, fate, number)
    pair.start(register=False)
    flow(pair)
    return pair, counted()


def with_fate(pair: Joined, fate: str, number: int) -> Callable[[], int]:
    count = 0

    def deliver(from_phone: bool, data: bytes) -> bytes | None:
        nonlocal count
        if not data.strip():
            return data
        count += 1
        return FATES[fate](pair, from_phone, data) if count == number else data

    pair.deliver = deliver
    return lambda: count


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_any_single_mishap_ends_well(flow: Callable[[Joined], None], fate: str) -> None:
    _, messages = play(flow, fate, 0)
    assert messages >= 4
    for number in range(1, messages + 1):
        pair, _ = play(flow, fate, number)
        pair.advance(40)
        here, there = pair.phone.of(CallEstablished), pair.peer.of(CallEstablished)
        assert len(here) <= 1
        assert len(there) <= 1
        pressed = "".join(event.digit for event in pair.peer.of(DigitPressed))
        told = "".join(event.digits for event in pair.phone.of(DigitsSent))
        assert NUMBER.startswith(pressed), "no digit twice, none out of order"
        assert pressed.startswith(told), "what is told as sent has arrived"
        end_everything(pair)
        check(pair)


def test_undisturbed_they_are_what_their_names_say() -> None:
    pair, _ = play(digits, "lost", 0)
    assert "".join(event.digit for event in pair.peer.of(DigitPressed)) == NUMBER
    pair, _ = play(redirected, "lost", 0)
    assert [event.called for event in pair.peer.of(IncomingCall)] == ["sip:bob@lab.test", "sip:carol@lab.test"]
    assert len(pair.phone.of(CallEstablished)) == len(pair.peer.of(CallEstablished)) == 1
    pair, _ = play(forwarded, "lost", 0)
    assert [(event.why, event.target) for event in pair.phone.of(CallDeflected)] == [("no-answer", "carol")]
    assert [event.target for event in pair.peer.of(RedirectOffered)] == ["sip:carol@lab.test"]
    pair, _ = play(answered_by_itself, "lost", 0)
    assert [event.auto_answered for event in pair.phone.of(IncomingCall)] == [True]
    assert len(pair.phone.of(CallEstablished)) == len(pair.peer.of(CallEstablished)) == 1


# Voicemail


@pytest.mark.parametrize("fate", FATES)
def test_the_count_of_messages_is_the_truth_in_the_end(fate: str) -> None:
    def listened(number: int) -> tuple[Joined, int]:
        pair = Joined()
        pair.account = replace(pair.account, message_waiting=True)
        voicemail = Voicemail(pair)
        counted = with_fate(pair, fate, number)
        voicemail.set_new(1)
        pair.start()
        for count in (2, 0, 3):
            pair.advance(1)
            voicemail.set_new(count)
        pair.advance(1)
        return pair, counted()

    _, messages = listened(0)
    assert messages >= 12
    for number in range(1, messages + 1):
        pair, _ = listened(number)
        pair.advance(2 * 3700.0)  # what a lost NOTIFY hid is known after the next refresh
        last = pair.phone.of(MessageWaitingChanged)[-1]
        assert (last.waiting, last.new) == (True, 3), number


# Pickup


@pytest.mark.parametrize("fate", FATES)
def test_a_call_is_picked_up_once_or_rings_on(fate: str) -> None:
    def picked_up(number: int) -> tuple[Joined, int]:
        pair = unregistered()
        pair.account = replace(pair.account, register=True, watched=(WatchedLine("bob"),))
        notifier = Notifier(pair)
        pair.start()
        pair.advance(1)
        counted = with_fate(pair, fate, number)
        pair.do(pair.peer, Dial("c", "alice"))
        pair.advance(1)
        rings = [m for m in map(parse_message, pair.phone.sent) if isinstance(m, Response) and m.status == 180]
        if rings:
            ring = rings[-1]
            notifier.set_dialog(
                f'<dialog id="1" call-id="{call_id(ring)}" local-tag="{to_addr(ring).tag}"'
                f' remote-tag="{from_addr(ring).tag}" direction="recipient"><state>early</state>'
                '<remote><target uri="sip:server@lab.test"/></remote></dialog>'
            )
        pair.do(pair.phone, PickUp("p", "a", "bob"))
        pair.advance(5)
        return pair, counted()

    _, messages = picked_up(0)
    assert messages >= 8
    for number in range(1, messages + 1):
        pair, _ = picked_up(number)
        pair.advance(40)
        assert len(pair.peer.of(CallEstablished)) <= 1, number
        end_everything(pair)
        check(pair)
