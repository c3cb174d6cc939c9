"""A lab with many accounts in one process and an engine with many calls in another: `crowd` runs both.

Owns: starting them and reading the figures. The lab answers every call with speech.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.peers.phone import REPOSITORY
from tests.peers.process import PeerProcess


def crowd(folder: Path, *, accounts: int, calls: int, seconds: float, active: int, microphone: str) -> dict[str, Any]:
    """The figures of `many_calls.py`; fails with its output if it does not end by itself in order."""
    accounts_file = folder / "accounts"
    accounts_file.write_text("".join(f"user{number}:password{number}\n" for number in range(accounts)))
    lab = PeerProcess(
        "lab",
        [sys.executable, "-m", "softphone", "lab", "--json", "--accounts-file", str(accounts_file)],
        log=folder / "lab.log",
        directory=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    try:
        assert lab.stdout is not None
        ready = json.loads(lab.stdout.readline())
        lines = subprocess.Popen(["cat"], stdin=lab.stdout, stdout=subprocess.DEVNULL)  # its events are not waited for
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "tests.bench.many_calls", "--lab", f"{ready['host']}:{ready['port']}"),
                *("--ca", ready["ca"], "--accounts-file", str(accounts_file), "--accounts", str(accounts)),
                *("--calls", str(calls), "--active", str(active), "--seconds", str(seconds)),
                *("--microphone", microphone),
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=seconds + 240,
            check=False,
        )
    finally:
        lab.stop()
    lines.wait(10)
    assert finished.returncode == 0, finished.stderr[-3000:] + finished.stdout[-3000:]
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures
