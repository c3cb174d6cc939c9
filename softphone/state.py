"""AppState: everything a front end shows, frozen, reduced from events by one pure function.

A front end that attaches late gets the whole state and then the events; both ends reduce the same way.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from softphone import messages as app
from softphone.errors import Failure
from softphone.policy.media import KeyExchange
from softphone.ua import events as ua
from softphone.ua.account import AccountId
from softphone.ua.call_warnings import CallWarning
from softphone.ua.commands import CallId
from softphone.ua.device_report import DeviceTestResult, DeviceTestView
from softphone.ua.inputs import FlowDescription
from softphone.ua.line_history import LineHistory
from softphone.ua.media_report import MediaReport

MAX_RECENT = 50  # ended calls kept in the state
MAX_HISTORIES = 5  # of them whose line can still be drawn
MAX_NOTICES = 20
MAX_MESSAGES = 200
MAX_MESSAGE_TEXT = 100_000  # characters of all messages kept together: the whole state crosses the link as one


class CallDirection(enum.Enum):
    OUTGOING = "outgoing"
    INCOMING = "incoming"


class CallPhase(enum.Enum):
    DIALING = "dialing"
    RINGING = "ringing"  # at the other side
    INCOMING = "incoming"  # ringing here
    REDIRECTED = "redirected"  # the person decides
    CONSENT = "consent"  # answered unencrypted, the person decides
    ACTIVE = "active"
    ENDED = "ended"


class Encryption(enum.Enum):
    PENDING = "pending"  # nothing has arrived yet
    SRTP = "srtp"  # encrypted to the server
    NONE = "none"  # "Not encrypted"


@dataclass(frozen=True, slots=True)
class CallSecurity:
    """The lock: what protects this call."""

    encryption: Encryption = Encryption.PENDING
    srtp_suite: str | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None
    reason: str | None = None  # why not
    key_exchange: KeyExchange = KeyExchange.SDES


@dataclass(frozen=True, slots=True)
class MessageWaiting:
    waiting: bool = False
    new: int | None = None
    old: int | None = None
    voicemail: str = ""  # the address to call


@dataclass(frozen=True, slots=True)
class LineView:
    """A watched line."""

    uri: str
    state: ua.LineState = ua.LineState.UNKNOWN
    remote: ua.Party | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class TransferView:
    """A transfer under way, or asked for by the other side."""

    role: ua.TransferRole
    target: str
    status: int | None = None  # of the new call, as far as it is known
    referred_by: ua.Party | None = None
    wants_answer: bool = False  # AcceptTransfer or RefuseTransfer is due
    attended: bool = False


@dataclass(frozen=True, slots=True)
class MessageView:
    """An instant message; kept in memory only."""

    id: str
    account_id: AccountId
    remote: ua.Party
    text: str
    at: float
    outgoing: bool
    state: ua.DeliveryState | None = None  # of an outgoing one
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    id: AccountId
    address: str
    display_name: str = ""
    server: str = ""
    state: ua.RegistrationState = ua.RegistrationState.OFFLINE
    failure: Failure | None = None
    retry_in_s: float | None = None
    expires_s: int | None = None
    flow: FlowDescription | None = None
    options: app.AccountOptions = field(default_factory=app.AccountOptions)
    message_waiting: MessageWaiting = field(default_factory=MessageWaiting)
    lines: tuple[LineView, ...] = ()


@dataclass(frozen=True, slots=True)
class CallView:
    """Times are readings of the engine's clock, which is the same in every process of a machine (`clock.py`)."""

    id: CallId
    account_id: AccountId
    remote: ua.Party
    direction: CallDirection
    phase: CallPhase
    began_at: float
    established_at: float | None = None
    ended_at: float | None = None
    codec: str = ""
    security: CallSecurity = field(default_factory=CallSecurity)
    needs_consent: bool = False  # incoming: only "Answer unencrypted" takes it
    early_media: bool = False
    redirect_target: str | None = None
    muted: bool = False
    recording_since: float | None = None  # None: it is not recorded
    held_by_us: bool = False
    held_by_peer: bool = False
    digits_received: str = ""
    digits_sent: str = ""
    identity: ua.CallerIdentity = field(default_factory=ua.CallerIdentity)
    remote_asserted: bool = False  # `remote` is what the server vouches for
    waiting: bool = False  # came while another call ran
    auto_answered: bool = False
    silenced: bool = False  # it rings unheard, as the person asked
    transfer: TransferView | None = None
    in_conference: bool = False
    own_security: CallSecurity | None = None  # of the call itself, while `security` is that of its conference
    member_muted: bool = False  # nobody in the conference hears it
    deflected: ua.CallDeflected | None = None
    report: MediaReport | None = None
    history: LineHistory = field(default_factory=LineHistory)
    notice: Failure | None = None
    warnings: tuple[CallWarning, ...] = ()  # what is wrong now
    warned: tuple[CallWarning, ...] = ()  # all that was wrong, each once
    ended: ua.CallEnded | None = None

    @property
    def recording(self) -> bool:
        return self.recording_since is not None


@dataclass(frozen=True, slots=True)
class AppState:
    accounts: tuple[AccountView, ...] = ()
    calls: tuple[CallView, ...] = ()  # running, oldest first
    recent: tuple[CallView, ...] = ()  # ended, newest first
    settings: app.SettingsView = field(default_factory=app.SettingsView)
    devices: tuple[app.AudioDeviceView, ...] = ()
    sample_playing: bool = False  # somebody listens to a tone in the settings
    notices: tuple[Failure, ...] = ()  # newest last
    messages: tuple[MessageView, ...] = ()  # newest last
    recordings: tuple[app.RecordingView, ...] | None = None  # newest first; None: not asked for yet
    exported: app.RecordingExported | None = None  # last
    device_test: DeviceTestView | None = None  # None: there was none

    def account(self, account_id: AccountId) -> AccountView | None:
        return next((account for account in self.accounts if account.id == account_id), None)

    def call(self, call_id: CallId) -> CallView | None:
        return next((call for call in (*self.calls, *self.recent) if call.id == call_id), None)


def reduce(state: AppState, event: app.AnyEvent, now: float) -> AppState:
    """The state after the event. Events of unknown calls or accounts change nothing."""
    match event:
        case app.AccountKnown():
            return _with_account(state, event)
        case app.AccountForgotten(account_id=account_id):
            return replace(state, accounts=tuple(a for a in state.accounts if a.id != account_id))
        case app.SettingsChanged(settings=settings):
            return replace(state, settings=settings)
        case app.DevicesChanged(devices=devices):
            return replace(state, devices=devices)
        case app.SamplePlaying(playing=playing):
            return replace(state, sample_playing=playing)
        case app.DeviceTestProgressed(test=test):
            return replace(state, device_test=test.after(state.device_test))
        case app.DeviceTestEnded(step=step, result=result, failure=failure):
            test = DeviceTestView(step, running=False, result=result or DeviceTestResult(), failure=failure)
            return replace(state, device_test=test.after(state.device_test))
        case app.RecordingsListed(recordings=recordings):
            return replace(state, recordings=recordings)
        case app.RecordingExported():
            return replace(state, exported=event)
        case app.Noticed(failure=failure):
            return replace(state, notices=(*state.notices, failure)[-MAX_NOTICES:])
        case app.WindowRaised() | app.EngineEnding():
            return state
        case ua.RegistrationChanged():
            return _registration(state, event)
        case ua.IncomingCall() | ua.CallStarted() | ua.CallRefused():
            return _new_call(state, event, now)
        case ua.CallLost():
            return _lost(state, event, now)
        case ua.CallDeflected():
            return _deflected(state, event, now)
        case ua.ConferenceChanged():
            return _conference(state, event)
        case ua.MessageWaitingChanged() | ua.LineStateChanged():
            return _account_event(state, event)
        case ua.MessageReceived() | ua.MessageDelivery():
            return _message(state, event, now)
        case ua.CallEnded():
            return _ended(state, event, now)
        case _:
            return _update(state, event.call_id, lambda call: _call_event(call, event, now))


def _with_account(state: AppState, event: app.AccountKnown) -> AppState:
    """In the order of the settings; what is known of its registration stays until something newer is said."""
    known = state.account(event.account_id) or AccountView(event.account_id, event.address)
    lines = {line.uri: line for line in known.lines}
    view = replace(
        known,
        address=event.address,
        display_name=event.display_name,
        server=event.server,
        options=event.options,
        lines=tuple(lines.get(watched.uri, LineView(watched.uri)) for watched in event.options.watched),
    )
    if state.account(view.id) is None:
        return replace(state, accounts=(*state.accounts, view))
    return replace(state, accounts=tuple(view if a.id == view.id else a for a in state.accounts))


def _account_event(state: AppState, event: ua.MessageWaitingChanged | ua.LineStateChanged) -> AppState:
    account = state.account(event.account_id)
    if account is None:
        return state
    match event:
        case ua.MessageWaitingChanged(waiting=waiting, new=new, old=old, voicemail=voicemail):
            changed = replace(account, message_waiting=MessageWaiting(waiting, new, old, voicemail))
        case ua.LineStateChanged(uri=uri):
            line = LineView(uri, event.state, event.remote, event.failure)
            changed = replace(account, lines=tuple(line if old.uri == uri else old for old in account.lines))
    return replace(state, accounts=tuple(changed if a.id == account.id else a for a in state.accounts))


def _message(state: AppState, event: ua.MessageReceived | ua.MessageDelivery, now: float) -> AppState:
    view = MessageView(event.message_id, event.account_id, event.remote, event.text, now, outgoing=False)
    if isinstance(event, ua.MessageDelivery):
        view = replace(view, outgoing=True, state=event.state, failure=event.failure)
        if any(old.id == view.id for old in state.messages):
            known = tuple(
                replace(old, state=event.state, failure=event.failure) if old.id == view.id else old
                for old in state.messages
            )
            return replace(state, messages=known)
    return replace(state, messages=_newest((*state.messages, view)))


def _newest(messages: tuple[MessageView, ...]) -> tuple[MessageView, ...]:
    """As many as are kept, the newest of them."""
    room, kept = MAX_MESSAGE_TEXT, 0
    for message in reversed(messages[-MAX_MESSAGES:]):
        room -= len(message.text)
        if room < 0 and kept:
            break
        kept += 1
    return messages[-kept:]


def _conference(state: AppState, event: ua.ConferenceChanged) -> AppState:
    """A lock shows what protects what is said: in a conference with a clear call, nothing does."""

    def changed(call: CallView) -> CallView:
        member = call.id in event.call_ids
        own = call.own_security or call.security
        joined = replace(call, in_conference=member, member_muted=call.id in event.muted)
        if member and event.not_encrypted is not None:
            lock = CallSecurity(Encryption.NONE, reason=event.not_encrypted)
            return replace(joined, security=lock, own_security=own)
        return replace(joined, security=own, own_security=None)

    return replace(state, calls=tuple(changed(call) for call in state.calls))


def _with_lock(call: CallView, lock: CallSecurity) -> CallView:
    return replace(call, security=lock) if call.own_security is None else replace(call, own_security=lock)


def _deflected(state: AppState, event: ua.CallDeflected, now: float) -> AppState:
    """A call that rang until it was sent on gets its CallEnded besides; one that never rang has only this."""
    if any(call.id == event.call_id for call in state.calls):
        return _update(state, event.call_id, lambda call: replace(call, deflected=event))
    call = CallView(
        event.call_id,
        event.account_id,
        event.remote,
        CallDirection.INCOMING,
        CallPhase.ENDED,
        began_at=now,
        ended_at=now,
        deflected=event,
        ended=ua.CallEnded(event.call_id, ua.EndedBy.LOCAL, event.status),
    )
    return replace(state, recent=(call, *state.recent)[:MAX_RECENT])


def _registration(state: AppState, event: ua.RegistrationChanged) -> AppState:
    return replace(
        state,
        accounts=tuple(
            replace(
                account,
                state=event.state,
                failure=event.failure,
                retry_in_s=event.retry_in_s,
                expires_s=event.expires_s,
                flow=event.flow,
            )
            if account.id == event.account_id
            else account
            for account in state.accounts
        ),
    )


def _new_call(state: AppState, event: ua.IncomingCall | ua.CallStarted | ua.CallRefused, now: float) -> AppState:
    match event:
        case ua.CallStarted():
            direction, phase = CallDirection.OUTGOING, CallPhase.DIALING
        case ua.IncomingCall() | ua.CallRefused():
            direction, phase = CallDirection.INCOMING, CallPhase.INCOMING
    call = CallView(event.call_id, event.account_id, event.remote, direction, phase, began_at=now)
    if isinstance(event, ua.CallRefused):
        ended = ua.CallEnded(event.call_id, ua.EndedBy.POLICY, event.failure.status, event.failure)
        refused = replace(call, phase=CallPhase.ENDED, ended=ended, ended_at=now, notice=event.failure)
        return replace(state, recent=(refused, *state.recent)[:MAX_RECENT])
    if isinstance(event, ua.IncomingCall):
        call = replace(call, identity=event.identity, waiting=event.waiting, auto_answered=event.auto_answered)
    if isinstance(event, ua.IncomingCall) and event.unencrypted is not None:
        security = CallSecurity(Encryption.NONE, reason=event.unencrypted)
        call = replace(call, security=security, needs_consent=event.needs_consent)
    return replace(state, calls=(*state.calls, call))


def _update(state: AppState, call_id: CallId, change: Callable[[CallView], CallView]) -> AppState:
    return replace(state, calls=tuple(change(call) if call.id == call_id else call for call in state.calls))


def _ended(state: AppState, event: ua.CallEnded, now: float) -> AppState:
    call = next((call for call in state.calls if call.id == event.call_id), None)
    if call is None:
        return state
    over = replace(
        call,
        phase=CallPhase.ENDED,
        ended=event,
        ended_at=now,
        report=event.report or call.report,
        history=call.history.thinned(),
        recording_since=None,
    )
    drawn, older = state.recent[: MAX_HISTORIES - 1], state.recent[MAX_HISTORIES - 1 :]
    plain = tuple(replace(old, history=LineHistory()) if len(old.history) else old for old in older)
    return replace(
        state,
        calls=tuple(other for other in state.calls if other.id != event.call_id),
        recent=(over, *drawn, *plain)[:MAX_RECENT],
    )


def _lost(state: AppState, event: ua.CallLost, now: float) -> AppState:
    """Of an engine that failed: known only as ended. A front end that saw it run replaces what it saw."""
    direction = CallDirection.INCOMING if event.incoming else CallDirection.OUTGOING
    ended = ua.CallEnded(event.call_id, ua.EndedBy.LOCAL, failure=event.failure)
    call = CallView(
        event.call_id,
        event.account_id,
        event.remote,
        direction,
        CallPhase.ENDED,
        began_at=now,
        ended_at=now,
        notice=event.failure,
        ended=ended,
    )
    return replace(state, recent=(call, *state.recent)[:MAX_RECENT])


_CallChange = (
    ua.CallRinging
    | ua.CallSilenced
    | ua.EarlyMediaStarted
    | ua.CallEstablished
    | ua.CallSecured
    | ua.CallNotEncrypted
    | ua.ConsentRequested
    | ua.RedirectOffered
    | ua.HoldChanged
    | ua.MuteChanged
    | ua.RecordingChanged
    | ua.RemoteIdentityChanged
    | ua.DigitsSent
    | ua.TransferRequested
    | ua.TransferProgressed
    | ua.TransferEnded
    | ua.DigitPressed
    | ua.CallReported
    | ua.CallNotice
    | ua.CallWarningsChanged
)


def _call_event(call: CallView, event: _CallChange, now: float) -> CallView:
    match event:
        case ua.CallRinging():
            return replace(call, phase=CallPhase.RINGING)
        case ua.CallSilenced():
            return replace(call, silenced=True)
        case ua.EarlyMediaStarted():
            return replace(call, early_media=True)
        case ua.CallEstablished(codec=codec):
            return replace(call, phase=CallPhase.ACTIVE, established_at=now, codec=codec)
        case ua.CallSecured(srtp_suite=suite, flow=flow):
            lock = CallSecurity(
                Encryption.SRTP, suite, flow.tls_version, flow.tls_cipher, key_exchange=event.key_exchange
            )
            return _with_lock(call, lock)
        case ua.CallNotEncrypted(reason=reason):
            return _with_lock(call, CallSecurity(Encryption.NONE, reason=reason))
        case ua.ConsentRequested(reason=reason):
            return replace(call, phase=CallPhase.CONSENT, security=CallSecurity(Encryption.NONE, reason=reason))
        case ua.RedirectOffered(target=target):
            return replace(call, phase=CallPhase.REDIRECTED, redirect_target=target)
        case ua.HoldChanged(held_by_us=by_us, held_by_peer=by_peer):
            return replace(call, held_by_us=by_us, held_by_peer=by_peer)
        case ua.MuteChanged(muted=muted):
            return replace(call, muted=muted)
        case ua.RecordingChanged(recording=recording, failure=failure):
            since = (call.recording_since or now) if recording else None
            return replace(call, recording_since=since, notice=failure or call.notice)
        case ua.RemoteIdentityChanged(remote=remote, asserted=asserted):
            return replace(call, remote=remote, remote_asserted=asserted)
        case ua.DigitsSent(digits=digits):
            return replace(call, digits_sent=(call.digits_sent + digits)[-100:])
        case ua.TransferRequested(target=target, referred_by=by, attended=attended):
            role = ua.TransferRole.TRANSFEREE
            return replace(
                call, transfer=TransferView(role, target, referred_by=by, wants_answer=True, attended=attended)
            )
        case ua.TransferProgressed(role=role, target=target, status=status):
            return replace(call, transfer=TransferView(role, target, status))
        case ua.TransferEnded(failure=failure):
            return replace(call, transfer=None, notice=failure or call.notice)
        case ua.DigitPressed(digit=digit):
            return replace(call, digits_received=(call.digits_received + digit)[-100:])
        case ua.CallReported(report=report):
            return replace(call, report=report, history=call.history.with_report(report, now))
        case ua.CallNotice(failure=failure):
            return replace(call, notice=failure)
        case ua.CallWarningsChanged(warnings=warnings):
            return replace(call, warnings=warnings, warned=tuple(dict.fromkeys((*call.warned, *warnings))))
        case _:
            assert_never(event)
