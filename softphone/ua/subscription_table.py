"""The table of one subscription (RFC 6665 §4.1.2, subscriber).

Owns: its states, what can happen to it and what is then done. `subscription.py` does it.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.state_table import StateTable, every


class SubscriptionState(Enum):
    INIT = auto()
    NOTIFY_WAIT = auto()
    PENDING = auto()
    ACTIVE = auto()
    UNSUBSCRIBING = auto()  # not in the RFC's figure: Expires 0 is sent, the last NOTIFY is awaited (§4.1.2.3)
    TERMINATED = auto()


class SubscriptionTrigger(Enum):
    SUBSCRIBE = auto()
    REFUSED = auto()  # an answer to SUBSCRIBE that ends it
    NOTIFY_PENDING = auto()
    NOTIFY_ACTIVE = auto()
    NOTIFY_TERMINATED = auto()
    TIMER_N = auto()
    REFRESH = auto()
    EXPIRED = auto()
    UNSUBSCRIBE = auto()


class SubscriptionDo(Enum):
    SEND_SUBSCRIBE = auto()
    START_TIMER_N = auto()
    STOP_TIMER_N = auto()
    SEND_REMOVAL = auto()
    TELL_END = auto()
    FORGET = auto()


S, T, D = SubscriptionState, SubscriptionTrigger, SubscriptionDo
LIVE = (S.PENDING, S.ACTIVE)
_END = (S.TERMINATED, (D.FORGET, D.TELL_END))
_SILENT_END = (S.TERMINATED, (D.FORGET,))
SUBSCRIPTION_TABLE: StateTable[SubscriptionState, SubscriptionTrigger, SubscriptionDo] = StateTable(
    name="subscription",
    source="RFC 6665 §4.1.2",
    initial=S.INIT,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.INIT, T.SUBSCRIBE): (S.NOTIFY_WAIT, (D.SEND_SUBSCRIBE, D.START_TIMER_N)),
        (S.INIT, T.UNSUBSCRIBE): _SILENT_END,
        (S.NOTIFY_WAIT, T.NOTIFY_PENDING): (S.PENDING, (D.STOP_TIMER_N,)),
        (S.NOTIFY_WAIT, T.NOTIFY_ACTIVE): (S.ACTIVE, (D.STOP_TIMER_N,)),
        (S.NOTIFY_WAIT, T.NOTIFY_TERMINATED): _END,
        (S.NOTIFY_WAIT, T.REFUSED): _END,
        (S.NOTIFY_WAIT, T.TIMER_N): _END,
        (S.NOTIFY_WAIT, T.UNSUBSCRIBE): _SILENT_END,  # a NOTIFY that still comes gets 481, which ends it there
        (S.PENDING, T.NOTIFY_ACTIVE): (S.ACTIVE, ()),
        (S.ACTIVE, T.NOTIFY_PENDING): (S.PENDING, ()),
        **{(state, T.REFRESH): (state, (D.SEND_SUBSCRIBE,)) for state in LIVE},
        **{(state, T.NOTIFY_TERMINATED): _END for state in LIVE},
        **{(state, T.REFUSED): _END for state in LIVE},
        **{(state, T.EXPIRED): _END for state in LIVE},
        **{(state, T.UNSUBSCRIBE): (S.UNSUBSCRIBING, (D.SEND_REMOVAL, D.START_TIMER_N)) for state in LIVE},
        (S.UNSUBSCRIBING, T.NOTIFY_TERMINATED): _SILENT_END,
        (S.UNSUBSCRIBING, T.REFUSED): _SILENT_END,
        (S.UNSUBSCRIBING, T.TIMER_N): _SILENT_END,
        (S.UNSUBSCRIBING, T.EXPIRED): _SILENT_END,
    },
    ignored=every((S.INIT,), *(set(T) - {T.SUBSCRIBE, T.UNSUBSCRIBE}))
    | every((S.NOTIFY_WAIT,), T.SUBSCRIBE, T.REFRESH, T.EXPIRED)
    | every((S.PENDING,), T.SUBSCRIBE, T.TIMER_N, T.NOTIFY_PENDING)
    | every((S.ACTIVE,), T.SUBSCRIBE, T.TIMER_N, T.NOTIFY_ACTIVE)
    | every((S.UNSUBSCRIBING,), T.SUBSCRIBE, T.REFRESH, T.UNSUBSCRIBE, T.NOTIFY_PENDING, T.NOTIFY_ACTIVE)
    | every((S.TERMINATED,), *T),
)
