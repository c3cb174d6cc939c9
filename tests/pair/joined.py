"""Two user agents joined in memory: what one sends the other receives; time moves only when a test says so.

One plays the phone, the other a peer with rules of its own (it answers REGISTER, takes any user). Media is a port
number and a report: what may be agreed is real, what is heard is another test's.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from softphone.errors import Failure, FailureKind
from softphone.policy.media import MediaPolicy
from softphone.policy.secret import Secret
from softphone.sip.message import Request, Response
from softphone.sip.uri import Uri
from softphone.ua.account import Account, ServerTarget
from softphone.ua.actions import Action, CloseFlow, OpenFlow, OpenMedia, SendBytes, StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import AddAccount, Command
from softphone.ua.events import Event
from softphone.ua.inputs import (
    BytesReceived,
    FlowClosed,
    FlowDescription,
    FlowOpened,
    Input,
    MediaOpened,
    MediaReported,
)
from softphone.ua.media_report import MediaReport
from softphone.ua.responses import response_to
from softphone.ua.rules import PhoneRules
from softphone.ua.user_agent import UserAgent

E = TypeVar("E")
PHONE = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", "127.0.0.1", 40000, "127.0.0.1", 5061, "lab.test")
PEER = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", "127.0.0.1", 5061, "127.0.0.1", 40000, "phone")
LOST = Failure(FailureKind.CONNECTION_LOST, "The cable was cut.", "Join it again.")


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


class PeerRules(PhoneRules):
    """The other end of the flow: registrar and any user; `answer_register` can be replaced by a test."""

    talks_in_one = False  # several people's phones

    def __init__(self, policy: MediaPolicy | None = None) -> None:
        self.policy = policy
        self.answer: Callable[[Request], Response | None] = lambda request: None

    def intercept(self, request: Request, now: float) -> Response | None:
        special = self.answer(request)
        if special is not None:
            return special
        if request.method == "REGISTER":
            contact = request.headers.get("Contact") or ""
            return response_to(request, 200, to_tag="registrar", headers=(("Contact", contact),))
        return None

    def serves(self, account: Account, uri: Uri) -> bool:
        return True

    def media_policy(self, account: Account, uri: Uri) -> MediaPolicy:
        return self.policy or account.media_policy

    def busy(self, account: Account, running_calls: int) -> bool:
        return running_calls > 10


@dataclass
class Side:
    agent: UserAgent
    description: FlowDescription
    base_port: int
    flow_id: str | None = None
    events: list[Event] = field(default_factory=list)
    media: list[Action] = field(default_factory=list)  # StartMedia, UpdateMedia, StopMedia as they came
    sent: list[bytes] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class Joined:
    """`phone` opens its flow to `peer`. `deliver(from_phone, data)` may drop, change or keep back what is sent."""

    def __init__(
        self, policy: MediaPolicy | None = None, peer_policy: MediaPolicy | None = None, seed: int = 1
    ) -> None:
        self.now = 1000.0
        self.rules = PeerRules(peer_policy)
        self.phone = Side(UserAgent(seeded(seed)), PHONE, 20000)
        self.peer = Side(UserAgent(seeded(seed + 1), self.rules), PEER, 30000)
        self.deliver: Callable[[bool, bytes], bytes | None] = lambda from_phone, data: data
        self.reachable = True
        self._late: list[tuple[float, Side, bytes]] = []  # kept back: when, from whom, what
        self._ports = itertools.count(0, 2)
        self.account = Account(
            "a",
            "alice",
            "lab.test",
            ServerTarget("lab.test", 5061),
            password=Secret("pw"),
            media_policy=policy or MediaPolicy(),
            message_waiting=False,
        )

    def start(self, register: bool = True) -> None:
        server = Account("s", "server", "lab.test", ServerTarget("phone"), register=False)
        self.do(self.peer, AddAccount(server))
        self.do(self.phone, AddAccount(self.account))

    def other(self, side: Side) -> Side:
        return self.peer if side is self.phone else self.phone

    def do(self, side: Side, command: Command) -> None:
        side.agent.submit(command, self.now)
        self.settle()

    def give(self, side: Side, given: Input) -> None:
        side.agent.handle(given, self.now)
        self.settle()

    def settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for side in (self.phone, self.peer):
                for output in side.agent.drain():
                    busy = True
                    self._perform(side, output)

    def advance(self, seconds: float) -> None:
        """Lets every timer within that time fire at its own moment."""
        end = self.now + seconds
        while True:
            times = [t for side in (self.phone, self.peer) if (t := side.agent.next_timer()) is not None]
            times += [time for time, _, _ in self._late]
            if not times or min(times) > end:
                break
            self.now = max(self.now, min(times))
            self._deliver_late()
            for side in (self.phone, self.peer):
                deadline = side.agent.next_timer()
                if deadline is not None and deadline <= self.now:
                    side.agent.handle_timer(self.now)
            self.settle()
        self.now = end

    def cut(self) -> None:
        for side in (self.phone, self.peer):
            if side.flow_id is not None:
                flow_id, side.flow_id = side.flow_id, None
                side.agent.handle(FlowClosed(flow_id, LOST), self.now)
        self.settle()

    def _perform(self, side: Side, output: Action | Event) -> None:
        match output:
            case OpenFlow(flow_id=flow_id):
                self._open(side, flow_id)
            case SendBytes(flow_id=flow_id, data=data):
                self._send(side, flow_id, data)
            case CloseFlow(flow_id=flow_id):
                if flow_id == side.flow_id:
                    self.cut()
            case OpenMedia(media_id=media_id):
                port = side.base_port + next(self._ports)
                fingerprint = "sha-256 " + ":".join(["AA" if side is self.phone else "BB"] * 32)
                side.agent.handle(MediaOpened(media_id, "127.0.0.1", port, port + 1, fingerprint), self.now)
            case StartMedia() | UpdateMedia():
                side.media.append(output)
            case StopMedia(media_id=media_id):
                side.media.append(output)
                side.agent.handle(MediaReported(media_id, MediaReport(rtp_sent=1), final=True), self.now)
            case _ if type(output).__module__.endswith("ua.actions"):
                side.media.append(output)  # type: ignore[arg-type]
            case _:
                side.events.append(output)  # type: ignore[arg-type]

    def _open(self, side: Side, flow_id: str) -> None:
        if side is self.phone and not self.reachable:
            side.agent.handle(FlowClosed(flow_id, LOST), self.now)
            return
        side.flow_id = flow_id
        other = self.other(side)
        if other.flow_id is None:
            return  # there is a flow once both ends have asked for it
        for end in (other, side) if side is self.phone else (side, other):
            assert end.flow_id is not None
            end.agent.handle(FlowOpened(end.flow_id, end.description), self.now)

    def _send(self, side: Side, flow_id: str, data: bytes) -> None:
        if flow_id != side.flow_id:
            return
        side.sent.append(data)
        changed = self.deliver(side is self.phone, data)
        if changed is not None:
            self._arrive(side, changed)

    def keep_back(self, from_phone: bool, data: bytes, seconds: float) -> None:
        """For `deliver`: it arrives later, behind what is sent meanwhile."""
        self._late.append((self.now + seconds, self.phone if from_phone else self.peer, data))

    def repeat(self, from_phone: bool, data: bytes, seconds: float) -> bytes:
        """For `deliver`: it arrives now and once more later, as by a server that has not heard of the answer."""
        self.keep_back(from_phone, data, seconds)
        return data

    def _deliver_late(self) -> None:
        due = [entry for entry in self._late if entry[0] <= self.now]
        self._late = [entry for entry in self._late if entry[0] > self.now]
        for _, side, data in due:
            self._arrive(side, data)
        self.settle()

    def _arrive(self, side: Side, data: bytes) -> None:
        other = self.other(side)
        if other.flow_id is not None:
            other.agent.handle(BytesReceived(other.flow_id, data), self.now)
