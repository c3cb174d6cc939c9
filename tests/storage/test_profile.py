"""Where the program's files are."""

from pathlib import Path

import pytest

from softphone.storage.profile import user_profile


def test_a_named_profile_holds_all_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTPHONE_PROFILE", "here")
    profile = user_profile()
    assert (profile.config, profile.state, profile.runtime) == (tmp_path / "here",) * 2 + (tmp_path / "here" / "run",)


def test_the_lock_is_in_the_sessions_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SOFTPHONE_PROFILE", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert user_profile().runtime == tmp_path / "softphone"


@pytest.mark.parametrize("value", ["", "not/absolute"])
def test_a_folder_that_is_not_absolute_is_ignored(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv("SOFTPHONE_PROFILE", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    runtime = user_profile().runtime
    assert runtime.is_absolute()
    assert runtime.name == "softphone"
