"""The user agent: commands and inputs in, actions and events out (RFC 3261 §8).

Owns: which account, call or transaction each input belongs to. Pure: time is an argument, randomness is injected, bytes
are values. What each machine does is in its own file.
"""

from __future__ import annotations

from typing import assert_never

from softphone.errors import Failure, OperationFailed, RemoteProtocolError
from softphone.sip.framing import FlowEnd, FramingError, KeepAlive, StreamFramer
from softphone.sip.message import Request, Response
from softphone.sip.parser import MalformedRequest, parse_message
from softphone.sip.responses import needs_to_tag, with_to_tag
from softphone.sip.transaction_layer import TransactionLayer
from softphone.sip.transaction_outputs import (
    AckArrived,
    CancelArrived,
    LayerOutput,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseFailed,
    SendMessage,
    TransactionEnded,
)
from softphone.ua.account import Account, AccountId
from softphone.ua.account_session import AccountSession
from softphone.ua.actions import Action, CloseFlow, FlowId, SendBytes
from softphone.ua.binding import with_service_route
from softphone.ua.call import Call
from softphone.ua.call_inputs import command_call, hear_media
from softphone.ua.call_tones import CallTones
from softphone.ua.call_watch import CallWatches
from softphone.ua.commands import (
    AcceptTransfer,
    AddAccount,
    CallId,
    Command,
    Dial,
    EndOrphan,
    JoinConference,
    LeaveConference,
    PickUp,
    Record,
    RefuseTransfer,
    Register,
    RemoveAccount,
    SendDigits,
    SendInstantMessage,
    SetMemberMuted,
    Shutdown,
    Silence,
    SwitchTo,
    Transfer,
    TransferTo,
    Unregister,
)
from softphone.ua.connected_line import ConnectedLine
from softphone.ua.dialling import outgoing_call, refuse_dial
from softphone.ua.digits import Digits
from softphone.ua.events import CallStarted, Event
from softphone.ua.host import USER_AGENT, OpenedFlow, ResponseHandler, TokenBytes, token
from softphone.ua.identity import with_privacy, without_unasked_credentials
from softphone.ua.incoming import IncomingRequests
from softphone.ua.inputs import (
    BytesReceived,
    FlowClosed,
    FlowOpened,
    Input,
    MediaInterrupted,
    NetworkChanged,
    RecordingReported,
)
from softphone.ua.instant_messages import InstantMessages
from softphone.ua.open_dialog import OpenDialog
from softphone.ua.orphans import Orphans, open_dialog
from softphone.ua.outcomes import not_sip
from softphone.ua.recording import Recordings
from softphone.ua.responses import with_supported
from softphone.ua.rules import PhoneRules, Rules
from softphone.ua.screening import Screening
from softphone.ua.several_calls import SeveralCalls
from softphone.ua.subscriptions import Subscriptions
from softphone.ua.transfers import Transfers
from softphone.ua.usage import Usage


class UserAgent:
    """Implements `Host` for the machines within."""

    def __init__(self, token_bytes: TokenBytes, rules: Rules | None = None, flow_end: FlowEnd = FlowEnd.OPENED) -> None:
        """`flow_end`: which end of its flows this agent is; only the built-in lab's are accepted ones."""
        self._flow_end = flow_end
        self.token_bytes = token_bytes
        self.rules: Rules = rules or PhoneRules()
        self._layer = TransactionLayer(token_bytes)
        self._accounts: dict[AccountId, AccountSession] = {}
        self.calls: dict[CallId, Call] = {}
        self._framers: dict[FlowId, StreamFramer] = {}
        self._handlers: dict[str, tuple[AccountId, ResponseHandler]] = {}  # by branch
        self._outputs: list[Action | Event] = []
        self._orphans = Orphans(self)
        self.transfers = Transfers(self)
        self.several_calls = SeveralCalls(self)
        self.subscriptions = Subscriptions(self)
        self.instant_messages = InstantMessages(self)
        self.digits = Digits(self)
        self.screening = Screening(self)
        self.connected_line = ConnectedLine(self)
        self.recordings = Recordings(self)
        self.call_tones = CallTones(self)
        self.watches = CallWatches(self)
        self._usages: tuple[Usage, ...] = (
            self.transfers,
            self.several_calls,
            self.subscriptions,
            self.instant_messages,
            self.digits,
        )
        self._usages += (self.screening, self.connected_line, self.call_tones, self.recordings, self.watches)
        self._unseen: list[Event] = []  # told to the person, not yet to the usages
        self._incoming = IncomingRequests(self, self.rules)
        self._shutting_down = False

    # The contract of a machine

    def submit(self, command: Command, now: float) -> None:
        match command:
            case AddAccount(account=account):
                self._add_account(account, now)
            case RemoveAccount(account_id=account_id):
                self._remove_account(account_id, now)
            case Register(account_id=account_id):
                if (session := self._accounts.get(account_id)) is not None:
                    session.register(now)
            case Unregister(account_id=account_id):
                if (session := self._accounts.get(account_id)) is not None:
                    self.subscriptions.leave(account_id, now)
                    session.unregister(now)
            case Dial():
                self.dial(command, now)
            case EndOrphan(dialog=dialog):
                self._orphans.add(dialog, now)
            case Transfer() | TransferTo() | AcceptTransfer() | RefuseTransfer():
                self.transfers.command(command, now)
            case SwitchTo() | JoinConference() | LeaveConference() | SetMemberMuted():
                self.several_calls.command(command, now)
            case PickUp():
                self.subscriptions.command(command, now)
            case SendInstantMessage():
                self.instant_messages.command(command, now)
            case SendDigits():
                self.digits.command(command, now)
            case Record():
                self.recordings.command(command, now)
            case Shutdown():
                self._shut_down(now)
            case Silence():
                pass  # heard by `call_tones` below, as all are
            case _:
                call = self.calls.get(command.call_id)
                if call is not None:
                    command_call(call, command, now)
        self.call_tones.commanded(command)
        self._settle(now)

    def handle(self, given: Input, now: float) -> None:
        match given:
            case FlowOpened(flow_id=flow_id, flow=description):
                session = self._session_of_flow(flow_id)
                if session is None:
                    self.emit(CloseFlow(flow_id))
                else:
                    self._framers[flow_id] = StreamFramer(self._flow_end)
                    session.keeper.opened(description, now)
            case FlowClosed(flow_id=flow_id, failure=failure):
                self._flow_closed(flow_id, failure, now)
            case BytesReceived(flow_id=flow_id, data=data):
                self._bytes_received(flow_id, data, now)
            case NetworkChanged(woke=woke, lost=lost):
                for session in list(self._accounts.values()):
                    session.suspect(now, woke=woke, lost=lost)
            case _:
                call = next((call for call in self.calls.values() if call.media.id == given.media_id), None)
                if call is None:
                    pass
                elif isinstance(given, RecordingReported):
                    self.recordings.reported(call, given)
                elif isinstance(given, MediaInterrupted):
                    self._accounts[call.account.id].media_interrupted(now, over=given.over)
                    self.watches.interrupted(call.id, over=given.over)
                else:
                    hear_media(self, call, given, now)
        self._settle(now)

    def next_timer(self) -> float | None:
        times = [self._layer.next_timer()]
        times += [session.next_timer() for session in self._accounts.values()]
        times += [call.next_timer() for call in self.calls.values()]
        times += [usage.next_timer() for usage in self._usages]
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        self._layer.handle_timer(now)
        self._pump(now)
        for session in list(self._accounts.values()):
            session.handle_timer(now)
        for call in list(self.calls.values()):
            call.handle_timer(now)
        for usage in self._usages:
            usage.handle_timer(now)
        self._settle(now)

    def drain(self) -> list[Action | Event]:
        outputs, self._outputs = self._outputs, []
        return outputs

    @property
    def quiet(self) -> bool:
        """After Shutdown: nothing is left to be sent or heard."""
        registered = any(not session.unregistered for session in self._accounts.values())
        return self._shutting_down and not self.calls and not registered and not self.subscriptions.leaving

    @property
    def open_dialogs(self) -> tuple[OpenDialog, ...]:
        """What another process must know to end the running calls if this one dies."""
        records = (open_dialog(call) for call in self.calls.values())
        return tuple(record for record in records if record is not None)

    # Host

    def account(self, account_id: AccountId) -> Account:
        return self._accounts[account_id].account

    def flow(self, account_id: AccountId) -> OpenedFlow | None:
        """None also in the moment in which a flow's end is being told to what ran over it."""
        session = self._accounts.get(account_id)
        flow = session.keeper.flow if session is not None else None
        return flow if flow is not None and flow.id in self._framers else None

    def emit(self, item: Action | Event) -> None:
        self._outputs.append(item)
        if isinstance(item, Event):
            self._unseen.append(item)

    def send_request(self, account_id: AccountId, request: Request, handler: ResponseHandler, now: float) -> str | None:
        flow = self.flow(account_id)
        if flow is None:
            return None
        request = with_supported(with_service_route(request, flow.binding.service_route), self.account(account_id))
        branch = self._layer.send_request(with_privacy(request), flow.id, flow.sent_by, now)
        self._handlers[branch] = (account_id, handler)
        return branch

    def send_ack(self, account_id: AccountId, ack: Request) -> None:
        flow = self.flow(account_id)
        if flow is not None:
            self._layer.send_ack(ack, flow.id, flow.sent_by)

    def cancel(self, branch: str, now: float, reason: str | None = None) -> None:
        self._layer.cancel(branch, now, reason)

    def respond(self, key: str, response: Response, now: float) -> None:
        if needs_to_tag(response):
            response = with_to_tag(response, token(self.token_bytes))
        if response.status > 100 and "Server" not in response.headers:
            response = response.with_headers(response.headers.added("Server", USER_AGENT))
        self._layer.respond(key, response, now)

    def next_server(self, account_id: AccountId, failure: Failure, now: float, wait_s: float = 0.0) -> bool:
        session = self._accounts.get(account_id)
        running = sum(call.account.id == account_id and not call.announced_end for call in self.calls.values())
        return session is not None and running == 1 and session.next_server(failure, now, wait_s)

    def flow_abandoned(self, flow_id: FlowId, now: float) -> None:
        self._drop_flow(flow_id, now)

    def authorize(self, account_id: AccountId, request: Request) -> Request:
        return without_unasked_credentials(self._accounts[account_id].authorize(request))

    def answer_challenge(self, account_id: AccountId, request: Request, response: Response) -> Request:
        return self._accounts[account_id].answer_challenge(request, response)

    # For the dispatcher of incoming requests

    def account_of_flow(self, flow_id: FlowId) -> Account | None:
        session = self._session_of_flow(flow_id)
        return session.account if session is not None else None

    # Accounts

    def _add_account(self, account: Account, now: float) -> None:
        known = self._accounts.get(account.id)
        if known is not None and known.takes(account):
            self.subscriptions.account_changed(account.id, now)
            return
        if known is not None:
            self._remove_account(account.id, now)
        session = AccountSession(self, account, self._flow_ready, self._flow_failed)
        self._accounts[account.id] = session
        session.connect(now)

    def _remove_account(self, account_id: AccountId, now: float) -> None:
        session = self._accounts.get(account_id)
        if session is None:
            return
        for call in list(self.calls.values()):
            if call.account.id == account_id:
                call.hang_up(now)
        self.subscriptions.account_removed(account_id, now)
        session.unregister(now)
        self._pump(now)
        self._drop_flow(session.keeper.flow_id, now)
        session.disconnect(now)
        for call in list(self.calls.values()):
            if call.account.id == account_id:
                call.abandon(now)
                del self.calls[call.id]
        del self._accounts[account_id]

    def _shut_down(self, now: float) -> None:
        self._shutting_down = True
        for call in list(self.calls.values()):
            call.hang_up(now)
        for account_id, session in self._accounts.items():
            self.subscriptions.leave(account_id, now)
            session.unregister(now)
        for call in list(self.calls.values()):
            if self.flow(call.account.id) is None:
                call.give_up_sending(now)

    @property
    def account_ids(self) -> tuple[AccountId, ...]:
        """In order; the first is the default account."""
        return tuple(self._accounts)

    @property
    def running_calls(self) -> int:
        """Those of which the person has not heard that they are over."""
        return sum(not call.announced_end for call in self.calls.values())

    @property
    def shutting_down(self) -> bool:
        return self._shutting_down

    def _session_of_flow(self, flow_id: FlowId) -> AccountSession | None:
        for session in self._accounts.values():
            if session.keeper.flow_id == flow_id:
                return session
        return None

    # Flows

    def _flow_ready(self, account: Account, now: float) -> None:
        self._orphans.flow_ready(account.id, now)
        for call in list(self.calls.values()):
            if call.account.id == account.id:
                call.flow_ready(now)
                call.move(now)

    def _flow_failed(self, account: Account, failure: Failure, now: float) -> None:
        for call in list(self.calls.values()):
            if call.account.id == account.id:
                call.flow_failed(failure, now)

    def _flow_closed(self, flow_id: FlowId, failure: Failure, now: float) -> None:
        self._drop_flow(flow_id, now)
        session = self._session_of_flow(flow_id)
        if session is not None:
            session.keeper.lost(failure, now)

    def _drop_flow(self, flow_id: FlowId, now: float) -> None:
        self._framers.pop(flow_id, None)
        self._layer.flow_closed(flow_id, now)
        self._pump(now)

    def _bytes_received(self, flow_id: FlowId, data: bytes, now: float) -> None:
        framer = self._framers.get(flow_id)
        session = self._session_of_flow(flow_id)
        if framer is None or session is None:
            return
        flow = session.keeper.flow
        assert flow is not None
        session.keeper.heard(now)
        try:
            items: list[bytes | KeepAlive] = framer.feed(data)
            broken = None
        except FramingError as error:
            items, broken = list(error.complete), error
        if KeepAlive.PING in items:  # one pong says it for all that came together: a flood of pings is not sent back
            self.emit(SendBytes(flow_id, b"\r\n"))
        for item in items:
            if flow_id not in self._framers:
                return  # what one message said has ended the flow
            match item:
                case KeepAlive.PING:
                    continue
                case KeepAlive.PONG:
                    session.keeper.pong(now)
                case bytes():
                    self._message_received(flow, item, now)
        if broken is not None:
            self._break_flow(session, broken.reason, now)

    def _message_received(self, flow: OpenedFlow, data: bytes, now: float) -> None:
        remote = flow.description
        try:
            message = parse_message(data)
            self._layer.receive(message, flow.id, remote.remote_address, remote.remote_port, now)
        except MalformedRequest as error:
            self._incoming.answer_malformed(error, flow.id)
        except RemoteProtocolError:
            pass  # a response, or too little to answer: dropped (RFC 3261 §18.1.2)
        self._pump(now)

    def _break_flow(self, session: AccountSession, reason: str, now: float) -> None:
        """The stream cannot be framed any more: nothing after this point means anything (RFC 3261 §18.3)."""
        flow_id = session.keeper.flow_id
        self.emit(CloseFlow(flow_id))
        self._flow_closed(flow_id, not_sip(reason), now)

    # Transactions

    def _pump(self, now: float) -> None:
        """Hands on what the transaction layer has to say until it has nothing more."""
        while outputs := self._layer.drain():
            for output in outputs:
                self._layer_output(output, now)

    def _layer_output(self, output: LayerOutput, now: float) -> None:
        match output:
            case SendMessage(flow_id=flow_id, data=data):
                self.emit(SendBytes(flow_id, data))
            case ResponseArrived(branch=branch, response=response):
                entry = self._handlers.get(branch)
                if entry is not None:
                    session = self._accounts.get(entry[0])
                    if session is not None:
                        session.learn(response)
                    self.connected_line.responded(entry[0], response)
                    entry[1].response(branch, response, now)
            case RequestFailed(branch=branch, error=error):
                entry = self._handlers.get(branch)
                if entry is not None:
                    entry[1].request_failed(branch, error, now)
            case TransactionEnded(key_or_branch=name):
                self._handlers.pop(name, None)
            case RequestArrived(key=key, request=request, flow_id=flow_id):
                self._incoming.request(key, request, flow_id, now)
            case AckArrived(request=request, flow_id=flow_id):
                self._incoming.ack(request, flow_id, now)
            case CancelArrived(key=key):
                self._incoming.cancelled(key, now)
            case ResponseFailed():
                pass  # the flow is gone; the call hears of it by itself
            case _:
                assert_never(output)

    # Calls

    def dial(
        self,
        command: Dial,
        now: float,
        headers: tuple[tuple[str, str], ...] = (),
        replaces: CallId | None = None,
    ) -> None:
        """`headers` go into the INVITE besides: Replaces, Referred-By. `replaces`: the call that sent us on to it."""
        account_id = command.account_id or next(iter(self._accounts), None)
        session = self._accounts.get(account_id) if account_id is not None else None
        if command.call_id in self.calls and session is not None:
            return
        account = session.account if session is not None else None
        try:
            call = outgoing_call(self, account, command, headers, self.calls.get(replaces or ""), now)
        except OperationFailed as error:
            refuse_dial(self, command, error.failure, session.account.id if session is not None else "")
            return
        assert session is not None
        self.calls[call.id] = call
        self.emit(CallStarted(call.id, session.account.id, call.remote, replaces))
        if session.keeper.flow is not None:
            call.flow_ready(now)
        else:
            session.connect(now)

    def _settle(self, now: float) -> None:
        self._pump(now)
        while self._unseen:
            event = self._unseen.pop(0)
            for usage in self._usages:
                usage.saw(event, now)
            self._pump(now)
        for call_id in [call_id for call_id, call in self.calls.items() if call.over]:
            del self.calls[call_id]
        if self.quiet:
            for session in self._accounts.values():
                session.disconnect(now)
