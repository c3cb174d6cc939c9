"""Hostile octets on the flow of a phone in the middle of everything: calls, transfers, forks, PRACK, UPDATE, timers,
digits, subscriptions, messages, a conference; and what must hold whatever is said.

`python -m tests.fuzz.talking_phone [attacks]` runs it long; `tests/ua/test_established_flow.py` runs it short.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from softphone.errors import FailureKind, SoftphoneError
from softphone.policy.media import ConnectionProfile, MediaEncryption, MediaPolicy, UnencryptedPeer
from softphone.sdp.negotiated import ClearMedia, SrtpSecurity
from softphone.sip.header_values import to_addr
from softphone.sip.message import Request, Response
from softphone.sip.responses import response_to
from softphone.ua.account import CallRules, Forwarding
from softphone.ua.actions import StartMedia, UpdateMedia
from softphone.ua.commands import (
    AcceptTransfer,
    AddAccount,
    Answer,
    Command,
    Decline,
    Deflect,
    FollowRedirect,
    JoinConference,
    LeaveConference,
    Mute,
    RefuseTransfer,
    Rekey,
    SendDigits,
    StartEarlyMedia,
    SwitchTo,
    Transfer,
    TransferTo,
    Unmute,
)
from softphone.ua.events import CallEnded, CallNotEncrypted, Event, IncomingCall, TransferEnded
from tests.fuzz.established_flow import STATUSES
from tests.fuzz.watching_phone import EventAttack
from tests.playbook.stage import BOB, Stage, their_session

ALLOWING = MediaPolicy(
    encryption=MediaEncryption.OPTIONAL, unencrypted_peer=UnencryptedPeer.ALLOW, profile=ConnectionProfile.PRIVATE
)
CLEAR = MediaPolicy(encryption=MediaEncryption.DISABLED, profile=ConnectionProfile.PRIVATE)
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "PRACK", "UPDATE", "REFER", "NOTIFY", "MESSAGE", "X")
TYPES = ("application/sdp", "message/sipfrag", "application/dtmf-relay", "text/plain", "application/dialog-info+xml")
MOST_OBJECTS = 60_000
"""Of the agent's whole state: some hundred for each call, its dialogs and transactions, and what is bounded by name."""
MOST_FIRINGS = 2000
"""Of timers in one wait: none may come back at once for ever."""
_ATOMS = (str, bytes, int, float, bool, type(None), type, types.ModuleType, types.FunctionType, types.BuiltinMethodType)


def objects(root: object) -> int:
    """How many objects are reached from this one: what grows without bound shows here, whoever holds it."""
    seen: set[int] = set()
    waiting: deque[object] = deque([root])
    while waiting:
        item = waiting.popleft()
        if isinstance(item, _ATOMS) or id(item) in seen:
            continue
        seen.add(id(item))
        waiting.extend(_parts(item))
    return len(seen)


def _parts(item: object) -> Iterable[object]:
    match item:
        case dict():
            return (*item.keys(), *item.values())
        case list() | tuple() | set() | frozenset() | deque():
            return tuple(item)
        case types.MethodType():
            return (item.__self__,)
        case _:
            slots = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
            return (*getattr(item, "__dict__", {}).values(), *(getattr(item, name, None) for name in slots))


class TimedStage(Stage):
    """Notices timers that never come to rest."""

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(MOST_FIRINGS):
            deadline = self.agent.next_timer()
            if deadline is None or deadline > end:
                self.now = end
                return
            super().wait(max(0.0, deadline - self.now))
        raise AssertionError("timers fire and fire")


class TalkAttack(EventAttack):
    def signed_in(self, seed: int) -> Stage:
        stage = super().signed_in(seed)
        stage.account = replace(
            stage.account,
            media_policy=self._random.choice((MediaPolicy(), MediaPolicy(), ALLOWING)),
            session_expires=self._random.choice((0, 90, 1800)),
            rules=CallRules(max_calls=10, auto_answer_from=("bob",), forwarding=Forwarding(no_answer="carol")),
        )
        self._agreed: set[str] = set()
        self._judged = 0
        self._keys: dict[object, tuple[str, int]] = {}
        self._secure: dict[str, bool] = {}
        self._most = self._sent_number = 0
        stage.do(AddAccount(stage.account))
        stage.__class__ = TimedStage
        return stage

    # What is sent

    def _message(self) -> bytes:
        if self._random.random() < 0.15:
            self._honest()
        if self._random.random() < 0.2:
            return super()._message()
        invites = [m for m in self.stage.sent[-60:] if isinstance(m, Request) and m.method == "INVITE"]
        answers = [
            m for m in self.stage.sent[-60:] if isinstance(m, Response) and "INVITE" in (m.headers.get("CSeq") or "")
        ]
        chance = self._random.random()
        if chance < 0.3 and invites:
            return self._provisional(self._random.choice(invites))
        method = self._random.choice(METHODS)
        if chance < 0.65 and invites:
            return self._decorated(
                self.stage.from_callee(self._random.choice(invites), method, self._number(), self._body(), self._tag())
            )
        if answers:
            answer = self._random.choice(answers)
            tag, call_id = to_addr(answer).tag or "", answer.headers.get("Call-ID") or ""
            caller = (answer.headers.get("From") or "").rpartition("tag=")[2]
            request = self.stage.request(
                method, to_tag=tag, from_tag=caller, call_id=call_id, number=self._number(), body=self._body()
            )
            return self._decorated(request)
        return self._decorated(
            self.stage.request("INVITE", body=self._body(), call_id=f"in-{self._random.randrange(30)}")
        )

    def _mutated(self, data: bytes) -> bytes:
        """Rarely: what matters here is what well-formed messages do at the wrong time."""
        return super()._mutated(data) if self._random.random() < 0.25 else data

    def _number(self) -> int:
        """CSeq: mostly the next one, so that the dialogs take it."""
        self._sent_number += 1
        return self._sent_number if self._random.random() < 0.95 else self._random.randrange(1, 300)

    def _tag(self) -> str:
        return "bob1" if self._random.random() < 0.8 else f"bob{self._random.randrange(40)}"

    def _body(self) -> bytes:
        policy = self._random.choice((MediaPolicy(), ALLOWING, CLEAR))
        offer = their_session(policy, seed=self._random.randrange(50)).create_offer()
        return self._random.choice((b"", b"", offer, offer, offer, b"SIP/2.0 180 Ringing", b"Signal=5\r\n", b"hello"))

    def _honest(self) -> None:
        """What keeps calls alive: answers that fit, and calls that come and are answered."""
        if not self.stage.flow_id:
            return
        if self._random.random() < 0.3:
            self._number()
            name = f"in-{self._sent_number}"
            policy = self._random.choice((MediaPolicy(), self.stage.account.media_policy))
            self.stage.say(self.stage.request("INVITE", body=their_session(policy).create_offer(), call_id=name))
            rings = [event.call_id for event in self.stage.of(IncomingCall)]
            if rings and rings[-1] in self.stage.agent.calls and self.stage.flow_id:
                self.stage.do(Answer(rings[-1]))
                tags = [to_addr(m).tag for m in self.stage.sent if isinstance(m, Response) and m.status == 200]
                self.stage.say(self.stage.request("ACK", to_tag=(tags[-1] if tags else None) or "", call_id=name))
            return
        for request in [m for m in self.stage.sent[-10:] if isinstance(m, Request)]:
            if not self.stage.flow_id:
                return
            if request.method == "INVITE" and request.body:
                session = their_session(self.stage.account.media_policy)
                session.receive_offer(request.body)
                self.stage.reply(request, 200, BOB, body=session.create_answer())
            elif request.method not in ("ACK", "REGISTER", "CANCEL"):
                self.stage.reply(request, 202 if request.method == "REFER" else 200, BOB)

    def _provisional(self, invite: Request) -> bytes:
        status = self._random.choice((180, 183, 183, 199, 200, *STATUSES, 422, 504))
        body = b""
        if invite.body and self._random.random() < 0.7:
            session = their_session(self._random.choice((MediaPolicy(), ALLOWING, CLEAR)), self._random.randrange(50))
            session.receive_offer(invite.body)
            try:
                body = session.create_answer()
            except SoftphoneError:  # they do not agree
                body = self._body()
        headers = [BOB]
        for header in (
            ("Require", "100rel"),
            ("RSeq", str(self._random.randrange(1, 6))),
            ("Session-Expires", self._random.choice(("90", "1", "0", "1800;refresher=uas", "90;refresher=uac", "x"))),
            ("Min-SE", self._random.choice(("90", "4000", "99999999999"))),
            ("Allow", "INVITE, ACK, BYE, UPDATE, INFO, REFER"),
            ("P-Asserted-Identity", '"Eve" <sip:eve@lab.test>'),
            ("Retry-After", "1"),
            ("Contact", "<sip:eve@lab.test>;q=0.5, <sips:eve@lab.test>, <sip:e@lab.test;transport=udp>"),
        ):
            if self._random.random() < 0.3:
                headers.append(header)
        return response_to(invite, status, to_tag=self._tag(), headers=tuple(headers), body=body).to_bytes()

    def _decorated(self, request: bytes) -> bytes:
        """With some of the header fields that its method may have, and sometimes those of another."""
        invites = [m for m in self.stage.sent[-60:] if isinstance(m, Request) and m.method == "INVITE"]
        named = "x;to-tag=1;from-tag=2"
        if invites:
            ours = (invites[-1].headers.get("From") or "").rpartition("tag=")[2]
            named = f"{invites[-1].headers.get('Call-ID')};to-tag={ours};from-tag={self._tag()}"
        escaped = named.replace(";", "%3B").replace("=", "%3D")
        lines: list[str] = []
        for line in (
            f"Replaces: {named}" + self._random.choice(("", ";early-only")),
            "Refer-To: "
            + self._random.choice(
                (
                    "<sip:carol@lab.test>",
                    "<sips:carol@lab.test>",
                    "<sip:carol@lab.test;transport=udp>",
                    "<sip:carol@lab.test;method=BYE>",
                    f"<sip:carol@lab.test?Replaces={escaped}>",
                    "<sip:carol@lab.test?Replaces=a%0D%0AInjected:%20y%3Bto-tag%3D1%3Bfrom-tag%3D2>",
                    "<tel:+491>",
                    "<http://x/>",
                )
            ),
            "Referred-By: <sip:bob@lab.test>",
            f"Event: {self._random.choice(('refer', 'refer;id=1', 'dialog', 'message-summary', 'x'))}",
            "Subscription-State: " + self._random.choice(("active;expires=60", "terminated;reason=x", "pending")),
            f"RAck: {self._random.randrange(1, 6)} 1 INVITE",
            "Supported: 100rel, timer, replaces",
            "Require: " + self._random.choice(("100rel", "timer", "replaces", "x")),
            "Session-Expires: " + self._random.choice(("90", "30", "1800;refresher=uac", "0", "99999999999")),
            "Call-Info: <sip:x@y>;answer-after=" + self._random.choice(("0", "3")),
            "Expires: 5",
            "Allow: INVITE, UPDATE, INFO",
            "Info-Package: x",
            "Diversion: <sip:d@lab.test>;reason=no-answer",
        ):
            if self._random.random() < 0.2:
                lines.append(line)
        head, _, body = request.partition(b"\r\n\r\n")
        if self._random.random() < 0.3 and body:
            head = head.replace(b"application/sdp", self._random.choice(TYPES).encode())
        return b"\r\n".join([head, *(line.encode() for line in lines)]) + b"\r\n\r\n" + body

    # The person

    def _person(self) -> None:
        if self._random.random() < 0.4:
            super()._person()
            return
        calls = list(self.stage.agent.calls)
        if not calls:
            self._dial()
            return
        one, other = self._random.choice(calls), self._random.choice(calls)
        self._calls += 1
        new = f"c{self._calls}"
        simple: tuple[Callable[[str], Command], ...] = (
            RefuseTransfer, FollowRedirect, LeaveConference, Mute, Unmute, Rekey, StartEarlyMedia, SwitchTo, Decline,
        )  # fmt: skip
        command = self._random.choice(
            (
                Transfer(one, "carol"),
                TransferTo(one, other),
                AcceptTransfer(one, new),
                JoinConference((one, other)),
                SendDigits(one, "12,3"),
                Deflect(one, "carol"),
                self._random.choice(simple)(one),
            )
        )
        self.stage.do(command)
        if not any(getattr(event, "call_id", None) == new for event in self.stage.events[-50:]):
            self._calls -= 1  # nothing came of it
        self.stage.wait(self._random.choice((0.0, 0.0, 0.1, 5.0, 40.0)))

    # What must hold

    def check_bounded(self) -> None:
        super().check_bounded()
        agent: Any = self.stage.agent
        assert len(agent._layer._clients) <= 400
        self._judge_media()
        if self._random.random() < 0.02:
            self._most = max(self._most, objects(agent))
            assert self._most <= MOST_OBJECTS
        for message in self.stage.sent[-3:]:
            if isinstance(message, Request):
                assert "Injected" not in message.headers, "a header of the peer's in our request"
        del self.stage.sent[:-200], self.stage.raw[:-200]
        self.stage._seen = min(self.stage._seen, len(self.stage.sent))

    def _judge_media(self) -> None:
        """No session is clear after it was encrypted, no key is that of two sessions."""
        actions, self._judged = self.stage.actions[self._judged :], len(self.stage.actions)
        for action in actions:
            if not isinstance(action, StartMedia | UpdateMedia):
                continue
            security = action.media.security
            if isinstance(security, ClearMedia):
                assert not self._secure.get(action.media_id), "clear after encrypted"
            else:
                self._secure[action.media_id] = True
            if isinstance(security, SrtpSecurity):
                owner = self._keys.setdefault(security.send, (action.media_id, action.media.stream))
                assert owner[0] == action.media_id, "one key in two sessions"

    def come_to_rest(self) -> None:
        stage = self.stage
        clear = {event.call_id for event in stage.of(CallNotEncrypted)}
        stage.events = [event for event in stage.events if not isinstance(event, CallNotEncrypted)]
        assert not clear or stage.account.media_policy is ALLOWING
        stage.wait(200)
        super().come_to_rest()
        agent: Any = stage.agent
        transfers, screening = agent.transfers, agent.screening
        left = {
            "transfers": (*transfers._asked_by_us, *transfers._asked_of_us, *transfers.replacements._under_way),
            "digits": (*agent.digits._waiting,),
            "connected line": (*agent.connected_line._known,),
            "conference": agent.several_calls._members,
            "screening": (*screening._answer_at, *screening._send_on_at),
            "tones": (*agent.call_tones._quiet, *agent.call_tones._outgoing, *agent.call_tones._answered),
            "what sounds": agent.call_tones._sounding or agent.call_tones._ended,
        }
        assert {name: what for name, what in left.items() if what} == {}
        self._nothing_after_the_end()

    def _nothing_after_the_end(self) -> None:
        ended: set[str] = set()
        for event in self.stage.events:
            call_id = _of_call(event)
            if (
                isinstance(event, TransferEnded)
                and event.failure is not None
                and event.failure.kind is FailureKind.USAGE
            ):
                continue  # the answer to a command that came too late
            assert call_id not in ended, f"{type(event).__name__} after CallEnded"
            if isinstance(event, CallEnded):
                ended.add(event.call_id)


def _of_call(event: Event) -> str | None:
    call_id: str | None = getattr(event, "call_id", None)
    return call_id


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        attack = TalkAttack(seed)
        attack.run(1000)
        kinds: dict[str, int] = {}
        for event in attack.stage.events:
            kinds[type(event).__name__] = kinds.get(type(event).__name__, 0) + 1
        print(seed, attack._most, "objects at most;", kinds)
