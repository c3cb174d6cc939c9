"""A client's and a server's layer joined in memory: flows as in RFC 3665, then with loss, doubling and reordering."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.sip.dialog import Dialog, DialogState
from softphone.sip.header_values import to_addr
from softphone.sip.message import Request
from softphone.sip.transaction_layer import (
    AckArrived,
    CancelArrived,
    LayerOutput,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    TransactionEnded,
)
from tests.sip.line import Fate, Line
from tests.sip.playbook import FLOW, RELIABLE, SENT_BY, UNRELIABLE, Play, answer, request

BOB_CONTACT = (("Contact", "<sip:bob@client.biloxi.example.com;transport=tls>"),)
RECORD_ROUTE = (("Record-Route", "<sip:p2.example.com;transport=tls;lr>, <sip:p1.example.com;transport=tls;lr>"),)


class Phone:
    """The least that a user must do to make and end calls: acknowledge a 2xx, answer BYE and CANCEL."""

    def __init__(self, answers: dict[str, list[tuple[float, int]]], line: Line, side: str) -> None:
        self.answers = answers  # method → (seconds after arrival, status)
        self.line = line
        self.dialog: Dialog | None = None
        self.invite: Request | None = None
        line.react[side] = self.react

    def react(self, play: Play, output: LayerOutput, now: float) -> None:
        match output:
            case RequestArrived(key, arrived, _):
                self.arrived(play, key, arrived, now)
            case CancelArrived(key):
                assert self.invite is not None
                play.layer.respond(key, answer(self.invite, 487), now)
            case ResponseArrived(_, response) if response.headers.get("CSeq") == "1 INVITE":
                if 200 <= response.status < 300:
                    self.dialog = Dialog.from_response(play.last_request, response)
                    play.layer.send_ack(self.dialog.ack(1), FLOW, SENT_BY)
            case _:
                pass

    def arrived(self, play: Play, key: str, arrived: Request, now: float) -> None:
        if arrived.method == "INVITE":
            self.invite = arrived
        if self.dialog is not None and to_addr(arrived).tag is not None:
            self.dialog.receive(arrived)
        for delay, status in self.answers.get(arrived.method, [(0.0, 200)]):
            response = answer(arrived, status, extra=(*BOB_CONTACT, *RECORD_ROUTE))
            if arrived.method == "INVITE" and status == 200:
                self.dialog = Dialog.from_request(
                    arrived.with_headers(arrived.headers.added("Record-Route", RECORD_ROUTE[0][1])), "8321234356"
                )
                self.dialog.confirm(response)
            self.line.at(now + delay, lambda later, r=response: play.layer.respond(key, r, later))  # type: ignore[misc]


def flow(answers: dict[str, list[tuple[float, int]]]) -> tuple[Line, Play, Play, Phone, Phone]:
    line = Line(Play(RELIABLE), Play(RELIABLE, seed=1000))
    left, right = line.sides["left"], line.sides["right"]
    return line, left, right, Phone({}, line, "left"), Phone(answers, line, "right")


def test_rfc_3665_3_1_a_call_is_made_answered_and_ended_by_the_called() -> None:
    line, left, right, alice, bob = flow({"INVITE": [(0.05, 180), (2.0, 200)]})
    left.send(request("INVITE"))
    line.run(10.0)
    assert alice.dialog is not None
    assert bob.dialog is not None
    assert alice.dialog.id.local_tag == bob.dialog.id.remote_tag
    assert alice.dialog.id.remote_tag == bob.dialog.id.local_tag
    assert alice.dialog.state is bob.dialog.state is DialogState.CONFIRMED
    right.layer.send_request(bob.dialog.request("BYE"), FLOW, "client.biloxi.example.com:5061", line.now)
    line.run(100.0)
    assert line.on_the_wire() == ["left INVITE", "right 180", "right 200", "left ACK", "right BYE", "left 200"]
    assert line.said("left") == ["response 180", "response 200", "request BYE", "ended", "ended"]
    assert line.said("right") == ["request INVITE", "ack", "response 200", "ended", "ended"]
    bye = right.last_request
    assert str(bye.uri) == "sip:alice@client.atlanta.example.com;transport=tls"
    assert bye.headers.get_all("Route") == (
        "<sip:p2.example.com;transport=tls;lr>",
        "<sip:p1.example.com;transport=tls;lr>",
    )


def test_rfc_3665_3_7_a_session_is_changed_inside_the_dialog() -> None:
    line, left, _, alice, bob = flow({"INVITE": [(0.05, 180), (0.3, 200)]})
    left.send(request("INVITE"))
    line.run(2.0)
    assert alice.dialog is not None
    again = alice.dialog.request("INVITE", contact="<sip:alice@192.0.2.9;transport=tls>")
    assert again.headers.get("CSeq") == "2 INVITE"
    left.layer.send_request(again, FLOW, SENT_BY, line.now)
    line.run(4.0)
    left.layer.send_ack(alice.dialog.ack(2), FLOW, SENT_BY)
    line.run(100.0)
    assert line.said("right").count("ack") == 2
    assert bob.dialog is not None


def test_rfc_3665_3_8_a_call_that_is_not_answered_is_cancelled() -> None:
    line, left, _, _, _ = flow({"INVITE": [(0.05, 180)]})
    left.send(request("INVITE"))
    line.run(5.0)
    left.layer.cancel(left.branch, line.now)
    line.run(100.0)
    assert line.on_the_wire() == ["left INVITE", "right 180", "left CANCEL", "right 200", "right 487", "left ACK"]
    assert line.said("left") == ["response 180", "response 487", "ended"]
    assert line.said("right") == ["request INVITE", "cancel", "ended"]


def test_rfc_3665_3_9_a_busy_callee_refuses() -> None:
    line, left, _, _, _ = flow({"INVITE": [(0.05, 486)]})
    left.send(request("INVITE"))
    line.run(100.0)
    assert line.on_the_wire() == ["left INVITE", "right 486", "left ACK"]
    assert line.said("left") == ["response 486", "ended"]
    assert line.said("right") == ["request INVITE", "ended"]


def test_rfc_3665_3_10_a_callee_who_does_nothing_answers_100_and_is_cancelled() -> None:
    line, left, _, _, _ = flow({"INVITE": []})
    left.send(request("INVITE"))
    left.layer.cancel(left.branch, line.now)
    line.run(100.0)
    assert line.on_the_wire() == ["left INVITE", "right 100", "left CANCEL", "right 200", "right 487", "left ACK"]


def test_a_cancel_that_crosses_the_200_leaves_a_call_that_the_caller_must_end() -> None:
    line, left, _, alice, bob = flow({"INVITE": [(0.05, 180), (1.0, 200)]})
    left.send(request("INVITE"))
    line.run(1.015)  # the 200 is on its way
    left.layer.cancel(left.branch, line.now)
    line.run(3.0)
    assert line.on_the_wire() == ["left INVITE", "right 180", "right 200", "left CANCEL", "left ACK", "right 200"]
    assert line.said("left") == ["response 180", "response 200"]
    assert line.said("right") == ["request INVITE", "ack"]
    assert alice.dialog is not None
    assert bob.dialog is not None
    assert alice.dialog.state is bob.dialog.state is DialogState.CONFIRMED


def test_rfc_3665_2_1_a_registration_is_challenged_and_repeated() -> None:
    line, left, _, _, _ = flow({"REGISTER": [(0.0, 401)]})
    left.send(request("REGISTER"))
    line.run(1.0)
    left.send(request("REGISTER", cseq=2), at=line.now)
    line.run(2.0)
    assert line.said("left") == ["response 401", "ended", "response 401", "ended"]
    assert line.on_the_wire() == ["left REGISTER", "right 401"] * 2


# Loss, doubling, reordering

fates: st.SearchStrategy[list[Fate]] = st.lists(
    st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.3]), max_size=2).map(tuple), max_size=16
)


def ended(play: Play) -> list[str]:
    return [output.key_or_branch for output in play.outputs if isinstance(output, TransactionEnded)]


@settings(max_examples=150, deadline=None)
@given(fates=fates, status=st.sampled_from([200, 404]))
def test_a_request_is_served_once_and_answered_once_whatever_the_line_does(fates: list[Fate], status: int) -> None:
    line = Line(Play(UNRELIABLE), Play(UNRELIABLE, seed=1000), iter(fates))
    left, right = line.sides["left"], line.sides["right"]
    Phone({"OPTIONS": [(0.0, status)]}, line, "right")
    branch = left.send(request("OPTIONS"))
    line.run(200.0)
    assert line.said("right").count("request OPTIONS") <= 1
    finals = [out for out in left.outputs if isinstance(out, ResponseArrived | RequestFailed)]
    assert len(finals) == 1
    assert isinstance(finals[0], RequestFailed) or finals[0].response.status == status
    assert ended(left) == [branch]
    assert left.layer.next_timer() is right.layer.next_timer() is None


@settings(max_examples=150, deadline=None)
@given(fates=fates, status=st.sampled_from([200, 486]), cancel_at=st.none() | st.sampled_from([0.0, 0.3, 1.0, 2.0]))
def test_an_invite_is_served_once_and_both_sides_agree_whatever_the_line_does(
    fates: list[Fate], status: int, cancel_at: float | None
) -> None:
    line = Line(Play(UNRELIABLE), Play(UNRELIABLE, seed=1000), iter(fates))
    left, right = line.sides["left"], line.sides["right"]
    Phone({}, line, "left")
    bob = Carefully(status, line)
    left.send(request("INVITE"))
    if cancel_at is not None:
        line.at(cancel_at, lambda now: left.layer.cancel(left.branch, now))
    line.run(300.0)
    assert line.said("right").count("request INVITE") <= 1
    assert line.said("right").count("cancel") <= 1
    heard = {
        out.response.status for out in left.outputs if isinstance(out, ResponseArrived) and out.response.status >= 200
    }
    failed = any(isinstance(out, RequestFailed) for out in left.outputs)
    assert heard == {bob.final} or (not heard and failed)
    assert not (heard and failed)
    assert len(ended(left)) == 1
    assert left.layer.next_timer() is right.layer.next_timer() is None


class Carefully:
    """A callee that rings, answers after a second unless cancelled, and repeats its 2xx until the ACK (§13.3.1.4)."""

    def __init__(self, status: int, line: Line) -> None:
        self.status, self.line = status, line
        self.final: int | None = None
        self.acknowledged = False
        line.react["right"] = self.react

    def react(self, play: Play, output: LayerOutput, now: float) -> None:
        match output:
            case RequestArrived(key, arrived, _):
                play.layer.respond(key, answer(arrived, 180), now)
                self.line.at(now + 1.0, lambda later: self.finish(play, key, arrived, self.status, later))
                self.invite = arrived
            case CancelArrived(key):
                self.finish(play, key, self.invite, 487, now)
            case AckArrived():
                self.acknowledged = True
            case _:
                pass

    def finish(self, play: Play, key: str, invite: Request, status: int, now: float) -> None:
        if self.final is not None:
            return
        self.final = status
        play.layer.respond(key, answer(invite, status), now)
        if status == 200:
            for number in range(1, 20):
                self.line.at(now + 0.5 * number, lambda later: self.repeat(play, key, invite, later))

    def repeat(self, play: Play, key: str, invite: Request, now: float) -> None:
        if not self.acknowledged:
            play.layer.respond(key, answer(invite, 200), now)
