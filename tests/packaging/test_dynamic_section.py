"""The reader of ELF files, held against readelf on files that are here."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.scripts import script

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are Linux's")


dynamic_section = script("dynamic_section")


def readelf(path: Path, tag: str) -> list[str]:
    shown = subprocess.run(["readelf", "-dW", str(path)], capture_output=True, text=True, check=True, timeout=20).stdout
    return re.findall(rf"\({tag}\).*\[(.*)\]", shown)


def extension_modules() -> list[Path]:
    found = [importlib.util.find_spec(name) for name in ("_cffi_backend", "PySide6.QtCore")]
    return [Path(str(spec.origin)) for spec in found if spec is not None] + [Path(sys.executable).resolve()]


@pytest.mark.parametrize("path", extension_modules(), ids=lambda path: path.name)
def test_it_reads_what_readelf_reads(path: Path) -> None:
    section = dynamic_section.read(path)

    assert section is not None
    assert list(section.needed) == readelf(path, "NEEDED")
    assert ":".join(section.search_path) == ":".join(readelf(path, "RUNPATH") + readelf(path, "RPATH"))
    assert "libc.so.6" in section.needed


def test_a_file_that_is_none_has_no_section(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")

    assert dynamic_section.read(tmp_path / "text") is None
    assert dynamic_section.read(Path(__file__)) is None


def compiled(folder: Path, *search_path: str) -> Path:
    """A shared library of Python's own, with this search path put over the one that it has."""
    source = next(path for path in extension_modules() if path.name.startswith("QtCore"))
    copy = folder / "library.so"
    shutil.copy(source, copy)
    old = ":".join(readelf(copy, "RUNPATH") + readelf(copy, "RPATH")).encode()
    new = ":".join(search_path).encode()
    assert len(new) <= len(old)
    octets = copy.read_bytes()
    assert octets.count(old + b"\0") == 1
    copy.write_bytes(octets.replace(old + b"\0", new + b"\0" * (len(old) - len(new) + 1)))
    assert list(dynamic_section.read(copy).search_path) == list(search_path)
    return copy


def test_a_search_path_of_the_build_machine_is_taken_out_and_nothing_else(tmp_path: Path) -> None:
    library = compiled(tmp_path, "/b/lib")
    needed = readelf(library, "NEEDED")

    assert dynamic_section.remove_foreign_search_path(library)

    assert readelf(library, "RUNPATH") + readelf(library, "RPATH") == []
    assert readelf(library, "NEEDED") == needed
    assert list(dynamic_section.read(library).needed) == needed
    assert not dynamic_section.remove_foreign_search_path(library)


def test_a_search_path_relative_to_the_file_stays(tmp_path: Path) -> None:
    library = compiled(tmp_path, "$ORIGIN")
    before = library.read_bytes()

    assert not dynamic_section.remove_foreign_search_path(library)
    assert library.read_bytes() == before
