"""One account at work: its flow, its registration, its credentials, told to the screen as one state.

Owns: the order of things (flow first, then REGISTER) and `RegistrationChanged`. The flow's and the registration's own
rules are in `flow_keeper.py` and `registration.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.sip.digest import ChallengeUnsupported, CredentialsRejected, DigestAuthenticator
from softphone.sip.message import Request, Response
from softphone.ua.account import Account
from softphone.ua.actions import FlowId
from softphone.ua.events import RegistrationChanged, RegistrationState
from softphone.ua.flow_keeper import FlowKeeper, FlowState, FlowTrigger
from softphone.ua.host import Host, Redirect
from softphone.ua.registration import Registration, RegistrationMachineState, RegistrationTrigger, Remedy

_M = RegistrationMachineState
_SHOWN = {
    RegistrationMachineState.IDLE: RegistrationState.OFFLINE,
    RegistrationMachineState.REGISTERING: RegistrationState.REGISTERING,
    RegistrationMachineState.REGISTERED: RegistrationState.REGISTERED,
    RegistrationMachineState.WAITING: RegistrationState.WAITING,
    RegistrationMachineState.FAILED: RegistrationState.FAILED,
    RegistrationMachineState.UNREGISTERING: RegistrationState.OFFLINE,
}

_SIGNED_OUT = Failure(
    FailureKind.CONNECTION_LOST,
    "The account was signed out, which closed its connection to the server.",
    "Sign in again and repeat the call.",
)


class AccountSession:
    def __init__(
        self,
        host: Host,
        account: Account,
        flow_ready: Callable[[Account, float], None],
        flow_failed: Callable[[Account, Failure, float], None],
    ) -> None:
        self._host = host
        self.account = account
        self._flow_ready, self._flow_failed = flow_ready, flow_failed
        self.wants_registration = account.register
        self.keeper = FlowKeeper(host, account, self._opened, self._lost)
        self.registration = Registration(host, account, self._registration_changed)
        self._digest = DigestAuthenticator(host.token_bytes)
        self._last: RegistrationChanged | None = None

    def takes(self, account: Account) -> bool:
        """Takes over what concerns calls and subscriptions only; False if the flow must be made anew."""
        kept = replace(
            self.account,
            media_policy=account.media_policy,
            codecs=account.codecs,
            ptime=account.ptime,
            dtx=account.dtx,
            display_name=account.display_name,
            rules=account.rules,
            digits=account.digits,
            hide_identity=account.hide_identity,
            message_waiting=account.message_waiting,
            voicemail=account.voicemail,
            watched=account.watched,
            session_expires=account.session_expires,
            reliable_provisionals=account.reliable_provisionals,
            rtcp_mux=account.rtcp_mux,
            ringtone=account.ringtone,
        )
        if kept != account:
            return False
        self.account = account
        return True

    # What is asked

    def connect(self, now: float) -> None:
        """Make sure that there is a flow, or that one is being opened."""
        self.keeper.trigger(FlowTrigger.WANTED, now)
        if self.keeper.state is FlowState.OPENING:
            self._announce(RegistrationState.CONNECTING)

    def register(self, now: float) -> None:
        self.wants_registration = True
        if self.keeper.flow is None:
            self.keeper.trigger(FlowTrigger.RETRY_NOW, now)
            self._announce(RegistrationState.CONNECTING)
        else:
            self.registration.trigger(RegistrationTrigger.REGISTER, now)

    def unregister(self, now: float) -> None:
        self.wants_registration = False
        if self.keeper.flow is None:
            self.disconnect(now)
            self._announce(RegistrationState.OFFLINE)
        else:
            self.registration.trigger(RegistrationTrigger.UNREGISTER, now)

    def disconnect(self, now: float) -> None:
        self.keeper.trigger(FlowTrigger.UNWANTED, now)
        self._flow_failed(self.account, _SIGNED_OUT, now)

    def next_server(self, failure: Failure, now: float, wait_s: float) -> bool:
        """To the next address at once, if there is one; the registration follows."""
        if not self.keeper.may_move:
            return False
        self.keeper.leave(failure, now, now + wait_s)
        return True

    def suspect(self, now: float, *, woke: bool = False, lost: tuple[FlowId, ...] = ()) -> None:
        """The network changed or the machine woke: probe at once, and try again at once if we were waiting."""
        state = self.registration.state
        # Asleep, we may have missed that the server forgot us; and of one that never pongs only an answer is a sign.
        refreshes = state is _M.WAITING or (state is _M.REGISTERED and (woke or not self.keeper.peer_pongs))
        asked = refreshes or state is _M.REGISTERING
        self.keeper.network_changed(now, lost=self.keeper.flow_id in lost, asked=asked)
        if self.keeper.state is FlowState.OPENING:
            self._announce(RegistrationState.CONNECTING)
        elif self.keeper.flow is not None and refreshes:
            self.registration.trigger(RegistrationTrigger.REGISTER, now)

    def media_interrupted(self, now: float, *, over: bool) -> None:
        """A call's packets stopped coming, so the flow may be dead too; or they come again, so it can be had again."""
        if not over or self.keeper.flow is None:
            self.suspect(now)

    @property
    def unregistered(self) -> bool:
        return self.registration.state in (RegistrationMachineState.IDLE, RegistrationMachineState.FAILED)

    # Credentials

    def authorize(self, request: Request) -> Request:
        password = self.account.password
        if password is None:
            return request
        return self._digest.preauthorize(request, self._auth_user, password)

    def learn(self, response: Response) -> None:
        """nextnonce (RFC 7616 §3.5)."""
        self._digest.learn(response)

    def answer_challenge(self, request: Request, response: Response) -> Request:
        password = self.account.password
        if password is None:
            raise OperationFailed(
                Failure(
                    FailureKind.NO_CREDENTIALS,
                    f"The server {self.account.server} asks for a password for {self._auth_user}, and none is known.",
                    "Enter the account's password.",
                    status=response.status,
                )
            )
        try:
            return self._digest.answer(request, response, self._auth_user, password)
        except CredentialsRejected as error:
            raise OperationFailed(
                Failure(
                    FailureKind.WRONG_CREDENTIALS,
                    f"The server {self.account.server} does not accept the password of {self._auth_user}.",
                    "Check user name and password.",
                    (f"SIP {response.status} {response.reason}"[:200],),
                    response.status,
                )
            ) from error
        except ChallengeUnsupported as error:
            raise OperationFailed(
                Failure(
                    FailureKind.UNSUPPORTED_CHALLENGE,
                    f"The server {self.account.server} asks for a kind of authentication that is not supported:"
                    f" {error.reason}.",
                    "Have it offer Digest with SHA-256 or MD5 and qop=auth.",
                    status=response.status,
                )
            ) from error

    @property
    def _auth_user(self) -> str:
        return self.account.auth_user or self.account.user

    # Timers

    def next_timer(self) -> float | None:
        times = (self.keeper.next_timer(), self.registration.next_timer())
        return min((t for t in times if t is not None), default=None)

    def handle_timer(self, now: float) -> None:
        before = self.keeper.state
        self.keeper.handle_timer(now)
        if before is FlowState.WAITING and self.keeper.state is FlowState.OPENING:
            self._announce(RegistrationState.CONNECTING)
        self.registration.handle_timer(now)

    # What the parts tell

    def _opened(self, now: float) -> None:
        if self.wants_registration:
            self.registration.trigger(RegistrationTrigger.REGISTER, now)
        else:
            self._announce(RegistrationState.OFFLINE)
        self._flow_ready(self.account, now)

    def _lost(self, failure: Failure, retry_in_s: float, now: float) -> None:
        self.registration.trigger(RegistrationTrigger.FLOW_LOST, now)
        if retry_in_s == 0.0:  # another one is opened in the same moment
            self._announce(RegistrationState.CONNECTING, failure)
        else:
            self._announce(RegistrationState.WAITING, failure, retry_in_s)
        self._flow_failed(self.account, failure, now)

    def _registration_changed(self, failure: Failure | None, retry_in_s: float | None, now: float) -> None:
        registration = self.registration
        state = registration.state
        match registration.remedy:
            case Redirect() as redirect if failure is not None:
                self.keeper.follow(redirect, failure, now)
                return
            case Remedy.ANOTHER_FLOW if failure is not None:
                self.keeper.leave(failure, now, now + registration.retry_after)
                return
            case Remedy.ANOTHER_SERVER if failure is not None and self.keeper.has_others:
                self.keeper.leave(failure, now, now + registration.retry_after)
                return
        if state is RegistrationMachineState.REGISTERED:
            self.keeper.bound(registration.binding, now)
            self.keeper.serves()
        elif state is RegistrationMachineState.IDLE:
            self.keeper.bound(registration.binding, now)
        # A refresh under way does not make a registered phone unreachable.
        refreshing = state is RegistrationMachineState.REGISTERING and registration.expires is not None
        if refreshing:
            self.keeper.asked(now)
        self._announce(RegistrationState.REGISTERED if refreshing else _SHOWN[state], failure, retry_in_s)

    def _announce(
        self, state: RegistrationState, failure: Failure | None = None, retry_in_s: float | None = None
    ) -> None:
        flow = self.keeper.flow
        changed = RegistrationChanged(
            self.account.id,
            state,
            failure=failure,
            retry_in_s=retry_in_s,
            expires_s=self.registration.expires if state is RegistrationState.REGISTERED else None,
            status=self.registration.status,
            flow=flow.description if flow is not None else None,
        )
        if changed != self._last:
            self._last = changed
            self._host.emit(changed)
