"""The built-in lab: a registrar and services over TLS with a throw-away authority, on loopback unless told otherwise.

Owns: the listener, the certificate, the accounts, the connections. It is for tests, demonstrations and for finding out
what a phone does with a faulty peer; its services take calls without encryption too. Never a server for real calls.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from softphone.engine.background import Background
from softphone.engine.handshake_watch import ClientHello
from softphone.engine.media.shared_media import SharedMedia
from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.engine.tls_context import build_server_context
from softphone.engine.tls_flow import TlsFlow
from softphone.engine.tls_listener import Listener, start_tls_listener
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.lab.calls import LabCall
from softphone.lab.connection import LabConnection, LabParts, OnCall
from softphone.lab.registrar import Registrar
from softphone.lab.services import SERVICES
from softphone.policy.secret import Secret

LOOPBACK = "127.0.0.1"
USERS = ("alice", "bob", "carol")
DIGESTS = ("SHA-256", "MD5")
MAX_REMEMBERED = 1000  # calls
WARNING = "This is a lab: its services speak without encryption to whoever asks. Do not expose it to a network."


class Lab:
    """Lives on the running event loop, beside a phone in the same process if need be."""

    def __init__(
        self,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        accounts: Mapping[str, str] | None = None,
        names: tuple[str, ...] = (),
        digests: tuple[str, ...] = DIGESTS,
        pace: float = 1.0,
        on_call: OnCall | None = None,
        token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`names` stand in the certificate besides `host` and those of loopback; `pace` scales the services' waits.

        `digests` are offered in this order; some phones look at the first challenge only (baresip 1.0 knows MD5 alone).
        `on_call` hears of each call when it begins, is established and ends. Raises OperationFailed (USAGE) where an
        account is named like a service.
        """
        taken = sorted(SERVICES.keys() & (accounts or {}).keys())
        if taken:
            raise OperationFailed(
                Failure(FailureKind.USAGE, f"“{taken[0]}” is a service of the lab.", "Name the account otherwise.")
            )
        self.host = host
        self.accounts: dict[str, str] = dict(accounts or {user: secrets.token_urlsafe(9) for user in USERS})
        self.calls: list[LabCall] = []
        self.client_hellos: list[ClientHello] = []
        self._port, self._names, self._pace = port, names, pace
        self._digests = digests
        self._on_call, self._token_bytes = on_call, token_bytes
        self._folder: Path | None = None
        self._listener: Listener | None = None
        self._media: SharedMedia | None = None
        self._parts: LabParts | None = None
        self._connections: set[LabConnection] = set()

    async def start(self) -> None:
        """Raises OperationFailed where the address or port cannot be had."""
        registrar = Registrar(
            {user: Secret(text) for user, text in self.accounts.items()}, self._token_bytes, self._digests
        )
        self._folder = Path(tempfile.mkdtemp(prefix="softphone-lab-"))  # 0700
        self._media = SharedMedia(self._token_bytes)
        self._parts = LabParts(registrar, self._media, self._token_bytes, Background(), self._remember, self._pace)
        try:
            self._listener = await self._listen(self._folder)
        except (OSError, OperationFailed) as error:
            self._media.close()
            shutil.rmtree(self._folder)
            if isinstance(error, OperationFailed):
                raise
            raise OperationFailed(
                Failure(
                    FailureKind.USAGE,
                    f"The lab cannot listen on {self.host} port {self._port}: {error.strerror}.",
                    "Choose another address or port; port 0 takes any that is free.",
                )
            ) from error
        self.client_hellos = self._listener.client_hellos

    @property
    def port(self) -> int:
        assert self._listener is not None, "the lab has been started"
        return self._listener.port

    @property
    def ca_file(self) -> Path:
        """The throw-away authority's certificate; gone when the lab is closed."""
        assert self._folder is not None, "the lab has been started"
        return self._folder / "ca.crt"

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def close(self) -> None:
        """Hang up, close every connection, forget the authority. All `calls` have their last report then."""
        if self._listener is None or self._parts is None or self._media is None or self._folder is None:
            return
        for connection in tuple(self._connections):
            self._ended(connection)
        await self._parts.background.close()
        await self._listener.close()
        self._media.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._listener = None

    async def _listen(self, folder: Path) -> Listener:
        authority = ThrowawayAuthority.create("Softphone lab")
        authority.write(folder)
        here = () if self.host in ("0.0.0.0", "::") else (self.host,)  # noqa: S104 - compared, not bound
        names = dict.fromkeys((*here, *self._names, "localhost", LOOPBACK, "::1"))
        certificate, key = authority.issue(*names).write(folder, "server")
        try:
            context = build_server_context(certificate, key)
        finally:
            key.unlink()
        return await start_tls_listener(self.host, self._port, context, self._accepted)

    def _accepted(self, flow: TlsFlow) -> None:
        assert self._parts is not None
        self._connections.add(LabConnection(flow, self._parts, self._ended))

    def _ended(self, connection: LabConnection) -> None:
        if connection in self._connections and self._parts is not None:
            self._connections.discard(connection)
            self._parts.background.start(connection.close())

    def _remember(self, call: LabCall) -> None:
        if not any(call is known for known in self.calls[-64:]) and len(self.calls) < MAX_REMEMBERED:
            self.calls.append(call)
        if self._on_call is not None:
            self._on_call(call)
