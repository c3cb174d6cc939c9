"""The rule about skipped tests, tried on small test suites of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skip_rule import not_run_line

SUITE = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="no netem")
def test_loss(): pass

@pytest.mark.parametrize("codec", ["a", "b"])
def test_sound(codec):
    if codec == "b": pytest.skip("no codec b")

@pytest.mark.xfail(reason="known")
def test_expected_failure(): raise AssertionError
"""

ALLOW_BOTH = """
[[skip]]
test = "tests/test_suite.py::test_loss"
reason = "No netem in this kernel."
[[skip]]
test = "tests/test_suite.py::test_sound[*"
reason = "No codec b."
"""


def run(
    folder: Path, suite: str, skips: str = "", *, strict: bool = True, euid: int = 0, args: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs pytest with the rule alone on `suite` as tests/test_suite.py of a project in `folder`."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_suite.py").write_text(suite)
    (folder / "tests" / "conftest.py").write_text(f"import os\nos.geteuid = lambda: {euid}\n")
    (folder / "tests" / "skips.toml").write_text(skips)
    (folder / "skip_rule.py").write_text((Path(__file__).parent / "skip_rule.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = root\n")
    # CI makes pytest print its summary in another way.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "SOFTPHONE_", "CI", "BUILD_"))}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment["SOFTPHONE_TESTS_STRICT"] = "1" if strict else "0"
    command = [sys.executable, "-m", "pytest", "-q", "-pskip_rule", "-pno:cacheprovider", *args]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_skip_that_nobody_allowed_is_a_failure_where_the_rule_is_strict(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE)

    assert result.returncode == 1
    assert "1 failed, 2 passed, 1 xfailed, 1 error" in result.stdout
    assert "tests/skips.toml does not allow it: no netem" in result.stdout
    assert "tests/skips.toml does not allow it: no codec b" in result.stdout


def test_an_allowed_skip_is_a_skip_and_the_last_line_names_it(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE, ALLOW_BOTH)

    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1] == (
        "Not run here (2 of the tests): no codec b – tests/test_suite.py (test_sound); "
        "no netem – tests/test_suite.py (test_loss)"
    )
    assert "remove it" not in result.stdout


@pytest.mark.parametrize(("parameter", "refused"), [("a", 1), ("b", 0)])
def test_a_bracket_in_an_allowed_test_means_that_parameter(tmp_path: Path, parameter: str, refused: int) -> None:
    entry = f'[[skip]]\ntest = "tests/test_suite.py::test_sound[{parameter}]"\nreason = "No such codec."\n'

    result = run(tmp_path, SUITE, entry)

    assert result.stdout.count("does not allow it: no codec b") == refused
    assert "no netem" in result.stdout


def test_without_the_strict_rule_a_skip_is_only_named(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE, strict=False)

    assert result.returncode == 0
    assert result.stdout.splitlines()[-1].startswith("Not run here (2 of the tests): ")


def test_a_whole_module_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    result = run(tmp_path, 'import pytest\npytest.importorskip("no_such_module_at_all")\n')

    assert result.returncode != 0
    assert "tests/skips.toml does not allow it" in result.stdout


def test_tests_for_root_are_left_out_by_anybody_else_and_named(tmp_path: Path) -> None:
    suite = "import pytest\n@pytest.mark.root\ndef test_capture(): raise AssertionError\ndef test_other(): pass\n"

    result = run(tmp_path, suite, strict=False, euid=1000)

    assert result.returncode == 0, result.stdout
    last = result.stdout.splitlines()[-1]
    assert last == "Not run here (1 of the tests): needs root – tests/test_suite.py (test_capture)"


def test_tests_for_root_run_as_root(tmp_path: Path) -> None:
    suite = "import pytest\n@pytest.mark.root\ndef test_capture(): pass\n"

    result = run(tmp_path, suite, euid=0)

    assert result.returncode == 0, result.stdout
    assert "Not run here" not in result.stdout


@pytest.mark.parametrize(("args", "reported"), [((), True), (("-k", "runs"), False), (("tests/test_suite.py",), False)])
def test_an_entry_without_use_is_reported_by_a_complete_run(
    tmp_path: Path, args: tuple[str, ...], reported: bool
) -> None:
    stale = '[[skip]]\ntest = "tests/test_suite.py::test_gone"\nreason = "It was removed."\n'

    result = run(tmp_path, "def test_runs(): pass\n", stale, args=args)

    assert result.returncode == 0
    assert ("nothing was skipped for 'tests/test_suite.py::test_gone'" in result.stdout) is reported


@pytest.mark.parametrize("entry", ['test = "tests/x.py::y"', 'test = "tests/x.py::y"\nreason = " "', 'reason = "why"'])
def test_an_entry_without_a_reason_stops_the_run(tmp_path: Path, entry: str) -> None:
    result = run(tmp_path, "def test_runs(): pass\n", f"[[skip]]\n{entry}\n")

    assert result.returncode == 4
    assert "exactly a test and a reason" in result.stdout + result.stderr


def test_the_last_line_is_one_line_even_if_a_reason_is_not() -> None:
    assert "\n" not in not_run_line({"tests/a.py::b": "two\n   lines"})
