"""A link server on a loop of its own thread, with a phone of no substance behind it; front ends are the test's."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from softphone.engine.link.codec import COMMANDS, VERSION
from softphone.engine.link.connection import LinkConnection, attach
from softphone.engine.link.frames import MAX_INWARD, frame
from softphone.engine.link.greeting import FrontEndKind, Hello
from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.engine.link.server import LinkHooks, LinkServer
from softphone.messages import AnyCommand, AnyEvent
from softphone.state import AppState
from tests.peers.process import until


@dataclass
class Linked:
    """`said` are the commands that reached the phone, `life` who came ("+window") and went ("-tool")."""

    place: LinkPlace
    loop: asyncio.AbstractEventLoop
    server: LinkServer
    state: AppState = field(default_factory=AppState)
    said: list[AnyCommand] = field(default_factory=list)
    life: list[str] = field(default_factory=list)

    def attach(self, kind: FrontEndKind = FrontEndKind.TOOL, **options: object) -> LinkConnection:
        connection = attach(self.place, kind, **options)  # type: ignore[arg-type]
        assert connection is not None
        return connection

    def publish(self, *events: AnyEvent, at: float = 1.0) -> None:
        async def work() -> None:
            for event in events:
                self.server.publish(event, at)

        asyncio.run_coroutine_threadsafe(work(), self.loop).result(20)

    def drop(self) -> None:
        """The engine dies, as far as its front ends can see."""

        def work() -> None:
            for connection in list(self.server._connections):
                connection.abort()

        self.loop.call_soon_threadsafe(work)

    def raw(self) -> socket.socket:
        """A connection of the Unix form that has said nothing."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(str(self.place.socket_path))
        return connection

    def until_said(self, count: int) -> list[AnyCommand]:
        until(lambda: len(self.said) >= count, f"{count} commands; there are {self.said}")
        return self.said


def hello(kind: FrontEndKind = FrontEndKind.TOOL, version: str = VERSION) -> bytes:
    return frame(COMMANDS.encode(Hello(version, kind)), MAX_INWARD)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end closes without another word."""
    try:
        return connection.recv(65536) == b""
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def linked(directory: Path, form: LinkForm, greeting_within: float = 5.0) -> Iterator[Linked]:
    loop = asyncio.SelectorEventLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    place = LinkPlace(directory / "run", form)
    place.make()
    made: list[Linked] = []

    def command(given: AnyCommand) -> None:
        made[0].said.append(given)
        if getattr(given, "target", "") == "fail":
            raise ValueError("a command that fails")

    async def start() -> None:
        hooks = LinkHooks(
            state=lambda: made[0].state,
            command=command,
            attached=lambda kind: made[0].life.append(f"+{kind.value}"),
            left=lambda kind: made[0].life.append(f"-{kind.value}"),
        )
        server = LinkServer(place, hooks, greeting_within)
        made.append(Linked(place, loop, server))
        await server.start()

    asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield made[0]
    finally:
        asyncio.run_coroutine_threadsafe(made[0].server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
