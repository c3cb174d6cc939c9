"""`softphone call` and `softphone answer`: one call followed from its start to its result object (cli.md)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import click

from softphone.cli.output import Output, Result
from softphone.cli.phone_access import EngineKind, PhoneRequest, PhoneSource, events_of
from softphone.cli.registering import INTERRUPTED, await_registration, time_out
from softphone.controller import Phone
from softphone.engine import clock
from softphone.engine.waiting import Inbox, Interrupted, in_thread
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.messages import AnyEvent, Noticed
from softphone.policy.media import KeyExchange
from softphone.state import AppState, CallPhase, CallSecurity, CallView, Encryption
from softphone.ua import events as ua
from softphone.ua.call_warnings import CallWarning
from softphone.ua.commands import (
    AgreeToUnencrypted,
    Answer,
    AnswerUnencrypted,
    Decline,
    Dial,
    FollowRedirect,
    HangUp,
    RefuseTransfer,
    SendDigits,
)
from softphone.ua.commands import Command as UaCommand
from softphone.ua.media_report import MediaReport

_MEDIA_WORD = {Encryption.SRTP: "srtp", Encryption.NONE: "clear", Encryption.PENDING: None}
NOBODY_TO_ASK = Failure(
    FailureKind.MEDIA_NOT_ENCRYPTED,
    "The other side cannot encrypt, and there is nobody here to agree to a call without encryption.",
    "Turn on SRTP for it on the PBX; or call from a terminal or the window, where you can be asked.",
)


def nobody_answered(seconds: float) -> Failure:
    return Failure(
        FailureKind.REJECTED,
        f"Nobody answered within {seconds:g} s.",
        "Call again later, or let it ring longer with --timeout.",
    )


def nothing_authenticated(call: CallView) -> Failure | None:
    """An encrypted call in which packets came and not one had the right key was no call, whoever hung up."""
    report = call.report
    if report is None or report.rtp_received or not report.auth_failures:
        return None
    return Failure(
        FailureKind.MEDIA_LOST,
        f"Of what the other side sent nothing could be authenticated ({report.auth_failures} packets), so nothing was "
        "played.",
        "It encrypts with another key than it announced, or something on the way changes the packets: check the SRTP "
        "settings of the PBX and of what lies between.",
    )


def _media_word(security: CallSecurity) -> str | None:
    by_dtls = security.encryption is Encryption.SRTP and security.key_exchange is KeyExchange.DTLS
    return "dtls-srtp" if by_dtls else _MEDIA_WORD[security.encryption]


def _quality_fields(report: MediaReport | None) -> dict[str, Any]:
    """Of the whole call, both ways."""
    heard = report.quality.heard if report else None
    said = report.quality.said if report else None
    return {
        "mos": round(heard.mos, 2) if heard else None,
        "mos_remote": round(said.mos, 2) if said else None,
        "delay_ms": round(heard.delay_ms) if heard else None,
        "remote_lost": report.remote_lost if report else None,
        "remote_jitter_ms": report.remote_jitter_ms if report else None,
    }


def warning_fields(warning: CallWarning) -> dict[str, Any]:
    return {"kind": warning.kind.value, "reason": warning.reason, "remedy": warning.remedy}


def call_fields(state: AppState, call: CallView, setup_ms: float | None) -> dict[str, Any]:
    """The result object of one call; what is not known is None."""
    account = state.account(call.account_id)
    flow = account.flow if account is not None else None
    report, ended = call.report, call.ended
    return {
        "remote": call.remote.uri,
        "direction": call.direction,
        "status": ended.status if ended else None,
        "setup_ms": round(setup_ms, 1) if setup_ms is not None else None,
        "duration_s": round(ended.duration_s, 2) if ended else None,
        "codec": call.codec or None,
        "media": _media_word(call.security) if call.established_at is not None else None,
        "srtp_suite": call.security.srtp_suite,
        "tls_version": flow.tls_version if flow else call.security.tls_version,
        "tls_cipher": flow.tls_cipher if flow else call.security.tls_cipher,
        "rtp_sent": report.rtp_sent if report else 0 if ended else None,  # without a report no media ever ran
        "rtp_received": report.rtp_received if report else 0 if ended else None,
        "lost": report.lost if report else None,
        "late": report.playout.late if report else None,
        "concealed_ms": round(report.concealed_ms, 1) if report else None,
        "playout_delay_ms": round(report.playout.delay_ms, 1) if report else None,
        "jitter_ms": report.jitter_ms if report else None,
        "rtt_ms": report.rtt_ms if report else None,
        **_quality_fields(report),
        "auth_failures": report.auth_failures if report else None,
        "replays": report.replays if report else None,
        "plain_rtp_seen": report.plain_rtp_seen if report else None,
        "digits_received": call.digits_received or None,
        "warnings": [warning_fields(warning) for warning in call.warned],
        "ended_by": ended.ended_by if ended else None,
    }


@dataclass(slots=True)
class CallFollower:
    """Follows one call by its events; answers the questions that a call can ask."""

    phone: Phone
    inbox: Inbox[AnyEvent]
    output: Output
    call_id: str
    seconds: float | None  # hang up so long after the call was established
    setup_timeout: float
    digits: str = ""
    engine: EngineKind = EngineKind.OWN
    setup_ms: float | None = None
    refused: Failure | None = None
    others: list[ua.IncomingCall] = field(default_factory=list)  # that came meanwhile
    _warnings: tuple[CallWarning, ...] = ()  # in force
    _deadline: float | None = field(default=None)

    async def follow(self) -> Result:
        self._deadline = clock.now() + self.setup_timeout
        while True:
            left = None if self._deadline is None else max(0.0, self._deadline - clock.now())
            item = await self.inbox.next(left)
            match item:
                case None:
                    self._time_passed()
                case Interrupted():
                    self.refused = self.refused or INTERRUPTED
                    self._end()
                case Noticed(failure=Failure(kind=FailureKind.ENGINE_FAILED) as failure):
                    raise OperationFailed(failure)  # there is nobody left who could tell more
                case ua.IncomingCall():
                    self.others.append(item)
                case _ if getattr(item, "call_id", None) != self.call_id:
                    continue
                case ua.CallEnded(failure=failure):
                    return self._result(failure)
                case _:
                    await self._event(item)

    def _time_passed(self) -> None:
        if self.setup_ms is None and self.refused is None:
            call = self.phone.state.call(self.call_id)
            rang = call is not None and (call.phase is CallPhase.RINGING or call.early_media)
            self.refused = (
                nobody_answered(self.setup_timeout) if rang else time_out("The call's set-up", self.setup_timeout)
            )
        self._end()

    def _end(self) -> None:
        self.phone.submit(HangUp(self.call_id))
        self._deadline = clock.now() + 40.0  # a call that will not end is ended by its own timers before this

    async def _event(self, event: AnyEvent) -> None:
        match event:
            case ua.CallRinging():
                self.output.event("ringing")
            case ua.EarlyMediaStarted():
                self.output.event("early-media")
            case ua.CallEstablished(codec=codec, setup_ms=setup_ms):
                self.setup_ms = setup_ms
                self._deadline = clock.now() + self.seconds if self.seconds is not None else None
                self.output.event("established", codec=codec)
                self._send_digits()
            case ua.CallSecured(srtp_suite=suite):
                self.output.event("secured", srtp_suite=suite)
            case ua.CallNotEncrypted(reason=reason):
                self.output.event("not-encrypted", reason=reason)
            case ua.ConsentRequested(reason=reason):
                await self._ask(f"{reason} Go on without encryption?", AgreeToUnencrypted(self.call_id), NOBODY_TO_ASK)
            case ua.RedirectOffered(target=target):
                refused = Failure(FailureKind.REJECTED, f"The call was redirected to {target}.", "Call that address.")
                await self._ask(
                    f"The call is redirected to {target}. Call there?", FollowRedirect(self.call_id), refused
                )
            case ua.HoldChanged(held_by_us=by_us, held_by_peer=by_peer):
                self.output.event("hold", held_by_us=by_us, held_by_peer=by_peer)
            case ua.TransferRequested(target=target) if self.engine is EngineKind.OWN:
                # This command makes the call that it was told to make; at a running phone the person decides.
                self.phone.submit(RefuseTransfer(self.call_id))
                self.output.event("transfer-refused", target=target)
            case ua.DigitsSent(digits=digits):
                self.output.event("digits-sent", digits=digits)
            case ua.RemoteIdentityChanged(remote=remote, asserted=asserted):
                self.output.event("identity", remote=remote.uri, display_name=remote.display_name, asserted=asserted)
            case ua.DigitPressed(digit=digit):
                self.output.event("digit", digit=digit)
            case ua.CallWarningsChanged(warnings=warnings):
                self._warned(warnings)
            case ua.CallNotice(failure=failure):
                self.output.event("notice", reason=failure.reason, remedy=failure.remedy)
            case _:
                return

    def _warned(self, warnings: tuple[CallWarning, ...]) -> None:
        before, self._warnings = self._warnings, warnings
        for warning in warnings:
            if warning not in before:
                self.output.event("warning", **warning_fields(warning))
        for warning in before:
            if warning not in warnings:
                self.output.event("warning-over", kind=warning.kind.value)

    def _send_digits(self) -> None:
        if self.digits:
            self.phone.submit(SendDigits(self.call_id, self.digits))

    async def _ask(self, question: str, agreed: UaCommand, refused: Failure) -> None:
        """Nobody to ask means no (security.md)."""
        if self.output.can_ask and await in_thread(lambda: click.confirm(question, err=True)):
            self.phone.submit(agreed)
            return
        self.refused = refused
        self._end()

    def _result(self, failure: Failure | None) -> Result:
        call = self.phone.state.call(self.call_id)
        assert call is not None
        failure = self.refused or failure or nothing_authenticated(call)
        result = Result(call_fields(self.phone.state, call, self.setup_ms), failure)
        result.fields = {"engine": self.engine, **result.fields}
        return result


@dataclass(slots=True)
class CallCommand:
    composition: PhoneSource
    output: Output
    request: PhoneRequest
    target: str
    seconds: float | None
    timeout: float
    digits: str
    hide_identity: bool = False

    async def run(self) -> Result:
        async with self.composition.own_phone(self.request) as phone, events_of(phone) as inbox:
            account = self.request.settings.accounts[0]
            if account.register:
                try:
                    await await_registration(phone, inbox, account.name, self.timeout)
                except OperationFailed as error:
                    view = phone.state.account(account.name)
                    flow = view.flow if view is not None else None
                    return Result(_no_call(self.request.engine, self.target, flow), error.failure)
            call_id = secrets.token_hex(8)
            self.output.event("calling", target=self.target)
            phone.submit(Dial(call_id, self.target, account.name, hide_identity=self.hide_identity or None))
            follower = CallFollower(
                phone, inbox, self.output, call_id, self.seconds, self.timeout, self.digits, self.request.engine
            )
            return await follower.follow()


def _no_call(engine: EngineKind, target: str, flow: Any) -> dict[str, Any]:
    """The result's fields for a call that was never sent."""
    names = (
        "status setup_ms duration_s codec media srtp_suite rtp_sent rtp_received lost late concealed_ms "
        "playout_delay_ms jitter_ms rtt_ms mos mos_remote delay_ms remote_lost remote_jitter_ms "
        "auth_failures replays plain_rtp_seen warnings ended_by"
    )
    fields: dict[str, Any] = dict.fromkeys(names.split())
    tls = {"tls_version": flow.tls_version if flow else None, "tls_cipher": flow.tls_cipher if flow else None}
    return {"engine": engine, "remote": target, **fields, **tls}


@dataclass(slots=True)
class AnswerCommand:
    composition: PhoneSource
    output: Output
    request: PhoneRequest
    calls: int | None  # end after so many
    seconds: float | None
    timeout: float
    decline: int | None = None  # a status to decline with, for tests of a PBX
    _waiting: list[ua.IncomingCall] = field(default_factory=list)  # came while another one was followed

    async def run(self) -> list[Result]:
        results: list[Result] = []
        account = self.request.settings.accounts[0]
        async with self.composition.own_phone(self.request) as phone, events_of(phone) as inbox:
            try:
                await await_registration(phone, inbox, account.name, self.timeout)
            except OperationFailed as error:
                return [Result({"engine": self.request.engine}, error.failure)]
            self.output.event("waiting", account=account.name)
            while self.calls is None or len(results) < self.calls:
                item = self._waiting.pop(0) if self._waiting else await inbox.next()
                if isinstance(item, Interrupted):
                    break
                if isinstance(item, Noticed) and item.failure.kind is FailureKind.ENGINE_FAILED:
                    raise OperationFailed(item.failure)
                if isinstance(item, ua.CallRefused):
                    call = phone.state.call(item.call_id)
                    assert call is not None
                    fields = {"engine": self.request.engine, **call_fields(phone.state, call, None)}
                    results.append(self._told(Result(fields, item.failure)))
                if isinstance(item, ua.IncomingCall) and _rings(phone.state, item.call_id):
                    results.append(self._told(await self._take(phone, inbox, item)))
                    if results[-1].failure is INTERRUPTED:  # Ctrl-C ends the call and the waiting for others
                        break
        return results

    def _told(self, result: Result) -> Result:
        if self.calls != 1:
            self.output.event("call", **result.as_dict())
        return result

    async def _take(self, phone: Phone, inbox: Inbox[AnyEvent], call: ua.IncomingCall) -> Result:
        who = call.identity
        self.output.event(
            "incoming",
            remote=call.remote.uri,
            display_name=call.remote.display_name,
            asserted=who.asserted.uri if who.asserted is not None else None,
            anonymous=who.anonymous,
            diverted_by=[{"remote": d.party.uri, "reason": d.reason} for d in who.diversions],
        )
        follower = CallFollower(
            phone, inbox, self.output, call.call_id, self.seconds, self.timeout, engine=self.request.engine
        )
        if self.decline is not None:
            phone.submit(Decline(call.call_id, self.decline))
        elif not call.needs_consent:
            phone.submit(Answer(call.call_id))
        else:
            await self._ask_to_answer(phone, follower, call)
        result = await follower.follow()
        self._waiting += follower.others
        return result

    async def _ask_to_answer(self, phone: Phone, follower: CallFollower, call: ua.IncomingCall) -> None:
        question = f"{call.unencrypted} Answer unencrypted?"
        if self.output.can_ask and await in_thread(lambda: click.confirm(question, err=True)):
            phone.submit(AnswerUnencrypted(call.call_id))
            return
        follower.refused = NOBODY_TO_ASK
        phone.submit(Decline(call.call_id, 488))


def _rings(state: AppState, call_id: str) -> bool:
    """Still, or answered by itself: not over, nor answered by somebody else."""
    call = state.call(call_id)
    return call is not None and call.ended is None and (call.phase is CallPhase.INCOMING or call.auto_answered)
