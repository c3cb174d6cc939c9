"""Who is called by sips is told a sips Contact, and so is whoever calls by it (RFC 3261 §8.1.1.8, §12.1.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.sip.message import Message
from softphone.ua.commands import Answer, Hold
from tests.playbook.stage import BOB, Stage, their_session

CONTACT = "<sips:alice@192.0.2.1:40000;transport=tls>"


def contact(message: Message) -> str | None:
    return message.headers.get("Contact")


@pytest.fixture
def stage() -> Stage:
    return Stage(register=False).start()


def test_a_call_to_a_sips_address(stage: Stage) -> None:
    session = their_session()
    invite = stage.dial("sips:bob@lab.test")
    assert contact(invite) == CONTACT
    session.receive_offer(invite.body)
    stage.reply(invite, 200, BOB, body=session.create_answer())
    stage.do(Hold("c"))
    assert contact(stage.last("INVITE")) == CONTACT
    assert str(stage.last("INVITE").uri).startswith("sips:")


def test_a_call_to_a_sip_address_is_told_a_sip_one(stage: Stage) -> None:
    assert contact(stage.dial()) == stage.contact


@pytest.mark.parametrize("uri", ["sips:alice@lab.test", "sips:alice@192.0.2.1:40000;transport=tls"])
def test_a_call_by_sips(stage: Stage, uri: str) -> None:
    stage.say(stage.request("INVITE", uri=uri, body=their_session().create_offer()))
    (call_id,) = stage.agent.calls
    stage.do(Answer(call_id))
    assert [contact(stage.last_response(status)) for status in (180, 200)] == [CONTACT, CONTACT]
    stage.say(stage.in_dialog("ACK", 1))
    stage.say(stage.in_dialog("UPDATE", 2))
    assert contact(stage.last_response(200)) == CONTACT
    stage.do(Hold(call_id))
    assert contact(stage.last("INVITE")) == CONTACT


def test_a_call_that_came_on_a_way_by_sips(stage: Stage) -> None:
    route = ("Record-Route", "<sips:192.0.2.9:5061;lr>")
    stage.say(stage.request("INVITE", route, body=their_session().create_offer()))
    assert contact(stage.last_response(180)) == CONTACT


def test_a_gruu_becomes_one_of_sips() -> None:
    """The same one, by another scheme (RFC 5627 §4.4)."""
    stage = Stage()
    stage.account = replace(stage.account, instance_id="urn:uuid:1")
    stage.start()
    gruu = ';pub-gruu="sip:alice@lab.test;gr=urn:uuid:1"'
    instance = ';+sip.instance="<urn:uuid:1>";reg-id=1;expires=3600'
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + gruu + instance))
    assert contact(stage.dial("sips:bob@lab.test")) == "<sips:alice@lab.test;gr=urn:uuid:1>"
