"""The engine's log: bounded, private, and it goes on after it was turned over."""

import subprocess
import sys
from pathlib import Path

from softphone.engine.process import engine_log

WRITE = """
import logging, os, sys
from pathlib import Path
from softphone.engine.process import engine_log
engine_log.MAX_OCTETS = 20_000
engine_log.log_to_stderr(Path(sys.argv[1]), "info")
for number in range(1000):
    logging.getLogger("test").info("line %d of a log that grows", number)
print("a last word past logging", file=sys.stderr)
"""


def test_what_grows_is_turned_over_and_two_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "engine.log"
    descriptor = engine_log.open_log(path)
    with open(descriptor, "wb") as log:
        subprocess.run([sys.executable, "-c", WRITE, str(path)], stderr=log, check=True, timeout=30)
    assert sorted(file.name for file in path.parent.iterdir()) == ["engine.log", "engine.log.1"]
    assert all(file.stat().st_size < 21_000 for file in path.parent.iterdir())
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "line 999 of" in text
    assert text.endswith("a last word past logging\n")


def test_a_log_that_was_large_is_turned_over_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"x" * engine_log.MAX_OCTETS)
    with open(engine_log.open_log(path), "wb"):
        assert path.stat().st_size == 0
        assert path.with_name("engine.log.1").stat().st_size == engine_log.MAX_OCTETS
