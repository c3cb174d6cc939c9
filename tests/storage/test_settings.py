"""A settings file that cannot be used is refused in words and left as it is."""

from pathlib import Path

import pytest

from softphone.errors import FailureKind, OperationFailed
from softphone.storage.settings import Settings, SettingsFile


@pytest.mark.parametrize("version", ["0", "-1", "2", '"1"'])
def test_a_version_that_there_never_was_is_refused_and_the_file_kept(tmp_path: Path, version: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"version = {version}\n", encoding="utf-8")
    file = SettingsFile(path)
    with pytest.raises(OperationFailed) as refused:
        file.load()
    assert refused.value.failure.kind is FailureKind.SETTINGS
    with pytest.raises(OperationFailed):
        file.save(Settings())
    assert path.read_text(encoding="utf-8") == f"version = {version}\n"
