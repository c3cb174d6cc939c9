"""Several user agents and a stateless proxy between them, joined in memory; time moves only when a test says so.

The proxy is the registrar, too. It sends a request to whom its Request-URI names and each response the way back
(RFC 3261 §16.11), and `deliver` may drop, change or keep back what it passes on.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

from softphone.policy.media import MediaPolicy
from softphone.policy.secret import Secret
from softphone.sip.message import Headers, Request, Response
from softphone.sip.parser import parse_message
from softphone.sip.responses import response_to
from softphone.sip.uri import SipUri
from softphone.ua.account import Account, ServerTarget
from softphone.ua.actions import Action, CloseFlow, OpenFlow, OpenMedia, SendBytes, StartMedia, StopMedia, UpdateMedia
from softphone.ua.commands import AddAccount, Command
from softphone.ua.events import Event
from softphone.ua.inputs import BytesReceived, FlowDescription, FlowOpened, MediaOpened, MediaReported
from softphone.ua.media_report import MediaReport
from softphone.ua.user_agent import UserAgent
from tests.pair.joined import Side

BRANCH = "z9hG4bK-proxy-"


class Exchange:
    """`deliver(to, data)` gives what arrives at that user's phone instead; None: nothing.

    `groups`: users that the proxy forks to, each at several phones. It judges no responses: all of them go back.
    """

    def __init__(self, *users: str, policies: dict[str, MediaPolicy] | None = None, session_expires: int = 0) -> None:
        self.now = 1000.0
        self.groups: dict[str, tuple[str, ...]] = {}
        self.phones: dict[str, Side] = {}
        self.deliver: Callable[[str, bytes], bytes | None] = lambda to, data: data
        self.passed: list[tuple[str, str]] = []  # to whom, and the first line
        self.carried: list[bytes] = []  # the same in full
        self._late: list[tuple[float, str, bytes]] = []
        self._ports = itertools.count(20000, 2)
        for number, user in enumerate(users):
            flow = FlowDescription(
                "TLSv1.3", "TLS_AES_256_GCM_SHA384", "127.0.0.1", 40000 + number, "127.0.0.1", 5061, ""
            )
            self.phones[user] = Side(UserAgent(random.Random(number + 1).randbytes), flow, 0)
            policy = (policies or {}).get(user, MediaPolicy())
            self.do(
                user,
                AddAccount(
                    Account(
                        user,
                        user,
                        "lab.test",
                        ServerTarget("lab.test", 5061),
                        password=Secret("pw"),
                        media_policy=policy,
                        message_waiting=False,
                        session_expires=session_expires,
                    )
                ),
            )

    def do(self, user: str, command: Command) -> None:
        self.phones[user].agent.submit(command, self.now)
        self.settle()

    def settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for user, side in self.phones.items():
                for output in side.agent.drain():
                    busy = True
                    self._perform(user, side, output)

    def advance(self, seconds: float) -> None:
        """Lets every timer within that time fire at its own moment."""
        end = self.now + seconds
        while True:
            times = [t for side in self.phones.values() if (t := side.agent.next_timer()) is not None]
            times += [time for time, _, _ in self._late]
            if not times or min(times) > end:
                break
            self.now = max(self.now, min(times))
            due = [entry for entry in self._late if entry[0] <= self.now]
            self._late = [entry for entry in self._late if entry[0] > self.now]
            for _, to, data in due:
                self._arrive(to, data)
            self.settle()
            for side in self.phones.values():
                deadline = side.agent.next_timer()
                if deadline is not None and deadline <= self.now:
                    side.agent.handle_timer(self.now)
            self.settle()
        self.now = end

    def keep_back(self, to: str, data: bytes, seconds: float) -> None:
        """For `deliver`: it arrives later, behind what is passed on meanwhile."""
        self._late.append((self.now + seconds, to, data))

    def repeat(self, to: str, data: bytes, seconds: float) -> bytes:
        """For `deliver`: it arrives now and once more later, as by a server that has not heard of the answer."""
        self.keep_back(to, data, seconds)
        return data

    def _perform(self, user: str, side: Side, output: Action | Event) -> None:
        match output:
            case OpenFlow(flow_id=flow_id):
                side.flow_id = flow_id
                side.agent.handle(FlowOpened(flow_id, side.description), self.now)
            case SendBytes(data=data):
                if data.strip():
                    self._route(user, data)
                elif data == b"\r\n\r\n":
                    self._arrive(user, b"\r\n")
            case CloseFlow():
                side.flow_id = None
            case OpenMedia(media_id=media_id):
                port = next(self._ports)
                side.agent.handle(MediaOpened(media_id, "127.0.0.1", port, port + 1), self.now)
            case StartMedia() | UpdateMedia():
                side.media.append(output)
            case StopMedia(media_id=media_id):
                side.media.append(output)
                side.agent.handle(MediaReported(media_id, MediaReport(rtp_sent=1), final=True), self.now)
            case _ if isinstance(output, Action):
                side.media.append(output)
            case _:
                side.events.append(output)

    # The proxy

    def _route(self, source: str, data: bytes) -> None:
        message = parse_message(data)
        if isinstance(message, Response):
            self._way_back(message)
        elif message.method == "REGISTER":
            contact = message.headers.get("Contact") or ""
            answer = response_to(message, 200, to_tag="registrar", headers=(("Contact", contact),))
            self._arrive(source, answer.to_bytes())
        else:
            self._forward(source, message)

    def _forward(self, source: str, request: Request) -> None:
        to = request.uri.user if isinstance(request.uri, SipUri) else None
        named = self.groups.get(to or "", (to,) if to in self.phones else ())
        if not named and request.method != "ACK":
            self._arrive(source, response_to(request, 404, to_tag="proxy").to_bytes())
        branch = (request.headers.get("Via") or "").partition("branch=")[2].partition(";")[0]
        for phone in named:
            via = f"SIP/2.0/TLS proxy.lab.test;branch={BRANCH}{phone}-{branch};from={source}"
            uri = request.uri if to in self.phones else SipUri("sip", "lab.test", user=phone)
            forwarded = Request(request.method, uri, request.headers.prepended("Via", via), request.body)
            self.pass_on(phone, forwarded.to_bytes())

    def _way_back(self, response: Response) -> None:
        lines = list(response.headers)
        top = next(number for number, (name, _) in enumerate(lines) if name == "Via")
        to = lines[top][1].partition(";from=")[2].partition(";")[0]
        del lines[top]
        self.pass_on(to, response.with_headers(Headers(lines)).to_bytes())

    def pass_on(self, to: str, data: bytes) -> None:
        self.passed.append((to, data.partition(b"\r\n")[0].decode()))
        self.carried.append(data)
        changed = self.deliver(to, data)
        if changed is not None:
            self._arrive(to, changed)

    def _arrive(self, to: str, data: bytes) -> None:
        side = self.phones[to]
        if side.flow_id is not None:
            side.agent.handle(BytesReceived(side.flow_id, data), self.now)

    def leftovers(self, user: str) -> dict[str, int]:
        """What that agent still holds of calls, transactions and transfers."""
        agent: Any = self.phones[user].agent
        layer, transfers = agent._layer, agent.transfers
        counts = {
            "calls": len(agent.calls),
            "handlers": len(agent._handlers),
            "clients": len(layer._clients),
            "servers": len(layer._servers),
            "asked by us": len(transfers._asked_by_us),
            "asked of us": len(transfers._asked_of_us),
            "refers": len(transfers._refers),
            "replacing": len(transfers.replacements._under_way),
        }
        return {name: count for name, count in counts.items() if count}
