"""The rule about skipped tests: what is skipped is named at the end, and where it must not happen it is a failure.

Owns: the `root` marker's skip, `tests/skips.toml`, the last line of a run. With SOFTPHONE_TESTS_STRICT=1 a skip that
`tests/skips.toml` does not list with a reason fails the test (or the module) that asked for it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import pytest


@dataclass(frozen=True)
class AllowedSkip:
    """One entry of skips.toml."""

    test: str
    reason: str

    def covers(self, node_id: str) -> bool:
        """Whether the entry is about this test; the brackets of a parametrized id are literal."""
        return node_id == self.test or fnmatchcase(node_id, self.test.replace("[", "[[]"))


def read_allowed_skips(path: Path) -> tuple[AllowedSkip, ...]:
    """The entries of skips.toml; UsageError for one without a test or a reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("skip", []) if path.exists() else []
    for entry in entries:
        if set(entry) != {"test", "reason"} or not all(isinstance(v, str) and v.strip() for v in entry.values()):
            msg = f"{path}: every [[skip]] has exactly a test and a reason, both text: {entry}"
            raise pytest.UsageError(msg)
    return tuple(AllowedSkip(**entry) for entry in entries)


@dataclass(eq=False)  # pytest keeps plugins in sets
class SkipRule:
    """The pytest plugin; one a process."""

    allowed: tuple[AllowedSkip, ...]
    strict: bool
    is_root: bool
    whole_suite: bool = False
    """Nothing narrowed the run, so that an entry without use is a stale one."""
    used: set[AllowedSkip] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    """Node id to reason, for the last line."""

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        if not self.is_root:
            for item in items:
                if item.get_closest_marker("root"):
                    item.add_marker(pytest.mark.skip(reason="needs root"))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._judge(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._judge(report)
        return report

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = _reason(report)
        if self.strict and self._entry(report.nodeid) is None:
            report.outcome = "failed"
            report.longrepr = f"skipped, and tests/skips.toml does not allow it: {reason}"

    # Where the run is shared by several processes, these two are called in the one that sums up.

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        entry = self._entry(report.nodeid)
        if entry is not None:
            self.used.add(entry)
        self.skipped[report.nodeid] = _reason(report)

    def _entry(self, node_id: str) -> AllowedSkip | None:
        return next((entry for entry in self.allowed if entry.covers(node_id)), None)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.strict and self.whole_suite:
            for entry in self.allowed:
                if entry not in self.used:
                    terminalreporter.write_line(
                        f"tests/skips.toml: nothing was skipped for {entry.test!r}: remove it", red=True
                    )

    def pytest_unconfigure(self) -> None:
        """Here and not in the summary: pytest's closing line is printed between the two."""
        if self.skipped and "PYTEST_XDIST_WORKER" not in os.environ:
            print(not_run_line(self.skipped))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def not_run_line(skipped: dict[str, str]) -> str:
    """One line that names every skipped test: by reason, then file, then test."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for node_id, reason in skipped.items():
        file, _, test = node_id.partition("::")
        tests = reasons.setdefault(" ".join(reason.split()), {}).setdefault(file, [])
        name = test.partition("[")[0]
        if name and name not in tests:
            tests.append(name)
    sentences = [
        f"{reason} – " + ", ".join(f"{file} ({', '.join(tests)})" if tests else file for file, tests in files.items())
        for reason, files in sorted(reasons.items())
    ]
    return f"Not run here ({len(skipped)} of the tests): " + "; ".join(sentences)


def pytest_configure(config: pytest.Config) -> None:
    strict = os.environ.get("SOFTPHONE_TESTS_STRICT", "") not in {"", "0"}
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    rule = SkipRule(read_allowed_skips(config.rootpath / "tests" / "skips.toml"), strict, is_root)
    asked = [arg.rstrip("/") for arg in config.invocation_params.args if not arg.startswith("-")]
    rule.whole_suite = asked in ([], ["tests"]) and not config.option.keyword and not config.option.markexpr
    config.pluginmanager.register(rule, "softphone-skip-rule")
