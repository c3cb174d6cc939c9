"""Where the frozen program is run: a copy of it far from the checkout, with next to no environment.

Owns: the copy, the environment, the room where the build machine's own libraries are missing (a mount namespace; root).
Must not know: what is tested.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FREEZES_WITHIN = 900  # seconds, on a machine with other work
RUNS_WITHIN = 120


def frozen_program() -> Path:
    """dist/softphone, frozen now if the sources have changed. AssertionError with the reason if that fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / "freeze.py")],
        capture_output=True,
        text=True,
        timeout=FREEZES_WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Path(done.stdout.strip())


@dataclass(frozen=True, slots=True)
class Run:
    code: int
    events: list[Any]
    stderr: str

    @property
    def result(self) -> Any:
        return self.events[-1]

    @property
    def stages(self) -> dict[str, Any]:
        return {stage["stage"]: stage for stage in self.result["stages"]}


class CleanRoom:
    """A copy of the program in `folder`, beside an empty home."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder / "another place"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        shutil.copytree(program.parent, self.folder, symlinks=True)
        self.program = self.folder / program.name
        self.bundle = self.folder / "_internal"

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()) -> Run:
        """`--json` is added. `before` are words that start the program (env, unshare, sh)."""
        done = subprocess.run(
            [*before, str(self.program), *arguments, "--json"],
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(environment or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUNS_WITHIN,
            check=False,
        )
        assert done.stdout, f"no result, exit code {done.returncode}: {done.stderr[-3000:]}"
        return Run(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def without(*hidden: Path) -> tuple[str, ...]:
    """Words that start a program in a mount namespace of its own where these files and folders are empty. Root only."""
    steps = []
    for path in hidden:
        source = "/dev/null" if path.is_file() else None
        quoted = shlex.quote(str(path))
        steps.append(f"mount --bind {source} {quoted}" if source else f"mount -t tmpfs tmpfs {quoted}")
    script = " && ".join([*steps, 'exec "$@"'])
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


def build_machine() -> tuple[Path, ...]:
    """What a machine without development things does not have: PortAudio, libopus, this interpreter, this checkout."""
    names = ("libportaudio.so*", "libopus.so*")
    libraries = sorted({path.resolve() for name in names for path in Path("/usr/lib").rglob(name)})
    interpreter = Path(sys.base_prefix)
    folders = [ROOT] if interpreter == Path("/usr") else [ROOT, interpreter]
    return (*libraries, *folders)
