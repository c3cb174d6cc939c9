"""A server that does not serve: the next of its name, one that it names, or a pause (RFC 3263 §4.3, RFC 3261 §21.3)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from softphone.errors import FailureKind
from softphone.ua.account import ServerTarget
from softphone.ua.actions import CloseFlow, OpenFlow, RebindMedia, StopMedia
from softphone.ua.commands import HangUp, Register
from softphone.ua.events import CallEnded, CallEstablished, EndedBy, RegistrationChanged, RegistrationState
from softphone.ua.flow_keeper import MAX_AVOIDED, MAX_MOVES
from softphone.ua.inputs import FlowDescription, MediaOpened, NetworkChanged
from softphone.ua.registration import ANSWER_WITHIN
from tests.playbook.stage import BOB, CHALLENGE, FLOW, RTP_PORT, Stage, their_session

R = RegistrationState
A = replace(FLOW, endpoints=2, untried=1)
B = replace(FLOW, remote_address="192.0.2.10", local_port=40001, endpoints=2, untried=0)
AT_A, AT_B = (A.remote_address, A.remote_port), (B.remote_address, B.remote_port)


class Service(Stage):
    """A name that leads to A and to B; it is B that comes next as long as A is to be avoided."""

    def __init__(self) -> None:
        super().__init__()
        self.account = replace(self.account, message_waiting=False)
        self.flow = A

    def _perform(self, output: object) -> None:
        if isinstance(output, OpenFlow):
            self.flow = self.chosen(output)
        super()._perform(output)  # type: ignore[arg-type]
        if isinstance(output, RebindMedia):
            self.agent.handle(MediaOpened(output.media_id, "192.0.2.1", RTP_PORT + 2, RTP_PORT + 3), self.now)

    def chosen(self, action: OpenFlow) -> FlowDescription:
        """As the engine chooses (tests/engine/test_tls_resolver.py)."""
        first, second = sorted((AT_A, AT_B), key=lambda at: action.avoid.index(at) + 1 if at in action.avoid else 0)
        return replace(A if first == AT_A else B, untried=int(second not in action.avoid))

    def granted(self, expires: int = 3600) -> None:
        self.reply(self.last("REGISTER"), 200, ("Contact", self.contact_here + f";expires={expires}"))

    @property
    def contact_here(self) -> str:
        return f"<sip:alice@192.0.2.1:{self.flow.local_port};transport=tls>"

    @property
    def avoided(self) -> list[tuple[tuple[str, int], ...]]:
        return [action.avoid for action in self.did(OpenFlow)]


@pytest.fixture
def service() -> Service:
    service = Service()
    service.start()
    return service


def told(stage: Stage) -> list[RegistrationState]:
    return [event.state for event in stage.of(RegistrationChanged)]


def test_a_server_out_of_service_is_left_for_the_next_at_once(service: Service) -> None:
    service.heard()
    service.reply(service.last("REGISTER"), 503)
    assert service.avoided == [(), (AT_A,)]
    assert service.opened_at == [1000.0, 1000.0]
    assert service.heard() == ["REGISTER"]
    service.granted()
    assert told(service) == [R.CONNECTING, R.REGISTERING, R.CONNECTING, R.REGISTERING, R.REGISTERED]
    assert service.of(RegistrationChanged)[2].failure is not None
    assert service.registration.failure is None


def test_the_old_binding_is_removed_at_the_next_server(service: Service) -> None:
    service.granted(60)
    first = service.contact_here
    service.wait(30)
    service.reply(service.last("REGISTER"), 503)
    contacts = service.last("REGISTER").headers.get_all("Contact")
    assert contacts == (f"{service.contact_here};expires=3600", f"{first};expires=0")


def test_a_server_that_says_nothing_is_left_after_ten_seconds_if_there_is_another(service: Service) -> None:
    service.wait(ANSWER_WITHIN - 0.1)
    assert len(service.did(OpenFlow)) == 1
    service.wait(0.2)
    assert service.avoided == [(), (AT_A,)]
    service.granted()
    assert service.registration.state is R.REGISTERED
    service.wait(60)
    assert len(service.did(OpenFlow)) == 2
    assert service.leftovers() == {}


def test_a_server_that_asks_for_the_password_and_then_says_nothing_is_left_too(service: Service) -> None:
    service.wait(8)
    service.reply(service.last("REGISTER"), 401, CHALLENGE)
    service.wait(8)
    assert len(service.did(OpenFlow)) == 1  # it has answered; the time begins again
    service.wait(3)
    assert len(service.did(OpenFlow)) == 2


def test_a_server_without_others_has_the_time_of_the_transaction() -> None:
    stage = Stage().start()
    stage.wait(31)
    assert len(stage.did(OpenFlow)) == 1
    stage.wait(2)
    assert len(stage.did(OpenFlow)) == 2


def test_when_none_serves_there_is_a_pause_and_the_one_that_failed_first_is_asked_first(service: Service) -> None:
    service.reply(service.last("REGISTER"), 503)
    service.wait(0)
    service.reply(service.last("REGISTER"), 503)
    assert service.registration.state is R.WAITING
    assert service.registration.retry_in_s is not None
    assert 0.5 <= service.registration.retry_in_s <= 1
    service.wait(1)
    assert service.avoided[-1] == (AT_A, AT_B)
    assert service.flow.remote_address == A.remote_address


def test_each_server_is_left_alone_for_the_time_that_it_names(service: Service) -> None:
    service.reply(service.last("REGISTER"), 503, ("Retry-After", "90"))
    assert service.opened_at == [1000.0, 1000.0]  # the other one has asked for nothing
    service.reply(service.last("REGISTER"), 503, ("Retry-After", "30"))
    assert service.registration.retry_in_s == 30
    service.wait(29.9)
    assert len(service.did(OpenFlow)) == 2
    service.wait(0.2)
    assert service.avoided[-1] == (AT_B, AT_A)


def test_the_first_server_is_the_first_again_after_the_next_loss(service: Service) -> None:
    service.reply(service.last("REGISTER"), 503)
    service.granted()
    service.cut()
    service.wait(1)
    assert service.avoided[-1] == ()
    assert service.flow.remote_address == A.remote_address


def test_a_server_that_stops_answering_pings_is_left_for_the_next_at_once() -> None:
    service = Service()
    service.start()
    service.granted(100_000)
    service.wait(121)
    service.say(b"\r\n")
    while len(service.did(OpenFlow)) == 1:
        service.wait(1)
    assert service.avoided == [(), (AT_A,)]
    assert service.registration.state is R.REGISTERING
    assert service.now - 1000 < 121 + 120 + 6


def refuse_until_it_waits(stage: Stage) -> None:
    while told(stage)[-1] is not R.WAITING:
        stage.reply(stage.last("REGISTER"), 503)


def test_addresses_without_end_are_not_tried_without_end() -> None:
    """A name server can name new addresses each time."""
    service = Service()
    numbers = iter(range(10_000))
    service.chosen = lambda action: replace(  # type: ignore[method-assign]
        FLOW, remote_address=f"192.0.2.{next(numbers) % 250}", remote_port=6000 + next(numbers), endpoints=9, untried=8
    )
    service.start()
    refuse_until_it_waits(service)
    assert len(service.did(OpenFlow)) == MAX_MOVES + 1
    for _ in range(100):
        service.wait(2000)
        refuse_until_it_waits(service)
    assert max(len(avoid) for avoid in service.avoided) <= MAX_AVOIDED


def test_a_refusal_is_no_reason_to_ask_another_server(service: Service) -> None:
    service.reply(service.last("REGISTER"), 403)
    assert service.registration.state is R.FAILED
    assert len(service.did(OpenFlow)) == 1
    service.do(Register("a"))
    service.reply(service.last("REGISTER"), 500, ("Retry-After", "7"))
    assert service.registration.retry_in_s == 7
    assert len(service.did(OpenFlow)) == 1


@pytest.mark.parametrize("status", [480, 500, 503, 600, 603])
def test_any_refusal_may_name_a_time(status: int) -> None:
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), status, ("Retry-After", "120 (back soon)"))
    assert stage.registration.state is R.WAITING
    assert stage.registration.retry_in_s == 120


def test_a_change_of_the_network_does_not_wait_for_that_time(service: Service) -> None:
    for _ in range(2):
        service.reply(service.last("REGISTER"), 503, ("Retry-After", "90"))
    service.give(NetworkChanged())
    assert len(service.did(OpenFlow)) == 3


# Redirection (RFC 3261 §8.1.3.4)


def redirected(stage: Stage, *contacts: str, status: int = 302) -> None:
    stage.reply(stage.last("REGISTER"), status, *(("Contact", contact) for contact in contacts))


def test_a_redirection_is_followed_over_a_flow_of_its_own() -> None:
    stage = Stage().start()
    first = stage.last("REGISTER")
    redirected(stage, "<sip:alice@udp.lab.test;transport=udp>", "<sip:alice@east.lab.test:5071;transport=tls>")
    assert len(stage.did(CloseFlow)) == 1
    action = stage.did(OpenFlow)[-1]
    assert action.server == ServerTarget("east.lab.test", 5071)
    assert action.redirected is True
    there = stage.last("REGISTER")
    assert str(there.uri) == "sip:east.lab.test:5071"
    assert there.headers.get("Call-ID") == first.headers.get("Call-ID")
    assert there.headers.get("To") == "<sip:alice@lab.test>"
    stage.reply(there, 200, ("Contact", f"{stage.contact};expires=60"))
    assert stage.registration.state is R.REGISTERED
    stage.wait(30)
    assert str(stage.last("REGISTER").uri) == "sip:east.lab.test:5071"


def test_a_proxy_that_is_named_gets_the_request_as_it_was() -> None:
    stage = Stage().start()
    redirected(stage, "<sips:east.lab.test>", status=305)
    assert stage.did(OpenFlow)[-1].server == ServerTarget("east.lab.test")
    assert str(stage.last("REGISTER").uri) == "sip:lab.test"


def test_the_next_outage_begins_at_the_own_server_again() -> None:
    stage = Stage().start()
    redirected(stage, "<sip:east.lab.test;transport=tls>")
    stage.reply(stage.last("REGISTER"), 200)
    stage.cut()
    stage.wait(1)
    action = stage.did(OpenFlow)[-1]
    assert (action.server, action.redirected) == (stage.account.server, False)
    assert str(stage.last("REGISTER").uri) == "sip:lab.test"
    redirected(stage, "<sip:west.lab.test;transport=tls>")
    assert stage.did(OpenFlow)[-1].server == ServerTarget("west.lab.test")


def test_a_named_server_that_cannot_be_reached_is_not_asked_without_end() -> None:
    stage = Stage().start()
    for _ in range(50):
        stage.reachable = False
        redirected(stage, "<sip:gone.lab.test;transport=tls>")
        stage.reachable = True
        while stage.registration.state is R.WAITING:
            stage.wait(1)
    assert stage.now - 1000 > 10_000


def test_one_that_sends_us_on_is_not_followed() -> None:
    stage = Stage().start()
    redirected(stage, "<sip:east.lab.test;transport=tls>")
    redirected(stage, "<sip:west.lab.test;transport=tls>")
    assert len(stage.did(OpenFlow)) == 2
    assert stage.registration.state is R.FAILED
    failure = stage.registration.failure
    assert failure is not None
    assert "sent the phone to east.lab.test, and that one sends it on" in failure.reason
    assert failure.status == 302


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:alice@east.lab.test>",
        "<sip:alice@east.lab.test;transport=udp>",
        "<sip:alice@east.lab.test;transport=tcp>",
        "<sips:alice@east.lab.test;transport=udp>",
        "<sip:alice@east.lab.test;transport=tls;maddr=192.0.2.66>",
        "<tel:+4930123456>",
        "<https://east.lab.test/>",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 305])
def test_what_is_not_reached_over_tls_is_refused_with_the_reason(contact: str, status: int) -> None:
    stage = Stage().start()
    redirected(stage, contact, status=status)
    assert len(stage.did(OpenFlow)) == 1
    assert stage.registration.state is R.FAILED
    failure = stage.registration.failure
    assert failure is not None
    assert failure.kind is FailureKind.TRANSPORT_NOT_SECURE
    assert "not reached over TLS" in failure.reason
    assert any(contact.strip("<>") in fact for fact in failure.evidence)


@pytest.mark.parametrize("contact", ["*", "<<<nonsense", ""])
def test_a_redirection_to_nowhere_is_refused(contact: str) -> None:
    stage = Stage().start()
    redirected(stage, *((contact,) if contact else ()))
    assert stage.registration.state is R.FAILED
    assert stage.registration.failure is not None
    assert "without saying where" in stage.registration.failure.reason


def test_alternative_service_is_no_redirection() -> None:
    stage = Stage().start()
    redirected(stage, "<sip:east.lab.test;transport=tls>", status=380)
    assert stage.registration.state is R.FAILED
    assert len(stage.did(OpenFlow)) == 1


# Calls (RFC 3263 §4.3)


@pytest.fixture
def registered(service: Service) -> Service:
    service.granted()
    service.heard()
    return service


def test_a_call_that_a_server_out_of_service_refuses_goes_to_the_next(registered: Service) -> None:
    first = registered.dial()
    theirs = their_session()
    theirs.receive_offer(first.body)
    registered.reply(first, 100)
    registered.reply(first, 503, ("Retry-After", "30"))
    assert registered.avoided == [(), (AT_A,)]
    assert registered.heard() == ["INVITE", "ACK", "REGISTER", "INVITE"]
    again = registered.last("INVITE")
    assert keys(again.body) != keys(first.body), "what one server has seen is used at no other"
    theirs = their_session(seed=8)
    theirs.receive_offer(again.body)
    registered.reply(again, 200, BOB, body=theirs.create_answer())
    assert len(registered.of(CallEstablished)) == 1
    assert registered.of(CallEnded) == []


def test_a_flow_that_dies_under_an_unanswered_call_costs_a_moment(registered: Service) -> None:
    registered.dial()
    registered.cut()
    assert registered.avoided == [(), (AT_A,)]
    assert registered.opened_at == [1000.0, 1000.0]
    assert registered.heard() == ["INVITE", "REGISTER", "INVITE"]
    assert registered.of(CallEnded) == []


def test_a_server_that_says_nothing_to_a_call_is_left(registered: Service) -> None:
    registered.dial()
    registered.wait(33)
    assert registered.avoided == [(), (AT_A,)]
    assert registered.heard()[-1] == "INVITE"


@pytest.mark.parametrize("how", ["503", "cut"])
def test_who_has_rung_does_not_ring_twice(registered: Service, how: str) -> None:
    invite = registered.dial()
    registered.reply(invite, 180, BOB)
    if how == "503":
        registered.reply(invite, 503)
        assert len(registered.did(OpenFlow)) == 1
    else:
        registered.cut()
    assert registered.ended.status == 503
    registered.wait(2)
    assert registered.heard().count("INVITE") == 1


def test_a_server_that_has_taken_the_call_may_have_passed_it_on_before_its_flow_died(registered: Service) -> None:
    registered.reply(registered.dial(), 100)
    registered.cut()
    assert registered.ended.failure is not None
    assert registered.ended.failure.kind is FailureKind.CONNECTION_LOST


def test_who_has_hung_up_calls_nobody_again(registered: Service) -> None:
    invite = registered.dial()
    registered.reply(invite, 100)
    registered.do(HangUp("c"))
    registered.reply(invite, 503)
    assert len(registered.did(OpenFlow)) == 1
    assert registered.ended.ended_by is EndedBy.LOCAL


def test_hanging_up_on_the_way_to_the_next_server_ends_it(registered: Service) -> None:
    invite = registered.dial()
    registered.reachable = None
    registered.reply(invite, 503)
    registered.do(HangUp("c"))
    assert registered.ended.ended_by is EndedBy.LOCAL
    assert registered.did(StopMedia)


def test_a_next_server_that_cannot_be_reached_ends_the_call_with_the_reason(registered: Service) -> None:
    invite = registered.dial()
    registered.reachable = False
    registered.reply(invite, 503)
    assert registered.ended.failure is not None
    assert registered.ended.failure.kind is FailureKind.CONNECTION_LOST


def test_another_call_is_not_risked_for_it(registered: Service) -> None:
    registered.rings()
    registered.reply(registered.dial(), 503, ("Retry-After", "90"))
    assert len(registered.did(OpenFlow)) == 1
    assert registered.ended.status == 503


@pytest.mark.parametrize(
    ("wait", "words"), [("90", "in 90 seconds"), ("600", "in 10 minutes"), ("7200", "in about 2 hours"), ("x", "later")]
)
def test_the_time_that_a_server_names_is_told_to_the_person(wait: str, words: str) -> None:
    stage = Stage().registered()
    stage.reply(stage.dial(), 503, ("Retry-After", wait))
    assert stage.ended.failure is not None
    assert stage.ended.failure.remedy == f"Try again {words}."


def keys(sdp: bytes) -> set[bytes]:
    return set(re.findall(rb"inline:([^|\r]+)", sdp))
