"""Devices change during a real call on a PulseAudio of the tests' own. All 200 changes are in tests/bench."""

from __future__ import annotations

import threading

import pytest

from tests.peers.device_changes import changing_call

pytestmark = pytest.mark.peer
CHANGES = 12


def test_the_call_follows_its_devices_and_says_which_ones_have_gone() -> None:
    with changing_call() as call:
        threads = threading.active_count()
        for _ in call.rounds(CHANGES):
            pass
        print(*(f"{change.seconds * 1000:5.0f} ms  {change.done}" for change in call.changes), sep="\n")
        gone = [notice.reason for notice in call.notices if "has gone" in notice.reason]
        pulled = [change.done for change in call.changes if "pulled out" in change.done]
        assert len(gone) == len(pulled), call.notices
        assert all("the call goes on with" in reason for reason in gone)
        assert threading.active_count() == threads
        assert max(change.seconds for change in call.changes) < 5  # what is measured is in tests/bench
