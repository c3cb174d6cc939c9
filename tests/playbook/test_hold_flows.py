"""The hold flows of RFC 5359 §2.1 and RFC 6337 §5.3, played message by message from the other side's end."""

from __future__ import annotations

import pytest

from softphone.sdp.negotiated import Direction
from softphone.ua.actions import SetMuted, UpdateMedia
from softphone.ua.commands import Hold, Resume
from softphone.ua.events import CallEnded, HoldChanged
from tests.playbook.stage import BOB
from tests.playbook.test_update import UPDATE_TOO, Talk


def answered(talk: Talk, direction: Direction = Direction.SENDRECV) -> None:
    request = talk.stage.last("INVITE")
    talk.theirs.receive_offer(request.body)
    talk.stage.reply(request, 200, BOB, body=talk.theirs.create_answer(direction))


def acknowledged(talk: Talk) -> bytes:
    """Their re-INVITE is acknowledged; our answer to it."""
    answer = talk.stage.last_response(200).body
    talk.theirs.receive_answer(answer)
    talk.stage.say(talk.stage.from_callee(talk.invite, "ACK", talk.number))
    return answer


def held(talk: Talk) -> tuple[bool, bool]:
    changed = talk.stage.of(HoldChanged)[-1]
    return changed.held_by_us, changed.held_by_peer


def test_call_hold_of_rfc_5359() -> None:
    """§2.1: INVITE with sendonly, 200 with recvonly, ACK; INVITE with sendrecv, 200, ACK."""
    talk = Talk()
    talk.say("INVITE", talk.theirs.create_offer(Direction.SENDONLY))
    assert talk.stage.heard() == ["200 to INVITE"]
    assert b"a=recvonly" in acknowledged(talk)
    assert held(talk) == (False, True)
    talk.say("INVITE", talk.theirs.create_offer())
    assert b"a=recvonly" not in acknowledged(talk)
    assert held(talk) == (False, False)
    assert talk.stage.of(CallEnded) == []


def test_who_is_held_holds_and_both_resume_in_turn() -> None:
    """RFC 6337 §5.3: each side says what it wants itself; the answer gives what is left of it."""
    talk = Talk()
    talk.say("INVITE", talk.theirs.create_offer(Direction.SENDONLY))
    acknowledged(talk)
    talk.stage.do(Hold("c"))
    assert b"a=sendonly" in talk.stage.last("INVITE").body
    answered(talk, Direction.INACTIVE)
    assert held(talk) == (True, True)
    assert talk.stage.did(UpdateMedia)[-1].media.direction is Direction.INACTIVE
    talk.say("INVITE", talk.theirs.create_offer())  # they resume: what is left is our hold
    assert b"a=sendonly" in acknowledged(talk)
    assert held(talk) == (True, False)
    talk.stage.do(Resume("c"))
    answered(talk)
    assert held(talk) == (False, False)
    assert [action.muted for action in talk.stage.did(SetMuted)] == [True, False]


def test_the_held_side_may_hear_music() -> None:
    """RFC 5359 §2.3: the holding side goes on sending; who is held plays it and sends nothing."""
    talk = Talk()
    talk.say("INVITE", talk.theirs.create_offer(Direction.SENDONLY))
    acknowledged(talk)
    media = talk.stage.did(UpdateMedia)[-1].media
    assert (media.direction.sends, media.direction.receives) == (False, True)


def test_hold_by_an_offer_of_ours_in_the_2xx() -> None:
    """An INVITE without SDP while we hold: our offer says that we do, and their answer comes with the ACK."""
    talk = Talk()
    talk.stage.do(Hold("c"))
    answered(talk)
    talk.say("INVITE")
    offer = talk.stage.last_response(200).body
    assert b"a=sendonly" in offer
    talk.theirs.receive_offer(offer)
    answer = talk.theirs.create_answer()
    talk.stage.say(talk.stage.from_callee(talk.invite, "ACK", talk.number, answer))
    assert held(talk) == (True, False)
    assert talk.stage.of(CallEnded) == []


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_finds_no_dialog_ends_the_call(status: int) -> None:
    talk = Talk(("Session-Expires", "1800;refresher=uac"), UPDATE_TOO)
    for _ in range(901):
        talk.stage.wait(1)
        if "UPDATE" in talk.stage.heard():
            break
    talk.stage.reply(talk.stage.last("UPDATE"), status)
    assert talk.stage.heard()[-1] == "BYE"
    assert f"cause={status}" in (talk.stage.last("BYE").headers.get("Reason") or "")
    assert talk.stage.ended.failure is not None
