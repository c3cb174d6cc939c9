"""Outbound, Path and GRUU with a Kamailio as edge proxy before a Kamailio as registrar (RFC 5626 §5 and §6, RFC 5627).

The registrar reaches the phones only by the flow tokens in the edge's Path and Record-Route: no `;alias=`, no source
address is kept. Both ends of a call are this phone; what is tested is what the two servers make of it.
"""

from __future__ import annotations

import time

import pytest

from softphone.ua import events as ua
from softphone.ua.events import RegistrationState
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import PASSWORDS, Kamailio, SipMessage
from tests.peers.phone import PhoneUnderTest
from tests.peers.process import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]

FLOW_TIMER = 6


@pytest.fixture
def registrar(request: pytest.FixtureRequest, peers: Peers, ca: PrivateCa) -> Kamailio:
    return peers.start(Kamailio, ca, udp=True, outbound=True, gruu=getattr(request, "param", True))


@pytest.fixture
def edge(peers: Peers, ca: PrivateCa, registrar: Kamailio) -> Kamailio:
    return peers.start(Kamailio, ca, edge_of=registrar, flow_timer=FLOW_TIMER)


def phone_at(peers: Peers, edge: Kamailio, user: str) -> PhoneUnderTest:
    phone = peers.start(PhoneUnderTest, edge, user, PASSWORDS[user])
    phone.wait_registered()
    return phone


def received(server: Kamailio, method: str, status: int | None = None) -> list[SipMessage]:
    return [
        message
        for message in server.messages()
        if (message.direction, message.method, message.status) == ("in", method, status)
    ]


@pytest.mark.parametrize("registrar", [True, False], ids=["gruu", "ob"], indirect=True)
def test_the_registrar_knows_the_flow_and_calls_go_over_it_both_ways(
    peers: Peers, edge: Kamailio, registrar: Kamailio, request: pytest.FixtureRequest
) -> None:
    gruu = "[gruu]" in request.node.name
    alice, bob = phone_at(peers, edge, "alice"), phone_at(peers, edge, "bob")
    granted = received(edge, "REGISTER", 200)[0]
    assert granted.header("Require") == "outbound"
    assert ("pub-gruu=" in granted.header("Contact")) is gruu
    assert ";ob" in received(registrar, "REGISTER")[0].header("Path"), "the edge vouches for the flow"

    call = alice.dial("bob")
    ringing = bob.wait_for(ua.IncomingCall)
    bob.answer(ringing.call_id)
    alice.wait_for(ua.CallEstablished)
    bob.wait_for(ua.CallEstablished)
    bob.hold(ringing.call_id)  # a re-INVITE to the Contact that alice gave
    alice.wait_for(ua.HoldChanged)
    alice.hold(call)  # and one to bob's
    bob.wait_for(ua.HoldChanged, where=lambda event: event.call_id == ringing.call_id and not event.direction.receives)
    ended = bob.hang_up(ringing.call_id)
    assert ended.failure is None
    assert alice.wait_ended(call).failure is None

    contacts = {message.header("Contact") for message in received(edge, "INVITE")}
    assert all((";gr=urn:uuid:" if gruu else ";ob>") in contact for contact in contacts), contacts
    assert not (gruu and any("127.0.0.1" in contact for contact in contacts)), "a GRUU does not tell our address"
    first, *within = received(edge, "INVITE")
    assert first.header("Route") == "<sip:service@sip.test;lr>", "the Service-Route"
    assert not [
        message for message in within if "service@" in message.header("Route") and ";tag=" in message.header("To")
    ]
    assert not received(registrar, "INVITE", 404)


def test_the_edge_is_kept_waiting_no_longer_than_its_flow_timer(
    peers: Peers, edge: Kamailio, registrar: Kamailio
) -> None:
    phone = phone_at(peers, edge, "alice")
    time.sleep(3 * FLOW_TIMER)  # it closes a connection on which it has heard nothing for FLOW_TIMER + 10 s
    states = [event.state for event in phone.events() if isinstance(event, ua.RegistrationChanged)]
    assert states[-1] is RegistrationState.REGISTERED
    assert states.count(RegistrationState.REGISTERED) == 1
    flows = {message.source for message in received(edge, "REGISTER")}
    assert len(flows) == 1
    assert registrar.registered("alice")


def test_an_edge_that_crashed_is_registered_at_again_and_the_registrar_has_one_binding(
    peers: Peers, edge: Kamailio, registrar: Kamailio
) -> None:
    phone, bob = phone_at(peers, edge, "alice"), None
    before = registrar.registered("alice")
    edge.kill()
    edge.restart()
    back = time.monotonic()
    registered = phone.wait_registered(timeout=15)
    print(f"registered {1000 * (phone.moment(registered) - back):.0f} ms after the edge was back")
    assert registered.flow is not None
    after = until(lambda: [c for c in registrar.registered("alice") if c not in before], "the new binding", 10)
    assert registrar.wait_registered("alice", 1) == after, "replaced by instance and flow, not by a second Contact"
    last = received(registrar, "REGISTER")[-1]
    assert last.text.lower().count("\ncontact:") == 1

    bob = phone_at(peers, edge, "bob")
    bob.dial("alice")
    phone.wait_for(ua.IncomingCall)


def test_a_call_to_a_phone_whose_flow_is_gone_says_so(peers: Peers, edge: Kamailio, registrar: Kamailio) -> None:
    alice, bob = phone_at(peers, edge, "alice"), phone_at(peers, edge, "bob")
    binding = registrar.wait_registered("bob")
    assert binding
    edge.kill()  # bob's and alice's flow are gone; alice comes back, bob must not
    bob.stop()
    edge.restart()
    alice.wait_registered(timeout=15)
    assert registrar.registered("bob") == binding
    ended = alice.wait_ended(alice.dial("bob"), timeout=30)
    assert ended.status == 430
    assert ended.failure is not None
    assert "lost the connection" in ended.failure.reason
