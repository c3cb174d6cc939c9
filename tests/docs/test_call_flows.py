"""The table of call flows names tests that exist, and every flow of the pair tests stands in it."""

from __future__ import annotations

import re

import pytest

from tests.docs import pages
from tests.pair import test_adversity, test_combinations, test_feature_adversity, test_session_adversity, test_transfers

PAGE = pages.text_of("docs/call-flows.md")
FOLDERS = {1: "playbook", 2: "pair", 3: "peers"}
NAMED = [
    (FOLDERS[column], name)
    for row in pages.rows(PAGE)
    for column in FOLDERS
    for name in re.findall(r"`([^`]+)`", row[column])
]
PLAYED = {
    "adversity": test_adversity.FLOWS,
    "session_adversity": test_session_adversity.FLOWS,
    "feature_adversity": tuple(test_feature_adversity.FLOWS),
    "combinations": (*test_combinations.OF_TWO, *test_combinations.OF_MANY),
    "transfers": test_transfers.FLOWS,
}


@pytest.mark.parametrize(("folder", "name"), NAMED, ids=lambda value: value)
def test_each_name_is_that_of_a_test(folder: str, name: str) -> None:
    file, _, test = name.partition(":")
    elsewhere, slash, stem = file.partition("/")
    folder, stem = (elsewhere, stem) if slash else (folder, file)
    path = pages.ROOT / "tests" / folder / f"test_{stem}.py"
    assert path.is_file()
    assert re.search(rf"\bdef (test_)?{test}\(", path.read_text("utf-8")) or not test


@pytest.mark.parametrize("file", PLAYED)
def test_each_flow_of_the_pair_tests_is_named(file: str) -> None:
    assert {f"{file}:{flow.__name__}" for flow in PLAYED[file]} <= {name for _, name in NAMED}
