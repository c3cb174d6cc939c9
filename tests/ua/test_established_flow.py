"""Thousands of random and mutated messages leave the phone registered and its memory flat."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softphone.ua.events import RegistrationState
from tests.fuzz.established_flow import Attack
from tests.fuzz.talking_phone import TalkAttack
from tests.fuzz.watching_phone import EventAttack
from tests.playbook.stage import Stage


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_mutated_messages(seed: int) -> None:
    Attack(seed).run(1000)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_mutated_messages_to_a_phone_that_watches_lines(seed: int) -> None:
    EventAttack(seed).run(1000)


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_messages_to_a_phone_in_the_middle_of_everything(seed: int) -> None:
    TalkAttack(seed).run(1000)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(1, 30))
def test_any_few_mutated_messages(seed: int, messages: int) -> None:
    Attack(seed).run(messages)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_random_octets_never_raise_and_the_phone_registers_again(chunks: list[bytes]) -> None:
    stage = Stage().registered()
    for chunk in chunks:
        if stage.flow_id:
            stage.say(chunk)
    if stage.flow_id:
        stage.say(b"\x00")  # whatever was begun ends here
        if stage.flow_id:
            assert stage.registration.state is RegistrationState.REGISTERED
            return
    stage.wait(2)
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact))
    assert stage.registration.state is RegistrationState.REGISTERED
