"""Hostile octets on the flow of a phone that watches lines, has a mailbox and writes messages.

`python -m tests.fuzz.watching_phone [attacks]` runs it long; `tests/ua/test_established_flow.py` runs it short.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from softphone.sip.header_values import from_addr
from softphone.sip.message import Request
from softphone.ua.account import WatchedLine
from softphone.ua.commands import AddAccount, PickUp, SendInstantMessage
from softphone.ua.dialog_info import MAX_DIALOGS
from softphone.ua.events import DeliveryState, LineStateChanged, MessageDelivery, MessageReceived, MessageWaitingChanged
from softphone.ua.instant_messages import MAX_OUTSTANDING, MAX_RECEIVED
from tests.fuzz.established_flow import Attack
from tests.playbook.notifier import DIALOG_INFO, SUMMARY, dialog_info, ringing
from tests.playbook.stage import Stage

LINES = ("bob", "carol")
STATES = (
    *("active;expires=3600", "active", "pending", "active;expires=1", "terminated", "terminated;reason=deactivated"),
    *("terminated;reason=rejected", "terminated;reason=giveup;retry-after=5", "terminated;reason=invariant", "odd"),
)
SUMMARY_BODY = b"Messages-Waiting: yes\r\nMessage-Account: sip:v@lab.test\r\nVoice-Message: 2/8 (0/2)\r\n"


class EventAttack(Attack):
    def signed_in(self, seed: int) -> Stage:
        stage = Stage(seed=seed)
        lines = tuple(WatchedLine(line) for line in LINES)
        stage.account = replace(stage.account, watched=lines, message_waiting=True)
        self._written = self._version = 0
        return stage.registered()

    def _message(self) -> bytes:
        subscribes = [m for m in self.stage.sent[-40:] if isinstance(m, Request) and m.method == "SUBSCRIBE"]
        chance = self._random.random()
        if chance < 0.5 and subscribes:
            return self._notify(self._random.choice(subscribes))
        if chance < 0.6:
            text = self._random.choice((b"hello", b"\xff", b"\xe2\x80\xae" * 9, b"x" * (MAX_RECEIVED + 1), b""))
            number = self._random.randrange(9)
            return self.stage.request("MESSAGE", body=text, call_id=f"t{number}", content_type="text/plain")
        return super()._message()

    def _notify(self, subscribe: Request) -> bytes:
        event = subscribe.headers.get("Event") or ""
        calls = [
            ringing(str(self._random.randrange(90)), self._random.choice(("early", "confirmed", "terminated")))
            for _ in range(self._random.randrange(4))
        ]
        state = self._random.choice(("full", "partial"))
        self._version += self._random.choice((0, 1, 1, 1, 2))
        body = dialog_info(*calls, version=self._version, state=state)
        return self.stage.request(
            "NOTIFY",
            ("Event", event),
            ("Subscription-State", self._random.choice((*STATES, *[STATES[0]] * 10))),
            to_tag=from_addr(subscribe).tag or "",
            from_tag=self._random.choice(("bob1", "bob1", "bob2")),
            call_id=subscribe.headers.get("Call-ID") or "",
            number=self._random.randrange(1, 1000),
            body=body if event == "dialog" else SUMMARY_BODY,
            content_type=DIALOG_INFO if event == "dialog" else SUMMARY,
        )

    def _person(self) -> None:
        chance = self._random.random()
        if chance < 0.3:
            self._written += 1
            self.stage.do(SendInstantMessage(f"m{self._written}", self._random.choice(LINES), "x"))
        elif chance < 0.6:
            self._calls += 1
            self.stage.do(PickUp(f"c{self._calls}", "a", self._random.choice(LINES)))
        else:
            super()._person()

    def check_bounded(self) -> None:
        super().check_bounded()
        agent: Any = self.stage.agent
        assert len(agent.subscriptions._leaving) <= 50
        for followed in agent.subscriptions._accounts.values():
            assert all(len(lamp._table._dialogs) <= MAX_DIALOGS for lamp in followed.lamps.values())
        assert sum(map(len, agent.instant_messages._queues.values())) <= MAX_OUTSTANDING

    def come_to_rest(self) -> None:
        self.stage.account = replace(self.stage.account, watched=(), message_waiting=False)
        self.stage.do(AddAccount(self.stage.account))
        super().come_to_rest()
        agent: Any = self.stage.agent
        assert agent.subscriptions.next_timer() is None
        assert agent.instant_messages._queues == {}
        ends = [e.message_id for e in self.stage.of(MessageDelivery) if e.state is not DeliveryState.SENDING]
        assert sorted(ends) == sorted(f"m{number}" for number in range(1, self._written + 1))


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 50):
        attack = EventAttack(seed)
        attack.run(1000)
        kinds = (LineStateChanged, MessageWaitingChanged, MessageReceived, MessageDelivery)
        print(seed, {kind.__name__: len(attack.stage.of(kind)) for kind in kinds})
