"""The state machines of SIP transactions, as tables. Nothing else may live in this file.

RFC 3261 §17 figures 5 to 8 with the Accepted states of RFC 6026 §7, and the life of a CANCEL (RFC 3261 §9.1). The
rows are performed by `client_transaction.py` and `server_transaction.py`; `docs/state-machines.md` is drawn from here.

A timer runs on only while its machine is in a state that has a row for it. FLOW_CLOSED is the only transport error
there is: over TLS a message is either written to the flow or the flow is gone, and with it every later message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from softphone.sip.state_table import StateTable, every
from softphone.sip.timers import Timer


class State(Enum):
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Input(Enum):
    # from the peer, to a client transaction
    RESPONSE_1XX = auto()
    RESPONSE_2XX = auto()
    RESPONSE_300_699 = auto()
    # from the peer, to a server transaction
    REQUEST = auto()  # a retransmission of the request that made the transaction
    ACK = auto()
    CANCEL = auto()
    # from the transaction user, to a server transaction
    TU_1XX = auto()
    TU_2XX = auto()
    TU_300_699 = auto()
    # from the world
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_TRYING = auto()
    CANCEL_UNANSWERED = auto()  # RFC 3261 §9.1: no final response 64*T1 after the CANCEL
    FLOW_CLOSED = auto()


class Do(Enum):
    SEND_REQUEST = auto()
    SEND_ACK = auto()
    SEND_RESPONSE = auto()  # the last one that the TU gave, if any
    SEND_TRYING = auto()
    PASS_REQUEST = auto()
    PASS_RESPONSE = auto()
    PASS_ACK = auto()
    PASS_CANCEL = auto()
    REPORT_TIMEOUT = auto()
    REPORT_TRANSPORT = auto()


@dataclass(frozen=True, slots=True)
class Start:
    """Start a timer with its first duration; one of zero fires at once."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class BackOff:
    """Start a retransmission timer again with twice its interval, at most T2 (Timer A: without limit)."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class StartAtT2:
    timer: Timer


@dataclass(frozen=True, slots=True)
class Stop:
    timer: Timer


Action = Do | Start | BackOff | StartAtT2 | Stop
TransactionTable = StateTable[State, Input, Action]

TIMER_INPUTS: dict[Timer, Input] = {
    Timer.A: Input.TIMER_A,
    Timer.B: Input.TIMER_B,
    Timer.D: Input.TIMER_D,
    Timer.E: Input.TIMER_E,
    Timer.F: Input.TIMER_F,
    Timer.G: Input.TIMER_G,
    Timer.H: Input.TIMER_H,
    Timer.I: Input.TIMER_I,
    Timer.J: Input.TIMER_J,
    Timer.K: Input.TIMER_K,
    Timer.L: Input.TIMER_L,
    Timer.M: Input.TIMER_M,
    Timer.TRYING: Input.TIMER_TRYING,
}

_RESPONSES = (Input.RESPONSE_1XX, Input.RESPONSE_2XX, Input.RESPONSE_300_699)
_FROM_TU = (Input.TU_1XX, Input.TU_2XX, Input.TU_300_699)

_CLIENT_INVITE_INPUTS = (
    *_RESPONSES,
    Input.TIMER_A,
    Input.TIMER_B,
    Input.TIMER_D,
    Input.TIMER_M,
    Input.CANCEL_UNANSWERED,
    Input.FLOW_CLOSED,
)
CLIENT_INVITE: TransactionTable = StateTable(
    name="INVITE client transaction",
    source="RFC 3261 figure 5, RFC 6026 §7.2",
    initial=State.CALLING,
    states=(State.CALLING, State.PROCEEDING, State.COMPLETED, State.ACCEPTED, State.TERMINATED),
    inputs=_CLIENT_INVITE_INPUTS,
    entry=(Do.SEND_REQUEST, Start(Timer.A), Start(Timer.B)),
    rows={
        (State.CALLING, Input.TIMER_A): (State.CALLING, (Do.SEND_REQUEST, BackOff(Timer.A))),
        (State.CALLING, Input.TIMER_B): (State.TERMINATED, (Do.REPORT_TIMEOUT,)),
        (State.CALLING, Input.FLOW_CLOSED): (State.TERMINATED, (Do.REPORT_TRANSPORT,)),
        (State.CALLING, Input.RESPONSE_1XX): (State.PROCEEDING, (Do.PASS_RESPONSE,)),
        (State.CALLING, Input.RESPONSE_2XX): (State.ACCEPTED, (Do.PASS_RESPONSE, Start(Timer.M))),
        (State.CALLING, Input.RESPONSE_300_699): (
            State.COMPLETED,
            (Do.SEND_ACK, Do.PASS_RESPONSE, Start(Timer.D)),
        ),
        (State.PROCEEDING, Input.RESPONSE_1XX): (State.PROCEEDING, (Do.PASS_RESPONSE,)),
        (State.PROCEEDING, Input.RESPONSE_2XX): (State.ACCEPTED, (Do.PASS_RESPONSE, Start(Timer.M))),
        (State.PROCEEDING, Input.RESPONSE_300_699): (
            State.COMPLETED,
            (Do.SEND_ACK, Do.PASS_RESPONSE, Start(Timer.D)),
        ),
        (State.PROCEEDING, Input.CANCEL_UNANSWERED): (State.TERMINATED, (Do.REPORT_TIMEOUT,)),
        (State.PROCEEDING, Input.FLOW_CLOSED): (State.TERMINATED, (Do.REPORT_TRANSPORT,)),
        (State.COMPLETED, Input.RESPONSE_300_699): (State.COMPLETED, (Do.SEND_ACK,)),
        (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, ()),
        # The figure tells the TU; ours has its final response, and hears of the flow's end by itself.
        (State.COMPLETED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.ACCEPTED, Input.RESPONSE_2XX): (State.ACCEPTED, (Do.PASS_RESPONSE,)),
        (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, ()),
        (State.ACCEPTED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
    },
    ignored=(
        every((State.CALLING,), Input.TIMER_D, Input.TIMER_M, Input.CANCEL_UNANSWERED)
        | every((State.PROCEEDING,), Input.TIMER_A, Input.TIMER_B, Input.TIMER_D, Input.TIMER_M)
        | every(
            (State.COMPLETED,),
            Input.RESPONSE_1XX,
            Input.RESPONSE_2XX,
            Input.TIMER_A,
            Input.TIMER_B,
            Input.TIMER_M,
            Input.CANCEL_UNANSWERED,
        )
        | every(
            (State.ACCEPTED,),
            Input.RESPONSE_1XX,
            Input.RESPONSE_300_699,
            Input.TIMER_A,
            Input.TIMER_B,
            Input.TIMER_D,
            Input.CANCEL_UNANSWERED,
        )
        | every((State.TERMINATED,), *_CLIENT_INVITE_INPUTS)
    ),
)

_CLIENT_NON_INVITE_INPUTS = (*_RESPONSES, Input.TIMER_E, Input.TIMER_F, Input.TIMER_K, Input.FLOW_CLOSED)
CLIENT_NON_INVITE: TransactionTable = StateTable(
    name="non-INVITE client transaction",
    source="RFC 3261 figure 6",
    initial=State.TRYING,
    states=(State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED),
    inputs=_CLIENT_NON_INVITE_INPUTS,
    entry=(Do.SEND_REQUEST, Start(Timer.E), Start(Timer.F)),
    rows={
        (State.TRYING, Input.TIMER_E): (State.TRYING, (Do.SEND_REQUEST, BackOff(Timer.E))),
        (State.TRYING, Input.TIMER_F): (State.TERMINATED, (Do.REPORT_TIMEOUT,)),
        (State.TRYING, Input.FLOW_CLOSED): (State.TERMINATED, (Do.REPORT_TRANSPORT,)),
        (State.TRYING, Input.RESPONSE_1XX): (State.PROCEEDING, (Do.PASS_RESPONSE,)),
        (State.TRYING, Input.RESPONSE_2XX): (State.COMPLETED, (Do.PASS_RESPONSE, Start(Timer.K))),
        (State.TRYING, Input.RESPONSE_300_699): (State.COMPLETED, (Do.PASS_RESPONSE, Start(Timer.K))),
        (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, (Do.SEND_REQUEST, StartAtT2(Timer.E))),
        (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, (Do.REPORT_TIMEOUT,)),
        (State.PROCEEDING, Input.FLOW_CLOSED): (State.TERMINATED, (Do.REPORT_TRANSPORT,)),
        (State.PROCEEDING, Input.RESPONSE_1XX): (State.PROCEEDING, (Do.PASS_RESPONSE,)),
        (State.PROCEEDING, Input.RESPONSE_2XX): (State.COMPLETED, (Do.PASS_RESPONSE, Start(Timer.K))),
        (State.PROCEEDING, Input.RESPONSE_300_699): (State.COMPLETED, (Do.PASS_RESPONSE, Start(Timer.K))),
        (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, ()),
        (State.COMPLETED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
    },
    ignored=(
        every((State.TRYING, State.PROCEEDING), Input.TIMER_K)
        | every((State.COMPLETED,), *_RESPONSES, Input.TIMER_E, Input.TIMER_F)
        | every((State.TERMINATED,), *_CLIENT_NON_INVITE_INPUTS)
    ),
)

_SERVER_INVITE_INPUTS = (
    Input.REQUEST,
    Input.ACK,
    Input.CANCEL,
    *_FROM_TU,
    Input.TIMER_TRYING,
    Input.TIMER_G,
    Input.TIMER_H,
    Input.TIMER_I,
    Input.TIMER_L,
    Input.FLOW_CLOSED,
)
SERVER_INVITE: TransactionTable = StateTable(
    name="INVITE server transaction",
    source="RFC 3261 figure 7, RFC 6026 §7.1",
    initial=State.PROCEEDING,
    states=(State.PROCEEDING, State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED),
    inputs=_SERVER_INVITE_INPUTS,
    entry=(Do.PASS_REQUEST, Start(Timer.TRYING)),
    rows={
        (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Do.SEND_RESPONSE,)),
        (State.PROCEEDING, Input.CANCEL): (State.PROCEEDING, (Do.PASS_CANCEL,)),
        (State.PROCEEDING, Input.TIMER_TRYING): (State.PROCEEDING, (Do.SEND_TRYING,)),
        (State.PROCEEDING, Input.TU_1XX): (State.PROCEEDING, (Stop(Timer.TRYING), Do.SEND_RESPONSE)),
        (State.PROCEEDING, Input.TU_2XX): (State.ACCEPTED, (Do.SEND_RESPONSE, Start(Timer.L))),
        (State.PROCEEDING, Input.TU_300_699): (
            State.COMPLETED,
            (Do.SEND_RESPONSE, Start(Timer.G), Start(Timer.H)),
        ),
        # RFC 6026 §7.1 stays here on a transport error, to absorb retransmissions; on a closed flow none can come.
        (State.PROCEEDING, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Do.SEND_RESPONSE,)),
        (State.COMPLETED, Input.ACK): (State.CONFIRMED, (Start(Timer.I),)),
        (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, (Do.SEND_RESPONSE, BackOff(Timer.G))),
        (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, ()),
        (State.COMPLETED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, ()),
        (State.CONFIRMED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.ACCEPTED, Input.ACK): (State.ACCEPTED, (Do.PASS_ACK,)),
        (State.ACCEPTED, Input.TU_2XX): (State.ACCEPTED, (Do.SEND_RESPONSE,)),
        (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, ()),
        (State.ACCEPTED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
    },
    ignored=(
        every((State.PROCEEDING,), Input.ACK, Input.TIMER_G, Input.TIMER_H, Input.TIMER_I, Input.TIMER_L)
        | every((State.COMPLETED,), Input.CANCEL, Input.TIMER_TRYING, Input.TIMER_I, Input.TIMER_L)
        | every(
            (State.CONFIRMED,),
            Input.REQUEST,
            Input.ACK,
            Input.CANCEL,
            Input.TIMER_TRYING,
            Input.TIMER_G,
            Input.TIMER_H,
            Input.TIMER_L,
        )
        | every(
            (State.ACCEPTED,),
            Input.REQUEST,
            Input.CANCEL,
            Input.TIMER_TRYING,
            Input.TIMER_G,
            Input.TIMER_H,
            Input.TIMER_I,
        )
        | every((State.TERMINATED,), *(given for given in _SERVER_INVITE_INPUTS if given not in _FROM_TU))
    ),
    forbidden=(
        every((State.COMPLETED, State.CONFIRMED, State.TERMINATED), *_FROM_TU)
        | every((State.ACCEPTED,), Input.TU_1XX, Input.TU_300_699)
    ),
)

_SERVER_NON_INVITE_INPUTS = (Input.REQUEST, *_FROM_TU, Input.TIMER_J, Input.FLOW_CLOSED)
SERVER_NON_INVITE: TransactionTable = StateTable(
    name="non-INVITE server transaction",
    source="RFC 3261 figure 8",
    initial=State.TRYING,
    states=(State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED),
    inputs=_SERVER_NON_INVITE_INPUTS,
    entry=(Do.PASS_REQUEST,),
    rows={
        (State.TRYING, Input.TU_1XX): (State.PROCEEDING, (Do.SEND_RESPONSE,)),
        (State.TRYING, Input.TU_2XX): (State.COMPLETED, (Do.SEND_RESPONSE, Start(Timer.J))),
        (State.TRYING, Input.TU_300_699): (State.COMPLETED, (Do.SEND_RESPONSE, Start(Timer.J))),
        (State.TRYING, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Do.SEND_RESPONSE,)),
        (State.PROCEEDING, Input.TU_1XX): (State.PROCEEDING, (Do.SEND_RESPONSE,)),
        (State.PROCEEDING, Input.TU_2XX): (State.COMPLETED, (Do.SEND_RESPONSE, Start(Timer.J))),
        (State.PROCEEDING, Input.TU_300_699): (State.COMPLETED, (Do.SEND_RESPONSE, Start(Timer.J))),
        (State.PROCEEDING, Input.FLOW_CLOSED): (State.TERMINATED, ()),
        (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Do.SEND_RESPONSE,)),
        (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, ()),
        (State.COMPLETED, Input.FLOW_CLOSED): (State.TERMINATED, ()),
    },
    ignored=(
        every((State.TRYING,), Input.REQUEST, Input.TIMER_J)
        | every((State.PROCEEDING,), Input.TIMER_J)
        | every((State.TERMINATED,), Input.REQUEST, Input.TIMER_J, Input.FLOW_CLOSED)
    ),
    forbidden=every((State.COMPLETED, State.TERMINATED), *_FROM_TU),
)


class CancelState(Enum):
    """What has become of the wish to cancel an INVITE of ours."""

    NO_RESPONSE = auto()  # nothing has come: a CANCEL would have to wait
    CANCELLABLE = auto()  # a provisional response has come
    WAITING = auto()  # asked for, waits for the first provisional response
    SENT = auto()
    OVER = auto()  # a final response has come, or the transaction has ended


class CancelInput(Enum):
    ASKED = auto()
    PROVISIONAL = auto()
    FINAL = auto()  # any final response
    TIMER_CANCEL = auto()


class CancelDo(Enum):
    SEND_CANCEL = auto()
    START_TIMER_CANCEL = auto()
    GIVE_UP = auto()  # CANCEL_UNANSWERED to the INVITE client transaction


CANCELLATION: StateTable[CancelState, CancelInput, CancelDo] = StateTable(
    name="cancellation of an INVITE client transaction",
    source="RFC 3261 §9.1",
    initial=CancelState.NO_RESPONSE,
    states=tuple(CancelState),
    inputs=tuple(CancelInput),
    rows={
        (CancelState.NO_RESPONSE, CancelInput.ASKED): (CancelState.WAITING, ()),
        (CancelState.NO_RESPONSE, CancelInput.PROVISIONAL): (CancelState.CANCELLABLE, ()),
        (CancelState.NO_RESPONSE, CancelInput.FINAL): (CancelState.OVER, ()),
        (CancelState.CANCELLABLE, CancelInput.ASKED): (
            CancelState.SENT,
            (CancelDo.SEND_CANCEL, CancelDo.START_TIMER_CANCEL),
        ),
        (CancelState.CANCELLABLE, CancelInput.FINAL): (CancelState.OVER, ()),
        (CancelState.WAITING, CancelInput.PROVISIONAL): (
            CancelState.SENT,
            (CancelDo.SEND_CANCEL, CancelDo.START_TIMER_CANCEL),
        ),
        (CancelState.WAITING, CancelInput.FINAL): (CancelState.OVER, ()),
        (CancelState.SENT, CancelInput.FINAL): (CancelState.OVER, ()),
        (CancelState.SENT, CancelInput.TIMER_CANCEL): (CancelState.OVER, (CancelDo.GIVE_UP,)),
    },
    ignored=(
        every((CancelState.NO_RESPONSE, CancelState.WAITING), CancelInput.TIMER_CANCEL)
        | every((CancelState.CANCELLABLE,), CancelInput.PROVISIONAL, CancelInput.TIMER_CANCEL)
        | every((CancelState.WAITING, CancelState.SENT), CancelInput.ASKED)
        | every((CancelState.SENT,), CancelInput.PROVISIONAL)
        | every((CancelState.OVER,), *CancelInput)
    ),
)

TRANSACTION_TABLES = (CLIENT_INVITE, CLIENT_NON_INVITE, SERVER_INVITE, SERVER_NON_INVITE)
