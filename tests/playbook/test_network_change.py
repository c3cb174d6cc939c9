"""The network changes, or the machine has slept: flows, registrations, calls (security.md "after a failure").

The real thing, in network namespaces, is tests/network.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.ua.actions import CloseFlow, OpenFlow, RebindMedia, StartMedia
from softphone.ua.commands import RemoveAccount
from softphone.ua.events import CallEnded, EndedBy, RegistrationChanged, RegistrationState
from softphone.ua.inputs import FlowOpened, MediaInterrupted, MediaOpened, NetworkChanged
from tests.playbook.stage import BOB, FLOW, Stage

PING, PONG = b"\r\n\r\n", b"\r\n"
MOVED = replace(FLOW, local_address="192.0.2.77", local_port=41000)


def ponging(expires: int = 100_000) -> Stage:
    """Registered with a server of which it is known that it answers pings."""
    stage = Stage().registered(expires)
    while PING not in stage.raw:
        stage.wait(1)
    stage.say(PONG)
    stage.heard()
    stage.raw.clear()
    return stage


def accept(stage: Stage) -> None:
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=3600"))


def states(stage: Stage) -> list[RegistrationState]:
    return [event.state for event in stage.of(RegistrationChanged)]


def test_a_flow_whose_address_is_gone_is_replaced_at_once_and_registered_there() -> None:
    stage = ponging()
    gone, stage.flow = stage.flow_id, MOVED
    stage.give(NetworkChanged(lost=(gone,)))
    assert [action.flow_id for action in stage.did(CloseFlow)] == [gone]
    assert stage.flow_id != gone
    assert PING not in stage.raw  # nothing is asked of the dead
    assert stage.heard() == ["REGISTER"]
    assert "192.0.2.77:41000" in stage.last("REGISTER").headers.get_all("Contact")[0]
    accept(stage)
    assert states(stage)[-3:] == [
        RegistrationState.CONNECTING,
        RegistrationState.REGISTERING,
        RegistrationState.REGISTERED,
    ]
    assert stage.opened_at[-1] == stage.now


def test_the_flow_of_another_account_is_left_alone() -> None:
    stage = ponging()
    stage.give(NetworkChanged(lost=("another",)))
    assert stage.did(CloseFlow) == []
    assert stage.raw == [PING]


def test_a_flow_that_may_live_is_asked_and_kept_if_it_answers() -> None:
    stage = ponging()
    stage.give(NetworkChanged())
    assert stage.raw == [PING]
    stage.wait(2.9)
    stage.say(PONG)
    stage.wait(60)
    assert stage.did(CloseFlow) == []
    assert stage.heard() == []


def test_a_flow_that_does_not_answer_after_a_change_is_replaced_after_three_seconds() -> None:
    stage = ponging()
    stage.give(NetworkChanged())
    stage.wait(2.9)
    assert stage.did(CloseFlow) == []
    stage.wait(0.2)
    assert len(stage.did(CloseFlow)) == 1
    assert stage.heard() == ["REGISTER"]
    failure = next(event.failure for event in reversed(stage.of(RegistrationChanged)) if event.failure)
    assert failure.kind is FailureKind.CONNECTION_LOST


def test_whatever_the_server_says_shows_that_the_flow_lives() -> None:
    stage = ponging()
    stage.give(NetworkChanged())
    stage.say(stage.request("OPTIONS"))
    stage.wait(10)
    assert stage.did(CloseFlow) == []


def test_a_ping_that_is_on_its_way_when_the_network_changes_has_no_longer_than_a_new_one() -> None:
    stage = ponging()
    while PING not in stage.raw:
        stage.wait(0.5)
    stage.wait(0.5)
    stage.give(NetworkChanged())
    assert stage.raw == [PING]
    stage.wait(3.1)
    assert len(stage.did(CloseFlow)) == 1


def test_a_server_that_never_ponged_has_to_answer_the_registration_instead() -> None:
    stage = Stage().registered()
    stage.give(NetworkChanged())
    assert stage.heard() == ["REGISTER"]
    stage.wait(3.1)
    assert len(stage.did(CloseFlow)) == 1
    assert stage.heard() == ["REGISTER"]


def test_a_refresh_that_falls_into_silence_finds_the_dead_flow_after_five_seconds() -> None:
    stage = Stage().registered(1000)  # refreshed half-way; the server has never ponged
    while "REGISTER" not in stage.heard():
        stage.wait(1)
    assert PING in stage.raw[-2:]
    stage.wait(3.9)
    assert stage.did(CloseFlow) == []
    stage.wait(1.2)
    assert len(stage.did(CloseFlow)) == 1
    assert stage.heard() == ["REGISTER"]
    accept(stage)
    assert stage.registration.state is RegistrationState.REGISTERED


def test_a_refresh_that_is_answered_has_cost_a_ping_and_nothing_else() -> None:
    stage = Stage().registered(1000)
    while "REGISTER" not in stage.heard():
        stage.wait(1)
    accept(stage)
    stage.wait(60)
    assert stage.did(CloseFlow) == []
    assert stage.raw.count(PING) <= 6


def test_without_a_registration_a_server_that_never_ponged_is_not_judged() -> None:
    stage = Stage(register=False).start()
    stage.give(NetworkChanged())
    stage.wait(60)
    assert stage.did(CloseFlow) == []


def test_awake_again_the_registration_is_refreshed_at_once() -> None:
    stage = ponging()
    stage.now += 3000  # nothing ran meanwhile
    stage.give(NetworkChanged(woke=True))
    assert stage.raw[0] == PING
    assert stage.heard() == ["REGISTER"]
    accept(stage)
    assert stage.registration.state is RegistrationState.REGISTERED
    assert stage.did(CloseFlow) == []


def test_awake_again_on_a_dead_flow_it_is_replaced() -> None:
    stage = ponging()
    stage.give(NetworkChanged(woke=True))
    assert stage.heard() == ["REGISTER"]
    stage.wait(3.1)
    assert stage.heard() == ["REGISTER"]
    accept(stage)
    assert stage.registration.state is RegistrationState.REGISTERED
    assert stage.leftovers() == {}


def test_who_waits_tries_at_once_and_waits_as_briefly_as_at_first_if_that_fails() -> None:
    stage = ponging()
    stage.reachable = False
    stage.cut()
    stage.wait(300)  # the patient part of the back-off
    waiting = stage.registration.retry_in_s
    assert waiting is not None
    assert waiting > 10
    before = len(stage.opened_at)
    stage.give(NetworkChanged())
    assert len(stage.opened_at) == before + 1
    again = stage.registration.retry_in_s
    assert again is not None
    assert again <= 1.0


def test_a_registration_that_waits_on_a_living_flow_tries_at_once() -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 503, ("Retry-After", "600"))
    assert stage.registration.state is RegistrationState.WAITING
    stage.heard()
    stage.give(NetworkChanged())
    assert stage.heard() == ["REGISTER"]


@pytest.mark.parametrize(("age", "attempts"), [(0.2, 1), (0.6, 2)])
def test_an_attempt_from_before_the_change_is_begun_anew_unless_it_is_very_young(age: float, attempts: int) -> None:
    stage = Stage()
    stage.reachable = None
    stage.start()
    stage.wait(age)
    stage.give(NetworkChanged())
    opened = stage.did(OpenFlow)
    assert len(opened) == attempts
    assert [action.flow_id for action in stage.did(CloseFlow)] == [action.flow_id for action in opened[:-1]]
    assert stage.registration.state is RegistrationState.CONNECTING
    stage.flow_id = opened[-1].flow_id
    stage.give(FlowOpened(stage.flow_id, FLOW))
    assert stage.heard() == ["REGISTER"]


def test_an_attempt_that_took_long_is_followed_soon_by_the_next() -> None:
    """A server that does not answer has had its pause: the time of the attempt counts (RFC 5626 §4.5's delay)."""
    stage = Stage()
    stage.reachable = False
    stage.start()
    stage.wait(20)  # delays of 2.5 to 5 s by now
    stage.reachable = None
    attempts = len(stage.opened_at)
    while len(stage.opened_at) == attempts:
        stage.wait(0.1)
    stage.wait(10)
    stage.flow_id = stage.did(OpenFlow)[-1].flow_id
    stage.cut()
    assert stage.registration.retry_in_s == 0.5


def test_an_account_that_was_taken_away_does_not_come_back() -> None:
    stage = ponging()
    stage.do(RemoveAccount(stage.account.id))
    opened = len(stage.did(OpenFlow))
    stage.give(NetworkChanged(woke=True))
    stage.wait(60)
    assert len(stage.did(OpenFlow)) == opened


# Calls


def in_call() -> Stage:
    stage = ponging()
    stage.in_call()
    stage.heard()
    return stage


def test_a_call_moves_with_its_account_to_the_new_address() -> None:
    stage = in_call()
    stage.flow = MOVED
    stage.give(NetworkChanged(lost=(stage.flow_id,)))
    (moved,) = stage.did(RebindMedia)
    assert moved.flow_id == stage.flow_id
    assert stage.heard() == ["REGISTER"]
    stage.give(MediaOpened(moved.media_id, "192.0.2.77", 22000, 22001))
    assert stage.heard() == ["INVITE"]
    assert b"c=IN IP4 192.0.2.77" in stage.last("INVITE").body
    assert stage.of(CallEnded) == []


def test_a_server_that_no_longer_knows_the_call_ends_it_in_words() -> None:
    stage = in_call()
    stage.give(NetworkChanged(lost=(stage.flow_id,)))
    assert sorted(stage.heard()) == ["INVITE", "REGISTER"]
    stage.reply(stage.last("INVITE"), 481)
    assert stage.ended.failure is not None
    assert "no longer knows this call" in stage.ended.failure.reason
    assert stage.ended.failure.remedy


def test_a_call_that_was_being_set_up_on_the_lost_flow_fails_with_the_reason() -> None:
    stage = ponging()
    stage.reply(stage.dial(), 180, BOB)
    stage.give(NetworkChanged(lost=(stage.flow_id,)))
    assert stage.ended.ended_by is EndedBy.NETWORK
    assert stage.ended.failure is not None
    assert "lost" in stage.ended.failure.reason
    assert stage.registration.state is not RegistrationState.WAITING


def test_a_call_that_rings_here_on_the_lost_flow_is_over() -> None:
    stage = ponging()
    stage.rings()
    stage.give(NetworkChanged(lost=(stage.flow_id,)))
    assert stage.ended.ended_by is EndedBy.NETWORK


def test_a_call_whose_packets_stop_makes_its_flow_suspect() -> None:
    stage = in_call()
    (media,) = stage.did(StartMedia)
    stage.raw.clear()
    stage.give(MediaInterrupted(media.media_id))
    assert stage.raw == [PING]
    stage.say(PONG)
    stage.wait(10)
    assert stage.did(CloseFlow) == []

    stage.give(MediaInterrupted(media.media_id, over=True))
    stage.give(MediaInterrupted(media.media_id))
    stage.wait(3.1)
    assert len(stage.did(CloseFlow)) == 1
    assert sorted(stage.heard()) == ["INVITE", "REGISTER"]
    assert stage.of(CallEnded) == []


def test_packets_that_come_again_show_that_the_network_is_back() -> None:
    stage = in_call()
    (media,) = stage.did(StartMedia)
    stage.reachable = False
    stage.cut()
    stage.wait(30)
    stage.reachable = True
    attempts = len(stage.opened_at)
    assert stage.flow_id == ""
    stage.give(MediaInterrupted(media.media_id, over=True))
    assert len(stage.opened_at) == attempts + 1
    assert sorted(stage.heard()) == ["INVITE", "REGISTER"]
