"""Servers that a softphone may meet and must survive, each on a free loopback port.

Three kinds: our own listener with certificates that are wrong in one way; `openssl s_server` as a foreign TLS stack in
a process of its own (our OpenSSL configuration restricts this process, not that one); and raw TCP servers that break
the rules. Every one is ended by its context manager.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softphone.engine.connector import FlowOpener
from softphone.engine.throwaway_ca import IssuedCertificate
from softphone.engine.tls_context import build_server_context
from softphone.engine.tls_flow import TlsFlow
from softphone.engine.tls_listener import Listener, start_tls_listener
from softphone.errors import Failure, OperationFailed
from softphone.policy.tls import TlsProfile, TlsSettings
from softphone.ua.account import ServerTarget
from softphone.ua.actions import OpenFlow

PATIENCE_S = 10.0

RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Heard:
    """What a flow said to its owner."""

    data: bytearray = field(default_factory=bytearray)
    closed: list[Failure] = field(default_factory=list)

    async def until(self, condition: Callable[[Heard], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):  # noqa: ASYNC110  (a test polls what it is told)
                await asyncio.sleep(0.005)


def run(play: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test; whatever asyncio would only have logged fails it."""
    complaints: list[dict[str, Any]] = []

    async def guarded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(6 * PATIENCE_S):
            await play()
        await asyncio.sleep(0.01)  # transports report their end

    asyncio.run(guarded())
    assert complaints == []


async def open_flow(
    settings: TlsSettings,
    port: int | None,
    host: str = "127.0.0.1",
    opener: FlowOpener | None = None,
    avoid: tuple[tuple[str, int], ...] = (),
    *,
    redirected: bool = False,
) -> tuple[TlsFlow, Heard]:
    heard = Heard()
    flow = await (opener or FlowOpener()).open(
        OpenFlow("flow", "account", ServerTarget(host, port), avoid, redirected),
        settings,
        heard.data.extend,
        heard.closed.append,
    )
    return flow, heard


async def refusal(
    settings: TlsSettings, port: int | None, host: str = "127.0.0.1", opener: FlowOpener | None = None
) -> Failure:
    """The failure with which opening a flow ends; a test that expects one fails if the flow is opened."""
    try:
        flow, _ = await open_flow(settings, port, host, opener)
    except OperationFailed as refused:
        return refused.failure
    flow.close()
    raise AssertionError("the flow was opened")


@contextlib.asynccontextmanager
async def tls_server(
    folder: Path,
    issued: IssuedCertificate,
    *,
    profile: TlsProfile = TlsProfile.GATEWAY,
    client_ca: Path | None = None,
    chain: bytes | None = None,
) -> AsyncIterator[tuple[Listener, list[tuple[TlsFlow, Heard]]]]:
    """Our listener, answering every flow's octets in upper case. `chain` replaces what is sent as certificates."""
    certificate, key = folder / f"{os.urandom(6).hex()}.crt", folder / f"{os.urandom(6).hex()}.key"
    certificate.write_bytes(chain if chain is not None else issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    flows: list[tuple[TlsFlow, Heard]] = []

    def on_connection(flow: TlsFlow) -> None:
        heard = Heard()
        flows.append((flow, heard))

        def on_bytes(data: bytes) -> None:
            heard.data.extend(data)
            flow.send(data.upper())

        flow.start(on_bytes, heard.closed.append)

    context = build_server_context(certificate, key, profile=profile, client_ca=client_ca)
    listener = await start_tls_listener("127.0.0.1", 0, context, on_connection)
    try:
        yield listener, flows
    finally:
        await listener.close()


@contextlib.contextmanager
def openssl_server(folder: Path, issued: IssuedCertificate, *options: str) -> Iterator[int]:
    """`openssl s_server` with a clean configuration; gives its port."""
    certificate, key = folder / f"{os.urandom(6).hex()}.crt", folder / f"{os.urandom(6).hex()}.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem)
    environment = {"PATH": os.environ["PATH"], "OPENSSL_CONF": os.devnull}
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, *options],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            accepting = re.match(rb"ACCEPT .*:(\d+)", line)
            if accepting:
                yield int(accepting[1])
                return
        raise AssertionError(f"openssl s_server ended with {server.wait(PATIENCE_S)}")
    finally:
        server.kill()
        server.communicate(timeout=PATIENCE_S)


@contextlib.asynccontextmanager
async def raw_server(handler: RawHandler) -> AsyncIterator[int]:
    """A TCP server that does with each connection what `handler` says."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answers(data: bytes) -> RawHandler:
    """Waits for the ClientHello, answers `data` and stays."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(data)
        await reader.read()

    return handler


async def stays_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def closes_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sends_without_end(record: bytes) -> RawHandler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        while True:
            writer.write(record)
            await writer.drain()

    return handler


def closed_port() -> int:
    """A port on which nothing listens: it has just been given back."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
