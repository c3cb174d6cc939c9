"""Transfer with baresip and linphone through Kamailio, in every role that they can play (RFC 3515, 3891, 5589).

baresip 1.0.0 transfers and is transferred blindly; it knows no Replaces, and it hangs up when its REFER is declined.
linphone does both, attended as well.
"""

from __future__ import annotations

import pytest

from softphone.ua import events as ua
from softphone.ua.commands import AcceptTransfer, RefuseTransfer, Transfer, TransferTo
from softphone.ua.events import EndedBy, TransferRole
from tests.peers.baresip import Baresip
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.peers.linphone import Linphone
from tests.peers.phone import CommandLine, PhoneUnderTest
from tests.peers.process import until
from tests.peers.pulse import settle

pytestmark = [pytest.mark.peer, pytest.mark.timeout(90)]


def talk(alice: PhoneUnderTest, callee: str) -> str:
    call = alice.dial(callee)
    alice.wait_for(ua.CallEstablished, where=lambda event: event.call_id == call)
    return call


def we_transferred(alice: PhoneUnderTest, call: str) -> list[int]:
    """It succeeded and we hung up; the statuses that were told."""
    ended = alice.wait_for(ua.TransferEnded, timeout=20)
    assert (ended.call_id, ended.role, ended.failure) == (call, TransferRole.TRANSFEROR, None)
    over = alice.wait_ended(call)
    assert over.failure is None
    return [event.status for event in alice.events() if isinstance(event, ua.TransferProgressed)]


def came_back(alice: PhoneUnderTest, call: str, status: int) -> None:
    """It failed for that reason, and the call is resumed."""
    ended = alice.wait_for(ua.TransferEnded, timeout=20)
    assert ended.failure is not None
    assert (ended.call_id, ended.failure.status) == (call, status)
    assert ended.failure.remedy
    alice.wait_for(ua.HoldChanged, where=lambda event: not event.held_by_us)
    assert alice.call(call).ended is None


def test_baresip_is_transferred_by_us(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.wait_for("CALL_ESTABLISHED")
    alice.do(Transfer(call, "carol"))
    statuses = we_transferred(alice, call)
    bob.wait_for("CALL_ESTABLISHED")
    established = carol.wait_for("CALL_ESTABLISHED")
    assert "bob@" in str(established["peeruri"])
    refer = kamailio.wait_message("REFER")
    assert refer.header("Refer-To") == "<sip:carol@sip.test>"
    assert refer.header("Referred-By") == "<sip:alice@sip.test>"
    assert kamailio.wait_message("REFER", 202)
    print("baresip told", statuses, kamailio.wait_message("NOTIFY").body)


def test_baresip_cannot_reach_the_target_and_the_call_comes_back(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.wait_for("CALL_ESTABLISHED")
    alice.do(Transfer(call, "carol"))
    came_back(alice, call, 404)
    alice.hang_up(call)


def test_baresip_transfers_us(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.wait_for("CALL_ESTABLISHED")
    bob.command("transfer", carol.uri)
    asked = alice.wait_for(ua.TransferRequested)
    assert (asked.call_id, asked.attended) == (call, False)
    assert "carol@sip.test" in asked.target
    alice.do(AcceptTransfer(call, "new"))
    started = alice.wait_for(ua.CallStarted, where=lambda event: event.call_id == "new")
    assert started.replaces == call
    alice.wait_for(ua.CallSecured, where=lambda event: event.call_id == "new")
    ended = alice.wait_for(ua.TransferEnded)
    assert (ended.call_id, ended.role, ended.failure) == (call, TransferRole.TRANSFEREE, None)
    old = alice.wait_ended(call, timeout=15)
    assert old.failure is None
    assert "alice@" in str(carol.wait_for("CALL_ESTABLISHED")["peeruri"])
    assert alice.hang_up("new").ended_by is EndedBy.LOCAL
    print("the old call was ended by", old.ended_by)


def test_we_refuse_to_be_transferred_and_the_call_goes_on(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.command("call-transfer 1 sip:carol@sip.test")
    alice.wait_for(ua.TransferRequested)
    alice.do(RefuseTransfer(call))
    assert alice.wait_for(ua.TransferEnded).failure is not None
    assert kamailio.wait_message("REFER", 603).header("Warning").startswith("399 ")
    settle(1)
    assert alice.call(call).ended is None
    assert bob.state == "StreamsRunning"
    alice.hang_up(call)


def test_baresip_hears_that_we_refuse(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.wait_for("CALL_ESTABLISHED")
    bob.command("transfer", "sip:carol@sip.test")
    alice.wait_for(ua.TransferRequested)
    alice.do(RefuseTransfer(call))
    assert "603" in str(bob.wait_for("TRANSFER_FAILED")["param"])
    assert alice.wait_ended(call).ended_by is EndedBy.REMOTE


def test_linphone_is_transferred_by_us(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    alice.do(Transfer(call, "carol"))
    statuses = we_transferred(alice, call)
    assert "bob@" in str(carol.wait_for("CALL_ESTABLISHED")["peeruri"])
    bob.wait_for_state("StreamsRunning")
    print("linphone told", statuses)


def test_linphone_cannot_reach_the_target_and_the_call_comes_back(peers: Peers, kamailio: Kamailio) -> None:
    peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    alice.do(Transfer(call, "carol"))
    came_back(alice, call, 404)
    alice.hang_up(call)


def test_linphone_transfers_us(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    carol = peers.start(Baresip, "carol", kamailio, "carol", "carolpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = talk(alice, "bob")
    bob.command("call-transfer 1 sip:carol@sip.test")
    alice.wait_for(ua.TransferRequested)
    alice.do(AcceptTransfer(call, "new"))
    alice.wait_for(ua.CallSecured, where=lambda event: event.call_id == "new")
    assert alice.wait_for(ua.TransferEnded).failure is None
    old = alice.wait_ended(call, timeout=15)
    assert old.failure is None
    assert "alice@" in str(carol.wait_for("CALL_ESTABLISHED")["peeruri"])
    alice.hang_up("new")
    print("the old call was ended by", old.ended_by)


def test_two_linphones_are_connected_by_us(peers: Peers, kamailio: Kamailio) -> None:
    """Attended: linphone sends the INVITE with Replaces, and another one takes it."""
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw", answermode="auto")
    carol = peers.start(Linphone, "carol", kamailio, "carol", "carolpw", answermode="auto")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    first = talk(alice, "bob")
    second = talk(alice, "carol")
    alice.do(TransferTo(first, second))
    statuses = we_transferred(alice, first)
    alice.wait_ended(second)
    bob.wait_for_state("StreamsRunning")
    carol.wait_for_state("StreamsRunning")
    invite = kamailio.wait_message("INVITE")
    replacing = next(m for m in kamailio.messages() if m.method == "INVITE" and m.header("Replaces"))
    assert "bob@" in replacing.header("From")
    print("linphone told", statuses, replacing.header("Replaces"), invite.start_line)


def test_linphone_connects_two_of_us(peers: Peers, kamailio: Kamailio) -> None:
    """Attended: we send the INVITE with Replaces, and take it."""
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    carol = peers.start(PhoneUnderTest, kamailio, "carol", "carolpw")
    alice.wait_registered()
    carol.wait_registered()
    calls = []
    for phone in (alice, carol):
        bob.dial(phone.uri)
        calls.append(phone.wait_for(ua.IncomingCall).call_id)
        phone.answer(calls[-1])
        phone.wait_for(ua.CallEstablished)
        bob.wait_for_state("StreamsRunning")
    alices, carols = calls
    bob.command("call-transfer 1 2")
    asked = alice.wait_for(ua.TransferRequested)
    assert asked.attended
    alice.do(AcceptTransfer(alices, "new"))
    incoming = carol.wait_for(ua.IncomingCall)
    assert incoming.replaces == carols
    for phone, call in ((alice, "new"), (carol, incoming.call_id)):
        phone.wait_for(ua.CallSecured, where=lambda event, call=call: event.call_id == call)  # type: ignore[misc]
    assert alice.wait_ended(alices, timeout=15).failure is None
    assert carol.wait_ended(carols).failure is None
    until(lambda: not alice.call("new").held_by_us, "the new call to be talked in")
    alice.hang_up("new")
    carol.wait_ended(incoming.call_id)


def test_the_command_goes_nowhere_else_than_it_was_told(peers: Peers, kamailio: Kamailio) -> None:
    bob = peers.start(Linphone, "bob", kamailio, "bob", "bobpw")
    phone = peers.start(CommandLine, kamailio, "answer", "--calls", "1")
    phone.wait_for("waiting")
    bob.dial("sip:alice@sip.test")
    phone.wait_for("established")
    bob.wait_for_state("StreamsRunning")
    bob.command("call-transfer 1 sip:carol@sip.test")
    assert phone.wait_for("transfer-refused")["target"] == "sip:carol@sip.test"
    kamailio.wait_message("REFER", 603)
    bob.hangup()
    assert phone.result()["ok"] is True
