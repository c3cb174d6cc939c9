"""Final SIP statuses in words: what they mean for the person and what to do (RFC 3261 §21).

One table; a status without a row gets the words of its class. The peer's own reason phrase and Warning are evidence.
"""

from __future__ import annotations

from softphone.errors import Failure, FailureKind
from softphone.sdp.negotiated import ClearMedia, ConsentNeeded, NegotiatedMedia, Rejection
from softphone.sip.message import Response
from softphone.ua.foreign_text import quoted
from softphone.ua.server_times import retry_after

K = FailureKind
# status: (kind, reason, remedy)
_CALL: dict[int, tuple[FailureKind, str, str]] = {
    400: (K.PROTOCOL, "The server did not understand the request", "Send a trace to its administrator"),
    403: (K.REJECTED, "The server forbids this call", "Ask its administrator if your account may call there"),
    404: (K.REJECTED, "Nobody is known at this address", "Check the address or number"),
    408: (K.SERVER_SILENT, "The other side did not respond in time", "Try again; the phone there may be off-line"),
    410: (K.REJECTED, "This address is no longer in use", "Ask for the new address"),
    415: (K.NOT_ACCEPTABLE, "The other side does not take this kind of call", "Check that it takes voice calls"),
    416: (K.REJECTED, "The server does not route this kind of address", "Use a sip: address of your provider"),
    420: (K.REJECTED, "The other side asks for an unknown extension", "Report it with a trace"),
    430: (K.REJECTED, "The person called has lost the connection to the server", "Try again in a moment"),
    480: (K.REJECTED, "The person called is not reachable just now", "Try again later"),
    481: (K.REJECTED, "The other side no longer knows this call", "Call again"),
    482: (K.REJECTED, "The server sends the call round in a loop", "Ask its administrator to check the routing"),
    483: (K.REJECTED, "The call passed too many servers", "Ask its administrator to check the routing"),
    484: (K.REJECTED, "The number is incomplete", "Check the number"),
    486: (K.REJECTED, "The line is busy", "Try again later"),
    487: (K.REJECTED, "The call was cancelled", "Call again if you still want to"),
    488: (K.NOT_ACCEPTABLE, "The other side does not accept the offered media", "Check its codecs and encryption"),
    500: (K.REJECTED, "The server failed", "Try again later"),
    503: (K.REJECTED, "The server is overloaded or out of service", "Try again later"),
    504: (K.REJECTED, "A server further on did not respond", "Try again later"),
    600: (K.REJECTED, "The person called is busy everywhere", "Try again later"),
    603: (K.REJECTED, "The call was declined", "Try again later"),
    604: (K.REJECTED, "This address exists nowhere", "Check the address or number"),
    606: (K.NOT_ACCEPTABLE, "The other side does not accept the offered media", "Check its codecs and encryption"),
}  # fmt: skip
_CLASS: dict[int, tuple[FailureKind, str, str]] = {
    3: (K.REJECTED, "The call was redirected", "Call the new address"),
    4: (K.REJECTED, "The call could not be made", "Check the address and try again"),
    5: (K.REJECTED, "The server failed", "Try again later"),
    6: (K.REJECTED, "The call was refused everywhere", "Try again later"),
}
_REGISTER: dict[int, tuple[FailureKind, str, str]] = {
    403: (K.WRONG_CREDENTIALS, "The server forbids this account to register", "Check user name and password"),
    404: (K.WRONG_CREDENTIALS, "The server does not know this account", "Check user name and domain"),
    408: (K.SERVER_SILENT, "The server accepted the connection but did not answer", "Check that it is a SIP registrar"),
    430: (K.CONNECTION_LOST, "The server lost the connection further on", "The phone reconnects by itself"),
    439: (K.REJECTED, "The server wants another way to it (outbound)", "Turn off “outbound” in the account's settings"),
}
_SRTP_REFUSED = (
    K.MEDIA_NOT_ENCRYPTED,
    "The other side refused the encrypted call, so it probably cannot encrypt",
    "Turn on SRTP (SDES) for it on the PBX, with one of the suites this phone offers",
)

_MAY_NAME_A_TIME = frozenset({404, 413, 480, 486, 500, 503, 600, 603})  # by Retry-After (RFC 3261 §20.33)

# Answers to SUBSCRIBE; {what} is "the line sip:bob@…" or "message waiting".
_SUBSCRIBE: dict[int, tuple[FailureKind, str, str]] = {
    403: (K.REJECTED, "The server does not allow {what} to be watched", "Ask its administrator for the permission"),
    404: (K.REJECTED, "The server does not know {what}", "Check its address in the settings"),
    405: (K.REJECTED, "The server has no subscriptions, so {what} cannot be watched", "Ask its administrator for them"),
    408: (K.SERVER_SILENT, "The server does not say how {what} is", "The phone asks again; see if the server runs"),
    489: (K.REJECTED, "The server does not offer to watch {what}", "Ask its administrator to switch that event on"),
    501: (K.REJECTED, "The server has no subscriptions, so {what} cannot be watched", "Ask its administrator for them"),
}  # fmt: skip
_UNWATCHED = (K.REJECTED, "The server does not let {what} be watched", "Ask its administrator why")
_ENDED_BY_NOTIFIER: dict[str, tuple[FailureKind, str, str]] = {
    "rejected": _SUBSCRIBE[403],
    "noresource": _SUBSCRIBE[404],
}
_PAUSED = (K.REJECTED, "The server no longer says how {what} is", "The phone asks again by itself")

_MESSAGE: dict[int, tuple[FailureKind, str, str]] = {
    403: (K.REJECTED, "The server forbids this message", "Ask its administrator if your account may write there"),
    405: (K.REJECTED, "The other side takes no messages", "Call instead"),
    408: (K.SERVER_SILENT, "The other side did not confirm the message", "Send it again; it may have arrived"),
    413: (K.REJECTED, "The message is too long for the other side", "Send it in parts"),
    415: (K.REJECTED, "The other side does not read plain text messages", "Call instead"),
    430: (K.REJECTED, "The person called has lost the connection to the server", "Try again in a moment"),
    480: (K.REJECTED, "The other side is not reachable just now", "Send it again later"),
    488: (K.REJECTED, "The other side takes no messages", "Call instead"),
    501: (K.REJECTED, "The server carries no messages", "Ask its administrator to switch them on"),
    513: (K.REJECTED, "The message is too long for a server on the way", "Send it in parts"),
    603: (K.REJECTED, "The other side does not want this message", "Call instead"),
}  # fmt: skip
_UNDELIVERED = (K.REJECTED, "The message was not delivered", "Check the address and send it again")


def _evidence(response: Response) -> tuple[str, ...]:
    facts = [f"SIP {response.status} {response.reason}"]
    facts += [f"Warning: {value}" for value in response.headers.get_all("Warning")[:3]]
    facts += [f"Reason: {value}" for value in response.headers.get_all("Reason")[:3]]
    return tuple(quoted(fact, 300) for fact in facts)


def call_failure(response: Response, *, offered_srtp_only: bool = False) -> Failure:
    row = _CALL.get(response.status) or _CLASS.get(response.status // 100, _CLASS[4])
    if offered_srtp_only and response.status in (488, 606):
        row = _SRTP_REFUSED
    wait = retry_after(response) if response.status in _MAY_NAME_A_TIME else None
    return _failure(row if wait is None else (row[0], row[1], f"Try again in {_in_words(wait)}"), response)


def _in_words(seconds: int) -> str:
    if seconds < 100:
        return f"{max(seconds, 1)} seconds"
    return f"{-(-seconds // 60)} minutes" if seconds < 5400 else f"about {round(seconds / 3600)} hours"


def registration_failure(response: Response, server: str) -> Failure:
    """`server` as the person wrote it: of several accounts, the one that is meant."""
    row = (
        _REGISTER.get(response.status)
        or _CALL.get(response.status)
        or (K.REJECTED, "The server refused the registration", "Ask whoever runs the server")
    )
    kind, reason, remedy = row
    return _failure((kind, reason.replace("The server", f"The server {server}", 1), remedy), response)


def subscription_failure(response: Response | None, what: str, ended: str = "") -> Failure:
    """A watched thing of which nothing is known: the answer to SUBSCRIBE, else the notifier's reason, else silence."""
    row = _ENDED_BY_NOTIFIER.get(ended, _PAUSED) if ended else _SUBSCRIBE[408]
    if response is not None:
        row = _SUBSCRIBE.get(response.status, _UNWATCHED)
    kind, reason, remedy = row
    reason = reason.replace("{what}", what)
    if response is not None:
        return _failure((kind, reason, remedy), response)
    return Failure(kind, f"{reason}.", f"{remedy}.", (f"Subscription-State: {quoted(ended, 100)}",) if ended else ())


def message_failure(response: Response) -> Failure:
    """An instant message that did not arrive."""
    row = _MESSAGE.get(response.status)
    if row is None and response.status in (404, 410, 416, 484, 604):
        row = _CALL[response.status]
    return _failure(row or _UNDELIVERED, response)


def _failure(row: tuple[FailureKind, str, str], response: Response) -> Failure:
    kind, reason, remedy = row
    said = f" ({response.status} {quoted(response.reason, 100)})" if response.reason else f" ({response.status})"
    return Failure(kind, f"{reason}{said}."[:400], f"{remedy}.", _evidence(response), response.status)


def no_answer(what: str, server: str = "") -> Failure:
    """A transaction timed out: treated as 408 (RFC 3261 §8.1.3.1)."""
    named = f"The server {server}" if server else "The server"
    return Failure(
        K.SERVER_SILENT,
        f"{named} did not answer {what}.",
        "Check that the address is that of a SIP server and that it runs.",
        status=408,
    )


def flow_lost(what: str) -> Failure:
    """The flow went away below a transaction: treated as 503 (RFC 3261 §8.1.3.1)."""
    return Failure(
        K.CONNECTION_LOST,
        f"The connection to the server was lost {what}.",
        "The phone reconnects by itself; call again when it is registered.",
        status=503,
    )


def not_sip(what: str) -> Failure:
    """The flow's stream cannot be framed any more."""
    return Failure(
        K.PROTOCOL,
        f"The server sent what is not SIP: {what}.",
        "The phone reconnects by itself; report it with a trace if it goes on.",
    )


def unencrypted(reason: str) -> Failure:
    """Media without encryption to which nobody agreed."""
    return Failure(
        K.MEDIA_NOT_ENCRYPTED,
        reason,
        "Answer unencrypted only if you accept that the call can be listened to; otherwise turn on SRTP on the PBX.",
    )


def unencrypted_reason(verdict: NegotiatedMedia | ConsentNeeded | None) -> str | None:
    """Why a call would not be encrypted if it were answered so; None: it would, or our own offer decides."""
    match verdict:
        case ConsentNeeded(reason=reason):
            return reason
        case NegotiatedMedia(security=ClearMedia(reason=reason)):
            return reason
        case _:
            return None


def refused_answer(result: ConsentNeeded | Rejection | None) -> Failure:
    """Why the answer to an offer of ours cannot be taken where nobody can be asked; None: there was no answer."""
    match result:
        case Rejection(failure=failure):
            return failure
        case ConsentNeeded(reason=reason):
            return Failure(K.MEDIA_NOT_ENCRYPTED, reason, "Call again; on the PBX, turn on SRTP for the other side.")
        case None:
            return Failure(
                K.PROTOCOL,
                "The other side did not answer our offer of media (no SDP).",
                "Report it with a trace to whoever runs the server.",
            )
