"""The first message each way: who attaches and in which version, and what the engine says to it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from softphone.errors import Failure
from softphone.state import AppState

LINK_VERSION = 1


class FrontEndKind(enum.Enum):
    WINDOW = "window"  # a person can see calls here
    TOOL = "tool"  # a script: it makes no call visible


@dataclass(frozen=True, slots=True)
class Hello:
    """`version` is `codec.VERSION`. `only_window`: if a window is attached already, raise it (with `dial`) instead."""

    version: str
    kind: FrontEndKind
    only_window: bool = False
    dial: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """Attached: everything as it is now; the events follow."""

    state: AppState


class RefusalKind(enum.Enum):
    OTHER_VERSION = "other-version"
    ANOTHER_WINDOW = "another-window"  # it has been raised
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Refused:
    kind: RefusalKind
    failure: Failure
