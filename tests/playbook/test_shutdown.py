"""Shutdown in every state comes to quiet, with a server that answers and with one that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy
from softphone.sip.message import Request
from softphone.ua.actions import OpenFlow
from softphone.ua.commands import Answer, Dial, HangUp, Hold, Shutdown, StartEarlyMedia, Unregister
from softphone.ua.events import CallEnded
from softphone.ua.inputs import MediaReported
from softphone.ua.media_report import MediaReport
from tests.playbook.stage import BOB, Stage, their_session

ASK = MediaPolicy(encryption=MediaEncryption.OPTIONAL, profile=ConnectionProfile.PRIVATE)


def nothing(stage: Stage) -> None:
    stage.registered()


def unreachable(stage: Stage) -> None:
    stage.reachable = False
    stage.start()


def registering(stage: Stage) -> None:
    stage.start()


def refused(stage: Stage) -> None:
    stage.start()
    stage.reply(stage.last("REGISTER"), 403)


def waiting(stage: Stage) -> None:
    stage.start()
    stage.reply(stage.last("REGISTER"), 503)


def unregistering(stage: Stage) -> None:
    stage.registered().do(Unregister("a"))


def opening_media(stage: Stage) -> None:
    stage.opens_media = False
    stage.registered().do(Dial("c", "bob"))


def calling(stage: Stage) -> None:
    stage.registered().dial()


def proceeding(stage: Stage) -> None:
    stage.reply(stage.registered().dial(), 180, BOB)


def cancelling(stage: Stage) -> None:
    proceeding(stage)
    stage.do(HangUp("c"))


def redirected(stage: Stage) -> None:
    stage.reply(stage.registered().dial(), 302, ("Contact", "<sip:carol@lab.test>"))


def talking(stage: Stage) -> None:
    stage.registered().in_call()


def holding(stage: Stage) -> None:
    talking(stage)
    stage.do(Hold("c"))


def talking_without_flow(stage: Stage) -> None:
    talking(stage)
    stage.reachable = False
    stage.cut()


def ringing(stage: Stage) -> None:
    stage.registered().rings()


def early(stage: Stage) -> None:
    stage.do(StartEarlyMedia(stage.registered().rings()))


def answering(stage: Stage) -> None:
    stage.opens_media = False
    stage.do(Answer(stage.registered().rings()))


def accepted(stage: Stage) -> None:
    stage.do(Answer(stage.registered().rings()))


STATES = (
    nothing, unreachable, registering, refused, waiting, unregistering, opening_media, calling, proceeding, cancelling,
    redirected, talking, holding, talking_without_flow, ringing, early, answering, accepted,
)  # fmt: skip


@pytest.mark.parametrize("serves", [True, False], ids=["answered", "silent"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_shutdown_comes_to_quiet(state: Callable[[Stage], None], serves: bool) -> None:
    stage = Stage()
    state(stage)
    seen = len(stage.sent) if serves else 10**9
    stage.do(Shutdown())
    for _ in range(100):
        if serves:
            for message in stage.sent[seen:]:
                seen += 1
                if isinstance(message, Request) and message.method not in ("ACK", "CANCEL") and stage.flow_id:
                    stage.reply(message, 200)
        stage.wait(1)
    assert stage.agent.quiet
    assert stage.flow_id == ""
    assert stage.leftovers() == {}
    assert stage.agent.next_timer() is None
    ended = [event.call_id for event in stage.of(CallEnded)]
    assert len(ended) == len(set(ended))
    opened = len(stage.did(OpenFlow))
    stage.wait(10_000)
    assert len(stage.did(OpenFlow)) == opened


def test_a_call_that_comes_while_shutting_down_never_rings() -> None:
    stage = Stage().registered()
    stage.do(Shutdown())
    stage.heard()
    stage.say(stage.request("INVITE", body=their_session().create_offer()))
    assert stage.heard() == ["480 to INVITE"]


def test_the_last_report_is_waited_for_although_the_flow_is_gone() -> None:
    stage = Stage().registered()
    stage.reports = False
    stage.in_call()
    media_id = stage.agent.calls["c"].media.id
    stage.reachable = False
    stage.cut()
    stage.do(Shutdown())
    assert stage.of(CallEnded) == []
    stage.give(MediaReported(media_id, MediaReport(rtp_sent=7), final=True))
    assert stage.ended.report == MediaReport(rtp_sent=7)
    assert stage.agent.quiet


def test_media_that_never_reports_is_not_waited_for_long() -> None:
    stage = Stage().registered()
    stage.reports = False
    stage.in_call()
    stage.do(HangUp("c"))
    stage.wait(1.9)
    assert stage.of(CallEnded) == []
    stage.wait(0.2)
    assert stage.ended.report is None
