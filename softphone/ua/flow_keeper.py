"""One persistent flow per account: opened, kept alive, opened again with back-off (RFC 5626 §4.4.1, §4.5).

Owns: the flow's state and its timers. Does not know TLS or DNS (the engine's), nor SIP messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from softphone.errors import Failure, FailureKind
from softphone.sip.state_table import StateTable, every
from softphone.ua.account import Account
from softphone.ua.actions import CloseFlow, OpenFlow, SendBytes
from softphone.ua.backoff import BackOff, random_fraction
from softphone.ua.binding import Binding
from softphone.ua.host import Host, OpenedFlow, Redirect, token
from softphone.ua.inputs import FlowDescription

KEEP_ALIVE = 120.0  # s, upper bound of the ping interval; 80–100 % of it is used (RFC 5626 §4.4.1)
LEAST_KEEP_ALIVE = 5.0  # s; a server that wants to hear of us more often does not make us spin
MAX_AVOIDED = 32  # addresses remembered that did not serve: a name leads to no more
MAX_MOVES = 8  # addresses tried at once one after the other until one serves; then with back-off
STABLE_AFTER = 120.0  # s: a flow that lasted this long ends the outage before it (RFC 5626 §4.5)
PONG_WITHIN = 5.0  # s (security.md; RFC 5626 asks for at most 10)
SUSPECT_WITHIN = 3.0  # s for the same after a change of the network: it is likelier to be dead than late
STALE_AFTER = 0.5  # s: an attempt that began so long before a change of the network is begun anew
LEAST_WAIT = 0.5  # s between the end of an attempt and the next, however long it took
PING, PONG_BYTES = b"\r\n\r\n", b"\r\n"


class FlowState(Enum):
    CLOSED = auto()  # not wanted
    OPENING = auto()
    OPEN = auto()
    PROBING = auto()  # open, a ping is on its way
    WAITING = auto()  # for the back-off's end


class FlowTrigger(Enum):
    WANTED = auto()
    OPENED = auto()
    LOST = auto()
    TIMER = auto()
    PONG = auto()
    RETRY_NOW = auto()  # the person, the network or waking asks
    ANEW = auto()  # the network changed under it: what is open or opening is worth nothing, another one at once
    UNWANTED = auto()


class FlowStep(Enum):
    OPEN = auto()
    ANNOUNCE = auto()
    SCHEDULE_PING = auto()
    PING = auto()
    CLOSE = auto()
    BACK_OFF = auto()
    PONG_MISSED = auto()
    DROP = auto()


S, T, A = FlowState, FlowTrigger, FlowStep
FLOW_TABLE: StateTable[FlowState, FlowTrigger, FlowStep] = StateTable(
    name="flow",
    source="RFC 5626 §4.4.1, §4.5",
    initial=S.CLOSED,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.CLOSED, T.WANTED): (S.OPENING, (A.OPEN,)),
        (S.CLOSED, T.RETRY_NOW): (S.OPENING, (A.OPEN,)),
        (S.OPENING, T.OPENED): (S.OPEN, (A.ANNOUNCE, A.SCHEDULE_PING)),
        (S.OPENING, T.LOST): (S.WAITING, (A.BACK_OFF,)),
        (S.OPENING, T.ANEW): (S.OPENING, (A.CLOSE, A.OPEN)),
        (S.OPENING, T.UNWANTED): (S.CLOSED, (A.CLOSE,)),
        (S.OPEN, T.LOST): (S.WAITING, (A.BACK_OFF,)),
        (S.OPEN, T.TIMER): (S.PROBING, (A.PING,)),
        (S.OPEN, T.RETRY_NOW): (S.PROBING, (A.PING,)),
        (S.OPEN, T.ANEW): (S.OPENING, (A.DROP, A.OPEN)),
        (S.OPEN, T.UNWANTED): (S.CLOSED, (A.CLOSE,)),
        (S.PROBING, T.PONG): (S.OPEN, (A.SCHEDULE_PING,)),
        (S.PROBING, T.TIMER): (S.OPEN, (A.PONG_MISSED,)),
        (S.PROBING, T.LOST): (S.WAITING, (A.BACK_OFF,)),
        (S.PROBING, T.ANEW): (S.OPENING, (A.DROP, A.OPEN)),
        (S.PROBING, T.UNWANTED): (S.CLOSED, (A.CLOSE,)),
        (S.WAITING, T.TIMER): (S.OPENING, (A.OPEN,)),
        (S.WAITING, T.WANTED): (S.OPENING, (A.OPEN,)),
        (S.WAITING, T.RETRY_NOW): (S.OPENING, (A.OPEN,)),
        (S.WAITING, T.ANEW): (S.OPENING, (A.OPEN,)),
        (S.WAITING, T.UNWANTED): (S.CLOSED, ()),
    },
    ignored=every((S.CLOSED,), T.OPENED, T.LOST, T.TIMER, T.PONG, T.ANEW, T.UNWANTED)
    | every((S.OPENING,), T.WANTED, T.TIMER, T.PONG, T.RETRY_NOW)
    | every((S.OPEN,), T.WANTED, T.OPENED, T.PONG)
    | every((S.PROBING,), T.WANTED, T.OPENED, T.RETRY_NOW)
    | every((S.WAITING,), T.OPENED, T.LOST, T.PONG),
)


class FlowKeeper:
    def __init__(
        self,
        host: Host,
        account: Account,
        opened: Callable[[float], None],
        lost: Callable[[Failure, float, float], None],
    ) -> None:
        """`opened(now)` and `lost(failure, retry_in_s, now)` tell the owner."""
        self._host = host
        self.account = account
        self._opened, self._lost = opened, lost
        self.state = FlowState.CLOSED
        self.flow: OpenedFlow | None = None
        self.flow_id = ""
        self._deadline: float | None = None
        self._opened_at: float | None = None
        self._back_off = BackOff(host.token_bytes)
        self._failure: Failure | None = None
        self._attempt_began = 0.0
        self._attempt_took = 0.0  # until it failed; 0.0 for a flow that was open
        self._suspected = False  # the network has changed since the server was last heard, and it will answer
        self._not_before: dict[tuple[str, int], float] = {}  # addresses that did not serve in this outage
        self._moves = 0
        self._rest_until = 0.0  # before that none of them wants to be asked again
        self._redirect: Redirect | None = None  # holds until the flow is lost
        self._binding = Binding()
        self.peer_pongs = False  # a server that never answered a ping cannot be judged by its silence
        self._steps: dict[FlowStep, Callable[[float], None]] = {
            FlowStep.OPEN: self._open,
            FlowStep.ANNOUNCE: self._announce,
            FlowStep.SCHEDULE_PING: self._schedule_ping,
            FlowStep.PING: self._ping,
            FlowStep.CLOSE: self._close,
            FlowStep.BACK_OFF: self._wait,
            FlowStep.PONG_MISSED: self._pong_missed,
            FlowStep.DROP: self._drop,
        }

    def trigger(self, trigger: FlowTrigger, now: float) -> None:
        self.state, steps = FLOW_TABLE.step(self.state, trigger)
        for step in steps:
            self._steps[step](now)

    def opened(self, description: FlowDescription, now: float) -> None:
        if self.state is FlowState.OPENING:
            self.flow = OpenedFlow(self.flow_id, description, self._binding, self._redirect)
            self._opened_at = now
            self.trigger(FlowTrigger.OPENED, now)

    def lost(self, failure: Failure, now: float) -> None:
        if self._opened_at is not None and now - self._opened_at >= STABLE_AFTER:
            self._back_off.reset()
            self._not_before.clear()
        self._attempt_took = now - self._attempt_began if self._opened_at is None else 0.0
        self.flow, self._failure, self._opened_at = None, failure, None
        self._redirect, self._binding = None, self._binding.without_flow
        self.trigger(FlowTrigger.LOST, now)

    def bound(self, binding: Binding, now: float) -> None:
        """What the registration over this flow gives; the empty one once it is removed."""
        self._binding = binding
        if self.flow is None:
            return
        self.flow = replace(self.flow, binding=binding)
        if binding.outbound or binding.flow_timer is not None:
            self.peer_pongs = True  # promised by these (RFC 5626 §4.4.1)
        if self.state is FlowState.OPEN:
            self._schedule_ping(now)

    def serves(self) -> None:
        """The server has registered us: no address is to be avoided any more, so that the first comes first again."""
        self._not_before.clear()
        self._moves = 0

    def leave(self, failure: Failure, now: float, not_before: float = 0.0) -> None:
        """The flow is up, its server does not serve (RFC 3263 §4.3): the next address at once, else all of them later.

        `not_before`: when this one wants to be asked again.
        """
        if self.flow is None:
            return
        description = self.flow.description
        endpoint = (description.remote_address, description.remote_port)
        self._not_before.pop(endpoint, None)
        self._not_before[endpoint] = max(now, not_before)
        if len(self._not_before) > MAX_AVOIDED:
            del self._not_before[next(iter(self._not_before))]
        if self.may_move:
            self._moves += 1
            self._failure = failure
            self.trigger(FlowTrigger.ANEW, now)
        else:
            self._moves = 0
            self._rest_until = min(self._not_before.values())
            self._close(now)
            self.lost(failure, now)

    @property
    def may_move(self) -> bool:
        """Whether there is an address that has not failed in this outage, to be tried at once."""
        return self.flow is not None and self.flow.description.untried > 0 and self._moves < MAX_MOVES

    @property
    def has_others(self) -> bool:
        """Whether the server's name leads to other addresses, tried or not."""
        return self.flow is not None and self.flow.description.endpoints > 1

    def follow(self, redirect: Redirect, failure: Failure, now: float) -> None:
        """The account's server has sent us there; the next outage begins at the account's server again."""
        if self.flow is not None:
            self._redirect, self._failure = redirect, failure
            self.trigger(FlowTrigger.ANEW, now)

    def network_changed(self, now: float, *, lost: bool, asked: bool) -> None:
        """What was waited for or tried before the change says nothing any more.

        `lost`: the flow's local address is gone. `asked`: something is sent besides that the server has to answer.
        """
        self._back_off.reset()
        stale = self.state is FlowState.OPENING and now - self._attempt_began >= STALE_AFTER
        if lost or stale:
            self._failure = _MOVED
            self.trigger(FlowTrigger.ANEW, now)
            return
        self._suspected = self.flow is not None and (self.peer_pongs or asked)
        if self._suspected and self.state is FlowState.PROBING:
            assert self._deadline is not None
            self._deadline = min(self._deadline, now + SUSPECT_WITHIN)
        self.trigger(FlowTrigger.RETRY_NOW, now)

    def asked(self, now: float) -> None:
        """A server that has served is asked for something: it says whatever within the time of a pong, or is gone.

        TCP alone would not notice for a quarter of an hour, and after a silence goes on late (its pauses double).
        """
        if self.state is FlowState.OPEN:
            self._suspected = True
            self.trigger(FlowTrigger.RETRY_NOW, now)
            self._deadline = now + PONG_WITHIN

    def pong(self, now: float) -> None:
        self.peer_pongs = True
        self.heard(now)

    def heard(self, now: float) -> None:
        """Whatever the server says shows that the flow lives."""
        self._suspected = False
        self.trigger(FlowTrigger.PONG, now)

    def next_timer(self) -> float | None:
        return self._deadline

    def handle_timer(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.trigger(FlowTrigger.TIMER, now)

    def _open(self, now: float) -> None:
        self._deadline = None
        self._attempt_began = now
        self._suspected = self.peer_pongs = False
        self.flow_id = token(self._host.token_bytes)
        server = self.account.server if self._redirect is None else self._redirect.server
        avoid = tuple(sorted(self._not_before, key=self._not_before.__getitem__))
        self._host.emit(OpenFlow(self.flow_id, self.account.id, server, avoid, self._redirect is not None))

    def _announce(self, now: float) -> None:
        self._opened(now)

    def _schedule_ping(self, now: float) -> None:
        wanted = self.flow.binding.flow_timer if self.flow is not None else None
        upper = KEEP_ALIVE if wanted is None else min(KEEP_ALIVE, max(LEAST_KEEP_ALIVE, wanted))
        self._deadline = now + upper * (0.8 + 0.2 * random_fraction(self._host.token_bytes))

    def _ping(self, now: float) -> None:
        self._host.emit(SendBytes(self.flow_id, PING))
        self._deadline = now + (SUSPECT_WITHIN if self._suspected else PONG_WITHIN)

    def _close(self, now: float) -> None:
        self.flow, self._deadline = None, None
        self._binding = self._binding.without_flow
        self._host.emit(CloseFlow(self.flow_id))
        self._host.flow_abandoned(self.flow_id, now)

    def _drop(self, now: float) -> None:
        assert self._failure is not None
        self._close(now)
        self._opened_at = None
        self._lost(self._failure, 0.0, now)

    def _wait(self, now: float) -> None:
        """The time that an attempt took counts: a server that does not answer has had its pause."""
        assert self._failure is not None
        delay = max(LEAST_WAIT, self._back_off.failed(now) - self._attempt_took)
        delay, self._rest_until = max(delay, self._rest_until - now), 0.0
        self._deadline = now + delay
        self._lost(self._failure, delay, now)

    def _pong_missed(self, now: float) -> None:
        if self._suspected:
            self._failure = _SILENT
            self.trigger(FlowTrigger.ANEW, now)
        elif self.peer_pongs:
            self.leave(_SILENT, now)
        else:
            self._schedule_ping(now)


_SILENT = Failure(
    FailureKind.CONNECTION_LOST,
    "The server stopped answering on the connection.",
    "The phone reconnects by itself; check the network if this goes on.",
)
_MOVED = Failure(
    FailureKind.CONNECTION_LOST,
    "The network has changed, and the connection to the server with it.",
    "The phone reconnects by itself.",
)
