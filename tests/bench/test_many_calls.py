"""20 accounts registered and 30 calls at once in one engine: CPU, memory, late ticks, lost packets.

Run by `make scale`; prints a table and writes `build/many-calls.json`. `tests/lab/test_many_calls.py` is the small
version that bounds what must hold anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.lab_crowd import crowd

ACCOUNTS, CALLS, SECONDS = 20, 30, 30.0
SCENES = (
    ("30 calls talked in at once, null microphone", CALLS, "null"),
    ("30 calls talked in at once, a tone as microphone", CALLS, "tone"),
    ("one call talked in, 29 on hold", 1, "tone"),
)


def test_twenty_accounts_and_thirty_calls(tmp_path: Path) -> None:
    results = []
    for number, (name, active, microphone) in enumerate(SCENES):
        folder = tmp_path / str(number)
        folder.mkdir()
        figures = crowd(folder, accounts=ACCOUNTS, calls=CALLS, seconds=SECONDS, active=active, microphone=microphone)
        results.append({"scene": name, **figures})
        print(f"\n{name}")
        for key, value in figures.items():
            print(f"  {key:24}{value if not isinstance(value, float) else round(value, 1)}")
        assert figures["established"] == figures["encrypted"] == CALLS
        assert figures["failures"] == []
    out = Path("build/many-calls.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1))


pytestmark = pytest.mark.peer
