"""Hostile octets on the flow of a registered phone, with a call and without, and what must hold for all of them.

`python -m tests.fuzz.established_flow [messages]` runs it long; `tests/ua/test_established_flow.py` runs it short.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

from softphone.sip.message import Request
from softphone.sip.responses import response_to
from softphone.ua.actions import OpenFlow
from softphone.ua.commands import Answer, Dial, HangUp, Hold, Resume
from softphone.ua.events import CallEnded, CallEstablished, CallNotEncrypted, IncomingCall, RegistrationState
from softphone.ua.inputs import NetworkChanged
from tests.playbook.stage import BOB, Stage, their_session

PIECES = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b",", b";", b'"', b"<", b">", b"\0", b"\xff", b"\xed\xa0\x80", b"%zz",
    b"SIP/2.0", b"l: 0\r\n", b"Via: ", b"Contact: *\r\n", b"Require: x\r\n", b"9" * 40, b"-1", b";tag=", b"a" * 70,
    b"Record-Route: <<\r\n", b"Content-Type: text/plain\r\n", b"CSeq: 4294967296 INVITE\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
)  # fmt: skip
STATUSES = (100, 180, 183, 200, 202, 302, 401, 407, 408, 423, 481, 486, 487, 488, 491, 500, 503, 603)
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "REFER", "NOTIFY", "MESSAGE", "X")


class Attack:
    """Plays the server; every choice comes from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.stage = self.signed_in(seed)
        self.stage.hostile = True
        self._calls = 0

    def signed_in(self, seed: int) -> Stage:
        return Stage(seed=seed).registered()

    def run(self, messages: int) -> None:
        for _ in range(messages):
            if self._random.random() < 0.05:
                self._person()
            if self.stage.flow_id:
                self.stage.say(self._mutated(self._message()))
            self._serve()
            self.check_bounded()
        self.come_to_rest()

    # What is sent

    def _message(self) -> bytes:
        chance = self._random.random()
        requests = [message for message in self.stage.sent[-20:] if isinstance(message, Request)]
        if chance < 0.4 and requests:
            return self._answer(self._random.choice(requests))
        invites = [request for request in requests if request.method == "INVITE"]
        method = self._random.choice(METHODS)
        body = self._random.choice((b"", self._offer()))
        if chance < 0.7 and invites:
            return self.stage.from_callee(invites[-1], method, self._random.randrange(1, 9), body)
        if chance < 0.85 and any(b"INVITE" in data and data.startswith(b"SIP/2.0 1") for data in self.stage.raw[-20:]):
            return self.stage.in_dialog(method, self._random.randrange(1, 9), body=body)
        call_id = f"in-{self._random.randrange(4)}"
        return self.stage.request(method, body=body, call_id=call_id, branch=f"z9hG4bK-{self._random.randrange(30)}")

    def _answer(self, request: Request) -> bytes:
        status = self._random.choice((*STATUSES, *[200] * 10))
        tag = self._random.choice(("bob1", "bob2", None))
        headers = self._random.choice(((), (BOB,), (("Contact", self.stage.contact),), (("Min-Expires", "9"),)))
        body = self._offer()
        if request.method == "INVITE" and request.body and self._random.random() < 0.7:
            session = their_session(seed=self._random.randrange(100))
            session.receive_offer(request.body)
            body = session.create_answer()
        return response_to(request, status, to_tag=tag, headers=headers, body=body).to_bytes()

    def _offer(self) -> bytes:
        return their_session(seed=self._random.randrange(100)).create_offer()

    def _mutated(self, data: bytes) -> bytes:
        if self._random.random() < 0.4:
            return data
        if self._random.random() < 0.005:
            return self._random.randbytes(self._random.randrange(200))
        for _ in range(self._random.randrange(1, 4)):
            start = self._random.randrange(len(data) + 1)
            end = min(len(data), start + self._random.randrange(12))
            piece = self._random.choice((*PIECES, self._random.randbytes(3), data[start:end] * 2))
            data = data[:start] + piece + data[end:]
        if self._random.random() < 0.97:  # most of the time the frame is whole, so that more than the framer is tried
            head, _, body = data.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"l:"))]
            data = b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body
        return data

    # What the person and an honest part of the server do

    def _person(self) -> None:
        calls = list(self.stage.agent.calls)
        choices: list[Callable[[], None]] = [self._dial]
        for call_id in calls:
            for command in (Answer, HangUp, Hold, Resume):
                choices.append(lambda command=command, call_id=call_id: self.stage.do(command(call_id)))  # type: ignore[misc]
        self._random.choice(choices)()
        self.stage.wait(self._random.choice((0.0, 0.1, 5.0)))

    def _dial(self) -> None:
        self._calls += 1
        self.stage.do(Dial(f"c{self._calls}", "bob"))

    def _serve(self) -> None:
        """When the frame is gone the phone opens another flow by itself; the server mostly takes its registration."""
        stage = self.stage
        while not stage.flow_id:
            stage.give(NetworkChanged())
            stage.wait(1)
        if stage.heard().count("REGISTER") and self._random.random() < 0.8:
            stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=3600"))

    def check_bounded(self) -> None:
        agent: Any = self.stage.agent
        layer = agent._layer
        assert len(agent.calls) <= 200
        assert len(layer._servers) <= 64
        assert len(layer._servers) == len(layer._keys)
        assert len(agent._handlers) <= len(layer._clients)
        assert len(agent._framers) <= 1
        assert agent._outputs == []
        for call in agent.calls.values():
            assert call.client is None or len(call.client._forks) <= 16

    def come_to_rest(self) -> None:
        stage = self.stage
        for call_id in list(stage.agent.calls):
            stage.do(HangUp(call_id))
        stage.wait(200)
        if stage.flow_id:
            stage.cut()  # a message may be half said
        while not stage.flow_id:
            stage.give(NetworkChanged())
            stage.wait(1)
        stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=3600"))
        assert stage.registration.state is RegistrationState.REGISTERED
        stage.wait(50)
        assert stage.leftovers() == {}
        assert stage.of(CallNotEncrypted) == []
        begun = {event.call_id for event in stage.of(IncomingCall)} | {f"c{n}" for n in range(1, self._calls + 1)}
        ended = [event.call_id for event in stage.of(CallEnded)]
        assert sorted(ended) == sorted(begun)


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 50):
        attack = Attack(seed)
        attack.run(1000)
        stage = attack.stage
        counts = {
            "sent": len(stage.sent),
            "flows": len(stage.did(OpenFlow)),
            "answered": len(stage.of(CallEstablished)),
        }
        print(seed, counts, "of", attack._calls + len(stage.of(IncomingCall)), "calls")
