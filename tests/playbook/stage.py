"""A user agent on a stage: the test plays its server, person and media, and reads in plain words what it sent.

What the server says is text on the flow and what the phone says is parsed as any peer would. Time moves only by `wait`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from softphone.errors import Failure, FailureKind, RemoteProtocolError
from softphone.policy.media import MediaPolicy
from softphone.policy.secret import Secret
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.sip.header_values import cseq, to_addr
from softphone.sip.message import Message, Request, Response
from softphone.sip.parser import parse_message
from softphone.sip.responses import response_to
from softphone.ua.account import Account, ServerTarget
from softphone.ua.actions import Action, CloseFlow, OpenFlow, OpenMedia, SendBytes, StartMedia, StopMedia
from softphone.ua.commands import AddAccount, Command, Dial
from softphone.ua.events import CallEnded, Event, IncomingCall, RegistrationChanged
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
from softphone.ua.user_agent import UserAgent

T = TypeVar("T")
FLOW = FlowDescription("TLSv1.3", "TLS_AES_256_GCM_SHA384", "192.0.2.1", 40000, "192.0.2.9", 5061, "lab.test")
LOST = Failure(FailureKind.CONNECTION_LOST, "The cable was cut.", "Join it again.")
CHALLENGE = ("WWW-Authenticate", 'Digest realm="lab.test", nonce="n1", algorithm=SHA-256, qop="auth"')
PROXY_CHALLENGE = ("Proxy-Authenticate", 'Digest realm="proxy", nonce="p1", qop="auth"')
RTP_PORT = 20000


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def their_session(policy: MediaPolicy | None = None, seed: int = 7) -> OfferAnswerSession:
    session = OfferAnswerSession(policy or MediaPolicy(), ("PCMU", "PCMA"), seeded(seed))
    session.set_local_address("192.0.2.50", 30000, 30001)
    return session


class Stage:
    def __init__(self, policy: MediaPolicy | None = None, *, register: bool = True, seed: int = 1) -> None:
        self.now = 1000.0
        self.agent = UserAgent(seeded(seed))
        self.account = Account(
            "a",
            "alice",
            "lab.test",
            ServerTarget("lab.test", 5061),
            password=Secret("wonderland"),
            media_policy=policy or MediaPolicy(),
            register=register,
            message_waiting=False,  # the server here has no mailboxes, unless a test says so
        )
        self.flow_id = ""
        self.other_flows: set[str] = set()  # of further accounts, which are sent on and not played
        self.flow = FLOW  # what the next flow will be
        self.reachable: bool | None = True  # None: an attempt takes until the test says how it ended
        self.opens_media = True
        self.reports = True
        self.hostile = False  # the test sends what is malformed
        self.sent: list[Message] = []
        self.raw: list[bytes] = []
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.opened_at: list[float] = []
        self._seen = 0
        self._number = 0

    # What the test does

    def start(self) -> Stage:
        self.do(AddAccount(self.account))
        return self

    def registered(self, expires: int = 3600) -> Stage:
        self.start()
        self.reply(self.last("REGISTER"), 200, ("Contact", self.contact + f";expires={expires}"))
        self.heard()
        return self

    def do(self, command: Command) -> None:
        self.agent.submit(command, self.now)
        self._settle()

    def give(self, given: Input) -> None:
        self.agent.handle(given, self.now)
        self._settle()

    def say(self, message: Message | bytes) -> None:
        self.give(BytesReceived(self.flow_id, message if isinstance(message, bytes) else message.to_bytes()))

    def reply(
        self, request: Request, status: int, *headers: tuple[str, str], to_tag: str = "bob1", body: bytes = b""
    ) -> Response:
        response = response_to(request, status, to_tag=to_tag if status > 100 else None, headers=headers, body=body)
        self.say(response)
        return response

    def wait(self, seconds: float) -> None:
        """Each timer fires at its own moment."""
        end = self.now + seconds
        while (deadline := self.agent.next_timer()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.agent.handle_timer(self.now)
            self._settle()
        self.now = end

    def cut(self) -> None:
        flow_id, self.flow_id = self.flow_id, ""
        self.give(FlowClosed(flow_id, LOST))

    # What the test reads

    def heard(self) -> list[str]:
        """What the phone has sent since the last look, in words."""
        words = [in_words(message) for message in self.sent[self._seen :]]
        self._seen = len(self.sent)
        return words

    def last(self, method: str) -> Request:
        return next(m for m in reversed(self.sent) if isinstance(m, Request) and m.method == method)

    def last_response(self, status: int | None = None) -> Response:
        return next(m for m in reversed(self.sent) if isinstance(m, Response) and status in (None, m.status))

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def did(self, kind: type[T]) -> list[T]:
        return [action for action in self.actions if isinstance(action, kind)]

    @property
    def registration(self) -> RegistrationChanged:
        return self.of(RegistrationChanged)[-1]

    @property
    def ended(self) -> CallEnded:
        (ended,) = self.of(CallEnded)
        return ended

    @property
    def contact(self) -> str:
        return "<sip:alice@192.0.2.1:40000;transport=tls>"

    @property
    def started(self) -> list[NegotiatedMedia]:
        return [action.media for action in self.did(StartMedia)]

    def leftovers(self) -> dict[str, int]:
        """What the agent still holds of calls and transactions."""
        agent: Any = self.agent
        layer = agent._layer
        counts = {
            "calls": len(agent.calls),
            "handlers": len(agent._handlers),
            "clients": len(layer._clients),
            "servers": len(layer._servers),
            "keys": len(layer._keys),
        }
        return {name: count for name, count in counts.items() if count}

    def settled(self) -> None:
        """Everything has come to its end, at the latest after the longest timers of RFC 3261."""
        self.wait(130)
        assert self.leftovers() == {}

    # Calls

    def dial(self, target: str = "bob") -> Request:
        self.do(Dial("c", target))
        return self.last("INVITE")

    def in_call(self, session: OfferAnswerSession | None = None) -> tuple[Request, OfferAnswerSession]:
        """An established outgoing call: the INVITE and their session."""
        session = session or their_session()
        invite = self.dial()
        session.receive_offer(invite.body)
        self.reply(invite, 200, BOB, body=session.create_answer())
        self.heard()
        return invite, session

    def request(
        self,
        method: str,
        *headers: tuple[str, str],
        uri: str = "sip:alice@192.0.2.1:40000;transport=tls",
        body: bytes = b"",
        to_tag: str = "",
        from_tag: str = "caller",
        call_id: str = "in-1",
        number: int = 1,
        branch: str = "",
        content_type: str = "application/sdp",
    ) -> bytes:
        """Text of a request as the server passes it on."""
        self._number += 1
        branch = branch or f"z9hG4bK-{self._number}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/TLS 192.0.2.9:5061;branch={branch};rport",
            "Max-Forwards: 0",
            f"From: Bob <sip:bob@lab.test>;tag={from_tag}",
            "To: <sip:alice@lab.test>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {number} {method}",
            "Contact: <sip:bob@192.0.2.9:5061;transport=tls>",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if body:
            lines.append(f"Content-Type: {content_type}")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def rings(
        self, session: OfferAnswerSession | None = None, *headers: tuple[str, str], branch: str = "z9hG4bK-i"
    ) -> str:
        """An incoming call with a good offer; its id."""
        session = session or their_session()
        self.say(self.request("INVITE", *headers, body=session.create_offer(), branch=branch))
        return self.of(IncomingCall)[-1].call_id

    @property
    def our_tag(self) -> str:
        """In the dialog of the last INVITE that came."""
        tag = to_addr(next(m for m in reversed(self.sent) if in_words(m).endswith("to INVITE"))).tag
        assert tag is not None
        return tag

    def in_dialog(self, method: str, number: int, *headers: tuple[str, str], body: bytes = b"") -> bytes:
        """A request of the caller within the incoming call."""
        return self.request(method, *headers, to_tag=self.our_tag, number=number, body=body)

    def from_callee(self, invite: Request, method: str, number: int, body: bytes = b"", tag: str = "bob1") -> bytes:
        """A request of the callee within the outgoing call."""
        mine = invite.headers.get("From") or ""
        return self.request(
            method,
            to_tag=mine.rpartition("tag=")[2],
            from_tag=tag,
            call_id=invite.headers.get("Call-ID") or "",
            number=number,
            body=body,
        )

    def _read(self, data: bytes) -> None:
        try:
            self.sent.append(parse_message(data))
        except RemoteProtocolError:
            # An answer to what is malformed copies it as it came (RFC 4475 §3.3.1); nothing else is unreadable.
            assert self.hostile
            assert data.startswith((b"SIP/2.0 4", b"SIP/2.0 5"))

    # The world

    def _settle(self) -> None:
        while outputs := self.agent.drain():
            for output in outputs:
                self._perform(output)

    def _perform(self, output: Action | Event) -> None:
        if not isinstance(output, Action):
            self.events.append(output)
            return
        self.actions.append(output)
        match output:
            case OpenFlow(flow_id=flow_id):
                self.opened_at.append(self.now)
                if self.reachable:
                    self.flow_id = flow_id
                    self.agent.handle(FlowOpened(flow_id, self.flow), self.now)
                elif self.reachable is False:
                    self.agent.handle(FlowClosed(flow_id, LOST), self.now)
            case SendBytes(flow_id=flow_id, data=data):
                assert flow_id in {self.flow_id, *self.other_flows}, "sent on a flow that is not open"
                self.raw.append(data)
                if data.strip():
                    self._read(data)
            case CloseFlow(flow_id=flow_id):
                if flow_id == self.flow_id:
                    self.flow_id = ""
            case OpenMedia(media_id=media_id) if self.opens_media:
                self.agent.handle(MediaOpened(media_id, "192.0.2.1", RTP_PORT, RTP_PORT + 1), self.now)
            case StopMedia(media_id=media_id) if self.reports:
                self.agent.handle(MediaReported(media_id, MediaReport(rtp_sent=1), final=True), self.now)


BOB = ("Contact", "<sip:bob@192.0.2.9:5061;transport=tls>")


def in_words(message: Message) -> str:
    if isinstance(message, Request):
        return message.method
    return f"{message.status} to {cseq(message).method}"
