"""What `softphone ctl` does beside calling: transfer, conference, rules, lines, messages; its words and exit codes.

The running phone has the accounts alice and dave; Carol and the members have phones of ours, Bob has baresip.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from softphone.messages import AccountOptions, ChangeAccountOptions, SignIn
from softphone.policy.secret import Secret
from softphone.ua import commands as c
from softphone.ua import events as ua
from softphone.ua.account import WatchedLine
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.phone import PhoneUnderTest
from tests.peers.process import until
from tests.processes.running import Running
from tests.processes.test_control import start, told

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]
SLOW = 30.0  # s; a busy machine
Answer = dict[str, Any]


class Desk:
    def __init__(self, running: Running, peers: Peers, server: Kamailio) -> None:
        self.running, self._peers, self._server = running, peers, server
        self._window = running.window(*running.engine_options())
        self._window.wait_for("state")
        for user in ("alice", "dave"):
            self._window.submit(self._signing_in(user))
        everybody = {"alice": "registered", "dave": "registered"}
        self._window.wait_for("RegistrationChanged", lambda item: item["accounts"] == everybody, SLOW)

    def _signing_in(self, user: str) -> SignIn:
        server = self._server
        at, trusted = f"{server.host}:{server.tls_port}", (str(server.root),)
        password = Secret(PASSWORDS[user])
        return SignIn(user, user, server.domain, password, server=at, ca_files=trusted, remember_password=False)

    def phone(self, user: str, **options: Any) -> PhoneUnderTest:
        phone = self._peers.start(PhoneUnderTest, self._server, user, PASSWORDS[user], options=options)
        phone.wait_registered(SLOW)
        return phone

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return start(self.running, "ctl", *words)

    def ctl(self, *words: str, code: int = 0) -> Answer:
        return self.end(self.begin(*words), code)

    @staticmethod
    def end(process: subprocess.Popen[str], code: int = 0) -> Answer:
        """The result, and the exit code that belongs to it."""
        result = told(process)[-1]
        assert process.returncode == code, result
        assert result["ok"] is (code == 0)
        assert (result["reason"] is None) is (code == 0)
        return result

    def calls(self) -> list[Answer]:
        found: list[Answer] = self.ctl("calls")["calls"]
        return found

    def call(self, call_id: str) -> Answer:
        return next(call for call in self.calls() if call["call"] == call_id)

    def call_to(self, phone: PhoneUnderTest, *options: str) -> tuple[str, str]:
        """A secured call; our id and theirs."""
        ours = self.ctl("dial", phone.name, *options)["call"]
        theirs = phone.wait_for(ua.IncomingCall, timeout=SLOW).call_id
        phone.answer(theirs)
        until(lambda: self.call(ours)["encryption"] == "srtp", "the call", SLOW)
        return ours, theirs


@pytest.fixture
def desk(running: Running, peers: Peers, ca: PrivateCa) -> Desk:
    return Desk(running, peers, peers.start(Kamailio, ca, presence=True))


def test_calls_are_transferred_and_connected_and_a_refusal_has_its_reason(desk: Desk) -> None:
    carol, erin = desk.phone("carol"), desk.phone("member1")
    _, theirs = desk.call_to(carol)

    transfer = desk.begin("transfer", "member1")
    carol.wait_for(ua.TransferRequested, timeout=SLOW)
    carol.do(c.RefuseTransfer(theirs))
    refused = desk.end(transfer, 1)
    assert refused["kind"] == "rejected"
    assert "603" in refused["reason"]

    transfer = desk.begin("transfer", "member1")
    carol.wait_for(ua.TransferRequested, timeout=SLOW)
    carol.do(c.AcceptTransfer(theirs, "blind"))
    erin.answer(erin.wait_for(ua.IncomingCall, timeout=SLOW).call_id)
    desk.end(transfer)
    assert desk.calls() == []
    carol.hang_up("blind")

    first, theirs = desk.call_to(carol)
    second, _ = desk.call_to(erin)
    assert desk.ctl("transfer-to", first, first, code=2)["kind"] == "usage"
    connect = desk.begin("transfer-to", second, first)
    assert carol.wait_for(ua.TransferRequested, timeout=SLOW).attended
    carol.do(c.AcceptTransfer(theirs, "attended"))
    desk.end(connect)
    carol.wait_for(ua.CallSecured, timeout=SLOW, where=lambda event: event.call_id == "attended")
    until(lambda: desk.calls() == [], "both calls to end", SLOW)


def test_a_ring_is_silenced_and_the_call_still_rings(desk: Desk) -> None:
    carol = desk.phone("carol")
    desk.ctl("silence")  # nothing rings: nothing to wait for
    carol.dial("alice")
    (call,) = until(desk.calls, "the call", SLOW)
    assert (call["phase"], call["silenced"]) == ("incoming", False)
    desk.ctl("silence")
    (call,) = desk.calls()
    assert (call["phase"], call["silenced"]) == ("incoming", True)
    desk.ctl("answer")
    carol.wait_for(ua.CallSecured, timeout=SLOW)


def test_a_transfer_that_the_other_side_asks_for_is_refused_or_accepted(desk: Desk) -> None:
    carol, erin = desk.phone("carol"), desk.phone("member1")
    ours, theirs = desk.call_to(carol)
    for verb in ("accept-transfer", "refuse-transfer"):
        assert "does not ask to transfer us" in desk.ctl(verb, code=2)["reason"]
    assert "no such call" in desk.ctl("hold", "nosuch", code=2)["reason"]
    assert "two calls at least" in desk.ctl("join", code=2)["reason"]

    carol.do(c.Transfer(theirs, "member1"))
    until(lambda: desk.call(ours)["transfer_to"], "the question", SLOW)
    desk.ctl("refuse-transfer")
    carol.wait_for(ua.TransferEnded, timeout=SLOW, where=lambda event: event.failure is not None)
    assert desk.call(ours)["transfer_to"] is None

    carol.do(c.Transfer(theirs, "member1"))
    until(lambda: desk.call(ours)["transfer_to"], "the question", SLOW)
    made = desk.ctl("accept-transfer")["call"]
    erin.answer(erin.wait_for(ua.IncomingCall, timeout=SLOW).call_id)
    until(lambda: [call["call"] for call in desk.calls()] == [made], "the new call alone", SLOW)
    assert desk.call(made)["remote"].startswith("sip:member1@")


def test_calls_are_switched_joined_silenced_and_left(desk: Desk) -> None:
    carol, erin = desk.phone("carol"), desk.phone("member1")
    first, theirs = desk.call_to(carol)
    second, _ = desk.call_to(erin, "--account", "dave")
    assert [(call["account"], call["held_by_us"]) for call in desk.calls()] == [("alice", True), ("dave", False)]
    desk.ctl("hold")
    assert desk.call(second)["held_by_us"], "the one that was talked in"
    desk.ctl("switch-to", second)

    desk.ctl("switch-to", first)
    until(lambda: desk.call(second)["held_by_us"], "the other to be held", SLOW)
    desk.ctl("digits", "1,2#")
    assert [carol.wait_for(ua.DigitPressed, timeout=SLOW).digit for _ in range(3)] == ["1", "2", "#"]
    desk.ctl("rekey", first)

    desk.ctl("join")
    assert all(call["in_conference"] for call in desk.calls())
    assert "2 calls could be meant" in desk.ctl("mute", code=2)["reason"]
    desk.ctl("mute-member", second)
    desk.ctl("unmute-member", second[:8])
    desk.ctl("leave", first)
    assert not desk.call(first)["in_conference"]
    assert desk.call(first)["held_by_us"]
    carol.hang_up(theirs)
    until(lambda: len(desk.calls()) == 1, "the end of one", SLOW)
    assert "in no conference" in desk.ctl("mute-member", second, code=2)["reason"]


def test_rules_are_in_force_when_the_command_is_done(desk: Desk) -> None:
    carol, erin = desk.phone("carol"), desk.phone("member1")

    def outcome() -> ua.CallEnded:
        return carol.wait_ended(carol.dial("alice"), SLOW)

    desk.ctl("do-not-disturb", "on")
    assert outcome().status == 486
    desk.ctl("do-not-disturb", "unavailable")
    assert outcome().status == 480
    assert desk.ctl("accounts")["accounts"][0]["do_not_disturb"] == "unavailable"
    assert "Say one of: on, off, busy, unavailable" in desk.ctl("do-not-disturb", "perhaps", code=2)["remedy"]
    desk.ctl("do-not-disturb", "off")

    desk.ctl("forward", "always", "member1")
    call = carol.dial("alice")
    redirected = carol.wait_for(ua.RedirectOffered, timeout=SLOW)
    assert redirected.target.startswith("sip:member1@")
    carol.do(c.HangUp(call))
    desk.ctl("forward", "always", "off")
    assert "no reason to forward" in desk.ctl("forward", "sometimes", "bob", code=2)["reason"]

    call = carol.dial("alice")
    until(desk.calls, "it to ring", SLOW)
    desk.ctl("busy")
    assert carol.wait_ended(call, SLOW).status == 486
    call = carol.dial("alice")
    until(desk.calls, "it to ring", SLOW)
    desk.ctl("deflect", "member1")
    assert carol.wait_for(ua.RedirectOffered, timeout=SLOW).target.startswith("sip:member1@")
    carol.do(c.FollowRedirect(call))
    incoming = erin.wait_for(ua.IncomingCall, timeout=SLOW)
    erin.decline(incoming.call_id)
    call = carol.dial("alice")
    until(desk.calls, "it to ring", SLOW)
    desk.ctl("decline")
    assert carol.wait_ended(call, SLOW).status == 603

    desk.ctl("default-account", "dave")
    assert [account["default"] for account in desk.ctl("accounts")["accounts"]] == [False, True]
    assert desk.ctl("default-account", "nobody", code=2)["kind"] == "usage"


def test_messages_say_whether_they_were_delivered(desk: Desk) -> None:
    carol = desk.phone("carol")
    listener = start(desk.running, "events", "--only", "message-received", "--count", "1")
    assert listener.stdout is not None
    listener.stdout.readline()
    desk.ctl("message", "carol", "Lunch at noon?", "--account", "dave")
    came = carol.wait_for(ua.MessageReceived, timeout=SLOW)
    assert (came.text, came.remote.uri) == ("Lunch at noon?", "sip:dave@sip.test")
    carol.do(c.SendInstantMessage("m", "sip:dave@sip.test", "With pleasure", "carol"))
    heard = told(listener)
    assert (heard[0]["event"], heard[0]["text"], heard[0]["account_id"]) == (
        "message-received",
        "With pleasure",
        "dave",
    )

    nobody = desk.ctl("message", "nobody", "Hello?", code=1)
    assert nobody["kind"] == "rejected"
    assert "404" in nobody["reason"]


def test_a_line_that_rings_is_picked_up(running: Running, peers: Peers, ca: PrivateCa) -> None:
    server = peers.start(Kamailio, ca, presence=True)
    desk = Desk(running, peers, server)
    carol = desk.phone("carol")
    peers.start(Baresip, "bob", server, "bob", "bobpw", answermode="manual")
    assert "does not watch bob" in desk.ctl("pick-up", "bob", code=2)["reason"]
    running.tell(ChangeAccountOptions("alice", AccountOptions(watched=(WatchedLine("bob"),))))
    until(lambda: desk.ctl("accounts")["accounts"][0]["lines"] == {"bob": "idle"}, "the line to be watched", SLOW)
    assert "Nothing rings" in desk.ctl("pick-up", "bob", code=2)["reason"]
    carol.dial("bob")
    until(lambda: desk.ctl("accounts")["accounts"][0]["lines"] == {"bob": "ringing"}, "it to ring", SLOW)
    made = desk.ctl("pick-up", "bob")["call"]
    until(lambda: desk.call(made)["encryption"] == "srtp", "the call", SLOW)
    assert desk.call(made)["remote"].startswith("sip:carol@")
