"""Digits: telephone-event (RFC 4733), SIP INFO (RFC 6086), tones; a queue with pauses.

Owns: what waits to be sent in each call, how it goes out, and INFO both ways. A comma waits one second, a semicolon
two. One digit at a time is given to the media, so that what is told as sent has gone out; the person hears each.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from softphone.errors import Failure, FailureKind
from softphone.rtp.telephone_event import DEFAULT_PAUSE_MS, DEFAULT_TONE_MS, END_PACKETS
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.sip.header_values import cseq
from softphone.sip.message import Request
from softphone.ua.account import DigitsMode
from softphone.ua.actions import PlayDigit, SendTelephoneEvents, SendTones
from softphone.ua.call import Call
from softphone.ua.commands import CallId, SendDigits
from softphone.ua.dtmf_relay import DTMF_RELAY, digit_of, dtmf_relay
from softphone.ua.events import CallEnded, CallNotice, DigitPressed, DigitsSent, Event, HoldChanged
from softphone.ua.requester import Outcome, Requester
from softphone.ua.responses import response_to

if TYPE_CHECKING:
    from softphone.ua.user_agent import UserAgent

PAUSES = {",": 1.0, ";": 2.0}  # s
DIGITS = frozenset("0123456789*#ABCD")
MAX_QUEUED = 200  # digits and pauses that wait in one call


@dataclass(slots=True)
class Waiting:
    """The queue of one call. `at` is when the next one is due; None: an answer or the end of a hold is awaited."""

    left: deque[str] = field(default_factory=deque)
    at: float | None = None
    informing: bool = False  # an INFO is under way


class Digits:
    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._waiting: dict[CallId, Waiting] = {}
        self._heard: dict[CallId, int] = {}  # the last INFO's CSeq, so that one which a server repeats is told once

    def command(self, command: SendDigits, now: float) -> None:
        """What the person asks."""
        call = self._agent.calls.get(command.call_id)
        if call is None or call.announced_end:
            return
        wanted = command.digits.upper()
        waiting = self._waiting.get(call.id) or Waiting(at=now)
        refused = digits_failure(wanted, len(waiting.left)) or _way(call, call.media.running)
        if isinstance(refused, Failure):
            self._agent.emit(CallNotice(call.id, refused))
            return
        waiting.left.extend(wanted)
        self._waiting[call.id] = waiting
        self._go_on(call, waiting, now)

    # Sending

    def _go_on(self, call: Call, waiting: Waiting, now: float) -> None:
        """All that is due now; a digit and what follows a pause is due later."""
        while waiting.left and waiting.at is not None and waiting.at <= now:
            if (pause := PAUSES.get(waiting.left[0])) is not None:
                waiting.left.popleft()
                waiting.at += pause
            else:
                self._send(call, waiting, now)
        if not waiting.left and waiting.at is not None and waiting.at <= now:
            self._waiting.pop(call.id, None)

    def _send(self, call: Call, waiting: Waiting, now: float) -> None:
        media = call.media.running
        way = _way(call, media)
        if isinstance(way, Failure):
            self._give_up(call, way)
            waiting.left.clear()
            return
        if way is DigitsMode.INFO:
            waiting.at, waiting.informing = None, True
            self._inform(call, waiting, now)
            return
        assert media is not None
        if not media.direction.sends:
            waiting.at = None  # HoldChanged goes on
            return
        digit = waiting.left.popleft()
        send = SendTelephoneEvents if way is DigitsMode.TELEPHONE_EVENT else SendTones
        self._agent.emit(send(call.media.id, digit))
        self._agent.emit(PlayDigit(call.id, digit))
        self._agent.emit(DigitsSent(call.id, digit))
        waiting.at = now + digit_seconds(media.send_ptime)

    def _inform(self, call: Call, waiting: Waiting, now: float) -> None:
        dialog = call.dialog
        assert dialog is not None
        self._agent.emit(PlayDigit(call.id, waiting.left[0]))
        request = dialog.request(
            "INFO", headers=(("Content-Type", DTMF_RELAY),), body=dtmf_relay(waiting.left[0], DEFAULT_TONE_MS)
        )
        done = partial(self._informed, call, waiting)
        Requester(self._agent, call.account.id, "a digit", dialog.next_cseq, done).send(request, now)

    def _informed(self, call: Call, waiting: Waiting, outcome: Outcome, now: float) -> None:
        if self._waiting.get(call.id) is not waiting:
            return  # the call is over
        waiting.informing = False
        if not 200 <= outcome.status < 300:
            self._give_up(call, outcome.failure or _not_taken(outcome.status))
            return
        self._agent.emit(DigitsSent(call.id, waiting.left.popleft()))
        waiting.at = now + (DEFAULT_TONE_MS + DEFAULT_PAUSE_MS) / 1000
        self._go_on(call, waiting, now)

    def _give_up(self, call: Call, failure: Failure) -> None:
        """What waits would come out of order, or as another number."""
        self._waiting.pop(call.id, None)
        self._agent.emit(CallNotice(call.id, failure))

    # What arrives

    def info(self, call: Call, key: str, request: Request, now: float) -> None:
        """INFO within a call. Without a body it asks only whether the call is still there (RFC 6086 §5.2)."""
        if request.headers.get("Info-Package") is not None:  # no Recv-Info of ours has named any
            self._agent.respond(key, response_to(request, 469, headers=(("Recv-Info", ""),)), now)
            return
        digit = digit_of(request) if request.body else None
        if request.body and digit is None:
            self._agent.respond(key, response_to(request, 400), now)
            return
        self._agent.respond(key, response_to(request, 200), now)
        number = cseq(request).number
        if digit is not None and not call.announced_end and self._heard.get(call.id) != number:
            self._heard[call.id] = number
            self._agent.emit(DigitPressed(call.id, digit))

    # Usage

    def saw(self, event: Event, now: float) -> None:
        match event:
            case CallEnded(call_id=call_id):
                self._waiting.pop(call_id, None)
                self._heard.pop(call_id, None)
            case HoldChanged(call_id=call_id, direction=direction) if direction.sends:
                waiting, call = self._waiting.get(call_id), self._agent.calls.get(call_id)
                if waiting is not None and call is not None and waiting.at is None and not waiting.informing:
                    waiting.at = now
                    self._go_on(call, waiting, now)
            case _:
                pass

    def next_timer(self) -> float | None:
        return min((w.at for w in self._waiting.values() if w.at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        for call_id, waiting in list(self._waiting.items()):
            if (call := self._agent.calls.get(call_id)) is not None:
                self._go_on(call, waiting, now)


def digit_seconds(ptime: int) -> float:
    """How long the media takes for one digit and the pause after it, in packets of `ptime` ms: tone, ends, pause."""
    tone, pause = math.ceil(DEFAULT_TONE_MS / ptime), math.ceil(DEFAULT_PAUSE_MS / ptime)
    return (tone + END_PACKETS + pause) * ptime / 1000


def _way(call: Call, media: NegotiatedMedia | None) -> DigitsMode | Failure:
    """How this call's digits go out now. With "auto": the first of the three that the other side can."""
    mode = call.account.digits
    can_inform = call.dialog is not None and call.change is not None
    peer_informed = call.change is not None and "INFO" in call.change.peer_allows
    if mode is DigitsMode.INFO or (
        mode is DigitsMode.AUTO and peer_informed and (media is None or media.telephone_event is None)
    ):
        return DigitsMode.INFO if can_inform else _NOT_YET
    if media is None:
        return _NOT_YET
    if mode is DigitsMode.IN_BAND or (mode is DigitsMode.AUTO and media.telephone_event is None):
        return DigitsMode.IN_BAND
    return DigitsMode.TELEPHONE_EVENT if media.telephone_event is not None else _NO_EVENTS


def digits_failure(wanted: str, queued: int = 0) -> Failure | None:
    """Why these can be sent in no call; None if they can, behind `queued` others."""
    if not wanted or not set(wanted.upper()) <= DIGITS | set(PAUSES):
        return Failure(
            FailureKind.USAGE,
            f"“{wanted[:50]}” are not digits that can be sent.",
            "Use 0 to 9, *, #, A to D; a comma waits one second, a semicolon two.",
        )
    if queued + len(wanted) > MAX_QUEUED:
        return Failure(
            FailureKind.USAGE, f"More than {MAX_QUEUED} digits would wait to be sent.", "Send them in several goes."
        )
    return None


_NOT_YET = Failure(FailureKind.USAGE, "There is nobody to hear digits yet.", "Send them once the call is answered.")
_NO_EVENTS = Failure(
    FailureKind.NOT_ACCEPTABLE,
    "The other side takes no telephone-events, and the account is set to send digits in no other way.",
    "Set the account's digits to “auto”, “info” or “in-band”.",
)


def _not_taken(status: int) -> Failure:
    return Failure(
        FailureKind.REJECTED,
        f"The other side did not take a digit that was sent by SIP INFO ({status}); those after it were not sent.",
        "Set the account's digits to “telephone-event” or “in-band”.",
        status=status,
    )
