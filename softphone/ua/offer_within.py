"""An offer of the peer's within a dialog, by re-INVITE, UPDATE or PRACK: what it comes to and how it is answered.

Owns: the one place where such an offer is judged (RFC 3264 §8, RFC 6337): 488 with a Warning for what we do not take,
491 and 500 where offers cross. That encryption never ends is `sdp/offer_answer.py`'s rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from softphone.errors import Failure, FailureKind, RemoteProtocolError
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, Direction, NegotiatedMedia, Rejection
from softphone.sdp.offer_answer import OfferAnswerSession, OfferAnswerState
from softphone.ua.backoff import random_fraction
from softphone.ua.host import TokenBytes
from softphone.ua.responses import warning_399


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """The answer that the request gets; `failure` is what the person should hear of it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    failure: Failure | None = None


def crossing(session: OfferAnswerSession, token_bytes: TokenBytes) -> OfferRefused | None:
    """RFC 3311 §5.2, RFC 3261 §14.2: an offer of ours is not answered yet (491), or theirs is not (500)."""
    match session.state:
        case OfferAnswerState.HAVE_LOCAL_OFFER:
            return OfferRefused(491)
        case OfferAnswerState.HAVE_REMOTE_OFFER:
            return later(token_bytes)
        case OfferAnswerState.STABLE:
            return None


def later(token_bytes: TokenBytes) -> OfferRefused:
    """500 with a Retry-After of 0 to 10 s, chosen by chance."""
    return OfferRefused(500, (("Retry-After", str(int(random_fraction(token_bytes) * 11) % 11)),))


def answer_offer(session: OfferAnswerSession, offer: bytes, wanted: Direction) -> bytes | OfferRefused:
    """Our answer; `wanted` is the direction we want. Refused, the session in force goes on."""
    before = session.negotiated
    try:
        result = session.receive_offer(offer)
    except RemoteProtocolError as error:
        return OfferRefused(error.status_hint, (warning_399(error.reason),))
    if isinstance(result, ConsentNeeded) and before is not None and isinstance(before.security, ClearMedia):
        result = session.agree_to_clear()  # the person has agreed for this call already
    match result:
        case NegotiatedMedia():
            return session.create_answer(wanted)
        case ConsentNeeded(reason=reason):
            session.cancel_offer()
            failure = Failure(FailureKind.MEDIA_NOT_ENCRYPTED, reason, "The call goes on as it was.")
            return OfferRefused(488, (warning_399(reason),), failure)
        case Rejection(status=status, failure=failure, warning=warning):
            return OfferRefused(status, (warning_399(warning),), failure)
