"""The table of one dialog's session modification, by re-INVITE and UPDATE (RFC 3261 §14, RFC 3311, RFC 6337).

Owns: the states, what leads from one to the next, and what follows. `session_change.py` puts it to work.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.state_table import StateTable, every


class ChangeState(Enum):
    STABLE = auto()
    OFFERED = auto()  # our re-INVITE or UPDATE is on its way
    GLARE = auto()  # 491, or 500 with Retry-After; waiting before the next try (§14.1)
    ANSWERED = auto()  # their re-INVITE has our 2xx, its ACK is to come
    CLOSED = auto()  # the call is over


class ChangeTrigger(Enum):
    WANTED = auto()
    AGREED = auto()
    REFUSED = auto()  # non-2xx: the old session goes on
    PENDING = auto()  # 491, or 500 with Retry-After
    AGAIN = auto()  # 422, or no UPDATE there: at once, in another way
    LOST = auto()  # the dialog is gone, or the answer cannot be taken
    TIMER = auto()
    OFFER_TAKEN = auto()  # a re-INVITE; an UPDATE is done with its answer
    ACK = auto()
    CALL_OVER = auto()


class ChangeStep(Enum):
    OFFER = auto()
    APPLY = auto()
    REVERT = auto()
    WAIT = auto()
    END_CALL = auto()
    CATCH_UP = auto()  # something was wanted meanwhile
    CANCEL = auto()
    FORGET = auto()


S, T, A = ChangeState, ChangeTrigger, ChangeStep
CHANGE_TABLE: StateTable[ChangeState, ChangeTrigger, ChangeStep] = StateTable(
    name="session change",
    source="RFC 3261 §14, RFC 3264 §8, RFC 3311 §5",
    initial=S.STABLE,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.STABLE, T.WANTED): (S.OFFERED, (A.OFFER,)),
        (S.STABLE, T.OFFER_TAKEN): (S.ANSWERED, ()),
        (S.OFFERED, T.AGREED): (S.STABLE, (A.APPLY, A.CATCH_UP)),
        (S.OFFERED, T.REFUSED): (S.STABLE, (A.REVERT, A.CATCH_UP)),
        (S.OFFERED, T.PENDING): (S.GLARE, (A.WAIT,)),
        (S.OFFERED, T.AGAIN): (S.OFFERED, (A.OFFER,)),
        (S.OFFERED, T.LOST): (S.STABLE, (A.END_CALL,)),
        (S.OFFERED, T.TIMER): (S.OFFERED, (A.CANCEL,)),
        (S.GLARE, T.TIMER): (S.STABLE, (A.CATCH_UP,)),
        (S.GLARE, T.OFFER_TAKEN): (S.ANSWERED, ()),
        (S.ANSWERED, T.ACK): (S.STABLE, (A.CATCH_UP,)),
        (S.ANSWERED, T.LOST): (S.STABLE, (A.END_CALL,)),
        **{(s, T.CALL_OVER): (S.CLOSED, (A.FORGET,)) for s in S if s is not S.CLOSED},
    },
    ignored=every((S.STABLE,), T.AGREED, T.REFUSED, T.PENDING, T.AGAIN, T.LOST, T.TIMER, T.ACK)
    | every((S.OFFERED,), T.WANTED, T.ACK, T.OFFER_TAKEN)
    | every((S.GLARE,), T.WANTED, T.AGREED, T.REFUSED, T.PENDING, T.AGAIN, T.LOST, T.ACK)
    | every((S.ANSWERED,), T.WANTED, T.AGREED, T.REFUSED, T.PENDING, T.AGAIN, T.TIMER, T.OFFER_TAKEN)
    | every((S.CLOSED,), *ChangeTrigger),
)
