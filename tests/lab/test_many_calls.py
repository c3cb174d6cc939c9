"""Several accounts and calls at once in one engine, against a lab in another process: nothing is lost or mixed up.

The figures for 20 accounts and 30 calls are `tests/bench/test_many_calls.py`'s.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.lab_crowd import crowd

CALLS, SECONDS = 8, 5.0


@pytest.mark.parametrize("active", [CALLS, 1])
def test_five_accounts_and_eight_calls_at_once(tmp_path: Path, active: int) -> None:
    figures = crowd(tmp_path, accounts=5, calls=CALLS, seconds=SECONDS, active=active, microphone="tone")
    print(figures)
    assert figures["established"] == figures["encrypted"] == CALLS
    assert figures["failures"] == []
    assert (figures["auth_failures"], figures["skipped_ticks"]) == (0, 0)
    due = SECONDS * 50
    assert figures["packets_sent"] >= 0.95 * due * CALLS  # held calls send silence
    assert figures["packets_received"] >= 0.95 * due * active  # and hear nothing
    assert figures["packets_lost"] + figures["lost_there"] <= 0.01 * figures["packets_sent"]
    assert figures["memory_in_calls_mib"] - figures["memory_registered_mib"] < 60
