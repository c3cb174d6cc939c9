"""`softphone ctl VERB …` and `softphone events`: the running phone for scripts (cli.md). Both only attach.

Owns: waiting until a verb is done or refused, and printing events. What the verbs are is `verbs.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from softphone.cli.output import Output, Result
from softphone.cli.phone_access import EngineKind, events_of
from softphone.cli.registering import INTERRUPTED, time_out
from softphone.cli.verbs import Request, Verb
from softphone.controller import Phone
from softphone.engine import clock
from softphone.engine.event_lines import EVENT_NAMES, event_name, event_object
from softphone.engine.link.place import LinkPlace
from softphone.engine.link.remote_phone import attached
from softphone.engine.waiting import Inbox, Interrupted
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AnyEvent, EngineEnding, Noticed
from softphone.state import AppState, CallView
from softphone.ua.events import CallEnded, CallNotice, MessageDelivery, RecordingChanged, TransferEnded

_REFUSED_WITHIN_S = 0.1
"""A call that the phone refuses is told as begun and ended at once, but the two may arrive apart."""


@dataclass(slots=True)
class ControlCommand:
    """One verb. `account` is --account."""

    place: LinkPlace
    output: Output
    verb: Verb
    words: tuple[str, ...]
    account: str | None
    timeout: float  # s

    async def run(self) -> Result:
        async with attached(self.place) as phone, events_of(phone) as inbox:
            request = self.verb.request(phone.state, self.words, self.account)
            result = Result({"engine": EngineKind.ATTACHED})
            if request.created is not None:
                result.fields["call"] = request.created
            phone.submit(request.command)
            try:
                await self._done(phone, inbox, request)
            except OperationFailed as error:
                result.failure = error.failure
            return result

    async def _done(self, phone: Phone, inbox: Inbox[AnyEvent], request: Request) -> None:
        """Raises OperationFailed with the phone's own words when the command came to nothing."""
        deadline = clock.now() + self.timeout
        while not request.done(phone.state):
            item = await inbox.next(max(0.0, deadline - clock.now()))
            if item is None:
                raise OperationFailed(time_out("It", self.timeout))
            if isinstance(item, Interrupted):
                raise OperationFailed(INTERRUPTED)
            if isinstance(item, EngineEnding) and request.ends_the_phone:
                return
            refused = _refusal(item, request, phone.state)
            if refused is not None:
                raise OperationFailed(refused)
        if request.created is None:
            return
        until = clock.now() + _REFUSED_WITHIN_S
        while clock.now() < until:
            await inbox.next(max(0.0, until - clock.now()))
        call = phone.state.call(request.created)
        if call is not None and call.ended is not None and call.ended.failure is not None:
            raise OperationFailed(call.ended.failure)


def _refusal(event: AnyEvent, request: Request, state: AppState) -> Failure | None:
    """Why the command came to nothing, if this event says that."""
    match event:
        case Noticed(failure=failure):
            return failure
        case CallNotice(call_id=call_id, failure=failure) if call_id in request.calls:
            return failure
        case RecordingChanged(call_id=call_id, failure=Failure() as failure) if call_id in request.calls:
            return failure
        case TransferEnded(call_id=call_id, failure=Failure() as failure) if call_id in request.calls:
            return None if request.done(state) else failure  # to have refused one is what was asked for
        case MessageDelivery(failure=Failure() as failure):
            return failure
        case CallEnded(call_id=call_id, failure=failure) if call_id in request.calls and not request.done(state):
            return failure or Failure(
                FailureKind.REJECTED, "The call ended meanwhile.", "“softphone ctl calls” lists the calls."
            )
        case _:
            return None


@dataclass(slots=True)
class ListCommand:
    """What the running phone has, as objects for scripts and lines for people."""

    place: LinkPlace
    output: Output
    what: str  # the result's field
    objects: Callable[[AppState], list[dict[str, Any]]]

    async def run(self) -> Result:
        async with attached(self.place) as phone:
            objects = self.objects(phone.state)
        if self.output.json_lines:
            return Result({"engine": EngineKind.ATTACHED, self.what: objects})
        for fields in objects:
            self.output.say("  ".join(f"{key}: {value}" for key, value in fields.items() if value not in (None, "")))
        return Result({self.what: len(objects)})


def calls_of(state: AppState) -> list[dict[str, Any]]:
    return [_call(call) for call in state.calls]


def _call(call: CallView) -> dict[str, Any]:
    return {
        "call": call.id,
        "account": call.account_id,
        "remote": call.remote.uri,
        "name": call.remote.display_name,
        "direction": call.direction.value,
        "phase": call.phase.value,
        "encryption": call.security.encryption.value,
        "held_by_us": call.held_by_us,
        "held_by_peer": call.held_by_peer,
        "muted": call.muted,
        "silenced": call.silenced,
        "recording": call.recording,
        "in_conference": call.in_conference,
        "transfer_to": call.transfer.target if call.transfer is not None else None,
    }


def accounts_of(state: AppState) -> list[dict[str, Any]]:
    default = state.settings.default_account or (state.accounts[0].id if state.accounts else "")
    return [
        {
            "account": account.id,
            "address": account.address,
            "state": account.state.value,
            "default": account.id == default,
            "do_not_disturb": account.options.rules.do_not_disturb.value,
            "messages_waiting": account.message_waiting.new if account.message_waiting.waiting else 0,
            "lines": {line.uri: line.state.value for line in account.lines},
            "reason": account.failure.reason if account.failure is not None else None,
        }
        for account in state.accounts
    ]


@dataclass(slots=True)
class EventsCommand:
    """Prints events until the phone ends, somebody interrupts, `count` have come or `seconds` are over."""

    place: LinkPlace
    output: Output
    only: frozenset[str]  # names; empty: all
    count: int | None
    seconds: float | None

    async def run(self) -> Result:
        printed = 0
        until = None if self.seconds is None else clock.now() + self.seconds
        async with attached(self.place) as phone, events_of(phone) as inbox:
            self.output.event("attached", calls=calls_of(phone.state), accounts=accounts_of(phone.state))
            while self.count is None or printed < self.count:
                item = await inbox.next(None if until is None else max(0.0, until - clock.now()))
                match item:
                    case None | Interrupted():
                        break
                    case Noticed(failure=Failure(kind=FailureKind.ENGINE_FAILED) as failure):
                        raise OperationFailed(failure)
                    case _:
                        printed += self._print(item)
                if isinstance(item, EngineEnding):
                    break
        return Result({"engine": EngineKind.ATTACHED, "events": printed})

    def _print(self, event: AnyEvent) -> bool:
        if self.only and event_name(type(event)) not in self.only:
            return False
        fields = event_object(event, clock.now())
        self.output.event(fields.pop("event"), **fields)
        return True


def event_names() -> list[str]:
    return sorted(EVENT_NAMES)
