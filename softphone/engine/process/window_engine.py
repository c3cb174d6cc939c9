"""How a window gets its engine: attached to the running one, or to one that it starts; and again when that is lost.

Owns: `connect` of `WindowLink`. A second start of the window raises the first (the single instance).
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.engine.link.connection import LinkConnection
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.window_link import WindowLink
from softphone.engine.process.spawn import EngineStart, ensure_engine


class WindowEngine:
    """Called by the link's reader thread, once for each attachment."""

    def __init__(self, start: EngineStart, dial: str = "") -> None:
        """`dial`: the address that another window, if there is one, gets to call."""
        self._start, self._dial = start, dial
        self._attached = False

    def __call__(self) -> LinkConnection:
        """Raises OperationFailed, LinkRefused, and at the first time AnotherWindow."""
        connection = ensure_engine(
            self._start, FrontEndKind.WINDOW, only_window=not self._attached, dial="" if self._attached else self._dial
        )
        self._attached = True
        return connection


def window_link(
    start: EngineStart, wake: Callable[[], None], another_window: Callable[[], None], dial: str = ""
) -> WindowLink:
    """Not started yet. `another_window` is called from the reader thread when this window is to end."""
    return WindowLink(WindowEngine(start, dial), wake, another_window)
