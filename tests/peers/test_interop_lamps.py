"""Busy lamps and message waiting from a real Kamailio, whose lamps are lit by real calls of others (RFC 4235, 3842)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from softphone.ua.account import WatchedLine
from softphone.ua.commands import PickUp
from softphone.ua.events import (
    CallEnded,
    CallEstablished,
    CallRinging,
    LineState,
    LineStateChanged,
    MessageWaitingChanged,
)
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import PhoneUnderTest

WATCHED = (WatchedLine("bob"),)
SLOW = 30.0  # s; a busy machine


@pytest.fixture
def server(peers: Peers, ca: PrivateCa) -> Kamailio:
    return peers.start(Kamailio, ca, presence=True)


def watcher(peers: Peers, server: Kamailio) -> PhoneUnderTest:
    """Alice, who watches Bob."""
    phone = peers.start(PhoneUnderTest, server, "alice", "alicepw", options={"watched": WATCHED})
    phone.wait_registered(SLOW)
    return phone


def lamp(phone: PhoneUnderTest, state: LineState) -> LineStateChanged:
    return phone.wait_for(LineStateChanged, timeout=SLOW, where=lambda event: event.state is state)


def summary(new: int, old: int) -> str:
    waiting = "yes" if new else "no"
    lines = (
        f"Messages-Waiting: {waiting}",
        "Message-Account: sip:voicemail@sip.test",
        f"Voice-Message: {new}/{old} (0/0)",
    )
    return "".join(f"{line}\r\n" for line in lines)


def test_the_lamp_follows_a_call_of_two_others(peers: Peers, server: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", server, "bob", "bobpw", answermode="manual")
    carol = peers.start(Baresip, "carol", server, "carol", "carolpw")
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    carol.dial(bob.uri)
    ringing = lamp(alice, LineState.RINGING)
    assert ringing.remote is not None
    assert ringing.remote.uri.startswith("sip:carol@sip.test")
    bob.answer()
    lamp(alice, LineState.BUSY)
    carol.hangup()
    lamp(alice, LineState.IDLE)


def test_a_line_that_calls_is_busy(peers: Peers, server: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", server, "bob", "bobpw")
    peers.start(Baresip, "carol", server, "carol", "carolpw")
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    bob.dial("sip:carol@sip.test")
    busy = lamp(alice, LineState.BUSY)
    assert busy.remote is not None
    assert busy.remote.uri.startswith("sip:carol@sip.test")
    bob.hangup()
    lamp(alice, LineState.IDLE)


def test_a_call_that_rings_at_a_watched_line_is_picked_up_from_linphone(peers: Peers, server: Kamailio) -> None:
    """Linphone began the call, so its early dialog is the one that is replaced (RFC 3891 §3). It asks its person first:
    RFC 3891 would have it take the new call by itself.
    """
    bob = peers.start(Baresip, "bob", server, "bob", "bobpw", answermode="manual")
    carol = peers.start(Linphone, "carol", server, "carol", "carolpw", answermode="manual")
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    carol.dial("sip:bob@sip.test")
    lamp(alice, LineState.RINGING)
    call_id = secrets.token_hex(4)
    alice.do(PickUp(call_id, "alice", "bob"))
    alice.wait_for(CallRinging, timeout=SLOW, where=lambda event: event.call_id == call_id)
    assert alice.call(call_id).remote.uri == "sip:carol@sip.test"
    carol.command("answer 2")
    alice.wait_for(CallEstablished, timeout=SLOW, where=lambda event: event.call_id == call_id)
    lamp(alice, LineState.IDLE)
    assert "CALL_CLOSED" in [event["type"] for event in bob.events()]
    alice.hang_up(call_id)


def test_a_call_of_our_own_phone_is_picked_up_at_once(peers: Peers, server: Kamailio) -> None:
    peers.start(Baresip, "bob", server, "bob", "bobpw", answermode="manual")
    carol = peers.start(PhoneUnderTest, server, "carol", "carolpw")
    carol.wait_registered(SLOW)
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    carol.dial("bob")
    lamp(alice, LineState.RINGING)
    call_id = secrets.token_hex(4)
    alice.do(PickUp(call_id, "alice", "bob"))
    alice.wait_for(CallEstablished, timeout=SLOW, where=lambda event: event.call_id == call_id)
    lamp(alice, LineState.IDLE)
    alice.hang_up(call_id)


def test_the_lamp_comes_back_with_a_server_that_was_killed(peers: Peers, server: Kamailio) -> None:
    peers.start(Baresip, "carol", server, "carol", "carolpw")
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    server.kill()
    lamp(alice, LineState.UNKNOWN)
    server.restart()
    lamp(alice, LineState.IDLE)


def test_subscriptions_are_refreshed_and_ended(peers: Peers, ca: PrivateCa) -> None:
    server = peers.start(Kamailio, ca, presence=True, max_subscription=12)
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)

    def asked(where: Callable[[str], bool]) -> int:
        found = [m for m in server.messages() if m.direction == "in" and m.method == "SUBSCRIBE" and m.status is None]
        return sum(where(m.header("To")) and m.header("Event") == "dialog" for m in found)

    server.until(lambda: asked(lambda to: "tag=" in to) >= 2, "two refreshes in the dialog", SLOW)
    alice.stop()
    removed = server.wait_message("SUBSCRIBE", timeout=SLOW)
    assert removed.header("Expires") == "0"


def test_a_mailbox_that_is_subscribed_to_says_what_it_holds(peers: Peers, server: Kamailio) -> None:
    alice = peers.start(PhoneUnderTest, server, "alice", "alicepw")
    alice.wait_registered(SLOW)
    server.wait_message("SUBSCRIBE", timeout=SLOW)
    server.publish_mailbox("alice", summary(2, 8))
    told = alice.wait_for(MessageWaitingChanged, timeout=SLOW)
    assert (told.waiting, told.new, told.old, told.voicemail) == (True, 2, 8, "sip:voicemail@sip.test")
    server.publish_mailbox("alice", summary(0, 10))
    told = alice.wait_for(MessageWaitingChanged, timeout=SLOW)
    assert (told.waiting, told.new, told.old) == (False, 0, 10)


def test_a_mailbox_that_nobody_subscribed_to_may_speak(peers: Peers, server: Kamailio) -> None:
    alice = peers.start(PhoneUnderTest, server, "alice", "alicepw")
    alice.wait_registered(SLOW)
    server.notify_unasked("alice", "message-summary", summary(1, 0))
    told = alice.wait_for(MessageWaitingChanged, timeout=SLOW)
    assert (told.waiting, told.new, told.voicemail) == (True, 1, "sip:voicemail@sip.test")


def test_a_server_without_mailboxes_is_not_asked_again(peers: Peers, kamailio: Kamailio) -> None:
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", options={"watched": WATCHED})
    alice.wait_registered(SLOW)
    told = lamp(alice, LineState.UNKNOWN)
    assert told.failure is not None
    assert "does not offer" in told.failure.reason
    kamailio.until(lambda: "489" in kamailio.answers("SUBSCRIBE", "message-summary"), "489 for the mailbox", SLOW)
    assert kamailio.answers("SUBSCRIBE", "dialog").count("489") == 1


def test_picking_up_where_nothing_rings_is_refused_in_words(peers: Peers, server: Kamailio) -> None:
    alice = watcher(peers, server)
    lamp(alice, LineState.IDLE)
    alice.do(PickUp("p", "alice", "bob"))
    ended = alice.wait_for(CallEnded, timeout=SLOW)
    assert ended.failure is not None
    assert "Nothing rings" in ended.failure.reason
