"""The machine sleeps: the clock that counts sleep jumps, the other one does not. The engine is whole, on loopback.

A process that is stopped for real is in test_calls.py and test_registration.py.
"""

from __future__ import annotations

import time

import pytest

from softphone.engine import clock
from softphone.ua import events as ua
from softphone.ua.events import EndedBy
from tests.network.witness import registered_after
from tests.peers.baresip import Baresip
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers, peers
from tests.peers.kamailio import Kamailio
from tests.peers.phone import PhoneUnderTest
from tests.peers.pulse import settle

__all__ = ["peers"]
pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


class Sleep:
    """Puts the machine to sleep for as long as is said, in no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._slept = 0.0
        counting = clock._counting
        monkeypatch.setattr(clock, "_counting", lambda: counting() + self._slept)

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    return Sleep(monkeypatch)


def test_after_a_night_the_registration_is_refreshed_at_once(machine: Sleep, peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca)
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    settle(1)
    awake = time.time()
    machine.sleep(8 * 3600)
    assert registered_after(kamailio, awake, "a night asleep, by the clocks") < 2


def test_a_call_outlives_ten_minutes_asleep(machine: Sleep, peers: Peers, ca: PrivateCa) -> None:
    kamailio = peers.start(Kamailio, ca)
    bob = peers.start(Baresip, "bob", kamailio, "bob", "bobpw")
    alice = peers.start(PhoneUnderTest, kamailio, "alice", "alicepw")
    alice.wait_registered()
    call = alice.dial("bob")
    alice.wait_for(ua.CallSecured)
    awake = time.time()
    machine.sleep(600)
    assert registered_after(kamailio, awake, "ten minutes asleep in a call, by the clocks") < 2
    settle(2)
    ended = alice.hang_up(call)

    assert (ended.ended_by, ended.failure) == (EndedBy.LOCAL, None)
    assert ended.report is not None
    assert ended.report.rtp_received > 100
    bob.wait_for("CALL_CLOSED")
