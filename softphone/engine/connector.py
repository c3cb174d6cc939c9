"""Opens verified TLS flows: resolve, connect, handshake, verify, with failover (security.md "Signalling: TLS only").

Owns: the order in which endpoints are tried and the time each step may take, the client's side of a handshake (SNI, the
checks before the first SIP octet), and pins. Must not know SIP. RFC 3263 §4.3 (failover), RFC 5922 §7 (the name
checked is the one that was resolved).
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509

from softphone.engine import chain, failures
from softphone.engine.failures import Attempt, Peer
from softphone.engine.handshake_watch import HandshakeWatch
from softphone.engine.identity import Mismatch, domain_in_ascii, ip_literal, match_identity
from softphone.engine.resolver import Endpoint, ServiceResolver
from softphone.engine.tls_context import build_context, build_pinned_context, read_anchors, read_client_certificate
from softphone.engine.tls_flow import (
    MAX_HANDSHAKE,
    HandshakeTooLong,
    OnBytes,
    OnClosed,
    TlsFlow,
    read_peer_chain,
    socket_names,
)
from softphone.errors import Failure, FailureGroup, FailureKind, OperationFailed
from softphone.policy.tls import TlsSettings
from softphone.ua.actions import OpenFlow
from softphone.ua.inputs import FlowDescription

CONNECT_TIMEOUT_S = 10.0
HANDSHAKE_TIMEOUT_S = 10.0  # from the TCP connection to the verified flow
SHARE_S = 3.0  # at most, for each of these two steps with one endpoint while others wait behind it
LEAST_SHARE_S = 0.25  # a way round the world and back

_PINNABLE = frozenset({FailureKind.SELF_SIGNED, FailureKind.UNKNOWN_ISSUER, FailureKind.CHAIN_INCOMPLETE})

WallClock = Callable[[], datetime.datetime]


def wall_clock() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class FlowOpener:
    """Opens flows. Holds no flow itself: the caller keeps what `open` gives."""

    def __init__(
        self,
        resolver: ServiceResolver | None = None,
        wall_clock: WallClock = wall_clock,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
    ) -> None:
        self._resolver = resolver if resolver is not None else ServiceResolver()
        self._wall_clock = wall_clock
        self._connect_timeout_s = connect_timeout_s
        self._handshake_timeout_s = handshake_timeout_s

    async def open(self, action: OpenFlow, settings: TlsSettings, on_bytes: OnBytes, on_closed: OnClosed) -> TlsFlow:
        """A verified flow to the first of the target's endpoints that gives one, those of `action.avoid` last.

        Both callbacks come on the event loop, and not before the coroutine that awaits this has gone on to its next
        await. In TLS 1.3 a refused client certificate is known only afterwards and comes through `on_closed`. Raises
        OperationFailed with the most telling failure of the endpoints tried. All of them get their turn within the
        connection's and the handshake's time together.
        """
        if action.redirected:
            settings = replace(settings, expected_name=None, pins=())
        terms = _Terms(settings, settings.expected_name or action.server.host, self._wall_clock)
        context = build_context(settings)
        order = avoiding(await self._resolver.resolve(action.server), action.avoid)
        deadline = time.monotonic() + self._connect_timeout_s + self._handshake_timeout_s
        tried: list[tuple[Peer, Failure]] = []
        for at, endpoint in enumerate(order):
            behind = order[at + 1 :]
            times = self._times(deadline - time.monotonic(), len(behind))
            untried = sum((other.address, other.port) not in action.avoid for other in behind)
            peer = Peer(endpoint.host, endpoint.port, endpoint.address)
            try:
                flow = await self._open_endpoint(_ClientRole(peer, terms, context, len(order), untried), times)
            except OperationFailed as refused:
                tried.append((peer, refused.failure))
                continue
            flow.start(on_bytes, on_closed)
            return flow
        raise OperationFailed(_most_telling(tried))

    def _times(self, left: float, behind: int) -> _Times:
        """An endpoint with others behind it must leave them theirs; the last one may use up what its step may take."""
        if behind == 0:
            return _Times(self._connect_timeout_s, self._handshake_timeout_s)
        share = min(SHARE_S, max(LEAST_SHARE_S, left / (behind + 1) / 2))
        return _Times(min(share, self._connect_timeout_s), min(share, self._handshake_timeout_s))

    async def _open_endpoint(self, role: _ClientRole, times: _Times) -> TlsFlow:
        flow = TlsFlow(role)
        try:
            await self._establish(flow, role, times)
        except OperationFailed as refused:
            pinned = role.terms.pinned_context(role.peer, refused.failure, flow.peer_chain)
            role = replace(role, context=pinned, pinned=True)
            flow = TlsFlow(role)
            await self._establish(flow, role, times)
        return flow

    async def _establish(self, flow: TlsFlow, role: _ClientRole, times: _Times) -> None:
        """Raises OperationFailed; the flow is closed then."""
        peer, loop = role.peer, asyncio.get_running_loop()
        try:
            try:
                async with asyncio.timeout(times.connect_s):
                    await loop.create_connection(lambda: flow, peer.address, peer.port)
            except TimeoutError as error:
                raise OperationFailed(failures.connect_timed_out(peer, times.connect_s)) from error
            except OSError as error:
                raise OperationFailed(failures.connection_failure(peer, error)) from error
            try:
                async with asyncio.timeout(times.handshake_s):
                    await flow.established
            except TimeoutError as error:
                timed_out = failures.handshake_timed_out(role.attempt(), times.handshake_s)
                raise OperationFailed(timed_out) from error
        except BaseException:  # a cancelled opening leaves no connection behind
            flow.close()
            raise


@dataclass(frozen=True, slots=True)
class _Times:
    """How long each step with one endpoint may take."""

    connect_s: float
    handshake_s: float


class _Terms:
    """What the flows of one `open` have in common."""

    def __init__(self, settings: TlsSettings, name: str, clock: WallClock) -> None:
        self.settings = settings
        self.name = name
        self.clock = clock
        self.started = time.monotonic()
        self.own_certificate = read_client_certificate(settings)
        if settings.expected_name and ip_literal(name) is None and domain_in_ascii(name) is None:
            raise OperationFailed(
                Failure(
                    FailureKind.SETTINGS,
                    f"The expected name {failures.printable(name)} is no valid domain.",
                    "Correct or remove the expected certificate name in the account's settings.",
                )
            )

    @property
    def sni(self) -> str | None:
        """RFC 6066 §3: a name, never a literal."""
        return None if ip_literal(self.name) is not None else domain_in_ascii(self.name)

    def own_notice(self) -> str | None:
        if self.own_certificate is None:
            return None
        return chain.expiry_warning("This account's client certificate", self.own_certificate, self.clock())

    def pinned_context(self, peer: Peer, cause: Failure, sent: tuple[bytes, ...]) -> ssl.SSLContext:
        """A context for the leaf if one of the pins is its own. Raises OperationFailed with what is to be said else."""
        if cause.kind not in _PINNABLE or not self.settings.pins:
            raise OperationFailed(cause)
        if not self.settings.pinning_allowed:
            raise OperationFailed(chain.pinning_forbidden(cause))
        leaf = chain.parse_chain(sent[:1])
        if not leaf:
            raise OperationFailed(cause)
        if chain.fingerprint(leaf[0]) not in self.settings.usable_pins:
            raise OperationFailed(chain.pin_mismatch(peer, leaf[0], self.settings.usable_pins))
        return build_pinned_context(self.settings, sent[0])


@dataclass
class _ClientRole:
    """The client's side of one handshake (a `TlsRole`)."""

    peer: Peer
    terms: _Terms
    context: ssl.SSLContext
    endpoints: int = 1  # that the server's name leads to
    untried: int = 0  # of those, behind this one and not avoided
    pinned: bool = False

    def __post_init__(self) -> None:
        self.watch = HandshakeWatch()
        self.established = False

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return self.context.wrap_bio(incoming, outgoing, server_side=False, server_hostname=self.terms.sni)

    def accept(self, tls: ssl.SSLObject, transport: asyncio.Transport) -> FlowDescription:
        profile = self.terms.settings.profile
        version, cipher = tls.version() or "", (tls.cipher() or ("",))[0]
        allowed = {"TLSv1.3": profile.tls13_suites, "TLSv1.2": profile.tls12_suites}.get(version, ())
        if cipher not in allowed:
            raise OperationFailed(failures.outside_profile(self.attempt(), version, cipher))
        leaf = self._leaf(tls)
        identity, notes = self._identity(leaf)
        now = self.terms.clock()
        notices = [chain.expiry_warning("The server's certificate", leaf, now), self.terms.own_notice()]
        (local, local_port), (remote, remote_port) = socket_names(transport)
        self.established = True
        return FlowDescription(
            tls_version=version,
            tls_cipher=cipher,
            local_address=local,
            local_port=local_port,
            remote_address=remote,
            remote_port=remote_port,
            identity=identity,
            handshake_ms=1000 * (time.monotonic() - self.terms.started),
            warnings=tuple(notice for notice in notices if notice is not None),
            notes=notes,
            endpoints=self.endpoints,
            untried=self.untried,
        )

    def explain(self, tls: ssl.SSLObject, error: Exception | None) -> Failure:
        match error:
            case ssl.SSLCertVerificationError():
                refusal = chain.Refusal(getattr(error, "verify_code", 0), getattr(error, "verify_message", str(error)))
                sent = read_peer_chain(tls)
                # Of a pinned leaf the leaf itself is the anchor.
                anchors = chain.parse_chain(sent[:1]) if self.pinned else read_anchors(self.terms.settings)
                return chain.explain_refusal(self.peer, refusal, sent, anchors, self.terms.clock())
            case ssl.SSLEOFError():
                return failures.closed_in_handshake(self.attempt(), None)
            case ssl.SSLError():
                return failures.tls_failure(self.attempt(), error, established=self.established)
            case HandshakeTooLong():
                return failures.too_much_handshake(self.attempt(), MAX_HANDSHAKE)
        return failures.closed_in_handshake(self.attempt(), error)

    def attempt(self) -> Attempt:
        return Attempt(
            self.peer,
            self.terms.settings.profile,
            self.watch,
            client_certificate=self.terms.own_certificate is not None,
            client_certificate_notice=self.terms.own_notice() or "",
        )

    def _leaf(self, tls: ssl.SSLObject) -> x509.Certificate:
        certificates = chain.parse_chain((tls.getpeercert(binary_form=True) or b"",))
        if not certificates:
            unreadable = chain.Refusal(0, "the certificate cannot be read")
            raise OperationFailed(chain.explain_refusal(self.peer, unreadable, (), (), self.terms.clock()))
        return certificates[0]

    def _identity(self, leaf: x509.Certificate) -> tuple[str, tuple[str, ...]]:
        if self.pinned:
            if chain.fingerprint(leaf) not in self.terms.settings.usable_pins:
                raise OperationFailed(chain.pin_mismatch(self.peer, leaf, self.terms.settings.usable_pins))
            return "pinned", ()
        match = match_identity(leaf, self.terms.name, self.terms.settings.strict_identity)
        if isinstance(match, Mismatch):
            raise OperationFailed(chain.wrong_name(self.peer, leaf, self.terms.name, match))
        if match.wildcard:
            return match.identity, (
                f"The server was recognised by a wildcard, {match.identity}, beyond RFC 5922 §7.2.",
            )
        return match.identity, ()


def avoiding(endpoints: list[Endpoint], avoid: tuple[tuple[str, int], ...]) -> list[Endpoint]:
    """The same endpoints: those in the order of DNS that are not to be avoided, then the others in the order given."""
    last = {known: at for at, known in enumerate(avoid, 1)}
    return sorted(endpoints, key=lambda endpoint: last.get((endpoint.address, endpoint.port), 0))


def _most_telling(tried: list[tuple[Peer, Failure]]) -> Failure:
    """A certificate's failure says more than a closed port; among equals the first counts. All are in the evidence."""
    chosen = next((f for _, f in tried if f.group is FailureGroup.TLS_OR_CERTIFICATE), tried[0][1])
    others = tuple(f"{peer} ({peer.address}): {failure.reason}" for peer, failure in tried if failure is not chosen)
    return replace(chosen, evidence=chosen.evidence + others)
