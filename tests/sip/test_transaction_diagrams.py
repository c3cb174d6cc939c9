"""The page of diagrams is what the script prints from the tables that run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from softphone.sip.dialog import DIALOG
from softphone.sip.transaction_tables import CANCELLATION, TRANSACTION_TABLES

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_state_machines_is_current() -> None:
    printed = subprocess.run(
        [sys.executable, "packaging/draw_state_machines.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
    page = (ROOT / "docs/state-machines.md").read_text(encoding="utf-8")
    assert page == printed, "run: python packaging/draw_state_machines.py > docs/state-machines.md"


def test_every_row_of_every_table_is_an_arrow_on_the_page() -> None:
    page = (ROOT / "docs/state-machines.md").read_text(encoding="utf-8")
    for table in (*TRANSACTION_TABLES, CANCELLATION, DIALOG):
        section = page.partition(f"## {table.name[0].upper()}{table.name[1:]}\n")[2].partition("\n## ")[0]
        arrows = sum(" --> " in line for line in section.splitlines())
        assert arrows == len(table.rows) + 2, table.name  # and one for the beginning, one for the end
