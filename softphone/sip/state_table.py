"""How a state machine of this floor is written down.

Owns: `StateTable`: rows (state, input) → (next state, actions), with the pairs that are ignored and the pairs that
only a bug of ours can cause. Knows no SIP. Every pair stands in exactly one of the three; a test walks them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from softphone.errors import LocalProtocolError

S = TypeVar("S", bound=Enum)
I = TypeVar("I", bound=Enum)  # noqa: E741 - the input, as in the docstring
A = TypeVar("A")


@dataclass(frozen=True)
class StateTable(Generic[S, I, A]):
    """`entry` is done when the machine is made; `forbidden` pairs raise LocalProtocolError."""

    name: str
    source: str  # RFC and figure or section
    initial: S
    states: tuple[S, ...]
    inputs: tuple[I, ...]
    rows: Mapping[tuple[S, I], tuple[S, tuple[A, ...]]]
    ignored: frozenset[tuple[S, I]]
    forbidden: frozenset[tuple[S, I]] = frozenset()
    entry: tuple[A, ...] = field(default=())

    def step(self, state: S, given: I) -> tuple[S, tuple[A, ...]]:
        """The next state and what to do. Raises LocalProtocolError for a pair that must not happen."""
        row = self.rows.get((state, given))
        if row is not None:
            return row
        if (state, given) in self.ignored:
            return state, ()
        raise LocalProtocolError(f"{self.name}: {given.name} is not allowed in state {state.name}")

    def decisions(self, state: S, given: I) -> int:
        """In how many of rows, ignored and forbidden the pair stands; anything but 1 is a mistake in the table."""
        pair = (state, given)
        return (pair in self.rows) + (pair in self.ignored) + (pair in self.forbidden)


def every(states: tuple[S, ...], *inputs: I) -> frozenset[tuple[S, I]]:
    """All pairs of these states and inputs."""
    return frozenset((state, given) for state in states for given in inputs)
