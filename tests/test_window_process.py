"""Which starts open the window, and which are the command line's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from softphone.window_process import WindowStart, window_start

ENGINE_ONLY = ("asyncio", "sounddevice", "pylibsrtp", "keyring", "numpy", "PySide6")


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ([], WindowStart()),
        (["--lab"], WindowStart(lab=True)),
        (["--dial", "echo"], WindowStart(dial="echo")),
        (["--dial=echo", "--lab"], WindowStart(lab=True, dial="echo")),
        (["sip:echo@example.org"], WindowStart(dial="sip:echo@example.org")),
        (["TEL:+49123"], WindowStart(dial="TEL:+49123")),
    ],
)
def test_a_start_without_a_subcommand_opens_the_window(arguments: list[str], start: WindowStart) -> None:
    assert window_start(arguments) == start


@pytest.mark.parametrize(
    "arguments",
    [["register"], ["call", "sip:echo@example.org"], ["--help"], ["--version"], ["--dial"], ["--la"], ["echo"], ["-x"]],
)
def test_everything_else_is_the_command_line_s(arguments: list[str]) -> None:
    assert window_start(arguments) is None


def test_the_way_to_the_window_imports_nothing_of_the_engine_s_and_qt_only_when_it_opens() -> None:
    program = "import json, sys, softphone.window_process; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    imported = json.loads(done.stdout)

    assert "softphone.engine.link.window_link" in imported
    assert [name for name in imported if name.partition(".")[0] in ENGINE_ONLY] == []


def test_the_window_s_parts_import_nothing_of_the_engine_s() -> None:
    program = "import json, sys, softphone.ui.run; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    imported = json.loads(done.stdout)

    assert "PySide6.QtWidgets" in imported
    engine = [name for name in imported if name.partition(".")[0] in ENGINE_ONLY and not name.startswith("PySide6")]
    assert engine == []
    assert [name for name in imported if name.startswith("softphone.engine.media")] == []
