"""Keep-alives of a flow (RFC 5626 §4.4.1) and streams that lose their frame."""

from __future__ import annotations

from softphone.sip.responses import response_to
from softphone.ua.actions import CloseFlow, OpenFlow
from softphone.ua.events import RegistrationState
from tests.playbook.stage import Stage

PING, PONG = b"\r\n\r\n", b"\r\n"


def pings(stage: Stage) -> int:
    return stage.raw.count(PING)


def test_a_quiet_flow_is_pinged_between_80_and_100_percent_of_two_minutes() -> None:
    for seed in range(5):
        stage = Stage(seed=seed).registered()
        stage.wait(95.9)
        assert pings(stage) == 0
        stage.wait(24.2)
        assert pings(stage) == 1


def test_a_server_that_pongs_is_pinged_again_and_again() -> None:
    stage = Stage().registered(100_000)
    for _ in range(10):
        before = pings(stage)
        while pings(stage) == before:
            stage.wait(1)
        stage.say(PONG)
    assert len(stage.did(OpenFlow)) == 1


def test_a_missing_pong_of_a_server_that_used_to_pong_rebuilds_the_flow() -> None:
    stage = Stage().registered()
    stage.wait(121)
    stage.say(PONG)
    while pings(stage) == 1:
        stage.wait(1)
    stage.wait(3.9)
    assert stage.did(CloseFlow) == []
    stage.wait(1.1)
    assert len(stage.did(CloseFlow)) == 1
    assert stage.registration.state is RegistrationState.WAITING
    stage.wait(2)
    assert len(stage.did(OpenFlow)) == 2
    assert stage.leftovers() == {"handlers": 1, "clients": 1}  # the new REGISTER alone


def test_a_server_that_never_pongs_is_not_judged_by_its_silence() -> None:
    stage = Stage().registered(100_000)
    stage.wait(2000)
    assert len(stage.did(OpenFlow)) == 1
    assert pings(stage) > 10


def test_a_ping_of_the_server_gets_a_pong() -> None:
    stage = Stage().registered()
    stage.say(PING)
    assert stage.raw[-1] == PONG


def test_what_is_not_sip_rebuilds_the_flow_and_what_came_before_it_is_heard() -> None:
    stage = Stage().registered()
    stage.say(stage.request("OPTIONS") + b"\x16\x03\x01")
    assert stage.heard() == ["200 to OPTIONS"]
    assert stage.registration.state is RegistrationState.WAITING
    assert stage.registration.failure is not None
    stage.wait(2)
    assert stage.heard() == ["REGISTER"]


def test_a_message_without_length_and_type_leaves_the_flow_as_it_is() -> None:
    stage = Stage().registered()
    stage.say(stage.request("OPTIONS").replace(b"Content-Length: 0\r\n", b""))
    assert stage.heard() == ["200 to OPTIONS"]
    assert len(stage.did(OpenFlow)) == 1


def test_what_follows_the_message_that_ended_the_flow_is_not_heard() -> None:
    stage = Stage().start()
    silent = response_to(stage.last("REGISTER"), 408, to_tag="x")  # the server behind the server is silent
    stage.say(silent.to_bytes() + stage.request("OPTIONS"))
    assert stage.heard() == ["REGISTER"]
    assert stage.leftovers() == {}
