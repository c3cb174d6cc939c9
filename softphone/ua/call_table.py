"""The table of a call: every state, everything a person, a peer or a timer can cause, and what follows.

Outgoing: WAITING_FLOW → OPENING_MEDIA → CALLING → PROCEEDING → ESTABLISHED → ENDING → TERMINATED.
Incoming: RINGING → (EARLY) → ANSWERING → ACCEPTED → ESTABLISHED → ENDING → TERMINATED. Who hangs up before the ACK of
his 2xx is HANGING_UP until it has come, since no BYE may be sent before (§15).
Who hangs up an unanswered call hears of its end within `ANNOUNCE_WITHIN`, however long the server takes to say so.
RFC 3261 §13 (INVITE), §9 (CANCEL), §15 (BYE), RFC 3262 (PRACK); §14.1 is `session_change.py`.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.state_table import StateTable, every


class CallState(Enum):
    WAITING_FLOW = auto()
    OPENING_MEDIA = auto()
    CALLING = auto()  # INVITE sent
    PROCEEDING = auto()  # a provisional response came
    REDIRECTED = auto()  # 3xx; the person decides
    CANCELLING = auto()  # hung up before the final response
    AWAITING_CONSENT = auto()  # answered without encryption; ACK sent, no media; the person decides
    RINGING = auto()  # incoming
    EARLY = auto()  # incoming, 183 with early media sent
    ANSWERING = auto()  # answered by the person, the media sockets are not open yet
    ACCEPTED = auto()  # 2xx sent, no ACK yet
    ESTABLISHED = auto()
    HANGING_UP = auto()  # 2xx sent and hung up before its ACK
    ENDING = auto()  # BYE sent or media stopping
    TERMINATED = auto()


class CallTrigger(Enum):
    FLOW_READY = auto()
    FLOW_FAILED = auto()
    MEDIA_READY = auto()
    MEDIA_FAILED = auto()
    PROVISIONAL = auto()
    AGREED = auto()  # 2xx, media agreed
    REFUSED = auto()  # 2xx whose answer we do not take
    CONSENT_NEEDED = auto()  # 2xx without encryption under "ask"
    REDIRECT = auto()  # 3xx
    REJECTED = auto()  # 4xx–6xx
    FAILED = auto()  # the INVITE or a later request: time-out, lost flow, no PRACK, an answer that cannot be taken
    ELSEWHERE = auto()  # the server does not serve, and the next one of its name is being connected to
    PRACKED = auto()  # a reliable provisional response of ours has its PRACK
    ACK = auto()
    ACK_REFUSED = auto()  # the answer in the ACK cannot be taken
    ACK_MISSING = auto()  # 64·T1 without ACK
    CANCEL = auto()
    BYE = auto()
    ENDED = auto()  # no loose end is left: BYE answered (or given up), media stopped
    TIMER = auto()
    HANG_UP = auto()
    ANSWER = auto()
    EARLY_MEDIA = auto()
    DECLINE = auto()
    AGREE = auto()
    FOLLOW = auto()


class CallStep(Enum):
    OPEN_MEDIA = auto()
    INVITE = auto()
    CANCEL_INVITE = auto()
    ESTABLISH = auto()  # start media and say so
    HANG_UP_REFUSED = auto()  # BYE with Reason: the answer's media is refused
    ASK_CONSENT = auto()
    OFFER_REDIRECT = auto()
    FOLLOW_REDIRECT = auto()
    BEGIN_AGAIN = auto()  # what was offered over one server is offered over no other
    ACCEPT = auto()  # 2xx with the answer
    SEND_EARLY = auto()  # 183 with the answer
    DECLINE = auto()
    TERMINATE_INVITE = auto()  # 487
    MEDIA_UNAVAILABLE = auto()  # 500: our sockets or devices failed
    BYE = auto()
    BYE_AGAIN = auto()  # the flow that was to carry it is lost, a new one is there
    AWAIT_ACK = auto()
    ACK_SETTLED = auto()
    CATCH_UP = auto()  # a change of the session was wanted before the ACK
    STOP_MEDIA = auto()
    BY_US = auto()
    BY_PEER = auto()
    BY_FAILURE = auto()
    FINISH = auto()


S, T, A = CallState, CallTrigger, CallStep
_BYE_BY_US = (S.ENDING, (A.BY_US, A.BYE, A.STOP_MEDIA))
_BYE_BY_FAILURE = (S.ENDING, (A.BY_FAILURE, A.BYE, A.STOP_MEDIA))
_BYE_BY_PEER = (S.ENDING, (A.BY_PEER, A.STOP_MEDIA))
_OVER = (S.ENDING, (A.BY_FAILURE, A.STOP_MEDIA))
_OVER_BY_US = (S.ENDING, (A.BY_US, A.STOP_MEDIA))
_CANCEL = (S.CANCELLING, (A.BY_US, A.CANCEL_INVITE))
_ESTABLISH = (S.ESTABLISHED, (A.ESTABLISH,))
_REFUSE = (S.ENDING, (A.BY_FAILURE, A.HANG_UP_REFUSED, A.STOP_MEDIA))
_NOT_ANSWERED_YET = (S.RINGING, S.EARLY, S.ANSWERING)
_OUTGOING_EARLY = (S.WAITING_FLOW, S.OPENING_MEDIA)
_INVITING = (S.CALLING, S.PROCEEDING)
_INVITE_RESULTS = (
    T.PROVISIONAL, T.AGREED, T.REFUSED, T.CONSENT_NEEDED, T.REDIRECT, T.REJECTED, T.FAILED, T.ELSEWHERE
)  # fmt: skip
_UAS_ONLY = (T.PRACKED, T.ACK, T.ACK_REFUSED, T.ACK_MISSING, T.CANCEL, T.ANSWER, T.EARLY_MEDIA, T.DECLINE)

CALL_TABLE: StateTable[CallState, CallTrigger, CallStep] = StateTable(
    name="call",
    source="RFC 3261 §9, §13, §15",
    initial=S.WAITING_FLOW,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        # Outgoing, before the INVITE
        (S.WAITING_FLOW, T.FLOW_READY): (S.OPENING_MEDIA, (A.OPEN_MEDIA,)),
        (S.WAITING_FLOW, T.FLOW_FAILED): _OVER,
        (S.WAITING_FLOW, T.HANG_UP): _OVER_BY_US,
        (S.OPENING_MEDIA, T.MEDIA_READY): (S.CALLING, (A.INVITE,)),
        (S.OPENING_MEDIA, T.MEDIA_FAILED): _OVER,
        (S.OPENING_MEDIA, T.FLOW_FAILED): _OVER,
        (S.OPENING_MEDIA, T.HANG_UP): _OVER_BY_US,
        # INVITE sent
        (S.CALLING, T.PROVISIONAL): (S.PROCEEDING, ()),
        **{(s, T.AGREED): _ESTABLISH for s in _INVITING},
        **{(s, T.REFUSED): _REFUSE for s in _INVITING},
        **{(s, T.CONSENT_NEEDED): (S.AWAITING_CONSENT, (A.ASK_CONSENT,)) for s in _INVITING},
        **{(s, T.REDIRECT): (S.REDIRECTED, (A.OFFER_REDIRECT,)) for s in _INVITING},
        **{(s, T.REJECTED): _OVER for s in _INVITING},
        **{(s, T.FAILED): _OVER for s in _INVITING},
        **{(s, T.ELSEWHERE): (S.WAITING_FLOW, (A.BEGIN_AGAIN,)) for s in _INVITING},  # RFC 3263 §4.3
        **{(s, T.MEDIA_FAILED): (S.CANCELLING, (A.BY_FAILURE, A.CANCEL_INVITE)) for s in _INVITING},
        **{(s, T.HANG_UP): _CANCEL for s in _INVITING},
        # Cancelled: the 2xx may have crossed the CANCEL (RFC 3261 §9.1, §15.1.1)
        (S.CANCELLING, T.AGREED): (S.ENDING, (A.BYE, A.STOP_MEDIA)),
        (S.CANCELLING, T.REFUSED): (S.ENDING, (A.BYE, A.STOP_MEDIA)),
        (S.CANCELLING, T.CONSENT_NEEDED): (S.ENDING, (A.BYE, A.STOP_MEDIA)),
        (S.CANCELLING, T.REDIRECT): (S.ENDING, (A.STOP_MEDIA,)),
        (S.CANCELLING, T.REJECTED): (S.ENDING, (A.STOP_MEDIA,)),
        (S.CANCELLING, T.FAILED): (S.ENDING, (A.STOP_MEDIA,)),
        (S.CANCELLING, T.ELSEWHERE): (S.ENDING, (A.STOP_MEDIA,)),
        (S.CANCELLING, T.TIMER): (S.CANCELLING, (A.STOP_MEDIA,)),  # the person waits no longer; the rest goes on behind
        # Redirected
        (S.REDIRECTED, T.FOLLOW): (S.CALLING, (A.FOLLOW_REDIRECT,)),
        (S.REDIRECTED, T.HANG_UP): _OVER_BY_US,
        (S.REDIRECTED, T.MEDIA_FAILED): _OVER,
        # Answered without encryption
        (S.AWAITING_CONSENT, T.AGREE): _ESTABLISH,
        (S.AWAITING_CONSENT, T.HANG_UP): (S.ENDING, (A.BY_US, A.HANG_UP_REFUSED, A.STOP_MEDIA)),
        (S.AWAITING_CONSENT, T.BYE): _BYE_BY_PEER,
        (S.AWAITING_CONSENT, T.MEDIA_FAILED): _BYE_BY_FAILURE,
        (S.AWAITING_CONSENT, T.TIMER): _REFUSE,
        # Incoming, before the answer
        **{(s, T.HANG_UP): (S.ENDING, (A.BY_US, A.DECLINE, A.STOP_MEDIA)) for s in _NOT_ANSWERED_YET},
        **{(s, T.DECLINE): (S.ENDING, (A.BY_US, A.DECLINE, A.STOP_MEDIA)) for s in _NOT_ANSWERED_YET},
        **{(s, T.CANCEL): (S.ENDING, (A.BY_PEER, A.TERMINATE_INVITE, A.STOP_MEDIA)) for s in _NOT_ANSWERED_YET},
        **{(s, T.BYE): (S.ENDING, (A.BY_PEER, A.TERMINATE_INVITE, A.STOP_MEDIA)) for s in _NOT_ANSWERED_YET},
        **{
            (s, T.MEDIA_FAILED): (S.ENDING, (A.BY_FAILURE, A.MEDIA_UNAVAILABLE, A.STOP_MEDIA))
            for s in _NOT_ANSWERED_YET
        },
        **{(s, T.FLOW_FAILED): _OVER for s in _NOT_ANSWERED_YET},
        **{(s, T.FAILED): (S.ENDING, (A.BY_FAILURE, A.DECLINE, A.STOP_MEDIA)) for s in _NOT_ANSWERED_YET},
        # The invitation has expired (RFC 3261 §13.3.1)
        **{(s, T.TIMER): (S.ENDING, (A.BY_PEER, A.TERMINATE_INVITE, A.STOP_MEDIA)) for s in (S.RINGING, S.EARLY)},
        (S.RINGING, T.ANSWER): (S.ANSWERING, (A.ACCEPT,)),
        (S.EARLY, T.ANSWER): (S.ANSWERING, (A.ACCEPT,)),
        (S.RINGING, T.EARLY_MEDIA): (S.EARLY, (A.SEND_EARLY,)),
        (S.ANSWERING, T.MEDIA_READY): (S.ANSWERING, (A.ACCEPT,)),
        (S.ANSWERING, T.PRACKED): (S.ANSWERING, (A.ACCEPT,)),  # a 2xx waits for the PRACK of our SDP
        (S.EARLY, T.MEDIA_READY): (S.EARLY, (A.SEND_EARLY,)),
        # `ACCEPT` moves on by this trigger once the 2xx is out.
        (S.ANSWERING, T.AGREED): (S.ACCEPTED, (A.ESTABLISH,)),
        # 2xx sent
        (S.ACCEPTED, T.ACK): (S.ESTABLISHED, (A.CATCH_UP,)),
        (S.ACCEPTED, T.ACK_REFUSED): _REFUSE,
        (S.ACCEPTED, T.ACK_MISSING): _BYE_BY_FAILURE,
        (S.ACCEPTED, T.BYE): (S.ENDING, (A.BY_PEER, A.ACK_SETTLED, A.STOP_MEDIA)),
        (S.ACCEPTED, T.HANG_UP): (S.HANGING_UP, (A.BY_US, A.AWAIT_ACK, A.STOP_MEDIA)),
        (S.ACCEPTED, T.MEDIA_FAILED): (S.HANGING_UP, (A.BY_FAILURE, A.AWAIT_ACK, A.STOP_MEDIA)),
        # Hung up before the ACK (RFC 3261 §15)
        **{(S.HANGING_UP, t): (S.ENDING, (A.BYE, A.ACK_SETTLED)) for t in (T.ACK, T.ACK_REFUSED, T.ACK_MISSING)},
        (S.HANGING_UP, T.BYE): (S.ENDING, (A.ACK_SETTLED,)),
        (S.HANGING_UP, T.ENDED): (S.TERMINATED, (A.FINISH,)),
        # Established
        (S.ESTABLISHED, T.BYE): _BYE_BY_PEER,
        (S.ESTABLISHED, T.HANG_UP): _BYE_BY_US,
        (S.ESTABLISHED, T.MEDIA_FAILED): _BYE_BY_FAILURE,
        (S.ESTABLISHED, T.FAILED): _BYE_BY_FAILURE,  # the dialog is gone (481, 408; RFC 3261 §12.2.1.2)
        # Ending
        (S.ENDING, T.ENDED): (S.TERMINATED, (A.FINISH,)),
        (S.ENDING, T.FLOW_READY): (S.ENDING, (A.BYE_AGAIN,)),
    },
    ignored=every(_OUTGOING_EARLY, *_INVITE_RESULTS, *_UAS_ONLY, T.BYE, T.ENDED, T.TIMER, T.AGREE, T.FOLLOW)
    | every((S.WAITING_FLOW,), T.MEDIA_READY, T.MEDIA_FAILED)
    | every((S.OPENING_MEDIA,), T.FLOW_READY)
    | every((S.PROCEEDING,), T.PROVISIONAL)
    # A lost flow fails the transactions on it, which is FAILED; a running call outlives its flow.
    | every(
        _INVITING, *_UAS_ONLY, T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY, T.BYE, T.ENDED, T.TIMER, T.AGREE, T.FOLLOW
    )
    | every((S.CANCELLING,), *_UAS_ONLY, T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY, T.MEDIA_FAILED)
    | every((S.CANCELLING,), T.PROVISIONAL, T.BYE, T.ENDED, T.HANG_UP, T.AGREE, T.FOLLOW)
    | every((S.REDIRECTED,), *_INVITE_RESULTS, *_UAS_ONLY, T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY)
    | every((S.REDIRECTED,), T.BYE, T.ENDED, T.TIMER, T.AGREE)
    | every((S.AWAITING_CONSENT,), *_INVITE_RESULTS, *_UAS_ONLY, T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY)
    | every((S.AWAITING_CONSENT,), T.ENDED, T.FOLLOW)
    | every(_NOT_ANSWERED_YET, T.FLOW_READY, T.PROVISIONAL, T.REFUSED, T.CONSENT_NEEDED, T.REDIRECT, T.REJECTED)
    | every((S.RINGING, S.EARLY, S.ACCEPTED, S.ESTABLISHED, S.HANGING_UP), T.PRACKED)
    | every(_NOT_ANSWERED_YET, T.ELSEWHERE, T.ACK, T.ACK_REFUSED, T.ACK_MISSING, T.ENDED, T.AGREE, T.FOLLOW)
    | every((S.RINGING,), T.MEDIA_READY, T.AGREED)
    | every((S.EARLY,), T.EARLY_MEDIA, T.AGREED)
    | every((S.ANSWERING,), T.ANSWER, T.EARLY_MEDIA, T.TIMER)
    | every((S.ACCEPTED, S.ESTABLISHED), T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY, T.CANCEL, T.ANSWER)
    | every((S.ACCEPTED, S.ESTABLISHED), T.EARLY_MEDIA, T.DECLINE, T.AGREE, T.FOLLOW, T.ENDED, T.TIMER)
    | every((S.ACCEPTED, S.ESTABLISHED), *(t for t in _INVITE_RESULTS if t is not T.FAILED))
    | every((S.ACCEPTED,), T.FAILED)
    | every((S.ESTABLISHED,), T.ACK, T.ACK_REFUSED, T.ACK_MISSING)
    | every((S.HANGING_UP,), *_INVITE_RESULTS, T.FLOW_READY, T.FLOW_FAILED, T.MEDIA_READY, T.MEDIA_FAILED, T.CANCEL)
    | every((S.HANGING_UP,), T.TIMER, T.HANG_UP, T.ANSWER, T.EARLY_MEDIA, T.DECLINE, T.AGREE, T.FOLLOW)
    | every((S.ENDING,), *(t for t in CallTrigger if t not in (T.ENDED, T.FLOW_READY)))
    | every((S.TERMINATED,), *CallTrigger),
)
