"""SIP MESSAGE (RFC 3428) with linphone and baresip, both ways through Kamailio."""

from __future__ import annotations

import pytest

from softphone.ua.commands import SendInstantMessage
from softphone.ua.events import DeliveryState, MessageDelivery, MessageReceived
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import PhoneUnderTest
from tests.peers.process import until

SLOW = 30.0  # s; a busy machine
TEXT = "Kommst du um zwölf? ☕"


@pytest.fixture
def alice(peers: Peers, kamailio: Kamailio) -> PhoneUnderTest:
    phone = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    phone.wait_registered(SLOW)
    return phone


def send(phone: PhoneUnderTest, target: str, text: str = TEXT) -> MessageDelivery:
    """Its end."""
    phone.do(SendInstantMessage("m1", target, text, "alice"))
    return phone.wait_for(MessageDelivery, timeout=SLOW, where=lambda event: event.state is not DeliveryState.SENDING)


def received(phone: PhoneUnderTest) -> MessageReceived:
    return phone.wait_for(MessageReceived, timeout=SLOW)


def test_messages_with_linphone_both_ways(peers: Peers, kamailio: Kamailio, alice: PhoneUnderTest) -> None:
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw")
    sent = send(alice, "bob")
    assert sent.state in (DeliveryState.DELIVERED, DeliveryState.ACCEPTED)
    assert sent.remote.uri == "sip:bob@sip.test"
    until(lambda: TEXT in bob.log_text(), "linphone to get the message", SLOW)
    bob.message("sip:alice@sip.test", TEXT)
    came = received(alice)
    assert came.text == TEXT
    assert came.remote.uri == "sip:bob@sip.test"


def test_messages_with_baresip_both_ways(peers: Peers, kamailio: Kamailio, alice: PhoneUnderTest) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw", correspondent="sip:alice@sip.test")
    assert send(alice, "bob").state is DeliveryState.DELIVERED
    until(lambda: TEXT in bob.log_text(), "baresip to get the message", SLOW)
    bob.message(TEXT)
    assert received(alice).text == TEXT


def test_a_message_to_nobody_fails_in_words(alice: PhoneUnderTest) -> None:
    failed = send(alice, "nobody")
    assert failed.state is DeliveryState.FAILED
    assert failed.failure is not None
    assert failed.failure.status == 404
    assert "Nobody is known at this address" in failed.failure.reason
