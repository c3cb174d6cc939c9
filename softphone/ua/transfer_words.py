"""Why a transfer did not come about, in words a person can act on.

Owns: the sentences. What the new call's final status means is `outcomes.py`'s.
"""

from __future__ import annotations

from dataclasses import replace

from softphone.errors import Failure, FailureKind
from softphone.sip.message import Headers, Response
from softphone.ua.outcomes import call_failure
from softphone.ua.requester import Outcome

K = FailureKind
BACK = "You are back in the call; try again, or tell the other side the address."
STILL_HERE = "The call goes on as before."
_REFUSALS: dict[int, str] = {
    403: "The other side or its server forbids transfers",
    405: "The other side cannot transfer calls",
    420: "The other side cannot transfer calls to a running call",
    480: "The other side cannot be transferred at the moment",
    481: "The other side does not know this call any more",
    491: "The other side is transferring this call, too",
    501: "The other side cannot transfer calls",
    603: "The other side declined the transfer",
}


def _failure(kind: FailureKind, reason: str, remedy: str = BACK, status: int | None = None) -> Failure:
    return Failure(kind, reason, remedy, status=status)


def refused(outcome: Outcome) -> Failure:
    """The REFER got no 2xx."""
    if outcome.response is None:
        assert outcome.failure is not None
        return replace(outcome.failure, remedy=BACK)
    meaning = call_failure(outcome.response)
    said = _REFUSALS.get(outcome.status, "The other side did not accept the transfer")
    if outcome.failure is not None:  # credentials that we have not
        return outcome.failure
    return replace(meaning, reason=f"{said} ({outcome.status}).", remedy=BACK)


def not_reached(status: int, reason: str) -> Failure:
    """The NOTIFY's final status: the transferee called the target and got that."""
    meaning = call_failure(Response(status, reason, Headers(()), b""))
    return replace(meaning, reason=f"The transfer failed. {meaning.reason}"[:400], remedy=BACK)


def no_word() -> Failure:
    return _failure(K.SERVER_SILENT, "The other side has not said how the transfer went.")


def ended_without_result() -> Failure:
    return _failure(K.REJECTED, "The other side gave the transfer up without saying how it went.")


def left_before() -> Failure:
    return _failure(K.REJECTED, "The other side hung up before it accepted the transfer.", "Call it again.")


def other_gone() -> Failure:
    return _failure(K.REJECTED, "The call to connect with has ended before the transfer began.")


def not_running() -> Failure:
    return _failure(K.USAGE, "Only a call that is answered can be transferred.", "Wait until it is answered.")


def under_way() -> Failure:
    return _failure(K.USAGE, "A transfer of this call is under way already.", "Wait until it has ended.")


def with_itself() -> Failure:
    return _failure(K.USAGE, "A call cannot be connected with itself.", "Choose another call.")


def no_such_other() -> Failure:
    return _failure(K.USAGE, "The call to connect with is not there or not answered.", "Choose one that is answered.")


def no_address() -> Failure:
    return _failure(
        K.USAGE, "The other side of that call has no address that can be called.", "Transfer to its number instead."
    )


def strangers(one: str, other: str) -> Failure:
    """Two accounts on two servers: neither knows the other's calls, so its Replaces would name nothing."""
    return _failure(
        K.USAGE,
        f"The two calls run over different servers ({one} and {other}), and neither knows the calls of the other.",
        "Transfer to the number instead, or join the two calls in a conference.",
    )


# The transferee


def refused_by_us() -> Failure:
    return _failure(K.REJECTED, "You did not go along with the transfer.", STILL_HERE)


def undecided() -> Failure:
    return _failure(K.REJECTED, "Nobody decided on the transfer in time, so it was declined.", STILL_HERE)


def new_call_failed(failure: Failure | None) -> Failure:
    if failure is None:
        return _failure(K.REJECTED, "The call that the other side asked for was not made.", STILL_HERE)
    return replace(failure, remedy=f"{STILL_HERE} {failure.remedy}")
