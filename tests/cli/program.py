"""The program as a process of its own, as people and scripts start it.

Owns: starting it with an environment without display, sound or settings of this machine; ending it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # s for any command to end


def environment(home: Path, **also: str) -> dict[str, str]:
    """No display, no sound server, no keyring, an empty home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_RUNTIME_DIR": str(home), **also}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "softphone", *arguments]


def softphone(home: Path, *arguments: str, **also: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(home, **also),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def json_lines(output: str) -> list[dict[str, Any]]:
    """Every line is one object; the last one is the result."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    assert lines[-1]["event"] == "result"
    return lines
