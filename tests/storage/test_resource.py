"""Resources are found, and nothing else is (the wheel's side: tests/architecture/test_wheel.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from softphone.storage.resource import _root, resource_path


def test_a_resource_of_the_checkout_is_found() -> None:
    path = resource_path("README.md")

    assert path.is_absolute()
    assert path.read_text(encoding="utf-8").startswith("# Resources")


def test_a_resource_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"icons/no-such-icon\.svg"):
        resource_path("icons/no-such-icon.svg")


@pytest.mark.parametrize("outside", ["/etc/passwd", "../pyproject.toml", "icons/../../LICENSE", "..\\LICENSE", "C:/x"])
def test_a_path_that_leaves_the_resources_is_refused(outside: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        resource_path(outside)


def test_an_installed_package_does_not_look_beside_itself(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "softphone"
    package.mkdir(parents=True)
    (package.parent / "resources").mkdir()

    assert _root(package) == package / "resources"
