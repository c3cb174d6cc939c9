"""The two tables of a call transfer: whoever asks for it, and whoever is asked (RFC 3515, RFC 5589).

The transferor holds, sends REFER and follows the NOTIFYs. The transferee asks its person, calls the target and tells
how that goes. `transferor.py` and `transferee.py` put them to work.
"""

from __future__ import annotations

from enum import Enum, auto

from softphone.sip.state_table import StateTable, every


class TransferorState(Enum):
    HOLDING = auto()  # the calls are put on hold first
    REFERRING = auto()  # REFER sent
    FOLLOWING = auto()  # accepted: its NOTIFYs tell how far it is
    ENDED = auto()


class TransferorTrigger(Enum):
    HELD = auto()  # or the hold was refused: what was asked for is the transfer
    ACCEPTED = auto()  # 2xx
    ACCEPTED_UNTOLD = auto()  # 2xx with Refer-Sub: false (RFC 4488): no NOTIFY will come
    REFUSED = auto()  # 3xx-6xx, time-out, lost flow
    PROGRESS = auto()  # NOTIFY with 1xx, which may overtake the 202
    SUCCESS = auto()  # NOTIFY with 2xx
    FAILURE = auto()  # NOTIFY with 3xx-6xx, or the subscription's end without a final status
    PEER_LEFT = auto()  # BYE of the other side
    OTHER_OVER = auto()  # attended: the call that it was to be connected with has ended
    CALL_OVER = auto()  # the call ended in any other way
    TIMER = auto()


class TransferorStep(Enum):
    REFER = auto()
    FOLLOW = auto()  # the time for the next NOTIFY begins
    TELL_SUCCESS = auto()
    TELL_FAILURE = auto()
    HANG_UP = auto()
    COME_BACK = auto()  # what was held for this is resumed
    FORGET = auto()


S, T, A = TransferorState, TransferorTrigger, TransferorStep
_DONE = (S.ENDED, (A.FORGET, A.TELL_SUCCESS, A.HANG_UP))
_FAILED = (S.ENDED, (A.FORGET, A.TELL_FAILURE, A.COME_BACK))
TRANSFEROR_TABLE: StateTable[TransferorState, TransferorTrigger, TransferorStep] = StateTable(
    name="transferor",
    source="RFC 3515 §2.4, RFC 5589 §6, §7, RFC 4488",
    initial=S.HOLDING,
    states=tuple(S),
    inputs=tuple(T),
    rows={
        (S.HOLDING, T.HELD): (S.REFERRING, (A.REFER,)),
        (S.HOLDING, T.TIMER): (S.REFERRING, (A.REFER,)),
        (S.HOLDING, T.OTHER_OVER): _FAILED,
        (S.REFERRING, T.ACCEPTED): (S.FOLLOWING, (A.FOLLOW,)),
        (S.REFERRING, T.ACCEPTED_UNTOLD): _DONE,
        (S.REFERRING, T.REFUSED): _FAILED,
        (S.REFERRING, T.PROGRESS): (S.FOLLOWING, (A.FOLLOW,)),
        (S.FOLLOWING, T.PROGRESS): (S.FOLLOWING, (A.FOLLOW,)),
        (S.FOLLOWING, T.PEER_LEFT): _DONE,
        (S.FOLLOWING, T.TIMER): _FAILED,
        (S.ENDED, T.TIMER): (S.ENDED, (A.COME_BACK,)),  # there was no flow to resume over
        **{(s, T.SUCCESS): _DONE for s in (S.REFERRING, S.FOLLOWING)},
        **{(s, T.FAILURE): _FAILED for s in (S.REFERRING, S.FOLLOWING)},
        **{(s, T.PEER_LEFT): _FAILED for s in (S.HOLDING, S.REFERRING)},
        **{(s, T.CALL_OVER): (S.ENDED, (A.FORGET, A.COME_BACK)) for s in S if s is not S.ENDED},
    },
    ignored=every(
        (S.HOLDING,), T.ACCEPTED, T.ACCEPTED_UNTOLD, T.REFUSED, T.PROGRESS, T.SUCCESS, T.FAILURE
    )  # no REFER is out
    | every((S.REFERRING,), T.HELD, T.TIMER)
    # A NOTIFY has told that it was accepted; and the target hangs up on us when the transferee takes our place.
    | every((S.FOLLOWING,), T.HELD, T.ACCEPTED, T.ACCEPTED_UNTOLD, T.REFUSED)
    | every((S.REFERRING, S.FOLLOWING), T.OTHER_OVER)
    | every((S.ENDED,), *(t for t in T if t is not T.TIMER)),
)


class TransfereeState(Enum):
    ASKED = auto()  # the person is asked, REFER has no final response yet
    PENDING = auto()  # 202 and NOTIFY "pending" sent, the person is still asked
    CALLING = auto()  # the new call is under way
    CALLED = auto()  # it was answered: the old call is the transferor's to end
    ENDED = auto()


class TransfereeTrigger(Enum):
    ACCEPT = auto()
    REFUSE = auto()
    PROGRESS = auto()  # the new call got a provisional response
    ANSWERED = auto()
    FAILED = auto()  # the new call came to nothing
    OLD_OVER = auto()  # the call that the REFER came in has ended
    TIMER = auto()


class TransfereeStep(Enum):
    ACCEPT = auto()  # 202
    DECLINE = auto()  # 603
    NOTIFY_PENDING = auto()
    NOTIFY_TRYING = auto()
    NOTIFY_PROGRESS = auto()
    NOTIFY_FINAL = auto()  # with the new call's final status, and the end of the subscription
    NOTIFY_DECLINED = auto()
    DIAL = auto()
    TELL_SUCCESS = auto()
    TELL_FAILURE = auto()
    COME_BACK = auto()
    HANG_UP = auto()  # the transferor did not


R, U, B = TransfereeState, TransfereeTrigger, TransfereeStep
TRANSFEREE_TABLE: StateTable[TransfereeState, TransfereeTrigger, TransfereeStep] = StateTable(
    name="transferee",
    source="RFC 3515 §2.4.2, §2.4.4, RFC 5589 §6, §7",
    initial=R.ASKED,
    states=tuple(R),
    inputs=tuple(U),
    rows={
        (R.ASKED, U.ACCEPT): (R.CALLING, (B.ACCEPT, B.NOTIFY_TRYING, B.DIAL)),
        (R.ASKED, U.REFUSE): (R.ENDED, (B.DECLINE, B.TELL_FAILURE)),
        (R.ASKED, U.TIMER): (R.PENDING, (B.ACCEPT, B.NOTIFY_PENDING)),
        (R.ASKED, U.OLD_OVER): (R.ENDED, (B.DECLINE,)),
        (R.PENDING, U.ACCEPT): (R.CALLING, (B.NOTIFY_TRYING, B.DIAL)),
        (R.PENDING, U.REFUSE): (R.ENDED, (B.NOTIFY_DECLINED, B.TELL_FAILURE)),
        (R.PENDING, U.TIMER): (R.ENDED, (B.NOTIFY_DECLINED, B.TELL_FAILURE)),
        (R.PENDING, U.OLD_OVER): (R.ENDED, (B.NOTIFY_DECLINED,)),
        (R.CALLING, U.PROGRESS): (R.CALLING, (B.NOTIFY_PROGRESS,)),
        (R.CALLING, U.ANSWERED): (R.CALLED, (B.NOTIFY_FINAL, B.TELL_SUCCESS)),
        (R.CALLING, U.FAILED): (R.ENDED, (B.NOTIFY_FINAL, B.TELL_FAILURE, B.COME_BACK)),
        (R.CALLED, U.OLD_OVER): (R.ENDED, ()),
        (R.CALLED, U.TIMER): (R.ENDED, (B.HANG_UP,)),
    },
    ignored=every((R.ASKED, R.PENDING), U.PROGRESS, U.ANSWERED, U.FAILED)
    # A transferor that leaves with its 202 does not end what it asked for; the subscription goes on (RFC 5057 §4.1).
    | every((R.CALLING,), U.ACCEPT, U.REFUSE, U.OLD_OVER, U.TIMER)
    | every((R.CALLED,), U.ACCEPT, U.REFUSE, U.PROGRESS, U.ANSWERED, U.FAILED)
    | every((R.ENDED,), *U),
)
