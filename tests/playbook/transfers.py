"""A running call in which a transfer is played: the other side's NOTIFY, REFER, answers to hold and BYE, as text."""

from __future__ import annotations

from dataclasses import replace

from softphone.policy.media import MediaPolicy
from softphone.sdp.negotiated import Direction
from softphone.sip.message import Request
from softphone.ua.account import CallRules
from softphone.ua.events import CallNotice, TransferEnded, TransferProgressed, TransferRequested
from tests.playbook.stage import BOB, Stage, in_words, their_session


class Talk:
    """An outgoing call "c" of alice to bob, established."""

    def __init__(self, policy: MediaPolicy | None = None, rules: CallRules | None = None) -> None:
        self.stage = Stage(policy)
        if rules is not None:
            self.stage.account = replace(self.stage.account, rules=rules)
        self.stage.registered()
        self.invite, self.theirs = self.stage.in_call(their_session(policy))
        self.number = 0
        self._answered: list[Request] = []  # NOTIFYs
        self.stage.heard()

    # What the other side says

    def within(self, method: str, *headers: tuple[str, str], body: bytes = b"") -> None:
        self.number += 1
        mine = self.invite.headers.get("From") or ""
        self.stage.say(
            self.stage.request(
                method,
                *headers,
                to_tag=mine.rpartition("tag=")[2],
                from_tag="bob1",
                call_id=self.invite.headers.get("Call-ID") or "",
                number=self.number,
                body=body,
                content_type="message/sipfrag;version=2.0" if method == "NOTIFY" else "application/sdp",
            )
        )

    def notify(self, line: str, state: str = "active;expires=60", event: str = "refer") -> None:
        body = f"{line}\r\n".encode() if line else b""
        self.within("NOTIFY", ("Event", event), ("Subscription-State", state), body=body)

    def refer(self, target: str, *headers: tuple[str, str]) -> None:
        self.within("REFER", ("Refer-To", target), *headers)

    def agree_to_hold(self, direction: Direction = Direction.SENDRECV) -> None:
        """Answers the last re-INVITE of this call."""
        call_id = self.invite.headers.get("Call-ID")
        offer = next(
            message
            for message in reversed(self.stage.sent)
            if isinstance(message, Request) and message.method == "INVITE" and message.headers.get("Call-ID") == call_id
        )
        self.theirs.receive_offer(offer.body)
        self.stage.reply(offer, 200, BOB, body=self.theirs.create_answer(direction))

    # What the phone did

    @property
    def progress(self) -> list[int]:
        return [event.status for event in self.stage.of(TransferProgressed)]

    @property
    def ended(self) -> TransferEnded:
        (event,) = self.stage.of(TransferEnded)
        return event

    @property
    def requested(self) -> list[TransferRequested]:
        return self.stage.of(TransferRequested)

    @property
    def notices(self) -> list[str]:
        return [event.failure.reason for event in self.stage.of(CallNotice)]

    def told(self) -> list[tuple[str, str]]:
        """The NOTIFYs of the phone: Subscription-State without times, and the status line."""
        return [
            (
                (message.headers.get("Subscription-State") or "").partition(";expires")[0],
                message.body.decode().strip(),
            )
            for message in self.stage.sent
            if isinstance(message, Request) and message.method == "NOTIFY"
        ]

    def answer_notifies(self) -> None:
        """200 to every NOTIFY that was not answered yet."""
        for message in list(self.stage.sent):
            if isinstance(message, Request) and message.method == "NOTIFY" and message not in self._answered:
                self._answered.append(message)
                self.stage.reply(message, 200)

    def heard(self) -> list[str]:
        return self.stage.heard()

    def request_words(self) -> list[str]:
        return [in_words(message) for message in self.stage.sent if isinstance(message, Request)]
