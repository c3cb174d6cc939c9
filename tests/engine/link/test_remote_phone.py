"""The running phone on asyncio: the same state as in the engine, and a clean end when the engine goes."""

import asyncio
from pathlib import Path

import pytest

from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.engine.link.remote_phone import attached
from softphone.engine.waiting import run
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AnyEvent, Noticed
from softphone.state import AppState, CallDirection, CallPhase, CallView
from softphone.ua.commands import Dial
from softphone.ua.events import CallEnded, CallStarted, Party
from tests.engine.link.linked import linked

BOB = Party("sip:bob@example.org")


@pytest.mark.parametrize("form", list(LinkForm), ids=lambda form: form.value)
def test_commands_go_and_events_come_with_the_state_after_them(tmp_path: Path, form: LinkForm) -> None:
    async def script() -> None:
        heard: list[tuple[AnyEvent, AppState]] = []
        async with attached(link.place) as phone:
            came = asyncio.Event()

            def listen(event: AnyEvent, state: AppState) -> None:
                heard.append((event, state))
                came.set()

            end = phone.subscribe(listen)
            phone.submit(Dial("1", "bob"))
            await asyncio.to_thread(link.until_said, 1)
            await asyncio.to_thread(lambda: link.publish(CallStarted("1", "a", BOB), at=7.5))
            await asyncio.wait_for(came.wait(), 5)
            end()
        ((event, state),) = heard
        assert event == CallStarted("1", "a", BOB)
        assert state.calls == (CallView("1", "a", BOB, CallDirection.OUTGOING, CallPhase.DIALING, 7.5),)

    with linked(tmp_path, form) as link:
        run(script())


def test_without_an_engine_there_is_a_sentence(tmp_path: Path) -> None:
    async def script() -> None:
        async with attached(LinkPlace(tmp_path, LinkForm.UNIX)):
            raise AssertionError("there is nothing to attach to")

    with pytest.raises(OperationFailed) as refused:
        run(script())
    assert "not running" in refused.value.failure.reason


def test_a_lost_engine_ends_the_calls_and_says_so(tmp_path: Path) -> None:
    call = CallView("1", "a", BOB, CallDirection.OUTGOING, CallPhase.ACTIVE, 1.0)

    async def script() -> None:
        heard: list[AnyEvent] = []
        async with attached(link.place) as phone:
            phone.subscribe(lambda event, _: heard.append(event))
            link.drop()
            await asyncio.wait_for(phone.lost.wait(), 5)
            phone.submit(Dial("2", "carol"))  # to nobody
            ended, noticed = heard
            assert isinstance(ended, CallEnded)
            assert isinstance(noticed, Noticed)
            assert [f.kind for f in (ended.failure, noticed.failure) if isinstance(f, Failure)] == [
                FailureKind.ENGINE_FAILED
            ] * 2
            assert phone.state.calls == ()

    with linked(tmp_path, LinkForm.UNIX) as link:
        link.state = AppState(calls=(call,))
        run(script())
