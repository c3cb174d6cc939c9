"""One request that is not an INVITE, until its final response: credentials when challenged, errors in words.

Owns: the client transaction's branch and the answers to challenges (RFC 3261 §22). What the response means is the
asker's. For requests inside a dialog and outside of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from softphone.errors import Failure, OperationFailed, SoftphoneError, TransportFailed
from softphone.sip.message import Request, Response
from softphone.ua.account import AccountId
from softphone.ua.host import Host
from softphone.ua.outcomes import flow_lost, no_answer
from softphone.ua.responses import with_next_cseq

MAX_CHALLENGES = 6  # answers to challenges of one request: proxies, the other side, stale nonces


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended. `response` is the final one, or None with the `failure` that took its place."""

    response: Response | None
    failure: Failure | None = None

    @property
    def status(self) -> int:
        """The final status; 408 for silence and 503 for a lost flow (RFC 3261 §8.1.3.1)."""
        if self.response is not None:
            return self.response.status
        assert self.failure is not None
        return self.failure.status or 408


class Requester:
    """`done(outcome, now)` is called once, also when there is no flow to send over."""

    def __init__(
        self,
        host: Host,
        account_id: AccountId,
        what: str,
        next_cseq: Callable[[], int],
        done: Callable[[Outcome, float], None],
    ) -> None:
        """`what` names the request in a sentence: "the transfer"; `next_cseq` numbers a request that is sent again."""
        self._host, self._account_id, self._what = host, account_id, what
        self._next_cseq, self._done = next_cseq, done
        self._branch: str | None = None
        self._sent: Request | None = None  # with credentials
        self._challenges = 0

    def send(self, request: Request, now: float) -> None:
        self._transmit(self._host.authorize(self._account_id, request), now)

    def forget(self) -> None:
        """Nobody wants to hear of it any more."""
        self._branch = None

    # ResponseHandler

    def response(self, branch: str, response: Response, now: float) -> None:
        if branch != self._branch or response.status < 200:
            return
        if response.status in (401, 407):
            self._challenged(response, now)
        else:
            self._end(Outcome(response), now)

    def request_failed(self, branch: str, error: SoftphoneError, now: float) -> None:
        if branch != self._branch:
            return
        lost = isinstance(error, TransportFailed)
        self._end(Outcome(None, self._flow_lost() if lost else no_answer(self._what)), now)

    # Within

    def _transmit(self, request: Request, now: float) -> None:
        self._sent = request
        self._branch = self._host.send_request(self._account_id, request, self, now)
        if self._branch is None:
            self._end(Outcome(None, self._flow_lost()), now)

    def _challenged(self, response: Response, now: float) -> None:
        assert self._sent is not None
        self._challenges += 1
        if self._challenges > MAX_CHALLENGES:
            self._end(Outcome(response), now)
            return
        again = with_next_cseq(self._sent, self._next_cseq())
        try:
            answered = self._host.answer_challenge(self._account_id, again, response)
        except OperationFailed as error:
            self._end(Outcome(response, error.failure), now)
            return
        self._transmit(answered, now)

    def _flow_lost(self) -> Failure:
        return flow_lost(f"during {self._what}")

    def _end(self, outcome: Outcome, now: float) -> None:
        self._branch = None
        self._done(outcome, now)
