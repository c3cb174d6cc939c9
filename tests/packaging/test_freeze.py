"""When the program is frozen anew and when what is there will do. PyInstaller itself runs in test_frozen_program.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.scripts import script

dynamic_section, freeze = script("dynamic_section"), script("freeze")
NAME = "softphone.exe" if sys.platform == "win32" else "softphone"


class Checkout:
    """A small one, and how often it was frozen."""

    def __init__(self, root: Path) -> None:
        self.root, self.frozen = root, 0
        for name in ("softphone/app.py", "softphone/sip/uri.py", "resources/tls/openssl.cnf", "requirements/dev.lock"):
            self.write(name, name)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def pyinstaller(self) -> Path:
        self.frozen += 1
        self.write(f"build/freeze/dist/softphone/{NAME}", f"frozen {self.frozen} times")
        return self.root / "build/freeze/dist/softphone"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path)
    monkeypatch.setattr(freeze, "ROOT", tmp_path)
    monkeypatch.setattr(freeze, "WORK", tmp_path / "build" / "freeze")
    monkeypatch.setattr(freeze, "_run_pyinstaller", made.pyinstaller)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    return made


def test_without_a_change_what_is_there_stays(checkout: Checkout) -> None:
    program = freeze.freeze(checkout.root / "dist")
    again = freeze.freeze(checkout.root / "dist")

    assert again == program == checkout.root / "dist" / "softphone" / NAME
    assert program.read_text() == "frozen 1 times"


@pytest.mark.parametrize(
    "name",
    [
        "softphone/sip/uri.py",
        "softphone/new.py",
        "resources/tls/openssl.cnf",
        "resources/icons/new.svg",
        "requirements/dev.lock",
        "packaging/softphone.spec",
        "packaging/hooks/first.py",
    ],
)
def test_a_change_of_what_goes_in_freezes_anew(checkout: Checkout, name: str) -> None:
    freeze.freeze(checkout.root / "dist")
    checkout.write(name, "changed")

    assert freeze.freeze(checkout.root / "dist").read_text() == "frozen 2 times"


@pytest.mark.parametrize("name", ["tests/test_new.py", "docs/packaging.md", "README.md"])
def test_a_change_of_anything_else_does_not(checkout: Checkout, name: str) -> None:
    freeze.freeze(checkout.root / "dist")
    checkout.write(name, "changed")

    assert freeze.freeze(checkout.root / "dist").read_text() == "frozen 1 times"


def test_another_folder_another_date_or_a_lost_program_freezes_anew(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze.freeze(checkout.root / "dist")
    freeze.freeze(checkout.root / "elsewhere")
    assert checkout.frozen == 2

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000001")
    freeze.freeze(checkout.root / "elsewhere").unlink()
    assert checkout.frozen == 3

    freeze.freeze(checkout.root / "elsewhere")
    assert checkout.frozen == 4


def test_what_was_frozen_while_the_sources_changed_is_not_taken_for_theirs(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile() -> Path:
        checkout.write("softphone/app.py", "another")
        return checkout.pyinstaller()

    monkeypatch.setattr(freeze, "_run_pyinstaller", meanwhile)
    freeze.freeze(checkout.root / "dist")
    monkeypatch.setattr(freeze, "_run_pyinstaller", checkout.pyinstaller)

    assert freeze.freeze(checkout.root / "dist").read_text() == "frozen 2 times"


def test_a_failed_freezing_leaves_no_stamp(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> Path:
        raise subprocess.CalledProcessError(1, "pyinstaller")

    freeze.freeze(checkout.root / "dist")
    checkout.write("softphone/app.py", "broken")
    monkeypatch.setattr(freeze, "_run_pyinstaller", failing)
    with pytest.raises(subprocess.CalledProcessError):
        freeze.freeze(checkout.root / "dist")
    checkout.write("softphone/app.py", "softphone/app.py")
    monkeypatch.setattr(freeze, "_run_pyinstaller", checkout.pyinstaller)

    assert freeze.freeze(checkout.root / "dist").read_text() == "frozen 2 times"
