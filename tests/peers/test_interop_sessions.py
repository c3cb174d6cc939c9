"""PRACK, early media, session timers, 422 and forking with peers that we did not write, through Kamailio.

Which peer plays what: linphone does 100rel in both roles, early media and session timers (its own refreshes, and ours
by UPDATE); Kamailio answers 422 and forks to two registered devices; baresip knows none of these extensions and must be
left alone. No peer here offers in a PRACK or in an UPDATE, or requires 100rel of us: those flows are the playbook's.
"""

from __future__ import annotations

import re

import pytest

from softphone.ua import events as ua
from softphone.ua.commands import StartEarlyMedia
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio, SipMessage
from tests.peers.linphone import Linphone
from tests.peers.phone import PhoneUnderTest
from tests.peers.process import until
from tests.peers.pulse import settle

pytestmark = [pytest.mark.peer, pytest.mark.timeout(150)]

RELIABLE = ("100rel_support_level=2",)
EARLY = ("incoming_calls_early_media=1",)
SHORTEST = 90  # s, the smallest interval that RFC 4028 lets anybody ask for


def seen(kamailio: Kamailio, method: str, status: int | None = None) -> list[SipMessage]:
    return [
        message
        for message in kamailio.messages()
        if (message.direction, message.method, message.status) == ("in", method, status)
    ]


def reliable(messages: list[SipMessage]) -> list[SipMessage]:
    return [message for message in messages if "100rel" in message.header("Require") and message.header("RSeq")]


def progress(kamailio: Kamailio) -> list[SipMessage]:
    return [message for status in (180, 183) for message in seen(kamailio, "INVITE", status)]


def test_linphone_acknowledges_our_reliable_early_media(peers: Peers, kamailio: Kamailio) -> None:
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", sip=RELIABLE)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    carol.dial(alice.uri)
    incoming = alice.wait_for(ua.IncomingCall)
    alice.do(StartEarlyMedia(incoming.call_id))
    until(lambda: bool(seen(kamailio, "PRACK", 200)), "our answer to the PRACK", 10)
    (said,) = reliable(progress(kamailio))
    assert (said.status, bool(said.body)) == (183, True)
    (prack,) = seen(kamailio, "PRACK")
    assert prack.header("RAck").split()[0] == said.header("RSeq")
    alice.answer(incoming.call_id)
    alice.wait_for(ua.CallEstablished)
    (answer,) = until(lambda: seen(kamailio, "INVITE", 200), "our 2xx at the proxy")
    assert answer.body == ""
    settle(1)
    carol.hangup()
    assert alice.wait_ended(incoming.call_id).failure is None


def test_linphone_plays_early_media_reliably_and_we_acknowledge_it(peers: Peers, kamailio: Kamailio) -> None:
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", sip=(*RELIABLE, *EARLY))
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = alice.dial("carol")
    alice.wait_for(ua.EarlyMediaStarted)
    until(lambda: bool(seen(kamailio, "PRACK", 200)), "linphone's answer to our PRACK", 10)
    assert any(message.body for message in reliable(progress(kamailio)))
    carol.answer()
    alice.wait_for(ua.CallEstablished)
    settle(1)
    assert alice.hang_up(call).failure is None
    carol.wait_for_state("")


def test_the_session_is_refreshed_by_us_and_by_linphone(peers: Peers, kamailio: Kamailio) -> None:
    """Two calls side by side, since half of the shortest interval is 45 s. Who is called refreshes: linphone and we."""
    timed = ("session_expires_enabled=1", f"session_expires_value={SHORTEST}", f"session_expires_min_value={SHORTEST}")
    ours = {"session_expires": SHORTEST}
    peers.start(Linphone, "carol", kamailio, "carol", "carolpw", sip=timed, answermode="auto")
    dave = peers.start(Linphone, "dave", kamailio, "dave", "davepw", sip=(*timed, "session_expires_refresher_value=1"))
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", options=ours)
    bob = peers.start(PhoneUnderTest, kamailio, "bob", "bobpw", options=ours)
    alice.wait_registered()
    bob.wait_registered()

    to_carol = alice.dial("carol")
    alice.wait_for(ua.CallEstablished)
    dave.dial(bob.uri)
    from_dave = bob.wait_for(ua.IncomingCall).call_id
    bob.answer(from_dave)
    bob.wait_for(ua.CallEstablished)
    agreed = until(lambda: (found := seen(kamailio, "INVITE", 200))[1:] and found, "both answers at the proxy")
    assert [message.header("Session-Expires") for message in agreed] == [f"{SHORTEST};refresher=uas"] * 2

    def refreshers() -> set[str]:
        """Who has sent what to refresh a session: "bob by UPDATE"."""
        later = seen(kamailio, "UPDATE") + [m for m in seen(kamailio, "INVITE") if "tag=" in m.header("To")]
        users = [(re.search(r"sip:(\w+)@", m.header("From")), m.method) for m in later if m.header("Session-Expires")]
        return {f"{user[1]} by {method}" for user, method in users if user is not None}

    until(lambda: len(refreshers()) == 2, "both sessions to be refreshed", 75)
    print("refreshed:", refreshers())
    assert "bob by UPDATE" in refreshers()
    assert any(who.startswith("carol ") for who in refreshers())
    settle(18)  # past the moment at which a session without refresh is given up
    assert not [event for phone in (alice, bob) for event in phone.events() if isinstance(event, ua.CallEnded)]
    assert alice.hang_up(to_carol).failure is None
    assert bob.hang_up(from_dave).failure is None


def test_a_proxy_that_wants_a_longer_session_gets_it(peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca, min_session=600)
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", options={"session_expires": SHORTEST})
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallEstablished)
    asked = [message.header("Session-Expires") for message in seen(kamailio, "INVITE")]
    assert asked[0] == str(SHORTEST)
    assert asked[-1] == "600"
    assert seen(kamailio, "INVITE")[-1].header("Min-SE") == "600"
    assert alice.hang_up(call).failure is None


def test_two_devices_ring_and_the_one_that_answers_wins(peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw", answermode="manual")
    other = peers.start(Linphone, "bob2", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = alice.dial("bob")
    other.wait_for_state("IncomingReceived")
    until(lambda: len({m.header("To") for m in seen(kamailio, "INVITE", 180)}) == 2, "both to ring", 10)
    other.answer()
    alice.wait_for(ua.CallEstablished)
    until(lambda: bool(seen(kamailio, "INVITE", 487)), "the other device to be cancelled", 10)
    assert len([event for event in alice.events() if isinstance(event, ua.CallEstablished)]) == 1
    assert alice.hang_up(call).failure is None
    other.wait_for_state("")


def test_baresip_which_knows_none_of_it_is_left_alone(peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw", options={"session_expires": SHORTEST})
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallEstablished)
    settle(1)
    (answer,) = seen(kamailio, "INVITE", 200)
    print("baresip says:", answer.header("Supported"), "| Allow:", answer.header("Allow"))
    assert answer.header("Session-Expires") == ""
    assert not reliable(progress(kamailio))
    assert not seen(kamailio, "PRACK") + seen(kamailio, "UPDATE")
    assert alice.hang_up(call).failure is None
