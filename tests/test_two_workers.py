"""A run by two processes, tried on a small suite of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUICK = """
import time

def test_one(): time.sleep(0.01)
def test_two(): time.sleep(0.01)
"""
CRASH = """
import os

def test_before(): pass
def test_crash(): os.abort()
def test_after(): pass
"""
FILES_BEFORE, FILES_AFTER = 8, 12


def test_a_run_whose_worker_crashes_ends_with_all_other_tests_done(tmp_path: Path) -> None:
    for number in range(FILES_BEFORE + FILES_AFTER):
        name = f"test_{number:02}" if number < FILES_BEFORE else f"test_z{number:02}"
        (tmp_path / f"{name}.py").write_text(QUICK)
    (tmp_path / "test_crash.py").write_text(CRASH)
    options = ["-q", "-n2", "-p", "tests.two_workers", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, "--confcutdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert run.returncode == 1, run.stdout
    assert "test_crash.py::test_crash" in run.stdout
    passed = 2 * (FILES_BEFORE + FILES_AFTER) + 2
    assert f"{passed} passed" in run.stdout, run.stdout
