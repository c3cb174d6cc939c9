"""The wheel that the tree builds holds what the program needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import softphone

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout with the locked build back end; nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=100)
    (built,) = folder.glob("softphone-*.whl")
    return built


def test_the_wheel_has_the_version_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"softphone-{softphone.__version__}.dist-info/METADATA").decode()

    assert f"\nVersion: {softphone.__version__}\n" in metadata
    assert "\nLicense-Expression: GPL-3.0-or-later\n" in metadata


def test_the_wheel_holds_every_module_and_every_resource_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "softphone").rglob("*.py")}
    resources = {
        "softphone/" + path.relative_to(ROOT).as_posix() for path in (ROOT / "resources").rglob("*") if path.is_file()
    }

    assert "softphone/resources/README.md" in resources
    assert modules | resources <= names
    assert not [name for name in names if not name.startswith(("softphone/", "softphone-"))]


def test_an_installed_wheel_finds_its_resources(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
from softphone.storage.resource import resource_path
print(resource_path("README.md"))
"""
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()

    assert Path(found) == tmp_path / "softphone" / "resources" / "README.md"
