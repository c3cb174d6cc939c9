"""Two accounts, several calls, transfer, conference, lines, messages and options as a person meets them.

The real window on an X server, played by keyboard; a real engine, Kamailio, baresip and phones of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from softphone.messages import SignIn
from softphone.policy.secret import Secret
from softphone.state import AppState, CallPhase, CallView, Encryption
from softphone.ua import events as ua
from softphone.ua.account import DoNotDisturb
from softphone.ua.commands import AcceptTransfer
from softphone.ua.events import DeliveryState, LineState, RegistrationState
from softphone.ui.theme import current_theme
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers, ca, peers
from tests.peers.kamailio import PASSWORDS, Kamailio
from tests.peers.phone import PhoneUnderTest
from tests.peers.process import until
from tests.processes.conftest import running, start_running
from tests.processes.running import Running
from tests.ui.test_real_window import Window, start_engine, state_of, x_server
from tests.ui.xvfb import XServer, colours

__all__ = ["ca", "peers", "running", "start_running", "x_server"]

pytestmark = [pytest.mark.window, pytest.mark.peer, pytest.mark.usefixtures("qapp"), pytest.mark.timeout(180)]
SLOW = 30.0  # s; a busy machine


class Desk:
    """Alice's screen, with the accounts alice and dave; Carol has a phone of ours."""

    def __init__(self, running: Running, x_server: XServer, peers: Peers, server: Kamailio) -> None:
        self.running, self.screen, self.server = running, x_server, server
        start_engine(running)
        for user in ("alice", "dave"):
            running.tell(self._signing_in(user, server))
        self.until(
            lambda state: [a.state for a in state.accounts] == [RegistrationState.REGISTERED] * 2, "two registrations"
        )
        self.window = Window(running, x_server)
        self.carol = peers.start(PhoneUnderTest, server, "carol", "carolpw")
        self.carol.wait_registered(SLOW)
        x_server.focus(self.window.process)
        self.sees(current_theme().call.name(), 200, "the call button")

    @staticmethod
    def _signing_in(user: str, server: Kamailio) -> SignIn:
        return SignIn(
            user,
            user,
            server.domain,
            Secret(PASSWORDS[user]),
            server=f"{server.host}:{server.tls_port}",
            ca_files=(str(server.root),),
            remember_password=False,
        )

    def until(self, test: Callable[[AppState], object], what: str) -> AppState:
        """The engine's state once it is so."""

        def look() -> AppState | None:
            state = state_of(self.running)
            return state if test(state) else None

        return until(look, what, SLOW)

    def sees(self, colour: str, least: int, what: str) -> None:
        """Waits until the screen has that many pixels of a colour."""
        self.window.process.until(lambda: colours(self.screen.picture())[colour] > least, what, SLOW)

    def gone(self, colour: str, what: str) -> None:
        self.window.process.until(lambda: colours(self.screen.picture())[colour] == 0, f"{what} to go", SLOW)

    def keys(self, *keys: str) -> None:
        self.screen.key(*keys)

    def dial(self, target: str) -> None:
        self.screen.type(target)
        self.keys("Return")

    def options(self) -> None:
        """The page of the account's options, with the focus on its first field, do not disturb."""
        self.keys("ctrl+period")
        self.gone(current_theme().call.name(), "the phone's page")

    def apply_options(self, test: Callable[[AppState], object], what: str) -> None:
        self.keys("alt+p")
        self.until(test, what)
        self.keys("Escape")
        self.sees(current_theme().call.name(), 200, "the phone's page")


def secured(call: CallView) -> bool:
    return call.phase is CallPhase.ACTIVE and call.security.encryption is Encryption.SRTP


@pytest.fixture
def desk(running: Running, x_server: XServer, peers: Peers, ca: PrivateCa) -> Iterator[Desk]:
    made = Desk(running, x_server, peers, peers.start(Kamailio, ca, presence=True))
    yield made
    made.window.process.stop()


def test_a_waiting_call_a_conference_and_an_attended_transfer(desk: Desk, peers: Peers) -> None:
    erin = peers.start(PhoneUnderTest, desk.server, "member1", PASSWORDS["member1"])
    erin.wait_registered(SLOW)
    desk.dial("member1")
    erin.answer(erin.wait_for(ua.IncomingCall, timeout=SLOW).call_id)
    desk.until(lambda state: state.calls and secured(state.calls[0]), "the first call")
    desk.sees(current_theme().hang_up.name(), 2000, "the red button")

    desk.carol.dial("dave")
    state = desk.until(lambda state: len(state.calls) == 2, "the second call")
    assert (state.calls[1].account_id, state.calls[1].waiting) == ("dave", True)
    desk.sees(current_theme().call.name(), 4000, "the button that answers, beside the one that calls")
    desk.keys("ctrl+shift+a")
    desk.until(lambda state: secured(state.calls[1]) and state.calls[0].held_by_us, "an answer, and a hold")
    desk.sees(current_theme().accent.name(), 2000, "the button that resumes")
    desk.keys("ctrl+shift+m")
    desk.until(lambda state: state.calls[1].muted and not state.calls[0].muted, "the call talked in to be muted")
    desk.keys("ctrl+shift+m")

    desk.keys(
        "ctrl+shift+t", "Down", "Down", "Down", "Return"
    )  # after “Transfer to…” and “Connect with…”: “Join with…”
    desk.until(lambda state: all(c.in_conference and not c.held_by_us for c in state.calls), "a conference of three")
    erin.wait_for(ua.HoldChanged, timeout=SLOW, where=lambda event: not event.held_by_peer)

    desk.keys("ctrl+shift+t", "Down", "Down", "Return")  # “Connect with…”
    asked = desk.carol.wait_for(ua.TransferRequested, timeout=SLOW)
    assert asked.attended
    desk.carol.do(AcceptTransfer(asked.call_id, "theirs"))
    desk.carol.wait_for(ua.CallSecured, timeout=SLOW, where=lambda event: event.call_id == "theirs")
    assert "member1" in desk.carol.call("theirs").remote.uri
    ended = desk.until(lambda state: not state.calls, "our two calls to end").recent
    assert [call.ended.failure for call in ended if call.ended is not None] == [None, None]
    desk.gone(current_theme().hang_up.name(), "the red buttons")


def test_a_lamp_that_rings_is_picked_up_messages_go_both_ways_and_nobody_disturbs(desk: Desk, peers: Peers) -> None:
    bob = peers.start(
        Baresip, "bob", desk.server, "bob", "bobpw", answermode="manual", correspondent="sip:alice@sip.test"
    )
    desk.options()
    desk.keys("alt+l")
    desk.screen.type("bob@sip.test, Bob")
    desk.apply_options(lambda state: [line.state for line in state.accounts[0].lines] == [LineState.IDLE], "a lamp")
    desk.carol.dial("bob")
    state = desk.until(lambda state: state.accounts[0].lines[0].state is LineState.RINGING, "the lamp to ring")
    caller = state.accounts[0].lines[0].remote
    assert caller is not None
    assert caller.uri.startswith("sip:carol@")
    desk.keys("ctrl+1")
    state = desk.until(lambda state: state.calls and secured(state.calls[0]), "the call picked up")
    assert state.calls[0].remote.uri.startswith("sip:carol@")
    assert "CALL_CLOSED" in [event["type"] for event in bob.events()]
    desk.keys("ctrl+shift+h")
    desk.until(lambda state: not state.calls, "the end")

    bob.message("Lunch at noon?")
    desk.until(lambda state: [m.text for m in state.messages] == ["Lunch at noon?"], "a message")
    desk.keys("ctrl+m")
    desk.screen.type("With pleasure")  # who wrote last is the one whom one answers
    desk.keys("Return")
    state = desk.until(
        lambda state: [m.state for m in state.messages[1:]] == [DeliveryState.DELIVERED], "the answer to be delivered"
    )
    assert state.messages[1].remote.uri == "sip:bob@sip.test"
    until(lambda: "With pleasure" in bob.log_text(), "bob to read it", SLOW)
    desk.keys("Escape")

    desk.options()
    desk.keys("Down")
    desk.apply_options(
        lambda state: state.accounts[0].options.rules.do_not_disturb is DoNotDisturb.BUSY, "not to be disturbed"
    )
    bob.dial("sip:alice@sip.test")
    assert "486" in bob.wait_for("CALL_CLOSED", timeout=SLOW, where=lambda event: "486" in event["param"])["param"]
    assert not state_of(desk.running).calls
