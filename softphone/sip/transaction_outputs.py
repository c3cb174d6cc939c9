"""What the transaction layer tells its user (the UA core) and its transport, as values.

`key` names a server transaction, `branch` a client transaction; both are opaque. TransactionEnded is the last output
of every transaction that the user has heard of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from softphone.errors import TransactionTimeout, TransportFailed
from softphone.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class SendMessage:
    flow_id: str
    data: bytes = field(repr=False)  # may hold credentials and SRTP keys


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A new request, neither ACK nor CANCEL; it waits for `respond(key, …)`."""

    key: str
    request: Request
    flow_id: str


@dataclass(frozen=True, slots=True)
class AckArrived:
    """An ACK that ends no transaction: for a 2xx, the dialog's (RFC 3261 §13.3.1.4)."""

    request: Request
    flow_id: str


@dataclass(frozen=True, slots=True)
class CancelArrived:
    """The unanswered INVITE `key` was cancelled; the CANCEL has its 200 already (RFC 3261 §9.2)."""

    key: str


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    """A provisional or final response; a 2xx to INVITE may come several times, from several forks (RFC 6026 §7.2)."""

    branch: str
    response: Response


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No final response will come."""

    branch: str
    error: TransactionTimeout | TransportFailed


@dataclass(frozen=True, slots=True)
class ResponseFailed:
    """`respond` was called after the transaction had ended (its flow closed, its timer ran out): nothing was sent."""

    key: str
    response: Response


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    key_or_branch: str


LayerOutput = (
    SendMessage
    | RequestArrived
    | AckArrived
    | CancelArrived
    | ResponseArrived
    | RequestFailed
    | ResponseFailed
    | TransactionEnded
)
