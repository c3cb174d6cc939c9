"""The microphone's level while the devices are tested: a line that moves on a terminal, for scripts lines of JSON."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from softphone.cli.output import Output
from softphone.engine.audio.device_test import Progress

_QUIETEST = -60.0  # dBFS at the left end
_HOT, _WARM = -3.0, -12.0


class LevelLine:
    def __init__(self, output: Output) -> None:
        self._output = output
        console = Console(stderr=True, highlight=False)
        drawn = console.is_terminal and not output.json_lines
        self._live = Live(console=console, transient=True, auto_refresh=False) if drawn else None
        if self._live is not None:
            self._live.start()

    def show(self, now: Progress) -> None:
        if self._output.json_lines:
            self._output.event("level", step=now.step, level_db=now.level_db, peak_db=now.peak_db, done=now.done)
        elif self._live is not None:
            self._live.update(Group(_meter(now)), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()


def _meter(now: Progress) -> Table:
    colour = "red" if now.peak_db > _HOT else "yellow" if now.peak_db > _WARM else "green"
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=-_QUIETEST, completed=max(0.0, now.level_db - _QUIETEST), width=40, complete_style=colour),
        f"{now.level_db:5.0f} dBFS",
        f"[dim]{now.done:4.0%}[/dim]",
    )
    return row
