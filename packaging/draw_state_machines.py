"""Prints the state machines of `softphone.sip` and `softphone.ua` as Mermaid diagrams, drawn from the tables that run.

    python packaging/draw_state_machines.py > docs/state-machines.md

A test fails when the page is not what this prints.
"""

from __future__ import annotations

import re
import sys
from enum import Enum
from typing import Any

from softphone.sip.dialog import DIALOG
from softphone.sip.state_table import StateTable
from softphone.sip.transaction_tables import CANCELLATION, TRANSACTION_TABLES, BackOff, Start, StartAtT2, Stop
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
    *TRANSACTION_TABLES,
    CANCELLATION,
    DIALOG,
    FLOW_TABLE,
    REGISTRATION_TABLE,
    CALL_TABLE,
    CHANGE_TABLE,
    SESSION_TIMER_TABLE,
    RINGBACK_TABLE,
    TRANSFEROR_TABLE,
    TRANSFEREE_TABLE,
    SUBSCRIPTION_TABLE,
    STANDING_TABLE,
)
ALSO_BEGINS: dict[str, Enum] = {CALL_TABLE.name: CallState.RINGING}  # an incoming call

INTRODUCTION = """\
# State machines

Printed by `packaging/draw_state_machines.py` from the tables that run; do not edit by hand.

An arrow is labelled *input / actions*. "Reliable" timers: over TLS the timers A, E and G do not run, D, I, J and K are
zero and fire at once (RFC 3261 Table 4). What a table ignores is not drawn; "never" lists what only a mistake of ours
could cause, which raises `LocalProtocolError`.
"""


def words(name: str) -> str:
    """SEND_REQUEST → "send request", RESPONSE_300_699 → "response 300-699", TIMER_A → "timer A"."""
    text = re.sub(r"(\d{3})_(\d{3})", r"\1-\2", name).replace("_", " ").lower()
    text = re.sub(r"\btimer ([a-z])\b", lambda match: f"timer {match[1].upper()}", text)
    text = re.sub(r"\b(tu|ack|cancel|refer|notify)\b", lambda match: match[1].upper(), text)
    return text.replace("timer trying", "timer Trying")


def action_words(action: object) -> str:
    match action:
        case Start(timer):
            return f"start {timer.value}"
        case BackOff(timer):
            return f"restart {timer.value} with twice its interval"
        case StartAtT2(timer):
            return f"restart {timer.value} at T2"
        case Stop(timer):
            return f"stop {timer.value}"
        case Enum():
            return words(action.name)
        case _:
            raise TypeError(action)


def state_name(state: Enum) -> str:
    return "".join(part.capitalize() for part in state.name.split("_"))


def label(trigger: str, actions: tuple[object, ...]) -> str:
    return " / ".join(part for part in (trigger, ", ".join(action_words(action) for action in actions)) if part)


def diagram(table: StateTable[Any, Any, Any]) -> str:
    lines = [f"## {table.name[0].upper()}{table.name[1:]}", "", f"{table.source}.", "", "```mermaid", "stateDiagram-v2"]
    entry = label("", table.entry)
    lines.append(f"    [*] --> {state_name(table.initial)}" + (f": {entry}" if entry else ""))
    if table.name in ALSO_BEGINS:
        lines.append(f"    [*] --> {state_name(ALSO_BEGINS[table.name])}")
    for (state, given), (following, actions) in table.rows.items():
        lines.append(f"    {state_name(state)} --> {state_name(following)}: {label(words(given.name), actions)}")
    sources = {state for state, _ in table.rows}
    lines += [f"    {state_name(state)} --> [*]" for state in table.states if state not in sources]
    lines += ["```", ""]
    never = [
        f"{words(given.name)} in {state_name(state)}"
        for state in table.states
        for given in table.inputs
        if (state, given) in table.forbidden
    ]
    if never:
        lines += [f"Never: {', '.join(never)}.", ""]
    return "\n".join(lines)


def main() -> None:
    sys.stdout.write("\n".join([INTRODUCTION, *map(diagram, TABLES)]))


if __name__ == "__main__":
    main()
