"""A registrar over TLS that does what the test says: it takes every REGISTER, and can send any octets to the phone.

Owns: the listener, the newest flow of the phone, what came on it. SIP is read here with two regular expressions, since
what the phone sends is well-formed or the test fails.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.engine.tls_context import build_server_context
from softphone.engine.tls_flow import TlsFlow
from softphone.engine.tls_listener import Listener, start_tls_listener

COPIED = ("Via", "From", "To", "Call-ID", "CSeq")
"""Of a request into its response (RFC 3261 §8.2.6.2)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the phone's."""

    head: str
    body: bytes

    @property
    def start_line(self) -> str:
        return self.head.partition("\r\n")[0]

    @property
    def status(self) -> int | None:
        return int(self.start_line.split(" ")[1]) if self.start_line.startswith("SIP/2.0 ") else None

    def headers(self, name: str) -> list[str]:
        return re.findall(rf"(?im)^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r?$", self.head)


@dataclass
class ScriptedRegistrar:
    """`started` makes one; the phone's flow is `flow`, replaced by the next that the phone opens."""

    listener: Listener | None = None
    flow: TlsFlow | None = None
    flows: int = 0
    registrations: int = 0
    contact: str = ""
    responses: dict[str, list[Message]] = field(default_factory=dict)  # by Call-ID
    last_octet: float = 0.0
    refused: frozenset[str] = frozenset()  # methods that get 488
    _buffer: bytes = b""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def start(self, authority: ThrowawayAuthority, folder: Path) -> None:
        context = build_server_context(*authority.issue("localhost").write(folder, "registrar"))
        self.listener = await start_tls_listener("127.0.0.1", 0, context, self._connected)

    async def close(self) -> None:
        assert self.listener is not None
        await self.listener.close()

    @property
    def port(self) -> int:
        assert self.listener is not None
        return self.listener.port

    def send(self, data: bytes) -> None:
        """Any octets, on the newest flow."""
        assert self.flow is not None
        self.flow.send(data)

    def cut(self) -> None:
        """End the flow with close_notify."""
        assert self.flow is not None
        self.flow.close()

    async def until(self, condition: Callable[[], object], what: str, within: float = 10.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {within:g} s for {what}")
            await asyncio.sleep(0.01)

    async def options(self, within: float = 5.0) -> Message:
        """The phone's answer to a well-formed OPTIONS."""
        call_id = f"options{next(self._numbers)}"
        self.send(self.request("OPTIONS", call_id))
        await self.until(lambda: self.responses.get(call_id), "an answer to OPTIONS", within)
        return self.responses.pop(call_id)[-1]

    async def settled(self, within: float = 10.0) -> Message:
        """The answer to OPTIONS on the newest flow, if need be once the phone has opened and registered another."""
        deadline = time.monotonic() + within
        while True:
            flows = self.flows
            try:
                return await self.options(2.0)
            except AssertionError:
                if flows == self.flows and time.monotonic() > deadline:
                    raise

    def request(self, method: str, call_id: str, *more: str, body: bytes = b"", cseq: int = 1, tag: str = "") -> bytes:
        """A well-formed request for the phone; `more` are header lines."""
        to_tag = f";tag={tag}" if tag else ""
        lines = (
            f"{method} {self.contact} SIP/2.0",
            f"Via: SIP/2.0/TLS 127.0.0.1:{self.port};branch=z9hG4bK{call_id}.{cseq}.{method};rport",
            "Max-Forwards: 70",
            "From: <sip:mallory@sip.test>;tag=m1",
            f"To: <sip:alice@sip.test>{to_tag}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:mallory@127.0.0.1:{self.port};transport=tls>",
            *more,
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _connected(self, flow: TlsFlow) -> None:
        self.flow, self._buffer = flow, b""
        self.flows += 1
        flow.start(lambda data: self._received(flow, data), lambda _failure: None)

    def _received(self, flow: TlsFlow, data: bytes) -> None:
        if flow is not self.flow:
            return
        self.last_octet = time.monotonic()
        self._buffer += data
        while True:
            while self._buffer.startswith(b"\r\n"):  # keep-alive
                self._buffer = self._buffer[2:]
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^Content-Length: *(\d+)", head)
            if not end or length is None or len(rest) < int(length[1]):
                return
            self._buffer = rest[int(length[1]) :]
            self._message(flow, Message(head.decode(errors="replace"), rest[: int(length[1])]))

    def _message(self, flow: TlsFlow, message: Message) -> None:
        if message.status is not None:
            self.responses.setdefault("".join(message.headers("Call-ID")), []).append(message)
            return
        method = message.start_line.partition(" ")[0]
        if method == "ACK":
            return
        status = "488 Not Acceptable Here" if method in self.refused else "200 OK"
        lines = [f"SIP/2.0 {status}", *(f"{name}: {value}" for name in COPIED for value in message.headers(name))]
        if method == "REGISTER":
            contact = message.headers("Contact")[0]
            removed = contact.endswith("expires=0")
            if not removed:
                self.contact = contact.partition("<")[2].partition(">")[0]
                self.registrations += 1
                lines.append(f"Contact: {contact}")
        flow.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
