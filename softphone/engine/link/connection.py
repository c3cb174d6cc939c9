"""The front end's end of the link, blocking: connect, prove, greet, then read and send.

Owns: the order of the first steps. Used by the window's reader thread as it is; a front end on asyncio takes over the
socket afterwards (`remote_phone.py`).
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Iterator

from softphone.engine.link.challenge import ENGINE_SAYS, FrontEndChallenge
from softphone.engine.link.codec import COMMANDS, EVENTS, VERSION, Envelope
from softphone.engine.link.failures import AnotherWindow, LinkBroken, LinkEnding, LinkRefused
from softphone.engine.link.frames import MAX_INWARD, MAX_OUTWARD, Framer, frame
from softphone.engine.link.greeting import FrontEndKind, Hello, RefusalKind, Refused, Welcome
from softphone.engine.link.peer import require_same_user
from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.messages import AnyCommand
from softphone.state import AppState

GREETING_WITHIN = 5.0
"""Seconds for all first steps together."""
SEND_WITHIN = 5.0
"""Seconds after which an engine that takes no command counts as lost."""
_READ_AT_ONCE = 256 * 1024


class LinkConnection:
    """Attached. One thread reads; sending is that thread's too."""

    def __init__(self, connected: socket.socket, framer: Framer, state: AppState, early: list[Envelope]) -> None:
        self._socket, self.framer = connected, framer
        self.state, self.early = state, early

    @property
    def socket(self) -> socket.socket:
        return self._socket

    def read(self) -> list[Envelope]:
        """What has arrived; blocks only if nothing has. Raises LinkBroken when the connection is over."""
        try:
            data = self._socket.recv(_READ_AT_ONCE)
        except OSError as error:
            raise LinkBroken(f"the engine's process is gone ({error.strerror or 'no answer'})") from None
        if not data:
            raise LinkBroken("the engine's process is gone")
        return [EVENTS.decode(body) for body in self.framer.feed(data)]

    def send(self, command: AnyCommand) -> None:
        """Raises LinkBroken, and LocalProtocolError for what is not a front end's to say."""
        try:
            self._socket.sendall(frame(COMMANDS.encode(command), MAX_INWARD))
        except OSError as error:
            raise LinkBroken(f"the engine's process is gone ({error.strerror or 'it takes nothing'})") from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def attach(
    place: LinkPlace, kind: FrontEndKind, *, only_window: bool = False, dial: str = "", within: float = GREETING_WITHIN
) -> LinkConnection | None:
    """None if nobody listens there.

    Raises LinkBroken if it is not our engine or it breaks off, LinkRefused if it says no, AnotherWindow if
    `only_window` was asked for and there is one (which now comes to the front).
    """
    deadline = time.monotonic() + within
    connected = _connect(place, deadline)
    if connected is None:
        return None
    try:
        framer = Framer(MAX_OUTWARD)
        hello = Hello(VERSION, kind, only_window, dial)
        connected.sendall(frame(COMMANDS.encode(hello), MAX_INWARD))
        greeting, *early = _first_messages(connected, framer, deadline)
    except OSError:
        connected.close()
        raise LinkBroken("the engine broke off the greeting") from None
    except BaseException:
        connected.close()
        raise
    match greeting.value:
        case Welcome(state=state):
            connected.settimeout(SEND_WITHIN)
            return LinkConnection(connected, framer, state, early)
        case Refused(kind=RefusalKind.ANOTHER_WINDOW):
            connected.close()
            raise AnotherWindow
        case Refused(kind=RefusalKind.ENDING, failure=failure):
            connected.close()
            raise LinkEnding(failure)
        case Refused(failure=failure):
            connected.close()
            raise LinkRefused(failure)
        case _:
            connected.close()
            raise LinkBroken("the engine did not greet")


def _connect(place: LinkPlace, deadline: float) -> socket.socket | None:
    connected: socket.socket | None = None
    try:
        if place.form is LinkForm.UNIX:
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connected.settimeout(_left(deadline))
            connected.connect(str(place.socket_path))
            require_same_user(connected)  # the engine's uid: nobody else has put a socket there
            return connected
        address = place.read_address()
        if address is None:
            return None
        connected = socket.create_connection(("127.0.0.1", address.port), _left(deadline))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        challenge = FrontEndChallenge(address.token, address.port, secrets.token_bytes)
        connected.sendall(challenge.opening)
        connected.sendall(challenge.answer(_exactly(connected, ENGINE_SAYS, deadline)))
        return connected
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        if connected is not None:
            connected.close()
        return None
    except LinkBroken:
        assert connected is not None
        connected.close()
        raise
    except OSError as error:
        if connected is not None:
            connected.close()
        raise LinkBroken(f"the engine cannot be reached ({error.strerror or 'no answer in time'})") from None


def _left(deadline: float) -> float:
    return max(0.05, deadline - time.monotonic())


def _exactly(connected: socket.socket, octets: int, deadline: float) -> bytes:
    data = b""
    while len(data) < octets:
        if time.monotonic() > deadline:
            raise LinkBroken("the other end takes too long")
        connected.settimeout(_left(deadline))
        part = connected.recv(octets - len(data))
        if not part:
            raise LinkBroken("the other end broke off the challenge")
        data += part
    return data


def _first_messages(connected: socket.socket, framer: Framer, deadline: float) -> list[Envelope]:
    while True:
        if time.monotonic() > deadline:
            raise LinkBroken("the engine takes too long to greet")
        connected.settimeout(_left(deadline))
        data = connected.recv(_READ_AT_ONCE)
        if not data:
            raise LinkBroken("the engine broke off the greeting")
        found = list(_decoded(framer, data))
        if found:
            return found


def _decoded(framer: Framer, data: bytes) -> Iterator[Envelope]:
    for body in framer.feed(data):
        yield EVENTS.decode(body)
