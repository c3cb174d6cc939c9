"""A window that records what it submits, drawn without a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from softphone.messages import AnyCommand
from softphone.ui.main_window import MainWindow


@dataclass
class Engine:
    """Stands where the link is: takes commands, and has a clock."""

    commands: list[AnyCommand] = field(default_factory=list)
    now: float = 60.0

    def submit(self, command: AnyCommand) -> None:
        self.commands.append(command)

    def clock(self) -> float:
        return self.now

    def last(self) -> AnyCommand:
        return self.commands[-1]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def window(qtbot: QtBot, engine: Engine, tmp_path: Path) -> MainWindow:
    made = MainWindow(engine.submit, engine.clock, QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(made, before_close_func=lambda w: w.leave())
    made.show()
    made.activateWindow()
    qtbot.waitActive(made, timeout=2000)
    return made
