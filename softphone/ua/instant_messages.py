"""SIP MESSAGE in and out (RFC 3428), pager mode: each message is a request of its own.

Owns: what is sent and in which order, what is taken and how much of it. Nothing is kept beyond the answer. Messages
leave over the account's TLS flow only, as all requests do; beyond the server nothing is known of their way.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind, OperationFailed, RemoteProtocolError
from softphone.sip.header_values import call_id, cseq, from_addr, parse_content_type
from softphone.sip.message import Request, Response
from softphone.sip.tokens import find_parameter
from softphone.sip.uri import SipUri
from softphone.ua.account import Account, AccountId
from softphone.ua.commands import SendInstantMessage
from softphone.ua.dial_target import parse_dial_target
from softphone.ua.events import DeliveryState, Event, MessageDelivery, MessageReceived, Party
from softphone.ua.foreign_text import readable
from softphone.ua.host import token
from softphone.ua.identity import own_address, party_of
from softphone.ua.outcomes import message_failure
from softphone.ua.request_checks import CONTENT_TYPES
from softphone.ua.requester import Outcome, Requester
from softphone.ua.responses import new_request, response_to

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

# RFC 3428 §8 bounds a request at 1300 octets on ways that may not control congestion. The first hop is TLS; this is a
# page of text, far from what servers refuse.
MAX_SENT = 4 * 1024  # octets
MAX_RECEIVED = 16 * 1024  # octets; 413 beyond
MAX_OUTSTANDING = 50  # messages of the whole phone that wait for their turn or their answer
# Per account: a person reads no faster, and a flood must not push what was said before out of memory.
BURST = 20
PER_SECOND = 1.0
RETRY_AFTER = 10  # s, told to who writes faster
REMEMBERED = 64  # messages that came, so that one which a server repeats is told once

CONTENT_TYPE = "text/plain;charset=UTF-8"
_CHARSETS = {"": "utf-8", "utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "latin-1"}


@dataclass(frozen=True, slots=True)
class _Letter:
    account_id: AccountId
    message_id: str
    target: SipUri
    remote: Party
    text: str


@dataclass
class _Allowance:
    """How many messages an account may still take: a bucket that fills with time."""

    left: float = BURST
    at: float = field(default=0.0)

    def take(self, now: float) -> bool:
        self.left = min(BURST, self.left + max(0.0, now - self.at) * PER_SECOND)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class InstantMessages:
    """Implements `Usage`."""

    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        # To one address one after the other, so that they arrive in order (RFC 3428 §8); the first is under way.
        self._queues: dict[tuple[AccountId, str], deque[_Letter]] = {}
        self._allowances: dict[AccountId, _Allowance] = {}
        self._came: deque[tuple[object, ...]] = deque(maxlen=REMEMBERED)

    # Out

    def command(self, command: SendInstantMessage, now: float) -> None:
        """Sends it, or says why not; MessageDelivery tells how far it is."""
        account_id = command.account_id or next(iter(self._agent.account_ids), None)
        remote = Party(command.target)
        try:
            account = self._sender(account_id)
            target = parse_dial_target(command.target, account.domain)
            remote = Party(str(target))
            _check_text(command.text)
            self._check_room()
        except OperationFailed as error:
            failed = _Letter(account_id or "", command.message_id, SipUri("sip", "invalid"), remote, command.text)
            self._tell(failed, DeliveryState.FAILED, error.failure)
            return
        letter = _Letter(account.id, command.message_id, target, remote, command.text)
        queue = self._queues.setdefault((account.id, str(target)), deque())
        queue.append(letter)
        self._tell(letter, DeliveryState.SENDING)
        if len(queue) == 1:
            self._send(letter, now)

    def _sender(self, account_id: AccountId | None) -> Account:
        if account_id is None or account_id not in self._agent.account_ids:
            raise _refused("There is no account to send the message with.", "Sign in first.")
        if self._agent.shutting_down:
            raise _refused("The phone is shutting down.", "Start it again.")
        if self._agent.flow(account_id) is None:
            raise OperationFailed(
                Failure(
                    FailureKind.CONNECTION_LOST,
                    "The account is not connected to its server, so the message cannot be sent.",
                    "Wait until it is registered and send the message again.",
                )
            )
        return self._agent.account(account_id)

    def _check_room(self) -> None:
        if sum(map(len, self._queues.values())) >= MAX_OUTSTANDING:
            raise _refused("Too many messages wait for their answer.", "Wait a moment and send it again.")

    def _send(self, letter: _Letter, now: float) -> None:
        account = self._agent.account(letter.account_id)
        numbers = itertools.count(1)
        request = new_request(
            "MESSAGE",
            letter.target,
            from_=str(own_address(account).with_parameter("tag", token(self._agent.token_bytes))),
            to=f"<{letter.target}>",
            call_id=token(self._agent.token_bytes, 12),
            cseq=next(numbers),
            headers=(("Content-Type", CONTENT_TYPE),),  # no Contact: RFC 3428 §4
        )
        request = Request(request.method, request.uri, request.headers, letter.text.encode())
        requester = Requester(
            self._agent,
            account.id,
            "the message",
            lambda: next(numbers),
            lambda outcome, then: self._done(letter, outcome, then),
        )
        requester.send(request, now)

    def _done(self, letter: _Letter, outcome: Outcome, now: float) -> None:
        """202 says only that somebody keeps it for the recipient (RFC 3428 §7)."""
        response = outcome.response
        if response is not None and response.status < 300:
            accepted = response.status == 202
            self._tell(letter, DeliveryState.ACCEPTED if accepted else DeliveryState.DELIVERED)
        else:
            failure = outcome.failure or (message_failure(response) if response is not None else None)
            self._tell(letter, DeliveryState.FAILED, failure)
        self._next(letter, now)

    def _next(self, letter: _Letter, now: float) -> None:
        queue = self._queues[(letter.account_id, str(letter.target))]
        queue.popleft()
        if not queue:
            del self._queues[(letter.account_id, str(letter.target))]
        elif self._agent.flow(letter.account_id) is not None:
            self._send(queue[0], now)
        else:
            self._drop(queue)

    def _drop(self, queue: deque[_Letter]) -> None:
        """The flow is gone: what waited is not sent later, when nobody expects it any more."""
        for letter in queue:
            failure = Failure(
                FailureKind.CONNECTION_LOST,
                "The connection to the server was lost before the message could be sent.",
                "Wait until the account is registered and send the message again.",
            )
            self._tell(letter, DeliveryState.FAILED, failure)
        first = queue[0]
        del self._queues[(first.account_id, str(first.target))]

    def _tell(self, letter: _Letter, state: DeliveryState, failure: Failure | None = None) -> None:
        self._agent.emit(
            MessageDelivery(letter.account_id, letter.message_id, letter.remote, letter.text, state, failure)
        )

    # In

    def message(self, account: Account, key: str, request: Request, now: float) -> None:
        """MESSAGE, in a call or outside; its type has been checked. 200 once it has been told to the person."""
        identity = (account.id, call_id(request), from_addr(request).tag, cseq(request).number, hash(request.body))
        if identity in self._came:  # its transaction ended with the answer; a server on the way did not hear it
            self._agent.respond(key, response_to(request, 200), now)
            return
        refusal = self._refusal(account, request, now)
        if refusal is not None:
            self._agent.respond(key, refusal, now)
            return
        text = readable(_decoded(request))
        self._agent.respond(key, response_to(request, 200), now)
        self._came.append(identity)
        if text.strip():
            sender = party_of(from_addr(request))
            self._agent.emit(MessageReceived(account.id, token(self._agent.token_bytes), sender, text))

    def _refusal(self, account: Account, request: Request, now: float) -> Response | None:
        if self._agent.screening.denies(account, request):
            return response_to(request, 603)
        if len(request.body) > MAX_RECEIVED:
            return response_to(request, 413)
        if _charset(request) is None:
            accepted = ", ".join(f"{kind};charset=UTF-8" for kind in CONTENT_TYPES["MESSAGE"])
            return response_to(request, 415, headers=(("Accept", accepted),))
        if not self._allowances.setdefault(account.id, _Allowance(at=now)).take(now):
            return response_to(request, 480, headers=(("Retry-After", str(RETRY_AFTER)),))
        return None

    # Usage

    def saw(self, event: Event, now: float) -> None:
        """What ends here is told by the answers."""

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing runs by time: transactions end by themselves."""


def _check_text(text: str) -> None:
    """Raises OperationFailed."""
    try:
        octets = len(text.encode())
    except UnicodeEncodeError as error:
        raise _refused("The message contains what is no text.", "Type it again.") from error
    if not text.strip():
        raise _refused("The message is empty.", "Type a text.")
    if octets > MAX_SENT:
        raise _refused(
            f"The message is too long: {octets} octets, and at most {MAX_SENT} are sent.", "Send it in parts."
        )


def _charset(request: Request) -> str | None:
    """Python's name of the codec; None for a charset that is not read."""
    value = request.headers.get("Content-Type")
    parameters = parse_content_type(value)[1] if value is not None else ()
    return _CHARSETS.get((find_parameter(parameters, "charset") or "").lower())


def _decoded(request: Request) -> str:
    """Raises RemoteProtocolError."""
    try:
        return request.body.decode(_charset(request) or "utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("The message is not in the charset that it names") from error


def _refused(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.USAGE, reason, remedy))
