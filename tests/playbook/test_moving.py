"""A call moves to another address: target refresh and, if it must, media on new sockets (RFC 3261 §12.2.1, §14)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.sdp.negotiated import Direction, SrtpSecurity
from softphone.ua.actions import OpenMedia, RebindMedia, StartMedia, UpdateMedia
from softphone.ua.call import Call
from softphone.ua.commands import Answer, HangUp, Hold
from softphone.ua.events import CallEnded, CallEstablished, CallNotice
from softphone.ua.inputs import MediaOpened
from tests.playbook.stage import BOB, FLOW, Stage, their_session


class Talk:
    """An outgoing call; `move` is what a new flow of the account brings about."""

    def __init__(self) -> None:
        self.stage = Stage(register=False).start()
        self.invite, self.theirs = self.stage.in_call()

    @property
    def call(self) -> Call:
        (call,) = self.stage.agent.calls.values()
        return call

    def to(self, address: str) -> None:
        """The flow has another local address from now on."""
        (session,) = self.stage.agent._accounts.values()
        flow = session.keeper.flow
        assert flow is not None
        session.keeper.flow = replace(flow, description=replace(FLOW, local_address=address))

    def move(self) -> None:
        self.call.move(self.stage.now)
        self.stage.wait(0)
        self.stage.do(HangUp("nobody"))  # lets what was asked for be performed

    def opened(self, address: str, port: int = 22000) -> None:
        media_id = self.stage.did(OpenMedia)[0].media_id
        self.stage.give(MediaOpened(media_id, address, port, port + 1))

    def answer(self) -> None:
        request = self.stage.last("INVITE")
        self.theirs.receive_offer(request.body)
        self.stage.reply(request, 200, BOB, body=self.theirs.create_answer())


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_at_the_same_address_only_the_target_is_refreshed(talk: Talk) -> None:
    talk.move()
    assert talk.stage.did(RebindMedia) == []
    assert talk.stage.heard() == ["INVITE"]
    talk.answer()
    assert talk.stage.of(CallNotice) == []


def test_at_another_address_the_media_is_bound_anew_first(talk: Talk) -> None:
    talk.to("192.0.2.77")
    talk.move()
    assert len(talk.stage.did(RebindMedia)) == 1
    assert talk.stage.heard() == []
    talk.opened("192.0.2.77")
    assert talk.stage.heard() == ["INVITE"]
    invite = talk.stage.last("INVITE")
    assert "192.0.2.77" in (invite.headers.get("Contact") or "")
    assert b"c=IN IP4 192.0.2.77" in invite.body
    assert b"m=audio 22000 " in invite.body


def test_the_keys_stay_so_that_roll_over_counters_go_on(talk: Talk) -> None:
    before = talk.stage.started[0].security
    assert isinstance(before, SrtpSecurity)
    talk.to("192.0.2.77")
    talk.move()
    talk.opened("192.0.2.77")
    talk.answer()
    assert len(talk.stage.did(StartMedia)) == 1
    assert {action.media.security for action in talk.stage.did(UpdateMedia)} <= {before}
    assert {action.media.stream for action in talk.stage.did(UpdateMedia)} <= {0}


def test_a_held_call_stays_held(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.answer()
    talk.stage.heard()
    talk.move()
    assert b"a=sendonly" in talk.stage.last("INVITE").body


def test_while_another_change_is_under_way_it_follows(talk: Talk) -> None:
    talk.stage.do(Hold("c"))
    talk.to("192.0.2.77")
    talk.move()
    talk.opened("192.0.2.77")
    assert talk.stage.heard() == ["INVITE"]
    talk.answer()
    assert talk.stage.heard() == ["ACK", "INVITE"]
    assert b"192.0.2.77" in talk.stage.last("INVITE").body


def test_in_glare_it_is_tried_again(talk: Talk) -> None:
    talk.move()
    talk.stage.reply(talk.stage.last("INVITE"), 491)
    talk.stage.wait(4.1)
    assert talk.stage.heard() == ["INVITE", "ACK", "INVITE"]


def test_a_refusal_is_said_and_the_call_goes_on(talk: Talk) -> None:
    talk.move()
    talk.stage.reply(talk.stage.last("INVITE"), 488)
    assert len(talk.stage.of(CallNotice)) == 1
    assert talk.stage.of(CallEnded) == []


def test_a_flow_that_is_lost_again_leaves_it_to_the_next(talk: Talk) -> None:
    talk.move()
    assert talk.stage.heard() == ["INVITE"]
    talk.stage.cut()
    for _ in range(60):
        talk.stage.wait(1)
        if "INVITE" in talk.stage.heard():
            break
    else:
        pytest.fail("the other side was never told")
    talk.answer()
    talk.stage.wait(60)
    assert talk.stage.of(CallNotice) == []
    assert talk.stage.of(CallEnded) == []


def test_media_that_opens_a_second_time_does_not_answer_again() -> None:
    stage = Stage(register=False).start()
    theirs = their_session()
    call_id = stage.rings(theirs)
    (call,) = stage.agent.calls.values()
    for state in ("ringing", "answered"):
        stage.heard()
        stage.give(MediaOpened(call.media.id, "192.0.2.88", 23000, 23001))
        assert stage.heard() == [], state
        if state == "ringing":
            stage.do(Answer(call_id))
            assert b"192.0.2.88" in stage.last_response(200).body
    assert len(stage.of(CallEstablished)) == 1
    stage.say(stage.in_dialog("ACK", 1))
    assert stage.heard() == ["INVITE"]  # the address of which the 2xx knew nothing
    assert b"23000" in stage.last("INVITE").body


@pytest.mark.parametrize("when", ["ringing there", "ended"])
def test_a_call_that_is_not_answered_or_is_over_does_not_move(when: str) -> None:
    stage = Stage(register=False).start()
    invite = stage.dial()
    (call,) = stage.agent.calls.values()
    if when == "ended":
        theirs = their_session()
        theirs.receive_offer(invite.body)
        stage.reply(invite, 200, BOB, body=theirs.create_answer(Direction.SENDRECV))
        stage.do(HangUp("c"))
    stage.heard()
    call.move(stage.now)
    stage.do(HangUp("nobody"))
    assert stage.heard() == []
