"""Every pair of every table is decided, and the tables hang together."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.errors import LocalProtocolError
from softphone.sip.dialog import DIALOG
from softphone.sip.state_table import StateTable
from softphone.sip.timers import Timer
from softphone.sip.transaction_tables import (
    CANCELLATION,
    TIMER_INPUTS,
    TRANSACTION_TABLES,
    Input,
    Start,
    State,
    TransactionTable,
)

TABLES: tuple[StateTable[Any, Any, Any], ...] = (*TRANSACTION_TABLES, CANCELLATION, DIALOG)
FROM_TU = {Input.TU_1XX, Input.TU_2XX, Input.TU_300_699}

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
every_transaction_table = pytest.mark.parametrize("table", TRANSACTION_TABLES, ids=lambda table: table.name)


@every_table
def test_each_pair_of_state_and_input_is_decided_exactly_once(table: StateTable[Any, Any, Any]) -> None:
    undecided = [
        f"{state.name} × {given.name}: {table.decisions(state, given)} decisions"
        for state in table.states
        for given in table.inputs
        if table.decisions(state, given) != 1
    ]
    assert undecided == []


@every_table
def test_no_table_speaks_of_states_or_inputs_that_its_machine_does_not_have(
    table: StateTable[Any, Any, Any],
) -> None:
    for state, given in {*table.rows, *table.ignored, *table.forbidden}:
        assert state in table.states
        assert given in table.inputs
    assert {following for following, _ in table.rows.values()} <= set(table.states)


@every_table
def test_every_state_is_reached_and_every_life_can_end(table: StateTable[Any, Any, Any]) -> None:
    reached = {table.initial}
    while more := {to for (state, _), (to, _) in table.rows.items() if state in reached} - reached:
        reached |= more
    assert reached == set(table.states)

    ends = set(table.states) - {state for state, _ in table.rows}
    assert len(ends) == 1
    while more := {state for (state, _), (to, _) in table.rows.items() if to in ends} - ends:
        ends |= more
    assert ends == set(table.states)


@every_transaction_table
def test_only_the_user_can_be_forbidden_something_never_the_peer_or_a_timer(table: TransactionTable) -> None:
    assert {given for _, given in table.forbidden} <= FROM_TU


@every_transaction_table
def test_a_timer_has_a_row_exactly_in_the_states_where_it_can_run(table: TransactionTable) -> None:
    """A timer runs on into a state only if that state has a row for it; so: started there, or kept from before."""
    running: set[tuple[State, Timer]] = {
        (table.initial, action.timer) for action in table.entry if isinstance(action, Start)
    }
    rows = {(state, timer) for timer, given in TIMER_INPUTS.items() for state in State if (state, given) in table.rows}
    grown = True
    while grown:
        before = set(running)
        for (state, _), (to, actions) in table.rows.items():
            running |= {(to, action.timer) for action in actions if isinstance(action, Start)}
            running |= {(to, timer) for origin, timer in before if origin is state and (to, timer) in rows}
        grown = running != before
    assert running == rows


@every_transaction_table
def test_a_closed_flow_ends_every_transaction_at_once(table: TransactionTable) -> None:
    for state in table.states:
        assert table.step(state, Input.FLOW_CLOSED)[0] is State.TERMINATED


def test_a_forbidden_pair_raises() -> None:
    server_invite = TRANSACTION_TABLES[2]
    with pytest.raises(LocalProtocolError, match="TU_300_699 is not allowed in state ACCEPTED"):
        server_invite.step(State.ACCEPTED, Input.TU_300_699)
