"""The tester guide's examples, run against a lab of their own: each gives the code and the sentence that it tells."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs import pages

GUIDE = pages.text_of("docs/tester-guide.md")
EXAMPLES = [row for row in pages.rows(pages.section(GUIDE, "Exit codes")) if row[0].startswith("`softphone ")]
WITHIN = 60  # s


@dataclass(frozen=True)
class LabProcess:
    port: int
    ca: str
    password: str


def environment(profile: Path, **more: str) -> dict[str, str]:
    """Nothing of whoever runs the tests: no settings, no keyring, no sound server."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"SOFTPHONE_PROFILE": str(profile), "XDG_RUNTIME_DIR": str(profile)} | more


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with subprocess.Popen(
        [sys.executable, "-m", "softphone", "lab", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(tmp_path_factory.mktemp("lab")),
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield LabProcess(ready["port"], ready["ca"], ready["accounts"]["alice"])
        finally:
            process.terminate()
            process.wait(WITHIN)


def arguments(words: str, lab: LabProcess) -> list[str]:
    """What a person would type: “…” stands for the lab's account and CA, sound only where the example is about it."""
    account = f"--server 127.0.0.1:{lab.port} --user alice"
    if "--server" in words:
        account = "--user alice"
    if "without `--ca`" not in words:
        account += f" --ca {lab.ca}"
    silent = "call" in words and "sound card" not in words
    return shlex.split(pages.codes(words)[0].replace("…", account)) + (["--audio", "null"] if silent else [])


def pattern(sentence: str) -> str:
    """“…” stands for anything, and the port is this lab's own."""
    escaped = re.escape(sentence).replace("…", ".*")
    return re.sub(r"(127\\\.0\\\.0\\\.1:)\d{4,5}", r"\g<1>\\d+", escaped)


@pytest.mark.parametrize("row", EXAMPLES, ids=[row[0] for row in EXAMPLES])
def test_an_example_ends_with_the_code_and_the_sentence_that_it_tells(
    row: list[str], lab: LabProcess, tmp_path: Path
) -> None:
    password = "not this one" if "wrong password" in row[0] else lab.password
    command = [sys.executable, "-m", *arguments(row[0], lab), "--json"]
    env = environment(tmp_path, SOFTPHONE_PASSWORD=password, PULSE_SERVER=f"unix:{tmp_path}/no-sound-server")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env=env, check=False)
    result = json.loads(ended.stdout.splitlines()[-1])

    assert ended.returncode == int(row[1]), ended.stdout
    assert re.fullmatch(pattern(row[2]), result["reason"])


def test_there_is_an_example_of_every_exit_code() -> None:
    assert {int(row[1]) for row in EXAMPLES} == set(range(1, 8))
