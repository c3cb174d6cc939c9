"""Plays for the transaction layer: say what is given at what time, then read in plain words what came out."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from softphone.errors import TransactionTimeout
from softphone.sip.header_values import top_via
from softphone.sip.message import Headers, Message, Request, Response
from softphone.sip.parser import parse_message
from softphone.sip.timers import Timers
from softphone.sip.transaction_layer import (
    AckArrived,
    CancelArrived,
    LayerOutput,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseFailed,
    SendMessage,
    TransactionEnded,
    TransactionLayer,
)
from softphone.sip.uri import SipUri

FLOW = "flow-1"
RELIABLE = Timers()
UNRELIABLE = Timers(reliable=False)
BOB = SipUri("sip", "biloxi.example.com", user="bob")
SENT_BY = "client.atlanta.example.com:5061"


def counting_bytes(seed: int = 0) -> Callable[[int], bytes]:
    """Different octets at every call, the same in every run."""
    numbers = itertools.count(seed + 1)
    return lambda count: next(numbers).to_bytes(count, "big")


def request(
    method: str = "INVITE",
    *,
    branch: str | None = None,
    cseq: int = 1,
    to_tag: str | None = None,
    from_tag: str = "9fxced76sl",
    call_id: str = "3848276298220188511@atlanta.example.com",
    sent_by: str = SENT_BY,
    via_parameters: str = "",
    extra: tuple[tuple[str, str], ...] = (),
) -> Request:
    """A request as in RFC 3665 §3.1; with `branch` as a peer sends it, without as our own user makes it."""
    lines: list[tuple[str, str]] = []
    if branch is not None:
        lines.append(("Via", f"SIP/2.0/TLS {sent_by};branch={branch}{via_parameters}"))
    lines += [
        ("Max-Forwards", "70"),
        ("From", f"Alice <sip:alice@atlanta.example.com>;tag={from_tag}"),
        ("To", "Bob <sip:bob@biloxi.example.com>" + (f";tag={to_tag}" if to_tag else "")),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", "<sip:alice@client.atlanta.example.com;transport=tls>"),
        *extra,
    ]
    return Request(method, BOB, Headers(lines))


def answer(
    to: Request, status: int, *, to_tag: str | None = "8321234356", extra: tuple[tuple[str, str], ...] = ()
) -> Response:
    """A response to a request as it was sent (with its Via)."""
    lines = [(name, value) for name, value in to.headers if name in ("Via", "From", "To", "Call-ID", "CSeq")]
    if to_tag is not None and status > 100:
        lines = [(n, f"{v};tag={to_tag}" if n == "To" and ";tag=" not in v else v) for n, v in lines]
    return Response(status, "Test", Headers([*lines, *extra]))


def with_branch(message: Request, branch: str) -> Request:
    """The same request by another way."""
    via = top_via(message).with_parameter("branch", branch)
    return message.with_headers(message.headers.replaced("Via", str(via)))


class Play:
    """A layer, its outputs in words, and the messages that it sent."""

    def __init__(self, timers: Timers = RELIABLE, seed: int = 0) -> None:
        self.layer = TransactionLayer(counting_bytes(seed), timers)
        self.sent: list[Message] = []
        self.outputs: list[LayerOutput] = []
        self.sending: list[tuple[str, bytes]] = []
        self.branch = ""
        self.key = ""

    def send(self, message: Request, at: float = 0.0, flow_id: str = FLOW) -> str:
        self.branch = self.layer.send_request(message, flow_id, SENT_BY, at)
        return self.branch

    def receive(self, message: Message, at: float = 0.0, flow_id: str = FLOW) -> list[str]:
        self.layer.receive(message, flow_id, "192.0.2.101", 49152, at)
        return self.heard()

    def respond(self, status: int, at: float = 0.0, key: str | None = None, to_tag: str = "8321234356") -> list[str]:
        """Answers the request that arrived last, or `key`."""
        key = self.key if key is None else key
        arrived = next(out.request for out in self.outputs if isinstance(out, RequestArrived) and out.key == key)
        self.layer.respond(key, answer(arrived, status, to_tag=to_tag), at)
        return self.heard()

    def cancel(self, at: float = 0.0, reason: str | None = None) -> list[str]:
        self.layer.cancel(self.branch, at, reason)
        return self.heard()

    def close(self, at: float = 0.0, flow_id: str = FLOW) -> list[str]:
        self.layer.flow_closed(flow_id, at)
        return self.heard()

    def wait(self, until: float) -> list[str]:
        """Lets time pass; every line begins with the second at which it happened."""
        lines = []
        while (deadline := self.layer.next_timer()) is not None and deadline <= until:
            self.layer.handle_timer(deadline)
            lines += [f"{deadline:g} {line}" for line in self.heard()]
        return lines

    def heard(self) -> list[str]:
        """What has come out since the last look."""
        lines = []
        for output in self.layer.drain():
            self.outputs.append(output)
            if isinstance(output, SendMessage):
                self.sent.append(parse_message(output.data))
                self.sending.append((output.flow_id, output.data))
            if isinstance(output, RequestArrived):
                self.key = output.key
            lines.append(in_words(output))
        return lines

    @property
    def last_sent(self) -> Message:
        return self.sent[-1]

    @property
    def last_request(self) -> Request:
        return next(message for message in reversed(self.sent) if isinstance(message, Request))


def in_words(output: LayerOutput) -> str:
    match output:
        case SendMessage(_, data):
            message = parse_message(data)
            return f"send {message.method if isinstance(message, Request) else message.status}"
        case RequestArrived(_, arrived, _):
            return f"request {arrived.method}"
        case AckArrived():
            return "ack"
        case CancelArrived():
            return "cancel"
        case ResponseArrived(_, response):
            return f"response {response.status}"
        case RequestFailed(_, error):
            return "failed timeout" if isinstance(error, TransactionTimeout) else "failed transport"
        case ResponseFailed(_, response):
            return f"not sent {response.status}"
        case TransactionEnded():
            return "ended"
