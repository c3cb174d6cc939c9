"""Any messages in any order at any time: what the layer promises its user holds on every walk."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.errors import LocalProtocolError
from softphone.sip.message import Request, Response
from softphone.sip.timers import Timers
from softphone.sip.transaction_layer import (
    AckArrived,
    CancelArrived,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseFailed,
    SendMessage,
    TransactionEnded,
)
from tests.sip.playbook import RELIABLE, UNRELIABLE, Play, answer, request


class Walk(Play):
    def __init__(self, timers: Timers) -> None:
        super().__init__(timers)
        self.answered: set[str] = set()  # keys that were given a final response


Step = Callable[[Walk, float], None]

BRANCHES = ("z9hG4bKa", "z9hG4bKb", "1")
STATUSES = (100, 180, 183, 200, 202, 302, 401, 486, 487, 503, 603)


def send(method: str) -> Step:
    def step(play: Walk, now: float) -> None:
        play.send(request(method), at=now)

    return step


def receive_request(method: str, branch: str, flow: str) -> Step:
    return lambda play, now: play.layer.receive(request(method, branch=branch), flow, "192.0.2.1", 5061, now)


def receive_response(index: int, status: int, tag: str) -> Step:
    def step(play: Walk, now: float) -> None:
        requests = [message for message in play.sent if isinstance(message, Request) and message.method != "ACK"]
        if requests:
            response = answer(requests[index % len(requests)], status, to_tag=tag)
            play.layer.receive(response, "flow-1", "192.0.2.1", 5061, now)

    return step


def respond(index: int, status: int) -> Step:
    def step(play: Walk, now: float) -> None:
        arrived = [output for output in play.outputs if isinstance(output, RequestArrived)]
        if arrived:
            chosen = arrived[index % len(arrived)]
            response = answer(chosen.request, status)
            try:
                play.layer.respond(chosen.key, response, now)
            except LocalProtocolError:
                assert chosen.key in play.answered, "only after a final response may a response be refused"
            if status >= 200:
                play.answered.add(chosen.key)

    return step


def cancel(play: Walk, now: float) -> None:
    sent = [m for m in play.sent if isinstance(m, Request)]
    if play.branch and any(m.method == "INVITE" and play.branch in str(m.headers.get("Via")) for m in sent):
        play.layer.cancel(play.branch, now)


def close(flow: str) -> Step:
    return lambda play, now: play.layer.flow_closed(flow, now)


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(send, st.sampled_from(["INVITE", "REGISTER", "BYE"])),
    st.builds(
        receive_request,
        st.sampled_from(["INVITE", "ACK", "CANCEL", "OPTIONS"]),
        st.sampled_from(BRANCHES),
        st.sampled_from(["flow-1", "flow-2"]),
    ),
    st.builds(receive_response, st.integers(0, 9), st.sampled_from(STATUSES), st.sampled_from(["x", "y"])),
    st.builds(respond, st.integers(0, 9), st.sampled_from(STATUSES)),
    st.just(cancel),
    st.builds(close, st.sampled_from(["flow-1", "flow-2"])),
)
waits = st.sampled_from([0.0, 0.0, 0.01, 0.2, 0.5, 4.0, 32.0, 100.0])


@settings(max_examples=300, deadline=None)
@given(script=st.lists(st.tuples(waits, steps), max_size=40), timers=st.sampled_from([RELIABLE, UNRELIABLE]))
def test_the_promises_to_the_user_hold_on_every_walk(script: list[tuple[float, Step]], timers: Timers) -> None:
    play = Walk(timers)
    now = 0.0
    for wait, step in script:
        now += wait
        play.layer.handle_timer(now)
        play.heard()
        deadline = play.layer.next_timer()
        assert deadline is None or deadline > now, "a timer that was due has not fired"
        step(play, now)
        play.heard()
    for flow in ("flow-1", "flow-2"):
        play.close(at=now, flow_id=flow)
    assert play.layer.next_timer() is None
    check(play)


def check(play: Play) -> None:
    """Each transaction begins once and ends once, is silent after its end, and has one kind of outcome."""
    ended: set[str] = set()
    begun: set[str] = set()
    outcome: dict[str, str] = {}
    for output in play.outputs:
        match output:
            case RequestArrived(key, _, _):
                assert key not in begun
                begun.add(key)
            case CancelArrived(key):
                assert key in begun - ended
            case ResponseArrived(branch, response):
                assert branch not in ended
                check_response(branch, response, outcome)
            case RequestFailed(branch, _):
                assert branch not in ended
                assert branch not in outcome
                outcome[branch] = "failed"
            case ResponseFailed(key, _):
                assert key in ended
            case TransactionEnded(name):
                assert name not in ended
                ended.add(name)
            case SendMessage() | AckArrived():
                pass
    assert begun <= ended
    assert set(outcome) <= ended
    assert ended - begun == set(outcome), "a client transaction ends with an outcome"


def check_response(branch: str, response: Response, outcome: dict[str, str]) -> None:
    if response.status < 200:
        assert branch not in outcome
    elif 200 <= response.status < 300 and str(response.headers.get("CSeq")).endswith("INVITE"):
        assert outcome.setdefault(branch, "accepted") == "accepted"
    else:
        assert branch not in outcome
        outcome[branch] = "final"
