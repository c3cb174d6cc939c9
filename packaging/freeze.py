#!/usr/bin/env python3
"""Freezes the program into dist/softphone, or leaves it there if nothing that goes in has changed.

    .venv/bin/python packaging/freeze.py [--dist FOLDER]

Owns: the environment that makes the result reproducible, the key of what went in, and what is done to the result
afterwards; what goes in is the spec's. Prints the path of the program on standard output, all else on standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dynamic_section

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "freeze"
SPEC = ROOT / "packaging" / "softphone.spec"
INPUTS = (
    "softphone/**/*.py",
    "resources/**/*",
    "packaging/*.spec",
    "packaging/freeze.py",
    "packaging/dynamic_section.py",
    "packaging/libraries.py",
    "packaging/hooks/*.py",
    "requirements/dev.lock",
)
EARLIEST = 315_532_800  # 1980, the first year that a zip file can hold


def key_of_inputs() -> str:
    """The sources, the locked packages, the interpreter: a hash that changes with any of them."""
    digest = hashlib.sha256(f"{sys.version} {platform.platform()} {_source_date()}\n".encode())
    for path in sorted({path for pattern in INPUTS for path in ROOT.glob(pattern) if path.is_file()}):
        digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def freeze(dist: Path) -> Path:
    """The program's path. Raises CalledProcessError with PyInstaller's own words on standard error before it."""
    program = dist / "softphone" / ("softphone.exe" if sys.platform == "win32" else "softphone")
    with _alone():
        key = key_of_inputs()
        stamp = WORK / "key"
        if program.is_file() and stamp.is_file() and stamp.read_text() == f"{key} {dist}":
            print(f"{dist / 'softphone'} is up to date.", file=sys.stderr)
            return program
        stamp.unlink(missing_ok=True)
        folder = _run_pyinstaller()
        _clean_search_paths(folder)
        dist.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(dist / "softphone", ignore_errors=True)
        shutil.move(folder, dist / "softphone")
        if key_of_inputs() == key:
            stamp.write_text(f"{key} {dist}")
        else:
            print("The sources changed meanwhile: the next run freezes again.", file=sys.stderr)
    return program


def _run_pyinstaller() -> Path:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": _source_date(),
        "PYINSTALLER_CONFIG_DIR": str(WORK / "cache"),
    }
    log = WORK / "pyinstaller.log"
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(WORK / "dist"), "--workpath", str(WORK / "work"), str(SPEC)]
    with log.open("w", encoding="utf-8") as output:
        try:
            subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=True)
        except subprocess.CalledProcessError:
            print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
            raise
    return WORK / "dist" / "softphone"


def _clean_search_paths(folder: Path) -> None:
    """No library is to be looked for where it lay on the build machine."""
    if sys.platform.startswith("linux"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                dynamic_section.remove_foreign_search_path(path)


def _source_date() -> str:
    """Seconds since 1970 that every time stamp gets: the caller's, else the commit's (reproducible-builds.org)."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "log", "-1", "--format=%ct", "--", *(pattern.partition("*")[0] for pattern in INPUTS)]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        if found:
            return found
    return str(EARLIEST)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two at once would write over each other."""
    WORK.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder for the folder softphone")
    try:
        print(freeze(parser.parse_args().dist.resolve()))
    except subprocess.CalledProcessError as error:
        sys.exit(f"PyInstaller ended with code {error.returncode}.")
