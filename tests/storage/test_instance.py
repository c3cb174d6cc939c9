"""The phone's name to registrars: made once for a profile, and never by halves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from softphone.errors import FailureKind, OperationFailed
from softphone.storage.instance import instance_id, new_instance_id


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "state" / "instance-id"
    first = instance_id(file)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", first)
    assert instance_id(file) == first
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in file.parent.iterdir()] == ["instance-id"]


@pytest.mark.parametrize("text", ["", "urn:uuid:", "urn:uuid:0\r\nEvil: 1", "\xff" * 1000])
def test_what_is_no_name_is_replaced_by_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "instance-id"
    file.write_text(text, encoding="latin-1")
    made = instance_id(file)
    assert file.read_text(encoding="ascii").strip() == made == instance_id(file)


def test_a_place_that_cannot_be_written_is_a_failure_in_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(OperationFailed) as refused:
        instance_id(tmp_path / "state" / "instance-id")
    assert refused.value.failure.kind is FailureKind.STORAGE


def test_every_run_without_a_profile_has_its_own() -> None:
    assert new_instance_id() != new_instance_id()
