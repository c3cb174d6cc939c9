"""The tree as a whole: one version, no traces of the machine it was written on, no hosted CI, locks that agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import softphone

ROOT = Path(__file__).parents[2]


def committed_files() -> list[Path]:
    """Every file that git tracks and that is there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60)
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def pinned(lock: str) -> set[str]:
    """The requirements of a lock file: `name==version`; where one is left out (its marker) may differ."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return {line.split()[0] for line in text.splitlines() if re.match(r"[a-z0-9]", line)}


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    literal = re.compile(rf"(?<![\d.]){re.escape(softphone.__version__)}(?![\d.])")
    holders = [
        path.relative_to(ROOT).as_posix()
        for path in committed_files()
        if path.suffix in {".py", ".toml", ".sh", ".spec", ".xml", ".desktop"}
        and literal.search(path.read_text(encoding="utf-8"))
    ]

    assert "version" not in project
    assert project["dynamic"] == ["version"]
    assert holders == ["softphone/__init__.py"]


# Written so that this file does not hold what it looks for.
FOREIGN = re.compile(rb"(?<![\w./-])/" + rb"work/" + rb"|(?<![\w./-])/home/" + rb"[a-z]+/|/root/" + rb"\.pyenv")


def test_no_committed_file_names_a_path_of_somebody_s_machine() -> None:
    found = [path.relative_to(ROOT).as_posix() for path in committed_files() if FOREIGN.search(path.read_bytes())]

    assert found == []


@pytest.mark.parametrize("text", [b"see /" + b"work/main/x", b'"/home/' + b'anna/x"'])
def test_a_path_of_somebody_s_machine_would_be_found(text: bytes) -> None:
    assert FOREIGN.search(text)


def test_packaging_is_a_folder_and_not_a_package() -> None:
    # Its name is also that of a library, which it would hide from everything run in the checkout.
    assert not list((ROOT / "packaging").rglob("__init__.py"))


def test_no_hosted_continuous_integration_is_configured() -> None:
    hosted = {".github", ".gitlab-ci.yml", ".circleci", ".travis.yml", "azure-pipelines.yml"}

    assert hosted.isdisjoint(path.relative_to(ROOT).parts[0] for path in committed_files())


def test_every_test_folder_is_a_package() -> None:
    folders = {
        path.parent for path in committed_files() if path.match("tests/**/test_*.py") or path.match("tests/test_*.py")
    }

    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("lock", ["dev.lock", "run.lock", "bench.lock"])
def test_every_requirement_is_locked_by_hash_and_without_an_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]

    assert len(entries) > 20
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "index-url" not in text


def test_running_takes_no_version_that_was_not_tested() -> None:
    assert pinned("run.lock") <= pinned("dev.lock")


def test_benchmarks_measure_the_versions_that_run() -> None:
    own = {
        entry
        for entry in pinned("bench.lock") - pinned("dev.lock")
        if entry.startswith(("pesq==", "pystoi==", "scipy=="))
    }

    assert pinned("bench.lock") - own <= pinned("dev.lock")


def test_the_licence_of_every_locked_package_is_on_record() -> None:
    record = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").partition("### Licences")[2]
    words = set(re.findall(r"[a-z0-9-]+", record))

    assert {entry.partition("==")[0] for entry in pinned("run.lock")} - words == set()


def test_every_dependency_of_pyproject_is_locked() -> None:
    def normal(requirement: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement)[0]).lower()

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = settings["dependency-groups"]
    tested = {
        normal(text) for name in ("build", "dev", "peers", "package") for text in groups[name] if isinstance(text, str)
    }
    run = {normal(text) for text in settings["project"]["dependencies"]}

    assert run <= {normal(entry) for entry in pinned("run.lock")}
    assert run | tested <= {normal(entry) for entry in pinned("dev.lock")}
