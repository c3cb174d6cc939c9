"""Subscriptions of all accounts: message waiting (RFC 3842) and watched lines (RFC 4235), begun and ended with them.

Owns: which account wants to know what, the way of a NOTIFY to its subscription, pickup. Implements `Usage`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError
from softphone.sip.event_headers import event_of
from softphone.sip.message import Request
from softphone.sip.uri import SipUri
from softphone.ua.account import Account, AccountId, WatchedLine
from softphone.ua.busy_lamps import DIALOG, BusyLamp
from softphone.ua.commands import Dial, PickUp
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.dialling import refuse_dial
from softphone.ua.events import (
    Event,
    LineState,
    LineStateChanged,
    RegistrationChanged,
    RegistrationState,
    RemoteIdentityChanged,
)
from softphone.ua.message_waiting import MESSAGE_SUMMARY, Mailbox
from softphone.ua.pick_up import pickup_of
from softphone.ua.request_checks import IN_DIALOG_CHECKS
from softphone.ua.responses import response_to
from softphone.ua.standing_subscription import Follower, StandingSubscription
from softphone.ua.subscription import Package, Subscription

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

MAX_WATCHED = 100  # lines of one account; a panel of keys has 60
TAKEN = f"{MESSAGE_SUMMARY.event}, {DIALOG.event}"  # of NOTIFYs; what we notify of is `responses.ALLOW_EVENTS`


@dataclass
class _Followed:
    """One account's mailbox and lamps."""

    mailbox: Mailbox
    summaries: StandingSubscription | None = None  # None: not to be subscribed to
    lamps: dict[str, BusyLamp] = field(default_factory=dict)  # by the address as in the settings
    registered: bool = False

    def standing(self) -> list[StandingSubscription]:
        found = [self.summaries, *(lamp.standing for lamp in self.lamps.values())]
        return [standing for standing in found if standing is not None]


class Subscriptions:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._accounts: dict[AccountId, _Followed] = {}
        self._leaving: list[tuple[AccountId, Subscription]] = []  # Expires 0 is sent

    def command(self, command: PickUp, now: float) -> None:
        """Takes the call that rings at a watched line; a refusal is told as that of a call."""
        followed = self._accounts.get(command.account_id)
        lamp = followed.lamps.get(command.uri) if followed is not None else None
        try:
            pickup = pickup_of(lamp)
        except OperationFailed as error:
            refused = Dial(command.call_id, command.uri, command.account_id)
            refuse_dial(self._agent, refused, error.failure, command.account_id)
            return
        self._agent.dial(Dial(command.call_id, pickup.target, command.account_id), now, pickup.headers)
        if pickup.caller is not None and command.call_id in self._agent.calls:
            # The target may be a phone's contact, which nobody would recognise.
            self._agent.emit(RemoteIdentityChanged(command.call_id, pickup.caller))

    # NOTIFY

    def takes(self, account: Account, request: Request) -> bool:
        """Whether the request belongs to the dialog of a subscription of ours."""
        return request.method == "NOTIFY" and self._owner(account, request) is not None

    def notify(self, account: Account, key: str, request: Request, now: float) -> None:
        """NOTIFY, in a subscription of ours or unsolicited. Raises RemoteProtocolError for one that cannot be taken."""
        subscription = self._owner(account, request)
        if subscription is None:
            self._unsolicited(account, key, request, now)
            return
        for check in IN_DIALOG_CHECKS:
            refusal = check(request)
            if refusal is not None:
                self._agent.respond(key, refusal, now)
                return
        subscription.notify(key, request, now)
        self._sweep()

    def _owner(self, account: Account, request: Request) -> Subscription | None:
        """Among the account's own: its server has no say in the subscriptions of another one."""
        followed = self._accounts.get(account.id)
        standing = followed.standing() if followed is not None else []
        own = [entry.subscription for entry in standing if entry.subscription is not None]
        own += [subscription for account_id, subscription in self._leaving if account_id == account.id]
        return next((subscription for subscription in own if subscription.owns(request)), None)

    def _unsolicited(self, account: Account, key: str, request: Request, now: float) -> None:
        """Message waiting without a subscription, as many servers tell it; nothing else is taken so (489, §4.1.3)."""
        event = event_of(request)
        if event is None:
            raise RemoteProtocolError("NOTIFY has no Event")
        wanted = event.package == MESSAGE_SUMMARY.event and account.message_waiting
        if not wanted:
            self._agent.respond(key, response_to(request, 489, headers=(("Allow-Events", TAKEN),)), now)
            return
        if request.body:
            self._of(account.id).mailbox.take(request, asked=False)
        self._agent.respond(key, response_to(request, 200), now)

    # Accounts

    def account_changed(self, account_id: AccountId, now: float) -> None:
        """Its options are others now: what is no longer wanted ends, what is new begins."""
        followed = self._accounts.get(account_id)
        if followed is not None and followed.registered:
            self._follow(account_id, followed, now)

    def leave(self, account_id: AccountId, now: float) -> None:
        """The account unregisters: its subscriptions end first, over the same flow."""
        followed = self._accounts.get(account_id)
        if followed is None:
            return
        followed.registered = False
        self._sweep()
        for standing in followed.standing():
            standing.leave(now)
        for lamp in followed.lamps.values():
            lamp.unknown(None, now)

    def account_removed(self, account_id: AccountId, now: float) -> None:
        self.leave(account_id, now)
        self._accounts.pop(account_id, None)

    @property
    def leaving(self) -> bool:
        """A request that ends a subscription is not answered yet."""
        return any(subscription.removal_unanswered for _, subscription in self._leaving)

    def _of(self, account_id: AccountId) -> _Followed:
        if account_id not in self._accounts:
            self._accounts[account_id] = _Followed(Mailbox(self._agent, account_id))
        return self._accounts[account_id]

    def _registered(self, account_id: AccountId, now: float) -> None:
        followed = self._of(account_id)
        if not followed.registered:
            followed.registered = True
            self._follow(account_id, followed, now)

    def _unreachable(self, account_id: AccountId, now: float) -> None:
        followed = self._accounts.get(account_id)
        if followed is not None and followed.registered:
            followed.registered = False
            for standing in followed.standing():
                standing.unreachable(now)

    def _follow(self, account_id: AccountId, followed: _Followed, now: float) -> None:
        """Makes what is followed that which the account asks for, and has all of it subscribed."""
        account = self._agent.account(account_id)
        self._follow_mailbox(account, followed, now)
        wanted = {line.uri: line for line in account.watched[:MAX_WATCHED]}
        for uri, lamp in list(followed.lamps.items()):
            if uri not in wanted:
                if lamp.standing is not None:
                    lamp.standing.leave(now)
                del followed.lamps[uri]
        for uri, line in wanted.items():
            if uri in followed.lamps:
                followed.lamps[uri].line = line
            else:
                followed.lamps[uri] = self._lamp(account, line, now)
        for line in account.watched[MAX_WATCHED:]:
            self._agent.emit(LineStateChanged(account_id, line.uri, LineState.UNKNOWN, failure=_too_many()))
        for standing in followed.standing():
            standing.registered(now)

    def _follow_mailbox(self, account: Account, followed: _Followed, now: float) -> None:
        followed.mailbox.tell()
        if not account.message_waiting:
            if followed.summaries is not None:
                followed.summaries.leave(now)
                followed.summaries = None
        elif followed.summaries is None:
            target = SipUri("sip", account.domain, user=account.user)
            followed.summaries = self._standing(account, MESSAGE_SUMMARY, target, "the mailbox", followed.mailbox)

    def _lamp(self, account: Account, line: WatchedLine, now: float) -> BusyLamp:
        try:
            target = parse_dial_target(line.uri, account.domain)
        except OperationFailed as error:
            lamp = BusyLamp(self._agent, account.id, line, None)
            lamp.unknown(error.failure, now)
            return lamp
        lamp = BusyLamp(self._agent, account.id, line, target)
        what = f"the line {line.label or line.uri}"
        lamp.standing = self._standing(account, DIALOG, target, what, lamp)
        return lamp

    def _standing(
        self, account: Account, package: Package, target: SipUri, what: str, follower: Follower
    ) -> StandingSubscription:
        return StandingSubscription(
            self._agent,
            account.id,
            package,
            target,
            what,
            follower,
            lambda subscription: self._leaving.append((account.id, subscription)),
        )

    # Usage

    def saw(self, event: Event, now: float) -> None:
        if not isinstance(event, RegistrationChanged):
            return
        if event.state is RegistrationState.REGISTERED:
            if not self._agent.shutting_down:
                self._registered(event.account_id, now)
        else:
            self._unreachable(event.account_id, now)

    def next_timer(self) -> float | None:
        times = [entry.next_timer() for followed in self._accounts.values() for entry in followed.standing()]
        times += [subscription.next_timer() for _, subscription in self._leaving]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for followed in self._accounts.values():
            for standing in followed.standing():
                standing.handle_timer(now)
        for _, subscription in self._leaving:
            subscription.handle_timer(now)
        self._sweep()

    def _sweep(self) -> None:
        self._leaving = [entry for entry in self._leaving if not entry[1].over]


def _too_many() -> Failure:
    return Failure(
        FailureKind.SETTINGS,
        f"An account watches at most {MAX_WATCHED} lines; this one is beyond them.",
        "Remove lines from the account's busy-lamp keys.",
    )
