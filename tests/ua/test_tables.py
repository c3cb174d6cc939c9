"""Every pair of every table of the user agent is decided once, and the tables hang together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softphone.sip.state_table import StateTable
from softphone.ua.call_table import CALL_TABLE, CallState
from softphone.ua.change_table import CHANGE_TABLE
from softphone.ua.flow_keeper import FLOW_TABLE
from softphone.ua.registration import REGISTRATION_TABLE
from softphone.ua.ringback import RINGBACK_TABLE
from softphone.ua.session_timer import SESSION_TIMER_TABLE
from softphone.ua.standing_subscription import STANDING_TABLE
from softphone.ua.subscription_table import SUBSCRIPTION_TABLE
from softphone.ua.transfer_tables import TRANSFEREE_TABLE, TRANSFEROR_TABLE

TABLES: tuple[StateTable[Any, Any, Any], ...] = (
    CALL_TABLE,
    FLOW_TABLE,
    REGISTRATION_TABLE,
    CHANGE_TABLE,
    SESSION_TIMER_TABLE,
    RINGBACK_TABLE,
    TRANSFEROR_TABLE,
    TRANSFEREE_TABLE,
    SUBSCRIPTION_TABLE,
    STANDING_TABLE,
)
ENTRIES = {CALL_TABLE.name: {CallState.WAITING_FLOW, CallState.RINGING}}  # an incoming call begins ringing

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@every_table
def test_each_pair_of_state_and_trigger_is_decided_exactly_once(table: StateTable[Any, Any, Any]) -> None:
    undecided = [
        f"{state.name} × {given.name}: {table.decisions(state, given)} decisions"
        for state in table.states
        for given in table.inputs
        if table.decisions(state, given) != 1
    ]
    assert undecided == []


@every_table
def test_nothing_that_a_peer_or_a_person_does_is_forbidden(table: StateTable[Any, Any, Any]) -> None:
    assert table.forbidden == frozenset()


@every_table
def test_no_table_speaks_of_states_that_its_machine_does_not_have(table: StateTable[Any, Any, Any]) -> None:
    for state, given in {*table.rows, *table.ignored}:
        assert state in table.states
        assert given in table.inputs
    assert {following for following, _ in table.rows.values()} <= set(table.states)


@every_table
def test_every_state_is_reached(table: StateTable[Any, Any, Any]) -> None:
    reached = set(ENTRIES.get(table.name, {table.initial}))
    while more := {to for (state, _), (to, _) in table.rows.items() if state in reached} - reached:
        reached |= more
    assert reached == set(table.states)


def test_every_call_can_come_to_its_end() -> None:
    ends = {CallState.TERMINATED}
    while more := {state for (state, _), (to, _) in CALL_TABLE.rows.items() if to in ends} - ends:
        ends |= more
    assert ends == set(CallState)


@every_table
def test_no_state_but_the_last_is_without_a_way_out(table: StateTable[Any, Any, Any]) -> None:
    stuck = {
        state for state in table.states if not any(s is state and to is not s for (s, _), (to, _) in table.rows.items())
    }
    assert {state.name for state in stuck} <= {"TERMINATED", "CLOSED", "ENDED", "EXPIRED", "OVER"}


@every_table
def test_every_row_is_an_arrow_on_the_page_of_state_machines(table: StateTable[Any, Any, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "state-machines.md").read_text(encoding="utf-8")
    section = page.partition(f"## {table.name[0].upper()}{table.name[1:]}\n")[2].partition("\n## ")[0]
    arrows = [line for line in section.splitlines() if " --> " in line and "[*]" not in line]
    assert len(arrows) == len(table.rows)
