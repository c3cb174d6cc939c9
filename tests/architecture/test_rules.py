"""Every module keeps the rules of the house, and the test that says so is not blind."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

import softphone
from tests.architecture.rules import MOST_LINES, objections_to_name, objections_to_source

ROOT = Path(softphone.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def test_every_module_is_short_and_named_and_described_and_holds_its_tasks() -> None:
    objections: list[str] = []
    for path in MODULES:
        relative = path.relative_to(ROOT.parent)
        objections += objections_to_name(relative)
        objections += objections_to_source(relative, path.read_text(encoding="utf-8"))

    assert len(MODULES) > 10
    assert objections == []


@pytest.mark.parametrize("name", ["utils.py", "sip_helper.py", "call_manager.py", "util.py", "common.py"])
def test_a_name_that_says_nothing_is_found(name: str) -> None:
    assert list(objections_to_name(PurePath("softphone/sip") / name))


@pytest.mark.parametrize("name", ["uri.py", "flow_keeper.py", "__init__.py"])
def test_a_name_that_says_something_is_not(name: str) -> None:
    assert not list(objections_to_name(PurePath("softphone/sip") / name))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\n", "no docstring"),
        ('"""Long."""\n' + "x = 1\n" * MOST_LINES, f"{MOST_LINES + 1} lines"),
        ('"""D."""\nasyncio.create_task(work())\n', ":2: the event loop holds tasks weakly"),
        ('"""D."""\nloop.create_task(work())\n', "weakly"),
        ('"""D."""\nensure_future(work())\n', "weakly"),
        ('"""D."""\n_ = asyncio.create_task(work())\n', "weakly"),
        ('"""D."""\nloop.call_soon(lambda: loop.create_task(work()))\n', "weakly"),
        ('"""D."""\nasync def f():\n    if x:\n        asyncio.ensure_future(work())\n', ":4: "),
    ],
)
def test_a_broken_rule_is_found(source: str, sentence: str) -> None:
    assert sentence in "\n".join(objections_to_source(PurePath("a.py"), source))


@pytest.mark.parametrize(
    "source",
    [
        '"""D."""\n' + "x = 1\n" * (MOST_LINES - 1),
        '"""D."""\nself._task = asyncio.create_task(work())\n',
        '"""D."""\ntasks.add(asyncio.create_task(work()))\n',
        '"""D."""\nawait asyncio.ensure_future(work())\n',
        '"""D."""\nasync def f():\n    async with TaskGroup() as group:\n        group.create_task(work())\n',
    ],
)
def test_a_kept_rule_is_not_reported(source: str) -> None:
    assert list(objections_to_source(PurePath("a.py"), source)) == []
